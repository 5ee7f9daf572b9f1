//! A stream as it is metered: what was launched into it since the last event, and the batches in
//! flight.
//!
//! The launch that opens a batch is measured by itself, because costs are learned so; the rest is
//! measured from there to the launch that fills the batch. Where the GPU had come to the first event
//! before the last was launched, the stream may have run dry between: then what was learned bounds
//! what is charged. A launch that follows no event of ours has one recorded before it, and the GPU is asked
//! behind it.

mod batch;

pub(crate) use batch::estimated;

use crate::allotments::Share;
use crate::meter::flight::{self, Flight, Flown};
use crate::meter::stream::{Stream, thread};
use crate::meter::timer::{Event, Passed, Timer};
use crate::meter::{busy, throttle};
use crate::region::Place;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use ledger::Engine;
use meter_rules::{BATCH_NS, UNKNOWN_NS, UNMEASURED_NS, batch_room_ns};

/// One launch in a word of pending ones; below it their cost in nanoseconds.
const ONE: u64 = 1 << 44;
const COST: u64 = ONE - 1;
/// Launches that must stay together are not parted by events for so many batches.
const TOGETHER: u64 = 10;

/// A stream.
#[repr(C, align(128))]
pub(crate) struct Lane {
    /// [`Stream::key`]; 0: free.
    pub(crate) key: AtomicU64,
    /// The thread that launches here without an atomic addition.
    owner: AtomicU64,
    /// What it launched since the batch was opened.
    own: AtomicU64,
    /// Where the batch is full, in nanoseconds; 0: none is open.
    limit: AtomicU64,
    /// What other threads launched.
    others: AtomicU64,
    /// The number of its share and one more; 0: not known yet.
    share: AtomicU32,
    /// The number of its timer.
    timer: AtomicU32,
    /// Where the rest of the open batch begins, if it is measured.
    from: AtomicU32,
    /// The last event, if nothing was launched after it.
    last: AtomicU32,
    /// When the open batch was opened, by this process's clock.
    opened_ns: AtomicU64,
    /// What copies in the open batch took, in nanoseconds: no time of the batch's own engine.
    foreign_ns: AtomicU64,
    /// What was launched before in the open batch, while it had no place to fly, and counts as in flight, in nanoseconds.
    joined_ns: AtomicU64,
    /// The stream waits for another's event somewhere in the open batch.
    is_held_up: AtomicBool,
    pub(crate) flight: Flight,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Lane {}

/// A launch as it is metered.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// What learns its cost.
    pub(crate) key: u64,
    /// Its cost in nanoseconds; 0: not known.
    pub(crate) cost_ns: u64,
    /// No event may come between it and the launch before.
    pub(crate) is_kept: bool,
    pub(crate) engine: Engine,
}

/// What is to be done when the launch has been made.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// It opened a batch, which begins here; whether the stream was busy then, if that is known before the launch.
    Opens { from: Event, is_busy: Option<bool> },
    /// It fills one; whether the stream was busy all the while.
    Fills { is_busy: bool },
    /// There is no place for a batch: it joins the open one, which becomes longer.
    Joins,
}

impl Work {
    /// Its cost, or what is taken for it while it is in flight.
    pub(crate) fn estimate_ns(&self) -> u64 {
        if self.cost_ns == 0 { UNKNOWN_NS } else { self.cost_ns }
    }

    /// Its cost, or what is counted for it where nothing measures it.
    pub(crate) fn counted_ns(&self) -> u64 {
        if self.cost_ns == 0 { UNMEASURED_NS } else { self.cost_ns }
    }
}

impl Lane {
    /// Counts a launch of this cost that fits into the open batch; false where it does not.
    #[inline]
    pub(crate) fn takes(&self, cost_ns: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        let is_own = self.owner.load(Relaxed) == thread();
        let pending = if is_own { &self.own } else { &self.others };
        let before = pending.load(Relaxed);
        if cost_ns == 0 || (before & COST) + cost_ns >= limit {
            return false;
        }
        if is_own {
            pending.store(before + ONE + cost_ns, Relaxed);
        } else {
            pending.fetch_add(ONE + cost_ns, Relaxed);
        }
        true
    }

    /// The share and the timer, if they are known.
    pub(crate) fn known(&self) -> Option<(Share, u32)> {
        let number = self.share.load(Acquire).checked_sub(1)?;
        Some((flight::share(number as u8)?, self.timer.load(Relaxed)))
    }

    /// Whether its events are those of this timer, or nobody knows yet whose.
    pub(crate) fn is_timed_by(&self, timer: u32) -> bool {
        let known = self.timer.load(Relaxed);
        known == timer || known == 0
    }

    /// Says which share and timer it has.
    pub(crate) fn introduce(&self, share: Share, timer: u32) {
        self.owner.store(thread(), Relaxed);
        self.timer.store(timer, Relaxed);
        self.share.store(u32::from(share.number) + 1, Release);
    }

    /// Before the launch: makes room for it, and records where a batch begins.
    pub(crate) fn before(&self, stream: Stream, work: &Work) -> Step {
        let Some((share, number)) = self.known() else { return Step::Joins };
        let timer = Timer::at(number);
        let is_open = self.limit.load(Relaxed) > 0;
        if !self.flight.has_room() || (work.is_kept && work.cost_ns > 0 && self.may_keep()) {
            return Step::Joins;
        }
        if is_open
            && work.cost_ns != 0
            && work.cost_ns < BATCH_NS
            && !self.flight.is_to_be_measured_anew()
        {
            let from = self.from.load(Relaxed);
            let passed = timer.filter(|_| from != 0).map(|timer| timer.passed(from));
            return Step::Fills { is_busy: passed == Some(Passed::No) };
        }
        if is_open {
            let from = self.from.load(Relaxed);
            let passed = timer.filter(|_| from != 0).map(|timer| timer.passed(from));
            self.close(share, number, stream, work.engine, passed == Some(Passed::No));
        }
        let last = self.last.swap(0, AcqRel);
        let Some(timer) = timer else { return Step::Opens { from: 0, is_busy: Some(false) } };
        let passed = if last == 0 { Passed::Unknown } else { timer.passed(last) };
        if passed == Passed::No {
            return Step::Opens { from: last, is_busy: Some(true) };
        }
        if work.engine == Engine::Compute {
            busy::comes(share);
        }
        timer.release(last);
        // Of a stream that had come to its last event it is known that it was not.
        let is_busy = (last != 0 && passed != Passed::NotNow).then_some(false);
        Step::Opens { from: timer.record(stream), is_busy }
    }

    /// After a launch that the driver has taken.
    pub(crate) fn after(&self, stream: Stream, work: &Work, step: Step, launched_ns: u64) {
        let Some((share, number)) = self.known() else { return };
        match step {
            Step::Opens { from, is_busy } => {
                let is_busy = is_busy.unwrap_or_else(|| self.is_behind(number, work, from));
                self.opened(share, number, stream, work, (from, is_busy), launched_ns);
            }
            Step::Fills { is_busy } => {
                self.others.fetch_add(ONE + work.estimate_ns(), Relaxed);
                self.close(share, number, stream, work.engine, is_busy);
            }
            Step::Joins => self.join(share, work),
        }
    }

    /// Counts a copy of known cost.
    pub(crate) fn copied(&self, share: Share, cost_ns: u64) {
        self.foreign_ns.fetch_add(cost_ns, Relaxed);
        // The next launch does not follow the last event directly any more.
        if self.last.load(Relaxed) != 0 {
            self.put(Timer::at(self.timer.load(Relaxed)), &self.last, 0);
        }
        share.allotment.copied(share.device, cost_ns);
    }

    /// Before a copy that is measured: ends the open batch, so that its events lie around launches alone.
    pub(crate) fn before_copy(&self, stream: Stream) -> Event {
        self.part(stream).map_or(0, |timer| timer.record(stream))
    }

    /// Whether a launch would be measured together with what was launched before it.
    pub(crate) fn is_open(&self) -> bool {
        self.limit.load(Relaxed) > 0 || self.last.load(Relaxed) != 0
    }

    /// The stream is about to wait for an event of another one: what lies around that was not busy all along. No
    /// event of ours is spent on it, because programs let streams wait for each other at every turn.
    #[inline]
    pub(crate) fn holds_up(&self) {
        if self.limit.load(Relaxed) > 0 {
            self.is_held_up.store(true, Relaxed);
        } else if self.last.load(Relaxed) != 0 {
            // The next launch does not follow the last event directly any more.
            self.put(Timer::at(self.timer.load(Relaxed)), &self.last, 0);
        }
    }

    /// Ends the open batch. The lane's timer.
    pub(crate) fn end(&self, stream: Stream) -> Option<&'static Timer> {
        let (share, number) = self.known()?;
        let timer = Timer::at(number);
        if self.limit.load(Relaxed) > 0 && self.flight.has_room() {
            let from = self.from.load(Relaxed);
            let passed = timer.filter(|_| from != 0).map(|timer| timer.passed(from));
            self.close(share, number, stream, Engine::Compute, passed == Some(Passed::No));
        }
        timer
    }

    /// The same, and what comes next is measured by itself.
    pub(crate) fn part(&self, stream: Stream) -> Option<&'static Timer> {
        let timer = self.end(stream);
        self.put(timer, &self.last, 0);
        timer
    }

    /// After it.
    pub(crate) fn after_copy(&self, stream: Stream, work: &Work, from: Event, launched_ns: u64) {
        let Some((share, number)) = self.known() else { return };
        let timer = Timer::at(number);
        let to = timer.map_or(0, |timer| timer.record(stream));
        let batch = Flown {
            share: share.number,
            timer: number,
            from,
            to,
            estimate_ns: work.counted_ns(),
            foreign_ns: 0,
            launched_ns,
            key: work.key,
            is_busy: true,
            engine: Engine::Copy,
        };
        if !self.flies(timer, &batch) {
            super::COSTS.learn_if_unknown(work.key, UNMEASURED_NS);
            self.copied(share, work.counted_ns());
        }
    }

    /// The driver has refused the launch: nothing happened.
    pub(crate) fn undo(&self, step: Step) {
        if let (Step::Opens { from, .. }, Some((_, number))) = (step, self.known())
            && let Some(timer) = Timer::at(number)
        {
            timer.release(from);
        }
    }

    /// Ends the open batch by what was learned: the stream is about to end.
    pub(crate) fn retire(&self) {
        let Some((share, number)) = self.known() else { return };
        self.share.store(0, Relaxed);
        self.limit.store(0, Relaxed);
        self.take_estimated(share);
        let (from, last) = (self.from.swap(0, AcqRel), self.last.swap(0, AcqRel));
        if let Some(timer) = Timer::at(number) {
            timer.release(from);
            timer.release(last);
        }
    }

    /// No batch of it is in flight, and the program has `waited` or has not: launches that found no place for a batch
    /// are counted by what was learned.
    pub(crate) fn drained(&self, waited: bool) {
        let is_much = waited && self.open_ns() >= BATCH_NS;
        if !is_much && self.joined_ns.load(Relaxed) == 0 {
            return;
        }
        if let Some((share, number)) = self.known() {
            self.ends_unmeasured(share, number);
        }
    }

    fn ends_unmeasured(&self, share: Share, number: u32) {
        self.limit.store(0, Relaxed);
        self.take_estimated(share);
        self.put(Timer::at(number), &self.from, 0);
    }

    /// Lets go of this timer's events, for which the next launch takes another: the few launches of a batch that is open
    /// are counted by what was learned.
    pub(crate) fn lets_events_go(&self, timer: u32) {
        let Some((share, number)) = self.known().filter(|(_, number)| *number == timer) else {
            return;
        };
        if self.limit.load(Relaxed) > 0 {
            self.ends_unmeasured(share, number);
        }
        self.put(Timer::at(number), &self.last, 0);
    }

    /// The same where nobody may ask about the events any more: also of what is in flight.
    pub(crate) fn abandon(&self, timer: u32, now_ns: u64) {
        self.flight.abandon(timer, now_ns);
        if self.timer.load(Relaxed) == timer && self.share.load(Relaxed) != 0 {
            self.retire();
        }
    }

    /// Whether the GPU has not come to the event before a launch that was made: then nothing was idle between, and
    /// what lies behind the event is the launch alone, whatever the stream waits for before. Of one that is
    /// measured for the first time nobody asks.
    fn is_behind(&self, timer: u32, work: &Work, from: Event) -> bool {
        let timer = Timer::at(timer).filter(|_| from != 0 && work.cost_ns > 0);
        timer.is_some_and(|timer| timer.passed(from) == Passed::No)
    }

    /// Whether launches that must stay together can go on doing so.
    fn may_keep(&self) -> bool {
        self.open_ns() < TOGETHER * BATCH_NS
    }

    /// What the launches in the open batch cost that are not counted as in flight, in nanoseconds.
    fn open_ns(&self) -> u64 {
        let cost = |pending: &AtomicU64| pending.load(Relaxed) & COST;
        cost(&self.own) + cost(&self.others)
    }

    fn join(&self, share: Share, work: &Work) {
        self.others.fetch_add(ONE + work.counted_ns(), Relaxed);
        self.begin();
        if !self.flight.has_room() {
            // It has asked whether it may go on, as one that fills a batch does, and the next asks when as much was launched.
            let (launches, cost_ns) = self.take();
            batch::commit(share, Engine::Compute, cost_ns, launches);
            self.joined_ns.fetch_add(cost_ns, Relaxed);
            self.limit.store(batch_room_ns(0, throttle::left_of_rank(share)), Relaxed);
        }
    }

    /// Opens a batch at the last event, unless one is open.
    fn begin(&self) {
        let last = self.last.swap(0, AcqRel);
        if self.limit.load(Relaxed) > 0 {
            if let Some(timer) = Timer::at(self.timer.load(Relaxed)) {
                timer.release(last);
            }
            return;
        }
        // What follows the last event directly is measured from it.
        self.from.store(last, Relaxed);
        self.opened_ns.store(flight::now_ns(), Relaxed);
        // What befell a batch that ended by what was learned, also one of the stream that had this place before.
        self.foreign_ns.store(0, Relaxed);
        self.is_held_up.store(false, Relaxed);
        self.limit.store(1, Relaxed);
    }
}
