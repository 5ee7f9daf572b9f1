//! What the threads of several GPUs know of each other: which gangs want which GPUs at the moment, and
//! the timetable that follows.
//!
//! A thread that says something else than before makes the table anew; the others take it at their next
//! look. Nobody waits for anybody: a GPU whose thread is late has its turns late, alone. While a gang has turns
//! each of its GPUs' threads leaves at every look what it sees of the rank there, by which turns end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arbiter::{Closed, Ending, Rank, Settings, Standing, Timetable};
use contract::DeviceUuid;

/// What is shared among all GPUs' threads.
#[derive(Default)]
pub(super) struct Gangs {
    known: Mutex<Known>,
    /// Moves with the table.
    version: AtomicU64,
}

#[derive(Default)]
struct Known {
    /// Each GPU's number, for as long as there are any gangs' threads.
    numbers: BTreeMap<DeviceUuid, u64>,
    standings: BTreeMap<DeviceUuid, Vec<Standing>>,
    table: Arc<Timetable>,
    /// What was seen last, by gang and GPU.
    ranks: BTreeMap<(u64, u64), Rank>,
    /// Which turns are over, for all GPUs at once.
    closed: Closed,
}

/// One GPU's thread among them. What it said goes when this is dropped.
pub(super) struct Seat {
    gangs: Arc<Gangs>,
    gpu: DeviceUuid,
    /// The GPU's number in the table.
    pub(super) card: u64,
    said: Vec<Standing>,
    version: u64,
    table: Arc<Timetable>,
}

impl Seat {
    /// A seat for a GPU.
    pub(super) fn new(gangs: Arc<Gangs>, gpu: DeviceUuid) -> Self {
        let mut known = gangs.known();
        let next = known.numbers.len() as u64;
        let card = *known.numbers.entry(gpu).or_insert(next);
        drop(known);
        Self { gangs, gpu, card, said: Vec::new(), version: 0, table: Arc::default() }
    }

    /// The table that holds.
    pub(super) fn table(&mut self) -> Arc<Timetable> {
        let version = self.gangs.version.load(Ordering::Acquire);
        if version != self.version {
            self.table = self.gangs.known().table.clone();
            self.version = version;
        }
        self.table.clone()
    }

    /// This is seen here of a gang that has turns.
    pub(super) fn saw(&self, gang: u64, rank: Rank) {
        self.gangs.known().ranks.insert((gang, self.card), rank);
    }

    /// By how much a gang's turns are the shorter, in nanoseconds: what it had too much on one of its GPUs.
    pub(super) fn short_ns(&self, gang: u64) -> u64 {
        let known = self.gangs.known();
        let all = known.ranks.range((gang, 0)..=(gang, u64::MAX));
        all.map(|(_, rank)| rank.overrun_ns).max().unwrap_or(0)
    }

    /// How far a gang is at `now_ns` with its turn, which began at `begun_ns` and is to end soon, by what is seen here and
    /// on its other GPUs.
    pub(super) fn ending(&self, gang: u64, begun_ns: u64, now_ns: u64) -> Ending {
        let mut known = self.gangs.known();
        let all = known.ranks.range((gang, 0)..=(gang, u64::MAX));
        let all: Vec<_> = all.map(|((_, card), rank)| (*card, *rank)).collect();
        known.closed.ending(gang, begun_ns, self.card, now_ns, &all)
    }

    /// These gangs want this GPU beside others: each with the percent that it is to have meanwhile.
    pub(super) fn say(&mut self, wants: impl Iterator<Item = (u64, u32)>) {
        let card = self.card;
        let wants: Vec<_> = wants.map(|(gang, percent)| Standing { gang, card, percent }).collect();
        if self.said != wants {
            self.gangs.take(self.gpu, wants.clone());
            self.said = wants;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.said.is_empty() {
            self.gangs.take(self.gpu, Vec::new());
        }
    }
}

impl Gangs {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Plain values, each whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, gpu: DeviceUuid, standings: Vec<Standing>) {
        let mut known = self.known();
        if let Some(&card) = known.numbers.get(&gpu) {
            let stays = |gang: u64| standings.iter().any(|standing| standing.gang == gang);
            known.ranks.retain(|(gang, of), _| *of != card || stays(*gang));
        }
        known.standings.insert(gpu, standings);
        let all: Vec<Standing> = known.standings.values().flatten().copied().collect();
        known.closed.keep(|gang| all.iter().any(|standing| standing.gang == gang));
        // All GPUs' periods are those of the default quantum: they must be the same.
        known.table = Arc::new(Timetable::of(&all, Settings::default().quantum_ns));
        self.version.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;

    #[test]
    fn a_gang_has_turns_from_when_both_gpus_say_that_it_wants_them_until_one_says_otherwise() {
        let gangs = Arc::new(Gangs::default());
        let mut seats = [0, 1].map(|gpu| Seat::new(gangs.clone(), uuid(gpu)));
        let has = |seats: &mut [Seat; 2]| {
            seats.each_mut().map(|seat| {
                let card = seat.card;
                seat.table().has(card, 7)
            })
        };
        seats[0].say([(7, 50)].into_iter());
        assert_eq!(has(&mut seats), [false; 2]);
        seats[1].say([(7, 30)].into_iter());
        assert_eq!(has(&mut seats), [true; 2]);
        seats[0].say(std::iter::empty());
        assert_eq!(has(&mut seats), [false; 2]);
    }

    #[test]
    fn a_turn_ends_by_what_the_threads_of_all_its_gpus_see() {
        let gangs = Arc::new(Gangs::default());
        let mut seats = [0, 1].map(|gpu| Seat::new(gangs.clone(), uuid(gpu)));
        seats.iter_mut().for_each(|seat| seat.say([(7, 50), (8, 50)].into_iter()));
        let rank = |runs, launches| Rank { runs, waits: true, launches, ..Rank::default() };
        let ending =
            |seats: &[Seat; 2], turn| [0, 1].map(|card: usize| seats[card].ending(7, turn, turn));
        seats[0].saw(7, rank(false, 5));
        seats[1].saw(7, rank(false, 9));
        seats[1].saw(8, rank(true, 0));
        assert_eq!(ending(&seats, 10), [Ending::Over; 2], "another gang's ranks say nothing of it");
        seats[1].saw(7, Rank { overrun_ns: 5, ..rank(true, 12) });
        assert_eq!(seats.each_ref().map(|seat| seat.short_ns(7)), [5; 2]);
        assert_eq!(ending(&seats, 10), [Ending::Over; 2], "the others have begun");
        let [lags, leads] = ending(&seats, 20);
        assert!(matches!(lags, Ending::Lags(_)), "its next turn: {lags:?}");
        assert_eq!(leads, Ending::Leads);
        seats[0].saw(7, rank(false, 8));
        seats[1].say(std::iter::empty());
        assert_eq!(
            seats[0].ending(7, 30, 30),
            Ending::Over,
            "who wants nothing there runs nothing"
        );
    }

    #[test]
    fn a_gpu_whose_thread_has_ended_wants_nothing() {
        let gangs = Arc::new(Gangs::default());
        let mut seats = [0, 1].map(|gpu| Seat::new(gangs.clone(), uuid(gpu)));
        seats.iter_mut().for_each(|seat| seat.say([(7, 50)].into_iter()));
        let [mut first, second] = seats;
        let card = first.card;
        assert!(first.table().has(card, 7));
        drop(second);
        assert!(!first.table().has(card, 7));
    }
}
