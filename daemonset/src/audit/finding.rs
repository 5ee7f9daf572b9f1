//! What the audit finds, in words for people and for metrics.

use std::fmt;

use contract::{AllotmentId, DeviceUuid, Mib};

use super::cgroup::Place;
use crate::allotment::Holder;

/// How many processes a finding names.
const NAMED: usize = 4;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A container uses a GPU of which it has a share, and the shim counts nothing: the preload
    /// failed, was evaded, or the pages were spoilt.
    Uncounted,
    /// A pod uses a GPU that it was not given.
    NotGiven,
    /// A container holds more of a GPU's memory than its share.
    Above,
    /// A process lives on behind an allotment that has ended.
    Outlived,
    /// Something that is in no pod uses a GPU that we give out.
    Outside,
    /// A container keeps a GPU busy and tells of far less time than the driver says: its share of
    /// compute does not hold it.
    Untold,
    /// A container's ledger cannot be read: what it uses is not known.
    Unreadable,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Uncounted,
        Self::NotGiven,
        Self::Above,
        Self::Outlived,
        Self::Outside,
        Self::Untold,
        Self::Unreadable,
    ];

    /// As a metric's label has it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Uncounted => "uncounted",
            Self::NotGiven => "not_given",
            Self::Above => "above",
            Self::Outlived => "outlived",
            Self::Outside => "outside",
            Self::Untold => "untold",
            Self::Unreadable => "unreadable",
        }
    }

    /// As an event's reason has it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Uncounted => "GPUUseUncounted",
            Self::NotGiven => "GPUNotAllotted",
            Self::Above => "GPUMemoryAboveShare",
            Self::Outlived => "GPUUseOutlivedAllotment",
            Self::Outside => "GPUUsedOutsidePods",
            Self::Untold => "GPUTimeUntold",
            Self::Unreadable => "GPULedgerUnreadable",
        }
    }
}

/// Who does it, as far as it is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Culprit {
    /// Its allotment.
    pub allotment: Option<AllotmentId>,
    /// Its pod and container.
    pub holder: Option<Holder>,
    /// Where its processes live.
    pub place: Place,
}

/// What is wrong on one GPU by the doing of one container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// Where.
    pub gpu: DeviceUuid,
    /// By whom.
    pub culprit: Culprit,
    /// The processes: their ids on this machine and the names they gave themselves.
    pub processes: Vec<(u32, String)>,
    /// What they hold of the GPU's memory, in bytes, as far as the driver tells.
    pub bytes: u64,
    /// What they may hold, in bytes, where that is what is wrong.
    pub limit: Option<u64>,
    /// Why a ledger cannot be read, where that is what is wrong; else empty.
    pub why: String,
    /// The uid of the culprit's pod, where the kubelet or a process's cgroup has told: another pod can have its name.
    pub pod_uid: Option<String>,
}

/// What tells a finding from others, over its life.
pub(super) type Key = (Kind, DeviceUuid, Culprit);

impl Finding {
    /// What tells it from others.
    #[must_use]
    pub(super) fn key(&self) -> Key {
        (self.kind, self.gpu, self.culprit.clone())
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.holder, &self.place.pod, &self.place.container) {
            (Some(Holder { namespace, pod, container: Some(container) }), ..) => {
                write!(f, "container {container} of pod {namespace}/{pod}")
            }
            (Some(Holder { namespace, pod, container: None }), ..) => {
                write!(f, "pod {namespace}/{pod}")
            }
            (None, Some(uid), _) => write!(f, "the pod with uid {uid}"),
            (None, None, Some(id)) => write!(f, "container {}, which is in no pod,", &id[..12]),
            (None, None, None) => f.write_str("a process in no container"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gpu, culprit, .. } = self;
        let held = Mib::floor_of_bytes(self.bytes);
        match self.kind {
            Kind::Uncounted => write!(
                f,
                "{culprit} uses {held} of {gpu} and the shim does not count it: is it linked \
                 statically, or was /etc/ld.so.preload taken away?"
            ),
            Kind::NotGiven => write!(f, "{culprit} uses {held} of {gpu}, which it was not given"),
            Kind::Above => {
                let limit = Mib::floor_of_bytes(self.limit.unwrap_or_default());
                write!(f, "{culprit} holds {held} of {gpu}, above its share of {limit}")
            }
            Kind::Outlived => {
                write!(f, "{culprit} uses {held} of {gpu} after its allotment has ended")
            }
            Kind::Outside => {
                write!(f, "{culprit} uses {held} of {gpu}, which is given out to pods")
            }
            Kind::Untold => write!(
                f,
                "{culprit} keeps {gpu} busy and tells of no time: its share of compute does not hold \
                 it. Is its shim an old one, or its ledger scribbled?"
            ),
            Kind::Unreadable => write!(
                f,
                "the ledger of {culprit} cannot be read, so what it uses of {gpu} is not known: {}. Does \
                 something in it write to /run/aliquot? When it starts again, it has a fresh one",
                self.why
            ),
        }?;
        if self.processes.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        for (index, (pid, name)) in self.processes.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {pid}")?;
        }
        match self.processes.len().saturating_sub(NAMED) {
            0 => f.write_str(")"),
            more => write!(f, " and {more} more)"),
        }
    }
}
