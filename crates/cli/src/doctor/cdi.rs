//! The CDI specifications on the node: whether they can be read, whether what they name is there, and
//! whether the names that an allocation would bring are in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Finding;

const ABOUT: &str = "CDI";

/// As far as it is looked at; unknown keys are the runtime's business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    cdi_version: String,
    kind: String,
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    device_nodes: Vec<Node>,
    mounts: Vec<Mount>,
    hooks: Vec<Hook>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    path: PathBuf,
    host_path: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: PathBuf,
}

#[derive(Deserialize)]
struct Hook {
    path: PathBuf,
}

impl Edits {
    fn missing(&self) -> impl Iterator<Item = &Path> {
        let nodes =
            self.device_nodes.iter().map(|node| node.host_path.as_ref().unwrap_or(&node.path));
        let mounts = self.mounts.iter().map(|mount| &mount.host_path);
        let hooks = self.hooks.iter().map(|hook| &hook.path);
        nodes.chain(mounts).chain(hooks).map(PathBuf::as_path).filter(|path| !path.exists())
    }
}

/// Looks at every specification in `folder`, and for `asked` names in them.
pub(super) fn look(folder: &Path, asked: &[String]) -> Finding {
    let files = files(folder);
    if files.is_empty() && asked.is_empty() {
        return Finding::skipped(
            ABOUT,
            format!("no specification in {}, and none is asked for", folder.display()),
        );
    }
    let mut names = BTreeMap::<String, Vec<PathBuf>>::new();
    let mut gone = BTreeMap::<String, Vec<String>>::new();
    let mut broken = Vec::new();
    for file in files {
        match read(&file) {
            Err(why) => broken.push(format!("{}: {why}", file.display())),
            Ok(spec) => enter(&file, &spec, &mut names, &mut gone),
        }
    }
    judge(folder, asked, &names, &gone, &broken)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_spec = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "json" || ending == "yaml")
    };
    let mut files: Vec<_> = entries.filter(is_spec).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Result<Spec, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    // JSON is YAML.
    let spec: Spec = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    match spec.kind.split_once('/') {
        Some((vendor, class))
            if !vendor.is_empty() && !class.is_empty() && !spec.cdi_version.is_empty() =>
        {
            Ok(spec)
        }
        _ => Err(format!("the kind {:?} of version {:?} is none", spec.kind, spec.cdi_version)),
    }
}

fn enter(
    file: &Path,
    spec: &Spec,
    names: &mut BTreeMap<String, Vec<PathBuf>>,
    gone: &mut BTreeMap<String, Vec<String>>,
) {
    for device in &spec.devices {
        let name = format!("{}={}", spec.kind, device.name);
        let missing = spec.container_edits.missing().chain(device.container_edits.missing());
        let missing: Vec<_> = missing.map(|path| path.display().to_string()).collect();
        if !missing.is_empty() {
            gone.insert(name.clone(), missing);
        }
        names.entry(name).or_default().push(file.to_owned());
    }
}

fn judge(
    folder: &Path,
    asked: &[String],
    names: &BTreeMap<String, Vec<PathBuf>>,
    gone: &BTreeMap<String, Vec<String>>,
    broken: &[String],
) -> Finding {
    if let Some(name) = asked.iter().find(|name| !names.contains_key(*name)) {
        let also =
            if broken.is_empty() { String::new() } else { format!(" ({})", broken.join("; ")) };
        let todo = "no share starts: the agent writes its specifications again within seconds, so look at \
                    its log, and whether --cdi-dir is the folder that the runtime reads";
        return Finding::bad(
            ABOUT,
            format!("{name} stands in no file of {}{also}", folder.display()),
            todo,
        );
    }
    if let Some((name, files)) =
        names.iter().find(|(name, files)| files.len() > 1 && asked.contains(name))
    {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let todo = "runtimes take neither: remove the one that is not the agent's";
        return Finding::bad(ABOUT, format!("{name} stands in {}", files.join(" and ")), todo);
    }
    if let Some((name, missing)) = asked.iter().find_map(|name| gone.get_key_value(name)) {
        let todo = "no container with it starts: restart the agent, which installs its files again; a file \
                    of the driver comes back with the driver";
        return Finding::bad(
            ABOUT,
            format!("{name} wants {}, which is not there", missing.join(", ")),
            todo,
        );
    }
    if !broken.is_empty() {
        let todo = "runtimes pass over it: mend or remove it";
        return Finding::look(ABOUT, broken.join("; "), todo);
    }
    if let Some((name, missing)) = gone.first_key_value() {
        let todo = "nothing of ours asks for it; whoever wrote it should write it again";
        return Finding::look(
            ABOUT,
            format!("{name} wants {}, which is not there", missing.join(", ")),
            todo,
        );
    }
    let seen =
        format!("{} names in {}, {} of them asked for", names.len(), folder.display(), asked.len());
    Finding::good(ABOUT, seen)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    const NAME: &str = "aliquot.example.com/gpu=a";

    fn spec(kind: &str, path: &str) -> String {
        format!(
            r#"{{"cdiVersion":"0.6.0","kind":"{kind}","devices":[{{"name":"a","containerEdits":
            {{"mounts":[{{"hostPath":"{path}","containerPath":"/x"}}]}}}}]}}"#
        )
    }

    fn found(files: &[(&str, String)], asked: &[&str]) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        look(folder.path(), &asked)
    }

    #[test]
    fn every_way_in_which_a_name_does_not_resolve_is_told_apart() {
        let ours = ("a.json", spec("aliquot.example.com/gpu", "/"));
        assert_eq!(found(&[], &[]).state, State::Skipped);
        assert_eq!(found(std::slice::from_ref(&ours), &[NAME]).state, State::Good);
        let twice = found(&[ours.clone(), ("b.yaml", ours.1.clone())], &[NAME]);
        assert!(twice.state == State::Bad && twice.seen.contains("b.yaml"), "{twice:?}");
        let absent = found(std::slice::from_ref(&ours), &["aliquot.example.com/shim=1"]);
        assert!(absent.state == State::Bad && absent.seen.contains("shim=1"), "{absent:?}");
        let dangling = found(&[("a.json", spec("aliquot.example.com/gpu", "/no/where"))], &[NAME]);
        assert!(
            dangling.state == State::Bad && dangling.seen.contains("/no/where"),
            "{dangling:?}"
        );
        let broken = found(&[("a.json", "{".into())], &[NAME]);
        assert!(broken.state == State::Bad && broken.seen.contains("a.json"), "{broken:?}");
    }

    #[test]
    fn trouble_of_others_is_said_and_is_not_ours() {
        let ours = ("a.json", spec("aliquot.example.com/gpu", "/"));
        let theirs = found(&[ours.clone(), ("nvidia.yaml", "kind: [".into())], &[NAME]);
        assert!(theirs.state == State::Look && theirs.seen.contains("nvidia.yaml"), "{theirs:?}");
        let stale = found(&[ours, ("n.yaml", spec("nvidia.com/gpu", "/no/driver"))], &[NAME]);
        assert!(stale.state == State::Look && stale.seen.contains("/no/driver"), "{stale:?}");
        let kind = found(&[("n.yaml", spec("gpu", "/"))], &[]);
        assert!(kind.state == State::Look && kind.seen.contains("\"gpu\""), "{kind:?}");
    }
}
