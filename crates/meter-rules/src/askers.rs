//! Who asks the driver about a context's events, and who may be ending the context: never both at once.
//!
//! Either may be cancelled inside the driver and never come out. Nobody waits for such a one twice, and a context that
//! somebody never came back from ending is told of, so that others can begin anew.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// Who has not come out of the driver by then, in nanoseconds, is taken to have been cancelled there. A thread that
/// only lost its processor is back long before, on a machine with any time to give.
const LONGEST_NS: u64 = 1_000_000_000;
/// Where one after the other may be ending the context without a pause, one of them may be lost all the same, in
/// nanoseconds.
const LONGEST_OF_ALL_NS: u64 = 10 * LONGEST_NS;
/// Between two looks no more passes for who waits, in nanoseconds: a process that was stopped had no time to give.
const STEP_NS: u64 = 10_000_000;
/// One context that had the place, in a word of those who may be ending it.
const ONE_USE: u64 = 1 << 32;

/// What passes while somebody waits for those who ask.
pub trait Clock {
    /// Nanoseconds of a clock that never goes back.
    fn now_ns(&self) -> u64;
    /// Lets others have the processor.
    fn pause(&self);
}

/// Those who ask about one context, and those who may be ending it. Zero is a value.
pub struct Askers {
    asking: AtomicU32,
    /// How many of them were waited for in vain.
    lost: AtomicU32,
    /// How many may be ending the context; above them, how many contexts have ended here.
    leaving: AtomicU64,
    /// Since when anybody may be ending it without a pause.
    since_ns: AtomicU64,
    /// When the last of them came out.
    moved_ns: AtomicU64,
}

impl Askers {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            asking: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            leaving: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            moved_ns: AtomicU64::new(0),
        }
    }

    /// What the driver says, unless the context may be about to end: its events go with it. Whoever is in here when
    /// that begins is waited for.
    pub fn ask<T>(&self, driver: impl FnOnce() -> T) -> Option<T> {
        self.asking.fetch_add(1, SeqCst);
        let answer = if self.is_leaving() { None } else { Some(driver()) };
        let asking = self.asking.fetch_sub(1, SeqCst).wrapping_sub(1);
        // One of the lost that has come out after all is not lost any more.
        if self.lost.load(SeqCst) > asking {
            self.lost.fetch_min(asking, SeqCst);
        }
        answer
    }

    /// The context may be about to end: until [`Self::stays`] is told the same number nobody asks about its events.
    pub fn may_leave(&self, clock: &impl Clock) -> u64 {
        if !self.is_leaving() {
            let now_ns = clock.now_ns();
            self.since_ns.store(now_ns, Relaxed);
            self.moved_ns.store(now_ns, Relaxed);
        }
        let uses = self.leaving.fetch_add(1, SeqCst) / ONE_USE;
        self.await_all(clock);
        uses
    }

    /// It has not ended, or its place is another's by now.
    pub fn stays(&self, uses: u64, clock: &impl Clock) {
        // Whoever comes out shows that it moves, also for those who began before.
        self.moved_ns.store(clock.now_ns(), Relaxed);
        let _ = self.leaving.fetch_update(SeqCst, Relaxed, |leaving| {
            let is_its = leaving / ONE_USE == uses && leaving % ONE_USE > 0;
            is_its.then(|| leaving - 1)
        });
    }

    /// Another context has the place from now on.
    pub fn are_anothers(&self) {
        let next = |leaving: u64| Some((leaving / ONE_USE).wrapping_add(1) << 32);
        let _ = self.leaving.fetch_update(SeqCst, Relaxed, next);
    }

    /// Whether somebody has been ending the context for so long that nobody may ever say that it stays.
    pub fn is_stuck(&self, clock: &impl Clock) -> bool {
        let is_over = |since: &AtomicU64, longest_ns| {
            clock.now_ns().saturating_sub(since.load(Relaxed)) >= longest_ns
        };
        self.is_leaving()
            && (is_over(&self.moved_ns, LONGEST_NS) || is_over(&self.since_ns, LONGEST_OF_ALL_NS))
    }

    /// Waits until nobody asks.
    pub fn await_all(&self, clock: &impl Clock) {
        let (mut left_ns, mut last_ns) = (LONGEST_NS, clock.now_ns());
        loop {
            let asking = self.asking.load(SeqCst);
            if asking <= self.lost.fetch_min(asking, SeqCst) {
                return;
            }
            if left_ns == 0 {
                self.lost.store(asking, SeqCst);
                return;
            }
            clock.pause();
            let now_ns = clock.now_ns();
            left_ns = left_ns.saturating_sub(now_ns.saturating_sub(last_ns).min(STEP_NS));
            last_ns = now_ns;
        }
    }

    fn is_leaving(&self) -> bool {
        !self.leaving.load(SeqCst).is_multiple_of(ONE_USE)
    }
}

impl Default for Askers {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const MS: u64 = 1_000_000;

    /// A clock that goes on by a millisecond where somebody waits.
    #[derive(Default)]
    struct Played {
        now_ns: Cell<u64>,
        pauses: Cell<u64>,
        /// The process is stopped for so long at its first pause.
        stops_ns: u64,
    }

    impl Played {
        fn goes_on(&self, ns: u64) {
            self.now_ns.set(self.now_ns.get() + ns);
        }
    }

    impl Clock for Played {
        fn now_ns(&self) -> u64 {
            self.now_ns.get()
        }

        fn pause(&self) {
            self.goes_on(if self.pauses.get() == 0 { MS + self.stops_ns } else { MS });
            self.pauses.set(self.pauses.get() + 1);
        }
    }

    /// How often one that may be ending the context looks while another asks and does not come out.
    fn pauses(askers: &Askers, clock: &Played) -> u64 {
        let before = clock.pauses.get();
        askers.ask(|| askers.stays(askers.may_leave(clock), clock));
        clock.pauses.get() - before
    }

    #[test]
    fn who_asks_is_waited_for_and_nobody_asks_meanwhile() {
        let (askers, clock) = (Askers::new(), Played::default());
        assert_eq!(askers.ask(|| 7), Some(7));
        let uses = askers.may_leave(&clock);
        assert_eq!((askers.ask(|| 7), clock.pauses.get()), (None, 0));
        askers.stays(uses, &clock);
        assert_eq!(askers.ask(|| 7), Some(7));
        assert_eq!(pauses(&askers, &clock), 1000);
    }

    #[test]
    fn who_was_overtaken_and_came_out_is_waited_for_again_as_is_the_next() {
        let (askers, clock) = (Askers::new(), Played::default());
        assert_eq!(pauses(&askers, &clock), 1000);
        assert_eq!(pauses(&askers, &clock), 1000);
    }

    #[test]
    fn who_never_comes_out_is_waited_for_once() {
        let (askers, clock) = (Askers::new(), Played::default());
        askers.ask(|| {
            for pauses in [1000, 1000, 1000] {
                askers.stays(askers.may_leave(&clock), &clock);
                assert_eq!(clock.pauses.get(), pauses);
            }
        });
    }

    #[test]
    fn a_process_that_was_stopped_overtakes_nobody_for_it() {
        let clock = Played { stops_ns: 5000 * MS, ..Played::default() };
        assert_eq!(pauses(&Askers::new(), &clock), 991);
    }

    #[test]
    fn of_several_that_come_and_go_none_is_taken_for_one_that_never_came_back() {
        let (askers, clock) = (Askers::new(), Played::default());
        let mut last = askers.may_leave(&clock);
        for _ in 0..12 {
            clock.goes_on(600 * MS);
            let next = askers.may_leave(&clock);
            askers.stays(last, &clock);
            assert!(!askers.is_stuck(&clock));
            last = next;
        }
        clock.goes_on(1000 * MS);
        assert!(askers.is_stuck(&clock), "the last of them");
        askers.stays(last, &clock);
        assert!(!askers.is_stuck(&clock));
    }

    #[test]
    fn one_that_never_came_back_is_seen_though_others_come_and_go() {
        let (askers, clock) = (Askers::new(), Played::default());
        let uses = askers.may_leave(&clock);
        for at in 1..=20 {
            clock.goes_on(500 * MS);
            askers.stays(askers.may_leave(&clock), &clock);
            assert_eq!(askers.is_stuck(&clock), at == 20, "{at}");
        }
        askers.are_anothers();
        assert!(!askers.is_stuck(&clock));
        // Of the context before it is nothing to this one.
        askers.stays(uses, &clock);
        assert_eq!(askers.ask(|| 7), Some(7));
    }
}
