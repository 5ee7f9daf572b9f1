//! The agent and the API server: what users see there, and what they can change.

use std::fs;
use std::time::Duration;

use kubelet_sim::PodSpec;
use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::harness::{Node, PERCENT, part, wait_or_say, wait_until};

/// A node whose agent speaks with an API server, configured by this file.
pub(crate) fn node(config: &str) -> (Node, ApiServer) {
    let (mut node, api) = without_agent(config);
    node.start_agent();
    node.expect_registered();
    (node, api)
}

/// The same before its agent starts.
pub(crate) fn without_agent(config: &str) -> (Node, ApiServer) {
    let mut node = Node::without_agent();
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
fn the_node_is_labelled_and_its_start_up_taint_is_removed() {
    let (_node, api) = node("startupTaints: [example.com/not-ready]\n");
    wait_until("it is labelled", || {
        let labels = api.cluster().node["metadata"]["labels"].clone();
        labels["example.com/gpu.count"] == "2"
            && labels["example.com/gpu.product"] == "Tesla-V100-SXM2-32GB"
            && labels["example.com/gpu.mode"] == "mixed"
            && labels["example.com/gpu.family"] == "volta"
            && labels["example.com/mig.capable"] == "false"
            && labels["example.com/gpu.deploy.it"] == "x"
            && labels.get("example.com/mig-1g.10gb.count").is_none()
    });
    wait_until("the taint is gone and the other is not", || {
        let taints = api.cluster().node["spec"]["taints"].clone();
        taints == json!([{"key": "other", "effect": "NoSchedule"}])
    });
}

#[test]
fn after_a_reboot_the_start_up_taint_is_there_until_the_agent_has_found_the_driver() {
    let (mut node, api) = node("startupTaints: [example.com/not-ready]\ntaintAfterReboot: true\n");
    let taints = |api: &ApiServer| api.cluster().node["spec"]["taints"].clone();
    let other = json!([{"key": "other", "effect": "NoSchedule"}]);
    wait_until("the taint is gone", || taints(&api) == other);
    let boot = node.at("state/boot");
    wait_until("it is written down in which boot", || boot.exists());
    node.kill_agent();
    node.start_agent();
    node.expect_registered();
    assert_eq!(taints(&api), other, "an agent that starts again is no reboot");

    node.terminate_agent();
    fs::write(&boot, "another").unwrap();
    // Its libraries alone: the simulated driver's own process ends where its folder is gone.
    let (libraries, away) = (node.at("driver/usr"), node.at("away"));
    fs::rename(&libraries, &away).unwrap();
    node.start_agent();
    assert_eq!(node.wait_for_its_end(), Some(1), "there is no driver: {}", node.log());
    let both = json!([{"key": "other", "effect": "NoSchedule"},
                      {"key": "example.com/not-ready", "effect": "NoSchedule"}]);
    assert_eq!(taints(&api), both);
    fs::rename(&away, &libraries).unwrap();
    node.start_agent();
    wait_until("the taint is gone again", || taints(&api) == other);
}

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

#[test]
fn shares_come_by_cdi_once_the_server_has_told_of_a_runtime_that_has_it() {
    let (node, api) = node("");
    let names = |name: &str| {
        let pod = node.share(name, 10, "true");
        let answers = pod.answers("main");
        answers.iter().flat_map(|answer| &answer.cdi_devices).count()
    };
    assert_eq!(names("a"), 0);
    let mut known = api.cluster().node.clone();
    known["status"]["nodeInfo"] =
        json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://2.1.4"});
    api.cluster().put_node(known);
    wait_until("the specifications are written", || node.at("cdi").exists());
    assert_eq!(names("b"), 2);
}

#[test]
fn no_container_is_answered_by_names_that_its_runtime_drops() {
    let (node, api) = node("injection: cdi\n");
    let mut known = api.cluster().node.clone();
    known["status"]["nodeInfo"] =
        json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://1.6.20"});
    api.cluster().put_node(known);
    let refused = || {
        let pod = PodSpec::single("a", PERCENT, 10, &["/bin/sh", "-c", "true"]);
        node.sim.admit(pod).err().map(|error| error.to_string())
    };
    wait_until("a share is refused", || refused().is_some());
    let why = refused().unwrap();
    assert!(why.contains("containerd://1.6.20 do not both have CDI"), "{why}");
    assert!(why.contains("Set `injection`"), "{why}");
}

#[test]
fn a_share_does_not_start_in_a_runtime_with_a_kernel_of_its_own() {
    let (node, api) = node("refusedRuntimes: ['runsc*', 'kata*']\n");
    let classes = [("a", "runsc"), ("b", "kata-closed"), ("c", "nvidia")];
    let classes = classes.map(|(pod, class)| (pod.to_owned(), class.to_owned()));
    api.cluster().runtime_classes.extend(classes);
    let start = |name: &str| node.share(name, 10, "true").start();
    let why = start("a").unwrap_err();
    assert!(why.contains("cannot be held in the runtime runsc-handler"), "{why}");
    assert!(start("b").unwrap_err().contains("kata-closed"));
    start("c").unwrap();
    start("d").unwrap();
    let refused = |why: &str| node.metric("aliquot_allocate_refusals_total", &[why]);
    wait_until("both are counted", || refused("reason=\"runtime\"") == Some(2.0));
    let why = || {
        let mut why = std::process::Command::new(env!("CARGO_BIN_EXE_node-aliquot"));
        why.args(["why", "a", "--state-dir"]).arg(node.at("state"));
        let said = why.arg("--pages-dir").arg(node.at("pages")).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    wait_until("it says why", || why().contains("a start of default/a"));
    let why = why();
    assert!(why.contains("runsc-handler") && !why.contains("default/b"), "{why}");
}

#[test]
fn starts_that_come_at_once_are_all_judged_by_their_runtimes() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    let names: Vec<_> = (0..16).map(|n| format!("p{n}")).collect();
    let classes = names.iter().map(|pod| (pod.clone(), "runsc".to_owned()));
    api.cluster().runtime_classes.extend(classes);
    api.cluster().pods_take = Duration::from_millis(300);
    let mut pods: Vec<_> = names.iter().map(|name| node.share(name, 5, "true")).collect();
    std::thread::scope(|scope| {
        let starts: Vec<_> =
            pods.iter_mut().map(|pod| scope.spawn(|| pod.start().unwrap_err())).collect();
        for start in starts {
            let why = start.join().unwrap();
            assert!(why.contains("cannot be held in the runtime runsc-handler"), "{why}");
        }
    });
}

#[test]
fn a_share_that_starts_before_its_runtime_is_known_is_counted_and_told_of_later() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    api.cluster().runtime_classes.insert("a".into(), "runsc".into());
    api.cluster().pods_take = Duration::from_secs(3);
    let [mut refused, mut fine] = ["a", "b"].map(|name| node.share(name, 10, "sleep 1000"));
    refused.start().unwrap();
    fine.start().unwrap();
    assert_eq!(node.metric("aliquot_starts_in_unknown_runtimes_total", &[]), Some(2.0));
    wait_until("it is told", || !api.events("GPURuntimeRefused").is_empty());
    let events = api.events("GPURuntimeRefused");
    assert_eq!((events.len(), &events[0]["involvedObject"]["name"]), (1, &json!("a")));
    // And where nobody says at all.
    api.cluster().pods_take = Duration::from_secs(11);
    node.share("c", 10, "sleep 1000").start().unwrap();
    wait_until("it is told", || !api.events("GPURuntimeUnknown").is_empty());
}

#[test]
fn a_share_that_starts_while_nobody_says_whose_it_is_is_judged_when_that_is_known() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    api.cluster().runtime_classes.insert("a".into(), "runsc".into());
    let mut pod = node.share("a", 10, "sleep 1000");
    let socket = node.at("kubelet/pod-resources/kubelet.sock");
    let away = node.at("kubelet/pod-resources/away");
    fs::rename(&socket, &away).unwrap();
    pod.start().unwrap();
    assert_eq!(node.metric("aliquot_starts_in_unknown_runtimes_total", &[]), Some(1.0));
    fs::rename(&away, &socket).unwrap();
    wait_until("it is told", || !api.events("GPURuntimeRefused").is_empty());
    // One that is known from before is judged while nobody says.
    wait_until("its name is written down", || node.holders() == ["default/a/main"]);
    fs::rename(&socket, &away).unwrap();
    let why = pod.start_container("main").unwrap_err();
    assert!(why.contains("cannot be held in the runtime runsc"), "{why}");
}
