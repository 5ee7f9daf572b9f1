//! Shares and GPUs that come by CDI: the hook as a process, in real mount namespaces.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kubelet_sim::{Pod, PodSpec, Volume};

use crate::cluster::without_agent;
use crate::harness::{Node, PERCENT, WHOLE, part, wait_until};
use crate::runc::small_debian;

/// A node whose shares come by CDI.
pub(crate) fn node() -> Node {
    started(Node::without_agent(), &[])
}

fn started(mut node: Node, flags: &[(&str, &str)]) -> Node {
    node.add_flag("--injection", "cdi");
    flags.iter().for_each(|(flag, value)| node.add_flag(flag, value));
    node.start_agent();
    node.expect_registered();
    node
}

/// A pod of half a GPU that runs `script` in `image`, the machine's own root where there is none.
pub(crate) fn half(node: &Node, image: Option<PathBuf>, script: &str) -> Pod {
    let mut spec = PodSpec::single("a", PERCENT, 50, &["/bin/sh", "-c", script]);
    spec.containers[0].rootfs = image;
    spec.containers[0].read_only_root = true;
    node.sim.admit(spec).unwrap()
}

fn image(part_name: &str) -> PathBuf {
    part(&format!("target/fetch/{part_name}"), "cargo xtask fetch")
}

fn refusal(pod: &mut Pod) -> String {
    let why = pod.start().unwrap_err();
    assert!(why.contains("StartError") && why.contains("stdout: aliquot: "), "{why}");
    why
}

#[test]
fn a_share_by_cdi_has_its_allotment_the_shim_its_card_and_a_bound() {
    let node = node();
    let script = "
        cat /etc/ld.so.preload; grep -c /opt/aliquot/libaliquot.so /proc/self/maps >/dev/null && echo mapped
        ls /run/aliquot/*/ /dev/nvidia*; touch /etc/x 2>/dev/null || echo read-only
        test -w /run/aliquot/*/ledger && echo writable
        echo $NVIDIA_VISIBLE_DEVICES; nvidia-smi | grep -o '/ *[0-9]*MiB'";
    let mut pod = half(&node, None, script);
    pod.start().unwrap();
    let exit = pod.wait();
    let text: Vec<_> = exit.stdout.lines().map(str::trim).collect();
    let expected = ["/opt/aliquot/libaliquot.so", "mapped", "/dev/nvidia0", "/dev/nvidiactl"];
    assert_eq!(text[..4], expected, "{exit:?}");
    let rest = text[4..].join(" ");
    assert!(rest.ends_with("ledger limits read-only writable void / 16255MiB"), "{exit:?}");
}

#[test]
fn a_pod_that_asks_nvidias_runtime_for_all_gpus_by_a_variable_gets_its_share_by_cdi_all_the_same() {
    let node = node();
    let script = ["/bin/sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES"];
    let mut spec = PodSpec::single("a", PERCENT, 50, &script);
    spec.containers[0].env = [("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned())].into();
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    assert_eq!(pod.wait().stdout.trim(), "void");
}

#[test]
fn the_list_of_an_image_is_kept_behind_the_shim() {
    let node = node();
    let own = node.at("image");
    small_debian(&own);
    fs::create_dir(own.join("etc")).unwrap();
    fs::write(own.join("etc/ld.so.preload"), "/usr/lib/nothing.so").unwrap();
    let mut spec = PodSpec::single("a", PERCENT, 50, &["/bin/cat", "/etc/ld.so.preload"]);
    spec.containers[0].rootfs = Some(own.clone());
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    assert_eq!(exit.stdout, "/opt/aliquot/libaliquot.so\n/usr/lib/nothing.so", "{exit:?}");
    assert_eq!(fs::read_to_string(own.join("etc/ld.so.preload")).unwrap(), "/usr/lib/nothing.so");
}

#[test]
fn a_share_runs_in_an_older_debian() {
    let node = node();
    let mut pod = half(&node, Some(image("debian-11")), "cat /proc/self/maps");
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(exit.stdout.contains("/opt/aliquot/libaliquot.so"), "{exit:?}");
}

#[test]
fn an_image_in_which_the_shim_cannot_load_does_not_start_and_says_why() {
    let node = node();
    let musl = refusal(&mut half(&node, Some(image("musl")), "true"));
    assert!(musl.contains("has musl (/lib/ld-musl-x86_64.so.1) and no glibc"), "{musl}");
    let arm = refusal(&mut half(&node, Some(image("debian-12-arm64")), "true"));
    assert!(arm.contains("for another processor (/lib/ld-linux-aarch64.so.1)"), "{arm}");
    fs::create_dir(node.at("empty")).unwrap();
    let empty = refusal(&mut half(&node, Some(node.at("empty")), "true"));
    assert!(empty.contains("no loader of glibc"), "{empty}");
    // What was refused holds nothing.
    node.expect_holders(&[]);
}

#[test]
fn an_administrator_can_let_images_start_in_which_the_shim_cannot_load() {
    let node = started(Node::without_agent(), &[("--unloadable", "start")]);
    let mut spec = PodSpec::single("a", PERCENT, 50, &["/lib/ld-musl-x86_64.so.1"]);
    spec.containers[0].rootfs = Some(image("musl"));
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(exit.stderr.contains("musl libc"), "{exit:?}");
}

#[test]
fn a_volume_over_etc_is_never_written_to() {
    let node = node();
    let etc = node.at("etc");
    fs::create_dir(&etc).unwrap();
    let with_volume = |host: PathBuf, container: &str| {
        let mut spec = PodSpec::single("a", PERCENT, 50, &["/bin/true"]);
        let container = container.into();
        spec.containers[0].volumes = vec![Volume { host, container, read_only: false }];
        node.sim.admit(spec).unwrap()
    };
    let why = refusal(&mut with_volume(etc.clone(), "/etc"));
    assert!(why.contains("a volume lies over /etc/ld.so.preload"), "{why}");
    assert_eq!(fs::read_dir(&etc).unwrap().count(), 0);
    let list = node.at("list");
    fs::write(&list, "/lib/a.so\n").unwrap();
    refusal(&mut with_volume(list.clone(), "/etc/ld.so.preload"));
    assert_eq!(fs::read_to_string(&list).unwrap(), "/lib/a.so\n");
    // A list that names the shim is as good as ours.
    fs::write(&list, "/opt/aliquot/libaliquot.so\n").unwrap();
    with_volume(list, "/etc/ld.so.preload").start().unwrap();
}

#[test]
fn a_runtime_that_drops_cdi_names_gives_no_gpu_rather_than_one_without_a_bound() {
    let node = Node::with_kubelet("v100-32gb", |options| options.traps.drops_cdi = true);
    let node = started(node, &[]);
    let mut pod = half(&node, None, "ls /dev/nvidia* /opt/aliquot; nvidia-smi");
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(!exit.success() && exit.stdout.is_empty(), "{exit:?}");
}

#[test]
fn names_that_are_replayed_after_a_reboot_are_there_before_the_agent_has_registered() {
    let mut node = node();
    let mut pod = half(&node, None, "test -e /dev/nvidia0 && cat /etc/ld.so.preload");
    node.kill_agent();
    fs::remove_dir_all(node.at("cdi")).unwrap();
    fs::remove_dir_all(node.at("pages")).unwrap();
    assert!(pod.start().unwrap_err().contains("PreStartContainer"), "nobody has answered");
    // An administrator has gone back to mounts; the stored answer still names devices.
    node.replace_flag("--injection", "mounts");
    node.start_agent();
    node.expect_registered();
    pod.start().unwrap();
    let exit = pod.wait();
    assert_eq!(exit.stdout, "/opt/aliquot/libaliquot.so\n", "{exit:?}");
    fs::remove_dir_all(node.at("cdi")).unwrap();
    wait_until("the specifications are back", || node.at("cdi").exists());
}

#[test]
fn a_whole_gpu_comes_by_our_own_specification_without_the_shim() {
    let node = started(Node::without_agent(), &[("--exposure", "cdi")]);
    let script =
        "ls /dev/nvidia*; nvidia-smi -L; ls /etc/ld.so.preload /run/aliquot/*/ 2>/dev/null";
    let spec = PodSpec::single("a", WHOLE, 1, &["/bin/sh", "-c", script]);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    let lines: Vec<_> = exit.stdout.lines().collect();
    assert_eq!(lines[..2], ["/dev/nvidia1", "/dev/nvidiactl"], "{exit:?}");
    assert!(lines[2].contains(&pod.devices("main")[0]) && lines.len() == 3, "{lines:?}");
}

#[test]
fn a_name_of_nvidias_toolkit_that_no_specification_has_keeps_the_container_from_starting() {
    let node = started(Node::without_agent(), &[("--exposure", "nvidia-cdi")]);
    let why = half(&node, None, "true").start().unwrap_err();
    assert!(why.contains("unresolvable CDI devices nvidia.com/gpu=GPU-"), "{why}");
}

/// A folder with a file system of its own, for as long as it lives.
struct NoExec(CString);

impl NoExec {
    fn on(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let (kind, flags) = (c"tmpfs".as_ptr(), libc::MS_NOEXEC);
        // SAFETY: all pointers are to strings that end with NUL and live through the call.
        let done = unsafe { libc::mount(kind, path.as_ptr(), kind, flags, std::ptr::null()) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        Self(path)
    }
}

impl Drop for NoExec {
    fn drop(&mut self) {
        // SAFETY: the string ends with NUL and lives through the call.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn no_share_is_offered_where_the_shim_would_lie_on_a_noexec_file_system() {
    let (mut node, api) = without_agent("");
    let _mount = NoExec::on(&node.at("state"));
    node.start_agent();
    node.expect(WHOLE, 1);
    wait_until("percents are listed", || node.sim.capacity(PERCENT) == 100);
    assert_eq!(node.sim.allocatable(PERCENT), 0);
    let why = ["reason=\"the shim", "mounted noexec"];
    assert_eq!(node.metric("aliquot_gpu_no_shares_info", &why), Some(1.0));
    wait_until("it is told", || {
        let told = api.events("GPUBlocked");
        told.iter().any(|it| it["message"].as_str().unwrap().contains("mounted noexec"))
    });
    let (_, log) = node.terminate_agent();
    assert!(log.contains("no share can be held") && log.contains("mounted noexec"), "{log}");
}
