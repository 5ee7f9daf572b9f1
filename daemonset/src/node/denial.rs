//! Why the kubelet gets no for an answer.

use crate::allotment::BookError;
use crate::decide::Refusal;
use crate::durable::FileError;

/// Why the kubelet gets no for an answer. The sentence reaches the pod's events.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// The devices cannot be held.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node failed.
    #[error(transparent)]
    Failed(#[from] BookError),
    /// The specifications that the answer names cannot be written.
    #[error(transparent)]
    Unspecified(#[from] FileError),
}

impl Denial {
    /// As the metrics have it.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.word(),
            Self::Failed(BookError::Full(_)) => "pages_full",
            Self::Failed(_) | Self::Unspecified(_) => "failed",
        }
    }
}
