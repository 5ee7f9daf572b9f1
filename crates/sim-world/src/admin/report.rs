//! What `aliquot sim inspect` shows.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::card::Pci;
use crate::condition::Condition;
use crate::wire::{Memory, Process};

/// A world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its folder, as the daemon sees it.
    pub root: PathBuf,
    /// The daemon's pid.
    pub daemon_pid: u32,
    /// The driver's version for processes that connect.
    pub driver_version: String,
    /// The driver's CUDA version for processes that connect.
    pub cuda_version: i32,
    /// Open connections, this one included.
    pub connections: u32,
    /// The cards in PCI order.
    pub cards: Vec<CardReport>,
}

/// A card at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardReport {
    /// Its number in the world.
    pub id: u32,
    /// What NVML calls it.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// `GPU-…`.
    pub uuid: String,
    /// Where it sits.
    pub pci: Pci,
    /// Whether it fell off the bus.
    pub lost: bool,
    /// Its memory.
    pub memory: Memory,
    /// Of that, bytes held by nobody in particular.
    pub other_used: u64,
    /// Whether questions about it wait.
    pub hangs: bool,
    /// How many have had to wait; 0 from a daemon that does not tell.
    #[serde(default)]
    pub waited: u32,
    /// How it is divided, linked and shared.
    pub condition: Condition,
    /// The most that processes ever held at once, in bytes; 0 from a daemon that does not tell.
    #[serde(default)]
    pub peak_used: u64,
    /// Who holds memory, without their rows; the first of them, where they are very many.
    pub processes: Vec<Process>,
}
