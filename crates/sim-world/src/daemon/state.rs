//! What the daemon knows and how it answers: no sockets, no clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use crate::admin::{CardReport, Change, Report};
use crate::card::CardInfo;
use crate::events::Xid;
use crate::page::CardMap;
use crate::spec::Spec;
use crate::wire::{Kind, Memory, PROCESSES_PER_PACKET, PROTOCOL, Process, Reply, Request, Welcome};

const MIB: u64 = 1 << 20;

/// "GPU has fallen off the bus."
const XID_FELL_OFF: u64 = 79;

/// How many processes a report lists per card.
const REPORTED_PROCESSES: usize = 64;

/// A world and its clients.
pub(crate) struct State {
    root: PathBuf,
    world: u64,
    spec: Spec,
    cards: Vec<CardState>,
    clients: BTreeMap<u32, Holder>,
    /// Set by [`Change::Stop`].
    pub(crate) stopping: bool,
}

struct CardState {
    info: CardInfo,
    page: CardMap,
    used: u64,
    other_used: u64,
}

/// Who a connection belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Host pid; 0 if unknown.
    pub(crate) pid: u32,
    /// Whether it may change the world.
    pub(crate) may_change: bool,
}

/// One connection and what it holds.
struct Holder {
    peer: Peer,
    greeted: bool,
    held: Vec<[u64; Kind::ALL.len()]>,
    watches: Vec<u32>,
}

/// Answers, each to a client: the one that asked, and those that watch.
pub(crate) type Answers = Vec<(u32, Reply)>;

impl State {
    pub(crate) fn new(
        root: &Path,
        world: u64,
        spec: Spec,
        cards: Vec<(CardInfo, CardMap)>,
    ) -> Self {
        let cards =
            cards.into_iter().map(|(info, page)| CardState { info, page, used: 0, other_used: 0 });
        Self {
            root: root.to_owned(),
            world,
            spec,
            cards: cards.collect(),
            clients: BTreeMap::new(),
            stopping: false,
        }
    }

    /// A connection came; `slot` is its row from here on.
    pub(crate) fn join(&mut self, slot: u32, peer: Peer) {
        let held = vec![[0; Kind::ALL.len()]; self.cards.len()];
        self.clients.insert(slot, Holder { peer, greeted: false, held, watches: Vec::new() });
        self.cards.iter().for_each(|card| card.page.clear_slot(slot));
    }

    /// A connection or its process ended: all it held is free.
    pub(crate) fn leave(&mut self, slot: u32) {
        let Some(client) = self.clients.remove(&slot) else { return };
        for (card, held) in self.cards.iter_mut().zip(client.held) {
            card.used = card.used.saturating_sub(held.iter().sum());
        }
    }

    /// The answers to `request` of client `slot`.
    pub(crate) fn answer(&mut self, slot: u32, request: Request) -> Answers {
        let Some(client) = self.clients.get_mut(&slot) else { return Vec::new() };
        let reply = match request {
            Request::Hello { protocol } => {
                client.greeted = true;
                self.greet(slot, protocol)
            }
            _ if !client.greeted => wrong("say hello first"),
            Request::Watch { subscriber, card } => self.watch(slot, subscriber, card),
            Request::Change(_) if !client.peer.may_change => {
                wrong("only root and the world's own user may change it")
            }
            Request::Change(change) => return self.change(slot, change),
            Request::Inspect => Reply::Report(Box::new(self.report())),
            other => self.answer_for_card(slot, other),
        };
        vec![(slot, reply)]
    }

    /// Tells all who map a page that the world has ended.
    pub(crate) fn end(&self) {
        self.cards.iter().for_each(|card| card.page.ended.store(1, Relaxed));
    }

    fn greet(&self, slot: u32, protocol: u32) -> Reply {
        if protocol != PROTOCOL {
            return Reply::OtherProtocol { protocol: PROTOCOL };
        }
        Reply::Welcome(Welcome {
            protocol: PROTOCOL,
            world: self.world,
            slot,
            driver_version: self.spec.driver_version.clone(),
            cuda_version: self.spec.cuda_version,
            cards: self.cards.len() as u32,
        })
    }

    fn answer_for_card(&mut self, slot: u32, request: Request) -> Reply {
        let id = match &request {
            Request::Card { card } | Request::Memory { card } => *card,
            Request::Take { card, .. } | Request::Give { card, .. } => *card,
            Request::Processes { card, .. } => *card,
            _ => u32::MAX,
        };
        let Some(card) = self.cards.get(id as usize) else {
            return wrong(&format!("there is no card {id}"));
        };
        match request {
            Request::Take { .. } if card.is_lost() => Reply::Lost,
            Request::Take { kind, bytes, .. } => self.take(slot, id, kind, bytes),
            Request::Give { kind, bytes, .. } => self.give(slot, id, kind, bytes),
            Request::Memory { .. } => Reply::Memory(card.memory()),
            Request::Processes { from, .. } => self.some_processes(id, from),
            _ => Reply::Card(Box::new(card.info.clone())),
        }
    }

    fn watch(&mut self, slot: u32, subscriber: u32, card: u32) -> Reply {
        let process_of = |slot| self.clients.get(&slot).map(|client| client.peer.pid);
        if process_of(slot) != process_of(subscriber) {
            return wrong("one process cannot subscribe for another");
        }
        if let Some(client) = self.clients.get_mut(&subscriber) {
            client.watches.push(card);
        }
        Reply::Done
    }

    fn take(&mut self, slot: u32, id: u32, kind: Kind, bytes: u64) -> Reply {
        let card = &mut self.cards[id as usize];
        let free = card.memory().free;
        let client = self.clients.get_mut(&slot);
        match client {
            Some(client) if bytes <= free => {
                client.held[id as usize][kind as usize] += bytes;
                card.used += bytes;
                Reply::Done
            }
            _ => Reply::Full { free },
        }
    }

    fn give(&mut self, slot: u32, id: u32, kind: Kind, bytes: u64) -> Reply {
        if let Some(client) = self.clients.get_mut(&slot) {
            let held = &mut client.held[id as usize][kind as usize];
            let given = bytes.min(*held);
            *held -= given;
            let card = &mut self.cards[id as usize];
            card.used = card.used.saturating_sub(given);
        }
        Reply::Done
    }

    fn some_processes(&self, id: u32, from: u32) -> Reply {
        let all = self.processes(id);
        let from = (from as usize).min(all.len());
        let to = (from + PROCESSES_PER_PACKET).min(all.len());
        Reply::Processes { processes: all[from..to].to_vec(), more: to < all.len() }
    }

    /// Who holds memory on card `id`, in order of pid.
    fn processes(&self, id: u32) -> Vec<Process> {
        let mut by_pid: BTreeMap<u32, Process> = BTreeMap::new();
        for (slot, client) in &self.clients {
            let held = &client.held[id as usize];
            if held.iter().all(|bytes| *bytes == 0) {
                continue;
            }
            let host_pid = client.peer.pid;
            let process = by_pid.entry(host_pid).or_insert_with(|| Process {
                host_pid,
                used_bytes: 0,
                kinds: [0; Kind::ALL.len()],
                slots: Vec::new(),
            });
            process.used_bytes += held.iter().sum::<u64>();
            process.kinds.iter_mut().zip(held).for_each(|(sum, bytes)| *sum += bytes);
            process.slots.push(*slot);
        }
        by_pid.into_values().collect()
    }

    fn change(&mut self, slot: u32, change: Change) -> Answers {
        let done = vec![(slot, Reply::Done)];
        let id = match change {
            Change::DriverVersion { driver, cuda } => {
                (self.spec.driver_version, self.spec.cuda_version) = (driver, cuda);
                return done;
            }
            Change::Stop => {
                self.stopping = true;
                return done;
            }
            Change::OtherUsed { card, .. } | Change::Xid { card, .. } => card,
            Change::Vanish { card } | Change::Restore { card } => card,
        };
        let Some(card) = self.cards.get_mut(id as usize) else {
            return vec![(slot, wrong(&format!("there is no card {id}")))];
        };
        let xid = match change {
            Change::OtherUsed { bytes, .. } => {
                return vec![(slot, card.set_other_used(bytes))];
            }
            Change::Xid { number, .. } => number,
            Change::Vanish { .. } => {
                card.page.lost.store(1, Relaxed);
                XID_FELL_OFF
            }
            _ => {
                card.page.lost.store(0, Relaxed);
                return done;
            }
        };
        [done, self.tell(Xid { card: id, number: xid })].concat()
    }

    /// `xid` for all who watch its card.
    fn tell(&self, xid: Xid) -> Answers {
        let watching = self.clients.iter().filter(|(_, client)| client.watches.contains(&xid.card));
        watching.map(|(slot, _)| (*slot, Reply::Xid(xid))).collect()
    }

    fn report(&self) -> Report {
        let card = |card: &CardState| {
            let mut processes = self.processes(card.info.id);
            processes.truncate(REPORTED_PROCESSES);
            CardReport {
                id: card.info.id,
                name: card.info.profile.name.clone(),
                profile: card.info.profile.short_name.clone(),
                uuid: card.info.uuid_text(),
                pci: card.info.pci,
                lost: card.is_lost(),
                memory: card.memory(),
                other_used: card.other_used,
                processes,
            }
        };
        Report {
            root: self.root.clone(),
            daemon_pid: std::process::id(),
            driver_version: self.spec.driver_version.clone(),
            cuda_version: self.spec.cuda_version,
            connections: self.clients.len() as u32,
            cards: self.cards.iter().map(card).collect(),
        }
    }
}

impl CardState {
    fn is_lost(&self) -> bool {
        self.page.lost.load(Relaxed) != 0
    }

    fn memory(&self) -> Memory {
        let figures = &self.info.profile.memory;
        let (total, reserved) = (figures.total_mib * MIB, figures.reserved_mib * MIB);
        let used = self.used + self.other_used;
        Memory { total, reserved, used, free: total.saturating_sub(reserved).saturating_sub(used) }
    }

    fn set_other_used(&mut self, bytes: u64) -> Reply {
        let room = self.memory().free + self.other_used;
        if bytes > room {
            return wrong(&format!("the card has room for {} MiB of others", room / MIB));
        }
        self.other_used = bytes;
        Reply::Done
    }
}

fn wrong(reason: &str) -> Reply {
    Reply::Wrong { reason: reason.to_owned() }
}
