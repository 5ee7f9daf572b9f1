//! The page that the agent writes and the container maps read-only.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

/// The head of the limits page.
///
/// Words up to `created` never change. A change of several words is bracketed by `generation`, which
/// is odd meanwhile; a reader of one word need not look at it.
#[repr(C, align(64))]
pub struct LimitsHeader {
    /// [`crate::abi::LIMITS_MAGIC`].
    pub magic: AtomicU64,
    /// ABI major: another one refuses.
    pub major: AtomicU16,
    /// ABI minor.
    pub minor: AtomicU16,
    /// Length of this header in bytes.
    pub header_len: AtomicU32,
    /// Bytes from one [`LimitsDevice`] to the next.
    pub device_stride: AtomicU32,
    /// How many devices.
    pub device_count: AtomicU32,
    /// Bytes from one [`AgentSlot`] to the next.
    pub slot_stride: AtomicU32,
    /// How many slots.
    pub slot_count: AtomicU32,
    /// Features that a reader must know; an unknown bit refuses.
    pub required: AtomicU64,
    /// Features that a reader may ignore.
    pub optional: AtomicU64,
    /// The kernel's boot id, 16 bytes in memory order.
    pub boot_id: [AtomicU64; 2],
    /// The allotment's id; the ledger beside it carries the same.
    pub allotment: AtomicU64,
    /// Length of the file in bytes.
    pub file_len: AtomicU64,
    /// When it was made, in seconds since 1970: for people.
    pub created: AtomicU64,
    /// Zero in ABI 1.
    pub reserved: [AtomicU64; 5],
    /// Counts changes; odd while one is being made.
    pub generation: AtomicU64,
    /// Counts commands: a process acknowledges by repeating it.
    pub command_epoch: AtomicU64,
    /// The command of this epoch: [`crate::abi::Command`].
    pub command: AtomicU32,
    /// Changes with every change that a process may be waiting for (a futex word).
    pub wake: AtomicU32,
    /// Zero in ABI 1.
    pub reserved_live: [AtomicU64; 13],
}

/// One GPU or MIG instance of the allotment.
#[repr(C, align(64))]
pub struct LimitsDevice {
    /// The UUID's 16 bytes, as cuDeviceGetUuid gives them.
    pub uuid: [AtomicU64; 2],
    /// [`crate::abi::DeviceKind`].
    pub kind: AtomicU32,
    /// [`crate::abi::device_flags`].
    pub flags: AtomicU32,
    /// No admitted request passes it, in bytes.
    pub hard: AtomicU64,
    /// Above it memory may be reclaimed, in bytes; 0: none.
    pub soft: AtomicU64,
    /// Bytes that may be moved to the host; 0: none.
    pub swap: AtomicU64,
    /// [`crate::abi::AtLimit`].
    pub at_limit: AtomicU32,
    /// [`crate::abi::Policy`].
    pub policy: AtomicU32,
    /// Weight under `fair`, in percent of the GPU.
    pub weight: AtomicU32,
    /// Cap under `strict`, in percent of the GPU.
    pub cap: AtomicU32,
    /// Scheduling quantum in microseconds.
    pub quantum_us: AtomicU32,
    /// [`crate::abi::BackEnd`].
    pub back_end: AtomicU32,
    /// Devices that are arbitrated together carry the same number; 0: alone.
    pub gang: AtomicU64,
    /// What one context is estimated to take on this card and driver, in bytes.
    pub context_estimate: AtomicU64,
    /// What the agent measured beyond all that was charged at the same time, in bytes: shown as
    /// used, and the next request pays. The sum of what [`AgentSlot`]s say, where that is above 0.
    pub unasked: AtomicU64,
    /// What the agent measured less than was charged at the same time, in bytes: the sum of what
    /// [`AgentSlot`]s say, where that is below 0. Estimates were too large by it.
    pub overestimated: AtomicU64,
    /// What the agent measured of processes of this container that have no slot, in bytes: used as
    /// well.
    pub uncounted: AtomicU64,
    /// Zero in ABI 1.
    pub reserved: [AtomicU64; 2],
    /// Cumulative GPU time granted to the container, in nanoseconds. Credit is what is left of it when
    /// [`super::LedgerDevice::committed_ns`] is taken off, as a signed number that may wrap.
    pub granted_ns: AtomicU64,
    /// Changes with every change of the words around it (a futex word).
    pub grant_wake: AtomicU32,
    /// [`crate::abi::Pace`].
    pub pace: AtomicU32,
    /// Changes at least every 100 ms while an arbiter lives and the container is active. A container
    /// that waits and sees it unchanged for some 250 ms paces itself until it changes again.
    pub beat: AtomicU64,
    /// Zero in ABI 1.
    pub reserved_live: [AtomicU64; 13],
}

/// What the agent knows of a slot's process. It is followed by one word per device: the bytes that
/// were measured beyond those charged at the same time, as an `i64`. The difference, and not the
/// measured bytes, because it stays true while the process goes on charging and releasing.
#[repr(C)]
pub struct AgentSlot {
    /// The slot's generation that this speaks of; 0: of none.
    pub generation: AtomicU32,
    /// The process id on the host.
    pub host_pid: AtomicU32,
    /// Zero in ABI 1.
    pub flags: AtomicU32,
    /// Zero in ABI 1.
    pub reserved: AtomicU32,
}

const _: () = {
    assert!(size_of::<LimitsHeader>() == 256);
    assert!(size_of::<LimitsDevice>() == 256);
    assert!(size_of::<AgentSlot>() == 16);
};
