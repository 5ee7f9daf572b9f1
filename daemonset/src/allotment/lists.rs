//! Whether a list of the kubelet's names all pods of the node: only then does one that is missing mean that
//! it is gone. No I/O.
//!
//! A kubelet serves podresources before it knows its pods. Its static ones are there at once; those of the API
//! server come when that answers, which takes seconds, or hours where the API server is away. Their containers
//! run on meanwhile.

use std::collections::BTreeSet;
use std::time::Instant;

use contract::AllotmentId;

use super::holders::Held;
use super::kept::Kept;
use super::record::Record;

/// The first looks at a kubelet's lists that end nothing: it takes its pods in one after the other.
const YOUNG: u32 = 2;

/// How many lists in a row name no pod at all before one is believed. Every node of a cluster runs pods.
const EMPTY: u32 = 12;

/// A pod by namespace and name.
pub type PodName = (String, String);

/// What a list can be taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listed {
    /// All pods of the node: who is missing is gone.
    Whole,
    /// What it names is so; what it does not name may be there all the same.
    InPart,
}

/// A list, and what else is known of the pods when it is compared with the book.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    /// The containers that it names.
    pub held: &'a [Held],
    /// What it can be taken for.
    pub listed: Listed,
    /// When it was asked for.
    pub asked: Instant,
    /// Allotments whose pod is gone although another has its name.
    pub replaced: BTreeSet<AllotmentId>,
    /// Allotments whose pod is gone, and of which no process lives although somebody holds their ledger.
    pub outlived: BTreeSet<AllotmentId>,
    /// What the kubelet keeps for containers that it does not list; `None` where its checkpoint cannot be read.
    pub kept: Option<Vec<Kept>>,
}

impl<'a> Look<'a> {
    /// At a list of all pods that was asked for at `asked`.
    #[must_use]
    pub fn whole(held: &'a [Held], asked: Instant) -> Self {
        let (listed, replaced, kept) = (Listed::Whole, BTreeSet::new(), Some(Vec::new()));
        Self { held, listed, asked, replaced, outlived: BTreeSet::new(), kept }
    }
}

/// The lists so far of one kubelet after the other, each of which is some `Life`.
#[derive(Clone, Debug)]
pub struct Lists<Life> {
    own_pod: Option<PodName>,
    life: Option<Life>,
    looks: u32,
    empty: u32,
}

impl<Life: PartialEq> Lists<Life> {
    /// None so far. The agent's own pod, where it runs in one that it knows, is in every list of all pods.
    #[must_use]
    pub fn new(own_pod: Option<PodName>) -> Self {
        Self { own_pod, life: None, looks: 0, empty: 0 }
    }

    /// What a list can be taken for that the kubelet with this `life` has just answered; `None`: it is gone.
    pub fn judge(&mut self, life: Option<Life>, held: &[Held]) -> Listed {
        if life.is_none() || life != self.life {
            (self.life, self.looks, self.empty) = (life, 0, 0);
        }
        self.empty = if held.is_empty() { self.empty.saturating_add(1) } else { 0 };
        let has_own = self.own_pod.as_ref().is_none_or(|(namespace, name)| {
            held.iter().any(|it| it.holder.namespace == *namespace && it.holder.pod == *name)
        });
        // Without it the API server has not answered, and pods have not begun to come.
        self.looks = if has_own { self.looks.saturating_add(1) } else { 0 };
        let is_believed = self.looks > YOUNG && (self.empty == 0 || self.empty >= EMPTY);
        if is_believed && has_own { Listed::Whole } else { Listed::InPart }
    }
}

/// Whether the kubelet lists the container that held an allotment, and nothing of what it held: its
/// checkpoint was lost, or another pod has the name.
pub(crate) fn is_forgotten(record: &Record, held: &[Held]) -> bool {
    let nothing = |held: &&Held| held.devices.is_empty();
    held.iter().filter(nothing).any(|held| Some(&held.holder) == record.holder.as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::record::Holder;
    use super::*;

    fn pod(name: &str) -> Held {
        let (namespace, container) = ("default".into(), Some("main".into()));
        let holder = Holder { namespace, pod: name.into(), container };
        Held { holder, ..Held::default() }
    }

    /// What so many of the same lists of a kubelet with this life are taken for.
    fn judge(lists: &mut Lists<u8>, life: u8, held: &[Held], times: usize) -> Vec<Listed> {
        (0..times).map(|_| lists.judge(Some(life), held)).collect()
    }

    #[test]
    fn the_first_lists_of_every_kubelet_end_nothing() {
        use Listed::{InPart, Whole};
        let mut lists = Lists::new(None);
        for life in [1, 2] {
            assert_eq!(judge(&mut lists, life, &[pod("a")], 4), [InPart, InPart, Whole, Whole]);
        }
        assert_eq!(lists.judge(None, &[pod("a")]), InPart, "its socket is gone");
    }

    #[test]
    fn an_empty_list_is_believed_when_it_stays_empty() {
        let mut lists = Lists::new(None);
        judge(&mut lists, 1, &[pod("a")], 5);
        let empty = judge(&mut lists, 1, &[], 12);
        assert!(empty[..11].iter().all(|listed| *listed == Listed::InPart), "{empty:?}");
        assert_eq!(empty[11], Listed::Whole);
        assert_eq!(lists.judge(Some(1), &[pod("a")]), Listed::Whole);
        assert_eq!(lists.judge(Some(1), &[]), Listed::InPart);
    }

    #[test]
    fn an_agent_in_a_pod_believes_no_list_without_it() {
        let mut lists = Lists::new(Some(("default".into(), "agent".into())));
        let without = judge(&mut lists, 1, &[pod("static")], 100);
        assert!(without.iter().all(|listed| *listed == Listed::InPart));
        assert!(judge(&mut lists, 1, &[], 100).iter().all(|listed| *listed == Listed::InPart));
    }

    #[test]
    fn a_kubelet_is_young_until_it_has_listed_the_agents_own_pod_as_often() {
        use Listed::{InPart, Whole};
        let mut lists = Lists::new(Some(("default".into(), "agent".into())));
        judge(&mut lists, 1, &[pod("static")], 5);
        // The API server answers: the pods come one by one.
        let with = judge(&mut lists, 1, &[pod("static"), pod("agent")], 3);
        assert_eq!(with, [InPart, InPart, Whole]);
    }
}
