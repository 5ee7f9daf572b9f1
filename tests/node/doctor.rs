//! `aliquot doctor` on a node in which all is well, and in one broken world after another: each is told in
//! its own line, with what to do, and ends with a status that is not zero where shares do not work.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sim_world::admin::{self, Change};

use crate::apiserver::ApiServer;
use crate::harness::{Node, make_world_with, part};
use crate::runc::small_debian;

/// The doctor of a node, with the shim beside its program as in a release.
pub(crate) struct Doctor {
    flags: Vec<(String, String)>,
    program: std::path::PathBuf,
}

impl Doctor {
    pub(crate) fn of(node: &Node) -> Self {
        let folder = node.at("doctor");
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("aliquot");
        let shim = part("target/dist/x86_64/libaliquot.so", "cargo xtask dist");
        if !program.exists() {
            // By another process: a child that some other test starts meanwhile would have the file open for
            // writing too, and it could not be run.
            let built = env!("CARGO_BIN_EXE_node-aliquot");
            assert!(Command::new("cp").arg(built).arg(&program).status().unwrap().success());
            symlink(&shim, folder.join("libaliquot.so")).unwrap();
        }
        // This machine's containers are other tests'.
        let proc = folder.join("proc");
        fs::create_dir_all(&proc).unwrap();
        let mut doctor = Self { flags: Vec::new(), program };
        for (flag, path) in [
            ("--driver-root", node.at("driver")),
            ("--kubelet-root", node.at("kubelet")),
            ("--kubelet-dir", node.at("kubelet/device-plugins")),
            ("--state-dir", node.at("state")),
            ("--cdi-dir", node.at("cdi")),
            ("--node-root", node.at("root")),
            ("--proc", proc),
            ("--shim", shim),
        ] {
            doctor.set(flag, &path);
        }
        doctor
    }

    pub(crate) fn set(&mut self, flag: &str, value: impl AsRef<Path>) -> &mut Self {
        let value = value.as_ref().display().to_string();
        self.flags.retain(|(known, _)| known != flag);
        self.flags.push((flag.to_owned(), value));
        self
    }

    fn run(&self, json: bool) -> Output {
        let mut command = Command::new(&self.program);
        command.arg("doctor").args(self.flags.iter().flat_map(|(flag, value)| [flag, value]));
        command.args(json.then_some("--json"));
        command.env_remove("LD_PRELOAD").env_remove("NODE_NAME").output().unwrap()
    }

    pub(crate) fn findings(&self) -> Vec<Value> {
        let output = self.run(true);
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|why| panic!("{why}: {output:?}"));
        let is_bad = findings.iter().any(|finding| finding["state"] == "bad");
        assert_eq!(output.status.code(), Some(is_bad.into()), "{findings:?}");
        findings
    }

    /// Expects a finding in this state whose words contain `seen` and whose advice contains `todo`.
    pub(crate) fn expect(&self, about: &str, state: &str, seen: &str, todo: &str) {
        let findings = self.findings();
        let text =
            |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let is_it = |finding: &&Value| {
            finding["about"] == about
                && finding["state"] == state
                && text(finding, "seen").contains(seen)
                && text(finding, "do").contains(todo)
        };
        assert!(
            findings.iter().any(|finding| is_it(&finding)),
            "no {about} {state} {seen:?} {todo:?} in {findings:#?}"
        );
        // What is not as it should be always comes with what to do.
        for finding in &findings {
            let wants = matches!(finding["state"].as_str(), Some("bad" | "look"));
            assert_eq!(wants, !text(finding, "do").is_empty(), "{finding}");
        }
    }
}

/// Half of what is looked at needs shares that come by CDI.
fn cdi_node() -> Node {
    crate::cdi::node()
}

#[test]
fn a_node_in_which_all_is_well_is_said_to_be_and_nothing_on_it_changes() {
    let node = cdi_node();
    let files = || [node.record_files(), node.pages(), node.names_in("cdi")];
    let before = files();
    let doctor = Doctor::of(&node);
    let findings = doctor.findings();
    let not_good: Vec<_> =
        findings.iter().filter(|one| one["state"] != "good" && one["state"] != "skipped").collect();
    assert!(not_good.is_empty(), "{not_good:#?}");
    for about in [
        "driver",
        "GPUs",
        "vGPU licence",
        "kubelet",
        "offered",
        "plugins",
        "allocation",
        "CDI",
        "shim",
        "hook",
        "a share",
    ] {
        assert!(
            findings.iter().any(|one| one["about"] == about && one["state"] == "good"),
            "{about}: {findings:#?}"
        );
    }
    doctor.expect("allocation", "good", "aliquot.example.com/shim=", "");
    doctor.expect("a share", "good", "10% shows 3251 of 32510 MiB", "");
    assert_eq!(files(), before);
    assert!(node.allotments().is_empty() && !node.log().contains("allocated"), "{}", node.log());
    assert_eq!(node.metric("aliquot_allocate_refusals_total", &[]).unwrap_or(0.0), 0.0);
    let text = String::from_utf8(doctor.run(false).stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("good     driver")), "{text}");
}

#[test]
fn a_driver_that_is_not_there_is_old_or_of_two_versions_is_told_apart() {
    let node = Node::without_agent();
    let mut doctor = Doctor::of(&node);
    doctor.set("--driver-root", node.at("nothing"));
    doctor.expect("driver", "bad", "no NVIDIA driver under", "--driver-root");
    doctor.expect("GPUs", "skipped", "no driver", "");
    for (version, cuda, state, todo) in
        [("460.106.00", 11020, "bad", "install 470"), ("535.261.03", 12020, "look", "580")]
    {
        let root = node.at(version);
        make_world_with(&root, "t4", Some((version.to_owned(), cuda)));
        doctor.set("--driver-root", &root);
        doctor.expect("driver", state, version, todo);
        admin::stop(&root).unwrap();
    }
    doctor.set("--driver-root", node.at("driver"));
    admin::change(&node.at("driver"), Change::Mismatch { mismatched: true }).unwrap();
    doctor.expect("driver", "bad", "does not answer", "dmesg");
}

#[test]
fn a_card_that_fell_off_the_bus_and_a_virtual_one_without_a_licence_are_told() {
    let node = Node::without_agent();
    let doctor = Doctor::of(&node);
    let change = |change: Change| admin::change(&node.at("driver"), change).unwrap();
    change(Change::Virtualisation { card: 1, mode: 2 });
    doctor.expect("vGPU licence", "bad", "GPU 1 (NVIDIA Virtual Compute Server)", "nvidia-gridd");
    change(Change::Licence { card: 1, licensed: true });
    doctor.expect("vGPU licence", "good", "held by GPU 1", "");
    doctor.expect("GPUs", "look", "GPU 1: ", "docs/configuration.md");
    for card in 0..2 {
        change(Change::Vanish { card });
    }
    doctor.expect("GPUs", "bad", "no GPU that answers", "Xid");
}

#[test]
fn a_kubelet_that_is_gone_and_an_agent_that_is_gone_are_told_apart() {
    let mut node = cdi_node();
    let doctor = Doctor::of(&node);
    node.kill_agent();
    doctor.expect("allocation", "bad", "nobody answers on", "left by an agent that is gone");
    node.sim.stop();
    doctor.expect("kubelet", "bad", "kubelet.sock", "is the kubelet running");
    doctor.expect("offered", "skipped", "kubelet", "");
}

#[test]
fn a_node_without_an_agent_has_no_socket_of_ours_and_offers_nothing() {
    let node = Node::without_agent();
    let mut doctor = Doctor::of(&node);
    doctor.expect("allocation", "bad", "no socket aliquot-*", "agent's log");
    doctor.expect("offered", "bad", "nothing under example.com/", "domain");
    doctor.set("--kubelet-dir", node.at("nowhere"));
    doctor.expect("kubelet", "skipped", "no node of a cluster", "");
}

#[test]
fn a_kubelet_with_a_folder_of_its_own_has_its_device_plugins_where_all_have_them() {
    let node = Node::without_agent();
    let mut doctor = Doctor::of(&node);
    let root = node.at("own");
    fs::create_dir(&root).unwrap();
    symlink(node.at("kubelet/pod-resources"), root.join("pod-resources")).unwrap();
    doctor.set("--kubelet-root", &root);
    doctor.expect("kubelet", "good", "device-plugins/kubelet.sock", "");
    doctor.expect("kubelet", "good", "own/pod-resources/kubelet.sock", "");
    doctor.expect("allocation", "bad", "no socket aliquot-*", "agent's log");
}

#[test]
fn somebody_elses_socket_is_named() {
    let node = Node::without_agent();
    let socket = node.at("kubelet/device-plugins/nvidia-gpu.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    Doctor::of(&node).expect("plugins", "look", "nvidia-gpu.sock", "remove the other");
}

#[test]
fn names_that_do_not_resolve_and_files_of_others_that_are_broken_are_told_apart() {
    let node = cdi_node();
    let mut doctor = Doctor::of(&node);
    fs::write(node.at("cdi/nvidia.yaml"), "kind: [").unwrap();
    doctor.expect("CDI", "look", "nvidia.yaml", "mend or remove");
    doctor.set("--cdi-dir", node.at("empty"));
    doctor.expect("CDI", "bad", "stands in no file of", "--cdi-dir");
    let (from, to) = (node.at("cdi"), node.at("copied"));
    fs::create_dir(&to).unwrap();
    for name in node.names_in("cdi").iter().filter(|name| name.contains("aliquot")) {
        let text = fs::read_to_string(from.join(name)).unwrap();
        let broken = text.replace("libaliquot.so\",", "libaliquot.gone\",");
        fs::write(to.join(name), broken).unwrap();
    }
    doctor.set("--cdi-dir", &to);
    doctor.expect("CDI", "bad", "libaliquot.gone", "restart the agent");
}

#[test]
fn a_hook_that_cannot_be_run_and_a_shim_that_is_none_are_told() {
    let mut node = cdi_node();
    let mut doctor = Doctor::of(&node);
    let hook = node.at("state/hook/aliquot-hook");
    fs::remove_file(&hook).unwrap();
    doctor.expect("hook", "look", "is not there", "--hook");
    fs::write(&hook, "no program").unwrap();
    doctor.expect("hook", "bad", "aliquot-hook: ", "restart the agent");
    fs::write(node.at("text.so"), "no library").unwrap();
    doctor.set("--shim", node.at("text.so"));
    doctor.expect("shim", "bad", "is no library", "install it again");
    doctor.set("--shim", node.at("none.so"));
    doctor.expect("shim", "look", "none.so", "--shim");
    doctor.expect("a share", "skipped", "without a shim", "");
    node.terminate_agent();
}

#[test]
fn an_image_is_judged_by_its_libc() {
    let node = Node::without_agent();
    let mut doctor = Doctor::of(&node);
    doctor.set("--image", part("target/fetch/debian-12", "cargo xtask fetch"));
    doctor.expect("image", "good", "the shim loads in", "");
    let musl = node.at("alpine");
    fs::create_dir_all(musl.join("lib")).unwrap();
    fs::write(musl.join("lib/ld-musl-x86_64.so.1"), "").unwrap();
    doctor.set("--image", &musl);
    doctor.expect("image", "bad", "has musl", "docs/injection.md");
}

#[test]
fn a_container_whose_loader_is_not_told_of_the_shim_is_found() {
    let (node, image) = (Node::without_agent(), tempfile::tempdir().unwrap());
    small_debian(image.path());
    fs::create_dir_all(image.path().join("run/aliquot/0123456789abcdef")).unwrap();
    let mut inside = Command::new("chroot");
    inside.arg(image.path()).args(["/bin/sh", "-c", "echo in; read end"]);
    let mut inside = inside.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    inside.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
    let (mut doctor, named) = (Doctor::of(&node), format!("process {}: ", inside.id()));
    doctor.set("--proc", "/proc");
    doctor.expect("containers", "bad", &format!("{named}its /etc/ld.so.preload"), "the audit");
    fs::create_dir_all(image.path().join("etc")).unwrap();
    fs::write(image.path().join("etc/ld.so.preload"), "/opt/aliquot/libaliquot.so\n").unwrap();
    let findings = doctor.findings();
    assert!(
        !findings.iter().any(|one| one["seen"].as_str().unwrap().contains(&named)),
        "{findings:#?}"
    );
    drop(inside.stdin.take());
    inside.wait().unwrap();
}

#[test]
fn a_configuration_with_a_fault_is_named_with_its_line() {
    let node = Node::without_agent();
    let mut doctor = Doctor::of(&node);
    fs::write(node.at("config.yaml"), "domain: example.com\nplacment: pack\n").unwrap();
    doctor.set("--config", node.at("config.yaml"));
    doctor.expect("configuration", "bad", "line 2", "docs/configuration.md");
    let right = format!("kubeletRoot: {}\ndomain: gpu.example.org\n", node.at("kubelet").display());
    fs::write(node.at("config.yaml"), right).unwrap();
    doctor.flags.retain(|(flag, _)| flag != "--kubelet-root");
    doctor.expect("configuration", "good", "config.yaml", "");
    doctor.expect("offered", "bad", "nothing under gpu.example.org/", "domain");
}

#[test]
fn taints_that_keep_pods_away_and_an_api_server_that_refuses_are_told() {
    let node = Node::without_agent();
    let api = ApiServer::start(&node.at("account"), "n1");
    let mut doctor = Doctor::of(&node);
    doctor.expect("node", "skipped", "no API server", "");
    fs::write(node.at("config.yaml"), "startupTaints: [example.com/not-ready]\n").unwrap();
    doctor.set("--kube-api", format!("https://{}", api.address));
    doctor.set("--kube-account", node.at("account")).set("--config", node.at("config.yaml"));
    doctor.expect("node", "skipped", "its name", "");
    doctor.set("--node-name", "n1");
    doctor.expect("taints", "bad", "example.com/not-ready", "patch its node");
    doctor.expect("node", "bad", "nothing under example.com/", "scheduled");
    api.cluster().node["spec"]["taints"] = json!([{"key": "team", "effect": "NoSchedule"}]);
    api.cluster().node["status"]["allocatable"] = json!({"example.com/gpu-percent": "100"});
    doctor.expect("taints", "look", "team", "admission.tolerations");
    doctor.expect("node", "good", "100 of example.com/gpu-percent", "");
    fs::write(node.at("account/token"), "another").unwrap();
    doctor.expect("node", "bad", "does not tell of n1", "service account");
}

#[test]
fn a_runtime_that_does_not_answer_is_told() {
    let node = Node::without_agent();
    let doctor = Doctor::of(&node);
    doctor.expect("runtime", "skipped", "no socket of containerd or CRI-O", "");
    fs::create_dir_all(node.at("root/run/containerd")).unwrap();
    drop(UnixListener::bind(node.at("root/run/containerd/containerd.sock")).unwrap());
    doctor.expect("runtime", "bad", "containerd.sock", "runtime's log");
}
