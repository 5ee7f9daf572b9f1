//! What is held, as far as the records say. Some of it may be free again: the kubelet does not tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{DeviceId, DeviceUuid};

use crate::inventory::Kind;

/// The devices that allotments hold, each with the resource that it was allocated as, where that is
/// known.
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

    /// How many percents of a GPU are held.
    #[must_use]
    pub fn percent(&self, gpu: DeviceUuid) -> usize {
        self.0.range(DeviceId::Percent(gpu, 0)..=DeviceId::Percent(gpu, u8::MAX)).count()
    }

    /// As what a GPU is in use; `None` where it is free.
    #[must_use]
    pub fn kind(&self, gpu: DeviceUuid) -> Option<Kind> {
        let whole = self.has(DeviceId::Whole(gpu)).then_some(Kind::Whole);
        whole.or_else(|| (self.percent(gpu) > 0).then_some(Kind::Percent))
    }
}
