//! What each memory pool of this process is charged: the size that the driver reports it to have
//! reserved, so that memory which a pool keeps past its free counts until it is trimmed.

use crate::allotments::Share;
use crate::capture::relaxed;
use crate::charge::Charge;
use crate::device::{self, Device};
use crate::grown::Grown;
use crate::hooks::real;
use crate::meter::askers::Askers;
use crate::region::{self, Place, Region};
use crate::sys;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use ledger::Kind;
use nvidia_sys::cuda::{CUdevice, CUmemPool_attribute, CUmemoryPool, CUresult};

/// Pools that one process can have at a time.
const POOLS: usize = 256;
/// A place that nobody uses, one that is being filled or emptied, and one whose pool is no more while threads
/// that took from it are still under way. Handles lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const GONE: u64 = 2;

/// What drivers let a pool grow by, or a multiple of it, in bytes.
pub(crate) const CHUNK: u64 = 32 << 20;

static KNOWN: Region<Pool, POOLS> = Region::new();
/// One bit for each place that a pool ever had.
#[unsafe(link_section = ".data")]
static MET: [AtomicU64; POOLS / 64] = [const { AtomicU64::new(0) }; POOLS / 64];

/// A pool on a device.
pub(crate) struct Pool {
    handle: AtomicU64,
    grown: Grown,
    device: AtomicI32,
    /// Threads that ask the driver about it, unasked by the program.
    askers: Askers,
    state: AtomicU32,
}

/// The driver has it from the beginning; the program made it; the program has ended it; and a thread is ending it at
/// the driver, or was cancelled there.
const GIVEN: u32 = 0;
const MADE: u32 = 1;
const ENDED: u32 = 2;
const ENDING: u32 = 3;

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Pool {}

impl Pool {
    /// The pool with this handle.
    pub(crate) fn of(handle: CUmemoryPool) -> Option<&'static Self> {
        let key = handle as u64;
        let is_it = |pool: &&Pool| pool.handle.load(Ordering::Acquire) == key;
        region::reach(&KNOWN, key).find(is_it).filter(|_| key > GONE)
    }

    /// Begins to count a pool on a device. None: there are too many.
    pub(crate) fn remember(handle: CUmemoryPool, device: CUdevice) -> Option<&'static Self> {
        Self::put(handle, device, GIVEN)
    }

    /// The same for one that the program has just made.
    pub(crate) fn made(handle: CUmemoryPool, device: CUdevice) -> Option<&'static Self> {
        Self::put(handle, device, MADE)
    }

    fn put(handle: CUmemoryPool, device: CUdevice, state: u32) -> Option<&'static Self> {
        let key = handle as u64;
        let places = || region::reach(&KNOWN, key);
        let claim = || places().find(|pool| region::change(&pool.handle, FREE, BUSY));
        let pool = claim().or_else(|| {
            KNOWN.known().iter().for_each(Self::end_if_ended);
            claim()
        })?;
        if let Some(at) = KNOWN.known().iter().position(|place| core::ptr::eq(place, pool))
            && let Some(word) = MET.get(at / 64)
        {
            word.fetch_or(1 << (at % 64), Ordering::Relaxed);
        }
        pool.close();
        pool.device.store(device, Ordering::Relaxed);
        pool.state.store(state, Ordering::Relaxed);
        // Whoever meets the same pool in an earlier place is waited for: of one pool there is one.
        let earlier = || places().take_while(|other| !core::ptr::eq(*other, pool));
        for _ in 0..10_000 {
            if earlier().all(|other| other.handle.load(Ordering::Acquire) != BUSY) {
                break;
            }
            sys::yield_now();
        }
        let is_there = earlier().any(|other| other.handle.load(Ordering::Acquire) == key);
        pool.handle.store(if is_there { FREE } else { key }, Ordering::Release);
        Self::of(handle)
    }

    /// Takes the handle out, before the driver ends the pool: nobody asks about it any more.
    pub(crate) fn take(handle: CUmemoryPool) -> Option<&'static Self> {
        let pool = Self::of(handle)?;
        let taken = region::change(&pool.handle, handle as u64, BUSY);
        pool.askers.await_all();
        taken.then_some(pool)
    }

    /// The driver has ended it, or has not.
    pub(crate) fn taken(&self, handle: CUmemoryPool, result: CUresult) {
        if result == CUresult::CUDA_SUCCESS {
            // Whoever reads its size from here on finds that it has none.
            self.handle.store(GONE, Ordering::SeqCst);
            self.close();
            self.leave();
        } else {
            self.handle.store(handle as u64, Ordering::Release);
        }
    }

    /// Gives back what is charged for a pool that is no more.
    fn close(&self) {
        let bytes = self.grown.close();
        if let Device::Share(share) = device::of(self.device()) {
            Charge::new(share, Kind::Pool, bytes).give_back();
        }
    }

    /// The place of a pool that is no more is free when the last has left it. One that was cancelled inside
    /// the driver never does.
    fn leave(&self) {
        if self.handle.load(Ordering::SeqCst) == GONE && self.grown.is_left() {
            region::change(&self.handle, GONE, FREE);
        }
    }

    /// Whether the program has made it.
    pub(crate) fn is_made(&self) -> bool {
        self.state.load(Ordering::Relaxed) == MADE
    }

    /// The program ends it while memory of it is lent, or about to be free: the driver would keep that
    /// and tell nobody how much. It is ended for the program, which sees no difference, and for the
    /// driver when nothing of it is left. False: nothing is left.
    pub(crate) fn end_later(&self, share: Share) -> bool {
        if !self.is_made() {
            return false;
        }
        self.trim();
        self.look(share);
        let later = self.reserved().is_some_and(|bytes| bytes > 0);
        if later {
            self.state.store(ENDED, Ordering::Release);
            self.keep_nothing();
        }
        later
    }

    /// Whether the program has ended it.
    pub(crate) fn is_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) >= ENDED
    }

    /// Ends one that the program has ended, if nothing of it is left.
    #[cold]
    fn end_now(&self, share: Share) {
        self.trim();
        self.look(share);
        if self.reserved() != Some(0) || !self.turn(ENDED, ENDING) {
            return;
        }
        // It may be the next one that had this place, and lends. From here on it is nobody else's to end.
        if self.reserved() != Some(0) || !self.end_at_driver() {
            self.turn(ENDING, ENDED);
        }
    }

    /// Whether it has ended there.
    fn end_at_driver(&self) -> bool {
        let key = self.handle.load(Ordering::Acquire);
        let handle = core::ptr::with_exposed_provenance_mut(key as usize);
        let Some(destroy) = real::cuMemPoolDestroy.get() else { return false };
        if Self::take(handle).is_none() {
            return false;
        }
        // SAFETY: the driver's own, which the program has given up.
        let result = relaxed(|| unsafe { destroy(handle) });
        self.taken(handle, result);
        result == CUresult::CUDA_SUCCESS
    }

    fn turn(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Reads its size anew, and ends one that the program has ended if nothing of it is left.
    fn look_or_end(&self, share: Share) {
        if self.is_ended() { self.end_now(share) } else { self.look(share) }
    }

    /// As [`Self::end_now`], of any place.
    fn end_if_ended(&self) {
        if self.handle.load(Ordering::Acquire) > GONE
            && self.is_ended()
            && let Device::Share(share) = device::of(self.device())
        {
            self.end_now(share);
        }
    }

    /// Idle memory goes back at the next synchronisation.
    fn keep_nothing(&self) {
        self.ask(|handle| {
            let set = real::cuMemPoolSetAttribute.get()?;
            let which = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            let mut nothing = 0_u64;
            // SAFETY: the threshold is a number of 64 bits.
            Some(unsafe { set(handle, which, (&raw mut nothing).cast()) })
        });
    }

    /// The ordinal of its device.
    pub(crate) fn device(&self) -> CUdevice {
        self.device.load(Ordering::Relaxed)
    }

    /// Somebody may let the pool grow from here on, and has charged a bound.
    pub(crate) fn begin(&self) {
        self.grown.begin();
    }

    /// He has; `bound` is his charge. False: the pool has grown past it, and past the limit.
    pub(crate) fn end(&self, bound: Charge) -> bool {
        let fits = self.grown.end(bound, || self.reserved());
        self.leave();
        fits
    }

    /// Charges what the pool has reserved, where that is not known.
    pub(crate) fn look(&self, share: Share) {
        // Asked behind the size: by then the place may be another's, of another device.
        let size = || self.reserved().filter(|_| self.is_of(share));
        self.grown.look(Charge::new(share, Kind::Pool, 0), size);
    }

    /// Whether its device is this share's.
    fn is_of(&self, share: Share) -> bool {
        matches!(device::of(self.device()), Device::Share(its) if its.number == share.number)
    }

    /// Trims it, as the driver does before it is out of memory.
    pub(crate) fn trim(&self) {
        self.ask(|handle| {
            let trim = real::cuMemPoolTrimTo.get()?;
            // SAFETY: a handle that the driver gave out and has not taken back.
            Some(unsafe { trim(handle, 0) })
        });
    }

    /// Whether it may lend `bytes` more without growing.
    pub(crate) fn has_idle(&self, bytes: u64) -> bool {
        let idle = self.reserved().zip(self.lent()).map(|(all, lent)| all.saturating_sub(lent));
        idle.is_some_and(|idle| idle >= bytes)
    }

    /// None where the driver does not say it.
    fn reserved(&self) -> Option<u64> {
        if matches!(self.handle.load(Ordering::SeqCst), FREE | GONE) {
            return Some(0);
        }
        self.number(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
    }

    fn lent(&self) -> Option<u64> {
        self.number(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    }

    fn number(&self, which: CUmemPool_attribute) -> Option<u64> {
        self.ask(|handle| number(handle, which))
    }

    /// Asks the driver, unless the pool is being ended; whatever captures of streams are under way.
    fn ask<T>(&self, ask: impl FnOnce(CUmemoryPool) -> Option<T>) -> Option<T> {
        let answer = self.askers.ask(|| {
            let key = self.handle.load(Ordering::SeqCst);
            let handle = core::ptr::with_exposed_provenance_mut(key as usize);
            if key > GONE { relaxed(|| ask(handle)) } else { None }
        });
        answer.flatten()
    }
}

/// Gives back to the driver, and to the share, what lies idle in its pools.
#[cold]
#[inline(never)]
pub(crate) fn trim_all(share: Share) {
    each_of(share, |pool| {
        if pool.is_ended() {
            return pool.end_now(share);
        }
        pool.trim();
        pool.look(share);
    });
}

/// The program has waited for the GPU: a driver gives back then what pools hold above their thresholds, and others may
/// have it. Asks nothing of a process whose pools are charged nothing.
#[inline]
pub(crate) fn waited() {
    if MET.iter().any(|word| word.load(Ordering::Relaxed) != 0) {
        look_at_charged();
    }
}

#[cold]
#[inline(never)]
fn look_at_charged() {
    let places = KNOWN.known();
    for (index, word) in MET.iter().enumerate() {
        let mut bits = word.load(Ordering::Relaxed);
        while bits != 0 {
            let at = index * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if let Some(pool) = places.get(at)
                && pool.handle.load(Ordering::Acquire) > GONE
                && (pool.grown.charged() > 0 || pool.is_ended())
                && let Device::Share(share) = device::of(pool.device())
            {
                pool.look_or_end(share);
            }
        }
    }
}

/// Reads the size of every pool of a share anew.
pub(crate) fn look_all(share: Share) {
    each_of(share, |pool| pool.look_or_end(share));
}

fn each_of(share: Share, mut of: impl FnMut(&Pool)) {
    for pool in KNOWN.known() {
        if pool.handle.load(Ordering::Acquire) > GONE && pool.is_of(share) {
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
