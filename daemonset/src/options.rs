//! What the agent can be told on its command line and by variables. What stands in the file as well
//! is written the same way there; flags win over variables, variables over the file.

use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use contract::paths;
use serde_saphyr::{Location, Spanned};
use tokio::sync::watch;

use crate::config::{
    AtLimit, ComputePolicy, Config, DomainName, Exposure, GpuPin, Injection, Live, MigSection,
    MigStrategy, Placement, Section, Unloadable, Who,
};
use crate::modes::Mode;

/// Offers this node's GPUs to the kubelet, whole and in hundredths.
#[derive(Parser, Clone, PartialEq, Debug)]
#[command(name = "aliquot-node", version)]
pub struct Options {
    /// What to do instead of serving the node.
    #[command(subcommand)]
    pub command: Option<crate::commands::Command>,
    /// The configuration, YAML; read again when it changes. `check-config` says what may stand in it
    #[arg(long, value_name = "FILE", env = "ALIQUOT_CONFIG")]
    pub config: Option<PathBuf>,
    /// What the file can say as well.
    #[command(flatten)]
    pub over: Overrides,
    /// The node.
    #[command(flatten)]
    pub node: NodeFlags,
    /// How it watches and tells.
    #[command(flatten)]
    pub seen: crate::seen::SeenFlags,
    /// Where the API server is.
    #[command(flatten)]
    pub api: crate::api::ApiFlags,
    /// The shim to install for containers
    #[arg(long, default_value = paths::CONTAINER_SHIM, value_name = "FILE")]
    pub shim: PathBuf,
    /// The hook to install for runtimes; without it nothing comes by CDI
    #[arg(long, default_value = paths::NODE_HOOK, value_name = "FILE", env = "ALIQUOT_HOOK")]
    pub hook: PathBuf,
    /// Where the runtime looks for CDI specifications
    #[arg(long, default_value = paths::CDI_SPECS, value_name = "DIR", env = "ALIQUOT_CDI_DIR")]
    pub cdi_dir: PathBuf,
    /// The kubelet's folder of device plugins, where every kubelet has it, whatever its own folder is
    #[arg(long, default_value = kubelet::DEVICE_PLUGIN_FOLDER, value_name = "DIR")]
    pub kubelet_dir: PathBuf,
    /// The kubelet's podresources socket [default: pod-resources/kubelet.sock in the kubelet's folder]
    #[arg(long, value_name = "SOCKET")]
    pub pod_resources: Option<PathBuf>,
    /// Where records and shims are kept: survives a reboot
    #[arg(long, default_value = paths::NODE_STATE, value_name = "DIR", env = "ALIQUOT_STATE_DIR", global = true)]
    pub state_dir: PathBuf,
    /// Where the allotments' pages are, one folder each: in memory, as /run is
    #[arg(long, default_value = paths::NODE_PAGES, value_name = "DIR", env = "ALIQUOT_PAGES_DIR")]
    pub pages_dir: PathBuf,
    /// Keep the pages in so many MiB of memory, each share's (376 KiB) on a file system of their own: needs
    /// CAP_SYS_ADMIN, and in a pod mount propagation to the node
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub pages_tmpfs: Option<u32>,
    /// How often allotments are compared with the kubelet's pods, in seconds
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub reconcile_every: u64,
    /// How long a shim of an earlier release stays that no container can ask for any more, in seconds
    #[arg(long, default_value_t = 600, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub keep_unused_shims: u64,
    /// How often the GPUs are looked at, in seconds
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub rescan_every: u64,
    /// Where there is no driver or no GPU yet, wait for them instead of ending: for a driver that is put under
    /// --driver-root after the node has started
    #[arg(long)]
    pub wait_for_driver: bool,
    /// The log.
    #[command(flatten)]
    pub log: logs::Flags,
}

/// What the configuration can say as well: these win over it.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Overrides {
    /// The domain of resource names [default: example.com]
    #[arg(long, env = "ALIQUOT_DOMAIN")]
    pub domain: Option<DomainName>,
    /// How a GPU is used that nothing names [default: shared]
    #[arg(long, value_enum, value_name = "MODE", env = "ALIQUOT_DEFAULT_MODE")]
    pub default_mode: Option<Mode>,
    /// How one GPU is used: INDEX=MODE or UUID=MODE
    #[arg(long, value_name = "GPU=MODE", env = "ALIQUOT_GPU_MODE", value_delimiter = ',')]
    pub gpu_mode: Vec<GpuPin>,
    /// How MIG slices are offered [default: mixed]
    #[arg(long, value_enum, value_name = "STRATEGY", env = "ALIQUOT_MIG_STRATEGY")]
    pub mig_strategy: Option<MigStrategy>,
    /// Which GPU a share takes of those with room [default: pack]
    #[arg(long, value_enum, env = "ALIQUOT_PLACEMENT")]
    pub placement: Option<Placement>,
    /// How compute is shared out where a pod does not say [default: fair]
    #[arg(long, value_enum, value_name = "POLICY", env = "ALIQUOT_COMPUTE_POLICY")]
    pub compute_policy: Option<ComputePolicy>,
    /// What happens at a limit [default: refuse]
    #[arg(long, value_enum, value_name = "WHAT", env = "ALIQUOT_AT_LIMIT")]
    pub at_limit: Option<AtLimit>,
    /// Offer no more percents than the largest hole on one GPU holds
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", env = "ALIQUOT_HONEST_ADVERTISING")]
    pub honest_advertising: Option<bool>,
    /// How GPUs come into containers [default: mounts]
    #[arg(long, value_enum, env = "ALIQUOT_EXPOSURE")]
    pub exposure: Option<Exposure>,
    /// How a share's allotment and shim come into a container [default: auto]
    #[arg(long, value_enum, env = "ALIQUOT_INJECTION")]
    pub injection: Option<Injection>,
    /// What happens to a container in whose image the shim cannot load [default: refuse]
    #[arg(long, value_enum, value_name = "WHAT", env = "ALIQUOT_UNLOADABLE")]
    pub unloadable: Option<Unloadable>,
    /// Where the driver is installed [default: /]
    #[arg(long, value_name = "DIR", env = "ALIQUOT_DRIVER_ROOT")]
    pub driver_root: Option<PathBuf>,
    /// The kubelet's folder [default: /var/lib/kubelet]
    #[arg(long, value_name = "DIR", env = "ALIQUOT_KUBELET_ROOT")]
    pub kubelet_root: Option<PathBuf>,
}

/// Which node it is, for the configuration's sections of single nodes.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeFlags {
    /// The node's name in Kubernetes
    #[arg(long, value_name = "NAME", env = "NODE_NAME", default_value = "")]
    pub node_name: String,
    /// The agent's own pod: it believes no list of the kubelet's without it
    #[arg(long, value_name = "NAME", env = "ALIQUOT_POD_NAME", requires = "pod_namespace")]
    pub pod_name: Option<String>,
    /// Its namespace
    #[arg(long, value_name = "NAME", env = "ALIQUOT_POD_NAMESPACE")]
    pub pod_namespace: Option<String>,
    /// One of the node's labels
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub node_label: Vec<(String, String)>,
    /// Publish what is free of each GPU, for the scheduler's extender, as Leases in this namespace
    #[arg(long, value_name = "NAMESPACE", env = "ALIQUOT_PUBLISH_IN")]
    pub publish_in: Option<String>,
}

impl Options {
    /// The configuration that flags, variables and the file make, for as long as `who` is the node.
    #[must_use]
    pub fn live(&self, who: watch::Receiver<Who>) -> Live {
        Live { file: self.config.clone(), flags: self.over.section(), who }
    }

    /// The kubelet's podresources socket.
    #[must_use]
    pub fn pod_resources(&self, config: &Config) -> PathBuf {
        let path = Path::new("pod-resources").join(kubelet::KUBELET_SOCKET);
        self.pod_resources.clone().unwrap_or_else(|| config.kubelet_root.join(path))
    }
}

impl NodeFlags {
    /// The agent's own pod, where it runs in one.
    #[must_use]
    pub fn own_pod(&self) -> Option<crate::allotment::PodName> {
        self.pod_namespace.clone().zip(self.pod_name.clone())
    }

    /// The node.
    #[must_use]
    pub fn who(&self) -> Who {
        Who { name: self.node_name.clone(), labels: self.node_label.iter().cloned().collect() }
    }
}

impl Overrides {
    /// As a part of the file.
    #[must_use]
    pub fn section(&self) -> Section {
        let nowhere =
            |pin: &GpuPin| Spanned::new(pin.clone(), Location::UNKNOWN, Location::UNKNOWN);
        let pins: Vec<_> = self.gpu_mode.iter().map(nowhere).collect();
        Section {
            domain: self.domain.clone(),
            default_mode: self.default_mode,
            gpus: (!pins.is_empty()).then_some(pins),
            mig: self.mig_strategy.map(|strategy| MigSection { strategy: Some(strategy) }),
            placement: self.placement,
            compute_policy: self.compute_policy,
            at_limit: self.at_limit,
            honest_advertising: self.honest_advertising,
            exposure: self.exposure,
            injection: self.injection,
            unloadable: self.unloadable,
            driver_root: self.driver_root.clone(),
            kubelet_root: self.kubelet_root.clone(),
            ..Section::default()
        }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::gpu;

    fn config(flags: &[&str], file: &str) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let arguments =
            ["aliquot-node", "--config", &path].into_iter().chain(flags.iter().copied());
        let options = Options::try_parse_from(arguments)?;
        options.live(watch::channel(options.node.who()).1).read()
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_the_defaults() {
        let file = "domain: a.com\ndefaultMode: whole\ngpus:\n- {index: 0, mode: whole}\n\
                    - {index: 1, mode: shared}\n";
        let config = config(&["--domain", "b.com", "--gpu-mode", "0=shared"], file).unwrap();
        assert_eq!(config.domain.as_str(), "b.com");
        let modes = [0, 1, 2].map(|n| config.plan(&gpu(n, Mode::Shared)).mode);
        assert_eq!(modes, [Mode::Shared, Mode::Shared, Mode::Whole]);
    }

    #[test]
    fn the_nodes_name_and_labels_choose_sections() {
        let file = "nodes:\n- {names: [a], labels: {b: c}, set: {placement: spread}}\n";
        let placement = |flags: &[&str]| config(flags, file).unwrap().placement;
        assert_eq!(placement(&["--node-name", "a"]), Placement::Pack);
        assert_eq!(placement(&["--node-name", "a", "--node-label", "b=c"]), Placement::Spread);
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let message = format!("{:#}", config(&[], "\nmode: 1").unwrap_err());
        assert!(message.contains("config.yaml: line 2: there is no key `mode`"), "{message}");
    }
}
