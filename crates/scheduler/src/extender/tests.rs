//! What the extender remembers of pods that were asked about, and how much of it.

use super::*;

fn extender() -> Extender {
    let account = tempfile::tempdir().unwrap();
    std::fs::write(account.path().join("ca.crt"), "").unwrap();
    let client = Client::new("http://127.0.0.1:9", account.path(), "test").unwrap();
    Extender::new(client, "example.com".to_owned())
}

fn remember(extender: &Extender, what: &str, count: usize, refused_at: Option<Moment>) {
    for number in 0..count {
        let pod = Asked { wanted: Wanted::default(), refused_at };
        extender.remember(format!("{what}-{number}"), pod);
        assert!(lock(&extender.asked).len() <= ASKED, "after {number} of {what}");
    }
}

#[test]
fn of_however_many_pods_that_fit_no_more_are_remembered_than_there_is_room_for() {
    let extender = extender();
    remember(&extender, "fits", 3 * ASKED, None);
    assert!(!lock(&extender.asked).is_empty());
}

#[test]
fn who_was_refused_is_remembered_before_who_fits() {
    let extender = extender();
    remember(&extender, "refused", 10, Some(Moment::ZERO));
    remember(&extender, "fits", 3 * ASKED, None);
    assert_eq!(extender.refused_at("refused-9"), Some(Moment::ZERO));
}

#[test]
fn of_however_many_refused_pods_no_more_are_remembered_than_there_is_room_for() {
    let extender = extender();
    remember(&extender, "refused", 3 * ASKED, Some(Moment::ZERO));
    let last = format!("refused-{}", 3 * ASKED - 1);
    assert_eq!(extender.refused_at(&last), Some(Moment::ZERO), "the last is always there");
}
