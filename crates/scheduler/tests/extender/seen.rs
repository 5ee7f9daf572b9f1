//! What the extender tells to whoever reaches its pod.

use serde_json::json;

use super::peer::Peer;
use super::{Extender, node, pod, until};

#[test]
fn who_watches_from_outside_is_told_how_it_is_and_can_ask_for_nothing() {
    let peer = Peer::start();
    peer.publish("a", &node(&[0], &[]));
    let mut extender = Extender::start(&peer);
    until(|| extender.get("/readyz") == "ok");
    let question = json!({ "Pod": pod("p", 50), "NodeNames": ["a"] });
    assert_eq!(extender.post("/filter", &question).0, 200);
    extender.base.clone_from(&extender.seen);
    assert_eq!(extender.get("/readyz"), "ok");
    assert_eq!(extender.get("/healthz"), "ok");
    // What was asked at the other address is counted here too.
    let metrics = extender.get("/metrics");
    assert!(metrics.contains("aliquot_scheduler_filters_total 1"), "{metrics}");
    for path in ["/filter", "/prioritize", "/preempt", "/bind"] {
        assert_eq!(extender.post(path, &question).0, 404, "{path}");
    }
}
