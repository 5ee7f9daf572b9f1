//! An allotment's two files and this process's private page, laid over memory.
//!
//! Everything is checked once, in [`Pages::open`]; afterwards the only numbers that addresses are
//! computed from are the geometry, which this process keeps for itself, and indices that
//! [`DeviceIndex`] and slots below [`SLOTS`] bound. What other processes write into the files is
//! never an address, a length or a count.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::abi::{
    ABI_MAJOR, KNOWN_FEATURES, LEDGER_MAGIC, LIMITS_MAGIC, MAX_BYTES, MAX_DEVICES, SLOTS,
};
use crate::error::PageError;
use crate::layout::{
    Geometry, LedgerDevice, LedgerHeader, LimitsDevice, LimitsHeader, SlotDevice, SlotHeader,
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
        let (limits, limits_head, _) = map(limits, false, Form::Limits)?;
        let (ledger, ledger_head, identity) = map(ledger, true, Form::Ledger)?;
        if limits_head != ledger_head {
            return Err(PageError::Mismatch);
        }
        let private = Mapping::private(size_of::<Private>()).map_err(io)?;
        let pages = Self { limits, ledger, private, geometry: limits_head.1, identity };
        pages.check_devices().map(|()| pages)
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
        // SAFETY: the mapping is `limits_len` long, which begins with a header.
        unsafe { self.limits.at_unchecked(0) }
    }

    #[inline]
    pub(crate) fn limits(&self, device: DeviceIndex) -> &LimitsDevice {
        // SAFETY: `limits_len` covers every device below the count, and `clamp` stays below it.
        unsafe { self.limits.at_unchecked(self.geometry.limits_device(self.clamp(device))) }
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

/// The allotment's id and geometry, as a header states them.
type Head = (u64, Geometry);

/// What a header must say. Not a table of function pointers: a call through one may unwind for all
/// the compiler knows, and the shim has no landing pads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Limits,
    Ledger,
}

impl Form {
    const fn magic(self) -> u64 {
        match self {
            Self::Limits => LIMITS_MAGIC,
            Self::Ledger => LEDGER_MAGIC,
        }
    }

    const fn header_len(self) -> usize {
        match self {
            Self::Limits => size_of::<LimitsHeader>(),
            Self::Ledger => size_of::<LedgerHeader>(),
        }
    }

    const fn device_stride(self) -> usize {
        match self {
            Self::Limits => size_of::<LimitsDevice>(),
            Self::Ledger => size_of::<LedgerDevice>(),
        }
    }

    const fn slot_stride(self, geometry: Geometry) -> usize {
        match self {
            Self::Limits => geometry.agent_slot_stride(),
            Self::Ledger => geometry.slot_stride(),
        }
    }

    const fn len(self, geometry: Geometry) -> usize {
        match self {
            Self::Limits => geometry.limits_len(),
            Self::Ledger => geometry.ledger_len(),
        }
    }
}

/// The first 80 bytes of either header, which agree (asserted below).
#[repr(C)]
struct Start {
    magic: AtomicU64,
    major: AtomicU16,
    minor: AtomicU16,
    header_len: AtomicU32,
    device_stride: AtomicU32,
    device_count: AtomicU32,
    slot_stride: AtomicU32,
    slot_count: AtomicU32,
    required: AtomicU64,
    optional: AtomicU64,
    boot_id: [AtomicU64; 2],
    allotment: AtomicU64,
    file_len: AtomicU64,
}

// SAFETY: `repr(C)` and atomics alone, without padding.
unsafe impl Shared for Start {}

const _: () = {
    assert!(size_of::<Start>() == 80);
    assert!(core::mem::offset_of!(LimitsHeader, file_len) == 72);
    assert!(core::mem::offset_of!(LedgerHeader, file_len) == 72);
};

fn map(path: &CStr, write: bool, form: Form) -> Result<(Mapping, Head, (u64, u64)), PageError> {
    let fd = Fd::open(path, write).map_err(io)?;
    let stat = fd.stat().map_err(io)?;
    if !stat.regular {
        return Err(PageError::NotRegular);
    }
    // A size that some device count has, before anything is read through a mapping.
    let mut sizes = (1..=MAX_DEVICES).filter_map(Geometry::new).map(|geometry| form.len(geometry));
    let nearest = form.len(Geometry::ONE);
    let Some(len) = sizes.find(|&len| len as u64 == stat.size) else {
        return Err(PageError::Size(nearest as u64, stat.size));
    };
    let mapping = Mapping::of_file(&fd, len, write).map_err(io)?;
    let start = mapping.at::<Start>(0).ok_or(PageError::Magic)?;
    let head = check(start, form, stat.size)?;
    Ok((mapping, head, stat.identity))
}

fn check(start: &Start, form: Form, size: u64) -> Result<Head, PageError> {
    if load64(&start.magic) != form.magic() {
        return Err(PageError::Magic);
    }
    let major = start.major.load(Ordering::Relaxed);
    if major != ABI_MAJOR {
        return Err(PageError::Major(major));
    }
    let unknown = load64(&start.required) & !KNOWN_FEATURES;
    if unknown != 0 {
        return Err(PageError::Required(unknown));
    }
    let geometry = geometry(start, form)?;
    let due = form.len(geometry) as u64;
    if size != due {
        return Err(PageError::Size(due, size));
    }
    if load64(&start.file_len) != due {
        return Err(PageError::Geometry("file length"));
    }
    Ok((load64(&start.allotment), geometry))
}

fn geometry(start: &Start, form: Form) -> Result<Geometry, PageError> {
    let word = |word: &AtomicU32| word.load(Ordering::Relaxed) as usize;
    let geometry =
        Geometry::new(word(&start.device_count)).ok_or(PageError::Geometry("device count"))?;
    let words = [
        (word(&start.header_len), form.header_len(), "header length"),
        (word(&start.device_stride), form.device_stride(), "device stride"),
        (word(&start.slot_stride), form.slot_stride(geometry), "slot stride"),
        (word(&start.slot_count), SLOTS, "slot count"),
    ];
    match words.iter().find(|(found, due, _)| found != due) {
        Some((_, _, name)) => Err(PageError::Geometry(name)),
        None => Ok(geometry),
    }
}

fn load64(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn io((call, errno): (&'static str, i32)) -> PageError {
    PageError::Io(call, errno)
}
