//! What is played: tenants with their shares and workloads. Pure.

/// Who divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// The hardware alone: neither shim nor agent.
    None,
    /// The agent, lending idle time.
    Fair,
    /// The agent, never giving more than the share.
    Strict,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Fair, Self::Strict];

    /// As it stands in the agent's configuration, and in the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fair => "fair",
            Self::Strict => "strict",
        }
    }
}

/// One tenant: its percent of each of its cards, and what `gpu-load` does for it.
pub(crate) struct Tenant {
    pub(crate) share_percent: u32,
    pub(crate) workload: &'static str,
    /// The numbers of its cards.
    pub(crate) cards: &'static [usize],
}

impl Tenant {
    /// How long its longest piece of work takes that cannot be stopped.
    pub(crate) fn longest_kernel_ms(&self) -> f64 {
        match self.workload {
            "tiny" => 0.005,
            "long" => 50.0,
            "graph" => 5.0,
            "trainer" => 1.0,
            "idle" | "copy" => 0.0,
            _ => 0.5,
        }
    }

    /// Whether it spins on the card, so that what it got is not what it did.
    pub(crate) fn waits_on_the_card(&self) -> bool {
        self.workload == "ranks"
    }

    /// Whether it always wants the card, so that a pause is a stall.
    pub(crate) fn saturates(&self) -> bool {
        matches!(self.workload, "saturate" | "tiny" | "long" | "graph")
    }
}

/// Some tenants at once.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) tenants: &'static [Tenant],
}

impl Scenario {
    /// How many cards there are.
    pub(crate) fn cards(&self) -> usize {
        let all = self.tenants.iter().flat_map(|tenant| tenant.cards);
        all.max().map_or(1, |last| last + 1)
    }
}

const fn tenant(share_percent: u32, workload: &'static str) -> Tenant {
    Tenant { share_percent, workload, cards: &[0] }
}

/// Ranks on two cards that wait for each other after each step.
const fn ranks(share_percent: u32) -> Tenant {
    Tenant { share_percent, workload: "ranks", cards: &[0, 1] }
}

const fn busy_on_second(share_percent: u32) -> Tenant {
    Tenant { share_percent, workload: "saturate", cards: &[1] }
}

const fn busy(share_percent: u32) -> Tenant {
    tenant(share_percent, "saturate")
}

const SMALL: Tenant = tenant(12, "small");

/// All of them, in the order in which they are played.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "50-50", tenants: &[busy(50), busy(50)] },
    Scenario { name: "25-75", tenants: &[busy(25), busy(75)] },
    Scenario { name: "10-90", tenants: &[busy(10), busy(90)] },
    Scenario { name: "20-30-50", tenants: &[busy(20), busy(30), busy(50)] },
    Scenario {
        name: "eight-at-12",
        tenants: &[busy(12), busy(12), busy(12), busy(12), busy(12), busy(12), busy(12), busy(12)],
    },
    Scenario { name: "graphs-25-75", tenants: &[tenant(25, "graph"), busy(75)] },
    Scenario { name: "tiny-25-75", tenants: &[tenant(25, "tiny"), busy(75)] },
    Scenario { name: "long-25-75", tenants: &[tenant(25, "long"), busy(75)] },
    Scenario { name: "bursts-25-75", tenants: &[tenant(25, "burst"), busy(75)] },
    Scenario { name: "idle-neighbour", tenants: &[busy(50), tenant(50, "idle")] },
    Scenario {
        name: "inference-beside-trainer",
        tenants: &[tenant(50, "inference"), tenant(50, "trainer")],
    },
    Scenario { name: "small-inference-alone", tenants: &[SMALL] },
    Scenario {
        name: "eight-small-inferences",
        tenants: &[SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL],
    },
    Scenario { name: "ranks-50-50", tenants: &[ranks(50), busy(50), busy_on_second(50)] },
    Scenario { name: "ranks-25-75", tenants: &[ranks(25), busy(75), busy_on_second(75)] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scenario_gives_more_than_a_card() {
        for scenario in SCENARIOS {
            for card in 0..scenario.cards() {
                let its = scenario.tenants.iter().filter(|tenant| tenant.cards.contains(&card));
                let sum: u32 = its.map(|tenant| tenant.share_percent).sum();
                assert!(sum <= 100 && sum > 0, "{}", scenario.name);
            }
        }
    }
}
