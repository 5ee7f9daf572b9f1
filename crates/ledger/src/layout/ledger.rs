//! The file that the container writes: a header, a record per device, the slots, and behind them each
//! device's ring of intervals. The agent only ever reads it, and believes nothing in it.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::abi::KINDS;

/// The head of the ledger. The agent writes it once; the shim checks it once and then computes with
/// its own copy.
#[repr(C, align(64))]
pub struct LedgerHeader {
    /// [`crate::abi::LEDGER_MAGIC`].
    pub magic: AtomicU64,
    /// ABI major: another one refuses.
    pub major: AtomicU16,
    /// ABI minor.
    pub minor: AtomicU16,
    /// Length of this header in bytes.
    pub header_len: AtomicU32,
    /// Bytes from one [`LedgerDevice`] to the next.
    pub device_stride: AtomicU32,
    /// How many devices.
    pub device_count: AtomicU32,
    /// Bytes from one slot to the next.
    pub slot_stride: AtomicU32,
    /// How many slots.
    pub slot_count: AtomicU32,
    /// Features that a reader must know; an unknown bit refuses.
    pub required: AtomicU64,
    /// Features that a reader may ignore.
    pub optional: AtomicU64,
    /// The kernel's boot id, 16 bytes in memory order.
    pub boot_id: [AtomicU64; 2],
    /// The allotment's id; the limits page beside it carries the same.
    pub allotment: AtomicU64,
    /// Length of the file in bytes.
    pub file_len: AtomicU64,
    /// Zero in ABI 1.
    pub reserved: [AtomicU64; 6],
    /// One above the highest slot ever taken: how far a sum has to look.
    pub slots_used: AtomicU32,
    /// One bit for each [`crate::abi::Kind`] of which anything was ever spare on any device (`spare`): who shows
    /// what is free looks at no other words, and such a kind's steps are those of ABI 1.3.
    pub ever_spare: AtomicU32,
    /// Zero in ABI 1.
    pub reserved_live: [AtomicU64; 15],
}

/// One device's total, on cache lines of its own.
#[repr(C, align(64))]
pub struct LedgerDevice {
    /// The charged bytes (low 48 bits) and the mark of a sum in progress (high 16): `total`.
    pub total: AtomicU64,
    /// Tells the marks of sums apart.
    pub tickets: AtomicU64,
    /// Requests refused, the dead's included.
    pub refusals: AtomicU64,
    /// Requests admitted under `observe` that would have been refused, the dead's included.
    pub observed: AtomicU64,
    /// GPU time spent computing, in nanoseconds: of all processes, living and departed. It only grows.
    pub spent_compute_ns: AtomicU64,
    /// GPU time spent on the copy engines, in nanoseconds; as above.
    pub spent_copy_ns: AtomicU64,
    /// How often somebody waited for credit.
    pub waits: AtomicU64,
    /// How long they waited for credit, in nanoseconds.
    pub waited_ns: AtomicU64,
    /// What was spent computing, and what is in flight, estimated, in nanoseconds. It is raised before
    /// a batch is launched and put right when the batch was measured, which may lower it.
    pub committed_ns: AtomicU64,
    /// Launches of kernels and graphs, counted when their batch ends: it moves where GPU time does.
    pub launches: AtomicU64,
    /// Intervals ever published: the next one's number (`intervals`).
    pub intervals: AtomicU64,
    /// Where no arbiter grants: GPU time that the container granted itself, in nanoseconds.
    pub own_granted_ns: AtomicU64,
    /// When it did so last, by the machine's CLOCK_MONOTONIC in nanoseconds.
    pub own_granted_at_ns: AtomicU64,
    /// Threads that wait for credit. Too many where a process died waiting, until its slot is dropped.
    pub waiting: AtomicU32,
    /// Zero in ABI 1.
    pub reserved_word: AtomicU32,
    /// When a batch was launched last while nothing of the container was in flight, by the machine's
    /// CLOCK_MONOTONIC in nanoseconds; 0: nobody says.
    pub since_ns: AtomicU64,
    /// Zero in ABI 1.
    pub reserved: AtomicU64,
}

/// When an engine was busy for the container: one entry of a device's ring.
///
/// The container's claim. Whoever reads it while it is written, or after the ring went round, sees by
/// `check` that it is not the entry of that number.
#[repr(C)]
pub struct Interval {
    /// When it began, by the machine's CLOCK_MONOTONIC in nanoseconds.
    pub start_ns: AtomicU64,
    /// When it ended.
    pub end_ns: AtomicU64,
    /// The slot (low 32 bits) and the [`crate::abi::Engine`] (high 32).
    pub who: AtomicU64,
    /// What the words above and the entry's number come to (`intervals`).
    pub check: AtomicU64,
}

/// One process: who it is. What it holds follows, one [`SlotDevice`] per device.
#[repr(C, align(64))]
pub struct SlotHeader {
    /// Generation (high 32 bits) and [`crate::abi::SlotState`] (low 32).
    pub state: AtomicU64,
    /// Process id in its own namespace: for people, not for logic.
    pub pid: AtomicU32,
    /// [`crate::abi::slot_flags`].
    pub flags: AtomicU32,
    /// When the process took the slot, in nanoseconds since boot: for people. When it started stands
    /// in /proc alone, and reading that would take as long as all else.
    pub start_time: AtomicU64,
    /// Inode of its pid namespace; 0 until the process has had time to look.
    pub pid_namespace: AtomicU64,
    /// Version of the shim.
    pub shim_version: AtomicU32,
    /// What cuDriverGetVersion answered, such as 12090; 0: not asked.
    pub driver_version: AtomicU32,
    /// The command epoch that this process has acknowledged.
    pub acknowledged_epoch: AtomicU64,
    /// The command that it has carried out.
    pub acknowledged: AtomicU32,
    /// Zero in ABI 1.
    pub reserved_word: AtomicU32,
    /// Zero in ABI 1.
    pub reserved: [AtomicU64; 9],
}

/// What one process holds and did of one device. All figures but `held`, `wanted`,
/// `in_flight_ns` and `waiting` only grow.
#[repr(C, align(64))]
pub struct SlotDevice {
    /// Bytes that its threads wait for, under [`crate::abi::AtLimit::Wait`]. No sum counts them.
    pub wanted: AtomicU64,
    /// By [`crate::abi::Kind`] the bytes charged (low 48 bits), those about to be charged among them, and how
    /// many steps of them are spare (high 16): `spare`.
    pub held: [AtomicU64; KINDS],
    /// GPU time spent computing, in nanoseconds.
    pub spent_compute_ns: AtomicU64,
    /// GPU time spent on the copy engines, in nanoseconds.
    pub spent_copy_ns: AtomicU64,
    /// How often it waited for credit.
    pub waits: AtomicU64,
    /// How long it waited for credit, in nanoseconds.
    pub waited_ns: AtomicU64,
    /// Requests for memory that were refused.
    pub refusals: AtomicU64,
    /// Requests admitted under [`crate::abi::AtLimit::Observe`] that would have been refused.
    pub observed: AtomicU64,
    /// GPU time of batches that are launched and not settled, estimated, in nanoseconds. When the slot
    /// is dropped it counts as spent.
    pub in_flight_ns: AtomicU64,
    /// Launches of kernels and graphs.
    pub launches: AtomicU64,
    /// Threads that wait for credit.
    pub waiting: AtomicU32,
    /// Zero in ABI 1.
    pub reserved_word: AtomicU32,
    /// Zero in ABI 1.
    pub reserved: [AtomicU64; 2],
}

impl SlotHeader {
    /// Forgets the process that had the slot; the state stays.
    pub fn clear(&self) {
        for word in [&self.pid, &self.flags, &self.shim_version, &self.driver_version] {
            word.store(0, Ordering::Relaxed);
        }
        self.acknowledged.store(0, Ordering::Relaxed);
        for word in [&self.start_time, &self.pid_namespace, &self.acknowledged_epoch] {
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl SlotDevice {
    /// Forgets what the process before held and did.
    pub fn clear(&self) {
        let words = [
            &self.wanted,
            &self.spent_compute_ns,
            &self.spent_copy_ns,
            &self.waits,
            &self.waited_ns,
            &self.refusals,
            &self.observed,
            &self.in_flight_ns,
            &self.launches,
        ];
        self.waiting.store(0, Ordering::Relaxed);
        for word in words.into_iter().chain(&self.held) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

const _: () = {
    assert!(size_of::<LedgerHeader>() == 256);
    assert!(size_of::<LedgerDevice>() == 128);
    assert!(size_of::<Interval>() == 32);
    assert!(size_of::<SlotHeader>() == 128);
    assert!(size_of::<SlotDevice>() == 192);
};
