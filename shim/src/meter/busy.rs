//! What a settled batch comes to in the ledger: time that was not counted before, and the interval.

use crate::allotments::Share;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI64};
use ledger::{Engine, clock};
use meter_rules::Covered;

/// Shares and engines of one process.
const MOST: usize = 128;

/// The time of one engine that was counted.
struct Counted {
    is_taken: AtomicBool,
    covered: UnsafeCell<Covered>,
}

// SAFETY: the cell is touched by the thread alone that has changed the flag beside it.
unsafe impl Sync for Counted {}

static COUNTED: [Counted; MOST] = [const {
    Counted { is_taken: AtomicBool::new(false), covered: UnsafeCell::new(Covered::new()) }
}; MOST];

/// Counts a batch that was committed with this estimate and was busy until `end_ns` by this process's
/// clock.
pub(crate) fn count(share: Share, engine: Engine, estimate_ns: u64, spent_ns: u64, end_ns: u64) {
    let fresh_ns = fresh(share, engine, end_ns.saturating_sub(spent_ns), end_ns);
    tell(share, engine, estimate_ns, fresh_ns, end_ns);
}

/// A batch is about to be launched on a stream that has run dry: tells since when the container has work, if it has
/// no other. Between two looks the arbiter could not see a rest.
pub(crate) fn comes(share: Share) {
    share.allotment.comes(share.device, machine_ns(clock::own_ns()));
}

/// Counts a batch that nothing measured: whole, because nobody knows what it overlaps with.
pub(crate) fn count_estimate(share: Share, engine: Engine, estimate_ns: u64) {
    tell(share, engine, estimate_ns, estimate_ns, clock::own_ns());
}

fn tell(share: Share, engine: Engine, estimate_ns: u64, fresh_ns: u64, end_ns: u64) {
    let (allotment, device) = (share.allotment, share.device);
    match engine {
        Engine::Compute => allotment.settle(device, estimate_ns, fresh_ns),
        Engine::Copy => allotment.copied(device, fresh_ns),
    }
    if fresh_ns > 0 {
        let end_ns = machine_ns(end_ns);
        allotment.publish(device, engine, end_ns.saturating_sub(fresh_ns), end_ns);
    }
}

/// How much of a stretch was not counted before. Where another thread is at it nobody waits: the
/// stretch counts whole.
fn fresh(share: Share, engine: Engine, start_ns: u64, end_ns: u64) -> u64 {
    let at = usize::from(share.number) * 2 + engine.raw() as usize;
    let Some(counted) = COUNTED.get(at) else { return end_ns.saturating_sub(start_ns) };
    if counted.is_taken.swap(true, Acquire) {
        return end_ns.saturating_sub(start_ns);
    }
    // SAFETY: the flag was ours to take, and nothing below leaves before it is given back.
    let fresh = unsafe { &mut *counted.covered.get() }.add(start_ns, end_ns);
    counted.is_taken.store(false, Release);
    fresh
}

/// A moment of this process's clock by the machine's.
pub(crate) fn machine_ns(own_ns: u64) -> u64 {
    clock::machine_ns(own_ns, ahead_ns())
}

/// By how much this process's clock is ahead of the machine's: asked for once.
fn ahead_ns() -> i64 {
    static AHEAD: AtomicI64 = AtomicI64::new(i64::MIN);
    let known = AHEAD.load(Relaxed);
    if known != i64::MIN {
        return known;
    }
    let asked = clock::ahead_ns();
    AHEAD.store(asked, Relaxed);
    asked
}
