//! What the policy of one GPU makes of a timetable.
//!
//! The lengths of turns are the shares there, and nothing that a gang did or did not use of them is owed
//! to it or by it. Between turns all others are as they are on a GPU without gangs; what they launch
//! there is to be done when the next turn begins. A gang that has nothing to do in its turn leaves it to them.

use crate::gpu::Gpu;
use crate::member::{Grant, Member, Pace};
use crate::terms::Policy;

/// Who has turns of a GPU, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Turns {
    /// The keys of all who have turns. None: the GPU has no timetable.
    pub scheduled: Vec<u64>,
    /// The key of the one whose turn it is; `None`: it is that of all the others.
    pub whose: Option<u64>,
    /// How long that holds, in nanoseconds.
    pub left_ns: u64,
}

impl Turns {
    pub(crate) fn has(&self, key: u64) -> bool {
        self.scheduled.contains(&key)
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
    /// The GPU is divided by a timetable, of which this holds at the next tick.
    pub fn take_turns(&mut self, turns: Turns) {
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
        let works = |member: &Member| turns.whose == Some(member.key) && member.is_backlogged();
        let idles = !self.members.iter().any(works);
        let wants = |member: &&Member| turns.may(member.key, idles) && member.is_backlogged();
        let is_wanted = self.members.iter().any(|m| turns.has(m.key) && m.is_backlogged());
        let weights: u64 = self.members.iter().filter(wants).map(|m| m.terms.weight()).sum();
        for member in &mut self.members {
            // While no gang wants the GPU nothing has to be done when a turn begins.
            let is_left_alone = !is_wanted && !turns.has(member.key);
            if member.terms.policy == Policy::Unmetered || is_left_alone {
                continue;
            }
            let all =
                if member.is_backlogged() { weights } else { weights + member.terms.weight() };
            let part_ns = turns.left_ns * member.terms.weight() / all.max(1);
            let own_ns = match (turns.may(member.key, idles), member.terms.policy) {
                (false, _) => 0,
                (true, Policy::Strict) => part_ns.min(member.grant.credit_ns),
                // Nobody else runs in its turn, so its measure is the card's: by what it was in a time when
                // others did, two gangs would launch for two turns each and never come apart.
                (true, _) if turns.has(member.key) => part_ns,
                (true, _) => part_ns.min(member.grant.credit_ns),
            };
            member.grant = Grant { pace: Pace::Metered, credit_ns: own_ns, ..member.grant };
        }
    }
}
