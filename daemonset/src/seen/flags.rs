//! How the agent watches and tells, on its command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// How the agent watches and tells.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct SeenFlags {
    /// Serve /metrics, /healthz and /readyz there, such as 0.0.0.0:9477; nowhere where left out
    #[arg(long, value_name = "ADDRESS:PORT", env = "ALIQUOT_METRICS_ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// Where the machine's procfs is mounted, for the audit
    #[arg(long, default_value = "/proc", value_name = "DIR", env = "ALIQUOT_PROC")]
    pub proc: PathBuf,
}
