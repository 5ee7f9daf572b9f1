//! A card as NVIDIA's are said to be without MPS: it runs one process at a time, turns to the next
//! that has work when a slice is over or the work is, and interrupts kernels to do so. Deterministic.

use std::collections::VecDeque;

/// A kernel in a queue.
pub(crate) struct Work {
    pub(crate) left_ns: u64,
    /// Its number among its container's.
    pub(crate) number: u64,
    /// It runs on until the container's other rank has done all before this number.
    pub(crate) meets: bool,
}

/// What a card does next, and to whom.
pub(crate) struct Card {
    pub(crate) slice_ns: u64,
    pub(crate) switch_ns: u64,
    pub(crate) queues: Vec<VecDeque<Work>>,
    /// How many works the other rank of a container has done, by container.
    pub(crate) met: Vec<u64>,
    current: usize,
    slice_left_ns: u64,
    switch_left_ns: u64,
}

/// What happened while the card ran for some time.
pub(crate) struct Ran {
    pub(crate) process: usize,
    pub(crate) ns: u64,
    /// Work of this process is done.
    pub(crate) done: Option<Work>,
}

impl Card {
    pub(crate) fn new(processes: usize, slice_ns: u64, switch_ns: u64) -> Self {
        let queues = (0..processes).map(|_| VecDeque::new()).collect();
        let met = vec![0; processes];
        Self { slice_ns, switch_ns, queues, met, current: 0, slice_left_ns: 0, switch_left_ns: 0 }
    }

    fn others_have_work(&self) -> bool {
        self.queues.iter().enumerate().any(|(at, queue)| at != self.current && !queue.is_empty())
    }

    /// Time until something of itself happens; `None` while nobody has work.
    pub(crate) fn next_ns(&mut self) -> Option<u64> {
        if self.queues[self.current].is_empty() || self.slice_left_ns == 0 {
            let count = self.queues.len();
            let order = (1..=count).map(|step| (self.current + step) % count);
            let next = order.into_iter().find(|at| !self.queues[*at].is_empty())?;
            self.switch_left_ns = if next == self.current { 0 } else { self.switch_ns };
            (self.current, self.slice_left_ns) = (next, self.slice_ns);
        }
        let head = self.queues[self.current].front()?;
        let head = if self.spins(head) { u64::MAX } else { head.left_ns };
        let slice = if self.others_have_work() { self.slice_left_ns } else { u64::MAX };
        Some(self.switch_left_ns.saturating_add(head.min(slice)))
    }

    /// Whether the work on the card waits for the other rank.
    fn spins(&self, work: &Work) -> bool {
        work.meets && self.met[self.current] < work.number
    }

    /// Runs for `ns`, at most [`Card::next_ns`].
    pub(crate) fn run(&mut self, ns: u64) -> Ran {
        let switching = ns.min(self.switch_left_ns);
        self.switch_left_ns -= switching;
        let ns = ns - switching;
        let spins = self.queues[self.current].front().is_some_and(|head| self.spins(head));
        let queue = &mut self.queues[self.current];
        let mut ran = Ran { process: self.current, ns, done: None };
        let Some(head) = queue.front_mut() else { return ran };
        self.slice_left_ns = self.slice_left_ns.saturating_sub(ns);
        if spins {
            return ran;
        }
        head.left_ns -= ns;
        if head.left_ns == 0 {
            ran.done = queue.pop_front();
        }
        ran
    }
}
