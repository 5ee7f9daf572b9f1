//! The batches of a stream: one is opened, filled and closed, and then it flies.

use super::{Lane, Work};
use crate::allotments::Share;
use crate::meter::flight::{self, Flown};
use crate::meter::stream::{Stream, thread};
use crate::meter::timer::{Event, Timer};
use crate::meter::{busy, throttle};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use ledger::Engine;
use meter_rules::{BATCH_NS, UNMEASURED_NS, batch_room_ns};

impl Lane {
    /// A launch opened a batch: it is measured by itself, and what follows from its end on.
    pub(super) fn opened(
        &self,
        share: Share,
        number: u32,
        stream: Stream,
        work: &Work,
        (from, is_busy): (Event, bool),
        launched_ns: u64,
    ) {
        let estimate_ns = work.estimate_ns();
        let timer = Timer::at(number);
        // On a stream that had run dry the GPU waited for the launch, the loading of code included.
        let launching_ns = flight::now_ns().saturating_sub(launched_ns);
        let foreign_ns = if is_busy { 0 } else { launching_ns };
        let to = timer.map_or(0, |timer| timer.record(stream));
        commit(share, work.engine, estimate_ns, 1);
        let last = timer.map_or(0, |timer| timer.hold(to));
        let batch = Flown {
            share: share.number,
            timer: number,
            from,
            to,
            estimate_ns,
            foreign_ns,
            launched_ns,
            key: work.key,
            // Where the stream had run dry, what the thread did between the event and the launch is in
            // the time as well: then a known cost grows by little at once.
            is_busy: is_busy || work.cost_ns == 0,
            engine: work.engine,
        };
        if !self.flies(timer, &batch) {
            crate::meter::COSTS.learn_if_unknown(work.key, UNMEASURED_NS);
            let cost_ns = work.counted_ns();
            if work.engine == Engine::Compute {
                let less_ns = estimate_ns.saturating_sub(cost_ns);
                share.allotment.settle(share.device, less_ns, 0);
            }
            busy::count_estimate(share, work.engine, cost_ns);
        }
        if estimate_ns >= BATCH_NS {
            return self.put(timer, &self.last, last);
        }
        self.put(timer, &self.from, last);
        self.opened_ns.store(flight::now_ns(), Relaxed);
        self.foreign_ns.store(0, Relaxed);
        self.is_held_up.store(false, Relaxed);
        self.owner.store(thread(), Relaxed);
        let left_ns = throttle::left_of_rank(share).filter(|_| work.engine == Engine::Compute);
        self.limit.store(batch_room_ns(estimate_ns, left_ns), Relaxed);
    }

    /// Ends the open batch behind the last launch.
    pub(super) fn close(
        &self,
        share: Share,
        number: u32,
        stream: Stream,
        engine: Engine,
        is_busy: bool,
    ) {
        self.limit.store(0, Relaxed);
        let (launches, cost_ns) = self.take();
        let estimate_ns = self.joined_ns.swap(0, AcqRel) + cost_ns;
        let timer = Timer::at(number);
        let from = self.from.swap(0, AcqRel);
        let is_held_up = self.is_held_up.swap(false, Relaxed);
        if estimate_ns == 0 {
            if is_held_up && let Some(timer) = timer {
                timer.release(from);
            }
            return self.put(timer, &self.last, if is_held_up { 0 } else { from });
        }
        commit(share, engine, cost_ns, launches);
        let to = timer.map_or(0, |timer| timer.record(stream));
        let last = timer.map_or(0, |timer| timer.hold(to));
        let launched_ns = self.opened_ns.load(Relaxed);
        let foreign_ns = self.foreign_ns.swap(0, Relaxed);
        let batch = Flown {
            share: share.number,
            timer: number,
            from,
            to,
            estimate_ns,
            foreign_ns,
            launched_ns,
            key: 0,
            is_busy: is_busy && !is_held_up,
            engine,
        };
        if !self.flies(timer, &batch) {
            busy::count_estimate(share, engine, estimate_ns);
        }
        self.put(timer, &self.last, last);
    }

    /// Sends a batch off. Of one that nothing measures, or that finds no place, the events are let go.
    pub(super) fn flies(&self, timer: Option<&Timer>, batch: &Flown) -> bool {
        let flies = batch.from != 0 && batch.to != 0 && self.flight.add(batch);
        if !flies && let Some(timer) = timer {
            timer.release(batch.from);
            timer.release(batch.to);
        }
        flies
    }

    /// Puts an event into a place and lets go of the one before.
    pub(super) fn put(&self, timer: Option<&Timer>, place: &AtomicU32, event: Event) {
        let before = place.swap(event, AcqRel);
        if let Some(timer) = timer {
            timer.release(before);
        }
    }

    /// What was launched since the batch was opened: how many, and their cost.
    pub(super) fn take(&self) -> (u64, u64) {
        let all = self.own.swap(0, AcqRel).wrapping_add(self.others.swap(0, AcqRel));
        (all / super::ONE, all & super::COST)
    }

    /// Counts by what was learned what was launched since the batch was opened.
    pub(super) fn take_estimated(&self, share: Share) {
        let (launches, cost_ns) = self.take();
        commit(share, Engine::Compute, cost_ns, launches);
        let all_ns = self.joined_ns.swap(0, AcqRel) + cost_ns;
        if all_ns > 0 {
            busy::count_estimate(share, Engine::Compute, all_ns);
        }
    }
}

/// A batch that nothing measures: committed and settled at once.
pub(crate) fn estimated(share: Share, engine: Engine, launches: u64, cost_ns: u64) {
    commit(share, engine, cost_ns, launches);
    busy::count_estimate(share, engine, cost_ns);
}

pub(super) fn commit(share: Share, engine: Engine, estimate_ns: u64, launches: u64) {
    if engine == Engine::Compute {
        share.allotment.commit(share.device, estimate_ns, launches);
    }
}
