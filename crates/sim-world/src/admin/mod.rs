//! What `aliquot sim` does to worlds: make, start, stop, look into and change them.
//!
//! Every error is one line that says what to do; a world that could not be made leaves nothing behind.

mod create;
mod drivers;
mod error;
mod lifecycle;
mod report;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use create::{Options, create, parse_cards, upgrade};
pub use drivers::{DRIVERS, Driver};
pub use error::AdminError;
pub use lifecycle::{remove, start, stop};
pub use report::{CardReport, Report};

use crate::connection::{connect, unexpected};
use crate::wire::{Reply, Request};

/// A change to a running world. Cards go by [`crate::CardInfo::id`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Somebody outside this world's processes holds `bytes` on `card`, in place of what was said
    /// before; 0 for nobody.
    OtherUsed {
        /// The card.
        card: u32,
        /// Bytes held.
        bytes: u64,
    },
    /// `card` reports an XID to all who watch it.
    Xid {
        /// The card.
        card: u32,
        /// The XID.
        number: u64,
    },
    /// A GPU instance, or a compute instance of it, reports an XID to all who watch its card.
    SliceXid {
        /// The card.
        card: u32,
        /// The XID.
        number: u64,
        /// The GPU instance and the compute instance.
        slice: [u32; 2],
    },
    /// Whoever asks about `card` waits until this is taken back.
    Hang {
        /// The card.
        card: u32,
        /// Whether they wait.
        hangs: bool,
    },
    /// MIG mode of `card`, now and after its next reset. Leaving the mode unmakes all instances; it
    /// changes only while nobody uses the card.
    MigMode {
        /// The card.
        card: u32,
        /// Whether it is in the mode.
        current: bool,
        /// Whether it will be.
        pending: bool,
    },
    /// A GPU instance of `card`.
    CreateGpuInstance {
        /// The card.
        card: u32,
        /// The profile's exact name, such as `1g.10gb+me`.
        profile: String,
        /// The memory slice that it begins at; where it fits first if none.
        start: Option<u32>,
        /// Whether it gets a compute instance of all its slices.
        compute: bool,
    },
    /// A compute instance in a GPU instance.
    CreateComputeInstance {
        /// The card.
        card: u32,
        /// The GPU instance.
        gpu_instance: u32,
        /// Compute slices; all of them if none.
        slices: Option<u32>,
    },
    /// A GPU instance goes; it may hold no compute instance.
    DestroyGpuInstance {
        /// The card.
        card: u32,
        /// Its ID.
        gpu_instance: u32,
    },
    /// A compute instance goes; nobody may use it.
    DestroyComputeInstance {
        /// The card.
        card: u32,
        /// Its GPU instance.
        gpu_instance: u32,
        /// Its ID.
        compute_instance: u32,
    },
    /// What `card` is in a virtual machine, by [`crate::Condition::virtualisation`].
    Virtualisation {
        /// The card.
        card: u32,
        /// The mode.
        mode: u32,
    },
    /// Whether `card` has a licence, where it is a guest's part of one.
    Licence {
        /// The card.
        card: u32,
        /// Whether it has.
        licensed: bool,
    },
    /// How many processes `card` admits, by [`crate::Condition::compute_mode`].
    ComputeMode {
        /// The card.
        card: u32,
        /// The mode.
        mode: u32,
    },
    /// These processes are MPS servers of `card`, in place of those of before.
    Mps {
        /// The card.
        card: u32,
        /// Their pids on the host.
        pids: Vec<u32>,
    },
    /// `count` NVLinks lie between `card` and `peer`.
    Links {
        /// The card.
        card: u32,
        /// The other card.
        peer: u32,
        /// How many; 0 for none.
        count: u32,
    },
    /// What of the machine `card` is nearest to.
    Numa {
        /// The card.
        card: u32,
        /// The NUMA node.
        node: u32,
        /// Its processors; all if empty.
        cpus: Vec<u32>,
    },
    /// `card` falls off the bus: XID 79, and "GPU is lost" from then on.
    Vanish {
        /// The card.
        card: u32,
    },
    /// `card` is there again.
    Restore {
        /// The card.
        card: u32,
    },
    /// The driver's version, for processes that connect from then on.
    DriverVersion {
        /// Such as `535.261.03`.
        driver: String,
        /// Such as 12020 for CUDA 12.2.
        cuda: i32,
    },
    /// Whether the libraries are of another version than the kernel's part of the driver, for processes
    /// that connect from then on: between an upgrade's installation and the module's reload.
    Mismatch {
        /// Whether they are.
        mismatched: bool,
    },
    /// The daemon ends.
    Stop,
}

/// Changes the running world in `dir`.
///
/// # Errors
/// [`AdminError`] if there is no such world or card, or it is not ours to change.
pub fn change(dir: &Path, change: Change) -> Result<(), AdminError> {
    match ask(dir, &Request::Change(change))? {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other).into()),
    }
}

/// All there is to know about the running world in `dir`.
///
/// # Errors
/// [`AdminError`] if there is no such world, or its daemon does not answer.
pub fn inspect(dir: &Path) -> Result<Report, AdminError> {
    match ask(dir, &Request::Inspect)? {
        Reply::Report(report) => Ok(*report),
        other => Err(unexpected(&other).into()),
    }
}

/// Divides card `card` anew: MIG mode on, and these GPU instances, each with a compute instance of all its
/// slices, in place of those of before. No profile at all turns the mode off.
///
/// # Errors
/// [`AdminError`]; what was unmade or made before an error stays so.
pub fn divide(dir: &Path, card: u32, profiles: &[&str]) -> Result<(), AdminError> {
    change(dir, Change::MigMode { card, current: false, pending: false })?;
    if profiles.is_empty() {
        return Ok(());
    }
    change(dir, Change::MigMode { card, current: true, pending: true })?;
    for profile in profiles {
        let (profile, start) = ((*profile).to_owned(), None);
        change(dir, Change::CreateGpuInstance { card, profile, start, compute: true })?;
    }
    Ok(())
}

fn ask(dir: &Path, request: &Request) -> Result<Reply, AdminError> {
    lifecycle::require_world(dir)?;
    let (mut connection, _) = connect(dir)?;
    match connection.exchange(request)? {
        Reply::Wrong { reason } => Err(AdminError::Refused { reason }),
        reply => Ok(reply),
    }
}
