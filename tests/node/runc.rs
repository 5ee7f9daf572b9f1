//! The same containers in the real runc: what the agent's answer and its specifications come to as an
//! OCI bundle.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kubelet_sim::Pod;
use serde_json::{Value, json};

use crate::cdi::{half, node};
use crate::harness::{Node, part};

/// Enough of Debian 11 to run a shell.
const FILES: [&str; 8] = [
    "usr/bin/dash",
    "usr/bin/cat",
    "usr/lib/x86_64-linux-gnu/ld-2.31.so",
    "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "usr/lib/x86_64-linux-gnu/libc-2.31.so",
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libdl.so.2",
    "usr/lib/x86_64-linux-gnu/libdl-2.31.so",
];

/// A bundle with a root file system of its own.
struct Bundle {
    folder: PathBuf,
    config: Value,
}

impl Bundle {
    fn new(node: &Node, pod: &Pod) -> Self {
        Self::with(node, pod, small_debian)
    }

    fn with(node: &Node, pod: &Pod, image: impl Fn(&Path)) -> Self {
        let bundle = Self { folder: node.at("bundle"), config: pod.oci_config("main").unwrap() };
        image(&bundle.root());
        bundle
    }

    fn root(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    /// In a user namespace whose root is this user of the machine.
    fn in_user_namespace(&mut self, root: u32) {
        let linux = &mut self.config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        let ids = json!([{"containerID": 0, "hostID": root, "size": 65536}]);
        (linux["uidMappings"], linux["gidMappings"]) = (ids.clone(), ids);
        give_to(&self.root(), root);
        // Its root must be able to reach its root file system, and nothing more.
        for folder in self.folder.ancestors().take(2) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
        }
    }

    fn run(&self) -> Output {
        let config = self.folder.join("config.json");
        fs::write(&config, self.config.to_string()).unwrap();
        // As containerd leaves it where ids are not mapped: nobody else may read it.
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let runc = part("target/fetch/runc/usr/sbin/runc", "cargo xtask fetch");
        let libraries = part("target/fetch/runc/usr/lib/x86_64-linux-gnu", "cargo xtask fetch");
        // Unique on the machine: its cgroup has this name.
        let folder = self.folder.parent().and_then(Path::file_name).unwrap_or_default();
        let id = format!("aliquot-{}", folder.to_string_lossy().trim_start_matches('.'));
        let mut run = Command::new(runc);
        run.env("LD_LIBRARY_PATH", libraries).current_dir(&self.folder);
        run.arg("--root").arg(self.folder.join("runc")).args(["run", &id]).output().unwrap()
    }

    /// Runs [`LOOK`], which finds all as it is to be.
    #[track_caller]
    fn looks_around(&self) {
        let output = self.run();
        let found = text(&output.stdout);
        assert_eq!(found, "loaded\nread-only\nwritable\ncard\n", "{}", text(&output.stderr));
    }
}

/// Makes a root file system of these files alone.
pub(crate) fn small_debian(to: &Path) {
    let from = part("target/fetch/debian-11", "cargo xtask fetch");
    for folder in ["usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64"] {
        fs::create_dir_all(to.join(folder)).unwrap();
    }
    for file in FILES {
        copy(&from.join(file), &to.join(file));
    }
    let links = [
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/bin/sh", "dash"),
        ("usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so"),
    ];
    for (link, target) in links {
        symlink(target, to.join(link)).unwrap();
    }
}

/// The same laid out as Red Hat's family does it: libraries in `lib64`, where alone its loader looks without a cache; and
/// what the driver's programs need.
fn small_red_hat(to: &Path) {
    small_debian(to);
    let of_debian = to.join("usr/lib/x86_64-linux-gnu");
    let from = part("target/fetch/debian-11/usr/lib/x86_64-linux-gnu", "cargo xtask fetch");
    for (name, soname) in [("m", "6"), ("rt", "1"), ("pthread", "0")] {
        for file in [format!("lib{name}.so.{soname}"), format!("lib{name}-2.31.so")] {
            copy(&from.join(&file), &of_debian.join(&file));
        }
    }
    for file in fs::read_dir(&of_debian).unwrap() {
        let file = file.unwrap();
        fs::rename(file.path(), to.join("usr/lib64").join(file.file_name())).unwrap();
    }
    fs::remove_dir(&of_debian).unwrap();
    let loader = to.join("usr/lib64/ld-2.31.so");
    let mut bytes = fs::read(&loader).unwrap();
    // Their lengths stand elsewhere, and a path may have more slashes than it needs.
    for (debians, red_hats) in [
        ("/lib/x86_64-linux-gnu/\0", "/lib64////////////////\0"),
        ("/usr/lib/x86_64-linux-gnu/\0", "/usr/lib64////////////////\0"),
    ] {
        assert_eq!(debians.len(), red_hats.len());
        let places = bytes.windows(debians.len()).position(|bytes| bytes == debians.as_bytes());
        let at = places.expect("Debian's loader names its folders");
        bytes[at..at + red_hats.len()].copy_from_slice(red_hats.as_bytes());
    }
    fs::write(&loader, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    match fs::read_link(from) {
        Ok(target) => symlink(target, to).unwrap(),
        Err(_) => drop(fs::copy(from, to).unwrap()),
    }
}

fn give_to(path: &Path, id: u32) {
    std::os::unix::fs::lchown(path, Some(id), Some(id)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_to(&entry.unwrap().path(), id);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says whether the shim is in the shell's own process, and what of the allotment is there.
const LOOK: &str = "while read line; do case $line in *r-xp*/opt/aliquot/libaliquot.so) echo loaded;; esac; \
    done </proc/self/maps; echo x 2>/dev/null >/etc/x || echo read-only; \
    for f in /run/aliquot/*/ledger; do test -w $f && echo writable; done; test -e /dev/nvidia0 && echo card";

#[test]
fn real_runc_runs_the_hook_before_the_root_turns_read_only() {
    let node = node();
    let pod = half(&node, None, LOOK);
    Bundle::new(&node, &pod).looks_around();
}

#[test]
fn real_runc_runs_the_hook_as_root_of_a_user_namespace() {
    let node = node();
    let pod = half(&node, None, LOOK);
    let mut bundle = Bundle::new(&node, &pod);
    bundle.in_user_namespace(300_000);
    bundle.looks_around();
}

#[test]
fn real_runc_says_why_the_hook_refused() {
    let node = node();
    let pod = half(&node, None, LOOK);
    let bundle = Bundle::new(&node, &pod);
    fs::remove_file(bundle.root().join("usr/lib64/ld-linux-x86-64.so.2")).unwrap();
    let output = bundle.run();
    assert!(!output.status.success() && output.stdout.is_empty());
    let why = text(&output.stderr);
    assert!(why.contains("stdout: aliquot: the image has no loader of glibc"), "{why}");
}

#[test]
fn real_runc_says_that_the_shim_cannot_be_mapped() {
    let node = node();
    let pod = half(&node, None, LOOK);
    let mut bundle = Bundle::new(&node, &pod);
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    let is_shim = |mount: &&mut Value| mount["destination"] == "/opt/aliquot/libaliquot.so";
    let shim = mounts.iter_mut().find(is_shim).unwrap();
    shim["options"].as_array_mut().unwrap().push("noexec".into());
    let why = text(&bundle.run().stderr);
    assert!(
        why.contains("stdout: aliquot: /opt/aliquot/libaliquot.so lies on a file system"),
        "{why}"
    );
}

#[test]
fn an_image_whose_loader_looks_in_lib64_alone_finds_the_driver_and_the_shim() {
    let node = node();
    let script = "nvidia-smi -L; gpu-client alloc=1G >/dev/null && echo has 1 GiB; \
        gpu-client alloc=17G >/dev/null 2>&1 || echo has no 17 GiB";
    let pod = half(&node, None, script);
    let gpu = pod.devices("main")[0].split("::").next().unwrap().to_owned();
    let bundle = Bundle::with(&node, &pod, small_red_hat);
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    copy(&client, &bundle.root().join("usr/bin/gpu-client"));
    let output = bundle.run();
    let said = text(&output.stdout);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.len() == 3 && lines[0].contains(&gpu), "{said} {}", text(&output.stderr));
    assert_eq!(lines[1..], ["has 1 GiB", "has no 17 GiB"], "{}", text(&output.stderr));
}
