//! Why an allotment could not be made or kept.

use std::path::PathBuf;

use contract::{AllotmentId, PercentError};

use crate::durable::FileError;

/// Why an allotment could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// A record or a folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The pages.
    #[error("cannot make the allotment's pages in {path}: {error}")]
    Pages {
        /// Their folder.
        path: PathBuf,
        /// What the ledger said.
        error: ledger::PageError,
    },
    /// A record that says what cannot be.
    #[error("the record of allotment {0} is broken: {1}")]
    Record(AllotmentId, PercentError),
    /// Two sets of devices with one name, by a chance of one in 2^64.
    #[error("allotment {0} already belongs to other devices")]
    Taken(AllotmentId),
    /// As many shares as there is room for.
    #[error(
        "the node has room for the pages of {0} shares, and has given them out: a larger --pages-tmpfs \
         (agent.pagesTmpfsMib of the chart) makes room for more"
    )]
    Full(usize),
    /// A removal that does not end.
    #[error(
        "the files of an earlier allotment of these devices, {0}, are still being removed: the node's \
         file system does not answer. The pod has to be made again"
    )]
    Leaving(AllotmentId),
}
