//! An allotment's two files and this process's private page, laid over memory.
//!
//! Everything is checked once, in [`Pages::open`]; afterwards the only numbers that addresses are
//! computed from are the geometry, which this process keeps for itself, and indices that
//! [`DeviceIndex`] and slots below [`SLOTS`] bound. What other processes write into the files is
//! never an address, a length or a count.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::{INTERVALS, MAX_BYTES, SLOTS};
use crate::error::PageError;
use crate::head::{HEAD, Head, Page};
use crate::layout::{
    AgentSlot, Geometry, Interval, LedgerDevice, LedgerHeader, LimitsDevice, LimitsHeader,
    SlotDevice, SlotHeader,
};
use crate::sys::{Fd, Mapping, Shared};

/// A device of an allotment. Only the allotment that gave it out takes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DeviceIndex(u8);

impl DeviceIndex {
    /// Its place among the allotment's devices.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// What only this process knows, in memory that a forked child finds zeroed.
#[repr(C)]
pub(crate) struct Private {
    /// Generation (high 32 bits) and index + 1 of this process's slot; 0: it has none.
    pub(crate) slot: AtomicU64,
}

// SAFETY: `repr(C)` and atomics alone.
unsafe impl Shared for Private {}

/// The mapped files.
pub(crate) struct Pages {
    limits: Mapping,
    ledger: Mapping,
    private: Mapping,
    geometry: Geometry,
    identity: (u64, u64),
}

impl Pages {
    /// Maps both files after checking them against the sizes that the kernel states.
    pub(crate) fn open(limits: &CStr, ledger: &CStr) -> Result<Self, PageError> {
        let (limits, head, _) = map(limits, Page::Limits)?;
        let (ledger, other, identity) = map(ledger, Page::Ledger)?;
        if head != other {
            return Err(PageError::Mismatch);
        }
        let private = Mapping::private(size_of::<Private>()).map_err(io)?;
        let pages = Self { limits, ledger, private, geometry: head.geometry, identity };
        pages.check_devices().map(|()| pages)
    }

    /// Whether the limits page by itself would be mapped.
    #[cold]
    pub(crate) fn limits_are_good(limits: &CStr) -> bool {
        map(limits, Page::Limits).is_ok()
    }

    /// The place of a device; `None` where there are fewer.
    pub(crate) fn index(&self, index: usize) -> Option<DeviceIndex> {
        (index < self.geometry.devices()).then_some(DeviceIndex(index as u8))
    }

    /// How many devices there are.
    pub(crate) fn devices(&self) -> usize {
        self.geometry.devices()
    }

    /// Device and inode of the ledger.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    #[inline]
    pub(crate) fn limits_header(&self) -> &LimitsHeader {
        // SAFETY: the mapping begins with a header.
        unsafe { self.limits.at_unchecked(0) }
    }

    #[inline]
    pub(crate) fn limits(&self, device: DeviceIndex) -> &LimitsDevice {
        // SAFETY: the mapping covers every device below the count, and `clamp` stays below it.
        unsafe { self.limits.at_unchecked(self.geometry.limits_device(self.clamp(device))) }
    }

    /// What the agent knows of a slot.
    pub(crate) fn agent_slot(&self, slot: usize) -> &AgentSlot {
        // SAFETY: `limits_len` covers every slot below `SLOTS`, and the mask stays below it.
        unsafe { self.limits.at_unchecked(self.geometry.agent_slot(slot % SLOTS)) }
    }

    /// What the agent measured of a slot beyond what was charged to it.
    pub(crate) fn beyond(&self, slot: usize, device: DeviceIndex) -> &AtomicU64 {
        let offset = self.geometry.agent_beyond(slot % SLOTS, self.clamp(device));
        // SAFETY: `limits_len` covers every device of every slot; both indices are in range.
        unsafe { self.limits.at_unchecked(offset) }
    }

    #[inline]
    pub(crate) fn ledger_header(&self) -> &LedgerHeader {
        // SAFETY: the mapping is `ledger_len` long, which begins with a header.
        unsafe { self.ledger.at_unchecked(0) }
    }

    #[inline]
    pub(crate) fn totals(&self, device: DeviceIndex) -> &LedgerDevice {
        // SAFETY: `ledger_len` covers every device below the count, and `clamp` stays below it.
        unsafe { self.ledger.at_unchecked(self.geometry.ledger_device(self.clamp(device))) }
    }

    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> &SlotHeader {
        // SAFETY: `ledger_len` covers every slot below `SLOTS`, and the mask stays below it.
        unsafe { self.ledger.at_unchecked(self.geometry.slot(slot % SLOTS)) }
    }

    #[inline]
    pub(crate) fn slot_device(&self, slot: usize, device: DeviceIndex) -> &SlotDevice {
        let offset = self.geometry.slot_device(slot % SLOTS, self.clamp(device));
        // SAFETY: `ledger_len` covers every device of every slot; both indices are in range.
        unsafe { self.ledger.at_unchecked(offset) }
    }

    /// Entry `index` of a device's ring of intervals.
    pub(crate) fn interval(&self, device: DeviceIndex, index: usize) -> &Interval {
        let offset = self.geometry.interval(self.clamp(device), index % INTERVALS);
        // SAFETY: `ledger_len` covers every ring; both indices are in range.
        unsafe { self.ledger.at_unchecked(offset) }
    }

    #[inline]
    pub(crate) fn private(&self) -> &Private {
        // SAFETY: the mapping is as long as `Private`.
        unsafe { self.private.at_unchecked(0) }
    }

    /// An index of another allotment reads the last device: never beyond.
    #[inline]
    fn clamp(&self, device: DeviceIndex) -> usize {
        device.get().min(self.geometry.devices() - 1)
    }

    fn check_devices(&self) -> Result<(), PageError> {
        for device in (0..self.devices()).filter_map(|index| self.index(index)) {
            let limits = self.limits(device);
            if limits.hard.load(Ordering::Relaxed) > MAX_BYTES / 2 {
                return Err(PageError::Value("hard limit"));
            }
            let twice = |other| self.limits(other).uuid.each_ref().map(load64);
            let same = |other: &DeviceIndex| twice(*other) == twice(device);
            if (0..device.get()).filter_map(|index| self.index(index)).any(|other| same(&other)) {
                return Err(PageError::Uuid);
            }
        }
        Ok(())
    }
}

/// Maps what the shim needs of a file, once its head is believed.
fn map(path: &CStr, page: Page) -> Result<(Mapping, Head, (u64, u64)), PageError> {
    let write = page == Page::Ledger;
    let fd = Fd::open(path, write).map_err(io)?;
    let stat = fd.stat().map_err(io)?;
    if !stat.regular {
        return Err(PageError::NotRegular);
    }
    let mut bytes = [0; HEAD];
    let read = fd.read(&mut bytes).map_err(io)?;
    let head = page.check(&bytes, read, stat.size)?;
    let len = match page {
        Page::Limits => head.geometry.limits_len(),
        Page::Ledger => head.geometry.ledger_len(),
    };
    Ok((Mapping::of_file(&fd, len, write).map_err(io)?, head, stat.identity))
}

fn load64(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn io((call, errno): (&'static str, i32)) -> PageError {
    PageError::Io(call, errno)
}
