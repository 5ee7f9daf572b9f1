//! What the agent of a node publishes of its GPUs, and the scheduler's extender reads: one annotation of
//! a Lease per node, in JSON. Words and their meaning only; who writes and who reads is elsewhere.
//!
//! A Lease, because every cluster has the kind and nobody but the extender watches the ones in our
//! namespace: the same words in a Node's annotation would go to everything that watches nodes.
#![forbid(unsafe_code)]

mod plan;

pub use plan::{Plan, Planned};

use std::collections::BTreeMap;

use contract::{Domain, Percent};
use serde::{Deserialize, Serialize};
use share::Free;

/// A pod's `metadata.uid`.
pub type PodUid = String;

/// How the name of every such Lease begins; the node's name follows.
pub const LEASE_PREFIX: &str = "gpus-";

/// The annotation that holds it, such as `example.com/gpus`.
#[must_use]
pub fn annotation(domain: Domain<'_>) -> String {
    format!("{}/gpus", domain.as_str())
}

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
    /// The resource of its pool's whole GPUs, without the domain, such as `gpu-training`, where that is
    /// not `gpu`. Parts of it are asked for as `<resource>-percent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// How it is given out. A GPU in mode [`Mode::Auto`] is bound while something of it is taken.
    pub mode: Mode,
    /// Percent that are held of it; a GPU that is given as a whole is held by 100.
    pub taken_percent: u32,
    /// Whether it is held as a whole.
    #[serde(default, skip_serializing_if = "is_no")]
    pub is_whole: bool,
    /// Whether it gives anything: not where it is sick or cordoned.
    pub is_usable: bool,
}

/// A pod that holds something, as far as the agent knows whose its allotments are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Holder {
    /// Which.
    pub uid: PodUid,
    /// Indices of GPUs with percents of each: what is free again once it goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<(usize, u32)>,
    /// MIG slices by profile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, u32>,
}

/// One node, as its agent last published it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// Free MIG slices by profile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, u32>,
    /// The pods that this is after: what they hold is counted in the numbers above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Holder>,
    /// The smallest share that holds a CUDA context on these cards.
    #[serde(default = "one_percent")]
    pub least_percent: u8,
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

impl Node {
    /// Reads what an annotation holds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// As an annotation holds it.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The smallest share that this node gives.
    #[must_use]
    pub fn least(&self) -> Percent {
        Percent::new(u64::from(self.least_percent)).unwrap_or(Percent::WHOLE)
    }

    /// The node once these pods are gone. Pods that it does not know change nothing.
    #[must_use]
    pub fn without(&self, uids: &[&str]) -> Self {
        let mut node = self.clone();
        node.pods.retain(|holder| !uids.contains(&&*holder.uid));
        for holder in self.pods.iter().filter(|holder| uids.contains(&&*holder.uid)) {
            for (index, percent) in &holder.parts {
                let Some(gpu) = node.gpus.get_mut(*index) else { continue };
                gpu.taken_percent = gpu.taken_percent.saturating_sub(*percent);
                gpu.is_whole &= gpu.taken_percent > 0;
            }
            for (profile, count) in &holder.slices {
                *node.slices.entry(profile.clone()).or_default() += count;
            }
        }
        node
    }
}

fn one_percent() -> u8 {
    1
}

fn is_no(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(taken: &[u32], pods: Vec<Holder>) -> Node {
        let gpu = |(index, taken): (usize, &u32)| Gpu {
            uuid: format!("GPU-00000000-0000-0000-0000-{index:012}"),
            resource: None,
            mode: Mode::Shared,
            taken_percent: *taken,
            is_whole: false,
            is_usable: true,
        };
        Node {
            gpus: taken.iter().enumerate().map(gpu).collect(),
            pods,
            least_percent: 1,
            ..Node::default()
        }
    }

    fn holder(number: usize, parts: Vec<(usize, u32)>) -> Holder {
        let uid = format!("00000000-0000-0000-0000-{number:012}");
        Holder { uid, parts, ..Holder::default() }
    }

    #[test]
    fn eight_gpus_with_thirty_pods_are_a_few_kilobytes() {
        let pods = (0..30).map(|number| holder(number, vec![(number % 8, 25)])).collect();
        let text = node(&[75; 8], pods).text();
        assert!(text.len() < 3 << 10, "{} bytes", text.len());
    }

    #[test]
    fn what_a_pod_holds_is_free_once_it_is_gone() {
        let pods = vec![holder(1, vec![(0, 50)]), holder(2, vec![(0, 30), (1, 20)])];
        let uid = pods[1].uid.clone();
        let after = node(&[80, 20], pods).without(&[&uid, "unknown"]);
        assert_eq!(after.gpus.iter().map(|gpu| gpu.taken_percent).collect::<Vec<_>>(), [50, 0]);
        assert_eq!(after.pods.len(), 1);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(taken in prop::collection::vec(0u32..200, 0..9), parts in prop::collection::vec((0usize..9, 0u32..101), 0..5)) {
            let node = node(&taken, vec![holder(1, parts)]);
            prop_assert_eq!(Node::read(&node.text()).unwrap(), node);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Node::read(&text).map(|node| node.without(&["x"]));
        }
    }
}
