//! What is played: tenants with their shares and workloads. Pure.

use std::str::FromStr;

/// Who divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The hardware alone: neither shim nor arbiter.
    None,
    /// Shares that hold, idle time lent.
    Fair,
    /// Never more than the share.
    Strict,
}

impl Mode {
    /// All of them, in the order in which they are played.
    pub const ALL: [Self; 3] = [Self::None, Self::Fair, Self::Strict];

    /// As the policy is called in a configuration, and in the figures; `none` is no policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fair => "fair",
            Self::Strict => "strict",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == word);
        found.ok_or_else(|| format!("{word:?} is no mode: write none, fair or strict"))
    }
}

/// One tenant: its percent of each of its cards, and what `gpu-load` does for it.
#[derive(Clone, Copy, Debug)]
pub struct Tenant {
    /// Of each of its cards, of time and memory alike.
    pub share_percent: u32,
    /// A word of `gpu-load`'s, which says there what it is.
    pub workload: &'static str,
    /// The numbers of its cards.
    pub cards: &'static [usize],
}

impl Tenant {
    /// Whether it spins on the card, so that what it got is not what it did.
    #[must_use]
    pub fn waits_on_the_card(&self) -> bool {
        self.workload == "ranks"
    }

    /// Whether it has work on the card at every moment, so that a pause is a stall.
    #[must_use]
    pub fn saturates(&self) -> bool {
        matches!(self.workload, "saturate" | "tiny" | "long" | "graph")
    }

    /// Whether it wants more than its share in all that is played, with its rests in it.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.saturates() || matches!(self.workload, "burst" | "decode" | "trainer")
    }

    /// Whether it has a context and nothing else.
    #[must_use]
    pub fn idles(&self) -> bool {
        self.workload == "idle"
    }

    /// The workload that shows how much of such work a card does in a second, played alone: what rests, or
    /// waits for its own work, leaves time to nobody there.
    #[must_use]
    pub fn yardstick(&self) -> &'static str {
        match self.workload {
            "tiny" | "long" | "copy" => self.workload,
            "graph" | "decode" => "graph",
            _ => "saturate",
        }
    }
}

/// Some tenants at once.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// In the figures, and for choosing it.
    pub name: &'static str,
    /// Who is there.
    pub tenants: &'static [Tenant],
}

impl Scenario {
    /// How many cards there are.
    #[must_use]
    pub fn cards(&self) -> usize {
        let all = self.tenants.iter().flat_map(|tenant| tenant.cards);
        all.max().map_or(1, |last| last + 1)
    }

    /// Who has a share of this card.
    pub fn on(&self, card: usize) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter().filter(move |tenant| tenant.cards.contains(&card))
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
pub const SCENARIOS: &[Scenario] = &[
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
    Scenario { name: "decode-25-75", tenants: &[tenant(25, "decode"), busy(75)] },
    Scenario { name: "decode-50-50", tenants: &[tenant(50, "decode"), busy(50)] },
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
                let sum: u32 = scenario.on(card).map(|tenant| tenant.share_percent).sum();
                assert!(sum <= 100 && sum > 0, "{}", scenario.name);
            }
        }
    }

    #[test]
    fn a_mode_is_known_by_its_name() {
        assert!(Mode::ALL.iter().all(|mode| mode.name().parse() == Ok(*mode)));
        assert!("lenient".parse::<Mode>().unwrap_err().contains("none, fair or strict"));
    }
}
