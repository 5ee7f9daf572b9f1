//! What the card did, played again from what the containers tell of their batches.
//!
//! Where several processes have work, a card runs one at a time and turns to the next when a slice is over
//! or the work is. So what one measures has the others' slices in it, and from its measure alone nobody can
//! say how much. But who had work when is told by all together, and so the round can be played again: every
//! moment is one container's, or nobody's. What is played is held against what is known for certain: when a
//! batch ends, its container has the card. Where the two differ the round is put right from there.
//!
//! * Who is seen to run on beyond its slice has not been interrupted yet.
//! * Who is seen to run before its turn came earlier: from the middle of the time in which it can have.
//! * When the card turned to one that came while another ran on beyond its slice, nobody tells: the first of
//!   its batches took as long as its batches usually do.
//!
//! Each batch is charged what its container had until its end and was not charged for yet. What all are
//! charged together is therefore never more than the time that went by.

mod known;
#[cfg(test)]
mod tests;

use known::End;

/// What of two moments counts as one, in nanoseconds.
const MOMENT_NS: u64 = 50_000;
/// Processes of one container that each have a slice; more are not believed.
const MOST_PROCESSES: u64 = 64;
/// Stretches that wait for the next batch to end.
const MOST: usize = 64;
/// How much one more turn tells of how long turning takes.
const WEIGHT: f64 = 1.0 / 16.0;
/// The most that is launched and not told of, in nanoseconds: the shim's batches are as long.
const MOST_OPEN_NS: Ns = 500_000;
/// How long turning to another is taken to take until it was seen, in nanoseconds. A guess.
const FIRST_SWITCH_NS: f64 = 20_000.0;
/// Turning to another takes no longer, in nanoseconds.
const MOST_SWITCH_NS: f64 = 200_000.0;

/// A time in nanoseconds.
type Ns = u64;

/// What one container says of the time that is played.
#[derive(Clone, Debug, Default)]
pub(crate) struct Player {
    pub(crate) key: u64,
    /// Processes: each has a slice.
    pub(crate) processes: u64,
    /// How long its batches are that ran in one piece, on average, in nanoseconds; 0: unknown.
    pub(crate) mean_ns: Ns,
    /// The same of those that are interrupted: the longer one is the sooner it is.
    pub(crate) usual_ns: Ns,
    /// Whether it has work at the moment that is played.
    has_work: bool,
}

impl Player {
    fn processes(&self) -> u64 {
        self.processes.clamp(1, MOST_PROCESSES)
    }

    /// Whether it has work where the play goes on.
    pub(crate) fn comes(&mut self, has_work: bool) {
        self.has_work = has_work;
    }
}

/// Something that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A batch ends, which began then; whether it is the first since its container had work.
    Ends { start_ns: Ns, is_first: bool },
    /// It has no work from here on.
    Dry,
    /// It has work from here on.
    Comes,
}

/// What the caller is told of each batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    /// What its container had of the card since the batch before, in nanoseconds.
    pub(crate) charge_ns: Ns,
    /// What of that it had while nobody else wanted the card, in nanoseconds.
    pub(crate) lent_ns: Ns,
    /// How long a batch took for which that is known for certain, and of which player.
    pub(crate) seen: Option<(usize, Ns)>,
}

/// A stretch of the card's time.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    key: u64,
    from_ns: Ns,
    to_ns: Ns,
}

/// The one that has the card.
#[derive(Clone, Copy, Debug)]
struct Holder {
    key: u64,
    since_ns: Ns,
    slice_end_ns: Ns,
    /// Nobody tells when the card turned to it: from `since_ns` on, when the slice of the one before was over.
    is_loose: bool,
    /// It runs on beyond what was taken for the end of its slice.
    is_overdue: bool,
    /// The one before had no more work.
    is_after_dry: bool,
}

/// The only one that wanted the card at a moment.
#[derive(Clone, Copy, Debug)]
struct Alone {
    key: u64,
    /// How far was played.
    at_ns: Ns,
    /// What it had of the card and was not charged for.
    had_ns: Ns,
}

impl Stretch {
    fn ns(&self) -> Ns {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

impl Holder {
    fn since(key: u64, since_ns: Ns, slice_end_ns: Ns) -> Self {
        Self {
            key,
            since_ns,
            slice_end_ns,
            is_loose: false,
            is_overdue: false,
            is_after_dry: false,
        }
    }
}

/// The round, as far as it is played.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    slice_ns: Ns,
    /// Everything before is played.
    at_ns: Ns,
    holder: Option<Holder>,
    /// The last batch that ended, and the one before that.
    known: End,
    before: End,
    /// More than one had work since it ended.
    is_contested: bool,
    /// Who had the card since then, as it is played.
    stretches: Vec<Stretch>,
    /// What each had and was not charged for.
    accounts: Vec<(u64, Ns)>,
    /// Who had the card alone, and for how long of what it was not charged for.
    lent: (u64, Ns),
    /// Who was alone when that was asked last.
    alone: Option<Alone>,
    /// How long it takes to turn to another, as it was seen.
    switch_ns: f64,
    /// For how long the card turned to another, in all.
    turning_ns: Ns,
}

impl Replay {
    /// A card that nothing is known of.
    pub(crate) fn new() -> Self {
        Self {
            slice_ns: 0,
            at_ns: 0,
            holder: None,
            known: End::default(),
            before: End::default(),
            is_contested: false,
            stretches: Vec::new(),
            accounts: Vec::new(),
            lent: (0, 0),
            alone: None,
            switch_ns: FIRST_SWITCH_NS,
            turning_ns: 0,
        }
    }

    /// Nothing is known of the time before: else who has work then had the card since the clock began.
    pub(crate) fn begin(&mut self, at_ns: Ns) {
        self.at_ns = at_ns;
    }

    /// How far it is played, in nanoseconds.
    pub(crate) fn at_ns(&self) -> Ns {
        self.at_ns
    }

    /// For how long the card turned to another since this was asked last, in nanoseconds.
    pub(crate) fn take_turning_ns(&mut self) -> Ns {
        std::mem::take(&mut self.turning_ns)
    }

    /// Plays on until `until_ns`. `events` are by time, and of each the number of its player.
    pub(crate) fn play(
        &mut self,
        players: &mut [Player],
        events: &[(Ns, Event, usize)],
        until_ns: Ns,
        slice_ns: Ns,
        mut charged: impl FnMut(usize, Charged),
    ) {
        self.slice_ns = slice_ns.max(1000);
        self.accounts.retain(|(key, _)| players.iter().any(|player| player.key == *key));
        for (number, &(at_ns, event, player)) in events.iter().enumerate() {
            if at_ns > self.at_ns {
                self.advance(players, at_ns);
            }
            match event {
                Event::Ends { start_ns, is_first } => {
                    let rest = events.get(number + 1..).unwrap_or_default();
                    let end = End { key: players[player].key, at_ns, start_ns, is_first };
                    charged(number, self.ends(players, player, end, rest));
                }
                Event::Dry => players[player].has_work = false,
                Event::Comes => players[player].has_work = true,
            }
        }
        self.advance(players, until_ns);
    }

    /// Goes on to `to_ns`, before which nothing is told of.
    fn advance(&mut self, players: &[Player], to_ns: Ns) {
        while self.at_ns < to_ns {
            let holder = self.holder.filter(|holder| works(players, holder.key));
            let Some(holder) = holder else {
                let before = self.holder.take();
                match next(players, before.map(|holder| holder.key)) {
                    Some(player) => {
                        self.turn_to(player, before.map(|holder| holder.key), false, true)
                    }
                    None => {
                        self.holder = None;
                        self.at_ns = to_ns;
                    }
                }
                continue;
            };
            let other = next(players, Some(holder.key)).filter(|other| other.key != holder.key);
            self.is_contested |= other.is_some();
            match other {
                Some(other) if self.at_ns >= holder.slice_end_ns => {
                    // When the slice was over long ago nobody knows how the card counts.
                    let is_loose =
                        holder.is_overdue || self.at_ns > holder.slice_end_ns + MOMENT_NS;
                    self.turn_to(other, Some(holder.key), is_loose, false);
                }
                Some(_) => self.run(holder.key, to_ns.min(holder.slice_end_ns)),
                None => self.run(holder.key, to_ns),
            }
        }
    }

    fn turn_to(
        &mut self,
        player: &Player,
        before: Option<u64>,
        is_loose: bool,
        is_after_dry: bool,
    ) {
        let turning = before.is_some_and(|key| key != player.key);
        let turning_ns = if turning { self.switch_ns as u64 } else { 0 };
        self.turning_ns += turning_ns;
        let since_ns = self.at_ns + turning_ns;
        let slice_end_ns = since_ns + self.slice_ns * player.processes();
        let key = player.key;
        // Behind a rest of all it tells nothing of how long turning takes: it began when it had work.
        let is_after_dry = is_after_dry && turning;
        self.holder =
            Some(Holder { is_loose, is_after_dry, ..Holder::since(key, since_ns, slice_end_ns) });
    }

    fn run(&mut self, key: u64, to_ns: Ns) {
        let since_ns = self.holder.map_or(0, |holder| holder.since_ns);
        let from_ns = self.at_ns.max(since_ns).min(to_ns);
        match self.stretches.last_mut() {
            Some(last) if last.key == key && last.to_ns == from_ns => last.to_ns = to_ns,
            _ => {
                if self.stretches.len() == MOST {
                    let oldest = self.stretches.remove(0);
                    self.put(oldest);
                }
                self.stretches.push(Stretch { key, from_ns, to_ns });
            }
        }
        self.at_ns = to_ns;
    }

    fn put(&mut self, stretch: Stretch) {
        let ns = stretch.ns();
        match self.accounts.iter_mut().find(|(key, _)| *key == stretch.key) {
            Some((_, account)) => *account += ns,
            None => self.accounts.push((stretch.key, ns)),
        }
    }

    /// The most that a container can be charged for batches that end until `now_ns` and are not played: what it had
    /// and was not charged for, and all since the last batch ended, which may have been its own.
    pub(crate) fn left_ns(&self, key: u64, now_ns: Ns) -> Ns {
        let open_ns = self.stretches.iter().map(Stretch::ns).fold(0, Ns::saturating_add);
        let left_ns = now_ns.saturating_sub(self.at_ns).saturating_add(open_ns);
        left_ns.saturating_add(self.account(key))
    }

    /// At this moment `only` wants the card and nobody else. What it had since the moment before, if it was alone then
    /// as well, is lent: at a single one the others may be between two steps, and what it had till then it had of theirs.
    pub(crate) fn lend(&mut self, only: Option<u64>) {
        let at_ns = self.at_ns;
        let alone = only.map(|key| Alone { key, at_ns, had_ns: self.had_ns(key) });
        if let (Some(now), Some(before)) = (alone, self.alone)
            && now.key == before.key
        {
            // The end of another's batch may give it what it had before.
            let most_ns = now.at_ns - before.at_ns;
            let more_ns = now.had_ns.saturating_sub(before.had_ns).min(most_ns);
            self.lent = (now.key, self.lent_ns(now.key) + more_ns);
        }
        self.alone = alone;
    }

    /// What a container was lent and is not charged for yet, in nanoseconds: no more than it had.
    pub(crate) fn lent_ns(&self, key: u64) -> Ns {
        if self.lent.0 == key { self.lent.1.min(self.had_ns(key)) } else { 0 }
    }

    /// What a container had of the card as far as it is played, and was not charged for.
    fn had_ns(&self, key: u64) -> Ns {
        let own = self.stretches.iter().filter(|stretch| stretch.key == key);
        own.map(Stretch::ns).fold(self.account(key), Ns::saturating_add)
    }

    fn account(&self, key: u64) -> Ns {
        self.accounts.iter().find(|(known, _)| *known == key).map_or(0, |(_, account)| *account)
    }

    /// What is on an account, and no more than a batch took. What is left belongs to those that are told late.
    fn take(&mut self, key: u64, most_ns: Ns, is_late: bool) -> Ns {
        let Some((_, account)) = self.accounts.iter_mut().find(|(known, _)| *known == key) else {
            return 0;
        };
        let due_ns = most_ns.min(*account);
        *account = if is_late { *account - due_ns } else { 0 };
        due_ns
    }

    /// What of a charge was lent, as [`Replay::take`] takes it off its account.
    fn take_lent(&mut self, key: u64, charge_ns: Ns, is_late: bool) -> Ns {
        if self.lent.0 != key {
            return 0;
        }
        let due_ns = self.lent.1.min(charge_ns);
        self.lent.1 = if is_late { self.lent.1 - due_ns } else { 0 };
        due_ns
    }
}

fn works(players: &[Player], key: u64) -> bool {
    players.iter().any(|player| player.key == key && player.has_work)
}

/// The next with work behind this one, round the table.
fn next(players: &[Player], behind: Option<u64>) -> Option<&Player> {
    let at = behind.and_then(|key| players.iter().position(|player| player.key == key));
    let (before, after) = players.split_at(at.map_or(0, |at| at + 1));
    after.iter().chain(before).find(|player| player.has_work)
}
