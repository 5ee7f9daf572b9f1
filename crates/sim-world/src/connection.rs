//! One connection to a world's daemon: the greeting, questions and answers.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::error::WorldError;
use crate::locate;
use crate::socket;
use crate::wire::{PROTOCOL, Reply, Request, Welcome, decode, encode};

/// A daemon that has not answered for so long is taken for gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// A fresh connection to the world in `root`, past the greeting.
pub(crate) fn connect(root: &Path) -> Result<(Connection, Welcome), WorldError> {
    let path = locate::check_socket(root)?;
    let no_daemon =
        |error: Errno| WorldError::NoDaemon { root: root.to_owned(), reason: error.to_string() };
    let socket = socket::connect(&path, PATIENCE).map_err(no_daemon)?;
    let mut connection = Connection { socket, buffer: Vec::new() };
    let root = root.to_owned();
    let other_version =
        |theirs| WorldError::OtherVersion { root: root.clone(), theirs, ours: PROTOCOL };
    match connection.exchange(&Request::Hello { protocol: PROTOCOL })? {
        Reply::Welcome(welcome) if welcome.protocol == PROTOCOL => Ok((connection, welcome)),
        Reply::Welcome(welcome) => Err(other_version(welcome.protocol)),
        Reply::OtherProtocol { protocol } => Err(other_version(protocol)),
        Reply::Wrong { reason } => Err(WorldError::Unwelcome { root, reason }),
        _ => Err(other_version(0)),
    }
}

/// The daemon cannot be spoken to any more.
pub(crate) fn gone(error: Errno) -> WorldError {
    WorldError::Gone { reason: error.to_string() }
}

/// The socket, and the room for answers.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<Reply, WorldError> {
        socket::send(&self.socket, &encode(request)).map_err(gone)?;
        match socket::receive(&self.socket, &mut self.buffer, RecvFlags::empty()) {
            Ok(0) => Err(WorldError::Gone { reason: "it closed the connection".to_owned() }),
            Ok(length) => {
                decode(&self.buffer[..length]).map_err(|reason| WorldError::Gone { reason })
            }
            Err(Errno::AGAIN) => {
                Err(WorldError::Gone { reason: format!("no answer in {} s", PATIENCE.as_secs()) })
            }
            Err(error) => Err(gone(error)),
        }
    }
}

/// What an answer to another question means.
pub(crate) fn unexpected(reply: &Reply) -> WorldError {
    let reason = match reply {
        Reply::Wrong { reason } => reason.clone(),
        other => format!("an answer to another question: {other:?}"),
    };
    WorldError::Gone { reason }
}
