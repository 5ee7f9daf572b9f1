//! Where a launch waits: before the driver sees it, on no lock, with nothing held.
//!
//! It waits on the page that the agent writes, for as long as `meter::verdict` says, and looks again.
//! The system call is none of those at which a thread is cancelled; a signal ends it and it goes on.

use crate::allotments::Share;
use crate::meter::timer::quietly;
use crate::meter::{busy, flight, lanes};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU64};
use ledger::{Credit, Pace, Terms};
use meter_rules::{Asked, UNKNOWN_NS, Verdict, is_left_lying, verdict};

/// So long after the last beat the arbiter counts as gone, in nanoseconds.
const SILENCE_NS: u64 = 250_000_000;
/// Quanta that may be in flight of time that is lent: the second hides the look that the first ends with.
const LENT_QUANTA: u64 = 2;
/// Shares of one process.
const MOST: usize = 64;

/// What this process saw of an arbiter's beat.
struct Beat {
    seen: AtomicU64,
    /// Since when, as far as this process looked; 0: it never did.
    since_ns: AtomicU64,
}

static BEATS: [Beat; MOST] =
    [const { Beat { seen: AtomicU64::new(0), since_ns: AtomicU64::new(0) } }; MOST];

/// By share, what other processes have in flight that was not settled for so long that it bounds nobody
/// any more, in nanoseconds: a process that is stopped settles nothing. Falls as they settle.
static LEFT_LYING: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// Waits until a launch may go on; `cost` says what it costs by what is known at the moment, 0: nothing. A rank of a
/// gang that has to wait first does `tell` what it has launched: another may wait for that on its GPU, and what is
/// not told of looks done.
pub(crate) fn admit(share: Share, cost: &dyn Fn() -> u64, tell: &dyn Fn()) {
    let terms = share.allotment.terms(share.device);
    if terms.delays() {
        wait(share, cost, tell, &terms);
    }
}

fn wait(share: Share, cost: &dyn Fn() -> u64, tell: &dyn Fn(), terms: &Terms) {
    let (allotment, device) = (share.allotment, share.device);
    let start_ns = flight::now_ns();
    let mut progress = (u64::MAX, start_ns);
    let (mut waits, mut has_told) = (false, terms.gang == 0);
    loop {
        let word = allotment.grant_word(device);
        let now_ns = flight::now_ns();
        let Grant { credit, is_alone, quanta } = grant(share, now_ns);
        if credit.spent_ns != progress.0 {
            progress = (credit.spent_ns, now_ns);
        }
        let known_ns = cost();
        let others_ns = credit.in_flight_ns.saturating_sub(allotment.own_in_flight_ns(device));
        let asked = Asked {
            left_ns: credit.left_ns,
            in_flight_ns: credit.in_flight_ns - left_lying(share, others_ns),
            cost_ns: if known_ns == 0 { UNKNOWN_NS } else { known_ns },
            is_unmeasured: known_ns == 0,
            // Where nobody else wants its GPU, or no arbiter is there, it has no turns.
            has_turns: terms.gang != 0 && credit.left_ns != i64::MAX && !is_alone,
            quantum_ns: terms.quantum_ns() * quanta,
            share: u64::from(terms.share()),
            is_alone,
            waited_ns: now_ns.saturating_sub(start_ns),
            unsettled_ns: now_ns.saturating_sub(progress.1),
        };
        let Verdict::Wait(longest_ns) = verdict(&asked) else {
            if is_left_lying(&asked) {
                leave_lying(share, others_ns);
            }
            break;
        };
        if !has_told {
            has_told = true;
            tell();
        }
        // To wait for what is in flight is no want of credit.
        if !waits && credit.left_ns <= 0 {
            // A forked child has no slot, and no driver that would launch anything.
            if !allotment.wait_begins(device) {
                break;
            }
            waits = true;
        }
        allotment.await_grant(device, word, longest_ns);
        if lanes::any_flies() {
            quietly(|| lanes::settle(false));
        }
    }
    if waits {
        allotment.wait_ends(device, flight::now_ns().saturating_sub(start_ns));
    }
}

/// What is left of a rank's credit where it has turns, in nanoseconds; none: it is no rank, or has its GPU to itself.
pub(crate) fn left_of_rank(share: Share) -> Option<i64> {
    let (allotment, device) = (share.allotment, share.device);
    let terms = allotment.terms(device);
    let may_have = terms.gang != 0 && terms.delays() && allotment.pace(device) == Pace::Metered;
    // Of an arbiter that is gone the last word stands, and by that nothing would be left for ever.
    let has_turns = may_have && arbiter_lives(share, flight::now_ns());
    has_turns.then(|| allotment.credit(device).left_ns)
}

/// What is left lying of what others have in flight.
fn left_lying(share: Share, others_ns: u64) -> u64 {
    let Some(lying) = LEFT_LYING.get(usize::from(share.number)) else { return 0 };
    lying.fetch_min(others_ns, Relaxed).min(others_ns)
}

fn leave_lying(share: Share, others_ns: u64) {
    if let Some(lying) = LEFT_LYING.get(usize::from(share.number)) {
        lying.store(others_ns, Relaxed);
    }
}

/// What a share has at a moment.
struct Grant {
    credit: Credit,
    /// It comes by itself.
    is_alone: bool,
    /// How many quanta may be in flight, and in how many patience is counted.
    quanta: u64,
}

/// Where idle time is lent there is always credit; what is in flight stays bounded, so that the time can be taken back.
fn grant(share: Share, now_ns: u64) -> Grant {
    let (allotment, device) = (share.allotment, share.device);
    let pace = allotment.pace(device);
    if pace == Pace::Alone || !arbiter_lives(share, now_ns) {
        // By the machine's clock: processes of the container may be in time namespaces of their own.
        let now_ns = busy::machine_ns(now_ns);
        if was_granted(share, false) {
            allotment.begins_alone(device, now_ns);
        }
        let credit = allotment.own_credit(device, now_ns);
        return Grant { credit, is_alone: true, quanta: 1 };
    }
    was_granted(share, true);
    let credit = allotment.credit(device);
    if pace != Pace::Free {
        return Grant { credit, is_alone: false, quanta: 1 };
    }
    let credit = Credit { left_ns: i64::MAX, ..credit };
    Grant { credit, is_alone: false, quanta: LENT_QUANTA }
}

/// Whether an arbiter granted this process its time when it looked last, which from now on it does or does not.
fn was_granted(share: Share, is_granted: bool) -> bool {
    static GRANTED: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];
    let Some(granted) = GRANTED.get(usize::from(share.number)) else { return false };
    granted.load(Relaxed) != is_granted && granted.swap(is_granted, Relaxed)
}

/// Whether an arbiter beats. One that was never looked at has its chance to; one that has not moved since it was looked
/// at last, however long ago, is gone.
fn arbiter_lives(share: Share, now_ns: u64) -> bool {
    let Some(beat) = BEATS.get(usize::from(share.number)) else { return false };
    let now = share.allotment.beat(share.device);
    let seen = beat.seen.load(Acquire);
    let since_ns = beat.since_ns.load(Relaxed);
    if seen != now || since_ns == 0 {
        // Since when comes first: whoever sees this beat must not take the one before to have been silent until now.
        beat.since_ns.store(now_ns, Relaxed);
        beat.seen.store(now, Release);
        return true;
    }
    now_ns.saturating_sub(since_ns) < SILENCE_NS
}
