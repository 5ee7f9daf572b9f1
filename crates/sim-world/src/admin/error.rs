//! What can go wrong when a world is made or changed.

use std::path::PathBuf;

use crate::error::WorldError;
use crate::profile::ProfileError;
use crate::spec::SpecError;

/// One line for a person, each with what to do.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The folder holds something else.
    #[error("{} exists and is not an empty folder: choose another", dir.display())]
    Occupied {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds a world already.
    #[error("{} is a world already: `aliquot sim start`, or remove it first", dir.display())]
    AlreadyAWorld {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds no world.
    #[error("{0}")]
    NotAWorld(String),
    /// A file could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    CannotWrite {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file to copy is not there.
    #[error("cannot read {}: {reason}", path.display())]
    CannotRead {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A world needs one card, and has places for sixteen.
    #[error("{count} cards: a world has 1 to {}", crate::MAX_CARDS)]
    CardCount {
        /// Cards asked for.
        count: u32,
    },
    /// Text that names no cards.
    #[error("{text:?} names no cards: write NAME or NAME:COUNT, such as v100-32gb:2")]
    Cards {
        /// The text.
        text: String,
    },
    /// There is no such card.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The daemon's program is not there.
    #[error("cannot find the daemon's program {}: build it with `cargo xtask dist`", path.display())]
    NoDaemonProgram {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The daemon did not start.
    #[error("the world's daemon did not start: {reason}")]
    DaemonFailed {
        /// Its words.
        reason: String,
    },
    /// The daemon would not do it.
    #[error("the world refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// The daemon does not answer.
    #[error(transparent)]
    World(#[from] WorldError),
}

impl From<SpecError> for AdminError {
    fn from(error: SpecError) -> Self {
        match error {
            SpecError::Profile(error) => Self::Profile(error),
            other => Self::NotAWorld(other.to_string()),
        }
    }
}
