//! The book through kills, reboots and devices that are given out again.

mod ailing;
mod ready;
mod removed;
mod rules;

use std::fs;
use std::time::Duration;

use contract::{Mib, Percent};

use super::super::holders::Held;
use super::super::holders::tests::parts;
use super::*;
use crate::inventory::tests::uuid;

fn grant(percent: u64) -> Grant {
    let percent = Percent::new(percent).unwrap();
    Grant::Share { gpu: uuid(0), percent, memory: percent.of(Mib(32510)), context: Mib(308) }
}

fn held(name: &str, devices: BTreeSet<DeviceId>) -> Held {
    let (namespace, container) = ("default".into(), Some("main".into()));
    Held {
        holder: Holder { namespace, pod: name.into(), container },
        resource: Some("gpu-percent".into()),
        devices,
    }
}

fn node() -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(&folder.path().join("state"), &folder.path().join("pages"));
    (folder, layout)
}

/// How many records lie in a folder, beside files that will be some.
fn count(folder: PathBuf) -> usize {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).count()
}

/// Compares with a list of all pods.
fn reconcile(book: &mut Book, held: &[Held]) -> Result<(), BookError> {
    book.reconcile(&Look::whole(held, Instant::now()))
}

/// The allotments' folders, once what has ended is gone. What lies ready for the next one is hidden.
fn pages_in(book: &Book) -> usize {
    book.hands.finish();
    let names = fs::read_dir(&book.layout.pages).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| !name.to_string_lossy().starts_with(".draft.")).count()
}

#[test]
fn devices_given_out_again_end_every_allotment_that_had_some_of_them() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    for range in [0..30, 30..60, 60..90] {
        book.allot(&parts(0, range), &grant(30), Told::default(), None).unwrap();
    }
    let last = book.allot(&parts(0, 20..40), &grant(20), Told::default(), None).unwrap();
    let left: Vec<_> = book.records().map(|record| record.devices.len()).collect();
    assert_eq!(left.iter().sum::<usize>(), 50, "{left:?}");
    // Those who had them may be init containers of the same pod, which has the rest then.
    assert_eq!(book.taken().percent(uuid(0)), 90);
    reconcile(&mut book, &[]).unwrap();
    assert_eq!(book.taken().percent(uuid(0)), 50);
    assert_eq!((pages_in(&book), count(layout.records())), (2, 2));
    assert!(layout.pages_of(last.id).join("limits").exists());
    // What is kept beside the records is what they come to, also for who reads them again.
    let again = Book::open(layout).unwrap();
    for book in [&book, &again] {
        let mut taken = Taken::default();
        book.records().for_each(|it| taken.add(it.devices.iter().copied(), None));
        assert_eq!(*book.taken(), taken);
    }
}

#[test]
fn what_a_dead_pod_without_a_name_had_beside_what_is_given_out_again_is_free() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout).unwrap();
    book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.age(Duration::from_secs(60));
    book.allot(&parts(0, 40..60), &grant(20), Told::default(), None).unwrap();
    assert_eq!(book.taken().percent(uuid(0)), 20);
}

#[test]
fn how_long_a_pod_has_to_appear_does_not_depend_on_the_wall_clock() {
    for (moved, waited, stays) in [(3600, 60, 0), (-3600, 0, 1)] {
        let (_folder, layout) = node();
        let mut book = Book::open(layout).unwrap();
        let id = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap().id;
        let at = &mut book.entries.get_mut(&id).unwrap().record.allocated_at;
        *at = at.saturating_add_signed(moved);
        book.age(Duration::from_secs(waited));
        reconcile(&mut book, &[]).unwrap();
        assert_eq!(book.records().count(), stays, "the clock went by {moved} s");
    }
}

#[test]
fn a_rest_that_no_checkpoint_names_is_free_at_the_next_look_also_where_none_can_be_read() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout).unwrap();
    book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.allot(&parts(0, 40..60), &grant(20), Told::default(), None).unwrap();
    assert_eq!(book.taken().percent(uuid(0)), 60);
    book.reconcile(&Look { kept: None, ..Look::whole(&[], Instant::now()) }).unwrap();
    assert_eq!(book.taken().percent(uuid(0)), 20);
}

#[test]
fn another_agent_finds_the_book_as_it_was() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record =
        book.allot(&parts(0, 0..50), &grant(50), Told::default(), Some("1".into())).unwrap();
    book.hold(record.id, held("a", parts(0, 0..50)).holder).unwrap();
    // What a kill in the middle of things leaves.
    fs::create_dir(layout.pages.join("00000000000000ff")).unwrap();
    fs::create_dir(layout.pages.join(format!(".{}.1", record.id))).unwrap();
    let again = Book::open(layout.clone()).unwrap();
    assert!(again.records().eq(book.records()));
    assert_eq!(pages_in(&again), 1);
}

#[test]
fn pages_that_a_reboot_has_taken_are_there_before_anything_registers_and_others_stay() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let share = |book: &mut Book, from: u8| {
        let record =
            book.allot(&parts(0, from..from + 10), &grant(10), Told::default(), None).unwrap();
        layout.pages_of(record.id)
    };
    let [gone, folder, kept] = [0, 10, 20].map(|from| share(&mut book, from));
    fs::remove_dir_all(&gone).unwrap();
    // As a runtime makes what it is to mount and does not find.
    fs::remove_file(folder.join("ledger")).unwrap();
    fs::create_dir(folder.join("ledger")).unwrap();
    fs::write(kept.join("ledger"), "spoilt by a tenant that runs on").unwrap();
    Book::open(layout).unwrap();
    for pages in [gone, folder] {
        assert!(ledger::agent::read_ledger(&pages.join("ledger")).is_ok(), "{pages:?}");
        assert!(ledger::agent::read_limits(&pages.join("limits")).is_ok(), "{pages:?}");
    }
    assert!(fs::read(kept.join("ledger")).unwrap().starts_with(b"spoilt"));
}

#[test]
fn of_two_allotments_of_the_same_devices_the_later_counts_after_a_kill_between_them() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let first = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    let last = book.allot(&parts(0, 40..60), &grant(20), Told::default(), None).unwrap();
    book.hands.finish();
    // As if the second had never come to end the first, which has the smaller or the larger name.
    let age = |id, seconds| {
        let path = layout.record(id);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    for (older, newer) in [(&first, &last), (&last, &first)] {
        for (record, seconds) in [(older, 20), (newer, 10)] {
            store::save(&layout, record).unwrap();
            age(record.id, seconds);
        }
        let again = Book::open(layout.clone()).unwrap();
        assert_eq!(again.records().map(|record| record.id).collect::<Vec<_>>(), [newer.id]);
        again.hands.finish();
        assert_eq!(count(layout.records()), 1);
    }
}

#[test]
fn what_the_kubelet_no_longer_lists_ends_and_the_rest_has_its_name() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout).unwrap();
    book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.allot(&parts(0, 50..90), &grant(40), Told::default(), None).unwrap();
    let (a, b) = (held("a", parts(0, 0..50)), held("b", parts(0, 50..90)));
    reconcile(&mut book, &[a.clone(), b]).unwrap();
    assert!(book.records().all(|record| record.holder.is_some()));
    reconcile(&mut book, &[a]).unwrap();
    let left: Vec<_> = book.records().map(|record| &record.holder).collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].as_ref().unwrap().pod, "a");
}

#[test]
fn an_allotment_that_cannot_be_made_leaves_those_that_are_there() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.hands.finish();
    fs::remove_dir_all(layout.records()).unwrap();
    let message =
        book.allot(&parts(0, 0..20), &grant(20), Told::default(), None).unwrap_err().to_string();
    assert!(message.contains("cannot write"), "{message}");
    assert_eq!(book.records().count(), 1);
}

#[test]
fn what_cannot_be_removed_or_written_down_keeps_nothing_else_from_being_compared() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let mut allot =
        |range| book.allot(&parts(0, range), &grant(10), Told::default(), None).unwrap().id;
    let [stuck, ends] = [0..10, 10..20].map(&mut allot);
    let [one, other] = [20..30, 30..40].map(&mut allot);
    // A folder in the place of a file: nobody removes or replaces that as a file, root neither.
    let in_the_way = |path: PathBuf| {
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
    };
    in_the_way(layout.record(stuck));
    let listed = [held("one", parts(0, 20..30)), held("other", parts(0, 30..40))];
    let all = [held("stuck", parts(0, 0..10)), held("ends", parts(0, 10..20))];
    // Names for all but the first, whose record cannot be written.
    let all = [&all[..], &listed].concat();
    reconcile(&mut book, &all).unwrap_err();
    let unnamed = |book: &Book| book.records().filter(|one| one.holder.is_none()).count();
    assert_eq!(unnamed(&book), 1);
    // It ends in memory, and its file stays.
    book.allot(&parts(0, 0..5), &grant(5), Told::default(), None).unwrap();
    book.hands.finish();
    // A file in the place of a folder of pages.
    let leftover = layout.pages.join("00000000000000ff");
    fs::write(&leftover, "").unwrap();
    let swept = layout.pages.join("0000000000000001");
    let swept_too = layout.pages.join("ffffffffffffff01");
    [&swept, &swept_too].iter().for_each(|path| fs::create_dir(path).unwrap());
    let message = reconcile(&mut book, &listed).unwrap_err().to_string();
    assert!(message.contains(&format!("{stuck}")), "the first of two: {message}");
    assert!(!book.records().any(|record| record.id == ends), "not compared");
    assert!(book.records().any(|record| record.id == one));
    assert!(book.records().any(|record| record.id == other));
    assert!(!swept.exists() && !swept_too.exists(), "not swept");
}

#[test]
fn pages_that_lay_ready_and_are_gone_are_made_anew() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    // As a folder that was emptied, or that something was mounted over.
    let empty = |book: &Book| {
        book.hands.finish();
        fs::remove_dir_all(&layout.pages).unwrap();
        fs::create_dir(&layout.pages).unwrap();
    };
    for range in [0..30, 30..60] {
        book.hands.prepare();
        empty(&book);
        let record =
            book.allot(&parts(0, range.clone()), &grant(30), Told::default(), None).unwrap();
        assert!(pages::read(&layout, record.id).is_ok());
        empty(&book);
        book.renew(&parts(0, range)).unwrap();
        assert!(pages::read(&layout, record.id).is_ok());
    }
}

#[test]
fn pages_that_nobody_lives_in_are_made_anew_and_unknown_devices_have_none() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    let ledger = layout.pages_of(record.id).join("ledger");
    let fresh = fs::metadata(&ledger).unwrap().len();
    fs::write(&ledger, "scribbled").unwrap();
    book.renew(&parts(0, 0..50)).unwrap();
    assert_eq!(fs::metadata(&ledger).unwrap().len(), fresh);
    assert_eq!(book.renew(&parts(0, 0..49)).unwrap(), None);
}
