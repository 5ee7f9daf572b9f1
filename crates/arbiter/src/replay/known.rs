//! What the end of a batch makes of what is played: its container has the card at that moment.

use super::{
    Charged, Event, Holder, MOMENT_NS, MOST_OPEN_NS, MOST_SWITCH_NS, Ns, Player, Replay, Stretch,
    WEIGHT,
};

/// A batch that ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub(super) key: u64,
    pub(super) at_ns: Ns,
    pub(super) start_ns: Ns,
    /// It is the first since its container had work.
    pub(super) is_first: bool,
}

/// When the card turned to a container, by what is told of the time after.
#[derive(Clone, Copy, Debug)]
enum Came {
    /// Then: it had no more work when its batch had ended.
    At(Ns),
    /// Then or later: it may have gone on.
    NotBefore(Ns),
}

impl End {
    /// Whether another batch, that began at `start_ns`, is of the same container and came right behind it.
    fn is_followed(&self, key: u64, start_ns: Ns) -> bool {
        self.key == key && self.at_ns.abs_diff(start_ns) <= MOMENT_NS
    }
}

/// Of two that are alone with each other longer batches tell something, in slices.
const DUEL_SLICES: u64 = 8;

/// Whether nobody else has work.
fn is_duel(players: &[Player], one: usize, other: usize) -> bool {
    let rest = players.iter().enumerate().filter(|(number, _)| ![one, other].contains(number));
    rest.into_iter().all(|(_, player)| !player.has_work)
}

impl Replay {
    /// A batch of a player ends; `rest` is what is known of the time after.
    pub(super) fn ends(
        &mut self,
        players: &[Player],
        number: usize,
        end: End,
        rest: &[(Ns, Event, usize)],
    ) -> Charged {
        // What is told too late changes nothing of what is played.
        let is_late = end.at_ns != self.at_ns;
        let mut seen = None;
        if !is_late {
            seen = self.seen(players, number, end.start_ns);
            let came = self.came(players, number, end.at_ns, rest);
            let came = came.or_else(|| self.came_first(&players[number], end));
            match self.holder {
                Some(holder) if holder.key == end.key => {
                    self.confirm(&players[number], holder, end, came);
                }
                Some(holder) => self.correct(&players[number], holder, end, came),
                None => {}
            }
            self.give_back(&players[number], end.start_ns);
            self.before = std::mem::replace(&mut self.known, end);
            self.is_contested = false;
        }
        for stretch in std::mem::take(&mut self.stretches) {
            self.put(stretch);
        }
        let charge_ns = self.take(end.key, end.at_ns.saturating_sub(end.start_ns), is_late);
        let lent_ns = self.take_lent(end.key, charge_ns, is_late);
        Charged { charge_ns, lent_ns, seen }
    }

    /// What a batch that began then and ends at this moment tells for certain: how long it took if nobody
    /// ended anything meanwhile; how long another's took that came, ended and went meanwhile.
    fn seen(&self, players: &[Player], number: usize, start_ns: Ns) -> Option<(usize, Ns)> {
        let player = &players[number];
        let length_ns = self.at_ns.checked_sub(start_ns)?;
        if self.known.is_followed(player.key, start_ns) {
            let is_whole = length_ns <= self.slice_ns || !self.is_contested;
            return is_whole.then_some((number, length_ns));
        }
        let other = players.iter().position(|other| other.key == self.known.key)?;
        let is_within = self.before.is_followed(player.key, start_ns)
            && self.known.start_ns >= start_ns
            && !players[other].has_work;
        let is_duel = is_duel(players, number, other);
        if !is_within || player.usual_ns == 0 || !(is_duel || self.is_usual(player)) {
            return None;
        }
        let others_ns = length_ns.checked_sub(player.usual_ns + 2 * self.switch_ns as u64)?;
        let most_ns = if is_duel { DUEL_SLICES * self.slice_ns } else { self.slice_ns };
        (1..=most_ns).contains(&others_ns).then_some((other, others_ns))
    }

    /// When the card turned to the one whose batch ends at `at_ns`, if that follows from what is told of the
    /// time after: the one that had the card before ends a batch next, which took as long as its batches
    /// usually do.
    fn came(
        &self,
        players: &[Player],
        number: usize,
        at_ns: Ns,
        rest: &[(Ns, Event, usize)],
    ) -> Option<Came> {
        let known = self.known;
        let now = rest.iter().take_while(|(then_ns, ..)| *then_ns == at_ns);
        let has_gone = now.into_iter().any(|&(_, event, of)| (event, of) == (Event::Dry, number));
        let (end_ns, start_ns, of) = rest.iter().find_map(|&(end_ns, event, of)| match event {
            Event::Ends { start_ns, .. } => Some((end_ns, start_ns, of)),
            _ => None,
        })?;
        let usual_ns = players[of].usual_ns;
        let most_slices = match has_gone {
            true if is_duel(players, number, of) => DUEL_SLICES,
            true => 2,
            false => 1,
        };
        let most_ns = most_slices * self.slice_ns;
        let is_known = of != number
            && known.is_followed(players[of].key, start_ns)
            && (1..=most_ns).contains(&usual_ns);
        if !is_known {
            return None;
        }
        let switch_ns = self.switch_ns as u64;
        let ran_ns = (usual_ns + switch_ns).saturating_sub(end_ns.saturating_sub(at_ns));
        let came_ns = (known.at_ns + ran_ns + switch_ns).min(at_ns.max(known.at_ns));
        Some(if has_gone { Came::At(came_ns) } else { Came::NotBefore(came_ns) })
    }

    /// The same where the batch is the first since its container had work, and its like fit into a slice: nobody
    /// interrupted it.
    fn came_first(&self, player: &Player, end: End) -> Option<Came> {
        let is_whole = end.is_first && (1..=self.slice_ns).contains(&player.mean_ns);
        let came_ns = end.at_ns.saturating_sub(player.mean_ns).max(end.start_ns);
        is_whole.then_some(Came::At(came_ns))
    }

    /// It has the card, as it is played.
    fn confirm(&mut self, player: &Player, holder: Holder, end: End, came: Option<Came>) {
        let known = self.known;
        if known.key == player.key {
            return self.fit(player, end);
        }
        let first_ns = end.at_ns.saturating_sub(player.mean_ns);
        let is_told = end.is_first && player.mean_ns > 0;
        // What is shorter than its like is told of from where it ran, and not from where it had work.
        let is_early = is_told && (first_ns..holder.since_ns).contains(&end.start_ns);
        match came {
            Some(Came::At(_)) if is_early && self.only_other(player.key) == Some(known.key) => {
                self.turned_at(player, known.key, end.at_ns, end.start_ns);
            }
            Some(Came::At(came_ns)) if holder.is_loose => self.move_turn(known.key, came_ns),
            _ if is_told && holder.is_loose => self.move_turn(known.key, first_ns),
            _ if is_told && holder.is_after_dry => self.learn_switch(holder.since_ns, first_ns),
            _ => {}
        }
    }

    /// The one before had no more work, and the card is taken to have turned since; its first batch began
    /// at `first_ns`, as its batches usually do.
    fn learn_switch(&mut self, since_ns: Ns, first_ns: Ns) {
        let begun_ns = since_ns as f64 - self.switch_ns;
        let seen = first_ns as f64 - begun_ns;
        let is_near = since_ns <= self.known.at_ns + MOST_SWITCH_NS as u64;
        if is_near && (0.0..MOST_SWITCH_NS).contains(&seen) {
            // What is more may be that its first batch is longer than its others.
            let weight = if seen < self.switch_ns { WEIGHT } else { WEIGHT / 8.0 };
            self.switch_ns += (seen - self.switch_ns) * weight;
        }
    }

    /// The card turned to the one that has it as late as `since_ns`, and the one before had it till then.
    fn move_turn(&mut self, before: u64, since_ns: Ns) {
        let (Some(last), Some(holder)) = (self.stretches.last_mut(), &mut self.holder) else {
            return;
        };
        let since_ns = since_ns.max(holder.since_ns).min(last.to_ns);
        let from_ns = last.from_ns;
        last.from_ns = since_ns;
        holder.slice_end_ns += since_ns.saturating_sub(holder.since_ns);
        holder.since_ns = since_ns;
        holder.is_loose = false;
        let to_ns = since_ns.saturating_sub(self.switch_ns as u64).max(from_ns);
        let at = self.stretches.len() - 1;
        self.stretches.insert(at, Stretch { key: before, from_ns, to_ns });
    }

    /// It has the card, and as it is played another had.
    fn correct(&mut self, player: &Player, holder: Holder, end: End, came: Option<Came>) {
        let (key, at_ns) = (player.key, end.at_ns);
        let others = self.stretches.iter().filter(|stretch| stretch.key != key);
        let others_ns = others.map(Stretch::ns).sum::<Ns>();
        let is_its_own = self.known.is_followed(key, end.start_ns) && self.is_usual(player);
        if self.known.key == key && (others_ns < self.slice_ns || is_its_own) {
            return self.goes_on(player, at_ns, others_ns);
        }
        if let (Some(Came::At(came_ns)), Some(other)) = (came, self.only_other(key)) {
            return self.turned_at(player, other, at_ns, came_ns);
        }
        let least_ns = holder.since_ns.max(self.known.at_ns).min(at_ns);
        // It came somewhere in between.
        let half_ns = (at_ns - least_ns) / 2;
        let own_ns = if player.mean_ns > 0 { half_ns.min(player.mean_ns) } else { half_ns };
        let from_ns = match came {
            Some(Came::At(came_ns)) => came_ns.max(least_ns),
            Some(Came::NotBefore(came_ns)) => came_ns.max(at_ns - own_ns),
            None => at_ns - own_ns,
        };
        if let Some(last) = self.stretches.last_mut() {
            last.to_ns = last.to_ns.min(from_ns).max(last.from_ns);
        }
        self.stretches.push(Stretch { key, from_ns, to_ns: at_ns });
        let slice_end_ns = from_ns + self.slice_ns * player.processes();
        self.holder = Some(Holder::since(key, from_ns, slice_end_ns));
    }

    /// The only one beside `key` that had the card, as it is played.
    fn only_other(&self, key: u64) -> Option<u64> {
        let mut others = self.stretches.iter().map(|stretch| stretch.key).filter(|of| *of != key);
        let other = others.next()?;
        others.all(|of| of == other).then_some(other)
    }

    /// Since the batch before ended `other` had the card until `came_ns`, and the player after it, whatever was
    /// played.
    fn turned_at(&mut self, player: &Player, other: u64, at_ns: Ns, came_ns: Ns) {
        let from_ns = self.stretches.first().map_or(at_ns, |first| first.from_ns);
        let came_ns = came_ns.clamp(from_ns, at_ns);
        let to_ns = came_ns.saturating_sub(self.switch_ns as u64).max(from_ns);
        self.stretches.clear();
        self.stretches.push(Stretch { key: other, from_ns, to_ns });
        self.stretches.push(Stretch { key: player.key, from_ns: came_ns, to_ns: at_ns });
        let slice_end_ns = came_ns + self.slice_ns * player.processes();
        self.holder = Some(Holder::since(player.key, came_ns, slice_end_ns));
    }

    /// Whether what its batches usually take tells more than the count of slices.
    fn is_usual(&self, player: &Player) -> bool {
        (1..=2 * self.slice_ns).contains(&player.usual_ns)
    }

    /// It has the card as it is played, and ended its batch before as well: of the time between it had what its
    /// batches usually take, and the others what they had there by the rest.
    fn fit(&mut self, player: &Player, end: End) {
        let others = self.stretches.iter().filter(|stretch| stretch.key != player.key);
        let others_ns = others.map(Stretch::ns).sum::<Ns>();
        if others_ns == 0
            || !self.known.is_followed(player.key, end.start_ns)
            || !self.is_usual(player)
        {
            return;
        }
        let span_ns = end.at_ns - end.start_ns.min(end.at_ns);
        let own_ns = player.usual_ns.min(span_ns);
        let rest_ns = (span_ns - own_ns).saturating_sub(2 * self.switch_ns as u64);
        let had_ns = self.stretches.iter().map(Stretch::ns).sum::<Ns>() - others_ns;
        for stretch in &mut self.stretches {
            let is_own = stretch.key == player.key;
            let (due_ns, of_ns) = if is_own { (own_ns, had_ns) } else { (rest_ns, others_ns) };
            stretch.to_ns = stretch.from_ns + stretch.ns() * due_ns / of_ns.max(1);
        }
    }

    /// The batch before was its own as well, and as it is played another came between and is not done with its
    /// slice: it did not, unless this one took longer than its batches do.
    fn goes_on(&mut self, player: &Player, at_ns: Ns, others_ns: Ns) {
        let (key, usual_ns) = (player.key, player.usual_ns);
        let from_ns = self.stretches.first().map_or(at_ns, |first| first.from_ns);
        let span_ns = at_ns.saturating_sub(from_ns);
        let is_interrupted = usual_ns > 0 && span_ns > usual_ns + self.slice_ns / 4 * 3;
        let own_ns = if is_interrupted { usual_ns } else { span_ns };
        self.stretches.retain_mut(|stretch| {
            let ns = stretch.ns() * (span_ns - own_ns) / others_ns.max(1);
            stretch.to_ns = stretch.from_ns + ns;
            stretch.key != key
        });
        self.stretches.push(Stretch { key, from_ns: at_ns - own_ns, to_ns: at_ns });
        self.holder = Some(if is_interrupted {
            let since_ns = at_ns - own_ns / 2;
            Holder::since(key, since_ns, since_ns + self.slice_ns)
        } else {
            Holder { is_overdue: true, ..Holder::since(key, from_ns, at_ns) }
        });
    }

    /// A batch in which another's ended, and that has more than its like take: the other ran on for so long.
    /// What is launched into a batch that is open yet is told of with the next.
    fn give_back(&mut self, player: &Player, start_ns: Ns) {
        let known = self.known;
        if known.key == player.key || start_ns >= known.at_ns || player.usual_ns == 0 {
            return;
        }
        let more_ns = self.had_ns(player.key).saturating_sub(player.usual_ns).min(MOST_OPEN_NS);
        let Some(last) = self.stretches.last_mut().filter(|last| last.key == player.key) else {
            return;
        };
        if more_ns > MOMENT_NS {
            let from_ns = last.from_ns;
            let to_ns = (from_ns + more_ns).min(last.to_ns);
            last.from_ns = to_ns;
            self.stretches.push(Stretch { key: known.key, from_ns, to_ns });
        }
    }
}
