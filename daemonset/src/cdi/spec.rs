//! A CDI specification, version 0.6.0, as far as we write one (cncf-tags/container-device-interface,
//! SPEC.md). Runtimes refuse a key that they do not know and an edit that is empty.

use std::path::Path;

use serde::Serialize;

use crate::driver;

/// The first version in which a kind may have dots and a node its path on the host.
const VERSION: &str = "0.6.0";

/// One file: devices of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    cdi_version: &'static str,
    kind: String,
    devices: Vec<Device>,
    #[serde(skip_serializing_if = "Edits::is_empty")]
    container_edits: Edits,
}

/// What a container can ask for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Unique in the file.
    pub name: String,
    /// What it gets then.
    pub container_edits: Edits,
}

/// What is changed in a container's OCI configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edits {
    /// Variables, `NAME=value`. Runtimes set them after the container's own, which they replace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_nodes: Vec<Node>,
    /// Files and folders of the node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Programs that the runtime runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// A device of the node in the container; the runtime looks its numbers up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    path: String,
    host_path: String,
    permissions: &'static str,
}

/// A file or folder of the node in the container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    host_path: String,
    container_path: String,
    options: [&'static str; 4],
}

/// A program that the runtime runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// When, in the words of the OCI runtime specification.
    pub hook_name: &'static str,
    /// The program on the node.
    pub path: String,
    /// Its arguments, its name first.
    pub args: Vec<String>,
    /// How long it may take, in seconds.
    pub timeout: u32,
}

impl Spec {
    pub(super) fn new(kind: String, devices: Vec<Device>, container_edits: Edits) -> Self {
        Self { cdi_version: VERSION, kind, devices, container_edits }
    }

    /// Whether there is nothing to ask for; runtimes take such a file for broken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The file.
    ///
    /// # Panics
    /// Never: it is plain data.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a specification is plain data")
    }
}

impl Edits {
    /// These nodes, as devices where they are, and these mounts of the kubelet's.
    pub(super) fn of(
        nodes: Vec<driver::Node>,
        mounts: impl IntoIterator<Item = kubelet::deviceplugin::Mount>,
    ) -> Self {
        let (devices, files): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|it| it.is_device);
        let node = |node: driver::Node| Node {
            path: node.container,
            host_path: node.host.display().to_string(),
            permissions: "rw",
        };
        let files = files.into_iter().map(|file| Mount {
            options: ["rw", "nosuid", "nodev", "bind"],
            ..Mount::read_only(&file.host, &file.container)
        });
        let mounts = mounts.into_iter();
        let mounts = mounts.map(|it| Mount::read_only(it.host_path.as_ref(), &it.container_path));
        Self {
            device_nodes: devices.into_iter().map(node).collect(),
            mounts: files.chain(mounts).collect(),
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Mount {
    /// A mount that the container cannot write to.
    pub(super) fn read_only(host: &Path, container: &str) -> Self {
        Self {
            host_path: host.display().to_string(),
            container_path: container.to_owned(),
            options: ["ro", "nosuid", "nodev", "bind"],
        }
    }
}
