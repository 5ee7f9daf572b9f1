//! XIDs as they reach a subscriber: each once, in order, with a blocking wait.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::RecvFlags;
use serde::{Deserialize, Serialize};

use crate::card::Card;
use crate::connection::{connect, gone, unexpected};
use crate::error::WorldError;
use crate::fork::ForkMark;
use crate::socket;
use crate::wire::{Reply, Request, decode};
use crate::world::World;

/// An error that a card reports, by NVIDIA's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xid {
    /// The card, by [`crate::CardInfo::id`].
    pub card: u32,
    /// The XID.
    pub number: u64,
    /// The GPU instance and compute instance that it came from; none for the whole card.
    pub slice: Option<[u32; 2]>,
}

/// A subscription on a connection of its own: what happens before [`Events::watch`] is not seen.
#[derive(Debug)]
pub struct Events {
    socket: OwnedFd,
    slot: u32,
    mark: ForkMark,
}

impl World {
    /// A subscription that watches no card yet.
    ///
    /// # Errors
    /// [`WorldError`] if there is no daemon to subscribe to.
    pub fn events(&self) -> Result<Events, WorldError> {
        let (connection, welcome) = connect(self.root())?;
        Ok(Events { socket: connection.socket, slot: welcome.slot, mark: ForkMark::new() })
    }
}

impl Events {
    /// Watches `card` of `world` from here on.
    ///
    /// # Errors
    /// [`WorldError::Gone`], or [`WorldError::Forked`] in a fork.
    pub fn watch(&self, world: &World, card: &Card) -> Result<(), WorldError> {
        match world.ask(&Request::Watch { subscriber: self.slot, card: card.id })? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The next XID; none when `patience` ran out first. Without patience it waits for ever.
    ///
    /// # Errors
    /// [`WorldError::Gone`] when the world ended, or [`WorldError::Forked`] in a fork.
    pub fn wait(&self, patience: Option<Duration>) -> Result<Option<Xid>, WorldError> {
        if !self.mark.is_ours() {
            return Err(WorldError::Forked);
        }
        if !socket::wait_readable(&self.socket, patience).map_err(gone)? {
            return Ok(None);
        }
        let mut buffer = Vec::new();
        let length = match socket::receive(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            other => other.map_err(gone)?,
        };
        match decode(&buffer[..length]) {
            Ok(Reply::Xid(xid)) => Ok(Some(xid)),
            _ => Err(WorldError::Gone { reason: "it closed the connection".to_owned() }),
        }
    }
}
