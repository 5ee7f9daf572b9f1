//! What the daemon knows and how it answers: no sockets, no clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use crate::card::CardInfo;
use crate::condition::Condition;
use crate::daemon::account::{CardState, Holder, Peer};
use crate::daemon::shared::Shared;
use crate::map::CardMap;
use crate::spec::Spec;
use crate::wire::{Kind, PROTOCOL, Place, Reply, Request, Welcome};

/// A world and its clients.
pub(crate) struct State {
    pub(super) root: PathBuf,
    world: u64,
    pub(super) spec: Spec,
    pub(super) cards: Vec<CardState>,
    pub(super) clients: BTreeMap<u32, Holder>,
    /// Memory that others can have too, by its key.
    pub(super) shared: BTreeMap<u64, Shared>,
    pub(super) last_key: u64,
    /// Set by [`Change::Stop`].
    pub(crate) stopping: bool,
    /// Set by [`Change::Mismatch`].
    pub(super) mismatched: bool,
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
        let cards = cards.into_iter().map(|(info, page)| CardState {
            info,
            page,
            used: 0,
            peak: 0,
            other_used: 0,
            condition: Condition::default(),
            slice_used: BTreeMap::new(),
        });
        Self {
            root: root.to_owned(),
            world,
            spec,
            cards: cards.collect(),
            clients: BTreeMap::new(),
            shared: BTreeMap::new(),
            last_key: 0,
            stopping: false,
            mismatched: false,
        }
    }

    /// A connection came; `slot` is its row from here on.
    pub(crate) fn join(&mut self, slot: u32, peer: Peer) {
        let held = BTreeMap::new();
        self.clients.insert(slot, Holder { peer, greeted: false, held, watches: Vec::new() });
        self.cards.iter().for_each(|card| card.page.clear_slot(slot));
    }

    /// A connection or its process ended: all it held is free.
    pub(crate) fn leave(&mut self, slot: u32) {
        self.let_go_of_all(slot);
        let Some(client) = self.clients.remove(&slot) else { return };
        self.cards.iter().for_each(|card| card.page.leave(slot));
        for ((card, place), held) in client.held {
            let bytes: u64 = held.iter().sum();
            self.cards[card as usize].book(place, |used| used.saturating_sub(bytes));
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
            Request::Open { key } => self.open(slot, key),
            Request::Close { key, made } => self.close(slot, key, made),
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
            mismatched: self.mismatched,
        })
    }

    fn answer_for_card(&mut self, slot: u32, request: Request) -> Reply {
        let id = match &request {
            Request::Card { card } | Request::Condition { card } => *card,
            Request::Memory { card, .. } => *card,
            Request::Take { card, .. } | Request::Give { card, .. } => *card,
            Request::Share { card, .. } => *card,
            Request::Processes { card, .. } => *card,
            _ => u32::MAX,
        };
        let Some(card) = self.cards.get(id as usize) else {
            return wrong(&format!("there is no card {id}"));
        };
        match request {
            Request::Take { .. } if card.is_lost() => Reply::Lost,
            Request::Take { slice, kind, bytes, .. } => self.take(slot, (id, slice), kind, bytes),
            Request::Give { slice, kind, bytes, .. } => self.give(slot, (id, slice), kind, bytes),
            Request::Share { slice, kind, bytes, .. } => self.share(slot, (id, slice), kind, bytes),
            Request::Memory { slice, .. } => {
                card.memory_of(slice).map_or_else(|| wrong("no such instance"), Reply::Memory)
            }
            Request::Condition { .. } => Reply::Condition(Box::new(card.condition.clone())),
            Request::Processes { slice, from, .. } => self.some_processes(id, slice, from),
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

    fn take(&mut self, slot: u32, at: (u32, Place), kind: Kind, bytes: u64) -> Reply {
        let card = &mut self.cards[at.0 as usize];
        let Some(memory) = card.memory_of(at.1) else { return Reply::Lost };
        let client = self.clients.get_mut(&slot);
        match client {
            Some(client) if bytes <= memory.free => {
                client.held.entry(at).or_default()[kind as usize] += bytes;
                card.book(at.1, |used| used + bytes);
                card.peak = card.peak.max(card.used);
                Reply::Done
            }
            _ => Reply::Full { free: memory.free },
        }
    }

    fn give(&mut self, slot: u32, at: (u32, Place), kind: Kind, bytes: u64) -> Reply {
        if let Some(client) = self.clients.get_mut(&slot) {
            let held = &mut client.held.entry(at).or_default()[kind as usize];
            let given = bytes.min(*held);
            *held -= given;
            self.cards[at.0 as usize].book(at.1, |used| used.saturating_sub(given));
        }
        Reply::Done
    }
}

/// A refusal, with its reason.
pub(super) fn wrong(reason: &str) -> Reply {
    Reply::Wrong { reason: reason.to_owned() }
}
