//! What each memory pool of this process is charged: the size that the driver reports it to have
//! reserved, so that memory which a pool keeps past its free counts until it is trimmed.
//!
//! Several threads may let one pool grow at once, without a lock. Each charges a bound before, and
//! holds it until it has read the size after: what a pool is charged is then raised or lowered to
//! that size, but only if nobody has changed it since before the reading, for else the reading may be
//! old. So what is charged, with the bounds of those who are under way, is never less than the size.

use crate::allotments::Share;
use crate::capture::relaxed;
use crate::charge::Charge;
use crate::device::{self, Device};
use crate::hooks::real;
use crate::region::{self, Place, Region};
use crate::sys;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use ledger::Kind;
use nvidia_sys::cuda::{CUdevice, CUmemPool_attribute, CUmemoryPool, CUresult};

/// Pools that one process can have at a time.
const POOLS: usize = 256;
/// A place that nobody uses, and one that is being filled or emptied.
const FREE: u64 = 0;
const BUSY: u64 = 1;

static KNOWN: Region<Pool, POOLS> = Region::new();

/// A pool on a device.
pub(crate) struct Pool {
    handle: AtomicU64,
    word: AtomicU64,
    device: AtomicI32,
    /// Threads that ask the driver about it, unasked by the program.
    askers: AtomicU32,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Pool {}

/// A pool's word: what it is charged in steps of 64 KiB, how many may be letting it grow, and a
/// number that every change makes another.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const STEP: u64 = 64 << 10;
    const CHARGED: u64 = (1 << 32) - 1;
    const GROWER: u64 = 1 << 32;
    const GROWERS: u64 = ((1 << 12) - 1) << 32;
    const CHANGE: u64 = 1 << 44;

    fn charged(self) -> u64 {
        (self.0 & Self::CHARGED) * Self::STEP
    }

    fn growers(self) -> u64 {
        (self.0 & Self::GROWERS) / Self::GROWER
    }

    /// The next word, charged so many bytes, with so many growers.
    fn next(self, charged: u64, growers: u64) -> Self {
        let steps = charged.div_ceil(Self::STEP).min(Self::CHARGED);
        let changes = (self.0 / Self::CHANGE).wrapping_add(1).wrapping_mul(Self::CHANGE);
        Self(changes | growers.wrapping_mul(Self::GROWER) & Self::GROWERS | steps)
    }
}

impl Pool {
    /// The pool with this handle.
    pub(crate) fn of(handle: CUmemoryPool) -> Option<&'static Self> {
        let key = handle as u64;
        let is_it = |pool: &&Pool| pool.handle.load(Ordering::Acquire) == key;
        region::reach(&KNOWN, key).find(is_it).filter(|_| key > BUSY)
    }

    /// Begins to count a pool on a device; of two threads that meet a default pool at once, one fills
    /// a place that stays unused. None: there are too many.
    pub(crate) fn remember(handle: CUmemoryPool, device: CUdevice) -> Option<&'static Self> {
        let key = handle as u64;
        let mut places = region::reach(&KNOWN, key);
        let pool = places.find(|pool| region::change(&pool.handle, FREE, BUSY))?;
        pool.device.store(device, Ordering::Relaxed);
        pool.word.store(0, Ordering::Relaxed);
        pool.handle.store(key, Ordering::Release);
        Self::of(handle)
    }

    /// Takes the handle out, before the driver ends the pool: nobody asks about it any more.
    pub(crate) fn take(handle: CUmemoryPool) -> Option<&'static Self> {
        let pool = Self::of(handle)?;
        let taken = region::change(&pool.handle, handle as u64, BUSY);
        // Bounded: a thread that was cancelled while it asked never says that it is done.
        for _ in 0..10_000 {
            if pool.askers.load(Ordering::SeqCst) == 0 {
                break;
            }
            sys::yield_now();
        }
        taken.then_some(pool)
    }

    /// The driver has ended it, or has not. What it had lent then lives on until it is freed, unseen,
    /// and stays charged until the process ends.
    pub(crate) fn taken(&self, handle: CUmemoryPool, lent: u64, result: CUresult) {
        let mut left = handle as u64;
        if result == CUresult::CUDA_SUCCESS {
            let bytes = self.word().charged().saturating_sub(lent);
            if let Device::Share(share) = device::of(self.device()) {
                Charge::new(share, Kind::Pool, bytes).give_back();
            }
            left = FREE;
        }
        self.handle.store(left, Ordering::Release);
    }

    /// The ordinal of its device.
    pub(crate) fn device(&self) -> CUdevice {
        self.device.load(Ordering::Relaxed)
    }

    /// Somebody may let the pool grow from here on, and has charged a bound.
    pub(crate) fn begin(&self) {
        let mut word = self.word();
        while !self.change(word, word.next(word.charged(), word.growers() + 1)) {
            word = self.word();
        }
    }

    /// He has; `bound` is his charge. False: the pool has grown past it, and past the limit.
    pub(crate) fn end(&self, bound: Charge) -> bool {
        self.settle(bound, 1)
    }

    /// Charges what the pool has reserved, where that is not known.
    pub(crate) fn look(&self, share: Share) {
        self.settle(Charge::new(share, Kind::Pool, 0), 0);
    }

    fn settle(&self, mut bound: Charge, ended: u64) -> bool {
        loop {
            let word = self.word();
            let growers = word.growers().saturating_sub(ended);
            let most = word.charged().saturating_add(bound.bytes);
            // Without an answer the bound stays charged.
            let size = self.reserved().unwrap_or(most);
            let fits = size <= most || growers > 0 || bound.settle(size - word.charged());
            let covered = word.charged().saturating_add(bound.bytes);
            let to = word.next(size.min(covered), growers);
            if self.change(word, to) {
                Charge { bytes: covered.saturating_sub(to.charged()), ..bound }.give_back();
                return fits;
            }
        }
    }

    /// Trims it, as the driver does before it is out of memory.
    pub(crate) fn trim(&self) {
        self.ask(|handle| {
            let trim = real::cuMemPoolTrimTo.get()?;
            // SAFETY: a handle that the driver gave out and has not taken back.
            Some(relaxed(|| unsafe { trim(handle, 0) }))
        });
    }

    /// Whether it may lend `bytes` more without growing.
    pub(crate) fn has_idle(&self, bytes: u64) -> bool {
        let idle = self.reserved().zip(self.lent()).map(|(all, lent)| all.saturating_sub(lent));
        idle.is_some_and(|idle| idle >= bytes)
    }

    fn reserved(&self) -> Option<u64> {
        let size = self.number(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
        size.checked_next_multiple_of(Word::STEP)
    }

    fn lent(&self) -> Option<u64> {
        self.number(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    }

    fn number(&self, which: CUmemPool_attribute) -> Option<u64> {
        self.ask(|handle| number(handle, which))
    }

    /// Asks the driver, unless the pool is being ended.
    fn ask<T>(&self, ask: impl FnOnce(CUmemoryPool) -> Option<T>) -> Option<T> {
        self.askers.fetch_add(1, Ordering::SeqCst);
        let key = self.handle.load(Ordering::SeqCst);
        let handle = core::ptr::with_exposed_provenance_mut(key as usize);
        let answer = if key > BUSY { ask(handle) } else { None };
        self.askers.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    fn change(&self, from: Word, to: Word) -> bool {
        region::change(&self.word, from.0, to.0)
    }
}

/// What a pool has lent.
pub(crate) fn lent(handle: CUmemoryPool) -> u64 {
    number(handle, CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT).unwrap_or(0)
}

/// Gives back to the driver, and to the share, what lies idle in its pools.
#[cold]
#[inline(never)]
pub(crate) fn trim_all(share: Share) {
    each_of(share, |pool| {
        pool.trim();
        pool.look(share);
    });
}

/// Reads the size of every pool of a share anew.
pub(crate) fn look_all(share: Share) {
    each_of(share, |pool| pool.look(share));
}

fn each_of(share: Share, mut of: impl FnMut(&Pool)) {
    for pool in KNOWN.known() {
        if pool.handle.load(Ordering::Acquire) > BUSY
            && let Device::Share(its) = device::of(pool.device())
            && its.number == share.number
        {
            of(pool);
        }
    }
}

fn number(handle: CUmemoryPool, which: CUmemPool_attribute) -> Option<u64> {
    let get = real::cuMemPoolGetAttribute.get()?;
    let mut value = 0_u64;
    // SAFETY: the attributes asked for are numbers of 64 bits.
    let result = unsafe { get(handle, which, (&raw mut value).cast()) };
    (result == CUresult::CUDA_SUCCESS).then_some(value)
}
