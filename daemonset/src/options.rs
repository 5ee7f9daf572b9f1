//! What the agent can be told: flags, and one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use contract::{DEFAULT_DOMAIN, Domain, paths};
use serde::Deserialize;

use crate::modes::{Mode, Modes, Pin};

/// Offers this node's GPUs to the kubelet, whole and in hundredths.
#[derive(Parser, Clone, PartialEq, Eq, Debug)]
#[command(name = "aliquot-node", version)]
pub struct Options {
    /// A TOML file with `domain`, `default-mode` and a table `gpus` of modes by index or UUID; flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The domain of resource names [default: example.com]
    #[arg(long)]
    pub domain: Option<String>,
    /// How a GPU is used that nothing names [default: shared]
    #[arg(long, value_enum, value_name = "MODE")]
    pub default_mode: Option<Mode>,
    /// How one GPU is used: INDEX=MODE or UUID=MODE, with MODE whole or shared
    #[arg(long, value_name = "GPU=MODE")]
    pub gpu_mode: Vec<Pin>,
    /// Where the driver is installed
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub driver_root: PathBuf,
    /// The shim to install for containers
    #[arg(long, default_value = paths::CONTAINER_SHIM, value_name = "FILE")]
    pub shim: PathBuf,
    /// The kubelet's folder of device plugins
    #[arg(long, default_value = kubelet::DEVICE_PLUGIN_FOLDER, value_name = "DIR")]
    pub kubelet_dir: PathBuf,
    /// The kubelet's podresources socket
    #[arg(long, default_value = kubelet::POD_RESOURCES_SOCKET, value_name = "SOCKET")]
    pub pod_resources: PathBuf,
    /// Where records and shims are kept: survives a reboot
    #[arg(long, default_value = paths::NODE_STATE, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Where the allotments' pages are: a small tmpfs
    #[arg(long, default_value = paths::NODE_PAGES, value_name = "DIR")]
    pub pages_dir: PathBuf,
    /// Mount a tmpfs of so many MiB on the pages' folder, unless one is mounted: needs CAP_SYS_ADMIN, and
    /// in a pod mount propagation to the node
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub pages_tmpfs: Option<u32>,
    /// How often allotments are compared with the kubelet's pods, in seconds
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub reconcile_every: u64,
    /// How often the GPUs are looked at, in seconds
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub rescan_every: u64,
    /// How the log is written
    #[arg(long, value_enum, default_value = "text")]
    pub log: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The file that `--config` names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    domain: Option<String>,
    default_mode: Option<Mode>,
    #[serde(default)]
    gpus: BTreeMap<String, Mode>,
}

/// What flags and file come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The domain of our resources.
    pub domain: String,
    /// The modes of the GPUs.
    pub modes: Modes,
}

impl Options {
    /// Reads the file, if one is named, and lets the flags win.
    ///
    /// # Errors
    /// A file that cannot be read or is not as it should be (with its line), a domain that is none.
    pub fn settings(&self) -> Result<Settings> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let domain = self.domain.clone().or(file.domain);
        let domain = domain.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned());
        Domain::parse(&domain).map_err(|error| anyhow!("{domain:?}: {error}"))?;
        let mut pins = self.gpu_mode.clone();
        for (gpu, mode) in file.gpus {
            pins.push(Pin { gpu: gpu.parse()?, mode });
        }
        let default = self.default_mode.or(file.default_mode).unwrap_or_default();
        Ok(Settings { domain, modes: Modes { default, pins } })
    }
}

fn read(path: &Path) -> Result<File> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        anyhow!("the configuration {}, line {line}: {}", path.display(), one_line(error.message()))
    })
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[&str], file: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let arguments =
            ["aliquot-node", "--config", &path].into_iter().chain(flags.iter().copied());
        Options::try_parse_from(arguments)?.settings()
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_the_defaults() {
        let file =
            "domain = \"a.com\"\ndefault-mode = \"whole\"\n[gpus]\n0 = \"whole\"\n1 = \"shared\"";
        let settings = settings(&["--domain", "b.com", "--gpu-mode", "0=shared"], file).unwrap();
        assert_eq!(settings.domain, "b.com");
        let uuid = crate::inventory::tests::uuid(0);
        let modes = [0, 1, 2].map(|index| settings.modes.of(uuid, index));
        assert_eq!(modes, [Mode::Shared, Mode::Shared, Mode::Whole]);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named() {
        let table = [
            ("default-mode = \"half\"", "half"),
            ("\nmode = 1", "line 2"),
            ("domain = \"a b\"", "not a resource domain"),
            ("[gpus]\nx = \"whole\"", "`x` names no GPU"),
        ];
        for (file, part) in table {
            let message = format!("{:#}", settings(&[], file).unwrap_err());
            assert!(message.contains(part), "{message}");
        }
    }
}
