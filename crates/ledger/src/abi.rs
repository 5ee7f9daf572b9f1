//! Numbers and words of ABI 1, as they stand in the pages.
//!
//! Nothing here reads or writes a page. A word that a page may hold is an enum with `from_raw`, which
//! answers `None` for what this version does not know: no page content is ever transmuted.

/// The ABI that this crate writes. Another major number is refused; a higher minor is read.
pub const ABI_MAJOR: u16 = 1;
/// The minor number that this crate writes: additions that an older reader may ignore. 1 brought the words of GPU
/// time. 2 brought what is spare to the words of held memory, which a reader of 1 takes for terabytes that are held.
/// 3 counts it for managed memory and arrays in smaller steps, of which a reader of 2 finds too many spare.
pub const ABI_MINOR: u16 = 3;
/// First eight bytes of the page that the agent writes.
pub const LIMITS_MAGIC: u64 = u64::from_ne_bytes(*b"ALQlimit");
/// First eight bytes of the file that the container writes.
pub const LEDGER_MAGIC: u64 = u64::from_ne_bytes(*b"ALQledgr");
/// Feature words that this crate understands; a required bit outside refuses the page.
pub const KNOWN_FEATURES: u64 = 0;
/// Processes that one allotment can hold at a time.
pub const SLOTS: usize = 1024;
/// GPUs and MIG instances that one allotment can hold.
pub const MAX_DEVICES: usize = 16;
/// Kinds of memory that a slot tells apart, spare ones included.
pub const KINDS: usize = 12;
/// Intervals of GPU time that a ledger keeps for each device: a quarter of a second of a process that
/// keeps a GPU busy.
pub const INTERVALS: usize = 512;
/// The highest byte count that a total can hold (256 TiB - 1); a limit is at most half of it.
pub const MAX_BYTES: u64 = (1 << 48) - 1;

/// The byte of the ledger that a process locks while it sums up. Locks may lie behind a file's end.
pub const SUM_LOCK: i64 = 1 << 41;

/// The byte of the ledger that a living process keeps locked for its slot.
///
/// Each generation of a slot has a byte of its own: a byte found free stays free, so that "dead" is
/// never revoked.
#[must_use]
pub const fn slot_lock(slot: usize, generation: u32) -> i64 {
    (1 << 42) + ((slot as i64) << 32) + generation as i64
}

/// A slot's state word: its generation and what it is.
#[must_use]
pub const fn state_word(generation: u32, state: SlotState) -> u64 {
    ((generation as u64) << 32) | state.raw() as u64
}

/// The parts of a slot's state word; an unknown state reads as live, which can only over-count.
#[must_use]
pub const fn state_parts(word: u64) -> (u32, SlotState) {
    match SlotState::from_raw(word as u32) {
        Some(state) => ((word >> 32) as u32, state),
        None => ((word >> 32) as u32, SlotState::Live),
    }
}

/// Declares a word of the ABI: a `u32` in a page, an enum in code.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        pub enum $name { $($(#[$vdoc])* $variant = $value),+ }

        impl $name {
            /// Every value, in the order of the ABI.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for a number found in a page; `None` for one that ABI 1 does not know.
            #[must_use]
            pub const fn from_raw(raw: u32) -> Option<Self> {
                match raw { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// The number that stands in the page.
            #[must_use]
            pub const fn raw(self) -> u32 {
                self as u32
            }
        }
    };
}

word! {
    /// What device memory was taken for.
    Kind {
        /// cuMemAlloc, cuMemAllocPitch.
        Linear = 0,
        /// cuMemAllocManaged, charged in full at allocation.
        Managed = 1,
        /// Arrays and mipmapped arrays.
        Array = 2,
        /// Stream-ordered pools, with what they keep after a free.
        Pool = 3,
        /// cuMemCreate.
        Vmm = 4,
        /// Memory nodes of graphs.
        Graph = 5,
        /// Contexts, estimated.
        Context = 6,
        /// Modules and libraries, estimated.
        Module = 7,
        /// Local memory, printf and malloc heaps (cuCtxSetLimit), estimated.
        Local = 8,
        /// Memory imported from another process or interface.
        Imported = 9,
        /// Multicast objects.
        Multicast = 10,
        /// Anything else.
        Other = 11,
    }
}

word! {
    /// What a device entry names.
    DeviceKind {
        /// A physical GPU.
        Gpu = 1,
        /// A MIG instance.
        Mig = 2,
    }
}

word! {
    /// What happens to a request that does not fit.
    AtLimit {
        /// The driver's own out-of-memory error.
        Refuse = 0,
        /// The caller waits until it fits.
        Wait = 1,
        /// Memory is moved to the host, up to the swap limit.
        Swap = 2,
        /// Admitted, and counted as what would have been refused. For the administrator only.
        Observe = 3,
    }
}

word! {
    /// How compute time is shared out.
    Policy {
        /// The guaranteed share; idle time is lent.
        Fair = 0,
        /// Never more than the share.
        Strict = 1,
        /// Not metered. For the administrator only.
        Unlimited = 2,
        /// Metered and not delayed. For the administrator only.
        Observe = 3,
    }
}

word! {
    /// How a container's processes take GPU time at this moment.
    Pace {
        /// No arbiter: the container paces itself by its share.
        Alone = 0,
        /// A launch waits until credit is left.
        Metered = 1,
        /// Idle time is lent: nothing waits for credit, and two quanta may be in flight.
        Free = 2,
    }
}

word! {
    /// Which engine of a GPU was busy.
    Engine {
        /// Kernels, graphs, and what the driver does with kernels of its own.
        Compute = 0,
        /// The copy engines.
        Copy = 1,
    }
}

word! {
    /// Who enforces the share of compute.
    BackEnd {
        /// The shim, credited by the arbiter.
        Shim = 0,
        /// CUDA MPS.
        Mps = 1,
        /// Limits inside the driver.
        Driver = 2,
    }
}

word! {
    /// What the agent tells a container's processes.
    Command {
        /// Work as usual.
        Run = 0,
        /// Finish what is in flight, start nothing.
        Drain = 1,
        /// Give the GPU up and keep the contents.
        Suspend = 2,
        /// The allotment ends.
        Evict = 3,
    }
}

word! {
    /// What a slot is. A [`SlotState::Live`] slot whose lock is free belongs to a dead process.
    SlotState {
        /// Never taken.
        Free = 0,
        /// Taken; the process holds the lock of this generation.
        Live = 1,
        /// Found dead, or given back: its figures count nothing and it can be taken again.
        Dead = 2,
    }
}

/// Flags of a device entry: bits of `LimitsDevice::flags`.
pub mod device_flags {
    /// Allocations are backed by remappable VMM.
    pub const REMAPPABLE: u32 = 1 << 0;
}

/// Flags of a slot, set by its process: whether a suspend is possible.
pub mod slot_flags {
    /// It took managed memory.
    pub const MANAGED: u32 = 1 << 0;
    /// It opened or exported CUDA IPC handles.
    pub const IPC: u32 = 1 << 1;
    /// It exported shareable handles.
    pub const EXPORTED: u32 = 1 << 2;
    /// It is a client of MPS.
    pub const MPS: u32 = 1 << 3;
}

impl Kind {
    /// Its place in a slot's array of held bytes.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_the_page() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_raw(kind.raw()), Some(kind));
            assert!(kind.index() < KINDS);
        }
        for &command in Command::ALL {
            assert_eq!(Command::from_raw(command.raw()), Some(command));
        }
    }

    #[test]
    fn an_unknown_number_is_no_word() {
        assert_eq!(Kind::from_raw(KINDS as u32), None);
        assert_eq!(AtLimit::from_raw(4), None);
        assert_eq!(SlotState::from_raw(u32::MAX), None);
    }
}
