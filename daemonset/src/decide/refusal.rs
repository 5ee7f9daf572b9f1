//! Why devices are not given, in sentences for whoever asked.

use std::path::PathBuf;

use contract::{DeviceId, DeviceUuid, IdError, UuidKind};

/// Why a set of device IDs is refused. The sentence stands in the pod's status and events.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// An empty set.
    #[error("no device was asked for: this is a fault of the kubelet's or of another client")]
    Nothing,
    /// Not one of our IDs.
    #[error("the device {0:?} is none of ours ({1})")]
    NotOurs(String, IdError),
    /// An ID stands there twice.
    #[error(
        "the device {0} was asked for twice: this is a fault of the kubelet's or of another client"
    )]
    Twice(DeviceId),
    /// Whole GPUs, percents or slices in one set.
    #[error(
        "whole GPUs, percents of a GPU and MIG slices cannot be given to one container: ask for one \
         of them"
    )]
    Mixed,
    /// The same in one pod.
    #[error(
        "whole GPUs and percents of a GPU cannot be given to one pod, and another container of it \
         holds {0}: put them into pods of their own"
    )]
    MixedPod(&'static str),
    /// A runtime with a kernel of its own.
    #[error(
        "a share of a GPU cannot be held in the runtime {0}, which puts a kernel of its own between \
         the container and the node: use the node's usual runtime, or ask for a whole GPU"
    )]
    Runtime(String),
    /// What would have to understand CDI's names drops them.
    #[error(
        "this node's agent is configured to give GPUs by CDI, and {0}: the container would start \
         without its GPU. Set `injection` and `exposure` to `mounts` there and make the pod again, or \
         make it again on another node"
    )]
    NoCdi(String),
    /// Device nodes that are other cards' by now.
    #[error(
        "the cards of this node are numbered otherwise than when this container was given {0}, and it would \
         start with another's device node: the pod has to be made again"
    )]
    Renumbered(DeviceUuid),
    /// A driver that has been exchanged for one without a file that the kubelet's answer mounts.
    #[error(
        "the driver of this node has no {} any more, which this container was given: the pod has to be made again",
        .0.display()
    )]
    DriverFile(PathBuf),
    /// A GPU that was not there since the node was booted, or a slice that its card is not divided into any more: once it is
    /// again, the next try of the same pod starts.
    #[error(
        "{gone} is not in this node any more: the pod has to be made again{or}", gone = .0, or = or_slices(.0)
    )]
    Unknown(DeviceUuid),
    /// A GPU that cannot be used.
    #[error("{0} is out of order ({1}): the pod has to be made again, here or on another node")]
    Sick(DeviceUuid, String),
    /// A GPU that nobody new may use.
    #[error("{0} is cordoned ({1}): the pod has to be made again, here or on another node")]
    Cordoned(DeviceUuid, String),
    /// A GPU that others share already.
    #[error("{0} cannot be shared ({1}): the pod has to be made again on another node")]
    Foreign(DeviceUuid, String),
    /// A GPU that somebody holds as something else.
    #[error(
        "{0} has been taken as {1} since the device was offered: the pod has to be made again, here \
         or on another node"
    )]
    Bound(DeviceUuid, &'static str),
    /// A slice of a card that was divided anew while one that it has no more is held.
    #[error(
        "the card of {0} was divided anew, and a slice that it has no more is held still: the pod has to be made again, \
         here once that one's pod has gone, or on another node"
    )]
    Divided(DeviceUuid),
    /// A percent of a whole GPU, or the other way round.
    #[error(
        "{0} is configured otherwise on this node since the device was offered: the pod has to be \
         made again"
    )]
    Mode(DeviceUuid),
    /// Parts of several GPUs, because none has room.
    #[error(
        "a share must lie on one GPU, and no GPU of this node has {asked} percent left: what is \
         left is scattered ({holes}). Ask for at most {largest} percent, or wait until a GPU has \
         more left"
    )]
    Scattered {
        /// Percents asked for.
        asked: usize,
        /// What is left of each GPU.
        holes: String,
        /// The most that is left of one.
        largest: usize,
    },
    /// Parts of several GPUs, although one has room: the kubelet does not always ask what we prefer.
    #[error(
        "a share must lie on one GPU, and the kubelet chose {asked} percent from several although \
         {roomy} has room: the pod has to be made again"
    )]
    Spread {
        /// Percents asked for.
        asked: usize,
        /// A GPU with room.
        roomy: DeviceUuid,
    },
    /// More than one GPU's worth.
    #[error(
        "{0} percent is more than one GPU: ask for at most 100, or for whole GPUs with the resource `gpu`"
    )]
    AboveOne(usize),
    /// A share that could not hold a context.
    #[error(transparent)]
    TooSmall(#[from] share::Refusal),
}

impl Refusal {
    /// As the metrics have it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NotOurs(..) => "not_ours",
            Self::Twice(_) => "twice",
            Self::Mixed => "mixed",
            Self::MixedPod(_) => "mixed_pod",
            Self::Runtime(_) => "runtime",
            Self::NoCdi(_) => "no_cdi",
            Self::Renumbered(_) => "renumbered",
            Self::DriverFile(_) => "driver_file",
            Self::Unknown(_) => "unknown",
            Self::Sick(..) => "sick",
            Self::Cordoned(..) => "cordoned",
            Self::Foreign(..) => "foreign",
            Self::Bound(..) => "bound",
            Self::Divided(_) => "divided",
            Self::Mode(_) => "mode",
            Self::Scattered { .. } => "scattered",
            Self::Spread { .. } => "spread",
            Self::AboveOne(_) => "above_one",
            Self::TooSmall(_) => "too_small",
        }
    }
}

/// What else mends it where it is a slice that is gone: an operator makes them again after each boot.
const fn or_slices(gone: &DeviceUuid) -> &'static str {
    match gone.kind {
        UuidKind::Mig => ", or its card divided as it was",
        UuidKind::Gpu => "",
    }
}
