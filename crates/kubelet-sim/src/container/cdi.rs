//! The runtime's side of CDI: finds devices by name in the specifications' folders, and says what they
//! change in a container. True to the library that containerd and CRI-O use
//! (cncf-tags/container-device-interface): an unknown key or an empty edit makes a file worthless, a
//! later folder wins over an earlier one, and two devices of one name in one folder are none.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    cdi_version: String,
    kind: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Device {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    container_edits: Edits,
}

/// What is changed in a container.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Edits {
    pub(super) env: Vec<String>,
    pub(super) device_nodes: Vec<Node>,
    pub(super) mounts: Vec<Mount>,
    pub(super) hooks: Vec<Hook>,
}

/// A device of the machine in the container.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Node {
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) host_path: Option<PathBuf>,
    #[serde(default)]
    permissions: String,
}

/// A file or folder of the machine in the container.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Mount {
    pub(super) host_path: PathBuf,
    pub(super) container_path: PathBuf,
    #[serde(default)]
    pub(super) options: Vec<String>,
}

/// A program that the runtime runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Hook {
    pub(super) hook_name: String,
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: Vec<String>,
    #[serde(default)]
    pub(super) timeout: u32,
}

/// What these names come to, from the folders' files at this moment.
pub(crate) fn edits(names: &[String], folders: &[PathBuf]) -> Result<Edits, String> {
    let mut all = Edits::default();
    let mut of_files = Vec::new();
    for name in names {
        let (file, spec, device) =
            find(name, folders).ok_or_else(|| format!("unresolvable CDI devices {name}"))?;
        // What all devices of a file need comes once.
        if !of_files.contains(&file) {
            all.add(spec);
            of_files.push(file);
        }
        all.add(device);
    }
    match all.device_nodes.iter().find(|node| !node.is_device()) {
        Some(node) => Err(format!("{} is not a device node", node.host().display())),
        None => Ok(all),
    }
}

/// The file of a device, what the file gives to all of its devices, and what to this one.
fn find(name: &str, folders: &[PathBuf]) -> Option<(PathBuf, Edits, Edits)> {
    let (kind, device) = name.split_once('=')?;
    for folder in folders.iter().rev() {
        let mut found = Vec::new();
        for file in files(folder) {
            let Some(spec) = read(&file).filter(|spec| spec.kind == kind) else { continue };
            let common = spec.container_edits;
            let its = spec.devices.into_iter().filter(|known| known.name == device);
            found.extend(its.map(|its| (file.clone(), common.clone(), its.container_edits)));
        }
        if !found.is_empty() {
            // Two of one name are in conflict: neither is taken.
            return (found.len() == 1).then(|| found.remove(0));
        }
    }
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

fn read(file: &Path) -> Option<Spec> {
    let spec: Spec = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let known = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0"];
    let devices = &spec.devices;
    let full = |device: &Device| device.container_edits != Edits::default();
    let whole = known.contains(&&*spec.cdi_version) && is_kind(&spec.kind);
    let named = devices.iter().all(|device| is_name(&device.name, ":") && full(device));
    let plain = spec.annotations.is_empty() && devices.iter().all(|it| it.annotations.is_empty());
    (whole && named && plain && !devices.is_empty()).then_some(spec)
}

fn is_kind(kind: &str) -> bool {
    kind.split_once('/').is_some_and(|(vendor, class)| is_name(vendor, "") && is_name(class, ""))
}

fn is_name(name: &str, more: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c) || more.contains(c);
    edge(name.chars().next()) && edge(name.chars().last()) && name.chars().all(inner)
}

impl Edits {
    fn add(&mut self, more: Self) {
        self.env.extend(more.env);
        self.device_nodes.extend(more.device_nodes);
        self.mounts.extend(more.mounts);
        self.hooks.extend(more.hooks);
    }
}

impl Node {
    pub(super) fn host(&self) -> &Path {
        self.host_path.as_ref().unwrap_or(&self.path)
    }

    fn is_device(&self) -> bool {
        let kind = fs::metadata(self.host()).map(|metadata| metadata.file_type());
        kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, device: &str, env: &str) -> String {
        format!(
            r#"{{"cdiVersion":"0.6.0","kind":"{kind}","containerEdits":{{"env":["ALL=1"]}},
                "devices":[{{"name":"{device}","containerEdits":{{"env":["{env}"]}}}},
                           {{"name":"other","containerEdits":{{"env":["O=1"]}}}}]}}"#
        )
    }

    fn ask(folders: &[PathBuf], names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        edits(&names, folders).map(|edits| edits.env)
    }

    #[test]
    fn a_later_folder_wins_and_what_all_devices_of_a_file_need_comes_once() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["etc", "run"].map(|name| root.path().join(name));
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        fs::write(folders[0].join("a.json"), spec("a.b/c", "0", "X=etc")).unwrap();
        fs::write(folders[1].join("a.json"), spec("a.b/c", "0", "X=run")).unwrap();
        let both = ask(&folders, &["a.b/c=0", "a.b/c=other"]).unwrap();
        assert_eq!(both, ["ALL=1", "X=run", "O=1"]);
        assert!(ask(&folders, &["a.b/c=1"]).unwrap_err().contains("unresolvable"));
        // In conflict with itself.
        fs::write(folders[1].join("b.json"), spec("a.b/c", "0", "X=run")).unwrap();
        assert!(ask(&folders, &["a.b/c=0"]).is_err());
    }

    #[test]
    fn a_file_that_is_not_as_the_specification_has_it_is_worthless() {
        let root = tempfile::tempdir().unwrap();
        let folders = [root.path().to_owned()];
        let good = spec("a.b/c", "0", "X=1");
        let bad = [
            good.replace("0.6.0", "9.0.0"),
            good.replace("a.b/c", "c"),
            good.replace("\"kind\"", "\"more\":1,\"kind\""),
            good.replace("{\"env\":[\"X=1\"]}", "{}"),
            good.replace("\"0\"", "\"-0\""),
            "{".to_owned(),
        ];
        fs::write(root.path().join("a.json"), &good).unwrap();
        ask(&folders, &["a.b/c=0"]).unwrap();
        for text in bad {
            fs::write(root.path().join("a.json"), &text).unwrap();
            assert!(ask(&folders, &["a.b/c=other"]).is_err(), "{text}");
        }
    }
}
