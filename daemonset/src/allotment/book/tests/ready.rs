//! Pages that lie ready for shares that are still to come.

use std::mem;
use std::os::unix::fs::MetadataExt;

use super::*;

/// The inodes of pages that lie ready.
fn ready(book: &Book) -> BTreeSet<u64> {
    book.hands.finish();
    let entries = fs::read_dir(&book.layout.pages).unwrap().map(Result::unwrap);
    let ready = entries.filter(|it| it.file_name().to_string_lossy().starts_with(".draft."));
    ready.map(|it| it.metadata().unwrap().ino()).collect()
}

#[test]
fn pages_lie_ready_for_the_next_shares_and_what_a_killed_agent_made_ahead_is_swept() {
    let (_folder, layout) = node();
    fs::create_dir_all(layout.pages.join(".draft.77")).unwrap();
    let mut book = Book::open(layout.clone()).unwrap();
    assert!(ready(&book).is_empty());
    for _ in 0..3 {
        reconcile(&mut book, &[]).unwrap();
        let mut ahead = ready(&book);
        assert_eq!(ahead.len(), 8);
        // As many pods at once, without anybody who makes more meanwhile.
        let (hands, late) = book.hands.tied(Duration::ZERO);
        let own = mem::replace(&mut book.hands, hands);
        for from in (0..80).step_by(10) {
            let devices = parts(0, from..from + 10);
            let record = book.allot(&devices, &grant(10), Told::default(), None).unwrap();
            let inode = fs::metadata(layout.pages_of(record.id)).unwrap().ino();
            assert!(ahead.remove(&inode), "made while the kubelet waited");
        }
        late();
        book.hands = own;
        assert_eq!(ready(&book).len(), 8);
    }
}

#[test]
fn pages_that_lie_ready_have_the_room_of_shares_that_are_still_to_come() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout).unwrap();
    book.layout.room = Some(2);
    let most = book.layout.most_shares().unwrap();
    assert_eq!(most, 5);
    let mut shares = Vec::new();
    for from in (0..50).step_by(10) {
        let devices = parts(0, from..from + 10);
        shares.push(held("a", devices.clone()));
        book.allot(&devices, &grant(10), Told::default(), None).unwrap();
        reconcile(&mut book, &shares).unwrap();
        assert_eq!(ready(&book).len(), (most - shares.len()).max(1));
    }
    // One restarts, which takes what lies ready and leaves as much.
    book.renew(&parts(0, 0..10)).unwrap();
    assert_eq!(ready(&book).len(), 1);
    reconcile(&mut book, &[]).unwrap();
    reconcile(&mut book, &[]).unwrap();
    assert_eq!(ready(&book).len(), most);
}
