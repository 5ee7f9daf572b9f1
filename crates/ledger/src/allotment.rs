//! The shim's side: one allotment, opened once per process and kept.
//!
//! [`Allotment::open_for`] makes eight system calls, the first charge of a process nine.
//! After that a charge or release that succeeds makes none, takes no lock, and allocates nothing. A
//! forked child finds itself without a slot and without anything to release; its first charge takes
//! a slot of its own.

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use crate::abi::{AtLimit, Kind, MAX_BYTES, SUM_LOCK};
use crate::charge::{self, Asked, Books, Sum};
use crate::error::{PageError, Refused};
use crate::layout::uuid_words;
use crate::map::{DeviceIndex, Own, Pages, Trust};
use crate::slot::{self, Slot};
use crate::spare::Step;
use crate::sys::{self, Fd};

mod living;
mod measured;
mod spared;
mod time;
pub use living::Holder;
pub use time::{Credit, Terms};
pub(crate) use time::{bury, legacy};

/// How often a sum asks for the lock, a tenth of a millisecond apart, before it goes without: only a
/// process that is stopped keeps it that long.
const LOCK_ATTEMPTS: u32 = 2000;

/// One allotment of this container, mapped.
pub struct Allotment {
    pages: Pages,
    ledger: Path,
    version: u32,
}

/// What a container may hold of a device, and holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// The hard limit in bytes.
    pub limit: u64,
    /// Bytes used: charged, and measured beyond that. May pass the limit, when that was lowered.
    pub used: u64,
}

impl Usage {
    /// What is free, in bytes.
    #[must_use]
    pub const fn free(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Allotment {
    /// Maps the allotment whose folder is `dir`, an absolute path of at most 240 bytes, whoever owns it.
    /// `version` is the shim's, for people.
    ///
    /// # Errors
    /// [`PageError`]: a file is missing, cut, grown, overwritten, of an unknown ABI, or needs an
    /// unknown feature.
    pub fn open(dir: &CStr, version: u32) -> Result<Self, PageError> {
        let (limits, ledger) = files(dir)?;
        let pages = Pages::open_apart(limits.as_c_str(), ledger.as_c_str())?;
        Ok(Self { pages, ledger, version })
    }

    /// As [`Self::open`], if the limits are whose they should be. `own` is this allotment's alone: a zero
    /// that a forked child finds to be zero again.
    ///
    /// # Errors
    /// As [`Self::open`], and [`PageError::Owner`].
    pub fn open_for(
        dir: &CStr,
        version: u32,
        own: &'static Own,
        trust: Trust,
    ) -> Result<Self, PageError> {
        let (limits, ledger) = files(dir)?;
        let pages = Pages::open(limits.as_c_str(), ledger.as_c_str(), own, trust)?;
        Ok(Self { pages, ledger, version })
    }

    /// Unmaps it. Never inlined, as [`Self::charge`].
    #[cold]
    #[inline(never)]
    pub fn close(self) {}

    /// Whether the limits page of `dir` by itself is good: to say which of its two files
    /// [`Self::open`] did not believe.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn limits_are_good(dir: &CStr) -> bool {
        let limits = Path::join(dir, contract::paths::LIMITS_FILE);
        limits.is_ok_and(|limits| Pages::limits_are_good(limits.as_c_str()))
    }

    /// The allotment's id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.pages.limits_header().allotment.load(Ordering::Relaxed)
    }

    /// Its devices.
    pub fn devices(&self) -> impl Iterator<Item = DeviceIndex> {
        (0..self.pages.devices()).filter_map(|index| self.pages.index(index))
    }

    /// The device with this UUID, given as cuDeviceGetUuid does; `None`: it is not allotted, so every
    /// allocation on it is to be refused.
    #[must_use]
    pub fn device(&self, uuid: &[u8; 16]) -> Option<DeviceIndex> {
        let wanted = uuid_words(uuid);
        self.devices().find(|&device| {
            let words = self.pages.limits(device).uuid.each_ref();
            words.map(|word| word.load(Ordering::Relaxed)) == wanted
        })
    }

    /// Charges `bytes` of a device before the driver is asked for them. Takes this process's slot if
    /// it has none. A refusal is counted; where the administrator only observes, it is counted and
    /// the bytes are charged.
    ///
    /// # Errors
    /// [`Refused`]: nothing is charged.
    // Never inlined, nor is a release: the sum behind it stays in this crate, where the compiler sees
    // that nothing in it unwinds. The shim has no landing pads.
    #[inline(never)]
    pub fn charge(&self, device: DeviceIndex, kind: Kind, bytes: u64) -> Result<(), Refused> {
        let slot = self.own_slot()?.index;
        match charge::charge(&self.books(device), slot, kind.index(), bytes) {
            Ok(()) => Ok(()),
            Err(refused) => self.refused(device, slot, kind, bytes, refused),
        }
    }

    /// As [`Self::charge`], by a caller who can still make room: a refusal is not counted, and also
    /// given where the administrator only observes.
    ///
    /// # Errors
    /// As [`Self::charge`].
    #[inline(never)]
    pub fn try_charge(&self, device: DeviceIndex, kind: Kind, bytes: u64) -> Result<(), Refused> {
        let slot = self.own_slot()?.index;
        charge::charge(&self.books(device), slot, kind.index(), bytes)
    }

    /// Charges what the driver has taken already, whatever the limit says: the next request pays.
    #[cold]
    #[inline(never)]
    pub fn charge_taken(&self, device: DeviceIndex, kind: Kind, bytes: u64) {
        if let Ok(slot) = self.own_slot() {
            // Only what no total can hold is left out.
            let _ = charge::charge_regardless(&self.books(device), slot.index, kind.index(), bytes);
        }
    }

    /// Gives back what this process charged, once, after the driver has taken it back (or refused
    /// it). Never more than it holds for that kind.
    #[inline(never)]
    pub fn release(&self, device: DeviceIndex, kind: Kind, bytes: u64) {
        if let Some(slot) = slot::current(&self.pages) {
            charge::release(&self.books(device), slot.index, kind.index(), bytes);
        }
    }

    /// Limit and use of a device, for all processes of the container. A few loads, and some per process
    /// where the agent measured more than is charged; the dead may still be in it until
    /// [`Self::refresh`] or the next refusal.
    #[inline]
    #[must_use]
    pub fn usage(&self, device: DeviceIndex) -> Usage {
        let used = self.correction(device).used(charge::shown(&self.books(device)));
        Usage { limit: self.books(device).hard(), used }
    }

    /// What one context takes on this device, as estimated, in bytes; 0: unknown.
    #[inline]
    #[must_use]
    pub fn context_estimate(&self, device: DeviceIndex) -> u64 {
        self.pages.limits(device).context_estimate.load(Ordering::Relaxed)
    }

    /// Drops the dead and makes the total exact. For the first time that a process asks what is free;
    /// costs two system calls and one per process of the container.
    #[cold]
    #[inline(never)]
    pub fn refresh(&self, device: DeviceIndex) {
        charge::refresh(&self.books(device));
        slot::describe(&self.pages);
    }

    /// Takes this process's slot now, if it has none; its index.
    ///
    /// # Errors
    /// [`Refused::NoSlot`] or [`Refused::Slot`].
    pub fn take_slot(&self) -> Result<u32, Refused> {
        self.own_slot().map(|slot| slot.index as u32)
    }

    /// This process's slot; `None` before its first charge, and in a forked child.
    #[must_use]
    pub fn slot(&self) -> Option<u32> {
        slot::current(&self.pages).map(|slot| slot.index as u32)
    }

    /// What this process holds for one kind, in bytes.
    #[inline]
    #[must_use]
    pub fn held(&self, device: DeviceIndex, kind: Kind) -> u64 {
        let own = slot::current(&self.pages).map(|slot| self.pages.slot_device(slot.index, device));
        own.map_or(0, |own| {
            Step::of(kind.index()).held(own.held[kind.index()].load(Ordering::Relaxed))
        })
    }

    /// Sets [`crate::abi::slot_flags`] of this process's slot, if it has one.
    pub fn set_flags(&self, flags: u32) {
        if let Some(slot) = slot::current(&self.pages) {
            self.pages.slot(slot.index).flags.fetch_or(flags, Ordering::Relaxed);
        }
    }

    /// Notes what cuDriverGetVersion answered, if this process has a slot.
    pub fn set_driver_version(&self, version: u32) {
        if let Some(slot) = slot::current(&self.pages) {
            self.pages.slot(slot.index).driver_version.store(version, Ordering::Relaxed);
        }
    }

    #[inline]
    fn own_slot(&self) -> Result<Slot, Refused> {
        match slot::current(&self.pages) {
            Some(slot) => Ok(slot),
            None => slot::take(&self.pages, self.ledger.as_c_str(), self.version),
        }
    }

    #[inline]
    fn books(&self, device: DeviceIndex) -> DeviceBooks<'_> {
        DeviceBooks { allotment: self, device }
    }

    /// Counts a refusal, or lets it pass where the administrator only observes.
    #[cold]
    fn refused(
        &self,
        device: DeviceIndex,
        slot: usize,
        kind: Kind,
        bytes: u64,
        refused: Refused,
    ) -> Result<(), Refused> {
        slot::describe(&self.pages);
        let (totals, own) = (self.pages.totals(device), self.pages.slot_device(slot, device));
        let at_limit = self.pages.limits(device).at_limit.load(Ordering::Relaxed);
        if AtLimit::from_raw(at_limit) == Some(AtLimit::Observe) {
            totals.observed.fetch_add(1, Ordering::Relaxed);
            own.observed.fetch_add(1, Ordering::Relaxed);
            return charge::charge_regardless(&self.books(device), slot, kind.index(), bytes);
        }
        totals.refusals.fetch_add(1, Ordering::Relaxed);
        own.refusals.fetch_add(1, Ordering::Relaxed);
        Err(refused)
    }
}

/// [`Books`] over the mapped pages.
struct DeviceBooks<'a> {
    allotment: &'a Allotment,
    device: DeviceIndex,
}

impl DeviceBooks<'_> {
    #[inline]
    fn pages(&self) -> &Pages {
        &self.allotment.pages
    }

    #[inline]
    fn hard(&self) -> u64 {
        self.pages().limits(self.device).hard.load(Ordering::Relaxed).min(MAX_BYTES)
    }
}

impl Books for DeviceBooks<'_> {
    /// The ledger with a file description of its own, and whether the lock is on it.
    type Lock = Option<(Fd, bool)>;

    #[inline]
    fn total(&self) -> &core::sync::atomic::AtomicU64 {
        &self.pages().totals(self.device).total
    }

    fn ticket(&self) -> u64 {
        self.pages().totals(self.device).tickets.fetch_add(1, Ordering::Relaxed)
    }

    #[inline]
    fn limit(&self) -> u64 {
        let limits = self.pages().limits(self.device);
        let more = [&limits.unasked, &limits.uncounted].map(|word| word.load(Ordering::Relaxed));
        more.into_iter().fold(self.hard(), u64::saturating_sub)
    }

    fn exact_limit(&self) -> u64 {
        self.allotment.correction(self.device).chargeable(self.hard())
    }

    fn sum(&self, asked: Option<Asked>) -> Sum {
        let (sum, correction) = self.allotment.sum(self.device, asked);
        Sum { limit: correction.chargeable(self.hard()), ..sum }
    }

    #[inline]
    fn held(&self, slot: usize, kind: usize) -> &core::sync::atomic::AtomicU64 {
        let held = &self.pages().slot_device(slot, self.device).held;
        &held[kind % crate::abi::KINDS]
    }

    #[inline]
    fn ever_spare(&self) -> &core::sync::atomic::AtomicU32 {
        &self.pages().ledger_header().ever_spare
    }

    #[inline]
    fn spare(&self) -> u64 {
        self.allotment.spare(self.device)
    }

    fn recall(&self) {
        self.allotment.recall(self.device);
    }

    fn lock(&self) -> Self::Lock {
        let fd = slot::open(self.pages(), self.allotment.ledger.as_c_str()).ok()?;
        for _ in 0..LOCK_ATTEMPTS {
            match fd.try_lock(SUM_LOCK) {
                Ok(true) => return Some((fd, true)),
                Ok(false) => sys::pause(),
                Err(_) => break,
            }
        }
        Some((fd, false))
    }

    fn unlock(&self, lock: Self::Lock) {
        // Unlocked before it is closed: a child forked meanwhile has the description too.
        if let Some((fd, true)) = lock {
            fd.unlock(SUM_LOCK);
        }
    }

    /// Also without the lock, which a stopped process may keep: of several that find one dead, one
    /// changes its state.
    fn bury(&self, lock: &Self::Lock) {
        if let Some((fd, _)) = lock {
            slot::bury(self.pages(), fd);
        }
    }

    fn pause(&self) {
        core::hint::spin_loop();
    }
}

/// The limits and the ledger of an allotment.
fn files(dir: &CStr) -> Result<(Path, Path), PageError> {
    use contract::paths::{LEDGER_FILE, LIMITS_FILE};
    Ok((Path::join(dir, LIMITS_FILE)?, Path::join(dir, LEDGER_FILE)?))
}

/// A path in a buffer of its own: no heap.
struct Path([u8; 256]);

impl Path {
    fn join(dir: &CStr, file: &str) -> Result<Self, PageError> {
        let mut buffer = [0; 256];
        let parts = [dir.to_bytes(), b"/", file.as_bytes()];
        let mut places = buffer.iter_mut();
        for &byte in parts.into_iter().flatten() {
            *places.next().ok_or(PageError::LongPath)? = byte;
        }
        // The last byte ends the text.
        places.next().map(|_| ()).ok_or(PageError::LongPath)?;
        Ok(Self(buffer))
    }

    fn as_c_str(&self) -> &CStr {
        sys::c_str(&self.0)
    }
}
