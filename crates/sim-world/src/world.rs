//! A process's side of its world: what cards there are, and memory, time and health of each.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};

use crate::admin::Change;
use crate::card::{Card, CardInfo};
use crate::condition::Condition;
use crate::connection::{Connection, connect, unexpected};
use crate::error::{TakeError, WorldError};
use crate::fork::ForkMark;
use crate::locate;
use crate::map::CardMap;
use crate::meter::Utilisation;
use crate::mig::{self, ComputeInstance, GpuInstance, Slice};
use crate::schedule::{CopyEngine, Engine, Interval};
use crate::slices::{Ask, Owner, Run};
use crate::wire::{Kind, Memory, PROTOCOL, Process, Reply, Request, Welcome};

/// A connection to a world. What it holds is given back when its process ends, however that happens.
///
/// All methods may be called from any thread. In a fork of the process that connected, all that need
/// the daemon answer [`WorldError::Forked`].
#[derive(Debug)]
pub struct World {
    root: PathBuf,
    welcome: Welcome,
    cards: Vec<Card>,
    connection: Mutex<Connection>,
    gone: AtomicBool,
    mark: ForkMark,
}

impl World {
    /// Connects to the world in the folder `root`. Libraries use [`World::find`].
    ///
    /// # Errors
    /// [`WorldError`], with what to do.
    pub fn open(root: &Path) -> Result<Self, WorldError> {
        let (connection, welcome) = connect(root)?;
        let mut world = Self {
            root: root.to_owned(),
            welcome,
            cards: Vec::new(),
            connection: Mutex::new(connection),
            gone: AtomicBool::new(false),
            mark: ForkMark::new(),
        };
        world.cards = world.visible_cards()?;
        Ok(world)
    }

    /// The world's folder: the driver root, or `/` in a container.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The driver's version, such as `580.95.05`.
    #[must_use]
    pub fn driver_version(&self) -> &str {
        &self.welcome.driver_version
    }

    /// The newest CUDA version the driver serves, as `cuDriverGetVersion` says it: 13000 is 13.0.
    #[must_use]
    pub fn cuda_version(&self) -> i32 {
        self.welcome.cuda_version
    }

    /// The cards whose nodes this process can see, in PCI order.
    #[must_use]
    pub fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// Whether the daemon was there when last spoken to, and this is the process that connected.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let ended = || self.cards.iter().any(|card| card.map.ended.load(Relaxed) != 0);
        self.mark.is_ours() && !self.gone.load(Relaxed) && !ended()
    }

    /// Asks the daemon whether it is still there.
    ///
    /// # Errors
    /// [`WorldError`] if it is not.
    pub fn check(&self) -> Result<(), WorldError> {
        self.ask(&Request::Hello { protocol: PROTOCOL }).map(drop)
    }

    /// Whether `card` fell off the bus. Costs no round trip.
    #[must_use]
    pub fn is_lost(&self, card: &Card) -> bool {
        card.map.lost.load(Relaxed) != 0
    }

    /// Whether questions about `card` are to wait. Costs no round trip.
    #[must_use]
    pub fn hangs(&self, card: &Card) -> bool {
        card.map.hangs.load(Relaxed) != 0
    }

    /// Notes that a question about `card` begins to wait: the report counts them.
    pub fn note_wait(&self, card: &Card) {
        card.map.waited.fetch_add(1, Relaxed);
    }

    /// Whether the kernel's part of the driver was of another version when this process connected.
    #[must_use]
    pub fn is_mismatched(&self) -> bool {
        self.welcome.mismatched
    }

    /// How `card` is divided, linked and shared.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn condition(&self, card: &Card) -> Result<Condition, WorldError> {
        match self.ask(&Request::Condition { card: card.id })? {
            Reply::Condition(condition) => Ok(*condition),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes the world, as [`crate::admin::change`] does.
    ///
    /// # Errors
    /// [`WorldError::Gone`] with the daemon's reason where it refuses.
    pub fn change(&self, change: Change) -> Result<(), WorldError> {
        match self.ask(&Request::Change(change))? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The MIG devices of `card` whose nodes this process can see, in order of their instances.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn slices(&self, card: &Card) -> Result<Vec<Card>, WorldError> {
        let mig = self.condition(card)?.mig;
        let all =
            mig.instances.iter().flat_map(|gpu| gpu.compute.iter().map(move |one| (gpu, one)));
        let seen = all.filter(|(gpu, one)| {
            let access = |compute| mig::capability(card.id, gpu.id, compute);
            [None, Some(one.id)]
                .into_iter()
                .all(|compute| locate::capability_node(&self.root, access(compute)).exists())
        });
        let described = seen.filter_map(|(gpu, one)| slice_info(card, gpu, one));
        let map = &card.map;
        let slices = described.enumerate();
        Ok(slices
            .map(|(index, info)| Card { index, info: Arc::new(info), map: map.clone() })
            .collect())
    }

    /// Takes `bytes` of `card`'s memory for this process, if they are free.
    ///
    /// # Errors
    /// [`TakeError::Full`] at the card's end, and then nothing is taken.
    pub fn take(&self, card: &Card, kind: Kind, bytes: u64) -> Result<(), TakeError> {
        match self.ask(&Request::Take { card: card.id, slice: card.place(), kind, bytes })? {
            Reply::Done => Ok(()),
            Reply::Full { free } => Err(TakeError::Full { asked: bytes, free }),
            Reply::Lost => Err(TakeError::Lost),
            other => Err(unexpected(&other).into()),
        }
    }

    /// Gives `bytes` back that this process took from `card` for `kind`; never more than it holds.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to give them to.
    pub fn give(&self, card: &Card, kind: Kind, bytes: u64) -> Result<(), WorldError> {
        match self.ask(&Request::Give { card: card.id, slice: card.place(), kind, bytes })? {
            Reply::Done | Reply::Lost => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Names `bytes` that this process took from `card` for `kind`, so that other processes can have them too:
    /// the key that they are known by. From here on [`World::close_shared`] gives them back.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn share(&self, card: &Card, kind: Kind, bytes: u64) -> Result<u64, WorldError> {
        match self.ask(&Request::Share { card: card.id, slice: card.place(), kind, bytes })? {
            Reply::Key(key) => Ok(key),
            other => Err(unexpected(&other)),
        }
    }

    /// Has memory of another process too; whether it is still there. It stands in the figure of who made it,
    /// and where that one lets go of it, or ends, in that of who opened it last.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn open_shared(&self, key: u64) -> Result<bool, WorldError> {
        Ok(matches!(self.ask(&Request::Open { key })?, Reply::Done))
    }

    /// Has shared memory no longer: as who `made` it, or as one that opened it. The card has it back from the
    /// last.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to give it to.
    pub fn close_shared(&self, key: u64, made: bool) -> Result<(), WorldError> {
        self.ask(&Request::Close { key, made }).map(drop)
    }

    /// `card`'s memory, all processes together.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn memory(&self, card: &Card) -> Result<Memory, WorldError> {
        match self.ask(&Request::Memory { card: card.id, slice: card.place() })? {
            Reply::Memory(memory) => Ok(memory),
            other => Err(unexpected(&other)),
        }
    }

    /// The processes that hold memory on `card`, by host pid.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to ask.
    pub fn processes(&self, card: &Card) -> Result<Vec<Process>, WorldError> {
        let mut all: Vec<Process> = Vec::new();
        loop {
            let (slice, from) = (card.place(), all.len() as u32);
            match self.ask(&Request::Processes { card: card.id, slice, from })? {
                Reply::Processes { processes, more } => {
                    all.extend(processes);
                    if !more {
                        return Ok(all);
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Places a copy of this process on an engine of `card`: it runs for `duration_ns`, not before
    /// `not_before_ns`, and not before the engine is free. The interval says when. Shared by all
    /// processes, without a round trip; [`crate::now_ns`] is the clock.
    #[must_use]
    pub fn copy(
        &self,
        card: &Card,
        engine: CopyEngine,
        not_before_ns: u64,
        duration_ns: u64,
    ) -> Interval {
        card.map.copy(card.lane(), self.welcome.slot, engine, not_before_ns, duration_ns)
    }

    /// Asks for time on the processors of `card`, which all processes share slice by slice. Answers
    /// whether the card had room for one more; if not, ask again. No round trip.
    #[must_use]
    pub fn ask_time(&self, card: &Card, demand: Demand) -> bool {
        let Demand { level, ran_ns, due_ns, open, since_ns } = demand;
        let owner = Owner { slot: self.welcome.slot, level };
        card.map.ask(card.lane(), Ask { owner, ran_ns, due_ns, open, since_ns })
    }

    /// How far the kernels of this process have come on `card`: for each level that has asked, what its
    /// own clock shows, and its latest runs, oldest first. The last run ends at what the clock shows.
    pub fn progress(&self, card: &Card, mut see: impl FnMut(u32, u64, &[Run])) {
        let slices = card.map.look(card.lane());
        let own = slices.accounts.iter().filter(|one| one.owner.slot == self.welcome.slot);
        own.for_each(|one| see(one.owner.level, one.ran_ns, one.runs()));
    }

    /// When the kernels of this process of that level will have run until `due_ns` of their own clock, if
    /// nobody comes or goes; none if that is not before `until_ns`.
    #[must_use]
    pub fn expected(&self, card: &Card, level: u32, due_ns: u64, until_ns: u64) -> Option<u64> {
        let owner = Owner { slot: self.welcome.slot, level };
        card.map.expect(card.lane(), owner, due_ns, until_ns)
    }

    /// How busy `card` was in the last 0.2 s.
    #[must_use]
    pub fn utilisation(&self, card: &Card) -> Utilisation {
        let copies =
            [Engine::CopyIn, Engine::CopyOut].map(|engine| card.map.percent(card.lane(), engine));
        Utilisation {
            compute_percent: card.map.percent(card.lane(), Engine::Compute),
            copy_percent: copies[0].max(copies[1]),
        }
    }

    /// Percent of the last 0.2 s in which a kernel of `process` ran on `card`.
    #[must_use]
    pub fn process_utilisation(&self, card: &Card, process: &Process) -> u32 {
        let percents = process.slots.iter().map(|slot| card.map.slot_percent(*slot));
        percents.sum::<u32>().min(100)
    }

    /// All work that an engine of `card` has done, in nanoseconds; of copy engines, that was placed on it.
    #[must_use]
    pub fn busy_ns(&self, card: &Card, engine: Engine) -> u64 {
        card.map.busy_ns(card.lane(), engine)
    }

    /// The same of what is `process`'s.
    #[must_use]
    pub fn process_busy_ns(&self, card: &Card, process: &Process, engine: Engine) -> u64 {
        process.slots.iter().map(|slot| card.map.slot_busy_ns(*slot, engine)).sum()
    }

    /// The longest time between two kernels of `process` on `card` since this was last asked, in
    /// nanoseconds.
    pub fn take_process_gap_ns(&self, card: &Card, process: &Process) -> u64 {
        let gaps = process.slots.iter().map(|slot| card.map.take_slot_gap_ns(*slot));
        gaps.max().unwrap_or(0)
    }

    /// One question and its answer.
    pub(crate) fn ask(&self, request: &Request) -> Result<Reply, WorldError> {
        if !self.mark.is_ours() {
            return Err(WorldError::Forked);
        }
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if self.gone.load(Relaxed) {
            return Err(WorldError::Gone { reason: "as found before".to_owned() });
        }
        let reply = connection.exchange(request);
        if reply.is_err() {
            self.gone.store(true, Relaxed);
        }
        reply
    }

    /// Every card whose node exists, with its page mapped.
    fn visible_cards(&self) -> Result<Vec<Card>, WorldError> {
        let mut cards = Vec::new();
        for id in 0..self.welcome.cards {
            let path = locate::node(&self.root, id);
            if !path.exists() {
                continue;
            }
            let map = CardMap::open(&path, self.welcome.world)
                .map_err(|reason| WorldError::Node { path, reason })?;
            let info = match self.ask(&Request::Card { card: id })? {
                Reply::Card(info) => Arc::new(*info),
                other => return Err(unexpected(&other)),
            };
            cards.push(Card { index: cards.len(), info, map: Arc::new(map) });
        }
        Ok(cards)
    }
}

/// What a process asks of a card's processors, for its kernels of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The priority: 0 is the most urgent.
    pub level: u32,
    /// For how long these kernels have run, as far as the process knows.
    pub ran_ns: u64,
    /// For how long they will have run when all of them have ended.
    pub due_ns: u64,
    /// Whether one of them runs until something happens.
    pub open: bool,
    /// Since when they could have run, in nanoseconds of CLOCK_MONOTONIC.
    pub since_ns: u64,
}

/// What driver and firmware keep of a GPU instance, in MiB: a guess.
pub(crate) const SLICE_RESERVED_MIB: u64 = 13;

/// A MIG device as a card: with the memory of its GPU instance and processors of its own.
fn slice_info(card: &CardInfo, gpu: &GpuInstance, one: &ComputeInstance) -> Option<CardInfo> {
    let short_name = &card.profile.short_name;
    let (kind, compute) = (gpu.kind(short_name)?, gpu.compute_profile(short_name, one)?);
    let mut info = card.clone();
    info.uuid = one.uuid;
    info.profile.name = format!("{} MIG {}", card.profile.name, compute.name);
    info.profile.memory.total_mib = kind.memory_mib;
    info.profile.memory.reserved_mib = SLICE_RESERVED_MIB;
    info.profile.compute.sms = compute.sms;
    info.profile.compute.copy_engines = kind.engines[0];
    info.slice = Some(Slice {
        gpu_instance: gpu.id,
        compute_instance: one.id,
        lane: one.lane,
        parent: card.uuid,
        name: compute.name,
        slices: [kind.slices, one.slices],
        engines: kind.engines,
    });
    Some(info)
}
