//! One GPU: who has used how much, and who may go on.

use crate::member::{Grant, Interval, Member, Pace, Reading};
use crate::replay::{Event, Player, Replay};
use crate::rests::{Rest, Rests};
use crate::terms::{Class, Policy, Settings, Terms};
use crate::turns::Turns;

/// How long a batch is waited with before it is charged, in nanoseconds: one that ran inside it can
/// be told of later, by up to a look.
const HOLD_NS: u64 = 3_000_000;
/// Over how much time it is seen which part of it turning takes, in nanoseconds.
const TURNING_NS: f64 = 200_000_000.0;
/// The most that turning can take off what is guaranteed, as a part of the time.
const MOST_TURNING: f64 = 0.03;
/// The most processes of a container that are believed to have slices of the card.
const MOST_SLICES: u32 = 64;

/// What a container is charged at a tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Charge {
    /// So much of the card's time, in nanoseconds.
    pub(crate) ns: u64,
    /// What of that it is owed nothing for, because nobody else wanted it then, in nanoseconds.
    pub(crate) lent_ns: u64,
    /// For so long it earned nothing that would have paid for that, in nanoseconds.
    pub(crate) over_ns: u64,
    /// How long that took by its own measure, in nanoseconds.
    pub(crate) length_ns: u64,
}

/// The arbiter of one GPU.
#[derive(Clone, Debug)]
pub struct Gpu {
    settings: Settings,
    replay: Replay,
    players: Vec<Player>,
    events: Vec<(u64, Event, usize)>,
    pub(crate) members: Vec<Member>,
    /// How far the one is that is behind all others.
    pub(crate) virtual_ns: u64,
    now_ns: u64,
    pub(crate) turns: Turns,
    /// The part of the time in which the card turns to another, of late.
    turning: f64,
    rests: Rests,
    /// What each is charged at a tick.
    charges: Vec<Charge>,
}

impl Gpu {
    /// A GPU without containers.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            replay: Replay::new(),
            players: Vec::new(),
            events: Vec::new(),
            members: Vec::new(),
            virtual_ns: 0,
            now_ns: 0,
            turning: 0.0,
            rests: Rests::default(),
            charges: Vec::new(),
            turns: Turns::default(),
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
        let is_first = self.now_ns == 0;
        let passed_ns = if is_first { 0 } else { passed_ns };
        if is_first {
            self.replay.begin(now_ns.saturating_sub(HOLD_NS));
        }
        self.now_ns = self.now_ns.max(now_ns);
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
        self.charge(passed_ns);
        let rest = self.rest(passed_ns);
        self.rests.passed(passed_ns);
        // Beside one that rests for a moment nobody is alone.
        let alone = self.only_one().filter(|_| rest.is_none());
        let wanting = self.members.iter().filter(|member| member.wants());
        let slices = wanting.map(|member| u64::from(member.running.clamp(1, MOST_SLICES))).sum();
        for (member, charge) in self.members.iter_mut().zip(&mut self.charges) {
            let is_alone = alone == Some(member.key);
            member.idles(charge.ns, passed_ns, self.settings.quantum_ns, slices);
            // Who is alone takes all others along: only in company there is something to owe.
            charge.lent_ns = if is_alone { 0 } else { charge.lent_ns };
            member.book(charge, self.virtual_ns);
            // At a cap what is lent is charged all the same.
            let is_lent = !is_alone && member.terms.policy != Policy::Strict;
            let lent_ns = if is_lent { self.replay.lent_ns(member.key) } else { 0 };
            member.unplayed_ns = self.replay.left_ns(member.key, self.now_ns) - lent_ns;
        }
        self.replay.lend(alone);
        self.level();
        if let Some(least) = self.behind().map(Member::expected_ns).min() {
            let ahead_ns = least.saturating_sub(self.virtual_ns);
            let lead_ns = self.settings.window_ns(1);
            let taken = rest.map(|rest| self.rests.takes_along(ahead_ns, lead_ns, rest));
            self.virtual_ns += taken.unwrap_or(ahead_ns);
        }
        let backlogged = self.backlogged();
        let saved_ns = [self.settings.window_ns(backlogged), self.settings.unserved_ns(backlogged)];
        for member in &mut self.members {
            member.catch_up(self.virtual_ns, saved_ns[0]);
        }
        let earning_ns = self.earning_ns(passed_ns);
        let batch_waits = |one: &Member| one.terms.class == Class::Batch && one.is_backlogged();
        let is_held_back = self.members.iter().any(batch_waits);
        for (member, charge) in self.members.iter_mut().zip(&self.charges) {
            member.earn(charge, earning_ns, self.virtual_ns, saved_ns);
            member.pay_for_going_first(passed_ns, is_held_back);
        }
        self.decide();
        self.bound_by_turns();
    }

    /// Of the time that passed what is divided: the card needs some for itself, to turn from one to another.
    /// Where shares leave no room for that, all are the less by it; and by no more than [`MOST_TURNING`],
    /// because what it needs is reckoned from what containers claim.
    fn earning_ns(&mut self, passed_ns: u64) -> u64 {
        let turning_ns = self.replay.take_turning_ns();
        if passed_ns > 0 {
            let weight = (passed_ns as f64 / TURNING_NS).min(1.0);
            self.turning += (turning_ns as f64 / passed_ns as f64 - self.turning) * weight;
        }
        let active = self.members.iter().filter(|member| member.is_active());
        let all: u64 = active.map(|member| member.terms.guaranteed()).sum();
        let left = (1.0 - self.turning.min(MOST_TURNING)) * 100.0 / all.max(1) as f64;
        (passed_ns as f64 * left.min(1.0)) as u64
    }

    /// How long until the next tick, in nanoseconds.
    #[must_use]
    pub fn next_tick_ns(&self) -> u64 {
        match self.is_contended() {
            true => self.settings.look_ns(self.backlogged()),
            false => self.settings.quantum_ns,
        }
    }

    /// The only one that could use more, if there is only one.
    fn only_one(&self) -> Option<u64> {
        let mut all = self.members.iter().filter(|member| member.is_backlogged());
        let one = all.next()?;
        all.next().is_none().then_some(one.key)
    }

    /// Those that the others wait for: of them the one that is behind all others is next.
    fn behind(&self) -> impl Iterator<Item = &Member> {
        let is_behind = |m: &&Member| m.is_backlogged() && !m.is_idling();
        self.members.iter().filter(is_behind).filter(|member| !self.turns.has(member.key))
    }

    /// Whether somebody rests that was there a moment ago, and who wants the card meanwhile.
    fn rest(&self, passed_ns: u64) -> Option<Rest> {
        // Nobody owes anything to who is never told to wait.
        let is_owed = |m: &Member| m.terms.policy != Policy::Unmetered && !self.turns.has(m.key);
        let rests = |m: &Member| m.is_active() && !m.wants() && is_owed(m);
        let weights = self.behind().map(|member| member.terms.weight()).sum();
        let runs = |m: &Member| m.running > 0 && !m.is_idling();
        let stands = !self.members.iter().any(runs);
        self.members.iter().any(rests).then_some(Rest { passed_ns, weights, stands })
    }

    fn backlogged(&self) -> usize {
        self.members.iter().filter(|member| member.is_backlogged()).count()
    }

    /// Charges the batches that are due. What is claimed without one is charged for as long as passed since the last tick,
    /// at most; what is more is due at the next ones.
    fn charge(&mut self, passed_ns: u64) {
        self.charges.clear();
        self.charges.resize(self.members.len(), Charge::default());
        let until = self.now_ns.saturating_sub(HOLD_NS);
        for (member, charge) in self.members.iter_mut().zip(&mut self.charges) {
            let unshown = member.settled.unshown(passed_ns);
            *charge = Charge { ns: unshown, length_ns: unshown, ..Charge::default() };
        }
        self.tell(until);
        let (replay, members, charges) = (&mut self.replay, &mut self.members, &mut self.charges);
        let events = &self.events;
        replay.play(&mut self.players, events, until, self.settings.slice_ns, |number, charged| {
            let (end_ns, event, player) = events[number];
            let Event::Ends { start_ns, .. } = event else { return };
            let batch = Interval { start_ns, end_ns };
            let charge = &mut charges[player];
            charge.ns += charged.charge_ns;
            let (unseen_ns, over_ns) = members[player].unseen.take(batch, charged.charge_ns);
            charge.ns += unseen_ns;
            charge.over_ns += over_ns;
            charge.lent_ns += charged.lent_ns;
            charge.length_ns += batch.length_ns();
            members[player].settled.done(batch);
            if let Some((player, whole_ns)) = charged.seen {
                members[player].settled.learn(whole_ns);
            }
        });
    }

    /// What all containers tell of the time that is played next.
    fn tell(&mut self, until_ns: u64) {
        self.events.clear();
        self.players.resize_with(self.members.len(), Player::default);
        let span = (self.replay.at_ns(), until_ns);
        for (number, (member, player)) in self.members.iter_mut().zip(&mut self.players).enumerate()
        {
            player.key = member.key;
            player.processes = u64::from(member.running.max(1));
            player.mean_ns = member.settled.mean_ns();
            player.usual_ns = member.settled.usual_ns();
            member.settled.tell(player, number, span, member.since_ns, &mut self.events);
        }
        self.events.sort_unstable();
    }

    /// What each container may use from now on, by key.
    pub fn grants(&self) -> impl Iterator<Item = (u64, Grant)> + '_ {
        self.members.iter().map(|member| (member.key, member.grant))
    }

    fn decide(&mut self) {
        let active = self.active();
        let turns = &self.turns;
        // Between its turns a gang is not there.
        let is_there = |member: &&Member| !turns.has(member.key) || turns.whose == Some(member.key);
        let backlogged = self.members.iter().filter(|member| member.is_backlogged());
        let weights: u64 = backlogged.filter(is_there).map(|member| member.terms.weight()).sum();
        // Who has turns goes before nobody between them.
        let goes_first = |member: &Member| member.goes_first() && !turns.has(member.key);
        let first = self.members.iter().any(goes_first);
        for member in &mut self.members {
            member.went_first = first && member.goes_first();
        }
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
        // What batch work has in flight is in the way of one that goes first, whenever it comes.
        let goes = |one: &Member| one.terms.class == Class::Latency && !self.turns.has(one.key);
        let may_come = self.members.iter().any(goes);
        let lead_ns = match member.terms.class {
            Class::Batch if may_come => window_ns / 2,
            _ => window_ns,
        };
        let lead = lead_ns * 100 / all.max(1);
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
        Grant { pace: Pace::Metered, credit_ns: member.measure.in_its_measure(own), is_asleep }
    }
}
