//! Which devices exist, which are free, which pod holds which: the device manager's books. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use kubelet::deviceplugin::{ContainerAllocateResponse, Device};

/// One resource's devices, by health.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) healthy: BTreeSet<String>,
    pub(crate) unhealthy: BTreeSet<String>,
    /// The NUMA nodes of those that have one.
    pub(crate) numa: BTreeMap<String, i64>,
}

/// What one container holds of one resource, with the plugin's stored answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Holding {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) resource: String,
    pub(crate) ids: BTreeSet<String>,
    pub(crate) answer: ContainerAllocateResponse,
}

/// All books.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Devices {
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) holdings: Vec<Holding>,
}

impl Resource {
    /// A message on ListAndWatch replaces the whole set.
    pub(crate) fn replace(&mut self, devices: &[Device]) {
        let of = |healthy: bool| {
            let has = |device: &&Device| (device.health == kubelet::HEALTHY) == healthy;
            devices.iter().filter(has).map(|device| device.id.clone()).collect()
        };
        (self.healthy, self.unhealthy) = (of(true), of(false));
        let node = |device: &Device| Some(device.topology.as_ref()?.nodes.first()?.id);
        let nodes = devices.iter().filter_map(|device| Some((device.id.clone(), node(device)?)));
        self.numa = nodes.collect();
    }

    /// The end of a stream: allocatable is zero at once, capacity stays for a while.
    pub(crate) fn disconnect(&mut self) {
        self.unhealthy.append(&mut self.healthy);
    }
}

impl Devices {
    /// What nobody holds of a resource and could be given out.
    pub(crate) fn available(&self, resource: &str) -> BTreeSet<String> {
        let held = self.held(resource);
        let healthy = self.resources.get(resource).map(|resource| &resource.healthy);
        healthy.into_iter().flatten().filter(|id| !held.contains(*id)).cloned().collect()
    }

    /// The NUMA node of a device of a resource, where it has one.
    pub(crate) fn node_of(&self, resource: &str, id: &str) -> Option<i64> {
        self.resources.get(resource)?.numa.get(id).copied()
    }

    fn held(&self, resource: &str) -> BTreeSet<&String> {
        let of = self.holdings.iter().filter(|holding| holding.resource == resource);
        of.flat_map(|holding| &holding.ids).collect()
    }

    /// What one container holds.
    pub(crate) fn of_container<'a>(
        &'a self,
        pod: &'a str,
        container: &'a str,
    ) -> impl Iterator<Item = &'a Holding> {
        self.holdings.iter().filter(move |h| h.pod == pod && h.container == container)
    }

    /// A kubelet that starts knows resources only by name.
    pub(crate) fn forget_lists(&mut self) {
        self.resources.values_mut().for_each(|resource| *resource = Resource::default());
    }
}

/// Shuffles IDs, as the iteration over a set does in the kubelet. Seeded, so that a test can be
/// repeated.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn shuffled(&mut self, ids: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut ids: Vec<_> = ids.into_iter().map(|id| (self.roll(), id)).collect();
        ids.sort();
        ids.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, health: &str) -> Device {
        Device { id: id.into(), health: health.into(), topology: None }
    }

    fn holding(pod: &str, ids: &[&str]) -> Holding {
        Holding {
            pod: pod.into(),
            container: "main".into(),
            resource: "r".into(),
            ids: ids.iter().map(ToString::to_string).collect(),
            answer: ContainerAllocateResponse::default(),
        }
    }

    #[test]
    fn what_is_held_or_unhealthy_is_not_available() {
        let mut devices = Devices::default();
        let list = [device("a", "Healthy"), device("b", "Healthy"), device("c", "Unhealthy")];
        devices.resources.entry("r".into()).or_default().replace(&list);
        devices.holdings.push(holding("pod", &["a"]));
        assert_eq!(devices.available("r"), BTreeSet::from(["b".to_owned()]));
    }

    #[test]
    fn the_end_of_a_stream_leaves_capacity_and_nothing_to_give() {
        let mut resource = Resource::default();
        resource.replace(&[device("a", "Healthy")]);
        resource.disconnect();
        assert_eq!((resource.healthy.len(), resource.unhealthy.len()), (0, 1));
    }

    #[test]
    fn a_shuffle_loses_nothing_and_changes_the_order() {
        let ids: Vec<_> = (0..50).map(|n| format!("{n:02}")).collect();
        let mut shuffled = Dice::new(7).shuffled(ids.clone());
        assert_ne!(shuffled, ids);
        shuffled.sort();
        assert_eq!(shuffled, ids);
    }
}
