//! What is free of each GPU and who holds the rest, in the words that the extender reads. A pure function.

use std::collections::BTreeMap;

use contract::Percent;
use published::{Holder, Mode};

use super::{Pods, pod_of_record};
use crate::allotment::{Holding, Record};
use crate::config::MigStrategy;
use crate::decide::Taken;
use crate::inventory::{Gpu, Inventory, Kind, Membership, Slice};
use crate::modes;

/// What is free, and who holds the rest.
#[must_use]
pub(super) fn published(
    inventory: &Inventory,
    records: &[Record],
    held: &Taken,
    pods: &Pods,
    strategy: MigStrategy,
) -> published::Node {
    let mut places = places(inventory, held, strategy);
    let mut holders: BTreeMap<&str, Holder> = BTreeMap::new();
    let mut taken: Vec<&Slice> = Vec::new();
    for record in records {
        let uid = uid(record, pods);
        let mut hold = |parts: Vec<(usize, u32)>, slices: &[&Slice]| {
            let Some(uid) = uid else { return };
            let holder = holders.entry(uid).or_default();
            holder.uid = uid.to_owned();
            holder.parts.extend(parts);
            for slice in slices {
                *holder.slices.entry(profile(slice)).or_default() += 1;
            }
        };
        let part = |uuid: &str, percent| {
            places.iter().position(|gpu| gpu.uuid == uuid).map(|index| (index, percent))
        };
        let (parts, whole): (Vec<_>, bool) = match &record.holding {
            Holding::Share { gpu, percent, .. } => {
                (part(&gpu.to_string(), u32::from(*percent)).into_iter().collect(), false)
            }
            Holding::Whole { gpus } => {
                (gpus.iter().filter_map(|gpu| part(&gpu.to_string(), 100)).collect(), true)
            }
            Holding::Slices { slices, .. } => {
                let held: Vec<_> =
                    slices.iter().filter_map(|uuid| Some(inventory.slice(*uuid)?.1)).collect();
                taken.extend(&held);
                let parts: Vec<_> =
                    slices.iter().filter_map(|uuid| part(&uuid.to_string(), 100)).collect();
                hold(Vec::new(), if strategy == MigStrategy::Mixed { &held } else { &[] });
                (parts, true)
            }
        };
        for (index, percent) in &parts {
            places[*index].taken_percent += percent;
            places[*index].is_whole |= whole;
        }
        hold(parts, &[]);
    }
    published::Node {
        least_percent: least(inventory),
        slices: free_slices(inventory, &taken, held, strategy),
        pods: holders.into_values().collect(),
        gpus: places,
    }
}

/// What is given out as GPUs: the cards, and under the strategy `single` their slices.
fn places(inventory: &Inventory, held: &Taken, strategy: MigStrategy) -> Vec<published::Gpu> {
    let place = |uuid: String, mode, gpu: &Gpu| published::Gpu {
        uuid,
        resource: gpu.pool.as_ref().and_then(own_resource),
        mode,
        taken_percent: 0,
        is_whole: false,
        is_usable: is_usable(gpu, held),
    };
    let mut places = Vec::new();
    for gpu in inventory.gpus() {
        let Some(slices) = &gpu.slices else {
            let mode = match (gpu.mode, &gpu.no_shares) {
                (modes::Mode::Whole, _) | (modes::Mode::Auto, Some(_)) => Mode::Whole,
                (modes::Mode::Shared, _) => Mode::Shared,
                (modes::Mode::Auto, None) => Mode::Auto,
            };
            let no_shares = mode == Mode::Shared && gpu.no_shares.is_some();
            let mut place = place(gpu.uuid.to_string(), mode, gpu);
            // What is left of it is for nobody new until the last of those has gone.
            let has_slices = held.kind(gpu.uuid) == Some(Kind::Slice);
            place.is_usable &= !no_shares && !has_slices && !held.has_moved(gpu);
            places.push(place);
            continue;
        };
        places.push(place(gpu.uuid.to_string(), Mode::Mig, gpu));
        if strategy == MigStrategy::Single {
            let slice = |slice: &Slice| place(slice.uuid.to_string(), Mode::Whole, gpu);
            places.extend(slices.iter().map(slice));
        }
    }
    places
}

/// What the whole GPUs of a pool are asked for by, where that is not `gpu`.
fn own_resource(pool: &Membership) -> Option<String> {
    (pool.resource != contract::Resource::Gpu.as_str()).then(|| pool.resource.clone())
}

fn is_usable(gpu: &Gpu, held: &Taken) -> bool {
    let is_closed = gpu.sick.is_some() || gpu.cordon.is_some() || gpu.foreign.is_some();
    !is_closed && !held.has_lost_slice(gpu)
}

/// As the slice's resource has it, behind `mig-`.
fn profile(slice: &Slice) -> String {
    slice.resource().trim_start_matches("mig-").to_owned()
}

fn free_slices(
    inventory: &Inventory,
    taken: &[&Slice],
    held: &Taken,
    strategy: MigStrategy,
) -> BTreeMap<String, u32> {
    let mut free = BTreeMap::new();
    if strategy != MigStrategy::Mixed {
        return free;
    }
    for gpu in inventory.gpus().iter().filter(|gpu| is_usable(gpu, held)) {
        for slice in gpu.slices.iter().flatten() {
            let is_free = !taken.iter().any(|held| held.uuid == slice.uuid);
            *free.entry(profile(slice)).or_default() += u32::from(is_free);
        }
    }
    free
}

/// The smallest share that holds a context on one of the cards.
fn least(inventory: &Inventory) -> u8 {
    let holds = |percent: Percent| {
        let fits = |gpu: &Gpu| {
            share::divide(percent, gpu.usable(), contract::Mib(gpu.context_mib)).is_ok()
        };
        inventory.gpus().iter().any(fits)
    };
    (1..=100).filter_map(|n| Percent::new(n).ok()).find(|n| holds(*n)).map_or(100, Percent::get)
}

/// The uid that the pod which holds it has at the API server.
fn uid<'a>(record: &Record, pods: &'a Pods) -> Option<&'a str> {
    pod_of_record(pods, record).map(|pod| &*pod.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::{held_by, share};
    use crate::inventory::tests::{divided, gpu, slice, uuid};
    use contract::{DeviceId, DeviceUuid};
    use serde_json::json;

    fn pods(names: &[&str]) -> Pods {
        let pod = |name: &&str| {
            let uid = format!("uid-{name}");
            let meta = json!({ "uid": uid, "name": name, "namespace": "team" });
            (uid, serde_json::from_value(meta).unwrap())
        };
        names.iter().map(pod).collect()
    }

    #[test]
    fn what_is_held_is_published_with_its_pods_and_counts_without_them() {
        let inventory =
            Inventory::new(vec![gpu(0, modes::Mode::Shared), gpu(1, modes::Mode::Auto)]);
        let records = [
            held_by(Some("a"), share(uuid(0), 50)),
            held_by(Some("unknown"), share(uuid(0), 20)),
            held_by(Some("a"), Holding::Whole { gpus: vec![uuid(1)] }),
        ];
        let node =
            published(&inventory, &records, &Taken::default(), &pods(&["a"]), MigStrategy::Mixed);
        assert_eq!(node.gpus.iter().map(|gpu| gpu.taken_percent).collect::<Vec<_>>(), [70, 100]);
        assert!(node.gpus[1].is_whole && !node.gpus[0].is_whole);
        assert_eq!(node.pods.len(), 1);
        assert_eq!((&*node.pods[0].uid, &node.pods[0].parts), ("uid-a", &vec![(0, 50), (1, 100)]));
    }

    #[test]
    fn what_a_pod_holds_that_is_gone_is_not_its_successors_of_the_same_name() {
        let inventory = Inventory::new(vec![gpu(0, modes::Mode::Shared)]);
        let of = |uid: &str, percent| Record {
            pod_uid: Some(uid.into()),
            ..held_by(Some("a"), share(uuid(0), percent))
        };
        let records = [of("uid-before", 50), of("uid-a", 20)];
        let node =
            published(&inventory, &records, &Taken::default(), &pods(&["a"]), MigStrategy::Mixed);
        assert_eq!(node.gpus[0].taken_percent, 70);
        assert_eq!(node.pods.len(), 1);
        assert_eq!((&*node.pods[0].uid, &node.pods[0].parts), ("uid-a", &vec![(0, 20)]));
    }

    #[test]
    fn what_gives_nothing_is_published_as_such() {
        let sick = Gpu { sick: Some("XID 79".into()), ..gpu(0, modes::Mode::Shared) };
        let node = of_free(vec![sick], &Taken::default());
        assert!(node.gpus.iter().all(|gpu| !gpu.is_usable));
    }

    #[test]
    fn a_gpu_of_a_pool_is_published_under_the_pools_own_name() {
        let pool = |name: &str| Membership { name: "p".into(), resource: name.into() };
        let apart = Gpu { pool: Some(pool("gpu-training")), ..gpu(0, modes::Mode::Shared) };
        let plain = Gpu { pool: Some(pool("gpu")), ..gpu(1, modes::Mode::Shared) };
        let node = of_free(vec![apart, plain], &Taken::default());
        let names: Vec<_> = node.gpus.iter().map(|gpu| gpu.resource.as_deref()).collect();
        assert_eq!(names, [Some("gpu-training"), None]);
        assert!(node.gpus.iter().all(|gpu| gpu.is_usable && gpu.free().get() == 100));
    }

    #[test]
    fn what_is_left_of_a_gpu_whose_pool_has_changed_under_its_holders_is_nobodys() {
        let pool = Membership { name: "p".into(), resource: "gpu-training".into() };
        let moved = Gpu { pool: Some(pool), ..gpu(0, modes::Mode::Shared) };
        for (given, is_usable) in [("gpu-percent", false), ("gpu-training-percent", true)] {
            let mut held = Taken::default();
            held.add([DeviceId::Percent(uuid(0), 7)], Some(given));
            assert_eq!(of_free(vec![moved.clone()], &held).gpus[0].is_usable, is_usable, "{given}");
        }
    }

    #[test]
    fn a_card_whose_slice_is_held_is_nobodys_while_it_is_in_mig_mode_no_more() {
        let mut held = Taken::default();
        held.lie_on([(slice(1, "").uuid, uuid(0))]);
        let node = of_free(vec![gpu(0, modes::Mode::Shared), gpu(1, modes::Mode::Whole)], &held);
        assert_eq!(node.gpus.iter().map(|gpu| gpu.is_usable).collect::<Vec<_>>(), [false, true]);
    }

    fn of_free(gpus: Vec<Gpu>, held: &Taken) -> published::Node {
        let inventory = Inventory::new(gpus);
        published(&inventory, &[], held, &Pods::default(), MigStrategy::Mixed)
    }

    #[test]
    fn slices_are_counted_by_profile_or_stand_for_gpus() {
        let card = divided(0, vec![slice(1, "1g.10gb+me"), slice(2, "1g.10gb+me")]);
        let held = Holding::Slices { slices: vec![uuid_of(&card, 0)], gpus: vec![uuid(0)] };
        let (inventory, records) = (Inventory::new(vec![card]), [held_by(Some("a"), held)]);
        let mixed =
            published(&inventory, &records, &Taken::default(), &pods(&["a"]), MigStrategy::Mixed);
        assert_eq!(mixed.slices, BTreeMap::from([("1g.10gb.me".to_owned(), 1)]));
        let single =
            published(&inventory, &records, &Taken::default(), &pods(&["a"]), MigStrategy::Single);
        let free: Vec<_> = single.gpus.iter().map(published::Gpu::is_free_whole).collect();
        assert_eq!(free, [false, false, true]);
    }

    #[test]
    fn the_slices_of_a_card_that_was_divided_anew_under_a_holder_are_nobodys() {
        let cards = || {
            [0, 1].map(|n| {
                divided(n, vec![slice(10 * n + 1, "1g.10gb"), slice(10 * n + 2, "1g.10gb")])
            })
        };
        let (gone, there) = (slice(9, "").uuid, slice(1, "").uuid);
        for (slice, cards_left) in [(gone, 1), (there, 2)] {
            let mut held = Taken::default();
            held.add([DeviceId::Mig(slice)], Some("mig-1g.10gb"));
            held.lie_on([(slice, uuid(0))]);
            let of = |strategy| {
                let inventory = Inventory::new(cards().into());
                published(&inventory, &[], &held, &Pods::default(), strategy)
            };
            assert_eq!(of(MigStrategy::Mixed).slices.values().sum::<u32>(), 2 * cards_left);
            let gpus = of(MigStrategy::Single).gpus;
            let usable = gpus.iter().filter(|gpu| gpu.is_usable && gpu.mode == Mode::Whole);
            assert_eq!(usable.count() as u32, 2 * cards_left);
        }
    }

    fn uuid_of(gpu: &Gpu, index: usize) -> DeviceUuid {
        gpu.slices.as_ref().unwrap()[index].uuid
    }
}
