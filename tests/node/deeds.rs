//! What can happen to a node, by chance that can be repeated.

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
    Calm,
}

/// Each with its weight.
const DEEDS: [(Deed, u64); 19] = [
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
