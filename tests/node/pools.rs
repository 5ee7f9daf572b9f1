//! Nodes of one pool that differ are told of.

use serde_json::json;

use crate::cluster::without_agent;
use crate::harness::wait_until;

const POOL: &str = "pools: {train: {mode: whole}}\ngpus: [{index: 1, pool: train}]\n";

#[test]
fn a_pool_whose_nodes_differ_is_a_condition_and_a_metric_until_they_are_alike() {
    let (mut node, api) = without_agent(POOL);
    node.add_flag("--compare-pools-every", "1");
    let other = |product: &str| {
        let labels = json!({
            "example.com/gpu.pool.train.count": "1",
            "example.com/gpu.pool.train.product": product,
            "example.com/gpu.pool.train.mig": "off",
        });
        json!({"metadata": {"name": "n2", "uid": "n2", "labels": labels}})
    };
    api.cluster().others = vec![other("NVIDIA-A100-SXM4-80GB")];
    node.start_agent_without("--gpu-mode");
    let condition = || {
        let node = api.cluster().node.clone();
        let all = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        assert!(all.iter().any(|it| it["type"] == "Ready"), "another's condition is gone: {all:?}");
        let its = all.into_iter().find(|it| it["type"] == "example.com/GPUPoolsUniform");
        its.unwrap_or_default()
    };
    let differing = || node.metric("aliquot_pool_nodes_differing", &["\"train\"", "\"product\""]);
    wait_until("the nodes differ", || condition()["status"] == "False");
    let message = condition()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("product is Tesla-V100-SXM2-32GB here"), "{message}");
    assert!(message.contains("NVIDIA-A100-SXM4-80GB on n2"), "{message}");
    assert_eq!(differing(), Some(1.0));
    api.cluster().others = vec![other("Tesla-V100-SXM2-32GB")];
    wait_until("they are alike", || condition()["status"] == "True");
    wait_until("the metric says so", || differing() == Some(0.0));
}

#[test]
fn of_a_large_pool_only_the_nodes_that_differ_are_asked_for() {
    let (mut node, api) = without_agent(POOL);
    node.add_flag("--compare-pools-every", "1");
    node.start_agent_without("--gpu-mode");
    let labels = || api.cluster().node["metadata"]["labels"].clone();
    wait_until("it is labelled", || !labels()["example.com/gpu.pool.train.shape"].is_null());
    let alike = |n: usize| json!({"metadata": {"name": format!("n{n}"), "labels": labels()}});
    let mut others: Vec<_> = (2..1002).map(alike).collect();
    others[0]["metadata"]["labels"]["example.com/gpu.pool.train.count"] = "8".into();
    others[0]["metadata"]["labels"]["example.com/gpu.pool.train.shape"] = "other".into();
    api.cluster().others = others;
    let differing = || node.metric("aliquot_pool_nodes_differing", &["\"train\"", "\"count\""]);
    wait_until("the one that differs is found", || differing() == Some(1.0));
    let asked = api.cluster().labelled.clone();
    assert!(asked.iter().all(|(_, named)| *named <= 1), "{asked:?}");
}
