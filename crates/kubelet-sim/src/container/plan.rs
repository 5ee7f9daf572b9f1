//! What a container is made of: pure, from the pod's words and the plugins' answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kubelet::deviceplugin::ContainerAllocateResponse;
use serde::{Deserialize, Serialize};

use super::cdi::{Edits, Hook};
use crate::pod::ContainerSpec;

/// Everything that [`main`](super::main) needs to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The cgroup to live in; made where it does not exist.
    pub(crate) cgroup: Option<PathBuf>,
    /// An empty folder of the machine, for mount points.
    pub(crate) scratch: PathBuf,
    /// What the root file system is laid over.
    pub(crate) image: PathBuf,
    /// Whether the root is read-only.
    pub(crate) read_only_root: bool,
    /// In this order.
    pub(crate) binds: Vec<Bind>,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Run once everything is mounted.
    pub(super) hooks: Vec<Hook>,
    /// User and group.
    pub(crate) user: Option<(u32, u32)>,
}

/// Something of the machine in the container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) host: PathBuf,
    pub(crate) container: PathBuf,
    pub(crate) read_only: bool,
}

/// What an image's configuration would say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Plan {
    /// Merges the answers as the kubelet does, and CDI's edits as a runtime does, last: where two of them say something about the same path or
    /// variable, the first wins; the pod's own environment comes last and wins over all.
    pub(crate) fn new(
        spec: &ContainerSpec,
        answers: &[ContainerAllocateResponse],
        edits: Edits,
        scratch: PathBuf,
    ) -> Self {
        let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        let mut binds: Vec<Bind> = spec.volumes.iter().map(Bind::from).collect();
        for answer in answers {
            for (name, value) in &answer.envs {
                env.entry(name.clone()).or_insert_with(|| value.clone());
            }
            for bind in of_answer(answer) {
                if !binds.iter().any(|known| known.container == bind.container) {
                    binds.push(bind);
                }
            }
        }
        env.extend(spec.env.clone());
        let pairs = edits.env.iter().filter_map(|pair| pair.split_once('='));
        env.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for bind in of_edits(&edits) {
            binds.retain(|known| known.container != bind.container);
            binds.push(bind);
        }
        if edits != Edits::default() {
            binds.sort_by_key(Bind::depth);
        }
        let is_ours = |hook: &Hook| hook.hook_name == "createContainer";
        Self {
            cgroup: None,
            scratch,
            image: spec.rootfs.clone().unwrap_or_else(|| "/".into()),
            read_only_root: spec.read_only_root,
            binds,
            env,
            command: spec.command.clone(),
            hooks: edits.hooks.into_iter().filter(is_ours).collect(),
            user: spec.user,
        }
    }
}

fn of_answer(answer: &ContainerAllocateResponse) -> impl Iterator<Item = Bind> {
    let mounts = answer.mounts.iter().map(|mount| Bind {
        host: mount.host_path.clone().into(),
        container: mount.container_path.clone().into(),
        read_only: mount.read_only,
    });
    let devices = answer.devices.iter().map(|device| Bind {
        host: device.host_path.clone().into(),
        container: device.container_path.clone().into(),
        read_only: false,
    });
    mounts.chain(devices)
}

fn of_edits(edits: &Edits) -> impl Iterator<Item = Bind> {
    let mounts = edits.mounts.iter().map(|mount| Bind {
        host: mount.host_path.clone(),
        container: mount.container_path.clone(),
        read_only: mount.options.iter().any(|option| option == "ro"),
    });
    let nodes = edits.device_nodes.iter().map(|node| Bind {
        host: node.host().to_owned(),
        container: node.path.clone(),
        read_only: false,
    });
    mounts.chain(nodes)
}

impl From<&crate::pod::Volume> for Bind {
    fn from(volume: &crate::pod::Volume) -> Self {
        let (host, container) = (volume.host.clone(), volume.container.clone());
        Self { host, container, read_only: volume.read_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str) -> ContainerAllocateResponse {
        ContainerAllocateResponse {
            envs: [("A".to_owned(), value.to_owned()), ("B".into(), value.into())].into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_first_answer_wins_and_the_pod_wins_over_all() {
        let env = [("B".to_owned(), "pod".to_owned())].into();
        let spec = ContainerSpec { env, ..Default::default() };
        let answers = [answer("first"), answer("second")];
        let plan = Plan::new(&spec, &answers, Edits::default(), PathBuf::new());
        assert_eq!((plan.env["A"].as_str(), plan.env["B"].as_str()), ("first", "pod"));
    }
}
