//! Where things lie, in a container and on a node.

/// In a container: the folder that holds one folder per allotment. Nothing in it may be writable by
/// the container but the ledgers.
pub const CONTAINER_ALLOTMENTS: &str = "/run/aliquot";

/// The agent's page in an allotment's folder: limits and credit; read-only in the container.
pub const LIMITS_FILE: &str = "limits";

/// The container's file in an allotment's folder: slots, totals, use.
pub const LEDGER_FILE: &str = "ledger";

/// In a container: the shim.
pub const CONTAINER_SHIM: &str = "/opt/aliquot/libaliquot.so";

/// In a container: the loader's list of preloaded libraries, which names the shim.
pub const LD_SO_PRELOAD: &str = "/etc/ld.so.preload";

/// On a node: the allotments' pages, in memory, one folder per allotment, which may be a file system of its own. It is
/// not [`CONTAINER_ALLOTMENTS`], so that a process on the node itself never takes a container's
/// allotments for its own.
pub const NODE_PAGES: &str = "/run/aliquot-node";

/// On a node: the durable records, one file per allotment, and the installed shims.
pub const NODE_STATE: &str = "/var/lib/aliquot";

/// Outside a container, for `aliquot run` without root: the environment variable that names the
/// folder which stands for [`CONTAINER_ALLOTMENTS`]. The shim reads it only where
/// [`CONTAINER_ALLOTMENTS`] holds no allotment, and never in a set-user-ID program.
pub const ALLOTMENTS_ENV: &str = "ALIQUOT_ALLOTMENTS";

/// On a node: where runtimes look for the CDI specifications of what comes and goes. A reboot empties
/// it.
pub const CDI_SPECS: &str = "/var/run/cdi";

/// In the agent's image, beside the shim: the hook that it installs on the node.
pub const NODE_HOOK: &str = "/opt/aliquot/aliquot-hook";

/// The name of the shim's file.
pub const SHIM_FILE: &str = "libaliquot.so";
