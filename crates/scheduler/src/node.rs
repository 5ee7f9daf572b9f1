//! What the agent of a node publishes of its GPUs.

use std::collections::BTreeMap;

use contract::Percent;
use serde::{Deserialize, Serialize};
use share::Free;

/// A pod's `metadata.uid`.
pub type PodUid = String;

/// How a GPU is given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As a whole.
    Whole,
    /// In percent.
    Shared,
    /// As its first allocation wants it.
    Auto,
    /// By MIG slices.
    Mig,
}

/// One GPU.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    /// Its UUID.
    pub uuid: String,
    /// How it is given out. A GPU in mode [`Mode::Auto`] is bound while something of it is taken.
    pub mode: Mode,
    /// Percent that are held of it; a GPU that is given as a whole is held by 100.
    pub taken_percent: u32,
    /// Whether it is held as a whole.
    #[serde(default)]
    pub is_whole: bool,
    /// Whether it gives anything: not where it is sick or cordoned.
    pub is_usable: bool,
}

impl Gpu {
    /// What can be had of it as a share.
    #[must_use]
    pub fn free(&self) -> Free {
        let shares = matches!(self.mode, Mode::Shared | Mode::Auto) && !self.is_whole;
        if self.is_usable && shares { Free::after(self.taken_percent) } else { Free::after(100) }
    }

    /// Whether it can be had as a whole.
    #[must_use]
    pub fn is_free_whole(&self) -> bool {
        let whole = matches!(self.mode, Mode::Whole | Mode::Auto);
        self.is_usable && whole && self.taken_percent == 0
    }
}

/// One node, as its agent last published it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// Free MIG slices by profile.
    #[serde(default)]
    pub slices: BTreeMap<String, u32>,
    /// The pods that this is after: what they hold is counted in the numbers above.
    #[serde(default)]
    pub pods: Vec<PodUid>,
    /// The smallest share that holds a CUDA context on these cards.
    #[serde(default = "one_percent")]
    pub least_percent: u8,
}

fn one_percent() -> u8 {
    1
}

impl Node {
    /// The smallest share that this node gives.
    #[must_use]
    pub fn least(&self) -> Percent {
        Percent::new(u64::from(self.least_percent)).unwrap_or(Percent::WHOLE)
    }
}
