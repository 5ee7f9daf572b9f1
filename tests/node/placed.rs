//! The whole way of a placement: an agent publishes its GPUs, the scheduler's extender is asked by
//! kube-scheduler's JSON and binds, the kubelet allocates, and the container runs in its share.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use kubelet_sim::Pod;
use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::cluster::without_agent;
use crate::harness::{Node, PERCENT, part, wait_until};

const GIB: f64 = 1_073_741_824.0;

/// The extender's process; it ends with this.
struct Extender {
    child: Child,
    base: String,
}

impl Extender {
    fn start(node: &Node, api: &ApiServer) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-scheduler"));
        command.args(["--listen", "127.0.0.1:0", "--namespace", "system", "--kube-api"]);
        command.arg(format!("https://{}", api.address));
        command.arg("--kube-account").arg(node.at("account")).env("NO_COLOR", "1");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = log.next().expect("it serves").unwrap();
            if let Some((_, address)) = line.split_once("listen=") {
                break address.trim().to_owned();
            }
        };
        // What it says later is nobody's, and must not block it.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, base: format!("http://{address}") }
    }

    fn post(&self, verb: &str, body: &Value) -> Value {
        let request = ureq::post(format!("{}/{verb}", self.base));
        let request = request.header("content-type", "application/json");
        let mut answer = request.send(&serde_json::to_vec(body).unwrap()).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// How many bound pods no agent has published. One that goes before it was published is believed in
    /// until the extender next looks at the pods that wait, half a minute later.
    fn unpublished(&self) -> String {
        let mut answer = ureq::get(format!("{}/metrics", self.base)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let line = text.lines().find(|line| line.starts_with("aliquot_scheduler_unpublished "));
        line.and_then(|line| line.rsplit_once(' ')).map_or_else(String::new, |it| it.1.to_owned())
    }

    fn filter(&self, pod: &Value) -> Value {
        self.post("filter", &json!({"Pod": pod, "Nodes": null, "NodeNames": ["n1"]}))
    }

    /// Does what kube-scheduler does with a new pod, once the node has room for it.
    fn schedule(&self, api: &ApiServer, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        api.cluster().unbound.insert(name.to_owned(), pod.clone());
        wait_until("the node has room", || self.filter(pod)["NodeNames"] == json!(["n1"]));
        let scores = self.post("prioritize", &json!({"Pod": pod, "NodeNames": ["n1"]}));
        assert!(scores[0]["Score"].as_i64() > Some(0), "{scores}");
        let binding = json!({"PodName": name, "PodNamespace": "default", "Node": "n1",
                             "PodUID": pod["metadata"]["uid"]});
        assert_eq!(self.post("bind", &binding)["Error"], "", "{name}");
    }
}

impl Drop for Extender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wanted(name: &str, resource: &str, amount: u32) -> Value {
    let limits = json!({resource: amount.to_string()});
    json!({"metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
           "spec": {"containers": [{"name": "main", "resources": {"limits": limits}}]}})
}

/// A node that publishes; with these lines in its configuration.
fn node(config: &str) -> (Node, ApiServer) {
    let (mut node, api) = without_agent(config);
    node.add_flag("--publish-in", "system");
    node.start_agent_without("--gpu-mode");
    (node, api)
}

/// What the agent says that is planned of each GPU.
fn planned(node: &Node) -> Vec<String> {
    let (_, body) = node.ask("/metrics");
    let its = body.lines().filter(|line| line.starts_with("aliquot_gpu_planned_ratios{"));
    its.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}

/// The GPU that a pod's devices are parts of.
fn gpu(pod: &Pod) -> String {
    pod.devices("main")[0].split("::").next().unwrap().to_owned()
}

#[test]
fn shares_lie_where_the_extender_meant_them_to_in_whatever_order_the_kubelet_admits() {
    let (node, api) = node("defaultMode: shared\n");
    node.expect(PERCENT, 200);
    let extender = Extender::start(&node, &api);
    let pods = [("a", 60), ("b", 40), ("c", 60), ("d", 40)];
    pods.iter().for_each(|(name, percent)| {
        extender.schedule(&api, &wanted(name, PERCENT, *percent));
    });
    let full = extender.filter(&wanted("e", PERCENT, 1));
    assert_eq!(full["FailedNodes"]["n1"], "no GPU has 1% left, at most 0%");
    // The best fit would put both small ones on one GPU, and the second large one nowhere.
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let script = format!("sleep 1000 | {} alloc=1G hold", client.display());
    wait_until("the agent has heard of all plans", || planned(&node) == ["1.0", "1.0"]);
    let admit = |name: &str, percent| node.share(name, percent, &script);
    let mut running: Vec<Pod> = [("d", 40), ("b", 40), ("c", 60), ("a", 60)]
        .map(|(name, percent)| admit(name, percent))
        .into();
    assert_ne!(gpu(&running[0]), gpu(&running[1]), "the small ones");
    assert_ne!(gpu(&running[2]), gpu(&running[3]), "the large ones");
    running.iter_mut().for_each(|pod| pod.start().unwrap());
    for (pod, bound_mib) in [("d", 13004.0), ("b", 13004.0), ("c", 19506.0), ("a", 19506.0)] {
        let label = format!("pod=\"{pod}\"");
        let limit = || node.metric("aliquot_container_memory_limit_bytes", &[&label]);
        wait_until("it has its limit", || limit() == Some(bound_mib * 1_048_576.0));
        let used = || node.metric("aliquot_container_memory_used_bytes", &[&label]);
        wait_until("it holds what it asked for", || used().is_some_and(|used| used >= GIB));
    }
    wait_until("all are published", || extender.unpublished() == "0");
    // What goes is the next one's at once, before the agent says so.
    node.signal(libc::SIGSTOP);
    running.remove(3).remove();
    api.cluster().delete_pod("uid-a");
    let next = wanted("e", PERCENT, 60);
    wait_until("its room is known", || extender.filter(&next)["NodeNames"] == json!(["n1"]));
    node.signal(libc::SIGCONT);
    extender.schedule(&api, &next);
    let mut last = node.share("e", 60, &script);
    last.start().unwrap();
    let full = extender.filter(&wanted("f", PERCENT, 1));
    assert_eq!(full["NodeNames"], json!([]), "{full}");
}

#[test]
fn a_pool_is_placed_by_its_own_resource() {
    let config =
        "defaultMode: shared\npools: {chat: {mode: shared}}\ngpus: [{index: 1, pool: chat}]\n";
    let (node, api) = node(config);
    let of_chat = "example.com/gpu-chat-percent";
    node.expect(of_chat, 100);
    let extender = Extender::start(&node, &api);
    extender.schedule(&api, &wanted("a", of_chat, 70));
    let said = extender.filter(&wanted("b", of_chat, 40));
    assert_eq!(said["FailedNodes"]["n1"], "no GPU of gpu-chat has 40% left, at most 30%");
    assert_eq!(extender.filter(&wanted("c", PERCENT, 100))["NodeNames"], json!(["n1"]));
}
