//! A process's slot: taken at its first charge, alive as long as the process, and never handed on.
//!
//! What makes a slot alive is a lock on a byte of the ledger, held by a file description that only an
//! `MADV_DONTFORK` mapping keeps: closing every descriptor does not free it, SIGKILL and exec do, and
//! a forked child does not have it. Every generation of a slot has a byte of its own, so that a byte
//! once found free never means "alive" again. Pids are written down for people and never consulted.
//!
//! A thread that forks in the few microseconds in which another takes the slot hands the description
//! to the child, and the slot then lives until that child execs or ends: it over-counts.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::{MAX_DEVICES, SLOTS, SlotState, slot_lock, state_word};
use crate::allotment::{self, legacy};
use crate::claim::{self, Slots};
use crate::error::Refused;
use crate::map::Pages;
use crate::spare::{self, Step};
use crate::sys::{self, Fd, Mapping};

/// After how many slots a newcomer asks whether they are dead: first use stays short with 1,000
/// processes.
const NEWCOMERS_QUESTIONS: usize = 32;

/// A slot that this process has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) index: usize,
    pub(crate) generation: u32,
}

impl Slot {
    fn word(self) -> u64 {
        (u64::from(self.generation) << 32) | (self.index as u64 + 1)
    }

    #[inline]
    fn from_word(word: u64) -> Option<Self> {
        let index = (word as u32).checked_sub(1)? as usize;
        Some(Self { index, generation: (word >> 32) as u32 })
    }
}

/// This process's slot, if it has taken one. A forked child has none.
#[inline]
pub(crate) fn current(pages: &Pages) -> Option<Slot> {
    Slot::from_word(pages.own().slot.load(Ordering::Acquire))
}

/// Takes a slot for this process, unless another thread was faster.
#[cold]
pub(crate) fn take(pages: &Pages, ledger: &CStr, version: u32) -> Result<Slot, Refused> {
    let fd = open(pages, ledger)?;
    let keep = Mapping::keep(&fd).map_err(slot_error)?;
    let slot = claim_any(pages, &fd)?;
    introduce(pages, slot, version);
    let mine = &pages.own().slot;
    match mine.compare_exchange(0, slot.word(), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            keep.leak();
            Ok(slot)
        }
        Err(other) => {
            let state = state_word(slot.generation, SlotState::Dead);
            pages.slot(slot.index).state.store(state, Ordering::Release);
            Slot::from_word(other).ok_or(Refused::NoSlot)
        }
    }
}

/// Opens the very file that is mapped, with a file description of its own.
pub(crate) fn open(pages: &Pages, ledger: &CStr) -> Result<Fd, Refused> {
    let fd = Fd::open(ledger, true).map_err(slot_error)?;
    let stat = fd.stat().map_err(slot_error)?;
    // The agent may have put a newer allotment in its place.
    if stat.identity == pages.identity() {
        Ok(fd)
    } else {
        Err(Refused::Slot("open", libc::ESTALE))
    }
}

/// How many slots were ever taken: as far as a sum has to look.
pub(crate) fn extent(pages: &Pages) -> usize {
    (pages.ledger_header().slots_used.load(Ordering::Acquire) as usize).min(SLOTS)
}

/// The slots of mapped pages, and their locks as one description sees them.
struct Kept<'a> {
    pages: &'a Pages,
    fd: &'a Fd,
}

impl Slots for Kept<'_> {
    type Error = sys::Failure;

    fn state(&self, index: usize) -> &AtomicU64 {
        &self.pages.slot(index).state
    }

    fn try_lock(&self, index: usize, generation: u32) -> Result<bool, Self::Error> {
        self.fd.try_lock(slot_lock(index, generation))
    }

    fn unlock(&self, index: usize, generation: u32) {
        self.fd.unlock(slot_lock(index, generation));
    }

    fn is_locked(&self, index: usize, generation: u32) -> bool {
        self.fd.is_locked(slot_lock(index, generation)) != Ok(false)
    }
}

/// Marks every slot whose process is dead.
pub(crate) fn bury(pages: &Pages, fd: &Fd) {
    let kept = Kept { pages, fd };
    (0..extent(pages)).for_each(|index| bury_one(&kept, index));
}

fn bury_one(kept: &Kept, index: usize) {
    let Some(word) = claim::found_dead(kept, index) else { return };
    let pages = kept.pages;
    // Read before anybody may take the slot and empty it.
    let devices = || (0..pages.devices()).filter_map(|index| pages.index(index));
    let mut left = [[0; 2]; MAX_DEVICES];
    for (device, left) in devices().zip(&mut left) {
        let held = pages.slot_device(index, device);
        let words = held.held.iter().take(spare::KINDS).enumerate();
        words.for_each(|(kind, word)| Step::of(kind).recall(word));
        *left = legacy(held);
    }
    if claim::bury(kept, index, word) {
        for (device, left) in devices().zip(left) {
            allotment::bury(pages.totals(device), left);
        }
    }
}

/// The first slot that nobody has. On its way a newcomer asks after a few of those taken, so that
/// processes that come and go one after the other use the same slot; after all of them only where
/// none is free.
fn claim_any(pages: &Pages, fd: &Fd) -> Result<Slot, Refused> {
    let kept = &Kept { pages, fd };
    for mut questions in [NEWCOMERS_QUESTIONS, SLOTS] {
        for index in 0..SLOTS {
            if claim::is_taken(kept, index) && questions > 0 {
                questions -= 1;
                bury_one(kept, index);
            }
            if let Some(generation) = claim::claim(kept, index).map_err(slot_error)? {
                return Ok(Slot { index, generation });
            }
        }
    }
    Err(Refused::NoSlot)
}

/// Empties the slot, says who has it, and lets sums count it.
fn introduce(pages: &Pages, slot: Slot, version: u32) {
    for device in (0..pages.devices()).filter_map(|index| pages.index(index)) {
        pages.slot_device(slot.index, device).clear();
    }
    let header = pages.slot(slot.index);
    header.clear();
    header.pid.store(sys::pid(), Ordering::Relaxed);
    header.start_time.store(sys::boot_time(), Ordering::Relaxed);
    header.shim_version.store(version, Ordering::Relaxed);
    let used = slot.index as u32 + 1;
    pages.ledger_header().slots_used.fetch_max(used, Ordering::AcqRel);
    header.state.store(state_word(slot.generation, SlotState::Live), Ordering::Release);
}

/// Completes what a slot says of its process, where the process has time: the way through /proc
/// takes as long as taking the slot.
pub(crate) fn describe(pages: &Pages) {
    let Some(slot) = current(pages) else { return };
    let namespace = &pages.slot(slot.index).pid_namespace;
    if namespace.load(Ordering::Relaxed) == 0 {
        namespace.store(sys::pid_namespace(), Ordering::Relaxed);
    }
}

fn slot_error((call, errno): (&'static str, i32)) -> Refused {
    Refused::Slot(call, errno)
}
