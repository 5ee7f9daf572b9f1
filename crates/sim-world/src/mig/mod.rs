//! How a card is divided by MIG: what profiles there are, and which instances exist.
//!
//! Pure: rules of geometry, no memory and no files. The daemon applies them; the libraries show what
//! came of it.

mod geometry;
mod names;
mod profiles;

use serde::{Deserialize, Serialize};

pub use geometry::MigError;
pub use names::{ComputeProfile, compute_profiles};
pub use profiles::{COMPUTE_SLICES, GpuProfile, gpu_profiles};

/// MIG on one card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mig {
    /// Whether the card is in MIG mode.
    pub current: bool,
    /// Whether it will be after its next reset.
    pub pending: bool,
    /// Its GPU instances, in order of their IDs.
    pub instances: Vec<GpuInstance>,
}

/// A part of a card with memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuInstance {
    /// Its ID on the card.
    pub id: u32,
    /// The name of its profile.
    pub profile: String,
    /// The memory slice that it begins at.
    pub start: u32,
    /// Its compute instances, in order of their IDs.
    pub compute: Vec<ComputeInstance>,
}

/// A MIG device: processors of a GPU instance, which shares its memory with its siblings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeInstance {
    /// Its ID in its GPU instance.
    pub id: u32,
    /// Compute slices.
    pub slices: u32,
    /// The compute slice of the GPU instance that it begins at.
    pub start: u32,
    /// The sixteen bytes behind `MIG-…`: the same whenever it is made again in its place.
    pub uuid: [u8; 16],
    /// Its time lines in the card's page, from 1.
    pub lane: u32,
}

/// The MIG device that a [`crate::CardInfo`] describes in place of a whole card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Its GPU instance.
    pub gpu_instance: u32,
    /// Its compute instance.
    pub compute_instance: u32,
    /// Its time lines.
    pub lane: u32,
    /// The UUID of its card.
    pub parent: [u8; 16],
    /// What nvidia-smi calls it, such as `1c.3g.20gb`.
    pub name: String,
    /// Compute slices of its GPU instance, and its own.
    pub slices: [u32; 2],
    /// Copy engines, decoders, JPEG engines, optical flow engines of its GPU instance.
    pub engines: [u32; 4],
}

impl GpuInstance {
    /// What it is on a card of this profile name; the smallest where the card knows no such thing.
    #[must_use]
    pub fn kind(&self, card: &str) -> Option<&'static GpuProfile> {
        gpu_profiles(card).iter().find(|known| known.name == self.profile)
    }
}

/// The minor numbers of the files that give access to an instance, as the driver's `mig-minors` has
/// them: eight compute instances for each of fifteen GPU instances for each card, from 3.
#[must_use]
pub fn capability(card: u32, gpu_instance: u32, compute_instance: Option<u32>) -> u32 {
    3 + card * 135 + gpu_instance * 9 + compute_instance.map_or(0, |id| id + 1)
}
