//! [`meter_rules::Askers`] by this process's clock.

use crate::meter::flight::now_ns;
use crate::sys;
use meter_rules::Clock;

/// Those who ask about one context, and those who may be ending it. Zero is a value.
pub(crate) struct Askers(meter_rules::Askers);

/// The process's own.
struct Own;

impl Clock for Own {
    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn pause(&self) {
        sys::yield_now();
    }
}

impl Askers {
    /// Nobody.
    pub(crate) const fn new() -> Self {
        Self(meter_rules::Askers::new())
    }

    /// What the driver says, unless the context may be about to end.
    pub(crate) fn ask<T>(&self, driver: impl FnOnce() -> T) -> Option<T> {
        self.0.ask(driver)
    }

    /// The context may be about to end: until [`Self::stays`] is told the same number nobody asks about its events.
    pub(crate) fn may_leave(&self) -> u64 {
        self.0.may_leave(&Own)
    }

    /// It has not ended, or its place is another's by now.
    pub(crate) fn stays(&self, uses: u64) {
        self.0.stays(uses, &Own);
    }

    /// Another context has the place from now on.
    pub(crate) fn are_anothers(&self) {
        self.0.are_anothers();
    }

    /// Whether somebody has been ending the context for so long that nobody may ever say that it stays.
    pub(crate) fn is_stuck(&self) -> bool {
        self.0.is_stuck(&Own)
    }

    /// Waits until nobody asks.
    pub(crate) fn await_all(&self) {
        self.0.await_all(&Own);
    }
}
