//! What can happen to a node, by chance that can be repeated.

use std::path::PathBuf;

use sim_world::admin::{self, Change, Driver};

use crate::harness::{Node, wait_until, world_options};

/// Repeatable, and different enough.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What can be done to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    PodComes,
    PodComesToADyingAgent,
    PodGoes,
    ContainerRestarts,
    ContainerDies,
    ContainerIsStopped,
    AgentIsKilled,
    AgentIsTerminated,
    AgentIsStopped,
    AgentComesBack,
    AgentIsUpgraded,
    KubeletEnds,
    KubeletComesBack,
    KubeletRestarts,
    FolderIsRemoved,
    StreamsAreDropped,
    RegistrationsAreRefused,
    NodeReboots,
    CardFails,
    CardVanishes,
    CardHangs,
    CardsAreBack,
    DriverIsUpgraded,
    FileChanges,
    Calm,
}

/// Each with its weight.
const DEEDS: [(Deed, u64); 25] = [
    (Deed::PodComes, 24),
    (Deed::PodComesToADyingAgent, 3),
    (Deed::PodGoes, 12),
    (Deed::ContainerRestarts, 6),
    (Deed::ContainerDies, 4),
    (Deed::ContainerIsStopped, 2),
    (Deed::AgentIsKilled, 4),
    (Deed::AgentIsTerminated, 2),
    (Deed::AgentIsStopped, 2),
    (Deed::AgentComesBack, 9),
    (Deed::AgentIsUpgraded, 2),
    (Deed::KubeletEnds, 2),
    (Deed::KubeletComesBack, 6),
    (Deed::KubeletRestarts, 3),
    (Deed::FolderIsRemoved, 2),
    (Deed::StreamsAreDropped, 3),
    (Deed::RegistrationsAreRefused, 2),
    (Deed::NodeReboots, 1),
    (Deed::CardFails, 2),
    (Deed::CardVanishes, 2),
    (Deed::CardHangs, 1),
    (Deed::CardsAreBack, 5),
    (Deed::DriverIsUpgraded, 1),
    (Deed::FileChanges, 4),
    (Deed::Calm, 2),
];

impl Deed {
    /// One by chance.
    pub(crate) fn choose(dice: &mut Dice) -> Self {
        let mut roll = dice.roll(DEEDS.iter().map(|(_, weight)| weight).sum());
        for (deed, weight) in DEEDS {
            match roll.checked_sub(weight) {
                Some(rest) => roll = rest,
                None => return deed,
            }
        }
        Self::Calm
    }
}

/// What a refusal says of a card that is out of order, or of one that the agent has not seen yet.
const SICK: [&str; 2] = ["is out of order", "is not in this node any more"];

/// The node's two cards, the first shared, the second whole.
pub(crate) struct Cards {
    root: PathBuf,
    are_sick: bool,
}

impl Cards {
    /// Those of this driver root.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, are_sick: false }
    }

    /// It asks for a reset.
    pub(crate) fn fail(&mut self, card: u32) {
        self.are_sick = true;
        self.change(Change::Xid { card, number: 48 });
    }

    /// It is away, and the other is there: an agent that finds none that answers has nothing to offer, and ends.
    pub(crate) fn vanish(&mut self, card: u32) {
        self.restore();
        self.are_sick = true;
        self.change(Change::Vanish { card });
    }

    /// Its driver does not come back, and the other's does.
    pub(crate) fn hang(&mut self, card: u32) {
        self.restore();
        self.are_sick = true;
        self.change(Change::Hang { card, hangs: true });
    }

    /// All are there. One that has failed is out of order until it was away.
    pub(crate) fn restore(&self) {
        for card in 0..2 {
            self.change(Change::Hang { card, hangs: false });
            self.change(Change::Restore { card });
        }
    }

    /// The driver is exchanged, as it is where nobody uses a GPU: for one that has been left for good, or the other way round.
    pub(crate) fn upgrade(&mut self, to: &str) {
        // Until an agent that runs has seen it, it goes on with what it had.
        self.are_sick = true;
        let driver = Driver::named(to).unwrap();
        admin::upgrade(&self.root, &driver, &world_options()).unwrap();
        self.change(Change::Mismatch { mismatched: false });
    }

    /// All are well, as a person sees to it. The agent runs.
    pub(crate) fn heal(&mut self, node: &Node) {
        if !std::mem::take(&mut self.are_sick) {
            return;
        }
        self.restore();
        let gpus =
            || aliquot_node::status::read(&node.at("state"), &node.at("pages")).unwrap().gpus;
        // An agent that never saw it has yet to find it.
        wait_until("both cards are found", || gpus().len() == 2);
        for gpu in gpus() {
            let (card, uuid) = (gpu.index, gpu.uuid.to_string());
            let says = |name, words: &[&str]| node.metric(name, words) == Some(1.0);
            wait_until("it is known", || says("aliquot_gpu_info", &[&uuid]));
            self.change(Change::Vanish { card });
            wait_until("it is seen to be away", || {
                says("aliquot_gpu_sick_info", &[&uuid, "reason=\"NVML"])
            });
            self.change(Change::Restore { card });
        }
    }

    /// Whether a refusal is for a card's sake.
    pub(crate) fn are_why(&self, why: &str) -> bool {
        self.are_sick && SICK.iter().any(|words| why.contains(words))
    }

    fn change(&self, change: Change) {
        admin::change(&self.root, change).unwrap();
    }
}
