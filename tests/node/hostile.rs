//! Tenants that do not keep to their share: each is found by the audit, is an event and a metric, and
//! is evicted where the administrator wants that.

use std::process::{Child, Command, Stdio};

use kubelet_sim::{Pod, PodSpec, Volume};
use serde_json::json;
use sim_world::admin::{self, Change};

use crate::apiserver::ApiServer;
use crate::cluster::node;
use crate::harness::{Node, PERCENT, compiled, part, wait_until};

/// What each takes.
const BYTES: u64 = 64 << 20;

fn client() -> String {
    part("target/dist/x86_64/gpu-client", "cargo xtask dist").display().to_string()
}

/// One that holds memory past the shim, or spoils its pages while it holds some.
struct Tenant {
    name: &'static str,
    script: String,
    volumes: Vec<Volume>,
    reason: &'static str,
}

fn tenants(node: &Node) -> Vec<Tenant> {
    let client = client();
    let hold = format!("sleep 1000 | {client} alloc=64M hold");
    // After the client has its slot.
    let spoil = |how: &str| format!("cd /run/aliquot/*/; (sleep 1; {how}) & {hold}");
    let driver = node.at("driver/usr/lib/x86_64-linux-gnu").display().to_string();
    let solid = compiled(node, "static.c", "solid", &["-static"]);
    let flags = ["-shared", "-fPIC", "-L", &driver, "-l:libcuda.so.1"];
    let deep = compiled(node, "deep.c", "deep.so", &flags);
    let opener = compiled(node, "opener.c", "opener", &["-ldl"]);
    let (solid, deep, opener) = (solid.display(), deep.display(), opener.display());
    let uncounted =
        |name, script| Tenant { name, script, volumes: Vec::new(), reason: "GPUUseUncounted" };
    let every_node = Volume {
        host: node.at("driver/dev/nvidia1"),
        container: "/dev/nvidia1".into(),
        read_only: false,
    };
    vec![
        uncounted("no-preload", format!("umount /etc/ld.so.preload; {hold}")),
        uncounted("static", format!("exec {solid} {} {BYTES}", sim_world::PROTOCOL)),
        uncounted("deep", format!("exec {opener} {deep} {BYTES}")),
        uncounted("scribbles", spoil("head -c 400000 /dev/urandom >ledger")),
        uncounted("grows", spoil("head -c 1M /dev/zero >>ledger")),
        uncounted("cuts", spoil(": >ledger")),
        Tenant {
            name: "every-gpu",
            script: format!(
                "umount /etc/ld.so.preload; sleep 1000 | {client} device=1 alloc=64M hold"
            ),
            // As a runtime that follows the pod's own NVIDIA_VISIBLE_DEVICES=all would do.
            volumes: vec![every_node],
            reason: "GPUNotAllotted",
        },
        Tenant {
            name: "above",
            script: format!("umount /etc/ld.so.preload; sleep 1000 | {client} alloc=6G hold"),
            volumes: Vec::new(),
            reason: "GPUMemoryAboveShare",
        },
    ]
}

fn started(node: &Node, api: &ApiServer, tenant: &Tenant) -> Pod {
    let command = ["/bin/sh", "-c", &tenant.script];
    let mut spec = PodSpec::single(tenant.name, PERCENT, 12, &command);
    spec.containers[0].volumes = tenant.volumes.clone();
    spec.containers[0].env = [("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned())].into();
    let mut pod = node.sim.admit(spec).unwrap();
    api.cluster().put_pod(pod.uid(), tenant.name, json!({}));
    pod.start().unwrap();
    pod
}

#[test]
fn who_does_not_keep_to_its_share_is_found_told_of_and_evicted() {
    let policy = "audit: {withoutSlot: evict, notGiven: evict, aboveShare: evict}\n";
    let (node, api) = node(policy);
    let tenants = tenants(&node);
    let mut pods: Vec<_> = tenants.iter().map(|tenant| started(&node, &api, tenant)).collect();
    let honest = Tenant {
        name: "honest",
        script: format!("sleep 1000 | {} alloc=64M hold", client()),
        volumes: Vec::new(),
        reason: "",
    };
    let neighbour =
        node.sim.admit(PodSpec::single("honest", PERCENT, 4, &["/bin/sh", "-c", &honest.script]));
    let mut neighbour = neighbour.unwrap();
    api.cluster().put_pod(neighbour.uid(), "honest", json!({}));
    neighbour.start().unwrap();
    for (tenant, pod) in tenants.iter().zip(&mut pods) {
        let uid = pod.uid().to_owned();
        let main = pod.container("main");
        let what =
            |what: &str| format!("{} {what}\n{}{}", tenant.name, main.stdout(), main.stderr());
        wait_until(&what("has an event"), || {
            let events = api.events(tenant.reason);
            events.iter().any(|event| event["involvedObject"]["uid"] == uid.as_str())
        });
        wait_until(&what("is evicted"), || {
            let cluster = api.cluster();
            let of = |eviction: &serde_json::Value| {
                eviction["deleteOptions"]["preconditions"]["uid"] == uid.as_str()
            };
            cluster.evictions.iter().any(of)
        });
    }
    let standing = |kind: &str| node.metric("aliquot_audit_findings", &[&format!("\"{kind}\"")]);
    // The one that is above its share is not counted either.
    assert_eq!(standing("uncounted"), Some(7.0));
    assert_eq!(standing("not_given"), Some(1.0));
    assert_eq!(standing("above"), Some(1.0));
    let evicted = api.cluster().evictions.iter().any(|it| it["metadata"]["name"] == "honest");
    assert!(!evicted, "an honest neighbour is evicted");
    assert!(neighbour.container("main").is_running());
    drop(pods);
    wait_until("all is over", || {
        ["uncounted", "not_given", "above"].iter().all(|kind| standing(kind) == Some(0.0))
    });
}

#[test]
fn a_tenant_that_computes_and_reports_no_time_is_told_by_the_drivers_utilisation() {
    let (node, api) = node("");
    let driver = node.at("driver/usr/lib/x86_64-linux-gnu").display().to_string();
    let flags = ["-shared", "-fPIC", "-L", &driver, "-l:libcuda.so.1"];
    let deep = compiled(&node, "deep.c", "deep.so", &flags);
    let opener = compiled(&node, "opener.c", "opener", &["-ldl"]);
    let started = |name: &str, script: String| {
        let mut pod = node.share(name, 30, &script);
        api.cluster().put_pod(pod.uid(), name, json!({}));
        pod.start().unwrap();
        pod
    };
    let load = part("target/dist/x86_64/gpu-load", "cargo xtask dist");
    let honest = started("honest", format!("echo go | {} saturate --seconds 1000", load.display()));
    let mut silent =
        started("silent", format!("exec {} {} busy", opener.display(), deep.display()));
    let told = |uid: &str| {
        let events = api.events("GPUTimeUntold");
        events.iter().any(|event| event["involvedObject"]["uid"] == uid)
    };
    let uid = silent.uid().to_owned();
    wait_until(&format!("it is told: {}", silent.container("main").stdout()), || told(&uid));
    let standing = || node.metric("aliquot_audit_findings", &["\"untold\""]);
    assert_eq!(standing(), Some(1.0));
    assert!(!told(honest.uid()), "one that tells of its time is taken for one that does not");
    silent.remove();
    wait_until("it is over", || standing() == Some(0.0));
}

#[test]
fn a_ledger_that_a_container_has_spoilt_is_told_of_though_it_uses_no_gpu() {
    let (node, api) = node("");
    let script = "cd /run/aliquot/*/ && head -c 400000 /dev/urandom >ledger; exec sleep 1000";
    let mut pod = node.share("a", 30, script);
    api.cluster().put_pod(pod.uid(), "a", json!({}));
    pod.start().unwrap();
    wait_until("it is told", || {
        let events = api.events("GPULedgerUnreadable");
        events.iter().any(|event| event["involvedObject"]["uid"] == pod.uid())
    });
    let standing = || node.metric("aliquot_audit_findings", &["\"unreadable\""]);
    assert_eq!(standing(), Some(1.0));
    pod.remove();
    wait_until("it is over", || standing() == Some(0.0));
}

/// A process that lives in a container's mounts and outlives the container.
fn fork_out(node: &Node) -> Child {
    wait_until("the container's process is known", || node.behind(0).1 != 0);
    let inside = node.behind(0).1.to_string();
    Command::new("nsenter")
        .args(["-t", &inside, "-m", "--", &client(), "alloc=64M", "hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_fork_that_outlives_its_container_keeps_its_share_until_somebody_else_gets_it_and_is_found() {
    let (node, api) = node("");
    let mut pod = node.share("a", 50, &format!("sleep 1000 | {} alloc=64M hold", client()));
    pod.start().unwrap();
    let mut fork = fork_out(&node);
    wait_until("the fork has a slot", || node.allotments()[0].processes.len() == 2);
    pod.remove();
    wait_until("the container is gone", || node.allotments()[0].processes.len() == 1);
    // Longer than it takes to compare with the kubelet's list twice.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(node.allotments().len(), 1, "released although somebody lives in it");
    let mut next = node.share("b", 100, "sleep 1000");
    next.start().unwrap();
    wait_until("it is told", || {
        let events = api.events("GPUUseOutlivedAllotment");
        events.iter().any(|event| event["involvedObject"]["kind"] == "Node")
    });
    let standing = || node.metric("aliquot_audit_findings", &["\"outlived\""]);
    assert_eq!(standing(), Some(1.0));
    assert_eq!(node.holders(), ["default/b/main"]);
    fork.kill().unwrap();
    fork.wait().unwrap();
    wait_until("it is over", || standing() == Some(0.0));
}

#[test]
fn what_is_found_on_a_gpu_stands_while_the_gpu_is_sick() {
    let (node, api) = node("");
    let script = format!("umount /etc/ld.so.preload; sleep 1000 | {} alloc=64M hold", client());
    let mut pod = node.share("a", 50, &script);
    api.cluster().put_pod(pod.uid(), "a", json!({}));
    pod.start().unwrap();
    let standing = || node.metric("aliquot_audit_findings", &["\"uncounted\""]);
    wait_until("it is found", || standing() == Some(1.0));
    // With a fault it answers still; a card that is away says nothing of who is on it.
    let gpu = |name| node.metric(name, &[&pod.devices("main")[0][..40]]);
    admin::change(&node.at("driver"), Change::Xid { card: 0, number: 48 }).unwrap();
    node.expect(PERCENT, 0);
    let stays = |audited: f64| {
        // More looks than a finding takes to be over.
        for _ in 0..6 {
            std::thread::sleep(std::time::Duration::from_secs(1));
            assert_eq!(standing(), Some(1.0), "{}", node.log());
            assert!(node.corrections().uncounted >= BYTES, "{}", node.log());
        }
        assert_eq!(gpu("aliquot_gpu_audited"), Some(audited));
    };
    stays(1.0);
    admin::change(&node.at("driver"), Change::Vanish { card: 0 }).unwrap();
    wait_until("it is seen to be away", || gpu("aliquot_gpu_audited") == Some(0.0));
    stays(0.0);
    assert!(!node.log().contains("audit: over"), "{}", node.log());
}

#[test]
fn a_process_of_the_machine_itself_is_told_of_on_the_node() {
    let (node, api) = node("");
    let mut process = Command::new(client())
        .args(["alloc=64M", "hold"])
        .env("LD_LIBRARY_PATH", node.at("driver/usr/lib/x86_64-linux-gnu"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it is told", || {
        let events = api.events("GPUUsedOutsidePods");
        events.iter().any(|event| event["involvedObject"]["kind"] == "Node")
    });
    let standing = || node.metric("aliquot_audit_findings", &["\"outside\""]);
    assert_eq!(standing(), Some(1.0));
    process.kill().unwrap();
    process.wait().unwrap();
    wait_until("it is over", || standing() == Some(0.0));
}
