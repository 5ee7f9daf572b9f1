//! The files of what has ended go while others are made.

use super::*;

#[test]
fn an_allotment_that_comes_back_at_once_keeps_its_files() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    // Each ends the other, and its files are removed while the next is made.
    for _ in 0..200 {
        for range in [0..30, 20..40] {
            let devices = parts(0, range);
            book.removal(&devices).into_iter().for_each(Removal::wait);
            let record = book.allot(&devices, &grant(20), Told::default(), None).unwrap();
            assert!(book.removal(&devices).is_none());
            assert!(layout.record(record.id).exists());
            assert!(pages::read(&layout, record.id).is_ok());
        }
    }
    assert_eq!((pages_in(&book), count(layout.records())), (1, 1));
}

#[test]
fn an_allotment_whose_old_files_do_not_go_is_refused_and_none_loses_its_own_to_a_late_removal() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let (hands, late) = book.hands.tied(Duration::ZERO);
    book.hands = hands;
    book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).unwrap();
    let other = book.allot(&parts(0, 20..40), &grant(20), Told::default(), None).unwrap();
    let again = book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).map(|it| it.id);
    late();
    for record in book.records() {
        assert!(layout.record(record.id).exists(), "{again:?}");
        assert!(pages::read(&layout, record.id).is_ok(), "{again:?}");
    }
    let message = again.unwrap_err().to_string();
    assert!(message.contains("still being removed"), "{message}");
    assert_eq!(book.records().map(|record| record.id).collect::<Vec<_>>(), [other.id]);
    book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).unwrap();
}

#[test]
fn what_has_ended_goes_where_nobody_waits_for_it_also_while_the_book_is_compared() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let (hands, late) = book.hands.tied(Duration::ZERO);
    book.hands = hands;
    let old = book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).unwrap();
    book.allot(&parts(0, 20..40), &grant(20), Told::default(), None).unwrap();
    reconcile(&mut book, &[held("a", parts(0, 20..40))]).unwrap();
    assert!(layout.pages_of(old.id).exists(), "removed by who compares");
    late();
    assert!(!layout.pages_of(old.id).exists());
}

#[test]
fn files_that_cannot_be_removed_are_told_of_and_tried_again() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record = book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).unwrap();
    // A folder in the place of a file: nobody removes that as a file, root neither.
    let path = layout.record(record.id);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    book.allot(&parts(0, 0..10), &grant(10), Told::default(), None).unwrap();
    book.hands.finish();
    let message = reconcile(&mut book, &[]).unwrap_err().to_string();
    assert!(message.contains("cannot remove"), "{message}");
    fs::remove_dir(&path).unwrap();
    reconcile(&mut book, &[]).unwrap();
    assert_eq!(pages_in(&book), 1);
}
