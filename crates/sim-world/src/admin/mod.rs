//! What `aliquot sim` does to worlds: make, start, stop, look into and change them.
//!
//! Every error is one line that says what to do; a world that could not be made leaves nothing behind.

mod create;
mod error;
mod lifecycle;
mod report;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use create::{Options, create, parse_cards};
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

fn ask(dir: &Path, request: &Request) -> Result<Reply, AdminError> {
    lifecycle::require_world(dir)?;
    let (mut connection, _) = connect(dir)?;
    match connection.exchange(request)? {
        Reply::Wrong { reason } => Err(AdminError::Refused { reason }),
        reply => Ok(reply),
    }
}
