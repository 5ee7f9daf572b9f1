//! What is held, as far as the records say. Some of it may be free again: the kubelet does not tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{DeviceId, DeviceUuid};

use crate::inventory::{Gpu, Kind};

/// The devices that allotments hold, each with the resource that it was allocated as, where that is
/// known: without our domain, with any other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken(BTreeMap<DeviceId, Option<Arc<str>>>);

impl Taken {
    /// These devices are held as well.
    pub fn add(&mut self, devices: impl IntoIterator<Item = DeviceId>, resource: Option<&str>) {
        let resource = resource.map(Arc::<str>::from);
        self.0.extend(devices.into_iter().map(|device| (device, resource.clone())));
    }

    /// These devices are held no more.
    pub fn remove(&mut self, devices: impl IntoIterator<Item = DeviceId>) {
        for device in devices {
            self.0.remove(&device);
        }
    }

    /// Whether somebody holds a device.
    #[must_use]
    pub fn has(&self, device: DeviceId) -> bool {
        self.0.contains_key(&device)
    }

    /// All of them, with their resources.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, Option<&str>)> {
        self.0.iter().map(|(device, resource)| (*device, resource.as_deref()))
    }

    /// The same, as if nobody had written down as what they were allocated.
    #[must_use]
    pub fn unnamed(&self) -> Self {
        Self(self.0.keys().map(|device| (*device, None)).collect())
    }

    /// Whether somebody holds a device that was allocated as another resource than `resource`.
    #[must_use]
    pub fn is_elsewhere(&self, device: DeviceId, resource: &str) -> bool {
        matches!(self.0.get(&device), Some(Some(given)) if **given != *resource)
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

    /// How many percents of a GPU are held.
    #[must_use]
    pub fn percent(&self, gpu: DeviceUuid) -> usize {
        self.held(gpu, Kind::Percent).count()
    }

    /// As what a GPU is in use; `None` where it is free.
    #[must_use]
    pub fn kind(&self, gpu: DeviceUuid) -> Option<Kind> {
        let whole = self.has(DeviceId::Whole(gpu)).then_some(Kind::Whole);
        whole.or_else(|| (self.percent(gpu) > 0).then_some(Kind::Percent))
    }

    /// What is held of a GPU as this kind, or of the slice with this UUID.
    fn held(&self, uuid: DeviceUuid, kind: Kind) -> impl Iterator<Item = (DeviceId, Option<&str>)> {
        let range = match kind {
            Kind::Whole => DeviceId::Whole(uuid)..=DeviceId::Whole(uuid),
            Kind::Percent => DeviceId::Percent(uuid, 0)..=DeviceId::Percent(uuid, u8::MAX),
            Kind::Slice => DeviceId::Mig(uuid)..=DeviceId::Mig(uuid),
        };
        self.0.range(range).map(|(device, resource)| (*device, resource.as_deref()))
    }
}
