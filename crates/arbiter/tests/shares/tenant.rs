//! A container as the shim makes it: it launches while it has credit, measures batches, and tells of
//! them some time after they ended.

use std::collections::{BTreeMap, VecDeque};

use arbiter::{Grant, Interval, Pace, Reading, Terms};

use crate::card::Work;

const MS: u64 = 1_000_000;
/// A batch is closed when it is estimated to be so long.
const BATCH_NS: u64 = MS / 2;

/// What a program does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Each kernel. Very short ones are launched ten at a time.
    pub(crate) kernel_ns: u64,
    /// When it begins.
    pub(crate) from_ns: u64,
    /// When it ends.
    pub(crate) until_ns: u64,
    /// It wants to launch for so long …
    pub(crate) on_ns: u64,
    /// … and then not for so long, and so on. 0: it always wants to.
    pub(crate) off_ns: u64,
    /// At most so much work in each of those times; 0: as much as it gets.
    pub(crate) work_ns: u64,
}

impl Load {
    pub(crate) const fn saturating(kernel_ns: u64) -> Self {
        let (from_ns, until_ns, on_ns) = (0, u64::MAX, MS);
        Self { kernel_ns, from_ns, until_ns, on_ns, off_ns: 0, work_ns: 0 }
    }

    /// Some work every now and then, as inference is.
    pub(crate) const fn periodic(kernel_ns: u64, work_ns: u64, every_ns: u64) -> Self {
        let (on_ns, off_ns) = (every_ns - 1, 1);
        Self { on_ns, off_ns, work_ns, ..Self::saturating(kernel_ns) }
    }

    pub(crate) const fn bursts(kernel_ns: u64, on_ns: u64, off_ns: u64) -> Self {
        Self { on_ns, off_ns, ..Self::saturating(kernel_ns) }
    }

    pub(crate) const fn during(self, from_ns: u64, until_ns: u64) -> Self {
        Self { from_ns, until_ns, ..self }
    }

    fn unit_ns(&self) -> u64 {
        if self.kernel_ns < 20_000 { self.kernel_ns * 10 } else { self.kernel_ns }
    }

    /// Which of its times it is in, and whether it wants to launch.
    fn phase(&self, now_ns: u64) -> (u64, bool) {
        if now_ns < self.from_ns || now_ns >= self.until_ns {
            return (u64::MAX, false);
        }
        let since = now_ns - self.from_ns;
        if self.off_ns == 0 {
            return (0, true);
        }
        let round = self.on_ns + self.off_ns;
        (since / round, since % round < self.on_ns)
    }

    /// When it next changes its mind.
    fn turns_ns(&self, now_ns: u64) -> u64 {
        if now_ns < self.from_ns {
            return self.from_ns;
        }
        let round = self.on_ns + self.off_ns;
        let into = (now_ns - self.from_ns) % round;
        let next = if into < self.on_ns { self.on_ns - into } else { round - into };
        let next = if self.off_ns == 0 { u64::MAX } else { now_ns + next };
        if now_ns < self.until_ns { next.min(self.until_ns) } else { u64::MAX }
    }
}

pub(crate) struct Tenant {
    pub(crate) terms: Terms,
    pub(crate) load: Load,
    /// How long after a batch it tells of it.
    pub(crate) settle_ns: u64,
    /// The most estimated work on the card.
    pub(crate) bound_ns: u64,
    /// It is sent SIGSTOP at this moment.
    pub(crate) stops_ns: u64,
    is_stopped: bool,
    /// What it says of what it spent, in percent of the truth.
    pub(crate) honesty: u64,
    granted_ns: u64,
    pace: Pace,
    spent_ns: u64,
    launches: u64,
    pub(crate) told: Vec<Interval>,
    began: BTreeMap<u64, u64>,
    ended: VecDeque<(u64, Interval)>,
    /// Estimated work by batch; the open one is the last.
    flying: VecDeque<(u64, u64)>,
    batch: u64,
    open_ns: u64,
    /// By how much batches took longer than their work, in thousandths: what the estimates learn.
    stretch: u64,
    phase: (u64, u64),
    pub(crate) is_waiting: bool,
    /// What the card truly gave it, and when.
    pub(crate) got: Vec<(u64, u64)>,
    pub(crate) wants_since: Option<u64>,
    pub(crate) stalls: Vec<u64>,
    /// How long each of its times took from the first wish to the last of its work.
    pub(crate) latencies: Vec<u64>,
    asked_ns: u64,
}

impl Tenant {
    pub(crate) fn new(terms: Terms, load: Load) -> Self {
        Self {
            terms,
            load,
            settle_ns: MS / 4,
            bound_ns: 5 * MS,
            stops_ns: u64::MAX,
            is_stopped: false,
            honesty: 100,
            granted_ns: 0,
            pace: Pace::Metered,
            spent_ns: 0,
            launches: 0,
            told: Vec::new(),
            began: BTreeMap::new(),
            ended: VecDeque::new(),
            flying: VecDeque::new(),
            batch: 0,
            open_ns: 0,
            stretch: 1000,
            phase: (u64::MAX, 0),
            is_waiting: false,
            got: Vec::new(),
            wants_since: None,
            stalls: Vec::new(),
            latencies: Vec::new(),
            asked_ns: 0,
        }
    }

    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading {
            spent_ns: self.spent_ns,
            intervals: &self.told,
            launches: self.launches,
            waiting: self.is_waiting,
            running: u32::from(!self.flying.is_empty()),
            in_flight_ns: self.flying_ns(),
        }
    }

    pub(crate) fn granted(&mut self, spent_ns: u64, grant: Grant) {
        self.pace = grant.pace;
        self.granted_ns = spent_ns + grant.credit_ns;
    }

    pub(crate) fn spent_ns(&self) -> u64 {
        self.spent_ns
    }

    fn flying_ns(&self) -> u64 {
        self.flying.iter().map(|(_, ns)| ns).sum()
    }

    fn may_launch(&self) -> bool {
        let flying = self.flying_ns();
        let bounded = flying == 0 || flying < self.bound_ns;
        let credit = self.granted_ns > self.spent_ns + flying;
        bounded && (self.pace == Pace::Free || credit)
    }

    /// Launches what it wants to and may.
    pub(crate) fn launch(&mut self, now_ns: u64, queue: &mut VecDeque<Work>) {
        self.is_stopped |= now_ns >= self.stops_ns;
        if self.is_stopped {
            return;
        }
        let (phase, wants) = self.load.phase(now_ns);
        if self.phase.0 != phase {
            // What was left of the time before is still done.
            let left =
                if self.load.work_ns > 0 && self.phase.0 != u64::MAX { self.phase.1 } else { 0 };
            if left == 0 {
                self.asked_ns = now_ns
            }
            self.phase = (phase, left + self.load.work_ns);
        }
        let unit = self.load.unit_ns();
        self.is_waiting = false;
        while wants && (self.load.work_ns == 0 || self.phase.1 > 0) {
            if !self.may_launch() {
                self.is_waiting = self.flying_ns() < self.bound_ns || self.flying.is_empty();
                break;
            }
            let estimate = unit * self.stretch / 1000;
            self.open_ns += estimate;
            self.phase.1 = self.phase.1.saturating_sub(unit);
            let is_last = self.open_ns >= BATCH_NS || (self.load.work_ns > 0 && self.phase.1 == 0);
            queue.push_back(Work { length_ns: unit, left_ns: unit, batch: self.batch, is_last });
            match self.flying.back_mut() {
                Some((batch, ns)) if *batch == self.batch => *ns += estimate,
                _ => self.flying.push_back((self.batch, estimate)),
            }
            self.launches += 1;
            if is_last {
                (self.batch, self.open_ns) = (self.batch + 1, 0);
            }
        }
        if (!wants || self.is_waiting)
            && self.open_ns > 0
            && let Some(last) = queue.back_mut()
        {
            // It waits for its work or for credit: the batch ends with what it has.
            last.is_last = true;
            (self.batch, self.open_ns) = (self.batch + 1, 0);
        }
        let pending = !queue.is_empty() || self.is_waiting;
        match (pending, self.wants_since) {
            (true, None) => self.wants_since = Some(now_ns),
            (false, Some(_)) => self.wants_since = None,
            _ => {}
        }
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
        if let Some(batch) = ran.began {
            self.began.entry(batch).or_insert(from_ns);
        }
        if let Some(Work { batch, is_last, .. }) = ran.done {
            if is_last {
                let start = self.began.remove(&batch).unwrap_or(from_ns);
                self.ended.push_back((batch, Interval { start_ns: start, end_ns: to }));
            }
            if self.load.work_ns > 0 && self.phase.1 == 0 && is_last {
                self.latencies.push(to - self.asked_ns);
            }
        }
    }

    /// Tells of batches that ended long enough ago.
    pub(crate) fn settle(&mut self, now_ns: u64) {
        while let Some((batch, interval)) = self.ended.front().copied() {
            if interval.end_ns + self.settle_ns > now_ns || self.is_stopped {
                break;
            }
            self.ended.pop_front();
            let length = interval.end_ns - interval.start_ns;
            self.spent_ns += length * self.honesty / 100;
            let told =
                Interval { end_ns: interval.start_ns + length * self.honesty / 100, ..interval };
            self.told.push(told);
            if let Some((_, estimate)) = self.flying.iter().find(|(known, _)| *known == batch) {
                let real = estimate * 1000 / self.stretch;
                let stretch = (length * 1000 / real.max(1)).clamp(500, 8000);
                self.stretch = (self.stretch * 7 + stretch) / 8;
            }
            self.flying.retain(|(known, _)| *known != batch);
        }
    }

    pub(crate) fn next_ns(&self, now_ns: u64) -> u64 {
        let settles = self.ended.front().map_or(u64::MAX, |(_, end)| end.end_ns + self.settle_ns);
        let settles = if self.is_stopped { u64::MAX } else { settles.max(now_ns + 1) };
        settles.min(self.load.turns_ns(now_ns))
    }

    /// What it got from `from_ns` to `to_ns`.
    pub(crate) fn got_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let parts = self.got.iter().filter(|(end, ns)| *end > from_ns && end - ns < to_ns);
        parts.map(|(end, ns)| (*end).min(to_ns) - (end - ns).max(from_ns)).sum()
    }
}
