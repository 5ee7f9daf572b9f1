//! One container on a GPU: what it says, what it was charged, what it may use.

use crate::gpu::Charge;
use crate::measure::Measure;
use crate::settle::Settled;
use crate::terms::{Class, Policy, Terms};
use crate::turns::Overrun;
use crate::unseen::Unseen;

/// What a container says of itself. Claims, all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reading<'a> {
    /// GPU time measured since the container began, by the length of its batches, in nanoseconds.
    pub spent_ns: u64,
    /// Batches that were measured since the last reading.
    pub intervals: &'a [Interval],
    /// Moves when it launches.
    pub launches: u64,
    /// Whether a thread of it waits for credit.
    pub waiting: bool,
    /// Processes with work on the card or in its queues.
    pub running: u32,
    /// How much work that is by their estimate, in nanoseconds.
    pub in_flight_ns: u64,
    /// When it launched last while it had nothing on the card, in nanoseconds of the clock that ticks are told
    /// of; 0: that is not known.
    pub since_ns: u64,
}

/// A batch: when it was on the card, in nanoseconds of the clock that ticks are told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interval {
    /// When its first work began.
    pub start_ns: u64,
    /// When its last work ended.
    pub end_ns: u64,
}

impl Interval {
    /// How long it was, in nanoseconds.
    #[must_use]
    pub fn length_ns(self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// How a container is to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It may launch while it has credit.
    Metered,
    /// It may launch: nobody else wants the GPU.
    Free,
}

/// What a container may use from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// How it is to go on.
    pub pace: Pace,
    /// Credit, in nanoseconds of its own measure: what it may spend beyond the `spent_ns` that it was
    /// read with, work in flight included.
    pub credit_ns: u64,
    /// It says that it has work and does nothing, though it could: what it says is in flight is not
    /// believed to be.
    pub is_asleep: bool,
}

impl Grant {
    pub(crate) const NOTHING: Self = Self { pace: Pace::Metered, credit_ns: 0, is_asleep: false };
}

/// Ticks without a launch, work or a waiting thread until a container counts as idle. One that works
/// every now and then stays in, so that it need not wait to be noticed each time.
const LINGER: u32 = 20;
/// How long a container that could go on may do nothing until it is not believed to want to, in
/// nanoseconds; what it has on the card may take its time.
const ASLEEP_NS: u64 = 50_000_000;
/// The same of one that only says that it has something on the card, beyond what that may take: what it waited for in a
/// way that nobody sees is told of with its next launch.
const UNTOLD_NS: u64 = 3_000_000;
/// What a launch that was never measured is told to take, in nanoseconds: `meter_rules::UNKNOWN_NS`, as a test knows.
const UNKNOWN_NS: u64 = 5_000_000;
/// For how many quanta one that may go on has used nothing until the others wait for it no longer.
const IDLE_QUANTA: u64 = 6;
/// How far what a container says of when it came and of its batches may be apart, in nanoseconds.
const DOUBT_NS: u64 = 100_000;
/// For how long one that was belied is not believed when it came, in nanoseconds. Who lies is belied by nearly all that it
/// tells; who has several streams or processes is now and then, though honest, and needs to be believed again.
const DISBELIEF_NS: u64 = 50_000_000;
/// For how many times the length of the batch that belied it besides: who has long ones is belied the more seldom, the
/// smaller its share is.
const DISBELIEF_LENGTHS: u64 = 20;
/// The most that a container can be made to wait for what it used too much, in nanoseconds of the
/// GPU's whole time: a kernel of half a second at a tenth of the GPU is still paid for.
pub(crate) const MOST_DEBT_NS: u64 = 5_000_000_000;

/// For how long time is saved of which a request can be answered at once, in nanoseconds.
const REQUEST_NS: u64 = 50_000_000;
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: u64,
    pub(crate) terms: Terms,
    /// What it was charged by weight, as if it had the whole GPU: nanoseconds. The one that is behind
    /// all others by this is next.
    pub(crate) virtual_ns: u64,
    /// What it has of its guaranteed part of the clock's time, in nanoseconds; negative: debt.
    pub(crate) own_ns: i64,
    /// The same, without debt for what it was lent.
    pub(crate) bucket_ns: i64,
    /// What it was charged in all, in nanoseconds.
    pub(crate) charged_ns: u64,
    /// See [`Settled`].
    pub(crate) settled: Settled,
    pub(crate) waiting: bool,
    pub(crate) running: u32,
    pub(crate) is_asleep: bool,
    /// What it may have had of the card that it is not charged for, in nanoseconds.
    unpaid_ns: i64,
    /// The most that it can be charged for what is not charged yet, whatever it claims, in nanoseconds.
    pub(crate) unplayed_ns: u64,
    /// Its part of what all may be ahead, in nanoseconds.
    part_ns: i64,
    /// The most that it can have saved, in nanoseconds.
    most_ns: i64,
    pub(crate) grant: Grant,
    /// Others were held back for it since the last tick.
    pub(crate) went_first: bool,
    /// For how much of the clock's time others may still be held back for it, in nanoseconds.
    first_ns: i64,
    /// For how long it has had credit and used nothing, and whether that is long, in nanoseconds.
    idle_ns: u64,
    is_idling: bool,
    /// How long what it says is on the card may take, beside the others, in nanoseconds.
    runs_ns: u64,
    pub(crate) overrun: Overrun,
    launches: u64,
    quiet: u32,
    /// When it last did something, or was last without credit, in nanoseconds.
    moved_ns: u64,
    /// Since when it says that it has work on the card or in its queues, and when it was last read, in
    /// nanoseconds.
    pub(crate) since_ns: Option<u64>,
    read_ns: u64,
    /// See [`Unseen`].
    pub(crate) unseen: Unseen,
    /// When it said last that it came, and until when that is not believed, in nanoseconds.
    told_ns: u64,
    doubted_until_ns: u64,
    pub(crate) measure: Measure,
}

impl Member {
    /// One that comes in while the others are at `virtual_ns`: without history, and with its credit.
    pub(crate) fn new(
        key: u64,
        terms: Terms,
        virtual_ns: u64,
        window_ns: u64,
        reading: &Reading<'_>,
    ) -> Self {
        Self {
            key,
            terms,
            virtual_ns,
            own_ns: Self::most(terms, window_ns),
            bucket_ns: Self::most(terms, window_ns),
            charged_ns: 0,
            settled: Settled::new(reading.spent_ns),
            waiting: reading.waiting,
            running: reading.running,
            is_asleep: false,
            unpaid_ns: 0,
            unplayed_ns: 0,
            part_ns: Self::most(terms, window_ns),
            most_ns: Self::most(terms, window_ns),
            grant: Grant::NOTHING,
            went_first: false,
            first_ns: Self::most(terms, REQUEST_NS),
            idle_ns: 0,
            is_idling: false,
            runs_ns: 0,
            overrun: Overrun::default(),
            launches: reading.launches,
            quiet: LINGER,
            moved_ns: 0,
            since_ns: None,
            read_ns: 0,
            unseen: Unseen::default(),
            told_ns: 0,
            doubted_until_ns: 0,
            measure: Measure::default(),
        }
    }

    /// Takes a reading in, beside so many others that have work.
    pub(crate) fn read(&mut self, reading: &Reading<'_>, others: u64, now_ns: u64) {
        let launched = reading.launches != self.launches;
        self.launches = reading.launches;
        let claimed = self.settled.take(reading, now_ns) > 0;
        let may_not = reading.waiting && self.grant.credit_ns == 0;
        if launched || claimed || self.moved_ns == 0 {
            self.moved_ns = now_ns;
        } else if may_not {
            // Nobody is still who may not move; whoever is stopped is seen once it may.
            self.moved_ns += now_ns - self.read_ns.min(now_ns);
        }
        // Who is stopped or was killed goes on saying that it waits or runs.
        let runs_ns = reading.in_flight_ns.min(MOST_DEBT_NS) * (others + 1);
        self.runs_ns = runs_ns;
        let still_ns = now_ns.saturating_sub(self.moved_ns);
        self.waiting = reading.waiting && still_ns <= ASLEEP_NS;
        // What was never measured may be far longer than it is taken to be, and beside it others may be in flight. Which it
        // is nobody tells apart: so much that was measured is waited for as well.
        let is_known = reading.in_flight_ns < UNKNOWN_NS;
        let patience_ns = if reading.waiting || !is_known { ASLEEP_NS } else { UNTOLD_NS };
        self.running = if still_ns <= patience_ns + runs_ns { reading.running } else { 0 };
        self.is_asleep = reading.running > 0 && self.running == 0;
        // It came somewhere between two looks: what is too early is put right by what the others tell. A rest that
        // was too short to be seen it tells of itself.
        // One that says a time to come tells nothing: believed, it would have come just now at every look.
        let since_ns = if reading.since_ns > now_ns { 0 } else { reading.since_ns };
        let told_ns = self.believed(since_ns, reading.intervals, now_ns);
        let since_ns = || self.since_ns.unwrap_or(self.read_ns).max(told_ns);
        let may_run = reading.running > 0 && still_ns <= 3 * ASLEEP_NS + runs_ns;
        let since_ns = may_run.then(since_ns);
        if reading.running > 0 && since_ns.is_none() {
            let is_owed = others > 0 || self.terms.policy == Policy::Strict;
            let others = is_owed.then_some(others);
            self.unseen.goes_on(self.since_ns.is_some(), others, self.read_ns, now_ns);
        }
        self.since_ns = since_ns;
        self.read_ns = now_ns;
        let in_flight_ns = reading.in_flight_ns.min(MOST_DEBT_NS);
        // What is on the card is not charged, and what is earned meanwhile pays for it. It may be longer than was
        // thought: of what was never measured nothing is known.
        self.unpaid_ns =
            if may_run { in_flight_ns.max(still_ns.min(MOST_DEBT_NS)) as i64 } else { 0 };
        let busy = launched || self.waiting || self.running > 0;
        self.quiet = if busy { 0 } else { self.quiet.saturating_add(1) };
    }

    /// What counts of its word that it came at `since_ns`. A batch that was on the card before and after a moment at
    /// which it says that it came with nothing there belies it, and for a while it is not believed: else who says "just
    /// now" at every look would be taken for one who rests while its kernels run, and the others be charged for them.
    /// Belied is also the honest one that launches into an empty stream while another of its streams has work on the card
    /// that is told of only when its batch is full. And two batches that meet where it says it came belie nothing: joined,
    /// those of whoever launches again within 0.1 ms would.
    fn believed(&mut self, since_ns: u64, intervals: &[Interval], now_ns: u64) -> u64 {
        let belies = |batch: &Interval| {
            batch.start_ns.saturating_add(DOUBT_NS) < self.told_ns
                && batch.end_ns > self.told_ns.saturating_add(DOUBT_NS)
        };
        let belied = intervals.iter().filter(|batch| belies(batch)).map(|batch| batch.length_ns());
        if let Some(longest_ns) = belied.max() {
            let doubt_ns =
                DISBELIEF_NS.saturating_add(longest_ns.saturating_mul(DISBELIEF_LENGTHS));
            self.doubted_until_ns = self.doubted_until_ns.max(now_ns.saturating_add(doubt_ns));
        }
        self.told_ns = since_ns;
        if now_ns < self.doubted_until_ns { 0 } else { since_ns }
    }

    /// Whether it uses the GPU or wants to.
    pub(crate) fn is_active(&self) -> bool {
        self.quiet < LINGER
    }

    /// Whether it takes part in the division, and could use more at this moment.
    pub(crate) fn is_backlogged(&self) -> bool {
        let may = match self.terms.policy {
            Policy::Fair => true,
            // One that is at its cap holds nobody back.
            Policy::Strict => self.own_ns - self.held_ns() as i64 > self.part_ns / 2,
            Policy::Unmetered => false,
        };
        may && self.wants()
    }

    /// Whether it has work, whatever its cap.
    pub(crate) fn wants(&self) -> bool {
        self.waiting || self.running > 0
    }

    /// Books a charge; the others are at `virtual_ns`.
    pub(crate) fn book(&mut self, charge: &Charge, virtual_ns: u64) {
        self.charged_ns = self.charged_ns.wrapping_add(charge.ns);
        self.measure.took(charge.ns, charge.length_ns);
        let scaled = (charge.ns - charge.lent_ns).saturating_mul(100) / self.terms.weight();
        let most = virtual_ns.saturating_add(MOST_DEBT_NS).max(self.virtual_ns);
        self.virtual_ns = self.virtual_ns.saturating_add(scaled).min(most);
    }

    /// Books its guaranteed part of the clock's time against a charge; the one that is behind all others
    /// is at `virtual_ns`. Whoever is not ahead of that owes nothing: what it had beyond its part, it had
    /// because nobody wanted it. At a cap it is owed all the same, because more than that is never lent.
    pub(crate) fn earn(
        &mut self,
        charge: &Charge,
        passed_ns: u64,
        virtual_ns: u64,
        [window_ns, unserved_ns]: [u64; 2],
    ) {
        let passed_ns = passed_ns.saturating_add(charge.over_ns);
        let earned = (passed_ns.min(1 << 40) * self.terms.guaranteed() / 100) as i64;
        let debt = (MOST_DEBT_NS * self.terms.guaranteed() / 100) as i64;
        let is_fair = self.terms.policy == Policy::Fair;
        let charge_ns = if is_fair { charge.ns - charge.lent_ns } else { charge.ns };
        let change = earned - charge_ns.min(1 << 40) as i64;
        self.part_ns = Self::most(self.terms, window_ns);
        let saved_ns = match (self.terms.class, self.terms.policy) {
            (Class::Latency, _) => REQUEST_NS,
            // What it wanted and did not have, because a long kernel was in its way.
            (Class::Batch, Policy::Strict) if self.wants() => REQUEST_NS,
            // Also over a rest: what it is short of then it has afterwards.
            (Class::Batch, _) => unserved_ns.max(window_ns),
        };
        self.most_ns = Self::most(self.terms, saved_ns);
        // A claim of work is no more than what the replay leaves to it.
        let unpaid_ns = self.unpaid_ns.min(self.unplayed_ns.cast_signed());
        let unpaid = unpaid_ns + self.held_ns().cast_signed();
        let least = if self.expected_ns() <= virtual_ns { 0 } else { -debt };
        // What is in flight is charged in lumps: savings that begin anew with each would be given out beside the rest.
        let own_least = if least == 0 && is_fair { -self.part_ns } else { -debt };
        self.own_ns = (self.own_ns + change).clamp(own_least, self.most_ns + unpaid);
        self.bucket_ns = (self.bucket_ns + change).clamp(least, self.part_ns);
    }

    /// Whether somebody waits for its answers, and it is within its share.
    pub(crate) fn goes_first(&self) -> bool {
        self.terms.class == Class::Latency
            && self.own_ns > self.most_ns / 4
            && self.first_ns > 0
            && self.is_backlogged()
    }

    /// Others are held back for no longer than its share of the clock's time, whatever it tells of what it used.
    pub(crate) fn pay_for_going_first(&mut self, passed_ns: u64, is_anybody_held_back: bool) {
        let passed_ns = passed_ns.min(1 << 40);
        let earned_ns = passed_ns * self.terms.guaranteed() / 100;
        let paid_ns = if self.went_first && is_anybody_held_back { passed_ns } else { 0 };
        let most_ns = Self::most(self.terms, REQUEST_NS);
        let first_ns = self.first_ns + earned_ns.cast_signed() - paid_ns.cast_signed();
        self.first_ns = first_ns.clamp(-most_ns, most_ns);
    }

    /// Whether it has used nothing for long although it might have.
    pub(crate) fn is_idling(&self) -> bool {
        self.is_idling
    }

    /// It was charged so much in the time that passed; those that want the card have so many slices of it in a round.
    pub(crate) fn idles(&mut self, charge_ns: u64, passed_ns: u64, quantum_ns: u64, slices: u64) {
        let has_used = charge_ns > 0 || self.grant.credit_ns == 0;
        self.idle_ns = if has_used { 0 } else { self.idle_ns.saturating_add(passed_ns) };
        // What it says is on the card may take its time, unless that time was others' by what those tell.
        let round_ns = slices.max(2).saturating_mul(self.unplayed_ns);
        let runs_ns = self.runs_ns.min(round_ns.saturating_add(ASLEEP_NS));
        self.is_idling = self.idle_ns > IDLE_QUANTA * quantum_ns + runs_ns;
    }

    /// What it is about to be charged for batches that are waited with: no more than it can be.
    pub(crate) fn held_ns(&self) -> u64 {
        let held = self.settled.held().map(Interval::length_ns);
        let held_ns = held.fold(0, u64::saturating_add);
        self.measure.in_card_time(held_ns).min(self.unplayed_ns)
    }

    /// [`Member::virtual_ns`] with that.
    pub(crate) fn expected_ns(&self) -> u64 {
        self.virtual_ns.saturating_add(self.held_ns().saturating_mul(100) / self.terms.weight())
    }

    /// The one that is behind all others is at `virtual_ns`: nobody is behind that by more than `most_ns` of its own
    /// time. What it claimed and was not charged for had taken the others as far: else who tells of hours while nobody
    /// else has work would be owed them when somebody comes.
    pub(crate) fn catch_up(&mut self, virtual_ns: u64, most_ns: u64) {
        let least_ns = virtual_ns.saturating_sub(most_ns * 100 / self.terms.weight());
        self.virtual_ns += least_ns.saturating_sub(self.expected_ns());
    }

    /// Its part of what all may be ahead.
    fn most(terms: Terms, window_ns: u64) -> i64 {
        (window_ns * terms.guaranteed() / 100) as i64
    }
}
