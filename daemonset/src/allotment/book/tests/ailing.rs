//! The book with records that cannot be read, pages that cannot be made, and lists that are not whole.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::allotment::kept::tests::kept;
use crate::allotment::record::Holding;

#[test]
fn one_allotment_that_cannot_be_made_good_keeps_no_other_from_being_served() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let mut allot =
        |range| book.allot(&parts(0, range), &grant(10), Told::default(), None).unwrap();
    let [broken, unread, whole] = [0..10, 10..20, 20..30].map(&mut allot);
    book.hands.finish();
    fs::remove_dir_all(layout.pages_of(broken.id)).unwrap();
    let Holding::Share { gpu, memory_mib, context_mib, .. } = broken.holding else { panic!() };
    let holding = Holding::Share { gpu, percent: 0, memory_mib, context_mib };
    store::save(&layout, &Record { holding, ..broken.clone() }).unwrap();
    fs::write(layout.record(unread.id), "{").unwrap();
    let mut again = Book::open(layout.clone()).unwrap();
    assert!(pages::read(&layout, whole.id).is_ok());
    assert!(layout.pages_of(unread.id).join("ledger").exists(), "a container may have it mounted");
    // What is known to be held is held.
    assert_eq!(again.taken().percent(uuid(0)), 20);
    let ail = |book: &Book| book.troubles().map(|(id, _)| id).collect::<BTreeSet<_>>();
    assert_eq!(ail(&again), [broken.id, unread.id].into());
    assert!(again.renew(&parts(0, 0..10)).is_err());
    assert!(again.renew(&parts(0, 20..30)).unwrap().is_some());
    let listed = [0..10, 10..20, 20..30].map(|range| held("a", parts(0, range)));
    assert_eq!(again.unknown(&listed, Instant::now()), [parts(0, 10..20)]);
    // What failed once is tried again.
    again.ails(whole.id, "its pages could not be made".into());
    reconcile(&mut again, &listed).unwrap_err();
    assert_eq!(ail(&again), [broken.id, unread.id].into());
    again.readmit(&parts(0, 10..20), &grant(10), None).unwrap();
    assert_eq!(ail(&again), [broken.id].into());
    // What has ended is in nobody's way.
    fs::write(layout.record(unread.id), "{").unwrap();
    let mut last = Book::open(layout.clone()).unwrap();
    let _ = reconcile(&mut last, &[held("a", parts(0, 20..30))]);
    last.hands.finish();
    assert_eq!((ail(&last), pages_in(&last), count(layout.records())), (BTreeSet::new(), 1, 1));
}

#[test]
fn what_a_living_container_has_mounted_stays_when_its_lost_record_is_made_again() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    let inode = || fs::metadata(layout.pages_of(record.id).join("ledger")).unwrap().ino();
    let before = inode();
    fs::write(layout.record(record.id), "").unwrap();
    let mut again = Book::open(layout.clone()).unwrap();
    let asked = Instant::now();
    again.readmit(&parts(0, 0..50), &grant(50), None).unwrap();
    assert_eq!(inode(), before);
    assert!(again.unknown(&[held("b", parts(0, 60..70))], asked).is_empty(), "an old list");
}

#[test]
fn what_is_made_again_is_held_as_what_the_kubelet_says_that_it_gave_out() {
    let devices = || parts(0, 0..50);
    let list = [Held { resource: Some("gpu-old-percent".into()), ..held("a", devices()) }];
    let stored = Kept { resource: "gpu-old-percent".into(), ..kept(devices()) };
    for (held, kept) in [(&list[..], vec![]), (&[], vec![stored])] {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap().under("a.com");
        book.readmit(&devices(), &grant(50), None).unwrap();
        book.reconcile(&Look { kept: Some(kept), ..Look::whole(held, Instant::now()) }).unwrap();
        for (domain, name) in [("a.com", "gpu-old-percent"), ("b.com", "a.com/gpu-old-percent")] {
            let again = Book::open(layout.clone()).unwrap().under(domain);
            let all = again
                .taken()
                .devices()
                .map(|(_, resource)| resource.unwrap_or_default().to_owned());
            assert_eq!(all.collect::<BTreeSet<_>>(), [name.to_owned()].into(), "under {domain}");
        }
        assert_eq!(book.taken(), Book::open(layout).unwrap().under("a.com").taken());
    }
}

#[test]
fn a_list_that_need_not_be_whole_gives_names_and_ends_nothing() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout).unwrap();
    book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.allot(&parts(0, 50..90), &grant(40), Told::default(), None).unwrap();
    reconcile(&mut book, &[held("a", parts(0, 0..50)), held("b", parts(0, 50..90))]).unwrap();
    for (listed, left) in [(Listed::InPart, 2), (Listed::Whole, 0)] {
        book.reconcile(&Look { listed, ..Look::whole(&[], Instant::now()) }).unwrap();
        assert_eq!(book.records().count(), left);
    }
}

#[test]
fn the_pod_that_holds_an_allotment_is_written_down_once_it_can_be_known() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.hold(record.id, held("a", parts(0, 0..50)).holder).unwrap();
    assert!(!book.wants_pods(), "the kubelet may not have written it down");
    book.age(Duration::from_secs(60));
    assert!(book.wants_pods());
    let pod_of = |device| (device == DeviceId::Percent(uuid(0), 0)).then(|| "uid".to_owned());
    book.learn_pods(Instant::now(), pod_of).unwrap();
    let again = Book::open(layout).unwrap();
    let uids: Vec<_> = again.records().map(|record| record.pod_uid.as_deref()).collect();
    assert_eq!(uids, [Some("uid")]);
    assert!(!again.wants_pods());
}
