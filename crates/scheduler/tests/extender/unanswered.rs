//! Bindings that nobody answered: the pod may have its place, or not.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::peer::Peer;
use super::{Extender, node, pod, until};

/// Two free nodes, and a pod whose binding to the first one the API server failed at.
fn unanswered() -> (Peer, Extender, Value) {
    let peer = Peer::start();
    peer.publish("a", &node(&[0], &[]));
    peer.publish("b", &node(&[0], &[]));
    let extender = Extender::start(&peer);
    let one = pod("one", 60);
    extender.fits_in_the_end(&one, &["a", "b"]);
    peer.answer_bindings(StatusCode::INTERNAL_SERVER_ERROR);
    assert_ne!(extender.bind("one", "a"), "");
    (peer, extender, one)
}

#[test]
fn a_pod_whose_binding_nobody_answered_is_not_kept_from_its_own_place_and_has_but_one() {
    let (peer, extender, one) = unanswered();
    // It may be bound: to others its place is taken.
    assert_eq!(extender.filter(&pod("two", 60))["NodeNames"], json!(["b"]));
    assert_eq!(extender.filter(&one)["NodeNames"], json!(["a", "b"]));
    peer.answer_bindings(StatusCode::CREATED);
    assert_eq!(extender.bind("one", "b"), "");
    assert_eq!(extender.filter(&pod("two", 60))["NodeNames"], json!(["a"]));
    assert!(extender.get("/metrics").contains("aliquot_scheduler_unpublished 1"));
}

#[test]
fn where_a_binding_that_nobody_answered_was_stored_its_place_is_kept_when_the_next_is_refused() {
    let (peer, extender, one) = unanswered();
    assert_eq!(extender.filter(&one)["NodeNames"], json!(["a", "b"]));
    assert_ne!(extender.bind("one", "b"), "");
    // It may be on either: to others both are taken, to itself none.
    assert_eq!(extender.filter(&pod("two", 60))["NodeNames"], json!([]));
    assert_eq!(extender.filter(&one)["NodeNames"], json!(["a", "b"]));
    peer.answer_bindings(StatusCode::CONFLICT);
    assert!(extender.bind("one", "b").contains("already assigned"));
    assert_eq!(extender.filter(&pod("two", 60))["NodeNames"], json!(["b"]));
    // It starts there, and ends.
    peer.publish("a", &node(&[60], &[("one", 0, 60)]));
    until(|| extender.get("/metrics").contains("aliquot_scheduler_unpublished 0"));
    until(|| peer.is_watched());
    peer.end(&one);
    extender.fits_in_the_end(&pod("two", 60), &["a", "b"]);
}
