//! GPU time, the container's side: what it may take, takes and took.
//!
//! Nothing here waits but [`Allotment::await_grant`], and that only as long as it is told. Every word is
//! changed by single atomic steps; a process that dies between two of them leaves one batch counted or
//! uncounted, and the agent grants by what it reads.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Allotment;
use crate::abi::{BackEnd, Engine, INTERVALS, Pace, Policy};
use crate::intervals::{self, Ring};
use crate::layout::{LedgerDevice, LimitsDevice, SlotDevice};
use crate::map::{DeviceIndex, Pages};
use crate::slot;
use crate::sys;

/// No thread acts this long after it has read the clock.
const AHEAD_NS: u64 = 1_000_000_000;
/// Time granted by oneself is added in steps no shorter than this.
const STEP_NS: u64 = 50_000;
/// No container owes itself more than this.
const DEBT_NS: u64 = 500_000_000;

/// How a container's compute time is limited, as it stands in the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// How compute is shared; what this version does not know reads as `fair`.
    pub policy: Policy,
    /// Who enforces it; what this version does not know reads as the shim.
    pub back_end: BackEnd,
    /// Weight under `fair`, in percent of the GPU: 1 to 100.
    pub weight: u32,
    /// Cap under `strict`, in percent of the GPU: 1 to 100.
    pub cap: u32,
    /// Scheduling quantum in microseconds: 1,000 to 100,000.
    pub quantum_us: u32,
    /// Devices arbitrated together carry the same number; 0: alone.
    pub gang: u64,
}

impl Terms {
    pub(crate) fn read(limits: &LimitsDevice) -> Self {
        Self {
            policy: Policy::from_raw(limits.policy.load(Relaxed)).unwrap_or(Policy::Fair),
            back_end: BackEnd::from_raw(limits.back_end.load(Relaxed)).unwrap_or(BackEnd::Shim),
            weight: limits.weight.load(Relaxed).clamp(1, 100),
            cap: limits.cap.load(Relaxed).clamp(1, 100),
            quantum_us: limits.quantum_us.load(Relaxed).clamp(1_000, 100_000),
            gang: limits.gang.load(Relaxed),
        }
    }

    /// The percentage that a container without an arbiter paces itself to.
    #[must_use]
    pub const fn share(&self) -> u32 {
        match self.policy {
            Policy::Strict => self.cap,
            _ => self.weight,
        }
    }

    /// The quantum in nanoseconds.
    #[must_use]
    pub const fn quantum_ns(&self) -> u64 {
        self.quantum_us as u64 * 1_000
    }

    /// Whether launches may have to wait at all.
    #[must_use]
    pub const fn delays(&self) -> bool {
        matches!(self.policy, Policy::Fair | Policy::Strict)
            && matches!(self.back_end, BackEnd::Shim)
    }
}

/// What a container may still launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit {
    /// GPU time that is left, in nanoseconds; debt where it is below zero.
    pub left_ns: i64,
    /// GPU time of what is launched and not settled, estimated, in nanoseconds.
    pub in_flight_ns: u64,
    /// GPU time spent so far, in nanoseconds: while it moves, batches are settled.
    pub spent_ns: u64,
}

impl Allotment {
    /// How this device's time is limited, at this moment.
    #[must_use]
    pub fn terms(&self, device: DeviceIndex) -> Terms {
        Terms::read(self.pages.limits(device))
    }

    /// How launches are paced; what this version does not know reads as no arbiter.
    #[inline]
    #[must_use]
    pub fn pace(&self, device: DeviceIndex) -> Pace {
        Pace::from_raw(self.pages.limits(device).pace.load(Relaxed)).unwrap_or(Pace::Alone)
    }

    /// The arbiter's beat: it lives while this changes.
    #[must_use]
    pub fn beat(&self, device: DeviceIndex) -> u64 {
        self.pages.limits(device).beat.load(Relaxed)
    }

    /// What is left of what the arbiter granted.
    #[inline]
    #[must_use]
    pub fn credit(&self, device: DeviceIndex) -> Credit {
        let granted = self.pages.limits(device).granted_ns.load(Relaxed);
        credit(self.pages.totals(device), granted)
    }

    /// What is left of what the container grants itself, by its share, at the machine's time `now_ns`:
    /// as time passes, up to a quantum ahead.
    #[must_use]
    pub fn own_credit(&self, device: DeviceIndex, now_ns: u64) -> Credit {
        let totals = self.pages.totals(device);
        own_grant(totals, &self.terms(device), now_ns);
        credit(totals, totals.own_granted_ns.load(Relaxed))
    }

    /// The container grants itself its time from `now_ns` on, which an arbiter did before: it begins with a quantum, and
    /// owes itself nothing of what it was granted by another.
    pub fn begins_alone(&self, device: DeviceIndex, now_ns: u64) {
        let totals = self.pages.totals(device);
        let committed = totals.committed_ns.load(Relaxed);
        let quantum_ns = self.terms(device).quantum_ns();
        totals.own_granted_at_ns.store(now_ns, Relaxed);
        totals.own_granted_ns.store(committed.wrapping_add(quantum_ns), Relaxed);
    }

    /// Says that a batch is about to be launched that is estimated to take so long, of so many launches.
    /// False: this process has no slot (it was forked, or all are taken), and nothing is counted.
    pub fn commit(&self, device: DeviceIndex, estimate_ns: u64, launches: u64) -> bool {
        let Some(slot) = slot::current(&self.pages) else { return false };
        let own = self.pages.slot_device(slot.index, device);
        let totals = self.pages.totals(device);
        own.in_flight_ns.fetch_add(estimate_ns, Relaxed);
        totals.committed_ns.fetch_add(estimate_ns, Relaxed);
        own.launches.fetch_add(launches, Relaxed);
        totals.launches.fetch_add(launches, Relaxed);
        true
    }

    /// Says that a batch is about to be launched, at this moment of the machine's time (`clock`), and that its
    /// stream has run dry. It counts where nothing else of the container is in flight.
    pub fn comes(&self, device: DeviceIndex, now_ns: u64) {
        let totals = self.pages.totals(device);
        let committed_ns = totals.committed_ns.load(Relaxed);
        if committed_ns == totals.spent_compute_ns.load(Relaxed) {
            totals.since_ns.store(now_ns, Relaxed);
        }
    }

    /// Says what a batch that was committed with this estimate took.
    pub fn settle(&self, device: DeviceIndex, estimate_ns: u64, spent_ns: u64) {
        let Some(slot) = slot::current(&self.pages) else { return };
        let own = self.pages.slot_device(slot.index, device);
        let totals = self.pages.totals(device);
        totals.spent_compute_ns.fetch_add(spent_ns, Relaxed);
        totals.committed_ns.fetch_add(spent_ns.wrapping_sub(estimate_ns), Relaxed);
        own.spent_compute_ns.fetch_add(spent_ns, Relaxed);
        take_off(&own.in_flight_ns, estimate_ns);
    }

    /// What this process has in flight of it, estimated, in nanoseconds.
    #[must_use]
    pub fn own_in_flight_ns(&self, device: DeviceIndex) -> u64 {
        slot::current(&self.pages)
            .map_or(0, |slot| self.pages.slot_device(slot.index, device).in_flight_ns.load(Relaxed))
    }

    /// Counts time of the copy engines.
    pub fn copied(&self, device: DeviceIndex, spent_ns: u64) {
        let Some(slot) = slot::current(&self.pages) else { return };
        self.pages.totals(device).spent_copy_ns.fetch_add(spent_ns, Relaxed);
        self.pages.slot_device(slot.index, device).spent_copy_ns.fetch_add(spent_ns, Relaxed);
    }

    /// Publishes when an engine was busy for this process, in the machine's time (`clock`).
    pub fn publish(&self, device: DeviceIndex, engine: Engine, start_ns: u64, end_ns: u64) {
        let Some(slot) = slot::current(&self.pages) else { return };
        let who = u64::from(engine.raw()) << 32 | slot.index as u64;
        let ring = DeviceRing { pages: &self.pages, device };
        intervals::publish(&ring, [start_ns, end_ns, who]);
    }

    /// Says that a thread begins to wait. False: this process has no slot.
    pub fn wait_begins(&self, device: DeviceIndex) -> bool {
        let Some(slot) = slot::current(&self.pages) else { return false };
        self.pages.slot_device(slot.index, device).waiting.fetch_add(1, Relaxed);
        self.pages.totals(device).waiting.fetch_add(1, Relaxed);
        true
    }

    /// Says that it has ended, after so many nanoseconds.
    pub fn wait_ends(&self, device: DeviceIndex, waited_ns: u64) {
        let Some(slot) = slot::current(&self.pages) else { return };
        let own = self.pages.slot_device(slot.index, device);
        let totals = self.pages.totals(device);
        own.waiting.fetch_sub(1, Relaxed);
        totals.waiting.fetch_sub(1, Relaxed);
        for (waits, waited) in [(&own.waits, &own.waited_ns), (&totals.waits, &totals.waited_ns)] {
            waits.fetch_add(1, Relaxed);
            waited.fetch_add(waited_ns, Relaxed);
        }
    }

    /// What [`Self::await_grant`] is to see changed.
    #[must_use]
    pub fn grant_word(&self, device: DeviceIndex) -> u32 {
        self.pages.limits(device).grant_wake.load(core::sync::atomic::Ordering::Acquire)
    }

    /// Waits until the agent changes something, unless it has since `seen` was read, a signal comes, or
    /// the time is over. One system call; errno stays.
    pub fn await_grant(&self, device: DeviceIndex, seen: u32, longest_ns: u64) {
        sys::futex_wait(&self.pages.limits(device).grant_wake, seen, longest_ns);
    }
}

fn credit(totals: &LedgerDevice, granted: u64) -> Credit {
    let committed = totals.committed_ns.load(Relaxed);
    let spent = totals.spent_compute_ns.load(Relaxed);
    Credit {
        left_ns: granted.wrapping_sub(committed).cast_signed(),
        in_flight_ns: committed.wrapping_sub(spent).cast_signed().max(0).unsigned_abs(),
        spent_ns: spent,
    }
}

/// Grants what has come due since the last time. Of several that come together one does it, and whoever has read the
/// clock before the last one did has nothing to grant.
fn own_grant(totals: &LedgerDevice, terms: &Terms, now_ns: u64) {
    let before = totals.own_granted_at_ns.load(Relaxed);
    let passed = match now_ns.checked_sub(before) {
        Some(passed) if passed < STEP_NS => return,
        Some(passed) => passed,
        None if before - now_ns < AHEAD_NS => return,
        // No thread is so late: somebody has written there what is not so, and it starts anew from here.
        None => 0,
    };
    let at = &totals.own_granted_at_ns;
    if at.compare_exchange(before, now_ns, Relaxed, Relaxed).is_err() {
        return;
    }
    let committed = totals.committed_ns.load(Relaxed);
    let left = totals.own_granted_ns.load(Relaxed).wrapping_sub(committed).cast_signed();
    let left = own_left(left, passed, terms);
    totals.own_granted_ns.store(committed.wrapping_add_signed(left), Relaxed);
}

/// What is left after so much time: its share of it more, at most a quantum.
fn own_left(left: i64, passed_ns: u64, terms: &Terms) -> i64 {
    let most = terms.quantum_ns().cast_signed();
    let due = passed_ns.saturating_mul(u64::from(terms.share())) / 100;
    left.max(-DEBT_NS.cast_signed()).saturating_add_unsigned(due).min(most)
}

/// Takes off what was added; stops at zero, whatever a tenant wrote there.
fn take_off(word: &AtomicU64, amount: u64) {
    if word.fetch_sub(amount, Relaxed) < amount {
        word.store(0, Relaxed);
    }
}

/// What a slot that is dropped had in flight and waiting goes over to its device.
pub(crate) fn bury(totals: &LedgerDevice, [in_flight_ns, waiting]: [u64; 2]) {
    totals.spent_compute_ns.fetch_add(in_flight_ns, Relaxed);
    let lower = |all: u32| Some(all.saturating_sub(waiting as u32));
    let _ = totals.waiting.fetch_update(Relaxed, Relaxed, lower);
}

/// What [`bury`] needs of a slot.
pub(crate) fn legacy(slot: &SlotDevice) -> [u64; 2] {
    [slot.in_flight_ns.load(Relaxed), u64::from(slot.waiting.load(Relaxed))]
}

struct DeviceRing<'a> {
    pages: &'a Pages,
    device: DeviceIndex,
}

impl Ring for DeviceRing<'_> {
    fn cursor(&self) -> &AtomicU64 {
        &self.pages.totals(self.device).intervals
    }

    fn entry(&self, number: u64) -> [&AtomicU64; 4] {
        let entry = self.pages.interval(self.device, (number % INTERVALS as u64) as usize);
        [&entry.start_ns, &entry.end_ns, &entry.who, &entry.check]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        policy: Policy::Fair,
        back_end: BackEnd::Shim,
        weight: 25,
        cap: 50,
        quantum_us: 5_000,
        gang: 0,
    };

    #[test]
    fn a_container_alone_grants_itself_its_share_of_the_time_that_passed() {
        assert_eq!(own_left(0, 1_000_000, &TERMS), 250_000);
        let strict = Terms { policy: Policy::Strict, ..TERMS };
        assert_eq!(own_left(0, 1_000_000, &strict), 500_000);
    }

    #[test]
    fn it_saves_no_more_than_a_quantum_and_owes_no_more_than_half_a_second() {
        assert_eq!(own_left(0, 900_000_000, &TERMS), 5_000_000);
        assert_eq!(own_left(i64::MAX, 100, &TERMS), 5_000_000);
        assert_eq!(own_left(i64::MIN, 1_000_000, &TERMS), 250_000 - 500_000_000);
    }

    #[test]
    fn a_debt_is_paid_by_the_time_that_passes_and_by_nothing_else() {
        assert_eq!(own_left(-400_000_000, 1_200_000_000, &TERMS), -100_000_000);
        assert_eq!(own_left(-400_000_000, 2_000_000_000, &TERMS), 5_000_000);
        assert_eq!(own_left(3_000_000, u64::MAX, &TERMS), 5_000_000);
    }

    #[test]
    fn only_fair_and_strict_under_the_shim_delay() {
        for &policy in Policy::ALL {
            for &back_end in BackEnd::ALL {
                let terms = Terms { policy, back_end, ..TERMS };
                let expected =
                    matches!(policy, Policy::Fair | Policy::Strict) && back_end == BackEnd::Shim;
                assert_eq!(terms.delays(), expected);
            }
        }
    }
}
