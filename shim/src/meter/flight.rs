//! Batches that are launched and not settled: a ring for each stream, oldest first.
//!
//! A batch is settled by whoever finds it done. The driver is asked before it is claimed, so a thread
//! that is cancelled in the driver holds nothing; of several that ask, one settles.

use crate::allotments::{self, Share};
use crate::meter::busy;
use crate::meter::throttle::left_of_rank;
use crate::meter::timer::{Event, Passed, Timer};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use ledger::Engine;
use ledger::clock;
use meter_rules::{Batch, bound, charged, is_overestimated, learned, numbers_from};

/// Batches of one stream that can be in flight.
const MOST: usize = 64;
/// The state of a place, in the low bits of its word; above them it counts its uses.
const FREE: u64 = 0;
const TAKEN: u64 = 1;
const FLYING: u64 = 2;
const STATE: u64 = 3;

/// A batch.
#[derive(Clone, Copy)]
pub(crate) struct Flown {
    /// The number of its share.
    pub(crate) share: u8,
    /// The number of its timer.
    pub(crate) timer: u32,
    pub(crate) from: Event,
    pub(crate) to: Event,
    pub(crate) estimate_ns: u64,
    /// What copies between its events took, in nanoseconds.
    pub(crate) foreign_ns: u64,
    /// When its first launch was, by this process's clock.
    pub(crate) launched_ns: u64,
    /// What learns from it; 0: nothing.
    pub(crate) key: u64,
    /// The stream was busy all the time between its events.
    pub(crate) is_busy: bool,
    pub(crate) engine: Engine,
}

/// Batches of one stream.
pub(crate) struct Flight {
    next: AtomicU32,
    oldest: AtomicU32,
    /// A batch took far less than was known of what was in it: what that is has to be learned.
    is_overestimated: AtomicBool,
    places: [Seat; MOST],
}

struct Seat {
    state: AtomicU64,
    what: AtomicU64,
    events: AtomicU64,
    estimate_ns: AtomicU64,
    foreign_ns: AtomicU64,
    launched_ns: AtomicU64,
    key: AtomicU64,
}

impl Flight {
    /// Whether one more batch has a place.
    pub(crate) fn has_room(&self) -> bool {
        let place = self.places.get(self.next.load(Relaxed) as usize % MOST);
        place.is_some_and(|place| place.state.load(Relaxed) & STATE == FREE)
    }

    /// Whether any batch is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.iter().all(|place| place.state.load(Relaxed) & STATE == FREE)
    }

    /// Whether what would fill a batch is to be measured by itself, for once.
    pub(crate) fn is_to_be_measured_anew(&self) -> bool {
        self.is_overestimated.load(Relaxed) && self.is_overestimated.swap(false, Relaxed)
    }

    /// Adds a batch; false where there is no place.
    pub(crate) fn add(&self, batch: &Flown) -> bool {
        let at = self.next.fetch_add(1, Relaxed);
        let Some(place) = self.places.get(at as usize % MOST) else { return false };
        let state = place.state.load(Acquire);
        let taken = state & STATE == FREE
            && place.state.compare_exchange(state, state | TAKEN, AcqRel, Relaxed).is_ok();
        if taken {
            place.fill(batch);
            place.state.store(state | FLYING, Release);
        }
        taken
    }

    /// Settles what is done, oldest first.
    pub(crate) fn settle(&self, now_ns: u64) {
        let oldest = self.oldest.load(Relaxed);
        for at in numbers_from(oldest, MOST as u32) {
            let Some(place) = self.places.get(at as usize % MOST) else { return };
            let state = place.state.load(Acquire);
            match state & STATE {
                FLYING => {}
                // Behind a place that is not in use may lie others, where threads came together.
                _ => continue,
            }
            let batch = place.batch();
            let Some(timed) = batch.timed(now_ns) else { return };
            if place.state.compare_exchange(state, (state | STATE) + 1, AcqRel, Relaxed).is_ok() {
                self.oldest.store(at.wrapping_add(1), Relaxed);
                if batch.settle(timed) {
                    self.is_overestimated.store(true, Relaxed);
                }
            }
        }
    }

    /// Settles by estimate what belongs to a context that ends.
    pub(crate) fn abandon(&self, timer: u32, now_ns: u64) {
        for place in &self.places {
            let state = place.state.load(Acquire);
            let batch = place.batch();
            let ends = state & STATE == FLYING && batch.timer == timer;
            if ends
                && place.state.compare_exchange(state, (state | STATE) + 1, AcqRel, Relaxed).is_ok()
            {
                batch.settle(Timed { end_ns: now_ns, took_ns: None });
            }
        }
    }
}

/// When a batch ended, and what lay between its events; none: nobody can say.
#[derive(Clone, Copy)]
struct Timed {
    end_ns: u64,
    took_ns: Option<u64>,
}

impl Flown {
    /// None: it is not done, or nobody is asked at the moment.
    fn timed(&self, now_ns: u64) -> Option<Timed> {
        let unknown = Timed { end_ns: now_ns, took_ns: None };
        let Some(timer) = Timer::at(self.timer) else { return Some(unknown) };
        match timer.passed(self.to) {
            Passed::No | Passed::NotNow => return None,
            Passed::Unknown => return Some(unknown),
            Passed::Yes => {}
        }
        let took_ns = match timer.elapsed_ns(self.from, self.to) {
            Ok(took_ns) => took_ns,
            Err(Passed::NotNow) => return None,
            Err(_) => return Some(unknown),
        };
        let end_ns = timer.when(self.to, took_ns, self.launched_ns, now_ns)?;
        Some(Timed { end_ns, took_ns: Some(took_ns) })
    }

    /// Answers whether it took far less than was known of what is in it.
    fn settle(&self, timed: Timed) -> bool {
        if let Some(timer) = Timer::at(self.timer) {
            timer.release(self.from);
            timer.release(self.to);
        }
        let Some(share) = share(self.share) else { return false };
        let elapsed_ns = timed.took_ns.unwrap_or(self.estimate_ns);
        let Self { estimate_ns, foreign_ns, is_busy, .. } = *self;
        let (is_one, is_rank) = (self.key != 0, left_of_rank(share).is_some());
        let batch = Batch { estimate_ns, elapsed_ns, foreign_ns, is_busy, is_one, is_rank };
        let spent_ns = charged(&batch);
        if is_one && timed.took_ns.is_some() {
            match bound(&batch, spent_ns) {
                Some(most_ns) => super::COSTS.learn_bound(self.key, most_ns),
                None => super::COSTS.learn(self.key, learned(&batch, spent_ns)),
            }
        }
        busy::count(share, self.engine, estimate_ns, spent_ns, timed.end_ns);
        self.key == 0 && is_overestimated(&batch, spent_ns)
    }
}

impl Seat {
    fn fill(&self, batch: &Flown) {
        let busy = u64::from(batch.is_busy) << 40 | u64::from(batch.engine.raw()) << 48;
        let what = u64::from(batch.timer) | u64::from(batch.share) << 32 | busy;
        self.what.store(what, Relaxed);
        self.events.store(u64::from(batch.from) << 32 | u64::from(batch.to), Relaxed);
        self.estimate_ns.store(batch.estimate_ns, Relaxed);
        self.foreign_ns.store(batch.foreign_ns, Relaxed);
        self.launched_ns.store(batch.launched_ns, Relaxed);
        self.key.store(batch.key, Relaxed);
    }

    fn batch(&self) -> Flown {
        let (what, events) = (self.what.load(Relaxed), self.events.load(Relaxed));
        Flown {
            share: (what >> 32) as u8,
            timer: what as u32,
            from: (events >> 32) as u32,
            to: events as u32,
            estimate_ns: self.estimate_ns.load(Relaxed),
            foreign_ns: self.foreign_ns.load(Relaxed),
            launched_ns: self.launched_ns.load(Relaxed),
            key: self.key.load(Relaxed),
            is_busy: what >> 40 & 1 == 1,
            engine: Engine::from_raw((what >> 48) as u32).unwrap_or(Engine::Compute),
        }
    }
}

/// The share of this number.
pub(crate) fn share(number: u8) -> Option<Share> {
    allotments::shares().ok()?.at(u32::from(number))
}

/// This process's clock in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    clock::own_ns()
}
