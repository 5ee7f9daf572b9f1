//! Whether a launch goes on, and how long it waits before the next look.
//!
//! A launch waits for credit, and for what is in flight to come down to a quantum. It never waits for
//! ever: what runs may be a kernel that spins until another is launched.

use crate::{BATCH_NS, UNKNOWN_NS};

/// What is known when a launch asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// GPU time that is left, in nanoseconds; debt below zero.
    pub left_ns: i64,
    /// GPU time in flight, estimated, in nanoseconds.
    pub in_flight_ns: u64,
    /// What the launch is estimated to take, in nanoseconds.
    pub cost_ns: u64,
    /// It was never measured, and the cost says nothing.
    pub is_unmeasured: bool,
    /// It is a rank's that has turns, which end on several GPUs at once.
    pub has_turns: bool,
    /// The quantum in nanoseconds, two of them where time is lent: so much may be in flight, and patience is counted in it.
    pub quantum_ns: u64,
    /// The share in percent, 1 to 100.
    pub share: u64,
    /// Credit comes with time and by itself, not from an arbiter that wakes.
    pub is_alone: bool,
    /// How long it has waited, in nanoseconds.
    pub waited_ns: u64,
    /// For how long nothing was settled, in nanoseconds; at most what it has waited.
    pub unsettled_ns: u64,
}

/// What becomes of a launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is launched.
    Launch,
    /// It looks again when something was granted, or after so many nanoseconds.
    Wait(u64),
}

impl Asked {
    /// How much may be in flight for it to follow, in nanoseconds. At most one launch that was never measured
    /// is: two of 50 ms in a share of 25 % would cost it 300 ms.
    fn most_ns(&self) -> u64 {
        match self {
            Self { is_unmeasured: true, .. } => self.quantum_ns.min(UNKNOWN_NS),
            Self { has_turns: true, .. } => {
                self.quantum_ns.min(RANK_NS.max(self.cost_ns.saturating_add(1)))
            }
            _ => self.quantum_ns,
        }
    }
}

/// What a rank that has turns may have in flight for another launch to follow, in nanoseconds; one launch, if that is longer.
/// When its turn closes the others wait for it.
const RANK_NS: u64 = 1_000_000;
/// The shortest wait in nanoseconds: sleeping takes about as long.
const SHORTEST_NS: u64 = 100_000;
/// The longest: an arbiter that has gone is noticed meanwhile.
const LONGEST_NS: u64 = 5_000_000;

/// How much may follow a launch that costs `cost_ns` in its batch without asking whether it may go on, in nanoseconds: what a
/// batch is to take. `left_ns` is said of a rank of a gang alone: what is left of its credit behind that launch. Its turn
/// ends where its credit does, and what goes on beyond that spins on its GPU through the others' time.
#[must_use]
pub const fn batch_room_ns(cost_ns: u64, left_ns: Option<i64>) -> u64 {
    let room_ns = BATCH_NS.saturating_sub(cost_ns);
    match left_ns {
        // A batch that is open and full.
        Some(..=1) => 1,
        Some(left_ns) if left_ns.unsigned_abs() < room_ns => left_ns.unsigned_abs(),
        _ => room_ns,
    }
}

/// Decides.
#[must_use]
pub fn verdict(asked: &Asked) -> Verdict {
    let is_full = asked.in_flight_ns >= asked.most_ns();
    if (asked.left_ns > 0 && !is_full) || may_be_awaited(asked) {
        return Verdict::Launch;
    }
    let credit_ns = match asked.left_ns {
        1.. => 0,
        left if asked.is_alone => {
            left.unsigned_abs().saturating_add(1).saturating_mul(100) / asked.share.clamp(1, 100)
        }
        // What has ended by then is told of, and so paid for, without waiting for a wake.
        _ if asked.in_flight_ns > 0 => asked.in_flight_ns.min(LONGEST_NS),
        _ => LONGEST_NS,
    };
    // What is in flight comes down without a wake.
    let flight_ns = if is_full { asked.in_flight_ns / 64 } else { 0 };
    let longest = if is_full { LONGEST_NS / 5 } else { LONGEST_NS };
    Verdict::Wait(credit_ns.max(flight_ns).clamp(SHORTEST_NS, longest))
}

/// Whether something that runs may be waiting for this launch: nothing was settled for four quanta and
/// for twice as long as what is in flight should take, or it has waited far beyond what its cost at its
/// share explains. A kernel that was never measured fills the quantum and may just be long: forty then.
fn may_be_awaited(asked: &Asked) -> bool {
    let quanta = if asked.in_flight_ns >= asked.most_ns() { 40 } else { 4 };
    if nothing_settles(asked, quanta) {
        return true;
    }
    let fair = asked.cost_ns.saturating_mul(200) / asked.share.clamp(1, 100);
    asked.waited_ns >= fair.saturating_add(20 * asked.quantum_ns)
}

/// Whether what other processes have in flight is left lying, as is seen when a launch goes on: nothing
/// was settled while it waited, for longer than all of it should take. A process that is stopped settles
/// nothing, and would fill the quantum for as long as it is.
#[must_use]
pub fn is_left_lying(asked: &Asked) -> bool {
    nothing_settles(asked, 4)
}

fn nothing_settles(asked: &Asked, quanta: u64) -> bool {
    let patience = (quanta * asked.quantum_ns).max(asked.in_flight_ns.saturating_mul(2));
    asked.in_flight_ns > 0 && asked.unsettled_ns >= patience
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const ASKED: Asked = Asked {
        left_ns: 1,
        in_flight_ns: 0,
        cost_ns: 20_000,
        is_unmeasured: false,
        has_turns: false,
        quantum_ns: 5 * MS,
        share: 25,
        is_alone: false,
        waited_ns: 0,
        unsettled_ns: 0,
    };

    #[test]
    fn with_credit_and_room_it_is_launched_and_else_it_waits() {
        let cases = [
            (1, 0, Verdict::Launch),
            (1, 5 * MS - 1, Verdict::Launch),
            (1, 5 * MS, Verdict::Wait(SHORTEST_NS)),
            (1, 32 * MS, Verdict::Wait(MS / 2)),
            (1, 80 * MS, Verdict::Wait(MS)),
            (0, 0, Verdict::Wait(LONGEST_NS)),
            (-1, MS, Verdict::Wait(MS)),
            (-1, 1, Verdict::Wait(SHORTEST_NS)),
        ];
        for (left_ns, in_flight_ns, expected) in cases {
            assert_eq!(verdict(&Asked { left_ns, in_flight_ns, ..ASKED }), expected);
        }
    }

    #[test]
    fn at_most_one_launch_that_was_never_measured_is_in_flight() {
        // Time that is lent lets two quanta be in flight, and a quantum is at most 10 ms.
        let lent = Asked { left_ns: i64::MAX, quantum_ns: 2 * 10 * MS, ..ASKED };
        let unmeasured = Asked { cost_ns: UNKNOWN_NS, is_unmeasured: true, ..lent };
        assert_eq!(verdict(&unmeasured), Verdict::Launch);
        let behind = |asked: Asked| verdict(&Asked { in_flight_ns: UNKNOWN_NS, ..asked });
        assert_ne!(behind(unmeasured), Verdict::Launch);
        assert_eq!(behind(lent), Verdict::Launch, "what is known goes on");
    }

    #[test]
    fn a_rank_has_a_millisecond_in_flight_or_one_launch_behind_another() {
        let rank = |cost_ns, in_flight_ns| {
            let asked = Asked { has_turns: true, cost_ns, in_flight_ns, ..ASKED };
            verdict(&asked) == Verdict::Launch
        };
        assert!(rank(MS / 2, MS - 1) && !rank(MS / 2, MS));
        assert!(rank(3 * MS, 3 * MS) && !rank(3 * MS, 3 * MS + 1));
        assert!(!rank(50 * MS, 5 * MS), "never more than any other");
    }

    #[test]
    fn what_a_rank_launches_unasked_is_no_more_than_what_is_left_of_its_credit() {
        assert_eq!(batch_room_ns(200_000, None), 300_000);
        let room_ns = |left_ns| batch_room_ns(200_000, Some(left_ns));
        assert_eq!([5_000_000, 300_000, 250_000].map(room_ns), [300_000, 300_000, 250_000]);
        assert_eq!([0, -200_000].map(room_ns), [1; 2]);
    }

    #[test]
    fn alone_it_waits_as_long_as_its_share_needs() {
        let alone = Asked { is_alone: true, ..ASKED };
        assert_eq!(verdict(&Asked { left_ns: -250_000 + 1, ..alone }), Verdict::Wait(MS));
        assert_eq!(verdict(&Asked { left_ns: -1, ..alone }), Verdict::Wait(SHORTEST_NS));
        assert_eq!(verdict(&Asked { left_ns: i64::MIN, ..alone }), Verdict::Wait(LONGEST_NS));
    }

    #[test]
    fn a_kernel_that_may_spin_for_it_gets_its_launch() {
        let stuck = Asked { left_ns: -100, in_flight_ns: MS, ..ASKED };
        let after = |unsettled_ns, in_flight_ns| {
            verdict(&Asked { unsettled_ns, in_flight_ns, waited_ns: unsettled_ns, ..stuck })
        };
        assert_ne!(after(19 * MS, MS), Verdict::Launch);
        assert_eq!(after(20 * MS, MS), Verdict::Launch);
        let stuck = Asked { cost_ns: 50 * MS, ..stuck };
        let after = |unsettled_ns, in_flight_ns| {
            verdict(&Asked { unsettled_ns, in_flight_ns, waited_ns: unsettled_ns, ..stuck })
        };
        for (in_flight_ns, patience) in
            [(5 * MS, 200 * MS), (50 * MS, 200 * MS), (150 * MS, 300 * MS)]
        {
            assert_ne!(after(patience - 1, in_flight_ns), Verdict::Launch, "it may just be long");
            assert_eq!(after(patience, in_flight_ns), Verdict::Launch);
        }
    }

    #[test]
    fn what_nobody_settled_during_a_long_wait_is_left_lying() {
        let full = Asked { in_flight_ns: 6 * MS, waited_ns: 101 * MS, ..ASKED };
        assert_eq!(verdict(&full), Verdict::Launch);
        let lying = |unsettled_ns| is_left_lying(&Asked { unsettled_ns, ..full });
        assert!(lying(101 * MS) && lying(20 * MS) && !lying(20 * MS - 1));
        assert!(!is_left_lying(&Asked { in_flight_ns: 0, unsettled_ns: 101 * MS, ..full }));
    }

    #[test]
    fn what_was_never_measured_waits_for_what_is_in_flight_for_forty_quanta_and_no_longer() {
        let unmeasured = Asked { cost_ns: UNKNOWN_NS, is_unmeasured: true, ..ASKED };
        let after = |ns| Asked {
            left_ns: i64::MAX,
            in_flight_ns: 5 * MS,
            waited_ns: ns,
            unsettled_ns: ns,
            ..unmeasured
        };
        assert_ne!(verdict(&after(139 * MS)), Verdict::Launch);
        assert_eq!(verdict(&after(200 * MS)), Verdict::Launch);
        assert!(is_left_lying(&after(20 * MS)));
    }

    #[test]
    fn no_launch_waits_for_ever() {
        let broke = Asked { left_ns: i64::MIN, cost_ns: 50 * MS, ..ASKED };
        assert_ne!(verdict(&Asked { waited_ns: 499 * MS, ..broke }), Verdict::Launch);
        assert_eq!(verdict(&Asked { waited_ns: 500 * MS, ..broke }), Verdict::Launch);
    }
}
