//! Why an object is refused, in sentences that say what to write.

use std::fmt;

use contract::{FractionError, Percent, WholePercentError};

/// Everything that is wrong with an object, so that it can be put right in one go. Never empty.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{refusal}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Refusal {
    /// Where.
    pub place: Place,
    /// What, and what to write instead.
    pub why: Why,
}

/// A place in a pod that a user recognises.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Place {
    /// The pod as a whole.
    #[error("the pod")]
    Pod,
    /// A container, an init container or a sidecar.
    #[error("container {0:?}")]
    Container(String),
    /// An annotation of the pod.
    #[error("annotation {0}")]
    Annotation(String),
}

/// What is wrong, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    /// A fraction that is none.
    #[error("{name}: {value:?} is {error}")]
    Fraction {
        /// The resource or annotation.
        name: String,
        /// What was written.
        value: String,
        /// The rule it breaks.
        error: FractionError,
    },
    /// A percentage that is none.
    #[error("{name}: {value:?} is {error}")]
    Percent {
        /// The resource or annotation.
        name: String,
        /// What was written.
        value: String,
        /// The rule it breaks.
        error: WholePercentError,
    },
    /// Limits and requests that are not the same number.
    #[error(
        "{name}: the limit is {limit} and the request {request}: a share is had or not, so write \
         the same in both, or the limit alone"
    )]
    Differ {
        /// The resource.
        name: String,
        /// As written.
        limit: String,
        /// As written.
        request: String,
    },
    /// Two shares for one container.
    #[error(
        "asks for {fraction} by {name} and for {percent} by percent: one container has one share, \
         so write one of them"
    )]
    TwoShares {
        /// The fraction's resource or annotation.
        name: String,
        /// What the fraction says.
        fraction: Percent,
        /// What the percent says.
        percent: Percent,
    },
    /// A whole GPU and a share in one pod.
    #[error(
        "asks for whole GPUs ({whole}) and for a share of one ({share}): put them into two pods, or \
         write {share}: 1 for a whole GPU that is metered"
    )]
    WholeAndShare {
        /// The whole GPU's resource.
        whole: String,
        /// The share's.
        share: String,
    },
    /// A MIG slice and a share in one pod.
    #[error(
        "asks for {mig} and for a share of a GPU ({share}): a MIG slice is not divided further, so \
         put them into two pods"
    )]
    MigAndShare {
        /// The slice's resource.
        mig: String,
        /// The share's.
        share: String,
    },
    /// A privileged container in a pod with a share.
    #[error(
        "is privileged, and so sees every GPU of its node: a share cannot be held to it; remove \
         securityContext.privileged, or ask for whole GPUs"
    )]
    Privileged,
    /// An environment that asks for GPUs by itself.
    #[error(
        "sets NVIDIA_VISIBLE_DEVICES to {0:?}, which would show it GPUs beside its share: remove \
         the variable, the GPU is given with the share"
    )]
    AsksForGpus(String),
    /// Another system's words that have no counterpart.
    #[error("{0}")]
    Untranslatable(crate::translate::Untranslatable),
    /// The mutation did not take place.
    #[error(
        "the share was not written as percent, because the mutating webhook was not asked: try again, \
         or write percent yourself"
    )]
    NotRewritten,
    /// The mutation did not take place, and it would have named this RuntimeClass.
    #[error(
        "has no runtimeClassName, without which its containers have no driver, because the mutating webhook was not \
         asked: try again, or write runtimeClassName: {0} yourself"
    )]
    NoRuntimeClass(String),
    /// The annotation names a container that is not there.
    #[error("names container {name:?}, which the pod does not have: it has {has}")]
    UnknownContainer {
        /// What was written.
        name: String,
        /// The containers' names.
        has: String,
    },
    /// A value that its annotation cannot have.
    #[error("{value:?} is not {expected}")]
    Annotation {
        /// What was written.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A refinement that would take more than the share.
    #[error(
        "asks for {asked} percent of the compute with a share of {share}: write at most {share}"
    )]
    AboveShare {
        /// What was written.
        asked: u8,
        /// The largest share of the pod's containers, in percent.
        share: u8,
    },
}
