//! The pages' layout, byte by byte: ABI 1.
//!
//! Every field is an atomic, because somebody else may change it at any time. These structs are laid
//! over mapped memory by `map`, and never hold a pointer, a length that is trusted, or a Rust enum.
//! Both files are an array of records behind a header; the header states every stride and count, so
//! that a reader of a later minor version still finds the parts that it knows.

mod ledger;
mod limits;

pub use ledger::{Interval, LedgerDevice, LedgerHeader, SlotDevice, SlotHeader};
pub use limits::{AgentSlot, LimitsDevice, LimitsHeader};

use crate::abi::{INTERVALS, SLOTS};

/// A UUID's 16 bytes as the two words of a page.
#[must_use]
pub const fn uuid_words(bytes: &[u8; 16]) -> [u64; 2] {
    // The pages never leave a machine, and all machines with such GPUs are little-endian.
    const { assert!(cfg!(target_endian = "little")) };
    let bits = u128::from_le_bytes(*bytes);
    [bits as u64, (bits >> 64) as u64]
}

/// Where the records of both files begin and end, for a number of devices.
///
/// ABI 1 derives it all from the device count, and a page that says otherwise is refused: a tenant
/// cannot make anybody compute with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    devices: usize,
}

impl Geometry {
    /// The layout for one GPU, the smallest.
    pub const ONE: Self = Self { devices: 1 };

    /// The layout for as many GPUs as there can be, the largest.
    pub const MOST: Self = Self { devices: crate::abi::MAX_DEVICES };

    /// The layout for `devices` GPUs; `None` unless 1 to [`crate::abi::MAX_DEVICES`].
    #[must_use]
    pub const fn new(devices: usize) -> Option<Self> {
        match devices {
            1..=crate::abi::MAX_DEVICES => Some(Self { devices }),
            _ => None,
        }
    }

    /// How many GPUs.
    #[must_use]
    pub const fn devices(self) -> usize {
        self.devices
    }

    /// Bytes from one [`AgentSlot`] to the next, its words by device included.
    #[must_use]
    pub const fn agent_slot_stride(self) -> usize {
        (size_of::<AgentSlot>() + 8 * self.devices).next_multiple_of(16)
    }

    /// Offset of device `index` in the limits page.
    #[must_use]
    pub const fn limits_device(self, index: usize) -> usize {
        size_of::<LimitsHeader>() + index * size_of::<LimitsDevice>()
    }

    /// Offset of the agent's record of slot `index` in the limits page.
    #[must_use]
    pub const fn agent_slot(self, index: usize) -> usize {
        self.limits_device(self.devices) + index * self.agent_slot_stride()
    }

    /// Offset of what the agent measured of slot `slot` on device `device`.
    #[must_use]
    pub const fn agent_beyond(self, slot: usize, device: usize) -> usize {
        self.agent_slot(slot) + size_of::<AgentSlot>() + 8 * device
    }

    /// Length of the limits page in bytes.
    #[must_use]
    pub const fn limits_len(self) -> usize {
        self.agent_slot(SLOTS)
    }

    /// Bytes from one slot to the next.
    #[must_use]
    pub const fn slot_stride(self) -> usize {
        size_of::<SlotHeader>() + self.devices * size_of::<SlotDevice>()
    }

    /// Offset of the totals of device `index` in the ledger.
    #[must_use]
    pub const fn ledger_device(self, index: usize) -> usize {
        size_of::<LedgerHeader>() + index * size_of::<LedgerDevice>()
    }

    /// Offset of slot `index` in the ledger.
    #[must_use]
    pub const fn slot(self, index: usize) -> usize {
        self.ledger_device(self.devices) + index * self.slot_stride()
    }

    /// Offset of what slot `slot` holds of device `device`.
    #[must_use]
    pub const fn slot_device(self, slot: usize, device: usize) -> usize {
        self.slot(slot) + size_of::<SlotHeader>() + device * size_of::<SlotDevice>()
    }

    /// Offset of entry `index` of device `device`'s ring of intervals in the ledger.
    #[must_use]
    pub const fn interval(self, device: usize, index: usize) -> usize {
        self.slot(SLOTS) + (device * INTERVALS + index) * size_of::<Interval>()
    }

    /// Length of the ledger in bytes.
    #[must_use]
    pub const fn ledger_len(self) -> usize {
        self.interval(self.devices, 0)
    }

    /// Bytes of a file system that holds both files and nothing more, in pages of `page` bytes.
    #[must_use]
    pub const fn room(self, page: usize) -> usize {
        self.limits_len().next_multiple_of(page) + self.ledger_len().next_multiple_of(page)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
