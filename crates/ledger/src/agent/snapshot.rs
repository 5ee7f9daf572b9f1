//! What the agent read in a page: plain values, checked and bounded.

use std::vec::Vec;

use contract::AllotmentId;

use super::DeviceSpec;
use crate::abi::{Command, KINDS, Kind};

/// The limits page, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitsSnapshot {
    /// The allotment's id.
    pub id: AllotmentId,
    /// The kernel's boot id when it was made.
    pub boot_id: [u8; 16],
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Its devices, in the order of the records.
    pub devices: Vec<DeviceSpec>,
    /// Cumulative GPU time granted, in nanoseconds, by device.
    pub granted_ns: Vec<u64>,
    /// What the agent measured, by device.
    pub corrections: Vec<Corrections>,
    /// The command in force and its epoch.
    pub command: (Command, u64),
}

/// How much more and less than what is charged was measured, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Corrections {
    /// Of slots for which more was measured.
    pub more: u64,
    /// Of slots for which less was measured: their estimates are too large.
    pub less: u64,
    /// Of processes without a slot.
    pub uncounted: u64,
}

/// The ledger, read. It was written by a tenant: figures are bounded, not true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerSnapshot {
    /// The allotment's id.
    pub id: AllotmentId,
    /// What is held of each device, in the order of the limits page.
    pub devices: Vec<DeviceUse>,
    /// The slots of living processes.
    pub slots: Vec<SlotUse>,
    /// Slots whose process has died and whom nobody has dropped yet: they hold nothing.
    pub dead: u32,
    /// Values out of range that were bounded: above 0, somebody scribbled.
    pub oddities: u32,
}

/// What the living hold of one device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceUse {
    /// The charged total in bytes: at least the truth; more when somebody died and nobody was
    /// refused since.
    pub total: u64,
    /// What the living hold, by kind, in bytes.
    pub held: [u64; KINDS],
    /// Bytes that processes keep charged for their next requests, and that anybody of the container can
    /// have: in neither of the figures above.
    pub spare: u64,
    /// Bytes waited for.
    pub wanted: u64,
    /// GPU time spent computing, in nanoseconds, of this slot or of all, living and departed.
    pub spent_compute_ns: u64,
    /// GPU time spent on the copy engines, in nanoseconds.
    pub spent_copy_ns: u64,
    /// How often it waited for credit.
    pub waits: u64,
    /// How long it waited for credit, in nanoseconds.
    pub waited_ns: u64,
    /// Launches of kernels and graphs.
    pub launches: u64,
    /// GPU time of what the living have launched and not settled, estimated, in nanoseconds.
    pub in_flight_ns: u64,
    /// Threads of the living that wait for credit.
    pub waiting: u32,
    /// Requests for memory that were refused.
    pub refusals: u64,
    /// Requests admitted that would have been refused.
    pub observed: u64,
}

/// One living process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotUse {
    /// Which slot.
    pub index: u32,
    /// Which incarnation of it.
    pub generation: u32,
    /// The process id in its own namespace.
    pub pid: u32,
    /// When it took the slot, in nanoseconds since boot.
    pub start_time: u64,
    /// Inode of its pid namespace; 0: the process has not looked yet.
    pub pid_namespace: u64,
    /// Version of its shim.
    pub shim_version: u32,
    /// Version of its driver, as cuDriverGetVersion gives it; 0: unknown.
    pub driver_version: u32,
    /// [`crate::abi::slot_flags`].
    pub flags: u32,
    /// The command epoch that it has acknowledged, and what it has carried out.
    pub acknowledged: (Command, u64),
    /// What it holds of each device; `total` is the sum of `held`.
    pub devices: Vec<DeviceUse>,
}

impl DeviceUse {
    /// Bytes held for `kind`.
    #[must_use]
    pub fn held_for(&self, kind: Kind) -> u64 {
        self.held[kind.index()]
    }

    /// Bytes held in all.
    #[must_use]
    pub fn held_in_all(&self) -> u64 {
        self.held.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}
