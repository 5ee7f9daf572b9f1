//! What is held, as far as the records say. Some of it may be free again: the kubelet does not tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{DeviceId, DeviceUuid};

use crate::inventory::{Gpu, Kind};

/// The devices that allotments hold, each with the resource that it was allocated as, where that is
/// known: without our domain, with any other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    devices: BTreeMap<DeviceId, Option<Arc<str>>>,
    /// The cards of the slices among them, where they are known.
    cards: BTreeMap<DeviceUuid, DeviceUuid>,
}

impl Taken {
    /// These devices are held as well.
    pub fn add(&mut self, devices: impl IntoIterator<Item = DeviceId>, resource: Option<&str>) {
        let resource = resource.map(Arc::<str>::from);
        self.devices.extend(devices.into_iter().map(|device| (device, resource.clone())));
    }

    /// These slices, which are held, are of these cards.
    pub fn lie_on(&mut self, slices: impl IntoIterator<Item = (DeviceUuid, DeviceUuid)>) {
        self.cards.extend(slices);
    }

    /// These devices are held no more.
    pub fn remove(&mut self, devices: impl IntoIterator<Item = DeviceId>) {
        for device in devices {
            self.devices.remove(&device);
            self.cards.remove(&device.uuid());
        }
    }

    /// Whether somebody holds a device.
    #[must_use]
    pub fn has(&self, device: DeviceId) -> bool {
        self.devices.contains_key(&device)
    }

    /// All of them, with their resources.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, Option<&str>)> {
        self.devices.iter().map(|(device, resource)| (*device, resource.as_deref()))
    }

    /// The same, as if nobody had written down as what they were allocated.
    #[must_use]
    pub fn unnamed(&self) -> Self {
        let devices = self.devices.keys().map(|device| (*device, None));
        Self { devices: devices.collect(), cards: self.cards.clone() }
    }

    /// Whether somebody holds a device that was allocated as another resource than `resource`.
    #[must_use]
    pub fn is_elsewhere(&self, device: DeviceId, resource: &str) -> bool {
        matches!(self.devices.get(&device), Some(Some(given)) if **given != *resource)
    }

    /// Whether somebody holds a GPU, or percents of it, that were allocated as another resource than it is offered as:
    /// its pool has changed since, and the kubelet, which counts by resource, takes for free what it is offered as.
    #[must_use]
    pub fn has_moved(&self, gpu: &Gpu) -> bool {
        [Kind::Whole, Kind::Percent].into_iter().any(|kind| {
            let resource = gpu.resource(kind);
            self.held(gpu.uuid, kind).any(|(_, given)| given.is_some_and(|it| *it != *resource))
        })
    }

    /// Whether somebody holds a slice of a GPU that it is not divided into any more.
    #[must_use]
    pub fn has_lost_slice(&self, gpu: &Gpu) -> bool {
        let is_there = |slice| gpu.slices.iter().flatten().any(|it| it.uuid == slice);
        let is_named = |slice| matches!(self.devices.get(&DeviceId::Mig(slice)), Some(Some(_)));
        let its = self.cards.iter().filter(|(_, card)| **card == gpu.uuid);
        its.map(|(slice, _)| *slice).any(|slice| is_named(slice) && !is_there(slice))
    }

    /// How many percents of a GPU are held.
    #[must_use]
    pub fn percent(&self, gpu: DeviceUuid) -> usize {
        self.held(gpu, Kind::Percent).count()
    }

    /// As what a GPU is in use; `None` where it is free.
    #[must_use]
    pub fn kind(&self, gpu: DeviceUuid) -> Option<Kind> {
        let whole = self.has(DeviceId::Whole(gpu)).then_some(Kind::Whole);
        let parts = || (self.percent(gpu) > 0).then_some(Kind::Percent);
        let slices = || self.cards.values().any(|card| *card == gpu).then_some(Kind::Slice);
        whole.or_else(parts).or_else(slices)
    }

    /// What is held of a GPU as this kind, or of the slice with this UUID.
    fn held(&self, uuid: DeviceUuid, kind: Kind) -> impl Iterator<Item = (DeviceId, Option<&str>)> {
        let range = match kind {
            Kind::Whole => DeviceId::Whole(uuid)..=DeviceId::Whole(uuid),
            Kind::Percent => DeviceId::Percent(uuid, 0)..=DeviceId::Percent(uuid, u8::MAX),
            Kind::Slice => DeviceId::Mig(uuid)..=DeviceId::Mig(uuid),
        };
        self.devices.range(range).map(|(device, resource)| (*device, resource.as_deref()))
    }
}
