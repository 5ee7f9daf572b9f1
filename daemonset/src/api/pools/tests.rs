//! What nodes say of their pools, and what is made of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;

use super::*;
use crate::inventory::Membership;
use crate::inventory::tests::{divided, gpu, slice};
use crate::modes::Mode;

fn pooled(gpu: Gpu) -> Gpu {
    let (name, resource) = ("train".to_owned(), "gpu-train".to_owned());
    Gpu { pool: Some(Membership { name, resource }), ..gpu }
}

fn node(name: &str, gpus: Vec<Gpu>, driver: &str) -> Meta {
    let said = labels(&Inventory::new(gpus), Some(driver));
    let labels = said.into_iter().map(|(name, word)| (format!("a.com/{name}"), word)).collect();
    let mut node = Meta::default();
    (node.name, node.labels) = (name.into(), labels);
    node
}

fn compare_to(name: &str, nodes: &[Meta]) -> PoolStates {
    let own = nodes.iter().find(|node| node.name == name).unwrap();
    compare(name, &own.labels, nodes, "a.com")
}

fn v100() -> Gpu {
    pooled(gpu(0, Mode::Whole))
}

#[test]
fn nodes_with_the_same_gpus_are_alike_and_others_have_no_say() {
    let gpus = || vec![v100(), gpu(1, Mode::Shared)];
    let stranger = node("c", vec![gpu(0, Mode::Shared)], "1");
    let nodes = [node("a", gpus(), "570"), node("b", gpus(), "570"), stranger];
    let states = compare_to("a", &nodes);
    let (holds, reason, _) = condition(&states).unwrap();
    assert_eq!((holds, reason), (true, "NodesAlike"));
    assert_eq!(condition(&compare_to("c", &nodes)), None);
}

#[test]
fn each_difference_is_told_with_what_is_here_and_there() {
    let a100 = pooled(Gpu { name: "NVIDIA A100-SXM4-80GB".into(), ..gpu(0, Mode::Whole) });
    let mig = pooled(Gpu { name: "x".into(), ..divided(0, vec![slice(1, "1g.10gb"); 2]) });
    let table = [
        (vec![v100()], "570", None),
        (vec![a100], "570", Some("product is Tesla-V100-SXM2-32GB here and NVIDIA-A100")),
        (vec![v100(), pooled(gpu(1, Mode::Whole))], "570", Some("count is 1 here and 2 on b")),
        (vec![v100()], "580", Some("driver is 570 here and 580 on b")),
        (vec![mig], "570", Some("mig is off here and 2x1g.10gb on b")),
    ];
    for (gpus, driver, words) in table {
        let nodes = [node("a", vec![v100()], "570"), node("b", gpus, driver)];
        let (holds, _, message) = condition(&compare_to("a", &nodes)).unwrap();
        assert_eq!(holds, words.is_none(), "{message}");
        assert!(words.is_none_or(|words| message.contains(words)), "{message}");
    }
}

#[test]
fn of_many_nodes_some_are_named_and_the_rest_is_counted() {
    let others = (0..9).map(|n| node(&format!("n{n}"), vec![v100()], "580"));
    let nodes: Vec<_> = others.chain([node("a", vec![v100()], "570")]).collect();
    let state = compare_to("a", &nodes);
    assert_eq!(state["train"].differ["driver"].len(), 9);
    let (_, _, message) = condition(&state).unwrap();
    assert!(message.ends_with("580 on n0, n1, n2 and 6 more"), "{message}");
}

#[test]
fn a_driver_that_is_not_known_yet_differs_from_none() {
    let mut early = node("b", vec![v100()], "580");
    early.labels.remove("a.com/gpu.pool.train.driver");
    let states = compare_to("a", &[node("a", vec![v100()], "570"), early]);
    assert!(states["train"].differ.is_empty());
}

#[test]
fn only_nodes_that_say_something_else_are_asked_for() {
    let query = |node: &Meta| query("train", &node.labels, "a.com");
    let of = |gpus: Vec<Gpu>, driver: &str| query(&node("a", gpus, driver));
    let own = of(vec![v100()], "570");
    assert_eq!(own, of(vec![v100()], "570"));
    assert_ne!(own, of(vec![v100()], "580"));
    assert_ne!(own, of(vec![v100(), pooled(gpu(1, Mode::Whole))], "570"));
    let (count, shape) = own.split_once("%2C").unwrap();
    assert!(count.ends_with("=a.com%2Fgpu.pool.train.count"), "{own}");
    assert!(shape.starts_with("a.com%2Fgpu.pool.train.shape%21%3D"), "{own}");
}

#[tokio::test]
async fn a_word_of_an_agent_whose_node_had_pools_is_taken_back_and_none_is_given_where_there_was_none()
 {
    let left = |reason: &str| json!({"type": "a.com/GPUPoolsUniform", "status": "False", "reason": reason});
    for (conditions, written) in [
        (json!([]), 0),
        (json!([{"type": "Ready", "status": "True"}]), 0),
        (json!([left("NodesDiffer")]), 1),
        (json!([left("NoPools")]), 0),
    ] {
        let patches = Arc::new(Mutex::new(Vec::new()));
        let heard = patches.clone();
        let node = json!({"status": {"conditions": conditions}}).to_string();
        let take = async move |body: Bytes| {
            heard.lock().unwrap().push(serde_json::from_slice::<Value>(&body).unwrap());
            "{}"
        };
        let app = Router::new()
            .route("/api/v1/nodes/n", get(async move || node))
            .route("/api/v1/nodes/n/status", axum::routing::patch(take));
        let (client, _account) = super::super::served::client(app).await;
        let mut told = Told::default();
        for _ in 0..3 {
            told.tell(&client, "n", "a.com", &PoolStates::new()).await;
        }
        let patches = patches.lock().unwrap();
        assert_eq!(patches.len(), written, "{conditions}: {patches:?}");
        assert!(patches.iter().all(|it| it["status"]["conditions"][0]["reason"] == "NoPools"));
    }
}
