//! The agent and the API server: what users see there, and what they can change.

use std::fs;

use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::harness::{Node, part, wait_or_say, wait_until};

/// A node whose agent speaks with an API server, configured by this file.
pub(crate) fn node(config: &str) -> (Node, ApiServer) {
    let (mut node, api) = without_agent(config);
    node.start_agent();
    node.expect_registered();
    (node, api)
}

/// The same before its agent starts.
pub(crate) fn without_agent(config: &str) -> (Node, ApiServer) {
    without_agent_of("v100-32gb", config)
}

/// The same with cards of another kind.
pub(crate) fn without_agent_of(card: &str, config: &str) -> (Node, ApiServer) {
    let mut node = Node::without_agent_of(card);
    let api = ApiServer::start(&node.at("account"), "n1");
    fs::write(node.at("config.yaml"), config).unwrap();
    node.add_flag("--kube-api", &format!("https://{}", api.address));
    node.add_flag("--kube-account", &node.at("account").display().to_string());
    node.add_flag("--node-name", "n1");
    node.add_flag("--config", &node.at("config.yaml").display().to_string());
    (node, api)
}

fn uncounted() -> String {
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    format!("umount /etc/ld.so.preload; sleep 1000 | {} alloc=64M hold", client.display())
}

fn limit(node: &Node) -> Option<f64> {
    node.metric("aliquot_container_memory_limit_bytes", &["pod=\"a\""])
}

const GIB: f64 = 1073741824.0;

#[test]
fn an_annotation_says_who_goes_first_before_a_container_starts_and_while_it_runs() {
    let (node, api) = node("");
    let mut pod = node.share("a", 50, "sleep 1000");
    api.cluster().put_pod(pod.uid(), "a", json!({"example.com/compute-class": "latency"}));
    pod.start().unwrap();
    let is = |class: &str| {
        let label = format!("class=\"{class}\"");
        node.metric("aliquot_container_compute_info", &["pod=\"a\"", &label]) == Some(1.0)
    };
    wait_until("it goes first", || is("latency"));
    api.cluster().put_pod(pod.uid(), "a", json!({"example.com/compute-class": "urgent"}));
    wait_until("it does not", || is("batch"));
    wait_until("an event says what does not count", || {
        let events = api.events("GPUAnnotationRefused");
        events.iter().any(|event| event["message"].to_string().contains("latency or batch"))
    });
}

#[test]
fn annotations_lower_a_share_before_its_start_and_while_it_runs() {
    let (node, api) = node("");
    let mut pod = node.share("a", 50, "sleep 1000");
    let refined = json!({"example.com/gpu-memory": "8Gi"});
    api.cluster().put_pod(pod.uid(), "a", refined);
    pod.start().unwrap();
    wait_until("it is 8 GiB", || limit(&node) == Some(8.0 * GIB));
    api.cluster().put_pod(pod.uid(), "a", json!({"example.com/gpu-memory": "4Gi"}));
    wait_until("it is 4 GiB", || limit(&node) == Some(4.0 * GIB));
    api.cluster().put_pod(pod.uid(), "a", json!({"example.com/gpu-memory": "30Gi"}));
    wait_until("more is refused with an event", || {
        let events = api.events("GPUAnnotationRefused");
        events.iter().any(|event| event["involvedObject"]["uid"] == pod.uid())
    });
    wait_until("the share is whole again", || limit(&node) == Some(16255.0 * 1048576.0));
}

#[test]
fn a_compute_policy_that_nobody_knows_and_a_weight_of_zero_are_events_and_the_default_holds() {
    let (node, api) = node("computePolicy: strict\n");
    let mut pod = node.share("a", 50, "sleep 1000");
    let compute = || {
        let [id] = &node.pages()[..] else { return None };
        let page = node.at("pages").join(id).join("limits");
        let device = ledger::agent::read_limits(&page).ok()?.devices[0].clone();
        Some((device.policy, device.weight))
    };
    let wrong = json!({"example.com/compute-policy": "fairest", "example.com/gpu-compute": "0"});
    api.cluster().put_pod(pod.uid(), "a", wrong);
    pod.start().unwrap();
    for said in
        ["\"fairest\" does not count: write fair or strict", "write a percent of the GPU from 1"]
    {
        wait_until(said, || {
            let events = api.events("GPUAnnotationRefused");
            events.iter().any(|event| {
                event["involvedObject"]["uid"] == pod.uid()
                    && event["message"].as_str().is_some_and(|message| message.contains(said))
            })
        });
    }
    assert_eq!(compute(), Some((ledger::Policy::Strict, 50)));
    let right = json!({"example.com/compute-policy": "fair", "example.com/gpu-compute": "20"});
    api.cluster().put_pod(pod.uid(), "a", right);
    wait_until("what counts is done", || compute() == Some((ledger::Policy::Fair, 20)));
}

#[test]
fn a_namespace_that_is_observed_only_is_refused_nothing_and_what_would_be_is_counted() {
    let (node, _api) = node("observe: ['def*']\n");
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    // More than the half, which a share that is not observed is refused.
    let script = format!("sleep 1000 | {} alloc=20G hold", client.display());
    let mut pod = node.share("a", 50, &script);
    pod.start().unwrap();
    let used = || node.metric("aliquot_container_memory_used_bytes", &["pod=\"a\""]);
    wait_until("it holds more than its share", || used().is_some_and(|used| used > 20.0 * GIB));
    let observed = || node.metric("aliquot_container_memory_observed_total", &["pod=\"a\""]);
    wait_until("that is counted", || observed().is_some_and(|count| count >= 1.0));
}

#[test]
fn what_was_taken_away_while_no_agent_ran_holds_no_more() {
    let (mut node, api) = node("observe: ['def*']\n");
    let mut pods = ["a", "b"].map(|name| node.share(name, 30, "sleep 1000"));
    let small = json!({"example.com/gpu-memory": "4Gi", "example.com/gpu-compute": "10"});
    api.cluster().put_pod(pods[1].uid(), "b", small.clone());
    pods.iter_mut().for_each(|pod| pod.start().unwrap());
    let terms = |node: &Node| {
        let mut of: Vec<_> = node.allotments().into_iter().map(|it| it.record).collect();
        of.sort_by_key(|record| record.holder.clone());
        let page = |record: &aliquot_node::allotment::Record| {
            let page = node.at("pages").join(record.id.to_string()).join("limits");
            let device = ledger::agent::read_limits(&page).ok()?.devices[0].clone();
            Some((device.at_limit, device.weight))
        };
        of.iter().map(page).collect::<Vec<_>>()
    };
    use ledger::AtLimit::{Observe, Refuse};
    let becomes = |node: &Node, expected: [_; 2]| {
        wait_or_say(
            || format!("they are {expected:?}: {:?}", terms(node)),
            || terms(node) == expected.map(Some),
        );
    };
    becomes(&node, [(Observe, 30), (Observe, 10)]);
    node.kill_agent();
    fs::write(node.at("config.yaml"), "").unwrap();
    node.start_agent();
    becomes(&node, [(Refuse, 30), (Refuse, 10)]);
    node.kill_agent();
    api.cluster().put_pod(pods[1].uid(), "b", json!({}));
    node.start_agent();
    becomes(&node, [(Refuse, 30), (Refuse, 30)]);
}

#[test]
fn what_the_server_has_forgotten_is_listed_again() {
    let (node, api) = node("");
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    wait_until("pods and node are listed", || api.cluster().lists >= 2);
    api.cluster().forget();
    wait_until("they are listed again", || api.cluster().lists >= 4);
    api.cluster().put_pod(pod.uid(), "a", json!({"example.com/gpu-memory": "4Gi"}));
    wait_until("changes are told", || limit(&node) == Some(4.0 * GIB));
}

#[test]
fn a_finding_is_an_event_and_an_eviction_that_is_asked_for_until_it_is_granted() {
    let (node, api) = node("audit: {withoutSlot: evict}\n");
    api.cluster().budget_refuses = 1;
    let mut pod = node.share("a", 50, &uncounted());
    api.cluster().put_pod(pod.uid(), "a", json!({}));
    pod.start().unwrap();
    wait_until("the pod has an event", || {
        let events = api.events("GPUUseUncounted");
        events.iter().any(|event| event["involvedObject"]["name"] == "a")
    });
    wait_until("it was asked for twice", || api.cluster().evictions.len() == 2);
    let told = |words: &str| {
        let is_it = |event: &Value| {
            let is_its = event["involvedObject"]["uid"] == pod.uid();
            is_its && event["message"].as_str().is_some_and(|message| message.contains(words))
        };
        api.events("GPUEviction").iter().any(is_it)
    };
    wait_until("the pod's events say what became of it", || told("evicted: "));
    let asked = api.cluster().evictions[1].clone();
    assert_eq!(asked["metadata"]["name"], "a");
    assert_eq!(asked["deleteOptions"]["preconditions"]["uid"], pod.uid());
}

#[test]
fn without_a_word_of_the_administrator_nobody_is_evicted() {
    let (node, api) = node("");
    let mut pod = node.share("a", 50, &uncounted());
    api.cluster().put_pod(pod.uid(), "a", json!({}));
    pod.start().unwrap();
    wait_until("the pod has an event", || !api.events("GPUUseUncounted").is_empty());
    // Evictions are looked at every two seconds.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(api.cluster().evictions.len(), 0);
}

#[test]
fn an_api_server_that_is_away_keeps_nothing_from_working() {
    let mut node = Node::without_agent();
    let api = ApiServer::start(&node.at("account"), "n1");
    node.add_flag("--kube-api", "https://127.0.0.1:1");
    node.add_flag("--kube-account", &node.at("account").display().to_string());
    node.add_flag("--node-name", "n1");
    node.start_agent();
    node.expect_registered();
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    assert_eq!(node.holders(), ["default/a/main"]);
    drop(api);
}
