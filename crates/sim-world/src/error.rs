//! What can go wrong between a process and its world, one clear line each.

use std::path::PathBuf;

/// Why a process has no world, or lost it. A library answers these like a driver that is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// No folder above the library holds a world.
    #[error(
        "no simulated world: no folder above {} has dev/nvidiactl (make one with `aliquot sim create DIR`)",
        library.display()
    )]
    NotFound {
        /// The library that looked.
        library: PathBuf,
    },
    /// `dev/nvidiactl` is there but is no world's socket; a real driver's is a device.
    #[error("{} is not a simulated world's socket", path.display())]
    NotAWorld {
        /// The file found.
        path: PathBuf,
    },
    /// Nobody listens on the socket.
    #[error(
        "the world in {} has no daemon ({reason}): start it with `aliquot sim start {}`",
        root.display(),
        root.display()
    )]
    NoDaemon {
        /// The world's folder.
        root: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The daemon speaks another version of the protocol.
    #[error(
        "the world in {} speaks version {theirs} and this program version {ours}: make the world anew with `aliquot sim create`",
        root.display()
    )]
    OtherVersion {
        /// The world's folder.
        root: PathBuf,
        /// What the daemon said it speaks; 0 if it could not say.
        theirs: u32,
        /// What this program speaks.
        ours: u32,
    },
    /// A card's page cannot be used.
    #[error("the card's node {} cannot be used: {reason}", path.display())]
    Node {
        /// The node.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The daemon would not have us.
    #[error("the world in {} refused: {reason}", root.display())]
    Unwelcome {
        /// The world's folder.
        root: PathBuf,
        /// The daemon's words.
        reason: String,
    },
    /// This process is a fork of the one that connected; it must find its world again.
    #[error("a forked process cannot use its parent's connection to the simulated world")]
    Forked,
    /// The daemon went away, or did not answer in time.
    #[error("the simulated world's daemon is gone ({reason})")]
    Gone {
        /// The system's words.
        reason: String,
    },
}

/// Why memory was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// The card's end is reached.
    #[error("the card has {free} bytes free, {asked} were asked for")]
    Full {
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// The card fell off the bus.
    #[error("the card is lost")]
    Lost,
    /// There is no world to ask.
    #[error(transparent)]
    World(#[from] WorldError),
}
