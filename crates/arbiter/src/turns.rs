//! What the policy of one GPU makes of a timetable.
//!
//! The lengths of turns are the shares there. What a gang did not use of them is not owed to it; by what it had beyond
//! a turn its next one is the shorter, on all of its GPUs alike. Between turns all others are as they are on a GPU
//! without gangs; what they launch there is to be done when the next turn begins. A gang that has nothing to do in its
//! turn leaves it to them.

use crate::ends::{Ending, HANDOVER_NS, LOOK_NS, SPARE_NS};
use crate::gpu::Gpu;
use crate::member::{Grant, Member, Pace};
use crate::terms::Policy;

/// How long nobody need look in a gang's turn, in nanoseconds. A rank that spun before it is told of that when its turn has
/// begun, and has no credit left until the next look.
const TURN_LOOK_NS: u64 = 1_000_000;

/// Who has turns of a GPU, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Turns {
    /// The keys of all who have turns. None: the GPU has no timetable.
    pub scheduled: Vec<u64>,
    /// The key of the one whose turn it is; `None`: it is that of all the others.
    pub whose: Option<u64>,
    /// When its turn began: see [`crate::Moment::begun_ns`].
    pub begun_ns: u64,
    /// How far it is with its turn.
    pub ending: Ending,
    /// For how long whoever has it may have work, in nanoseconds.
    pub left_ns: u64,
    /// How long that holds, in nanoseconds.
    pub holds_ns: u64,
    /// By how much its turn is the shorter, in nanoseconds.
    pub short_ns: u64,
}

/// What a gang had of a GPU beyond its turns: its next ones are the shorter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overrun {
    /// When its last turn began, by the clock that all have.
    turn_ns: u64,
    /// What it was charged in all then, in nanoseconds.
    charged_ns: u64,
    /// How long that turn was, in nanoseconds.
    due_ns: u64,
    /// What it had too much, in nanoseconds. At most half a turn, so that no turn falls out on one GPU alone.
    carried_ns: u64,
}

impl Overrun {
    /// The turn that began at `turn_ns` goes on for so long, unless that is known; its cap is so much less.
    fn begins(&mut self, turn_ns: u64, charged_ns: u64, left_ns: u64, above_cap_ns: u64) {
        if self.due_ns > 0 && self.turn_ns == turn_ns {
            return;
        }
        let used_ns = if self.due_ns == 0 { 0 } else { charged_ns.wrapping_sub(self.charged_ns) };
        let carried_ns = self.carried_ns.saturating_add(used_ns).saturating_sub(self.due_ns);
        let carried_ns = carried_ns.max(above_cap_ns).min(left_ns / 2);
        // A look that comes late makes no turn shorter.
        let due_ns = left_ns + SPARE_NS + HANDOVER_NS;
        *self = Self { turn_ns, charged_ns, due_ns, carried_ns };
    }
}

/// By how much a turn of so many nanoseconds is longer than what a container under a cap has saved and earns meanwhile.
fn above_cap_ns(member: &Member, turn_ns: u64) -> u64 {
    if member.terms.policy != Policy::Strict {
        return 0;
    }
    let earned_ns = turn_ns * member.terms.guaranteed() / 100;
    let has_ns = member.own_ns - member.held_ns().cast_signed() + earned_ns.cast_signed();
    (turn_ns.cast_signed() - has_ns).max(0).unsigned_abs()
}

impl Turns {
    pub(crate) fn has(&self, key: u64) -> bool {
        self.scheduled.contains(&key)
    }

    /// How long nobody need look because of them, in nanoseconds.
    #[must_use]
    pub fn look_ns(&self) -> u64 {
        match self.ending {
            _ if self.scheduled.is_empty() => u64::MAX,
            Ending::Open => self.holds_ns.min(TURN_LOOK_NS),
            Ending::Over => self.holds_ns,
            Ending::Leads | Ending::Lags(_) => self.holds_ns.min(LOOK_NS),
        }
    }

    /// Whether a member may go on; a turn that is not used, because its holder `idles`, is the others'.
    fn may(&self, key: u64, idles: bool) -> bool {
        match self.whose {
            Some(whose) if whose == key => true,
            Some(_) => idles && !self.has(key),
            None => !self.has(key),
        }
    }
}

impl Gpu {
    /// What a container had of the GPU beyond its turns, in nanoseconds: its gang's turns are the shorter by it, on all
    /// of its GPUs alike.
    #[must_use]
    pub fn overrun_ns(&self, key: u64) -> u64 {
        let member = self.members.iter().find(|member| member.key == key);
        member.map_or(0, |member| member.overrun.carried_ns)
    }

    /// The GPU is divided by a timetable, of which this holds at the next tick.
    pub fn take_turns(&mut self, turns: Turns) {
        let goes_on = turns.whose.filter(|_| turns.ending == Ending::Open);
        for member in self.members.iter_mut().filter(|member| Some(member.key) == goes_on) {
            let turn_ns = turns.left_ns + turns.short_ns;
            let above_ns = above_cap_ns(member, turn_ns);
            member.overrun.begins(turns.begun_ns, member.charged_ns, turn_ns, above_ns);
        }
        // What a gang has while nobody else wants the GPU is beyond no turn.
        for member in self.members.iter_mut().filter(|member| !turns.has(member.key)) {
            member.overrun = Overrun::default();
        }
        self.turns = turns;
    }

    /// Who has turns is neither ahead of the others nor behind them.
    pub(crate) fn level(&mut self) {
        for member in &mut self.members {
            if self.turns.has(member.key) {
                member.virtual_ns = self.virtual_ns;
            }
        }
    }

    /// What a timetable leaves of the `grants` of all members.
    pub(crate) fn bound_by_turns(&mut self) {
        if self.turns.scheduled.is_empty() {
            return;
        }
        let turns = &self.turns;
        // One that has turns and is at its cap has shorter ones, and those to itself.
        let is_there = |member: &Member| {
            if turns.has(member.key) { member.wants() } else { member.is_backlogged() }
        };
        let works = |member: &Member| turns.whose == Some(member.key) && is_there(member);
        let idles = !self.members.iter().any(works);
        let wants = |member: &&Member| turns.may(member.key, idles) && member.is_backlogged();
        let is_wanted = self.members.iter().any(|m| turns.has(m.key) && is_there(m));
        let weights: u64 = self.members.iter().filter(wants).map(|m| m.terms.weight()).sum();
        // What the others launch hides the hand-over to a gang; a gang's own turn is over when it is.
        let over_ns = if turns.whose.is_none() { HANDOVER_NS } else { 0 };
        for member in &mut self.members {
            // While no gang wants the GPU nothing has to be done when a turn begins.
            let is_left_alone = !is_wanted && !turns.has(member.key);
            if member.terms.policy == Policy::Unmetered || is_left_alone {
                continue;
            }
            let all =
                if member.is_backlogged() { weights } else { weights + member.terms.weight() };
            let part_ns = (turns.left_ns + over_ns) * member.terms.weight() / all.max(1);
            let own_ns = match (turns.may(member.key, idles), member.terms.policy) {
                (false, _) => 0,
                // Beyond a strict cap too: a rank that stands still costs more, and its next turn is the
                // shorter by it.
                (true, _) if turns.whose == Some(member.key) && turns.ending != Ending::Open => {
                    if let Ending::Lags(lag_ns) = turns.ending {
                        lag_ns
                    } else {
                        0
                    }
                }
                // Nobody else runs in its turn, so its measure is the card's: by what it was in a time when
                // others did, two gangs would launch for two turns each and never come apart. Nor is it held at a
                // strict cap there, where the rank on the other GPU is not: what is above that its turns are the shorter by.
                (true, _) if turns.has(member.key) => part_ns,
                (true, _) => part_ns.min(member.grant.credit_ns),
            };
            member.grant = Grant { pace: Pace::Metered, credit_ns: own_ns, ..member.grant };
        }
    }
}
