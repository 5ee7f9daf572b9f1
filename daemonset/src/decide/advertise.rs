//! What the kubelet is told of, by resource.

use std::collections::BTreeMap;

use contract::{DeviceId, DeviceUuid, Resource};
use kubelet::deviceplugin::{Device, NumaNode, TopologyInfo};

use super::Taken;
use super::blocked::blocked;
use super::honest::hidden;
use crate::config::{Config, MigStrategy};
use crate::inventory::{Gpu, Inventory, Kind};

/// The devices of each resource, by its name without the domain.
pub type Offers = BTreeMap<String, Vec<Device>>;

/// The same in few words, to see whether anything has changed: it is asked after every allotment, and the
/// kubelet's words for hundreds of devices take longer than the allotment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sketch(BTreeMap<String, Vec<Line>>);

/// A device, its NUMA node, and whether somebody can have it.
type Line = (DeviceId, Option<u32>, bool);

/// What [`sketch`] comes to, in the kubelet's words.
#[must_use]
pub fn offers(inventory: &Inventory, taken: &Taken, config: &Config) -> Offers {
    sketch(inventory, taken, config).devices()
}

impl Sketch {
    /// In the kubelet's words.
    #[must_use]
    pub fn devices(&self) -> Offers {
        let list = |lines: &Vec<Line>| lines.iter().map(device).collect();
        self.0.iter().map(|(resource, lines)| (resource.clone(), list(lines))).collect()
    }
}

/// Every device, once. What somebody holds is listed although it is offered no more, and under the resource that it was
/// allocated as: a device that may be in use must not vanish from the list, and under another name the kubelet would
/// give it out again. A sick GPU's devices are all there. What nobody new can have is unhealthy; what somebody holds is
/// so only where its GPU is sick.
#[must_use]
pub fn sketch(inventory: &Inventory, taken: &Taken, config: &Config) -> Sketch {
    let mut offers: BTreeMap<String, Vec<Line>> =
        Resource::ALL.map(|it| (it.as_str().to_owned(), Vec::new())).into();
    let mut listed = Vec::new();
    let hidden = hidden(inventory, taken, config);
    for gpu in inventory.gpus() {
        for (resource, kind, devices) in sets(gpu, inventory, config.mig.strategy) {
            let open = blocked(gpu, kind, taken).is_none();
            let is_here = |id: &DeviceId| !taken.is_elsewhere(*id, &resource);
            let devices: Vec<_> = devices.into_iter().filter(is_here).collect();
            let list = offers.entry(resource).or_default();
            for id in devices {
                let held = taken.has(id) && gpu.sick.is_none();
                listed.push(id);
                list.push((id, gpu.numa, held || open && !hidden.contains(&id)));
            }
        }
    }
    listed.sort_unstable();
    let is_listed = |id: &DeviceId| listed.binary_search(id).is_ok();
    for (id, resource) in taken.devices().filter(|(id, _)| !is_listed(id)) {
        let resource = resource.map(str::to_owned).or_else(|| usual(id, inventory));
        let gpu = inventory.get(id.uuid());
        let well = gpu.is_some_and(|gpu| gpu.sick.is_none());
        let line = (id, gpu.and_then(|gpu| gpu.numa), well);
        offers.entry(resource.unwrap_or_default()).or_default().push(line);
    }
    // Without a resource, and of another domain's, there is nobody to tell.
    offers.retain(|resource, _| !resource.is_empty() && !resource.contains('/'));
    Sketch(offers)
}

/// Whether the slices of all GPUs can be one resource, as the strategy `single` wants it.
#[must_use]
pub fn is_uniform(inventory: &Inventory) -> bool {
    let mut slices = inventory.gpus().iter().flat_map(|gpu| gpu.slices.iter().flatten());
    let first = slices.next().map(|slice| &slice.profile);
    let all_divided = inventory.gpus().iter().all(|gpu| gpu.slices.is_some());
    all_divided && slices.all(|slice| Some(&slice.profile) == first)
}

type Set = (String, Kind, Vec<DeviceId>);

fn sets(gpu: &Gpu, inventory: &Inventory, strategy: MigStrategy) -> Vec<Set> {
    let plain = |kind| (gpu.resource(kind), kind, gpu.devices(kind));
    let kinds = [Kind::Whole, Kind::Percent].into_iter().filter(|kind| gpu.offers(*kind));
    let mut sets: Vec<Set> = kinds.map(plain).collect();
    match strategy {
        MigStrategy::None => {}
        MigStrategy::Single if is_uniform(inventory) => sets.push(plain(Kind::Slice)),
        MigStrategy::Single => {}
        MigStrategy::Mixed => sets.extend(
            gpu.slices
                .iter()
                .flatten()
                .map(|slice| (slice.resource(), Kind::Slice, vec![DeviceId::Mig(slice.uuid)])),
        ),
    }
    sets
}

/// The resource of a held device whose record does not name it.
fn usual(id: DeviceId, inventory: &Inventory) -> Option<String> {
    let uuid: DeviceUuid = id.uuid();
    match Kind::of(id) {
        Kind::Slice => inventory.slice(uuid).map(|(_, slice)| slice.resource()),
        kind => inventory.get(uuid).map(|gpu| gpu.resource(kind)),
    }
}

fn device(&(id, numa, well): &Line) -> Device {
    let health = if well { kubelet::HEALTHY } else { kubelet::UNHEALTHY };
    let node = |id: u32| TopologyInfo { nodes: vec![NumaNode { id: id.into() }] };
    Device { id: id.to_string(), health: health.to_owned(), topology: numa.map(node) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::blocked::{Blocked, shut};
    use super::*;
    use crate::inventory::tests::{divided, gpu, slice, uuid};
    use crate::inventory::{Membership, Slice};
    use crate::modes::Mode;
    use proptest::prelude::*;

    fn strategy(strategy: MigStrategy) -> Config {
        Config { mig: crate::config::Mig { strategy }, ..Config::default() }
    }

    fn counts(offers: &Offers) -> Vec<(&str, usize, usize)> {
        let healthy =
            |list: &[Device]| list.iter().filter(|d| d.health == kubelet::HEALTHY).count();
        offers.iter().map(|(name, list)| (&**name, healthy(list), list.len())).collect()
    }

    fn offered(gpus: Vec<Gpu>, taken: &Taken) -> Offers {
        offers(&Inventory::new(gpus), taken, &Config::default())
    }

    fn held(devices: &[DeviceId], resource: Option<&str>) -> Taken {
        let mut taken = Taken::default();
        taken.add(devices.iter().copied(), resource);
        taken
    }

    #[test]
    fn each_gpu_is_offered_as_one_resource_only() {
        let offers = offered(vec![gpu(0, Mode::Shared), gpu(1, Mode::Whole)], &Taken::default());
        assert_eq!(counts(&offers), [("gpu", 1, 1), ("gpu-percent", 100, 100)]);
    }

    #[test]
    fn every_part_of_a_sick_or_cordoned_gpu_is_unhealthy_and_no_part_of_another() {
        let sick = Gpu { sick: Some("XID 79".into()), ..gpu(0, Mode::Shared) };
        let cordoned = Gpu { cordon: Some("fan".into()), ..gpu(0, Mode::Shared) };
        for bad in [sick, cordoned] {
            for device in
                &offered(vec![bad, gpu(1, Mode::Shared)], &Taken::default())["gpu-percent"]
            {
                let expected = device.id.starts_with(&uuid(0).to_string());
                assert_eq!(device.health == kubelet::UNHEALTHY, expected, "{}", device.id);
            }
        }
    }

    #[test]
    fn a_gpu_that_others_share_is_given_whole_and_not_in_parts() {
        let foreign = Gpu { foreign: Some(crate::inventory::Foreign::Mps), ..gpu(0, Mode::Auto) };
        let offers = offered(vec![foreign], &Taken::default());
        assert_eq!(counts(&offers), [("gpu", 1, 1), ("gpu-percent", 0, 100)]);
    }

    #[test]
    fn the_numa_node_goes_with_each_device() {
        let near = Gpu { numa: Some(1), ..gpu(0, Mode::Whole) };
        let offers = offered(vec![near], &Taken::default());
        assert_eq!(offers["gpu"][0].topology.as_ref().unwrap().nodes, [NumaNode { id: 1 }]);
    }

    #[test]
    fn an_auto_gpu_is_both_until_somebody_takes_it_as_one() {
        let free = offered(vec![gpu(0, Mode::Auto)], &Taken::default());
        assert_eq!(counts(&free), [("gpu", 1, 1), ("gpu-percent", 100, 100)]);
        let whole = held(&[DeviceId::Whole(uuid(0))], None);
        let bound = offered(vec![gpu(0, Mode::Auto)], &whole);
        assert_eq!(counts(&bound), [("gpu", 1, 1), ("gpu-percent", 0, 100)]);
        let part = held(&[DeviceId::Percent(uuid(0), 7)], None);
        let bound = offered(vec![gpu(0, Mode::Auto)], &part);
        assert_eq!(counts(&bound), [("gpu", 0, 1), ("gpu-percent", 100, 100)]);
    }

    #[test]
    fn what_is_held_stays_listed_when_the_mode_changes_and_blocks_the_other() {
        let part = held(&[DeviceId::Percent(uuid(0), 7)], Some("gpu-percent"));
        let changed = offered(vec![gpu(0, Mode::Whole)], &part);
        assert_eq!(counts(&changed), [("gpu", 0, 1), ("gpu-percent", 1, 1)]);
    }

    #[test]
    fn a_pool_has_resources_of_its_own_and_what_is_held_stays_where_it_was_given() {
        let pool = Membership { name: "a".into(), resource: "gpu-a".into() };
        let pooled = Gpu { pool: Some(pool), ..gpu(0, Mode::Auto) };
        let part = held(&[DeviceId::Percent(uuid(0), 7)], Some("gpu-old-percent"));
        let offers = offered(vec![pooled], &part);
        assert_eq!(counts(&offers)[1..3], [("gpu-a", 0, 1), ("gpu-a-percent", 0, 99)]);
        assert_eq!(counts(&offers)[3..], [("gpu-old-percent", 1, 1), ("gpu-percent", 0, 0)]);
    }

    #[test]
    fn what_is_held_of_another_domain_is_in_no_list_and_keeps_the_rest_from_everybody() {
        let whole = held(&[DeviceId::Whole(uuid(0))], Some("old.example.com/gpu"));
        let offers = offered(vec![gpu(0, Mode::Whole), gpu(1, Mode::Whole)], &whole);
        assert_eq!(counts(&offers), [("gpu", 1, 1), ("gpu-percent", 0, 0)]);
        let part = held(&[DeviceId::Percent(uuid(0), 7)], Some("old.example.com/gpu-percent"));
        let offers = offered(vec![gpu(0, Mode::Shared)], &part);
        assert_eq!(counts(&offers), [("gpu", 0, 0), ("gpu-percent", 0, 99)]);
    }

    #[test]
    fn slices_are_offered_as_the_strategy_says() {
        let slices = || vec![slice(1, "1g.10gb"), slice(2, "2g.20gb")];
        let alike = || vec![slice(3, "1g.10gb")];
        let of = |by, gpus: Vec<Gpu>| {
            let offers = offers(&Inventory::new(gpus), &Taken::default(), &strategy(by));
            counts(&offers).iter().map(|(name, _, all)| format!("{name}={all}")).collect::<Vec<_>>()
        };
        let mixed = of(MigStrategy::Mixed, vec![divided(0, slices()), gpu(1, Mode::Shared)]);
        assert_eq!(mixed, ["gpu=0", "gpu-percent=100", "mig-1g.10gb=1", "mig-2g.20gb=1"]);
        let none = of(MigStrategy::None, vec![divided(0, slices()), gpu(1, Mode::Whole)]);
        assert_eq!(none, ["gpu=1", "gpu-percent=0"]);
        let single = of(
            MigStrategy::Single,
            vec![divided(0, alike()), divided(1, vec![slice(4, "1g.10gb")])],
        );
        assert_eq!(single, ["gpu=2", "gpu-percent=0"]);
        for unlike in [vec![divided(0, slices())], vec![divided(0, alike()), gpu(1, Mode::Whole)]] {
            assert!(!is_uniform(&Inventory::new(unlike.clone())));
            let all: usize = unlike.iter().filter(|gpu| gpu.slices.is_none()).count();
            assert_eq!(of(MigStrategy::Single, unlike)[0], format!("gpu={all}"));
        }
    }

    #[test]
    fn while_somebody_holds_a_slice_that_is_gone_it_stays_listed_and_its_card_gives_out_no_other() {
        let gone: Slice = slice(9, "1g.10gb");
        let mut taken =
            held(&[gone.uuid, slice(2, "").uuid].map(DeviceId::Mig), Some("mig-1g.10gb"));
        taken.lie_on([(gone.uuid, uuid(0))]);
        let gpus = || {
            let both = vec![slice(1, "1g.10gb"), slice(2, "1g.10gb")];
            vec![divided(0, both), divided(1, vec![slice(3, "1g.10gb")])]
        };
        // Of what is held the one that is there, and the other card's.
        assert_eq!(counts(&offered(gpus(), &taken))[2], ("mig-1g.10gb", 2, 4));
        let gpu = &gpus()[0];
        assert_eq!(blocked(gpu, Kind::Slice, &taken), Some(Blocked::Divided));
        assert!(shut(gpu, &taken).is_some_and(|why| why.contains("divided anew")));
        assert_eq!(shut(&gpus()[1], &taken), None);
        assert_eq!(
            blocked(gpu, Kind::Slice, &taken.unnamed()),
            None,
            "what is made again is held already"
        );
        taken.remove([DeviceId::Mig(gone.uuid)]);
        assert_eq!(counts(&offered(gpus(), &taken))[2], ("mig-1g.10gb", 3, 3));
    }

    fn any_gpu(n: u8) -> impl Strategy<Value = Gpu> {
        (0u8..3, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            move |(mode, sick, cordon, mig)| {
                let mode = [Mode::Whole, Mode::Shared, Mode::Auto][usize::from(mode)];
                let slices = mig.then(|| vec![slice(n, "1g.10gb"), slice(n + 100, "2g.20gb")]);
                let (sick, cordon) = (sick.then(|| "x".into()), cordon.then(|| "y".into()));
                Gpu { slices, sick, cordon, ..gpu(n, mode) }
            },
        )
    }

    proptest! {
        #[test]
        fn every_id_is_listed_once_and_every_held_one_is_listed(
            gpus in (any_gpu(0), any_gpu(1), any_gpu(2)),
            held in proptest::collection::btree_set((0u8..4, 0u8..103), 0..20),
            honest: bool,
        ) {
            let mut taken = Taken::default();
            for (n, part) in held {
                let id = match part {
                    100 => DeviceId::Whole(uuid(n)),
                    101 | 102 => DeviceId::Mig(slice(n + (part - 101) * 100, "").uuid),
                    part => DeviceId::Percent(uuid(n), part),
                };
                taken.add([id], Some("gpu-percent"));
            }
            let config = Config { honest_advertising: honest, ..Config::default() };
            let inventory = Inventory::new(vec![gpus.0, gpus.1, gpus.2]);
            let offers = offers(&inventory, &taken, &config);
            let ids: Vec<_> = offers.values().flatten().map(|device| &device.id).collect();
            prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            for (id, resource) in taken.devices() {
                let is_it = |device: &Device| device.id == id.to_string();
                let its = offers.get(resource.unwrap()).is_some_and(|list| list.iter().any(is_it));
                prop_assert!(its, "{} is held and not listed as what it was given", id);
            }
            for gpu in inventory.gpus() {
                let healthy = |kind| {
                    let ids: Vec<_> = gpu.devices(kind).iter().map(ToString::to_string).collect();
                    let held = |id: &str| taken.has(id.parse().unwrap());
                    let well = |d: &&Device| {
                        d.health == kubelet::HEALTHY && ids.contains(&d.id) && !held(&d.id)
                    };
                    offers.values().flatten().filter(well).count()
                };
                let (whole, parts) = (healthy(Kind::Whole), healthy(Kind::Percent));
                if gpu.sick.is_some() || gpu.cordon.is_some() {
                    prop_assert_eq!(whole + parts + healthy(Kind::Slice), 0);
                }
                if taken.kind(gpu.uuid).is_some() {
                    prop_assert!(whole == 0 || parts == 0, "a GPU in use is offered as both");
                }
            }
        }
    }
}
