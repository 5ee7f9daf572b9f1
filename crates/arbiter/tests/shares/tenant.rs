//! A container as gpu-load and the shim make it: one thread that launches, waits for what it launched,
//! and waits for credit. What ended is measured and told when the thread comes to look, not before.

// By its path, because the benches find this file by its own.
#[path = "tenant/batches.rs"]
mod batches;

use std::collections::VecDeque;

use arbiter::{Grant, Interval, Pace, Reading, Terms};
use meter_rules::{Asked, Costs, UNKNOWN_NS, Verdict, verdict};

use crate::card::Work;
use crate::flight::{Flight, Kind, MEETING_NS, Thread};
use crate::load::{Load, Wish};

const MS: u64 = 1_000_000;

pub(crate) struct Tenant {
    pub(crate) terms: Terms,
    pub(crate) load: Load,
    pub(crate) quantum_ns: u64,
    /// How long the thread takes to wake.
    pub(crate) wake_ns: u64,
    /// It is sent SIGSTOP at this moment.
    pub(crate) stops_ns: u64,
    is_stopped: bool,
    /// What it says of what it spent, in percent of the truth.
    pub(crate) honesty: u64,
    /// It says at every look that it came just now.
    pub(crate) says_now: bool,
    /// It says for ever that it runs seconds of work, and launches once a second.
    pub(crate) says_it_runs: bool,
    /// So often it launches something tiny into a second stream, which has run dry, while the first has on the card what
    /// is not told of: then it says that it came, in good faith.
    pub(crate) second_every_ns: u64,
    /// All that it launches is one kernel, whose length its data decide.
    pub(crate) varies: bool,
    /// It waits for its work in a way that nobody sees: it tells of it with its next launch.
    pub(crate) settles_late: bool,
    now_ns: u64,
    granted_ns: u64,
    pace: Pace,
    spent_ns: u64,
    /// When it launched last while nothing of it was on the card.
    since_ns: u64,
    launches: u64,
    pub(crate) told: Vec<Interval>,
    thread: Thread,
    /// When it wakes from what it waited for.
    wakes_ns: u64,
    /// What it last saw spent, and when that changed.
    progress: (u64, u64),
    flights: VecDeque<Flight>,
    /// When the last flight ended that ended.
    ended_ns: u64,
    /// Its works so far, and those that are done.
    works: (u64, u64),
    /// The open batch: how much it takes and has, and the number of works when it was opened.
    open: Option<(u64, u64, u64)>,
    /// A batch took far less than was thought.
    is_overestimated: bool,
    /// The launch that is not made yet: how long it is, and whether it meets the other rank.
    wish: Option<(u64, bool)>,
    /// What each kind of work costs, as far as it was learned.
    costs: Costs<64>,
    is_waiting: bool,
    /// What the card truly gave it, and when.
    pub(crate) got: Vec<(u64, u64)>,
    pub(crate) wants_since: Option<u64>,
    pub(crate) stalls: Vec<u64>,
}

impl Tenant {
    pub(crate) fn new(terms: Terms, load: Load) -> Self {
        Self {
            terms,
            load,
            quantum_ns: 5 * MS,
            wake_ns: MS / 15,
            stops_ns: u64::MAX,
            is_stopped: false,
            honesty: 100,
            says_now: false,
            says_it_runs: false,
            second_every_ns: u64::MAX,
            varies: false,
            settles_late: false,
            now_ns: 0,
            granted_ns: 0,
            pace: Pace::Metered,
            spent_ns: 0,
            since_ns: 0,
            launches: 0,
            told: Vec::new(),
            thread: Thread::Runs,
            wakes_ns: 0,
            progress: (u64::MAX, 0),
            flights: VecDeque::new(),
            ended_ns: 0,
            works: (0, 0),
            open: None,
            is_overestimated: false,
            wish: None,
            costs: Costs::new(),
            is_waiting: false,
            got: Vec::new(),
            wants_since: None,
            stalls: Vec::new(),
        }
    }

    pub(crate) fn reading(&self) -> Reading<'_> {
        if self.says_it_runs {
            let (running, in_flight_ns) = (1, 5000 * MS);
            let launches = self.now_ns / (1000 * MS);
            return Reading { running, in_flight_ns, launches, ..Reading::default() };
        }
        Reading {
            spent_ns: self.spent_ns,
            intervals: &self.told,
            launches: self.launches,
            waiting: self.is_waiting,
            running: u32::from(!self.flights.is_empty()),
            in_flight_ns: self.flying_ns(),
            since_ns: if self.says_now || self.now_ns % self.second_every_ns < 2 * MS {
                self.now_ns
            } else {
                self.since_ns
            },
        }
    }

    /// The page says so from now on: who waits for credit looks.
    pub(crate) fn granted(&mut self, now_ns: u64, spent_ns: u64, grant: Grant) {
        let granted_ns = spent_ns + grant.credit_ns;
        let is_new = (self.granted_ns, self.pace) != (granted_ns, grant.pace);
        (self.granted_ns, self.pace) = (granted_ns, grant.pace);
        if let Thread::Credit { .. } = self.thread
            && (is_new || self.is_waiting)
        {
            self.wakes_ns = self.wakes_ns.min(now_ns + self.wake_ns);
        }
    }

    pub(crate) fn spent_ns(&self) -> u64 {
        self.spent_ns
    }

    /// What is left of what it was granted, in nanoseconds.
    fn left_ns(&self) -> i64 {
        self.granted_ns as i64 - (self.spent_ns + self.flying_ns()) as i64
    }

    fn flying_ns(&self) -> u64 {
        self.flights.iter().map(|flight| flight.estimate_ns).sum()
    }

    /// Does what it does at this moment.
    pub(crate) fn act(&mut self, now_ns: u64, queue: &mut VecDeque<Work>) {
        self.now_ns = now_ns;
        self.is_stopped |= now_ns >= self.stops_ns;
        if now_ns < self.wakes_ns || self.is_stopped {
            return;
        }
        self.wake(now_ns);
        while self.thread == Thread::Runs {
            if let Some((ns, meets)) = self.wish {
                if self.admit(now_ns) {
                    self.launch(now_ns, ns, meets, queue);
                    self.wish = None;
                }
                continue;
            }
            match self.load.next(now_ns, self.works) {
                Wish::Launch(ns) => self.wish = Some((ns, false)),
                Wish::Meet => self.wish = Some((MEETING_NS, true)),
                Wish::Await(number) => self.waits(now_ns, Thread::Sync { number }),
                Wish::Rest(until_ns) => self.waits(now_ns, Thread::Rests { until_ns }),
            }
        }
        let pending = !queue.is_empty() || self.is_waiting;
        match (pending, self.wants_since) {
            (true, None) => self.wants_since = Some(now_ns),
            (false, Some(_)) => self.wants_since = None,
            _ => {}
        }
    }

    fn waits(&mut self, now_ns: u64, thread: Thread) {
        let (is_over, wakes_ns) = match thread {
            Thread::Sync { number } => (number < self.works.1, u64::MAX),
            Thread::Rests { until_ns } => (until_ns <= now_ns, until_ns),
            Thread::Runs | Thread::Credit { .. } => (false, u64::MAX),
        };
        if !is_over {
            (self.thread, self.wakes_ns) = (thread, wakes_ns);
        }
    }

    fn wake(&mut self, now_ns: u64) {
        match self.thread {
            Thread::Credit { .. } => {
                if !self.admit(now_ns) {
                    return;
                }
                self.is_waiting = false;
            }
            Thread::Sync { .. } if !self.settles_late => self.settle(),
            Thread::Sync { .. } | Thread::Runs | Thread::Rests { .. } => {}
        }
        self.thread = Thread::Runs;
    }

    /// Whether a launch may go on. As the shim has it, what fits into the open batch is not asked.
    fn admit(&mut self, now_ns: u64) -> bool {
        let is_first = !matches!(self.thread, Thread::Credit { .. });
        if is_first && self.takes() {
            return true;
        }
        self.settle();
        let since_ns = match self.thread {
            Thread::Credit { since_ns, .. } => since_ns,
            _ => {
                self.progress = (u64::MAX, now_ns);
                now_ns
            }
        };
        if self.progress.0 != self.spent_ns {
            self.progress = (self.spent_ns, now_ns);
        }
        let in_flight_ns = self.flying_ns();
        let is_free = self.pace == Pace::Free;
        let left_ns = match is_free {
            true => i64::MAX,
            false => self.left_ns(),
        };
        let asked = Asked {
            left_ns,
            in_flight_ns,
            cost_ns: self.estimate_ns(),
            is_unmeasured: self.cost_ns() == 0,
            has_turns: self.load.meets && !is_free,
            quantum_ns: self.quantum_ns * if is_free { 2 } else { 1 },
            share: u64::from(self.terms.guaranteed_percent()),
            is_alone: false,
            waited_ns: now_ns - since_ns,
            unsettled_ns: now_ns.saturating_sub(self.progress.1),
        };
        let Verdict::Wait(longest_ns) = verdict(&asked) else { return true };
        if is_first && self.load.meets {
            self.tell_open(now_ns);
        }
        self.is_waiting |= left_ns <= 0;
        let until_ns = now_ns + longest_ns;
        (self.thread, self.wakes_ns) = (Thread::Credit { since_ns }, until_ns + self.wake_ns);
        false
    }

    /// A rank that waits tells first of what it has launched: another may wait for that.
    fn tell_open(&mut self, now_ns: u64) {
        if let Some((_, has, opened)) = self.open.take()
            && has > 0
        {
            let is_busy = self.works.1 <= opened;
            self.fly(now_ns, self.works.0 - 1, has, None, is_busy, false);
        }
    }

    fn takes(&self) -> bool {
        let fits = |(limit, has, _): (u64, u64, u64)| has + self.cost_ns() < limit;
        self.cost_ns() > 0 && self.open.is_some_and(fits)
    }

    /// The kind of the launch that is next.
    fn kind(&self) -> Kind {
        self.wish.unwrap_or_default()
    }

    /// What the cost of such works is learned under.
    fn key(&self, (ns, meets): Kind) -> u64 {
        if self.varies { 1 << 1 } else { ns << 1 | u64::from(meets) }
    }

    fn cost_ns(&self) -> u64 {
        self.costs.of(self.key(self.kind()))
    }

    fn estimate_ns(&self) -> u64 {
        if self.cost_ns() == 0 { UNKNOWN_NS } else { self.cost_ns() }
    }

    pub(crate) fn ran(&mut self, from_ns: u64, ran: &crate::card::Ran) {
        let to = from_ns + ran.ns;
        if ran.ns > 0 {
            if let Some(since) = self.wants_since {
                self.stalls.push(from_ns.saturating_sub(since));
                self.wants_since = Some(to);
            }
            match self.got.last_mut() {
                Some((end, ns)) if *end == from_ns && !end.is_multiple_of(MS) => {
                    *end = to;
                    *ns += ran.ns;
                }
                _ => self.got.push((to, ran.ns)),
            }
        }
        let Some(Work { number, .. }) = ran.done else { return };
        self.works.1 = number + 1;
        self.load.done(number, to);
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.last == number) {
            flight.ended_ns = Some(to);
        }
        if self.thread == (Thread::Sync { number }) {
            self.wakes_ns = to + self.wake_ns;
        }
    }

    /// How many of its works are done.
    pub(crate) fn done(&self) -> u64 {
        self.works.1
    }

    pub(crate) fn next_ns(&self, now_ns: u64) -> u64 {
        let wakes_ns = if self.is_stopped { u64::MAX } else { self.wakes_ns };
        let wakes_ns = if wakes_ns <= now_ns { u64::MAX } else { wakes_ns };
        wakes_ns.min(if self.is_stopped { u64::MAX } else { self.stops_ns.max(now_ns + 1) })
    }

    /// What it got from `from_ns` to `to_ns`.
    pub(crate) fn got_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let parts = self.got.iter().filter(|(end, ns)| *end > from_ns && end - ns < to_ns);
        parts.map(|(end, ns)| (*end).min(to_ns) - (end - ns).max(from_ns)).sum()
    }
}
