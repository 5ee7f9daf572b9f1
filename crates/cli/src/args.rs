//! What a person may type. Texts become types here, once.

use std::{ffi::OsString, path::PathBuf};

use aliquot_node::config::ComputePolicy;
use clap::{Args, Parser, Subcommand};
use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use sim_world::admin::{DRIVERS, Driver};

/// Exact fractions of NVIDIA GPUs.
#[derive(Parser)]
#[command(name = "aliquot", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a command with a share of one GPU, without Kubernetes
    Run(RunArgs),
    /// Show GPUs, allotments and who holds what
    Status(StatusArgs),
    /// Show who has how much of each GPU's time, live
    Top(TopArgs),
    /// Say why a pod is refused or waits, and which GPU had how much
    Why(WhyArgs),
    /// Look what on this machine keeps shares from working, each with what to do
    Doctor(Box<DoctorArgs>),
    /// Turn manifests that were written for HAMi, KAI or Run:ai into ours
    Translate(TranslateArgs),
    /// Show the whole way on simulated GPUs: pods, shares, a refusal
    Demo(DemoArgs),
    /// Make, inspect and change a simulated world
    Sim(SimArgs),
    /// The inner half of `run`: enters the namespace and becomes the command
    #[command(name = "__enter", hide = true)]
    Enter(EnterArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The share, as a fraction of one GPU: 0.01 to 1 in steps of 0.01
    #[arg(long, value_parser = fraction, allow_hyphen_values = true)]
    pub(crate) fraction: Percent,
    /// The GPU to take it from, by index or UUID [default: the one it fits best]
    #[arg(long, value_parser = gpu)]
    pub(crate) gpu: Option<GpuName>,
    /// Run on simulated cards made for this command, such as v100-32gb:2
    #[arg(long, value_parser = cards, value_name = "CARD[:COUNT]")]
    pub(crate) sim: Option<Cards>,
    /// Where the driver is: a root such as / or a world made by `aliquot sim create`
    #[arg(long, default_value = "/", conflicts_with = "sim")]
    pub(crate) driver_root: PathBuf,
    /// Preload through the environment even as root: no mount namespace, easily shed
    #[arg(long)]
    pub(crate) preload: bool,
    /// Refuse no memory: count and show what would have been refused
    #[arg(long)]
    pub(crate) observe: bool,
    /// How compute is shared out beside other runs: strict is never more than the fraction
    #[arg(long, value_enum, value_name = "POLICY", default_value = "fair")]
    pub(crate) compute_policy: ComputePolicy,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// The agent's configuration [default: /etc/aliquot/aliquot.yaml, where it is]
    #[arg(long, value_name = "FILE", env = "ALIQUOT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where the driver is [default: what the configuration says]
    #[arg(long, value_name = "DIR", env = "ALIQUOT_DRIVER_ROOT")]
    pub(crate) driver_root: Option<PathBuf>,
    /// The kubelet's folder [default: what the configuration says]
    #[arg(long, value_name = "DIR", env = "ALIQUOT_KUBELET_ROOT")]
    pub(crate) kubelet_root: Option<PathBuf>,
    /// The kubelet's folder of device plugins, where every kubelet has it, whatever its own folder is
    #[arg(long, value_name = "DIR", default_value = kubelet::DEVICE_PLUGIN_FOLDER)]
    pub(crate) kubelet_dir: PathBuf,
    /// The agent's records, shims and hook
    #[arg(long, value_name = "DIR", default_value = contract::paths::NODE_STATE, env = "ALIQUOT_STATE_DIR")]
    pub(crate) state_dir: PathBuf,
    /// Where the runtime looks for CDI specifications
    #[arg(long, value_name = "DIR", default_value = contract::paths::CDI_SPECS, env = "ALIQUOT_CDI_DIR")]
    pub(crate) cdi_dir: PathBuf,
    /// The node's root, where its runtime is looked for: in a pod with hostPID as it is on the node
    #[arg(long, value_name = "DIR", default_value = "/proc/1/root")]
    pub(crate) node_root: PathBuf,
    /// Where the machine's procfs is mounted, by which containers are found
    #[arg(long, value_name = "DIR", default_value = "/proc", env = "ALIQUOT_PROC")]
    pub(crate) proc: PathBuf,
    /// The shim
    #[arg(long, value_name = "FILE", default_value = contract::paths::CONTAINER_SHIM)]
    pub(crate) shim: PathBuf,
    /// An unpacked image, to say whether the shim loads in it; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) image: Vec<PathBuf>,
    /// Keys of the taints that admission tolerates for every pod with a GPU (the chart's admission.tolerations)
    #[arg(
        long,
        value_name = "KEY",
        value_delimiter = ',',
        default_value = "nvidia.com/gpu",
        env = "ALIQUOT_TOLERATED"
    )]
    pub(crate) tolerated: Vec<String>,
    /// The node's name in Kubernetes
    #[arg(long, value_name = "NAME", default_value = "", env = "NODE_NAME")]
    pub(crate) node_name: String,
    /// Where the API server is
    #[command(flatten)]
    pub(crate) api: kube_api::ApiFlags,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct TranslateArgs {
    /// The manifests, YAML; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the cluster's cards have to divide, such as 32510Mi: for those who ask by amounts of memory
    #[arg(long, value_name = "AMOUNT", value_parser = contract::parse_memory)]
    pub(crate) card_memory: Option<Mib>,
    /// How many replicas of each GPU NVIDIA's time-slicing was configured for: then one of `nvidia.com/gpu` is no whole GPU
    #[arg(long, value_name = "COUNT", value_parser = aliquot_admission::translate::replica)]
    pub(crate) replicas: Option<Percent>,
    /// The domain of our resources
    #[arg(long, env = "ALIQUOT_DOMAIN", default_value = contract::DEFAULT_DOMAIN)]
    pub(crate) domain: String,
}

#[derive(Args)]
pub(crate) struct EnterArgs {
    #[arg(long)]
    pub(crate) allotment: AllotmentId,
    #[arg(long)]
    pub(crate) pages: PathBuf,
    #[arg(long)]
    pub(crate) shim: PathBuf,
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Where the driver is
    #[arg(long, default_value = "/", env = "ALIQUOT_DRIVER_ROOT")]
    pub(crate) driver_root: PathBuf,
    /// The node agent's records
    #[arg(long, default_value = contract::paths::NODE_STATE, env = "ALIQUOT_STATE_DIR")]
    pub(crate) state_dir: PathBuf,
    /// The node agent's pages
    #[arg(long, default_value = contract::paths::NODE_PAGES, env = "ALIQUOT_PAGES_DIR")]
    pub(crate) pages_dir: PathBuf,
    /// One JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct TopArgs {
    /// How often the table is made anew, in seconds: 0.2 to 60
    #[arg(long, default_value_t = 1.0, value_parser = seconds, value_name = "SECONDS")]
    pub(crate) every: f64,
    /// Show it once, after one such time
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON object in place of the table, once
    #[arg(long)]
    pub(crate) json: bool,
    /// The node agent's records
    #[arg(long, default_value = contract::paths::NODE_STATE, env = "ALIQUOT_STATE_DIR")]
    pub(crate) state_dir: PathBuf,
    /// The node agent's pages
    #[arg(long, default_value = contract::paths::NODE_PAGES, env = "ALIQUOT_PAGES_DIR")]
    pub(crate) pages_dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct WhyArgs {
    /// The pod: NAME or NAMESPACE/NAME
    pub(crate) pod: String,
    /// The node agent's records
    #[arg(long, default_value = contract::paths::NODE_STATE, env = "ALIQUOT_STATE_DIR")]
    pub(crate) state_dir: PathBuf,
    /// The node agent's pages
    #[arg(long, default_value = contract::paths::NODE_PAGES, env = "ALIQUOT_PAGES_DIR")]
    pub(crate) pages_dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// One JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// NVIDIA's nvidia-smi
    #[arg(long)]
    pub(crate) nvidia_smi: PathBuf,
    /// NVIDIA's libcudart.so
    #[arg(long)]
    pub(crate) cudart: PathBuf,
}

#[derive(Args)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    pub(crate) action: SimAction,
}

#[derive(Subcommand)]
pub(crate) enum SimAction {
    /// Make a world: a driver root with simulated cards
    Create {
        /// A folder that does not exist yet
        dir: PathBuf,
        /// Its cards, such as v100-32gb:2 or v100-32gb,t4:2
        #[arg(value_parser = cards, value_name = "CARD[:COUNT],…")]
        cards: Cards,
        /// The driver that it plays: 470, 510, 515, 525, 535, 550, 570, 580, 590, newest or future [default: 580]
        #[arg(long, value_parser = driver, conflicts_with = "driver_version")]
        driver: Option<Driver>,
        /// Another version of a driver, such as 535.54.03
        #[arg(long, requires = "cuda_version")]
        driver_version: Option<String>,
        /// The CUDA version of that driver, such as 12020 for 12.2
        #[arg(long, requires = "driver_version")]
        cuda_version: Option<i32>,
        /// NVIDIA's nvidia-smi, to lie in the world's usr/bin
        #[arg(long)]
        nvidia_smi: Option<PathBuf>,
    },
    /// Show a world's cards, processes and memory
    Show {
        /// The world's folder
        dir: PathBuf,
        /// One JSON object in place of the table
        #[arg(long)]
        json: bool,
    },
    /// Take memory on a card as if somebody else held it; 0 gives it back
    Use {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
        /// How much in all, in MiB
        mib: u64,
    },
    /// Let a card report an XID
    Xid {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
        /// The XID
        xid: u64,
    },
    /// Let a card fall off the bus
    Vanish {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
    },
    /// Bring a vanished card back
    Restore {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
    },
    /// Divide a card by MIG into these GPU instances, each with one compute instance; none turns MIG off
    Mig {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
        /// Profiles, such as 1g.10gb 1g.10gb+me 3g.40gb
        profiles: Vec<String>,
    },
    /// Let questions about a card wait until it is taken back
    Hang {
        /// The world's folder
        dir: PathBuf,
        /// The card's index
        card: u32,
        /// Let them go on
        #[arg(long)]
        end: bool,
    },
    /// Change a running world by a change in JSON, as sim-world's `Change` has it
    Change {
        /// The world's folder
        dir: PathBuf,
        /// Such as {"Links":{"card":0,"peer":1,"count":6}}
        change: String,
    },
    /// Start a world's daemon again, after it was killed or the machine rebooted
    Start {
        /// The world's folder
        dir: PathBuf,
    },
    /// End a world and remove its folder
    Remove {
        /// The world's folder
        dir: PathBuf,
    },
}

/// A GPU as a person names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GpuName {
    Index(u32),
    Uuid(DeviceUuid),
}

/// Simulated cards, in PCI order: profile and number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cards(pub(crate) Vec<(String, u32)>);

fn fraction(text: &str) -> Result<Percent, contract::FractionError> {
    contract::parse_fraction(text)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: Result<f64, _> = text.parse();
    let good = seconds.ok().filter(|seconds| (0.2..=60.0).contains(seconds));
    good.ok_or_else(|| "write seconds from 0.2 to 60, such as 1".to_owned())
}

fn gpu(text: &str) -> Result<GpuName, contract::IdError> {
    match text.parse() {
        Ok(index) => Ok(GpuName::Index(index)),
        Err(_) => text.parse().map(GpuName::Uuid),
    }
}

fn driver(text: &str) -> Result<Driver, String> {
    let names: Vec<&str> = DRIVERS.iter().map(|driver| driver.name).collect();
    Driver::named(text).ok_or_else(|| format!("no such driver; known are {}", names.join(", ")))
}

fn cards(text: &str) -> Result<Cards, sim_world::admin::AdminError> {
    sim_world::admin::parse_cards(text).map(Cards)
}

/// Prints an amount of memory as nvidia-smi does.
pub(crate) fn mib(bytes: u64) -> String {
    Mib::floor_of_bytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<RunArgs, String> {
        let line = ["aliquot", "run"].iter().chain(args).chain(&["--", "true"]).copied();
        match Cli::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Run(args) => Ok(args),
            _ => Err("another command".into()),
        }
    }

    #[test]
    fn a_fraction_that_is_no_share_is_refused_with_what_is_allowed() {
        for text in ["0", "-1", "1.5", "0.001", "NaN", "half"] {
            let refusal = run(&["--fraction", text]).err().unwrap_or_default();
            assert!(refusal.contains("0.01"), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_gpu_goes_by_index_or_uuid_and_cards_by_name_and_number() {
        let args = run(&["--fraction", "0.5", "--gpu", "1", "--sim", "t4:3"]).unwrap();
        assert_eq!(args.gpu, Some(GpuName::Index(1)));
        assert_eq!(args.sim, Some(Cards(vec![("t4".into(), 3)])));
        assert!(run(&["--fraction", "0.5", "--gpu", "first"]).is_err());
        for cards in ["t4:0", "t5", ""] {
            assert!(run(&["--fraction", "0.5", "--sim", cards]).is_err(), "{cards}");
        }
    }
}
