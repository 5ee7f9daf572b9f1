//! What pods ask for, and the dice that decide it.

use contract::Percent;
use serde_json::{Value, json};

use super::PROFILE;

/// A small generator of numbers: the same every time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What a pod asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Share(Percent),
    /// The same for an init container, and less for the container after it: nothing, or half.
    Early(Percent, bool),
    Whole(u32),
    Slices(u32),
}

impl Ask {
    /// As the pod says it.
    pub(super) fn pod(self) -> Value {
        let (resource, count) = match self {
            Self::Share(percent) | Self::Early(percent, _) => {
                ("gpu-percent".to_owned(), u32::from(percent.get()))
            }
            Self::Whole(count) => ("gpu".to_owned(), count),
            Self::Slices(count) => (format!("mig-{PROFILE}"), count),
        };
        let (early, late) = match self {
            Self::Early(_, false) => (count, 0),
            Self::Early(_, true) => (count, count / 2),
            _ => (0, count),
        };
        let of = |count: u32| {
            let limits = json!({ format!("example.com/{resource}"): count.to_string() });
            json!([{ "resources": { "limits": limits } }])
        };
        json!({ "metadata": {}, "spec": { "initContainers": of(early), "containers": of(late) } })
    }

    /// What one GPU has to have, for as long as the pod lives: the kubelet keeps what an init container had.
    pub(super) fn share(self) -> Option<Percent> {
        match self {
            Self::Share(percent) | Self::Early(percent, _) => Some(percent),
            Self::Whole(_) | Self::Slices(_) => None,
        }
    }

    /// Of a node's GPUs, in percent.
    pub(super) fn percent(self) -> u32 {
        let whole = if let Self::Whole(count) = self { 100 * count } else { 0 };
        self.share().map_or(whole, |percent| u32::from(percent.get()))
    }
}
