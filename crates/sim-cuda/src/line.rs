//! The time line of one stream. Work is placed on the card as soon as all that it waits for has a known
//! end, so ends are computed, not waited for; a host function, whose end nobody can compute, is a wall
//! behind which later work queues. No clock, no lock, no thread here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sim_world::Engine;

use crate::ipc_event::Shared;

/// How much work a stream takes before a launch has to wait.
pub(crate) const DEPTH: usize = 1024;

/// A point on a stream's line: when all that came before it has ended, once that is known.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    time: AtomicU64,
    shared: Option<(Arc<Shared>, u64)>,
}

impl Mark {
    /// Nanoseconds of CLOCK_MONOTONIC; none while a wall stands before it.
    pub(crate) fn time(&self) -> Option<u64> {
        let own = self.time.load(Ordering::Acquire).checked_sub(1);
        own.or_else(|| self.shared.as_ref().and_then(|(shared, turn)| shared.time_of(*turn)))
    }

    /// A mark whose time is known.
    pub(crate) fn at(time: u64) -> Self {
        Self { time: AtomicU64::new(time.saturating_add(1)), shared: None }
    }

    /// A recording of an event that other processes know.
    pub(crate) fn shared(with: Arc<Shared>, turn: u64) -> Self {
        Self { time: AtomicU64::new(0), shared: Some((with, turn)) }
    }

    /// Whether another process may be the one that says when.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether it is this recording of an event that other processes know.
    pub(crate) fn is_turn(&self, turn: u64) -> bool {
        self.shared.as_ref().is_some_and(|(_, own)| *own == turn)
    }

    fn set(&self, time: u64) {
        self.time.store(time.saturating_add(1), Ordering::Release);
        if let Some((shared, turn)) = &self.shared {
            shared.passed(*turn, time);
        }
    }
}

/// Something to run on the host, as often as a graph that holds it is launched.
pub(crate) type Act = Arc<dyn Fn() + Send + Sync>;

/// One thing in a stream.
#[derive(Clone)]
pub(crate) enum Op {
    /// Takes an engine for `duration_ns`; `effect` is what it does to memory.
    Work {
        /// Which engine.
        engine: Engine,
        /// For how long.
        duration_ns: u64,
        /// What it does to memory.
        effect: Option<Act>,
    },
    /// Notes when all before it has ended.
    Record(Arc<Mark>),
    /// Holds up what follows until another line's mark.
    Wait(Arc<Mark>),
    /// A host function.
    Call(Act),
}

/// Places work on the card: engine, not before, duration; answers its end.
pub(crate) type Place<'a> = &'a mut dyn FnMut(Engine, u64, u64) -> u64;

/// The line of one stream.
#[derive(Default)]
pub(crate) struct Line {
    tail: u64,
    queue: VecDeque<Op>,
    calling: bool,
    ends: VecDeque<u64>,
}

impl Line {
    /// An idle line's present end is now: what is recorded next happens no earlier.
    pub(crate) fn touch(&mut self, now: u64) {
        if !self.walled() {
            self.tail = self.tail.max(now);
        }
    }

    /// Appends `op`. Answers the effect to carry out at once where no wall stands before it.
    pub(crate) fn push(&mut self, op: Op, place: Place<'_>) -> Option<Act> {
        if !self.queue.is_empty() {
            self.queue.push_back(op);
            return None;
        }
        match self.advance(op, place) {
            Ok(effect) => effect,
            Err(op) => {
                self.queue.push_back(op);
                None
            }
        }
    }

    /// The point that the line has reached: its time, or a mark for it where a wall stands before it.
    pub(crate) fn point(&mut self) -> Result<u64, Arc<Mark>> {
        if !self.walled() {
            return Ok(self.tail);
        }
        let mark = Arc::new(Mark::default());
        self.queue.push_back(Op::Record(mark.clone()));
        Err(mark)
    }

    /// Holds up what follows until another line's point.
    pub(crate) fn wait(&mut self, point: Result<u64, Arc<Mark>>) {
        match point {
            Ok(time) if !self.walled() => self.tail = self.tail.max(time),
            Ok(time) => self.queue.push_back(Op::Wait(Arc::new(Mark::at(time)))),
            Err(mark) => self.queue.push_back(Op::Wait(mark)),
        }
    }

    /// Places what is not walled off any more, and answers its effects in order.
    pub(crate) fn pump(&mut self, place: Place<'_>) -> Vec<Act> {
        let mut effects = Vec::new();
        while !self.calling
            && let Some(op) = self.queue.pop_front()
        {
            match self.advance(op, place) {
                Ok(effect) => effects.extend(effect),
                Err(op) => {
                    self.queue.push_front(op);
                    break;
                }
            }
        }
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

    /// Drops what waits; its marks have passed at `now`.
    pub(crate) fn abandon(&mut self, now: u64) {
        for op in self.queue.drain(..) {
            if let Op::Record(mark) = op {
                mark.set(now);
            }
        }
    }

    /// When everything placed so far has ended.
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }

    /// When the host function at the head is due.
    pub(crate) fn call_due(&self) -> Option<u64> {
        (!self.calling && matches!(self.queue.front(), Some(Op::Call(_)))).then_some(self.tail)
    }

    /// Takes the host function at the head; until [`Line::call_done`] nothing moves.
    pub(crate) fn take_call(&mut self) -> Option<Act> {
        self.call_due()?;
        self.calling = true;
        match self.queue.pop_front() {
            Some(Op::Call(act)) => Some(act),
            _ => None,
        }
    }

    /// The host function has returned at `now`.
    pub(crate) fn call_done(&mut self, now: u64) {
        self.calling = false;
        self.tail = self.tail.max(now);
    }

    /// Until when the next launch has to wait because the queue is full; 0 where that is not known.
    pub(crate) fn full_until(&mut self, now: u64) -> Option<u64> {
        while self.ends.front().is_some_and(|end| *end <= now) {
            self.ends.pop_front();
        }
        let full = self.ends.len() + self.queue.len() >= DEPTH;
        full.then(|| self.ends.front().copied().unwrap_or(0))
    }

    fn advance(&mut self, op: Op, place: Place<'_>) -> Result<Option<Act>, Op> {
        match op {
            _ if self.calling => return Err(op),
            Op::Work { engine, duration_ns, effect } => {
                self.tail = place(engine, self.tail, duration_ns);
                self.ends.push_back(self.tail);
                return Ok(effect);
            }
            Op::Record(mark) => mark.set(self.tail),
            Op::Wait(ref mark) => match mark.time() {
                Some(time) => self.tail = self.tail.max(time),
                None => return Err(op),
            },
            Op::Call(_) => return Err(op),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(duration_ns: u64) -> Op {
        Op::Work { engine: Engine::Compute, duration_ns, effect: None }
    }

    fn free_card(_: Engine, not_before: u64, duration: u64) -> u64 {
        not_before + duration
    }

    fn push(line: &mut Line, op: Op) {
        let _ = line.push(op, &mut free_card);
    }

    fn recorded(line: &mut Line) -> Arc<Mark> {
        let mark = Arc::new(Mark::default());
        push(line, Op::Record(mark.clone()));
        mark
    }

    #[test]
    fn ends_add_up_without_waiting() {
        let mut line = Line::default();
        push(&mut line, work(10));
        push(&mut line, work(5));
        assert_eq!((recorded(&mut line).time(), line.walled()), (Some(15), false));
    }

    #[test]
    fn a_wait_moves_the_tail_to_the_other_lines_mark() {
        let (mut one, mut other) = (Line::default(), Line::default());
        push(&mut one, work(100));
        let mark = recorded(&mut one);
        push(&mut other, Op::Wait(mark));
        push(&mut other, work(1));
        assert_eq!(recorded(&mut other).time(), Some(101));
    }

    #[test]
    fn what_follows_a_host_function_waits_for_its_return() {
        let mut line = Line::default();
        push(&mut line, work(10));
        push(&mut line, Op::Call(Arc::new(|| ())));
        push(&mut line, work(10));
        let mark = recorded(&mut line);
        assert_eq!((mark.time(), line.call_due()), (None, Some(10)));
        assert!(line.take_call().is_some() && line.pump(&mut free_card).is_empty());
        assert_eq!(mark.time(), None);
        line.call_done(500);
        line.pump(&mut free_card);
        assert_eq!((mark.time(), line.walled()), (Some(510), false));
    }

    #[test]
    fn an_effect_behind_a_wall_is_carried_out_after_it() {
        let mut line = Line::default();
        push(&mut line, Op::Call(Arc::new(|| ())));
        let op = Op::Work { engine: Engine::CopyIn, duration_ns: 1, effect: Some(Arc::new(|| ())) };
        assert!(line.push(op, &mut free_card).is_none());
        let _call = line.take_call();
        line.call_done(1);
        assert_eq!(line.pump(&mut free_card).len(), 1);
    }

    #[test]
    fn a_full_queue_says_until_when() {
        let mut line = Line::default();
        (0..DEPTH).for_each(|_| push(&mut line, work(10)));
        assert_eq!(line.full_until(0), Some(10));
        assert_eq!(line.full_until(10), None);
    }
}
