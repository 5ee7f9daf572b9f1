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
use crate::sys::{Fd, Mapping, Shared, Stat};

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

/// What only this process knows of an allotment, in memory that a forked child finds zeroed.
#[repr(C)]
pub struct Own {
    /// Generation (high 32 bits) and index + 1 of this process's slot; 0: it has none.
    pub(crate) slot: AtomicU64,
}

// SAFETY: `repr(C)` and atomics alone.
unsafe impl Shared for Own {}

/// Whose limits page is believed. Judged by what the kernel says of the very file that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Anybody's.
    Anybody,
    /// The agent's: root's or this user's, where nobody else may write it; anybody's, where it lies on a
    /// mount that nobody here can write.
    Agent(u32),
}

impl Trust {
    fn has(self, stat: Stat, fd: &Fd) -> bool {
        let Self::Agent(user) = self else { return true };
        let is_shut = stat.mode & 0o022 == 0 && (stat.uid == 0 || stat.uid == user);
        is_shut || fd.is_on_read_only_mount()
    }
}

/// The mapped files.
pub(crate) struct Pages {
    limits: Mapping,
    ledger: Mapping,
    own: &'static Own,
    geometry: Geometry,
    identity: (u64, u64),
    /// Where `own` lies, if nobody else keeps it.
    _kept: Option<Mapping>,
}

impl Pages {
    /// Maps both files after checking them against the sizes that the kernel states.
    pub(crate) fn open(
        limits: &CStr,
        ledger: &CStr,
        own: &'static Own,
        trust: Trust,
    ) -> Result<Self, PageError> {
        // A write first: what is read first is mapped twice.
        own.slot.store(0, Ordering::Relaxed);
        let (limits, head, _) = map(limits, Page::Limits, trust)?;
        let (ledger, other, identity) = map(ledger, Page::Ledger, Trust::Anybody)?;
        if head != other {
            return Err(PageError::Mismatch);
        }
        let geometry = head.geometry;
        let pages = Self { limits, ledger, own, geometry, identity, _kept: None };
        pages.check_devices().map(|()| pages)
    }

    /// As [`Self::open`], whoever owns the files, with memory of its own for what the process knows.
    pub(crate) fn open_apart(limits: &CStr, ledger: &CStr) -> Result<Self, PageError> {
        let mapping = Mapping::private(size_of::<Own>()).map_err(io)?;
        // SAFETY: as long as `Own`; kept for as long as the pages, which alone have the reference.
        let own = unsafe { &*core::ptr::from_ref::<Own>(mapping.at_unchecked(0)) };
        let pages = Self::open(limits, ledger, own, Trust::Anybody)?;
        Ok(Self { _kept: Some(mapping), ..pages })
    }

    /// Whether the limits page by itself would be mapped, whoever owns it.
    #[cold]
    pub(crate) fn limits_are_good(limits: &CStr) -> bool {
        map(limits, Page::Limits, Trust::Anybody).is_ok()
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
    pub(crate) fn own(&self) -> &Own {
        self.own
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

/// Maps a file whose owner is believed, once its head is.
fn map(path: &CStr, page: Page, trust: Trust) -> Result<(Mapping, Head, (u64, u64)), PageError> {
    let write = page == Page::Ledger;
    let fd = Fd::open(path, write).map_err(io)?;
    let stat = fd.stat().map_err(io)?;
    if !stat.regular {
        return Err(PageError::NotRegular);
    }
    if !trust.has(stat, &fd) {
        return Err(PageError::Owner);
    }
    // What is too short for a header is an error, and not a fault when the header is read.
    if stat.size < size_of::<LedgerHeader>() as u64 {
        return Err(PageError::Size(page.len(Geometry::ONE), stat.size));
    }
    let len = stat.size.min(page.len(Geometry::MOST)) as usize;
    let mapping = Mapping::of_file(&fd, len, write).map_err(io)?;
    if write {
        // SAFETY: the mapping is as long as a header.
        let header: &LedgerHeader = unsafe { mapping.at_unchecked(0) };
        // It changes nothing. A write first maps one page, where a read would map sixteen around it. Not
        // an addition of 0 or the like, which compilers turn into a read.
        let (used, order) = (&header.slots_used, Ordering::Relaxed);
        let _ = used.compare_exchange(u32::MAX, u32::MAX, order, order);
    }
    let head = page.check(&first_bytes(&mapping), HEAD, stat.size)?;
    Ok((mapping, head, stat.identity))
}

/// What a mapping that is long enough begins with.
fn first_bytes(mapping: &Mapping) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    for (at, place) in bytes.chunks_exact_mut(8).enumerate() {
        // SAFETY: the mapping is as long as a header, which is longer than a head.
        let word: &AtomicU64 = unsafe { mapping.at_unchecked(8 * at) };
        place.copy_from_slice(&load64(word).to_ne_bytes());
    }
    bytes
}

fn load64(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn io((call, errno): (&'static str, i32)) -> PageError {
    PageError::Io(call, errno)
}
