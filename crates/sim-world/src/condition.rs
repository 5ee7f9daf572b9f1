//! What can change about a card while its world runs, besides memory and time: how it is divided, linked
//! and shared. Asked for anew at each question; nothing here is kept by a client.

use serde::{Deserialize, Serialize};

use crate::mig::Mig;

/// A card at one moment. [`Condition::default`] is a card of its own, undivided, in no company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How MIG divides it.
    pub mig: Mig,
    /// `nvmlGpuVirtualizationMode_t`: 0 none, 1 passed through, 2 in a vGPU guest, 3 a vGPU host.
    pub virtualisation: u32,
    /// Whether a guest's part of it has its licence.
    pub licensed: bool,
    /// `nvmlComputeMode_t`: 0 default, 2 prohibited, 3 one process.
    pub compute_mode: u32,
    /// Host pids of the MPS servers that have it.
    pub mps: Vec<u32>,
    /// How many NVLinks lead to other cards of this world.
    pub links: Vec<Link>,
    /// The NUMA node that it is nearest to; none for what the world was made with.
    pub numa_node: Option<u32>,
    /// The processors that it is nearest to; all where none is given.
    pub cpus: Vec<u32>,
}

/// NVLinks between two cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The other card, by [`crate::CardInfo::id`].
    pub peer: u32,
    /// How many.
    pub count: u32,
}
