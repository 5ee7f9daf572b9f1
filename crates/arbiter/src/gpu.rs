//! One GPU: who has used how much, and who may go on.

use crate::member::{Grant, Interval, Member, Pace, Reading};
use crate::terms::{Class, Policy, Settings, Terms};
use crate::timeline::{Contest, Timeline};
use crate::turns::Turns;

/// How long a batch is waited with before it is charged, in nanoseconds: one that ran inside it can
/// be told of later, by up to a look.
const HOLD_NS: u64 = 3_000_000;

/// The arbiter of one GPU.
#[derive(Clone, Debug)]
pub struct Gpu {
    settings: Settings,
    timeline: Timeline,
    pub(crate) members: Vec<Member>,
    /// How far the one is that is behind all others.
    pub(crate) virtual_ns: u64,
    now_ns: u64,
    pub(crate) turns: Turns,
    /// What each is charged at a tick, and how long that took by its own measure.
    charges: Vec<(u64, u64)>,
    /// What is charged at a tick: for how long it surely was on the card, whose it is, and when.
    due: Vec<(u64, usize, Interval)>,
}

impl Gpu {
    /// A GPU without containers.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            timeline: Timeline::new(),
            members: Vec::new(),
            virtual_ns: 0,
            now_ns: 0,
            charges: Vec::new(),
            turns: Turns::default(),
            due: Vec::new(),
        }
    }

    /// A container comes in, under a key of its own; one that is in has other terms from now on.
    pub fn join(&mut self, key: u64, terms: Terms, reading: &Reading<'_>) {
        match self.members.iter_mut().find(|member| member.key == key) {
            Some(member) => member.terms = terms,
            None => {
                let member =
                    Member::new(key, terms, self.virtual_ns, self.settings.window_ns(0), reading);
                self.members.push(member);
            }
        }
    }

    /// A container leaves. What it had left goes to the others at once.
    pub fn leave(&mut self, key: u64) {
        self.members.retain(|member| member.key != key);
    }

    /// Time is divided more or less finely from now on.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How many containers use the GPU or want to.
    #[must_use]
    pub fn active(&self) -> usize {
        self.members.iter().filter(|member| member.is_active()).count()
    }

    /// Whether somebody has to be looked at once a half quantum: two who may get into each other's
    /// way, or one that must be held below what is free.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        let active = || self.members.iter().filter(|member| member.is_active());
        active().count() > 1 || active().any(|member| member.terms.policy == Policy::Strict)
    }

    /// Whether a container uses the GPU or wants to.
    #[must_use]
    pub fn is_active(&self, key: u64) -> bool {
        self.members.iter().any(|member| member.key == key && member.is_active())
    }

    /// What a container was charged in all, in nanoseconds of the card's own time.
    #[must_use]
    pub fn charged_ns(&self, key: u64) -> u64 {
        self.members.iter().find(|member| member.key == key).map_or(0, |member| member.charged_ns)
    }

    /// Claims of a container that could not be.
    #[must_use]
    pub fn oddities(&self, key: u64) -> u64 {
        let member = self.members.iter().find(|member| member.key == key);
        member.map_or(0, |member| member.settled.oddities)
    }

    /// Who is in.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.members.iter().map(|member| member.key)
    }

    /// It is `now_ns`: takes in what `read` says of each container. Afterwards [`Gpu::grants`] says
    /// what each may use. One that `read` knows nothing of is as it was.
    pub fn tick<'a>(&mut self, now_ns: u64, mut read: impl FnMut(u64) -> Option<Reading<'a>>) {
        let passed_ns = now_ns.saturating_sub(self.now_ns);
        // Who starts to look has no past to count.
        let passed_ns = if self.now_ns == 0 { 0 } else { passed_ns };
        self.now_ns = self.now_ns.max(now_ns);
        self.timeline.advance(self.now_ns);
        let others = self.backlogged() as u64;
        for member in &mut self.members {
            let was_idle = !member.is_backlogged();
            if let Some(reading) = read(member.key) {
                member.read(&reading, others, now_ns);
            }
            if was_idle {
                // Time that it did not want is not owed to it.
                member.virtual_ns = member.virtual_ns.max(self.virtual_ns);
            }
        }
        self.charge();
        for (member, &(charge, length)) in self.members.iter_mut().zip(&self.charges) {
            member.book(charge, length, self.virtual_ns);
        }
        self.level();
        let turns = &self.turns;
        let behind = self.members.iter().filter(|m| m.is_backlogged() && !turns.has(m.key));
        if let Some(least) = behind.map(Member::expected_ns).min() {
            self.virtual_ns = self.virtual_ns.max(least);
        }
        let backlogged = self.backlogged();
        let saved_ns = [self.settings.window_ns(backlogged), self.settings.unserved_ns(backlogged)];
        for (member, &(charge, _)) in self.members.iter_mut().zip(&self.charges) {
            member.earn(charge, passed_ns, self.virtual_ns, saved_ns);
        }
        self.decide();
        self.bound_by_turns();
    }

    /// How long until the next tick, in nanoseconds.
    #[must_use]
    pub fn next_tick_ns(&self) -> u64 {
        match self.is_contended() {
            true => self.settings.look_ns(self.backlogged()),
            false => self.settings.quantum_ns,
        }
    }

    fn backlogged(&self) -> usize {
        self.members.iter().filter(|member| member.is_backlogged()).count()
    }

    /// Charges the batches that are due.
    fn charge(&mut self) {
        self.charges.clear();
        self.charges.resize(self.members.len(), (0, 0));
        let until = self.now_ns.saturating_sub(HOLD_NS);
        for (member, charge) in self.members.iter_mut().zip(&mut self.charges) {
            let unshown = member.settled.unshown();
            *charge = (unshown, unshown);
        }
        self.find_due(until);
        for at in 0..self.due.len() {
            let (_, index, batch) = self.due[at];
            let contest = self.contest(index, batch);
            let charge = self.timeline.charge(batch.start_ns, batch.end_ns, contest);
            self.charges[index].0 += charge;
            self.charges[index].1 += batch.length_ns();
            self.members[index].settled.done(batch, &contest);
        }
    }

    /// The batches that are due, the one first that is surely its container's for the shortest time.
    fn find_due(&mut self, until_ns: u64) {
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        for (index, member) in self.members.iter().enumerate() {
            let ended = member.settled.held().filter(|batch| batch.end_ns <= until_ns);
            due.extend(ended.map(|batch| {
                let least_ns = self.contest(index, batch).least_ns(batch.length_ns());
                (least_ns, index, batch)
            }));
        }
        due.sort_by_key(|(least_ns, ..)| *least_ns);
        self.due = due;
    }

    /// Who else had work while this batch was on the card.
    fn contest(&self, index: usize, batch: Interval) -> Contest {
        let (slice_ns, usual_ns) = (self.settings.slice_ns, self.members[index].settled.usual_ns());
        let mut contest = Contest { slice_ns, usual_ns, ..Contest::default() };
        let mut all_ns = 0;
        for (_, rival) in self.members.iter().enumerate().filter(|(at, _)| *at != index) {
            let for_ns = rival.wanted_ns(batch);
            all_ns += for_ns * u64::from(rival.running.max(1));
            contest.uncharged_ns += rival.uncharged_ns(batch);
            contest.ended_ns = contest.ended_ns.max(rival.settled.ended_ns(batch));
            if for_ns > contest.for_ns {
                contest.for_ns = for_ns;
                contest.came_in = rival.settled.came_in(batch);
            }
        }
        // As many as there were on average.
        contest.rivals = (all_ns + contest.for_ns / 2) / contest.for_ns.max(1);
        contest
    }

    /// What each container may use from now on, by key.
    pub fn grants(&self) -> impl Iterator<Item = (u64, Grant)> + '_ {
        self.members.iter().map(|member| (member.key, member.grant))
    }

    fn decide(&mut self) {
        let active = self.active();
        let backlogged = self.members.iter().filter(|member| member.is_backlogged());
        let weights: u64 = backlogged.map(|member| member.terms.weight()).sum();
        let first = self.members.iter().any(Member::goes_first);
        for index in 0..self.members.len() {
            let member = &self.members[index];
            let others = active - usize::from(member.is_active());
            let grant = self.grant(member, others, weights, first);
            self.members[index].grant = grant;
        }
    }

    fn grant(&self, member: &Member, others: usize, weights: u64, first: bool) -> Grant {
        let weight = member.terms.weight();
        // Who has no work may come back beside others who come back as well.
        let all = if member.is_backlogged() { weights } else { (weights + weight).max(100) };
        let window_ns = self.settings.window_ns(self.backlogged());
        let lead = window_ns * 100 / all.max(1);
        let is_asleep = member.is_asleep;
        let free = Grant { pace: Pace::Free, credit_ns: window_ns, is_asleep };
        let held = member.held_ns() as i64;
        let [guaranteed, own] =
            [member.bucket_ns, member.own_ns].map(|ns| (ns - held).max(0).unsigned_abs());
        let ahead_of = (self.virtual_ns + lead).saturating_sub(member.expected_ns());
        let fair = (ahead_of * weight / 100).max(guaranteed);
        let own = match member.terms.policy {
            Policy::Unmetered => return free,
            Policy::Fair if others == 0 && member.is_active() => return free,
            _ if first && member.terms.class == Class::Batch => 0,
            Policy::Strict => own,
            Policy::Fair => fair.max(own),
        };
        Grant { pace: Pace::Metered, credit_ns: member.in_its_measure(own), is_asleep }
    }
}
