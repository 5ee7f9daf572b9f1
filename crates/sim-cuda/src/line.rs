//! The line of one stream. Kernels are placed on the device's clock as soon as all that stands before them
//! is placed too, so their ends are computed, not waited for. What needs to know when kernels have ended (a
//! copy, a stream of another priority or device), or what nobody can reckon (a host function, a flag), is a
//! wall behind which later work queues. No clock, no lock, no thread here.

use std::collections::VecDeque;
use std::sync::Arc;

use sim_world::CopyEngine;

use crate::kernel::Cost;
use crate::mark::Mark;

/// How much work a stream takes before a launch has to wait.
pub(crate) const DEPTH: usize = 1024;

/// How often a flag is looked at.
const POLL_NS: u64 = 200_000;

/// How often is looked at what nobody reports.
const LOOK_NS: u64 = 1_000_000;

/// Something to run on the host, as often as a graph that holds it is launched.
pub(crate) type Act = Arc<dyn Fn() + Send + Sync>;

/// Whether a flag is as something waits for it.
pub(crate) type Flag = Arc<dyn Fn() -> bool + Send + Sync>;

/// One thing in a stream.
#[derive(Clone)]
pub(crate) enum Op {
    /// A kernel; `effect` is what it does to memory.
    Kernel {
        /// What it costs.
        cost: Cost,
        /// What it does to memory.
        effect: Option<Act>,
    },
    /// A kernel that runs until a flag is set. It holds the card from when the kernels before it have ended.
    Spin(Flag),
    /// Takes a copy engine for `duration_ns`; `effect` is what it does to memory.
    Copy {
        /// Which engine.
        engine: CopyEngine,
        /// For how long.
        duration_ns: u64,
        /// What it does to memory.
        effect: Option<Act>,
    },
    /// Notes when all before it has ended.
    Record(Arc<Mark>),
    /// Holds up what follows until another line's mark.
    Wait(Arc<Mark>),
    /// Changes memory when all before it has ended.
    Write(Act),
    /// Holds up what follows until a flag is set.
    Await(Flag),
    /// A host function.
    Call(Act),
}

/// The device that a line's work runs on.
pub(crate) trait Engines {
    /// Its ordinal.
    fn device(&self) -> usize;
    /// The nanosecond of CLOCK_MONOTONIC.
    fn now(&self) -> u64;
    /// What the clock of a priority shows.
    fn ran(&self, level: u32) -> u64;
    /// Places a kernel that could run since then, `after` on its priority's clock; answers its end there.
    fn kernel(&mut self, level: u32, after: u64, since: u64, cost: Cost) -> u64;
    /// Places a copy; answers its end.
    fn copy(&mut self, engine: CopyEngine, not_before: u64, duration_ns: u64) -> u64;
    /// Has `mark` pass when the clock shows `at`, and not before `floor`.
    fn pass(&mut self, level: u32, at: u64, floor: u64, mark: &Arc<Mark>);
    /// One kernel more, or less, runs until something happens.
    fn open(&mut self, level: u32, more: bool);
    /// When the clock will show `at`, or when to look again.
    fn expect(&self, level: u32, at: u64) -> u64;
}

/// Where something ends.
#[derive(Clone, Copy)]
enum End {
    Kernel(u64),
    Copy(u64),
}

/// The line of one stream.
#[derive(Default)]
pub(crate) struct Line {
    level: u32,
    /// When its copies, waits and host functions have ended.
    tail: u64,
    /// When its kernels have ended, on its priority's clock; 0 if they have.
    after: u64,
    /// Passes when its kernels have ended, where something waits for that.
    reached: Option<Arc<Mark>>,
    /// What stands behind a wall, and since when.
    queue: VecDeque<(Op, u64)>,
    calling: bool,
    /// The device knows that a kernel runs until something happens.
    spinning: bool,
    ends: VecDeque<End>,
}

impl Line {
    /// The line of a stream of this priority: 0 is the most urgent.
    pub(crate) fn new(level: u32) -> Self {
        Self { level, ..Self::default() }
    }

    /// An idle line's present end is now: what is recorded next happens no earlier.
    pub(crate) fn touch(&mut self, gpu: &dyn Engines) {
        if !self.walled() && self.after <= gpu.ran(self.level) {
            (self.after, self.tail) = (0, self.tail.max(gpu.now()));
        }
    }

    /// Appends `op`. Answers the effect to carry out at once where no wall stands before it.
    pub(crate) fn push(&mut self, op: Op, gpu: &mut dyn Engines) -> Option<Act> {
        let now = gpu.now();
        let placed = if self.walled() { Err(op) } else { self.advance(op, now, gpu) };
        let effect = placed.unwrap_or_else(|op| {
            self.queue.push_back((op, now));
            None
        });
        self.hold(gpu);
        effect
    }

    /// A mark for the point that the line has reached.
    pub(crate) fn point(&mut self, gpu: &mut dyn Engines) -> Arc<Mark> {
        let mark = Arc::new(Mark::default());
        match self.walled() {
            true => self.queue.push_back((Op::Record(mark.clone()), gpu.now())),
            false => self.record(&mark, gpu),
        }
        mark
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_idle(&self, gpu: &dyn Engines) -> bool {
        !self.walled() && self.after <= gpu.ran(self.level) && self.tail <= gpu.now()
    }

    /// Places what is not walled off any more, and answers its effects in order.
    pub(crate) fn pump(&mut self, gpu: &mut dyn Engines) -> Vec<Act> {
        let mut effects = Vec::new();
        while !self.calling
            && let Some((op, since)) = self.queue.pop_front()
        {
            match self.advance(op, since, gpu) {
                Ok(effect) => effects.extend(effect),
                Err(op) => {
                    self.queue.push_front((op, since));
                    break;
                }
            }
        }
        self.hold(gpu);
        effects
    }

    /// Whether something waits behind a wall.
    pub(crate) fn walled(&self) -> bool {
        !self.queue.is_empty() || self.calling
    }

    /// How much waits behind a wall.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Drops what waits; its marks have passed.
    pub(crate) fn abandon(&mut self, gpu: &mut dyn Engines) {
        if std::mem::take(&mut self.spinning) {
            gpu.open(self.level, false);
        }
        for (op, _) in self.queue.drain(..) {
            if let Op::Record(mark) = op {
                mark.set(gpu.now());
            }
        }
    }

    /// When to look again whether the wall still stands; nothing for host functions, which somebody else
    /// looks for.
    pub(crate) fn wake(&self, gpu: &dyn Engines) -> Option<u64> {
        let (now, (op, _)) = (gpu.now(), self.queue.front()?);
        let kernels = self.reached.as_ref().filter(|mark| mark.time().is_none());
        match op {
            _ if self.calling => None,
            Op::Call(_) => None,
            _ if kernels.is_some() => Some(gpu.expect(self.level, self.after)),
            _ if self.tail > now => Some(self.tail),
            Op::Await(_) | Op::Spin(_) => Some(now + POLL_NS),
            Op::Wait(mark) => match mark.due().filter(|due| due.device == gpu.device()) {
                Some(due) => Some(gpu.expect(due.level, due.at)),
                None => Some(now + LOOK_NS),
            },
            _ => Some(now + LOOK_NS),
        }
    }

    /// When the host function at the head is due, or when to look again.
    pub(crate) fn call_due(&mut self, gpu: &mut dyn Engines) -> Option<u64> {
        let at_head = !self.calling && matches!(self.queue.front(), Some((Op::Call(_), _)));
        at_head.then(|| match self.reach(gpu) {
            Some(time) => time,
            None => gpu.expect(self.level, self.after).max(gpu.now() + 1),
        })
    }

    /// Takes the host function at the head; until [`Line::call_done`] nothing moves.
    pub(crate) fn take_call(&mut self) -> Option<Act> {
        match self.queue.pop_front() {
            Some((Op::Call(act), _)) => {
                self.calling = true;
                Some(act)
            }
            other => {
                self.queue.extend(other);
                None
            }
        }
    }

    /// The host function has returned at `now`.
    pub(crate) fn call_done(&mut self, now: u64) {
        self.calling = false;
        self.tail = self.tail.max(now);
    }

    /// Whether the next launch has to wait because so much is queued; then, when to look again.
    pub(crate) fn full_until(&mut self, gpu: &dyn Engines) -> Option<u64> {
        if self.ends.len() + self.queue.len() < DEPTH {
            return None;
        }
        let (now, ran) = (gpu.now(), gpu.ran(self.level));
        let over = |end: &End| match *end {
            End::Kernel(at) => at <= ran,
            End::Copy(time) => time <= now,
        };
        while self.ends.front().is_some_and(over) {
            self.ends.pop_front();
        }
        let full = self.ends.len() + self.queue.len() >= DEPTH;
        full.then(|| match self.ends.front() {
            Some(End::Kernel(at)) => gpu.expect(self.level, *at),
            Some(End::Copy(time)) => *time,
            None => now + LOOK_NS,
        })
    }

    fn advance(&mut self, op: Op, since: u64, gpu: &mut dyn Engines) -> Result<Option<Act>, Op> {
        match op {
            _ if self.calling => return Err(op),
            Op::Kernel { cost, effect } => {
                if self.tail > gpu.now() {
                    return Err(Op::Kernel { cost, effect });
                }
                let since = self.tail.max(since);
                self.after = gpu.kernel(self.level, self.after, since, cost);
                self.ends.push_back(End::Kernel(self.after));
                return Ok(effect);
            }
            Op::Copy { engine, duration_ns, effect } => {
                let Some(tail) = self.reach(gpu) else {
                    return Err(Op::Copy { engine, duration_ns, effect });
                };
                self.tail = gpu.copy(engine, tail.max(since), duration_ns);
                self.ends.push_back(End::Copy(self.tail));
                return Ok(effect);
            }
            Op::Record(mark) => self.record(&mark, gpu),
            Op::Wait(mark) => return self.wait(mark, gpu).map_or(Ok(None), Err),
            Op::Write(act) => {
                return if self.has_come(gpu) { Ok(Some(act)) } else { Err(Op::Write(act)) };
            }
            Op::Await(flag) => {
                if !self.has_come(gpu) || !flag() {
                    return Err(Op::Await(flag));
                }
                self.tail = gpu.now();
            }
            Op::Spin(flag) => return self.spin(flag, gpu).map_or(Ok(None), Err),
            Op::Call(_) => return Err(op),
        }
        Ok(None)
    }

    fn record(&mut self, mark: &Arc<Mark>, gpu: &mut dyn Engines) {
        match self.after {
            0 => mark.set(self.tail),
            after => gpu.pass(self.level, after, self.tail, mark),
        }
    }

    /// Moves the line's end behind a mark, or hands the wait back where nobody knows yet when that passes.
    fn wait(&mut self, mark: Arc<Mark>, gpu: &dyn Engines) -> Option<Op> {
        let same = |at: &crate::mark::At| at.device == gpu.device() && at.level == self.level;
        match (mark.time(), mark.due().filter(same)) {
            (Some(time), _) => self.tail = self.tail.max(time),
            (None, Some(due)) => {
                self.after = self.after.max(due.at);
                self.tail = self.tail.max(due.floor);
            }
            (None, None) => return Some(Op::Wait(mark)),
        }
        None
    }

    /// Runs until the flag is set, from when everything before it has ended.
    fn spin(&mut self, flag: Flag, gpu: &mut dyn Engines) -> Option<Op> {
        if !self.has_come(gpu) || !flag() {
            return Some(Op::Spin(flag));
        }
        self.tail = gpu.now();
        None
    }

    /// Tells the device whether a kernel that runs until something happens is next, with nothing but what takes no
    /// time between it and what is placed. Told when the kernels before it have ended, the device would have turned to
    /// others already; and so it would between a kernel that has spun and the one behind it. While a copy before it
    /// runs, or what it waits for has not passed, the card is the others'.
    fn hold(&mut self, gpu: &mut dyn Engines) {
        let mut queue = self.queue.iter().map(|(op, _)| op);
        let next = queue.find(|op| !matches!(op, Op::Write(_) | Op::Record(_)));
        let spins = !self.calling && matches!(next, Some(Op::Spin(_))) && self.tail <= gpu.now();
        if spins != self.spinning {
            self.spinning = spins;
            gpu.open(self.level, spins);
        }
    }

    /// Whether everything before this point has ended.
    fn has_come(&mut self, gpu: &mut dyn Engines) -> bool {
        self.reach(gpu).is_some_and(|time| time <= gpu.now())
    }

    /// When everything before this point ends, once its kernels have ended.
    fn reach(&mut self, gpu: &mut dyn Engines) -> Option<u64> {
        if self.after != 0 {
            let (level, after, tail) = (self.level, self.after, self.tail);
            let mark = self.reached.get_or_insert_with(|| {
                let mark = Arc::new(Mark::default());
                gpu.pass(level, after, tail, &mark);
                mark
            });
            self.tail = mark.time()?.max(self.tail);
            (self.after, self.reached) = (0, None);
        }
        Some(self.tail)
    }
}

#[cfg(test)]
mod tests;
