//! What an allotment is to be, in the agent's words.

use std::vec::Vec;

use contract::{AllotmentId, DeviceUuid, Mib, Percent};

use crate::abi::{AtLimit, BackEnd, MAX_BYTES, MAX_DEVICES, Policy};
use crate::error::PageError;

/// An allotment to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllotmentSpec {
    /// Its id; both files carry it.
    pub id: AllotmentId,
    /// Its GPUs, 1 to 16, each once. Their order is the order of the records.
    pub devices: Vec<DeviceSpec>,
}

/// One GPU's part in an allotment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    /// Which GPU or MIG instance.
    pub uuid: DeviceUuid,
    /// Hard limit in bytes.
    pub hard: u64,
    /// Soft limit in bytes; 0: none.
    pub soft: u64,
    /// Bytes that may be moved to the host; 0: none.
    pub swap: u64,
    /// What happens to a request that does not fit.
    pub at_limit: AtLimit,
    /// How compute is shared.
    pub policy: Policy,
    /// Weight under `fair`, in percent of the GPU.
    pub weight: u32,
    /// Cap under `strict`, in percent of the GPU.
    pub cap: u32,
    /// Scheduling quantum in microseconds.
    pub quantum_us: u32,
    /// Who enforces the share of compute.
    pub back_end: BackEnd,
    /// Devices arbitrated together carry the same number; 0: alone.
    pub gang: u64,
    /// What one context takes on this card and driver, in bytes.
    pub context_estimate: u64,
    /// [`crate::abi::device_flags`].
    pub flags: u32,
}

impl AllotmentSpec {
    /// An allotment of these devices.
    #[must_use]
    pub fn new(id: AllotmentId, devices: Vec<DeviceSpec>) -> Self {
        Self { id, devices }
    }

    /// Whether it can be written down.
    ///
    /// # Errors
    /// [`PageError::Devices`], [`PageError::Uuid`] or [`PageError::Value`].
    pub fn check(&self) -> Result<(), PageError> {
        if self.devices.is_empty() || self.devices.len() > MAX_DEVICES {
            return Err(PageError::Devices(self.devices.len()));
        }
        for (index, device) in self.devices.iter().enumerate() {
            device.check()?;
            if self.devices[..index].iter().any(|other| other.uuid == device.uuid) {
                return Err(PageError::Uuid);
            }
        }
        Ok(())
    }
}

impl DeviceSpec {
    /// `share` of a card: `hard` bytes, `share` percent of its time, fair, in quanta of 5 ms.
    #[must_use]
    pub fn new(uuid: DeviceUuid, hard: Mib, share: Percent) -> Self {
        Self {
            uuid,
            hard: hard.bytes(),
            soft: 0,
            swap: 0,
            at_limit: AtLimit::Refuse,
            policy: Policy::Fair,
            weight: u32::from(share.get()),
            cap: u32::from(share.get()),
            quantum_us: 5000,
            back_end: BackEnd::Shim,
            gang: 0,
            context_estimate: 0,
            flags: 0,
        }
    }

    /// The same with a context estimate in bytes.
    #[must_use]
    pub fn with_context_estimate(self, bytes: u64) -> Self {
        Self { context_estimate: bytes, ..self }
    }

    /// The same with another answer to what does not fit.
    #[must_use]
    pub fn with_at_limit(self, at_limit: AtLimit) -> Self {
        Self { at_limit, ..self }
    }

    /// Whether it can be written down.
    ///
    /// # Errors
    /// [`PageError::Value`] with the word that is out of range.
    pub fn check(&self) -> Result<(), PageError> {
        let bytes = [
            (self.hard, "hard limit"),
            (self.soft, "soft limit"),
            (self.swap, "swap limit"),
            (self.context_estimate, "context estimate"),
        ];
        if let Some((_, word)) = bytes.into_iter().find(|(bytes, _)| *bytes > MAX_BYTES / 2) {
            return Err(PageError::Value(word));
        }
        match (self.weight, self.cap) {
            (1..=100, 1..=100) => Ok(()),
            (1..=100, _) => Err(PageError::Value("cap")),
            _ => Err(PageError::Value("weight")),
        }
    }
}
