//! How the agent watches and tells, on its command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// How the agent watches and tells.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct SeenFlags {
    /// Serve /metrics, /healthz and /readyz there, such as [::]:9477; nowhere where left out
    #[arg(long, value_name = "ADDRESS:PORT", env = "ALIQUOT_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// Where the machine's procfs is mounted, for the audit
    #[arg(long, default_value = "/proc", value_name = "DIR", env = "ALIQUOT_PROC")]
    pub proc: PathBuf,
    /// How often the node's pools are compared with those of other nodes, in seconds
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub compare_pools_every: u64,
}
