//! What the kubelet says about who holds which of our devices.

use std::collections::{BTreeMap, BTreeSet};

use contract::DeviceId;
use kubelet::podresources::{ContainerResources, ListPodResourcesResponse};

use super::record::{Holder, Record};
use crate::inventory::Kind;

/// One container and the devices that it holds of one resource of ours: with several pools it may hold
/// several, and each is an allotment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Which container.
    pub holder: Holder,
    /// As which resource it was given them, without the domain; `None` where it has none, and where nobody told.
    pub resource: Option<String>,
    /// Its devices. None: its whole pod has none of ours, as far as the kubelet remembers.
    pub devices: BTreeSet<DeviceId>,
}

/// The containers that hold devices of resources under `domain`, and those of pods that hold none: a kubelet whose
/// checkpoint is lost lists the pods that run, and nothing of what they hold.
#[must_use]
pub fn holders(list: &ListPodResourcesResponse, domain: &str) -> Vec<Held> {
    let mut held = Vec::new();
    for pod in &list.pod_resources {
        let holder = |container: &ContainerResources| Holder {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: Some(container.name.clone()),
        };
        let first = held.len();
        for container in &pod.containers {
            held.extend(ours(container, domain).into_iter().map(|(resource, devices)| Held {
                holder: holder(container),
                resource: Some(resource),
                devices,
            }));
        }
        if held.len() == first {
            let none = |container| Held { holder: holder(container), ..Held::default() };
            held.extend(pod.containers.iter().map(none));
        }
    }
    held
}

/// The devices of each resource of ours, by its name without the domain.
fn ours(container: &ContainerResources, domain: &str) -> BTreeMap<String, BTreeSet<DeviceId>> {
    let mut sets = BTreeMap::<String, BTreeSet<DeviceId>>::new();
    for devices in &container.devices {
        let Some((prefix, resource)) = devices.resource_name.split_once('/') else { continue };
        if prefix == domain {
            let ids = devices.device_ids.iter().filter_map(|id| id.parse::<DeviceId>().ok());
            sets.entry(resource.to_owned()).or_default().extend(ids);
        }
    }
    sets.retain(|_, set| !set.is_empty());
    sets
}

/// Who holds the devices of `record`: the container with just these, or else the pod of a container
/// that holds some of them, because an init container's devices are given on within its pod.
pub(crate) fn holder_of(record: &Record, held: &[Held]) -> Option<Holder> {
    let exact = held.iter().find(|held| held.devices.iter().eq(&record.devices));
    if let Some(exact) = exact {
        return Some(exact.holder.clone());
    }
    let shares = |held: &&Held| record.devices.iter().any(|id| held.devices.contains(id));
    held.iter().find(shares).map(|held| Holder { container: None, ..held.holder.clone() })
}

/// As which resource the kubelet gave out the devices of `record`: an init container's are given on under the same.
pub(crate) fn resource_of<'a>(record: &Record, held: &'a [Held]) -> Option<&'a str> {
    let shares = |held: &&Held| record.devices.iter().any(|id| held.devices.contains(id));
    held.iter().find(shares)?.resource.as_deref()
}

/// What another container of the record's pod holds, or the same one beside it, that does not go
/// together with it: whole GPUs with percents. Admission cannot be relied on for it, and Allocate is
/// not told of pods.
pub(crate) fn clash(record: &Record, held: &[Held]) -> Option<&'static str> {
    let holder = holder_of(record, held)?;
    let same_pod =
        |it: &&Held| it.holder.pod == holder.pod && it.holder.namespace == holder.namespace;
    let devices = || held.iter().filter(same_pod).flat_map(|it| &it.devices);
    let other =
        |id: &DeviceId| match (record.devices.first().map(|id| Kind::of(*id)), Kind::of(*id)) {
            (Some(Kind::Whole), Kind::Percent) => Some("percents of one"),
            (Some(Kind::Percent), Kind::Whole) => Some("a whole one"),
            _ => None,
        };
    devices().find_map(other)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inventory::tests::uuid;
    use kubelet::podresources::{ContainerDevices, PodResources};

    pub(crate) fn parts(gpu: u8, range: std::ops::Range<u8>) -> BTreeSet<DeviceId> {
        range.map(|part| DeviceId::Percent(uuid(gpu), part)).collect()
    }

    fn devices(resource: &str, ids: &BTreeSet<DeviceId>) -> ContainerDevices {
        ContainerDevices {
            resource_name: resource.into(),
            device_ids: ids.iter().map(ToString::to_string).collect(),
            topology: None,
        }
    }

    #[test]
    fn only_our_resources_count_and_numa_pieces_are_joined() {
        let devices = vec![
            devices("example.com/gpu-percent", &parts(0, 0..10)),
            devices("example.com/gpu-percent", &parts(0, 10..20)),
            devices("other.com/gpu-percent", &parts(1, 0..10)),
        ];
        let container = ContainerResources { name: "main".into(), devices, ..Default::default() };
        let idle = ContainerResources { name: "idle".into(), ..Default::default() };
        let pod = PodResources {
            name: "a".into(),
            namespace: "default".into(),
            containers: vec![idle, container],
        };
        let list = ListPodResourcesResponse { pod_resources: vec![pod] };
        let held = holders(&list, "example.com");
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].holder.container.as_deref(), Some("main"));
        assert_eq!(held[0].devices, parts(0, 0..20));
    }

    #[test]
    fn a_container_with_shares_of_two_pools_is_the_holder_of_both() {
        let sets = [parts(0, 0..50), parts(1, 0..50)];
        let names = ["example.com/gpu-left-percent", "example.com/gpu-right-percent"];
        let devices = names.iter().zip(&sets).map(|(name, set)| devices(name, set)).collect();
        let container = ContainerResources { name: "main".into(), devices, ..Default::default() };
        let (name, namespace) = ("a".into(), "default".into());
        let pod = PodResources { name, namespace, containers: vec![container] };
        let list = ListPodResourcesResponse { pod_resources: vec![pod] };
        let held = holders(&list, "example.com");
        for set in &sets {
            let record = Record::new(set, &crate::decide::Grant::Whole(vec![]), 0);
            let holder = holder_of(&record, &held).unwrap();
            assert_eq!(holder.container.as_deref(), Some("main"));
        }
    }

    #[test]
    fn whole_gpus_and_percents_clash_within_a_pod_and_not_beyond_it() {
        let held = |pod: &str, container: &str, devices: BTreeSet<DeviceId>| {
            let (namespace, pod) = ("default".to_owned(), pod.to_owned());
            Held {
                holder: Holder { namespace, pod, container: Some(container.into()) },
                resource: Some("gpu-percent".into()),
                devices,
            }
        };
        let whole = BTreeSet::from([DeviceId::Whole(uuid(1))]);
        let record = Record::new(&parts(0, 0..50), &crate::decide::Grant::Whole(vec![]), 0);
        let share = held("a", "main", parts(0, 0..50));
        for (other, clashes) in [
            (held("a", "side", whole.clone()), true),
            (held("b", "main", whole), false),
            (held("a", "side", parts(0, 50..60)), false),
        ] {
            assert_eq!(clash(&record, &[share.clone(), other]).is_some(), clashes);
        }
        let both = held(
            "a",
            "main",
            share.devices.iter().copied().chain([DeviceId::Whole(uuid(1))]).collect(),
        );
        assert_eq!(clash(&record, &[both]), Some("a whole one"));
    }
}
