//! Who runs kernels when: the time slices of one card's processors. A pure state machine over a clock
//! that its caller reads: no lock, no shared memory, no thread here.
//!
//! What real cards do between processes without MPS, as far as it is documented: work of two processes
//! never runs at the same instant. A card goes round the processes that have work; each runs for a slice,
//! is stopped where it is when the slice ends (compute preemption, Pascal and later), and changing over
//! costs time that nobody has. A process without work is passed over at once, one that comes back waits
//! for its turn. Guesses, which wait for `gpu-probe` on a real card: that the turn goes in order of first
//! arrival, that a slice runs on when nobody else wants the card, that a process is a single time-sliced
//! group whatever number of contexts it has, and that a more urgent stream of a process keeps its less
//! urgent ones from running altogether (a real one lets them fill what is left).
//!
//! How it is computed: an owner is a process's streams of one priority. It says how much time its work
//! takes in all, on a clock of its own that stands while others run. What the owner runs in parallel lies
//! side by side on that clock, so the card need not know of it. The state is brought up to a time whenever
//! somebody asks; each owner keeps its latest runs, which map its clock to everybody's. An idle card's
//! clock stands where its last work ended, so work that could have begun in the meantime is begun in time
//! however late its process comes to say so.

/// A process's work of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The process, as its connection.
    pub(crate) slot: u32,
    /// Its streams' priority: 0 is the most urgent.
    pub(crate) level: u32,
}

/// A stretch in which an owner ran, in nanoseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Run {
    /// Its first nanosecond.
    pub from_ns: u64,
    /// The first nanosecond after it.
    pub to_ns: u64,
    /// For how much of it the owner ran: all of it, but in what stands for several older stretches.
    pub work_ns: u64,
}

/// How many runs an owner keeps; older ones are joined. At a slice each they last for 60 ms, in which the
/// owner's process looks at them several times if it is awake.
pub(crate) const RUNS: usize = 16;

/// How many owners one card serves at a time.
pub(crate) const OWNERS: usize = 128;

/// An hour: a card that nobody asked for longer has done nothing in between.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// How a card divides its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How long a process runs while another waits.
    pub(crate) slice_ns: u64,
    /// What changing over costs.
    pub(crate) switch_ns: u64,
}

/// What an owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) owner: Owner,
    /// What its own clock shows, as far as it knows; counts where the card has forgotten it.
    pub(crate) ran_ns: u64,
    /// When all its work will have ended, on its own clock.
    pub(crate) due_ns: u64,
    /// Whether a kernel of it runs until something happens.
    pub(crate) open: bool,
    /// Since when the work could have run, in nanoseconds of CLOCK_MONOTONIC and not in the future.
    pub(crate) since_ns: u64,
}

/// One owner's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) owner: Owner,
    /// Whether a kernel of it runs until something happens.
    pub(crate) open: bool,
    /// When all its work has ended, on its own clock.
    pub(crate) due_ns: u64,
    /// What its own clock shows: for how long it has run.
    pub(crate) ran_ns: u64,
    /// Its latest runs, oldest first.
    runs: [Run; RUNS],
    count: usize,
}

/// The processors of a card, or of a part of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slices {
    /// Everything before this instant is decided. An idle card's stands at the end of its last work.
    pub(crate) clock_ns: u64,
    /// One more than the slot whose state is on the card; 0 for none.
    pub(crate) resident: u64,
    /// What is left of its slice.
    pub(crate) slice_left_ns: u64,
    /// What is left of changing over to it.
    pub(crate) switch_left_ns: u64,
    pub(crate) accounts: Vec<Account>,
}

impl Account {
    pub(crate) fn new(owner: Owner, ran_ns: u64) -> Self {
        let runs = [Run::default(); RUNS];
        Self { owner, open: false, due_ns: ran_ns, ran_ns, runs, count: 0 }
    }

    /// Its latest runs, oldest first; the last one ends at `ran_ns` of its own clock.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs[..self.count.min(RUNS)]
    }

    /// One as it was written down: `runs` are the latest, oldest first.
    pub(crate) fn restored(owner: Owner, open: bool, due_ns: u64, ran_ns: u64) -> Self {
        Self { open, due_ns: due_ns.max(ran_ns), ..Self::new(owner, ran_ns) }
    }

    /// Appends a run. A run that continues the last one becomes part of it; with no room left the two
    /// oldest become one, in which only the sum is exact.
    pub(crate) fn push(&mut self, run: Run) {
        let exact = |run: &Run| run.work_ns == run.to_ns.saturating_sub(run.from_ns);
        let last = self.count.checked_sub(1).and_then(|last| self.runs.get_mut(last));
        if let Some(last) = last
            && last.to_ns == run.from_ns
            && exact(last)
            && exact(&run)
        {
            last.to_ns = run.to_ns;
            last.work_ns += run.work_ns;
            return;
        }
        if self.count >= RUNS {
            self.runs[1].from_ns = self.runs[0].from_ns;
            self.runs[1].work_ns += self.runs[0].work_ns;
            self.runs.copy_within(1.., 0);
            self.count = RUNS - 1;
        }
        self.runs[self.count] = run;
        self.count += 1;
    }

    fn wants(&self) -> bool {
        self.open || self.ran_ns < self.due_ns
    }
}

impl Slices {
    /// Whether nobody has work.
    pub(crate) fn is_idle(&self) -> bool {
        !self.accounts.iter().any(Account::wants)
    }

    /// Brings everything up to `now_ns` and tells `ran` of each stretch in which somebody ran.
    pub(crate) fn advance(
        &mut self,
        now_ns: u64,
        policy: Policy,
        mut ran: impl FnMut(&Account, Run),
    ) {
        let slice_ns = policy.slice_ns.max(1_000);
        self.clock_ns = self.clock_ns.max(now_ns.saturating_sub(LONGEST_NS));
        while self.clock_ns < now_ns {
            let left = now_ns - self.clock_ns;
            let Some(at) = self.next_to_run() else {
                match self.after(self.resident) {
                    Some(slot) => self.change_to(slot, slice_ns, policy.switch_ns),
                    None => return,
                }
                continue;
            };
            if self.switch_left_ns > 0 {
                let step = self.switch_left_ns.min(left);
                self.switch_left_ns -= step;
                self.clock_ns += step;
                continue;
            }
            let account = &mut self.accounts[at];
            let work = if account.open { left } else { account.due_ns - account.ran_ns };
            let step = work.min(left).min(self.slice_left_ns.max(1));
            let run = Run { from_ns: self.clock_ns, to_ns: self.clock_ns + step, work_ns: step };
            account.ran_ns += step;
            account.push(run);
            ran(account, run);
            self.clock_ns += step;
            self.slice_left_ns = self.slice_left_ns.saturating_sub(step);
            if self.slice_left_ns == 0 {
                match self.after(self.resident) {
                    Some(slot) if u64::from(slot) + 1 != self.resident => {
                        self.change_to(slot, slice_ns, policy.switch_ns);
                    }
                    _ => self.slice_left_ns = slice_ns,
                }
            }
        }
    }

    /// An owner asks for time; the state is up to now. Answers whether there was room for it.
    pub(crate) fn ask(&mut self, ask: Ask, policy: Policy) -> bool {
        let idle = self.is_idle();
        let Some(account) = self.account(&ask) else { return false };
        account.due_ns = account.due_ns.max(ask.due_ns);
        account.open = ask.open;
        if idle && account.wants() {
            self.clock_ns = self.clock_ns.max(ask.since_ns);
            self.slice_left_ns = policy.slice_ns;
            self.switch_left_ns = 0;
        }
        true
    }

    /// Forgets a process and what it still had to run.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.accounts.retain(|account| account.owner.slot != slot);
        if self.resident == u64::from(slot) + 1 {
            (self.resident, self.slice_left_ns, self.switch_left_ns) = (0, 0, 0);
        }
    }

    /// When `owner` will have run until `due_ns` of its own clock if nobody comes or goes; none if that is
    /// after `until_ns`. The state is up to now.
    pub(crate) fn expect(
        &self,
        owner: Owner,
        due_ns: u64,
        until_ns: u64,
        policy: Policy,
    ) -> Option<u64> {
        let mut found = None;
        self.clone().advance(until_ns, policy, |account, run| {
            if account.owner == owner && found.is_none() && account.ran_ns >= due_ns {
                found = Some(run.to_ns - (account.ran_ns - due_ns));
            }
        });
        found
    }

    /// The account of an owner, made where it is missing: behind the others of its process, so that each
    /// process has one place in the round. One without work makes room: its owner knows what it had.
    fn account(&mut self, ask: &Ask) -> Option<&mut Account> {
        if let Some(at) = self.accounts.iter().position(|account| account.owner == ask.owner) {
            return self.accounts.get_mut(at);
        }
        if self.accounts.len() >= OWNERS {
            let idle = self.accounts.iter().position(|account| !account.wants())?;
            self.accounts.remove(idle);
        }
        let same = |account: &Account| account.owner.slot == ask.owner.slot;
        let at = self.accounts.iter().rposition(same).map_or(self.accounts.len(), |last| last + 1);
        self.accounts.insert(at, Account::new(ask.owner, ask.ran_ns));
        self.accounts.get_mut(at)
    }

    /// The most urgent account of the process on the card that has work. A kernel that runs until
    /// something happens holds nobody up: it may be waiting for a less urgent one.
    fn next_to_run(&self) -> Option<usize> {
        let slot = self.resident.checked_sub(1)? as u32;
        let own = self
            .accounts
            .iter()
            .enumerate()
            .filter(|(_, account)| account.owner.slot == slot && account.wants());
        own.min_by_key(|(_, account)| (account.ran_ns >= account.due_ns, account.owner.level))
            .map(|(at, _)| at)
    }

    /// The process whose turn it is after the one in `resident`: the next with work, round the table.
    fn after(&self, resident: u64) -> Option<u32> {
        let slot_of = |account: &Account| u64::from(account.owner.slot) + 1;
        let start = self.accounts.iter().rposition(|account| slot_of(account) == resident);
        let (before, behind) = self.accounts.split_at(start.map_or(0, |start| start + 1));
        let turn = behind.iter().chain(before);
        turn.filter(|account| account.wants()).map(|account| account.owner.slot).next()
    }

    fn change_to(&mut self, slot: u32, slice_ns: u64, switch_ns: u64) {
        let resident = u64::from(slot) + 1;
        let first = self.resident == 0;
        if self.resident != resident && !first {
            self.switch_left_ns = switch_ns;
        }
        (self.resident, self.slice_left_ns) = (resident, slice_ns);
    }
}

#[cfg(test)]
mod tests;
