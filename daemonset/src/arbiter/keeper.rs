//! The thread that shares out one GPU.
//!
//! Where one container has the GPU it only beats, 20 times a second. Where several have, it looks
//! whether more than one is at work once a quantum, or once two while none is, and while so, twice or
//! five times a quantum. A look is one `pread` for each container and one more where it has measured
//! something; nothing is allocated after the first.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbiter::{Class, Gpu, Moment, Policy, Rank, Settings, Turns};
use contract::{AllotmentId, DeviceUuid};
use ledger::clock;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::board::Board;
use super::desk::Desk;
use super::gangs::{Gangs, Seat};
use crate::allotment::Holder;

/// How often it is shown that an arbiter lives: a container paces itself after a quarter of a second.
const BEAT: Duration = Duration::from_millis(50);
/// Looks without anybody at work until they become rarer.
const QUIET_LOOKS: u32 = 200;

/// Before what else runs on the node.
const NICE: i32 = -15;

/// A share of a GPU, as the thread is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The folder of its pages.
    pub folder: PathBuf,
    /// Who goes first.
    pub class: Class,
    /// The number of its gang: the container has shares of other GPUs as well, and waits for itself.
    pub gang: Option<u64>,
    /// Whose it is, once that is known.
    pub holder: Option<Holder>,
}

/// What the arbiter knows of one container's time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// What it was charged, in nanoseconds of the card's own time, while this arbiter looked.
    pub charged_ns: u64,
    /// What it says that its batches took, others' slices in them included, in nanoseconds.
    pub spent_ns: u64,
    /// What it says that it had of the copy engines, in nanoseconds.
    pub copy_ns: u64,
    /// Launches, as it says.
    pub launches: u64,
    /// How long its threads have waited for credit, in nanoseconds, as it says.
    pub waited_ns: u64,
    /// Threads that wait for credit.
    pub waiting: u32,
    /// Whether it is at work or wants to be.
    pub is_active: bool,
    /// Whether it runs freely because nobody else wants the GPU.
    pub is_free: bool,
    /// Its policy, as people write it.
    pub policy: String,
    /// Its class, as people write it.
    pub class: String,
    /// Its weight or cap, in percent of the GPU.
    pub percent: u32,
    /// Claims that could not be.
    pub oddities: u64,
    /// The number of its gang, where it has shares of other GPUs as well.
    pub gang: Option<u64>,
    /// Turns that it has had of this GPU and its others at once.
    pub turns: u64,
}

/// What one GPU's thread has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Looks at containers.
    pub ticks: u64,
    /// Time that they took, in nanoseconds.
    pub busy_ns: u64,
    /// The latest that one came, in nanoseconds.
    pub latest_ns: u64,
}

/// Shares out `gpu` until it is over.
pub(super) fn keep(gpu: DeviceUuid, gangs: Arc<Gangs>, housekeeping: Duration, board: &Arc<Board>) {
    // It works little, and what it does late all containers wait for. Where that is not allowed it goes
    // as it is.
    let _ = setpriority_process(Some(gettid()), NICE);
    let mut keeper = Keeper::new(gpu, Seat::new(gangs, gpu), housekeeping);
    let mut next = Instant::now();
    while let Some(news) = board.wait(next) {
        if let Some(shares) = news {
            keeper.shares = shares;
            keeper.look_after();
        }
        let began = Instant::now();
        keeper.work.latest_ns =
            keeper.work.latest_ns.max(began.saturating_duration_since(next).as_nanos() as u64);
        let until_next = keeper.look();
        keeper.work.ticks += 1;
        keeper.work.busy_ns += began.elapsed().as_nanos() as u64;
        keeper.tell(board);
        next = began + until_next;
    }
    keeper.desks.iter().for_each(Desk::release);
}

struct Keeper {
    gpu: DeviceUuid,
    seat: Seat,
    housekeeping: Duration,
    shares: BTreeMap<AllotmentId, Share>,
    desks: Vec<Desk>,
    policy: Gpu,
    quantum_us: u32,
    quiet: u32,
    looked_after: Instant,
    beaten: Instant,
    told: Instant,
    work: Work,
    /// What could not be opened, so that it is said once.
    closed: BTreeMap<AllotmentId, String>,
}

impl Keeper {
    fn new(gpu: DeviceUuid, seat: Seat, housekeeping: Duration) -> Self {
        let now = Instant::now();
        Self {
            gpu,
            seat,
            housekeeping,
            shares: BTreeMap::new(),
            desks: Vec::new(),
            policy: Gpu::new(Settings::default()),
            quantum_us: 0,
            quiet: 0,
            looked_after: now,
            beaten: now,
            told: now,
            work: Work::default(),
            closed: BTreeMap::new(),
        }
    }

    /// Opens what there is to open and closes the rest.
    fn look_after(&mut self) {
        let shares = &self.shares;
        let policy = &mut self.policy;
        self.desks.retain_mut(|desk| {
            let share = shares.get(&desk.id);
            let stays = share.is_some_and(|share| share.folder == desk.folder) && !desk.is_stale();
            match share {
                Some(share) if stays => desk.is_of(share),
                _ => {
                    policy.leave(desk.id.0);
                    desk.release();
                }
            }
            stays
        });
        let is_open = |id| self.desks.iter().any(|desk| desk.id == id);
        let missing = self.shares.iter().filter(|(id, _)| !is_open(**id));
        let missing: Vec<_> = missing.map(|(id, share)| (*id, share.clone())).collect();
        if !missing.is_empty() {
            // Where one was alone the last look is long ago: what it had since would count as had before the newcomer.
            let now_ns = self.read();
            self.tick(now_ns);
        }
        for (id, share) in missing {
            match Desk::open(id, &share, self.gpu) {
                Ok(desk) => {
                    self.policy.join(id.0, desk.terms(), &desk.reading());
                    self.desks.push(desk);
                    self.closed.remove(&id);
                }
                Err(error) => self.cannot(id, &share, &error.to_string()),
            }
        }
        self.closed.retain(|id, _| self.shares.contains_key(id));
        self.looked_after = Instant::now();
    }

    fn cannot(&mut self, id: AllotmentId, share: &Share, why: &str) {
        if self.closed.get(&id).is_none_or(|known| known != why) {
            let [namespace, pod, container] = Holder::words(share.holder.as_ref());
            debug!(
                namespace, pod, container, allotment = %id, gpu = %self.gpu, why,
                "not arbitrated: it paces itself"
            );
            self.closed.insert(id, why.to_owned());
        }
    }

    /// One look; how long until the next.
    fn look(&mut self) -> Duration {
        if self.looked_after.elapsed() >= self.housekeeping {
            self.look_after();
        }
        self.take_terms();
        let alone = self.is_uncontended();
        let now_ns = self.read();
        let turns = self.turns(now_ns);
        let turn_ns = turns.look_ns();
        self.policy.take_turns(turns);
        self.tick(now_ns);
        for (key, mut grant) in self.policy.grants() {
            if let Some(desk) = self.desks.iter_mut().find(|desk| desk.id.0 == key) {
                if alone {
                    grant.pace = arbiter::Pace::Free;
                }
                desk.grant(grant);
            }
        }
        self.say_who_wants();
        if self.beaten.elapsed() >= BEAT / 2 {
            self.desks.iter().for_each(Desk::beat);
            self.beaten = Instant::now();
        }
        self.quiet = if self.policy.active() > 0 { 0 } else { self.quiet.saturating_add(1) };
        let quantum = Duration::from_micros(u64::from(self.quantum_us));
        match self.quiet {
            _ if alone => BEAT,
            0..QUIET_LOOKS => Duration::from_nanos(self.policy.next_tick_ns().min(turn_ns)),
            _ => 2 * quantum,
        }
    }

    /// Reads what all say; answers when, by the machine's clock, in nanoseconds.
    fn read(&mut self) -> u64 {
        let now_ns = clock::own_ns();
        self.desks.iter_mut().for_each(|desk| read(desk, now_ns));
        now_ns
    }

    /// The policy takes in what was read.
    fn tick(&mut self, now_ns: u64) {
        let desks = &self.desks;
        let find = |key| desks.iter().find(|desk| desk.id.0 == key);
        self.policy.tick(now_ns, |key| find(key).map(Desk::reading));
    }

    /// What the timetable of all GPUs says of this one.
    fn turns(&mut self, now_ns: u64) -> Turns {
        let card = self.seat.card;
        let table = self.seat.table();
        let ranks = self.desks.iter().filter_map(|desk| Some((desk.gang?, desk)));
        let rank = |desk: &Desk| Rank::of(&desk.reading(), self.policy.overrun_ns(desk.id.0));
        let scheduled: Vec<_> = ranks
            .filter(|(gang, _)| table.has(card, *gang))
            .inspect(|(gang, desk)| self.seat.saw(*gang, rank(desk)))
            .map(|(gang, desk)| (gang, desk.id.0))
            .collect();
        let (short, ending) =
            (|gang| self.seat.short_ns(gang), |gang, turn| self.seat.ending(gang, turn, now_ns));
        let Some(moment) = table.at(card, now_ns, short, ending) else {
            return Turns::default();
        };
        let whose = scheduled.iter().find(|(gang, _)| moment.gang == Some(*gang));
        let whose = whose.map(|(_, key)| *key);
        self.desks.iter_mut().for_each(|desk| desk.note_turn(whose == Some(desk.id.0)));
        let scheduled = scheduled.into_iter().map(|(_, key)| key).collect();
        let Moment { begun_ns, ending, left_ns, holds_ns, short_ns, .. } = moment;
        Turns { scheduled, whose, begun_ns, ending, left_ns, holds_ns, short_ns }
    }

    /// Tells the other GPUs which gangs want this one, where others want it as well.
    fn say_who_wants(&mut self) {
        let policy = &self.policy;
        let active = || self.desks.iter().filter(|desk| policy.is_active(desk.id.0));
        let all: u32 = active().map(|desk| desk.terms().guaranteed_percent()).sum();
        let is_contended = active().count() > 1;
        let gangs = active().filter(|_| is_contended).filter_map(|desk| {
            let terms = desk.terms();
            let percent = match terms.policy {
                Policy::Fair => terms.guaranteed_percent() * 100 / all.max(1),
                Policy::Strict => terms.guaranteed_percent(),
                Policy::Unmetered => return None,
            };
            Some((desk.gang?, percent))
        });
        self.seat.say(gangs);
    }

    /// Whether nobody could ever have to wait for another, or for its own cap.
    fn is_uncontended(&self) -> bool {
        let policies = || self.desks.iter().map(|desk| desk.terms().policy);
        let fair = policies().filter(|policy| *policy == Policy::Fair).count();
        fair < 2 && policies().all(|policy| policy != Policy::Strict)
    }

    /// Terms may change at any time: the pages have them.
    fn take_terms(&mut self) {
        for desk in &self.desks {
            self.policy.join(desk.id.0, desk.terms(), &desk.reading());
        }
        let quantum = self.desks.iter().map(Desk::quantum_us).min().unwrap_or(5000);
        if quantum != self.quantum_us {
            self.quantum_us = quantum;
            self.policy.set(Settings::with_quantum_us(quantum));
        }
    }

    /// Tells what is known, now and then.
    fn tell(&mut self, board: &Board) {
        if self.told.elapsed() < BEAT {
            return;
        }
        self.told = Instant::now();
        let mut state = board.state();
        state.work = self.work;
        state.seen.retain(|id, _| self.desks.iter().any(|desk| desk.id == *id));
        for (key, grant) in self.policy.grants() {
            let Some(desk) = self.desks.iter().find(|desk| desk.id.0 == key) else { continue };
            let (time, terms) = (desk.time(), desk.terms());
            let seen = Seen {
                charged_ns: self.policy.charged_ns(key),
                spent_ns: time.spent_compute_ns,
                copy_ns: time.spent_copy_ns,
                launches: time.launches,
                waited_ns: time.waited_ns,
                waiting: time.waiting,
                is_active: self.policy.is_active(key),
                is_free: grant.pace == arbiter::Pace::Free,
                policy: desk.policy_name().to_owned(),
                class: desk.class_name().to_owned(),
                percent: terms.guaranteed_percent(),
                oddities: self.policy.oddities(key),
                gang: desk.gang,
                turns: desk.turns,
            };
            state.seen.insert(desk.id, seen);
        }
    }
}

fn read(desk: &mut Desk, now_ns: u64) {
    let knew = desk.problem.is_some();
    desk.read(now_ns);
    if let (Some(error), false) = (&desk.problem, knew) {
        let [namespace, pod, container] = Holder::words(desk.holder.as_ref());
        warn!(
            namespace, pod, container, allotment = %desk.id, %error,
            "its ledger cannot be read: it gets what it had"
        );
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
