//! Where everything lies: by the agent's own configuration, where it is, and what the command line says.

use std::path::{Path, PathBuf};

use aliquot_node::config::{Config, Live, Section, Who};
use aliquot_node::layout::Layout;
use tokio::sync::watch;

use super::Finding;
use crate::args::DoctorArgs;

/// Where the chart mounts the agent's configuration.
const CONFIG: &str = "/etc/aliquot/aliquot.yaml";

/// What is looked at.
pub(super) struct Scene<'a> {
    pub(super) args: &'a DoctorArgs,
    pub(super) config: Config,
    pub(super) driver_root: PathBuf,
    pub(super) kubelet_root: PathBuf,
    pub(super) layout: Layout,
}

impl<'a> Scene<'a> {
    /// Reads the configuration. One that is wrong is a finding, and the defaults are looked at.
    pub(super) fn new(args: &'a DoctorArgs) -> (Self, Finding) {
        let (config, finding) = read(args);
        let or = |flag: &Option<PathBuf>, other: &Path| flag.clone().unwrap_or(other.to_owned());
        let scene = Self {
            driver_root: or(&args.driver_root, &config.driver_root),
            kubelet_root: or(&args.kubelet_root, &config.kubelet_root),
            layout: Layout::new(&args.state_dir, Path::new(contract::paths::NODE_PAGES)),
            args,
            config,
        };
        (scene, finding)
    }
}

fn read(args: &DoctorArgs) -> (Config, Finding) {
    const ABOUT: &str = "configuration";
    let usual = || Some(PathBuf::from(CONFIG)).filter(|path| path.exists());
    let Some(file) = args.config.clone().or_else(usual) else {
        let seen = format!("{CONFIG} is not there: defaults are looked at");
        return (Config::default(), Finding::skipped(ABOUT, seen));
    };
    let who = Who { name: args.node_name.clone(), labels: Default::default() };
    let live =
        Live { file: Some(file.clone()), flags: Section::default(), who: watch::channel(who).1 };
    match live.read() {
        Ok(config) => (config, Finding::good(ABOUT, file.display().to_string())),
        Err(error) => {
            let todo = "mend it: an agent that runs keeps the old one, one that starts refuses; \
                        docs/configuration.md";
            (Config::default(), Finding::bad(ABOUT, format!("{error:#}"), todo))
        }
    }
}
