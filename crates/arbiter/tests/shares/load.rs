//! What a program does: gpu-load's workloads, work by work.

use std::collections::VecDeque;

const MS: u64 = 1_000_000;

/// What a program wants next.
pub(crate) enum Wish {
    /// To launch work of this length.
    Launch(u64),
    /// To launch work that waits on the card for the other rank.
    Meet,
    /// To wait for the work of this number.
    Await(u64),
    /// To do something else until then.
    Rest(u64),
}

/// What a program does.
#[derive(Clone)]
pub(crate) struct Load {
    /// Each kernel.
    pub(crate) kernel_ns: u64,
    /// When it begins.
    from_ns: u64,
    /// When it ends.
    until_ns: u64,
    /// It launches so much, waits for it, …
    work_ns: u64,
    /// … rests so long, or until so long after the last time, and so on.
    rest_ns: u64,
    every_ns: u64,
    /// How much is under way before it waits for the oldest.
    ahead_ns: u64,
    /// It launches works of these lengths in turn, in place of kernels, and waits for each.
    steps_ns: &'static [u64],
    step: usize,
    /// In place of each fiftieth it launches so many kernels, and so many of them are not launched yet.
    prefills: [u64; 2],
    /// It is a rank: behind each kernel it meets the other.
    pub(crate) meets: bool,
    /// What it does when it has ended.
    then: Option<Box<Load>>,
    launched_ns: u64,
    /// Ends of what is under way, each a millisecond or so.
    under_way: VecDeque<u64>,
    batch_ns: u64,
    due_ns: u64,
    asked: VecDeque<(u64, u64)>,
    /// How long each of its times took from the first wish to the last of its work.
    pub(crate) latencies: Vec<u64>,
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kernels of {} us", self.kernel_ns / 1000)
    }
}

impl Load {
    /// It launches without a pause, eight milliseconds ahead.
    pub(crate) const fn saturating(kernel_ns: u64) -> Self {
        Self {
            kernel_ns,
            from_ns: 0,
            until_ns: u64::MAX,
            work_ns: u64::MAX,
            rest_ns: 0,
            every_ns: 0,
            ahead_ns: 8 * MS,
            steps_ns: &[],
            step: 0,
            prefills: [0, 0],
            meets: false,
            then: None,
            launched_ns: 0,
            under_way: VecDeque::new(),
            batch_ns: 0,
            due_ns: 0,
            asked: VecDeque::new(),
            latencies: Vec::new(),
        }
    }

    /// Some work every now and then, as inference is.
    pub(crate) fn periodic(kernel_ns: u64, work_ns: u64, every_ns: u64) -> Self {
        Self { work_ns, every_ns, ..Self::saturating(kernel_ns) }
    }

    /// So much work, and then a rest, and so on.
    pub(crate) fn bursts(kernel_ns: u64, work_ns: u64, rest_ns: u64) -> Self {
        Self { work_ns, rest_ns, ..Self::saturating(kernel_ns) }
    }

    /// A server of a language model as gpu-load plays it: graphs of milliseconds that are waited for, and half a
    /// millisecond of the host's between them.
    pub(crate) fn decode() -> Self {
        let steps_ns = &[2 * MS, 5 * MS, 3 * MS, 8 * MS, 4 * MS, 7 * MS, 6 * MS];
        Self { steps_ns, rest_ns: MS / 2, ..Self::saturating(MS) }
    }

    /// It launches works of these lengths in turn and waits for each.
    pub(crate) fn steps_of_their_own(steps_ns: &'static [u64]) -> Self {
        Self { steps_ns, ..Self::saturating(MS) }
    }

    /// As [`Load::decode`], with 40 ms of kernels in place of each fiftieth step.
    pub(crate) fn decode_with_prefill() -> Self {
        Self { kernel_ns: MS / 4, prefills: [160, 0], ..Self::decode() }
    }

    /// It never waits for what it launched.
    pub(crate) fn far_ahead(self) -> Self {
        Self { ahead_ns: u64::MAX, ..self }
    }

    /// Steps of such kernels, after each of which it waits on the card for the other rank; eight are under way.
    pub(crate) fn rank(kernel_ns: u64) -> Self {
        Self { meets: true, ..Self::saturating(kernel_ns) }
    }

    pub(crate) fn during(self, from_ns: u64, until_ns: u64) -> Self {
        Self { from_ns, until_ns, ..self }
    }

    /// And what it does from its end on.
    pub(crate) fn then(self, next: Self) -> Self {
        Self { then: Some(Box::new(next)), ..self }
    }

    /// What it wants now that so many works were launched and are done.
    pub(crate) fn next(&mut self, now_ns: u64, (launched, done): (u64, u64)) -> Wish {
        if now_ns < self.from_ns {
            return Wish::Rest(self.from_ns);
        }
        while self.under_way.front().is_some_and(|number| *number < done) {
            self.under_way.pop_front();
        }
        if now_ns >= self.until_ns
            && let Some(next) = self.then.take()
        {
            *self = *next;
            return self.next(now_ns, (launched, done));
        }
        if now_ns >= self.until_ns {
            return Wish::Rest(u64::MAX);
        }
        if self.meets {
            return self.next_of_rank(launched);
        }
        if !self.steps_ns.is_empty() {
            return self.next_step(now_ns, launched, done);
        }
        if self.launched_ns >= self.work_ns {
            if done < launched {
                return Wish::Await(launched - 1);
            }
            (self.launched_ns, self.batch_ns) = (0, 0);
            self.due_ns =
                if self.every_ns > 0 { self.due_ns + self.every_ns } else { now_ns + self.rest_ns };
            return Wish::Rest(self.due_ns);
        }
        if self.launched_ns == 0 && self.work_ns != u64::MAX {
            self.due_ns = if self.due_ns == 0 { now_ns } else { self.due_ns };
            let last = launched + self.work_ns.div_ceil(self.kernel_ns) - 1;
            if self.asked.back().is_none_or(|(number, _)| *number != last) {
                self.asked.push_back((last, self.due_ns));
            }
        }
        if self.batch_ns >= MS {
            self.batch_ns = 0;
            self.under_way.push_back(launched - 1);
        }
        if self.under_way.len() as u64 * MS.max(self.kernel_ns)
            > self.ahead_ns.max(8 * self.kernel_ns)
            && let Some(oldest) = self.under_way.front()
        {
            return Wish::Await(*oldest);
        }
        self.launched_ns = self.launched_ns.saturating_add(self.kernel_ns);
        self.batch_ns += self.kernel_ns;
        Wish::Launch(self.kernel_ns)
    }

    fn next_step(&mut self, now_ns: u64, launched: u64, done: u64) -> Wish {
        if self.prefills[1] > 0 {
            self.prefills[1] -= 1;
            return Wish::Launch(self.kernel_ns);
        }
        if done < launched {
            return Wish::Await(launched - 1);
        }
        if self.due_ns <= now_ns && self.batch_ns == 0 {
            self.batch_ns = self.steps_ns[self.step % self.steps_ns.len()];
            self.step += 1;
            if self.step.is_multiple_of(50) && self.prefills[0] > 0 {
                self.prefills[1] = self.prefills[0] - 1;
                return Wish::Launch(self.kernel_ns);
            }
            return Wish::Launch(self.batch_ns);
        }
        if self.batch_ns > 0 {
            (self.batch_ns, self.due_ns) = (0, now_ns + self.rest_ns);
        }
        Wish::Rest(self.due_ns)
    }

    fn next_of_rank(&mut self, launched: u64) -> Wish {
        if launched % 2 == 1 {
            self.under_way.push_back(launched);
            return Wish::Meet;
        }
        match self.under_way.front() {
            Some(oldest) if self.under_way.len() > 8 => Wish::Await(*oldest),
            _ => Wish::Launch(self.kernel_ns),
        }
    }

    /// A work is done.
    pub(crate) fn done(&mut self, number: u64, at_ns: u64) {
        if let Some((_, due)) = self.asked.pop_front_if(|(last, _)| *last == number) {
            self.latencies.push(at_ns - due);
        }
    }
}
