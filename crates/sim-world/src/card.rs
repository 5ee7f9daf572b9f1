//! A card as a client sees it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::map::CardMap;
use crate::mig::Slice;
use crate::profile::Profile;

/// Where a card sits on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pci {
    /// PCI domain.
    pub domain: u32,
    /// PCI bus.
    pub bus: u8,
    /// PCI device.
    pub device: u8,
}

impl std::fmt::Display for Pci {
    /// As nvidia-smi and CUDA_VISIBLE_DEVICES' peers write it: `00000000:07:00.0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08X}:{:02X}:{:02X}.0", self.domain, self.bus, self.device)
    }
}

/// What never changes about a card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CardInfo {
    /// Its number in its world, in PCI order.
    pub id: u32,
    /// The N of its `/dev/nvidia<N>`.
    pub minor: u32,
    /// The sixteen bytes behind [`CardInfo::uuid_text`].
    pub uuid: [u8; 16],
    /// Its serial number.
    pub serial: u64,
    /// Where it sits on the bus.
    pub pci: Pci,
    /// The NUMA node it is nearest to.
    pub numa_node: u32,
    /// What kind of card it is; of a MIG device, what its slice has of it.
    pub profile: Profile,
    /// The MIG device that this describes; none for a whole card.
    pub slice: Option<Slice>,
}

impl CardInfo {
    /// `GPU-` or `MIG-` and the UUID in lower case, as NVML writes it.
    #[must_use]
    pub fn uuid_text(&self) -> String {
        uuid_text(if self.slice.is_some() { "MIG" } else { "GPU" }, &self.uuid)
    }

    /// Which instances of the card this is; none for a whole card.
    #[must_use]
    pub fn place(&self) -> Option<[u32; 2]> {
        self.slice.as_ref().map(|slice| [slice.gpu_instance, slice.compute_instance])
    }

    /// What `cuDeviceGetAttribute` answers for attribute `number`; none if the card's profile does not
    /// say.
    #[must_use]
    pub fn attribute(&self, number: i32) -> Option<i32> {
        match number {
            33 => Some(i32::from(self.pci.bus)),
            34 => Some(i32::from(self.pci.device)),
            50 => i32::try_from(self.pci.domain).ok(),
            134 => i32::try_from(self.numa_node).ok(),
            _ => self.profile.attribute(number),
        }
    }
}

/// A UUID as NVML writes it, behind `kind` and a dash.
pub(crate) fn uuid_text(kind: &str, uuid: &[u8; 16]) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{kind}-{a}-{b}-{c}-{d}-{e}")
}

/// A card, or a MIG device of one, that this process can see: its description and its page of shared memory.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its place among the visible cards; of a MIG device, among those of its card.
    pub index: usize,
    /// What never changes about it.
    pub info: Arc<CardInfo>,
    pub(crate) map: Arc<CardMap>,
}

impl Card {
    /// Its time lines in the card's page.
    pub(crate) fn lane(&self) -> usize {
        self.slice.as_ref().map_or(0, |slice| slice.lane as usize)
    }
}

impl std::ops::Deref for Card {
    type Target = CardInfo;

    fn deref(&self) -> &CardInfo {
        &self.info
    }
}
