//! Which container a process lives in, read from `/proc/<pid>/cgroup`. Pure: text in, place out.
//!
//! The kubelet's cgroups differ by driver (systemd or cgroupfs), runtime (containerd, CRI-O, Docker)
//! and version (1 or 2), and whoever reads from a cgroup namespace of its own sees paths relative to
//! it. What they share: a part that ends in `pod<uid>`, and below it one that ends in the
//! container's id. Of several pods in one path the outermost counts: cgroups below a container's own
//! are the tenant's to name.

/// Where a process lives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    /// The uid of its pod, with dashes; `None` outside of pods, and where the path does not tell.
    pub pod: Option<String>,
    /// The runtime's id of its container: 64 hexadecimal digits.
    pub container: Option<String>,
}

impl Place {
    /// The place that the text of `/proc/<pid>/cgroup` tells: of its lines, one per hierarchy, the
    /// one that tells the most.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        let places = paths.map(Self::of_path);
        places
            .max_by_key(|place| (place.pod.is_some(), place.container.is_some()))
            .unwrap_or_default()
    }

    /// Whether it is in no container that can be told.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        *self == Self::default()
    }

    fn of_path(path: &str) -> Self {
        // A systemd path that a runtime without systemd took literally: `<slice>:<runtime>:<id>`.
        let mut parts = path.split(['/', ':']);
        let Some(pod) = parts.by_ref().find_map(pod_uid) else {
            return Self { pod: None, container: path.split('/').find_map(container_id) };
        };
        Self { pod: Some(pod), container: parts.find_map(container_id) }
    }
}

/// `pod<uid>`, alone or behind the slices it is in; systemd writes the dashes as underscores.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let at = if part.starts_with("pod") { 3 } else { part.rfind("-pod")? + 4 };
    let uid = part[at..].replace('_', "-");
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = uid.bytes().filter(|byte| *byte == b'-').count();
    // A static pod's is a hash, without dashes.
    (digits == 32 && digits + dashes == uid.len()).then_some(uid)
}

/// A container's own cgroup: its id, alone or behind the runtime's name. The monitor that CRI-O and
/// Podman keep beside a container is not in it.
fn container_id(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let (runtime, id) = part.rsplit_once(['-', '_']).unwrap_or(("", part));
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !runtime.contains("conmon")).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "6f1b1c0e-9f4d-4f0a-8a53-0d6a3c1e7b21";
    const SLICE: &str = "6f1b1c0e_9f4d_4f0a_8a53_0d6a3c1e7b21";
    const STATIC: &str = "3f0b1a9f8f2d4c5e6a7b8c9d0e1f2a3b";
    const ID: &str = "4b7e9a1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccdde";
    const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000001";

    fn written(path: &str) -> String {
        let names =
            [("UID", UID), ("SLICE", SLICE), ("STATIC", STATIC), ("OTHER", OTHER), ("ID", ID)];
        names
            .iter()
            .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("<{name}>"), value))
    }

    fn place(text: &str) -> (Option<String>, Option<String>) {
        let place = Place::parse(&written(text));
        (place.pod, place.container)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_container_of_a_pod_is_found_in_the_paths_of_every_runtime_and_driver() {
        let paths = [
            // containerd, cgroupfs: burstable, guaranteed.
            "/kubepods/burstable/pod<UID>/<ID>",
            "/kubepods/pod<UID>/<ID>",
            // containerd, systemd.
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<SLICE>.slice/cri-containerd-<ID>.scope",
            "/kubepods.slice/kubepods-pod<SLICE>.slice/cri-containerd-<ID>.scope",
            // containerd without SystemdCgroup under a kubelet that has it.
            "/system.slice/containerd.service/kubepods-burstable-pod<SLICE>.slice:cri-containerd:<ID>",
            // CRI-O: systemd, the child that crun makes, cgroupfs.
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<SLICE>.slice/crio-<ID>.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<SLICE>.slice/crio-<ID>.scope/container",
            "/kubepods/besteffort/pod<UID>/crio-<ID>",
            // Docker.
            "/kubepods.slice/kubepods-pod<SLICE>.slice/docker-<ID>.scope",
            // The node is itself a container: kind in Docker, version 1 and 2.
            "/docker/<OTHER>/kubelet/kubepods/besteffort/pod<UID>/<ID>",
            "/system.slice/docker-<OTHER>.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod<SLICE>.slice/cri-containerd-<ID>.scope",
            // Cgroups that the container made: systemd in it, Docker in it.
            "/kubepods/pod<UID>/<ID>/init.scope",
            "/kubepods/pod<UID>/<ID>/docker/<OTHER>",
            // Seen from a cgroup namespace of the reader's own.
            "/../../../kubepods-burstable.slice/kubepods-burstable-pod<SLICE>.slice/cri-containerd-<ID>.scope",
            "/../../pod<UID>/<ID>",
        ];
        for path in paths {
            assert_eq!(place(&format!("0::{path}\n")), (some(UID), some(ID)), "{path}");
        }
    }

    #[test]
    fn the_hierarchy_that_tells_most_counts() {
        let mixed = "12:cpuset:/\n5:memory:/system.slice/containerd.service\n\
                     3:pids:/kubepods/pod<UID>/<ID>\n1:name=systemd:/kubepods/pod<UID>\n0::/\n";
        assert_eq!(place(mixed), (some(UID), some(ID)));
        // A controller's name may hold colons no more than a path's first field does.
        assert_eq!(place("4:cpu,cpuacct:/kubepods/pod<UID>/<ID>"), (some(UID), some(ID)));
    }

    #[test]
    fn a_static_pods_uid_has_no_dashes() {
        let path = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<STATIC>.slice/cri-containerd-<ID>.scope";
        assert_eq!(place(path), (some(STATIC), some(ID)));
    }

    #[test]
    fn a_tenants_own_cgroups_do_not_make_it_another_pod() {
        let path = "0::/kubepods/pod<UID>/<ID>/kubepods/pod<STATIC>/<OTHER>";
        assert_eq!(place(path), (some(UID), some(ID)));
    }

    #[test]
    fn containers_outside_of_pods_are_containers() {
        let paths = [
            "/docker/<ID>",
            "/system.slice/docker-<ID>.scope",
            "/machine.slice/libpod-<ID>.scope/container",
            // A neighbour in the reader's own pod, seen from its cgroup namespace.
            "/../cri-containerd-<ID>.scope",
        ];
        for path in paths {
            assert_eq!(place(&format!("0::{path}")), (None, some(ID)), "{path}");
        }
    }

    #[test]
    fn what_is_in_no_container_is_the_machines() {
        let paths = [
            "/",
            "/system.slice/nvidia-persistenced.service",
            "/user.slice/user-1000.slice/session-4.scope",
            "/kubepods.slice",
            "/machine.slice/libpod-conmon-<ID>.scope",
            "/system.slice/pod-cleanup.service",
            "/podman.slice",
            "",
        ];
        for path in paths {
            assert!(Place::parse(&written(&format!("0::{path}"))).is_machine(), "{path}");
        }
        assert!(Place::parse("").is_machine());
        assert!(Place::parse("scribble\n::\n1\n").is_machine());
    }

    #[test]
    fn a_monitor_beside_a_container_is_in_the_pod_and_in_no_container() {
        let path = "0::/kubepods.slice/kubepods-pod<SLICE>.slice/crio-conmon-<ID>.scope";
        assert_eq!(place(path), (some(UID), None));
        // A sandbox that the runtime names in its own way.
        assert_eq!(place("0::/kubepods/pod<UID>/kata_overhead"), (some(UID), None));
    }
}
