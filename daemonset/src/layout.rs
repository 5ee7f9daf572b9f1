//! Where the agent keeps things on the node. No I/O.

use std::path::{Path, PathBuf};

use contract::AllotmentId;
use ledger::layout::Geometry;

/// The agent's two folders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What survives a reboot.
    pub state: PathBuf,
    /// The allotments' pages: memory, gone after a reboot.
    pub pages: PathBuf,
    /// How many MiB of memory all shares' pages may have; each share's lie on a file system of their own then,
    /// which its tenant cannot make larger.
    pub room: Option<u32>,
}

impl Layout {
    /// These folders.
    #[must_use]
    pub fn new(state: &Path, pages: &Path) -> Self {
        Self { state: state.to_owned(), pages: pages.to_owned(), room: None }
    }

    /// The same with so many MiB for the pages, where there is a bound.
    #[must_use]
    pub fn with_room(self, mib: Option<u32>) -> Self {
        Self { room: mib, ..self }
    }

    /// How many shares have room; `None`: any number.
    #[must_use]
    pub fn most_shares(&self) -> Option<usize> {
        let bytes = usize::try_from(self.room?).ok()?.checked_mul(1 << 20)?;
        Some(bytes / room_of_a_share())
    }

    /// The folder of the records.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.state.join("allotments")
    }

    /// One allotment's record.
    #[must_use]
    pub fn record(&self, id: AllotmentId) -> PathBuf {
        self.records().join(format!("{id}.json"))
    }

    /// One allotment's pages.
    #[must_use]
    pub fn pages_of(&self, id: AllotmentId) -> PathBuf {
        self.pages.join(id.to_string())
    }

    /// What the agent last knew of the GPUs, for whoever asks for the node's status.
    #[must_use]
    pub fn gpus(&self) -> PathBuf {
        self.state.join("gpus.json")
    }

    /// The domain of the resources, for whoever asks for the node's status.
    #[must_use]
    pub fn domain(&self) -> PathBuf {
        self.state.join("domain")
    }

    /// The last Allocate calls that were refused.
    #[must_use]
    pub fn refusals(&self) -> PathBuf {
        self.state.join("refusals.json")
    }

    /// The boot in which what the agent knows of the GPUs was written down.
    #[must_use]
    pub fn gpus_boot(&self) -> PathBuf {
        self.state.join("gpus.boot")
    }

    /// What the agent knew when it was last told to write it down.
    #[must_use]
    pub fn dump(&self) -> PathBuf {
        self.state.join("dump.json")
    }

    /// What a person on the node has ordered.
    #[must_use]
    pub fn orders(&self) -> PathBuf {
        self.state.join("orders.json")
    }

    /// Held by whoever changes the orders.
    #[must_use]
    pub fn orders_lock(&self) -> PathBuf {
        self.state.join("orders.lock")
    }

    /// Other plugins' resources that offer the node's GPUs.
    #[must_use]
    pub fn rivals(&self) -> PathBuf {
        self.state.join("rivals.json")
    }

    /// Which node it is, as the API server last told.
    #[must_use]
    pub fn who(&self) -> PathBuf {
        self.state.join("node.json")
    }

    /// The configuration that was taken last, and of which node it was.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.state.join("config.json")
    }

    /// Faults of GPUs that the driver told of.
    #[must_use]
    pub fn faults(&self) -> PathBuf {
        self.state.join("faults.json")
    }

    /// The boot in which the node was last looked after.
    #[must_use]
    pub fn boot(&self) -> PathBuf {
        self.state.join("boot")
    }

    /// Held while an agent runs on these folders.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The installed hook: one for all shims, because a runtime looks its path up at every start.
    #[must_use]
    pub fn hook(&self) -> PathBuf {
        self.state.join("hook").join("aliquot-hook")
    }

    /// Lies there once a container was given a CDI name of ours: the kubelet may replay it.
    #[must_use]
    pub fn cdi_used(&self) -> PathBuf {
        self.state.join("cdi-used")
    }

    /// The installed shims, one folder per version.
    #[must_use]
    pub fn shims(&self) -> PathBuf {
        self.state.join("shim")
    }
}

/// What the pages of a share, which lies on one GPU, take of memory, in bytes.
#[must_use]
pub fn room_of_a_share() -> usize {
    Geometry::ONE.room(rustix::param::page_size())
}
