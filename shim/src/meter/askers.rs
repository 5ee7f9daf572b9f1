//! Who asks the driver about a context's events, and who may be ending the context: never both at once.
//!
//! Either may be cancelled inside the driver and never come out. Nobody waits for such a one twice, and a context that
//! somebody never came back from ending is told of, so that others can begin anew.

use crate::meter::flight::now_ns;
use crate::sys;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// Who has not come out of the driver by then, in nanoseconds, is taken to have been cancelled there. A thread that
/// only lost its processor is back long before, on a machine with any time to give.
const LONGEST_NS: u64 = 1_000_000_000;
/// One context that had the place, in a word of those who may be ending it.
const ONE_USE: u64 = 1 << 32;

/// Those who ask about one context, and those who may be ending it. Zero is a value.
pub(crate) struct Askers {
    asking: AtomicU32,
    /// How many of them were waited for in vain.
    lost: AtomicU32,
    /// How many may be ending the context; above them, how many contexts have ended here.
    leaving: AtomicU64,
    /// Since when anybody may be ending it, by this process's clock.
    since_ns: AtomicU64,
}

impl Askers {
    /// Nobody.
    pub(crate) const fn new() -> Self {
        Self {
            asking: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            leaving: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
        }
    }

    /// What the driver says, unless the context may be about to end: its events go with it. Whoever is in here when
    /// that begins is waited for.
    pub(crate) fn ask<T>(&self, driver: impl FnOnce() -> T) -> Option<T> {
        self.asking.fetch_add(1, SeqCst);
        let answer = if self.is_leaving() { None } else { Some(driver()) };
        self.asking.fetch_sub(1, SeqCst);
        answer
    }

    /// The context may be about to end: until [`Self::stays`] is told the same number nobody asks about its events.
    pub(crate) fn may_leave(&self) -> u64 {
        if !self.is_leaving() {
            self.since_ns.store(now_ns(), Relaxed);
        }
        let uses = self.leaving.fetch_add(1, SeqCst) / ONE_USE;
        self.await_all();
        uses
    }

    /// It has not ended, or its place is another's by now.
    pub(crate) fn stays(&self, uses: u64) {
        let _ = self.leaving.fetch_update(SeqCst, Relaxed, |leaving| {
            let is_its = leaving / ONE_USE == uses && leaving % ONE_USE > 0;
            is_its.then(|| leaving - 1)
        });
    }

    /// Another context has the place from now on.
    pub(crate) fn are_anothers(&self) {
        let next = |leaving: u64| Some((leaving / ONE_USE).wrapping_add(1) << 32);
        let _ = self.leaving.fetch_update(SeqCst, Relaxed, next);
    }

    /// Whether somebody has been ending the context for so long that nobody may ever say that it stays.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_leaving() && now_ns().saturating_sub(self.since_ns.load(Relaxed)) >= LONGEST_NS
    }

    /// Waits until nobody asks.
    pub(crate) fn await_all(&self) {
        let until_ns = now_ns().saturating_add(LONGEST_NS);
        loop {
            let asking = self.asking.load(SeqCst);
            // One of the lost that has come out after all is not lost any more.
            if asking <= self.lost.fetch_min(asking, SeqCst) {
                return;
            }
            if now_ns() >= until_ns {
                self.lost.store(asking, SeqCst);
                return;
            }
            sys::yield_now();
        }
    }

    fn is_leaving(&self) -> bool {
        !self.leaving.load(SeqCst).is_multiple_of(ONE_USE)
    }
}
