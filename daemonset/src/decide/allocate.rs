//! Whether a set of device IDs is something a container can hold, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};

use contract::{DeviceId, DeviceUuid, Mib, Percent};

use super::blocked::word;
use super::{Blocked, Refusal, Taken, blocked};
use crate::inventory::{Gpu, Inventory, Kind, PARTS};

/// What a container gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grant {
    /// These GPUs, whole, in the order of their indices.
    Whole(Vec<DeviceUuid>),
    /// These MIG slices, each with its GPU.
    Slices(Vec<(DeviceUuid, DeviceUuid)>),
    /// A part of one GPU.
    Share {
        /// The GPU.
        gpu: DeviceUuid,
        /// The part.
        percent: Percent,
        /// The part of its memory.
        memory: Mib,
        /// What one context is charged.
        context: Mib,
    },
}

/// What the devices with these IDs come to. What is `taken` beside them decides nothing (the kubelet
/// keeps count): it makes a refusal worth reading.
///
/// # Errors
/// [`Refusal`]: one container gets whole GPUs or one part of one GPU, of GPUs that are there and
/// well.
pub fn allocate(ids: &[String], inventory: &Inventory, taken: &Taken) -> Result<Grant, Refusal> {
    grant(&parse(ids)?, inventory, taken)
}

/// The same for IDs that were read.
///
/// # Errors
/// As [`allocate`].
pub(crate) fn grant(
    devices: &BTreeSet<DeviceId>,
    inventory: &Inventory,
    taken: &Taken,
) -> Result<Grant, Refusal> {
    let mut whole = Vec::new();
    let mut slices = Vec::new();
    let mut parts = BTreeMap::<DeviceUuid, usize>::new();
    for device in devices {
        match *device {
            DeviceId::Whole(uuid) => whole.push(usable(uuid, Kind::Whole, inventory, taken)?),
            DeviceId::Percent(uuid, _) => *parts.entry(uuid).or_default() += 1,
            DeviceId::Mig(uuid) => {
                slices.push((uuid, usable(uuid, Kind::Slice, inventory, taken)?.uuid));
            }
        }
    }
    match (whole.is_empty(), slices.is_empty(), parts.is_empty()) {
        (true, true, true) => Err(Refusal::Nothing),
        (false, true, true) => Ok(whole_gpus(whole)),
        (true, false, true) => Ok(Grant::Slices(slices)),
        (true, true, false) => share_of_one(&parts, inventory, taken),
        _ => Err(Refusal::Mixed),
    }
}

/// The set behind a list of IDs.
///
/// # Errors
/// [`Refusal::NotOurs`], [`Refusal::Twice`].
pub(crate) fn parse(ids: &[String]) -> Result<BTreeSet<DeviceId>, Refusal> {
    let mut devices = BTreeSet::new();
    for id in ids {
        let device = id.parse().map_err(|error| Refusal::NotOurs(id.clone(), error))?;
        if !devices.insert(device) {
            return Err(Refusal::Twice(device));
        }
    }
    Ok(devices)
}

fn whole_gpus(mut gpus: Vec<&Gpu>) -> Grant {
    gpus.sort_by_key(|gpu| gpu.index);
    Grant::Whole(gpus.iter().map(|gpu| gpu.uuid).collect())
}

fn share_of_one(
    parts: &BTreeMap<DeviceUuid, usize>,
    inventory: &Inventory,
    taken: &Taken,
) -> Result<Grant, Refusal> {
    let asked = parts.values().sum();
    if asked > 100 {
        return Err(Refusal::AboveOne(asked));
    }
    let mut gpus = parts.keys();
    let (Some(&uuid), None) = (gpus.next(), gpus.next()) else {
        return Err(several(asked, inventory, taken));
    };
    let gpu = usable(uuid, Kind::Percent, inventory, taken)?;
    let percent = Percent::new(asked as u64).map_err(|_| Refusal::AboveOne(asked))?;
    let context = Mib(gpu.context_mib);
    let memory = share::divide(percent, gpu.usable(), context)?;
    Ok(Grant::Share { gpu: uuid, percent, memory, context })
}

fn several(asked: usize, inventory: &Inventory, taken: &Taken) -> Refusal {
    let left = |gpu: &Gpu| (usize::from(PARTS).saturating_sub(taken.percent(gpu.uuid)), gpu.uuid);
    let open = |gpu: &&Gpu| blocked(gpu, Kind::Percent, taken).is_none();
    let well = inventory.gpus().iter().filter(open);
    let holes: Vec<_> = well.map(left).collect();
    let &(largest, roomy) = holes.iter().max().unwrap_or(&(0, DeviceUuid::gpu([0; 16])));
    if largest >= asked {
        return Refusal::Spread { asked, roomy };
    }
    let holes: Vec<_> = holes.iter().map(|(left, uuid)| format!("{left} of {uuid}")).collect();
    Refusal::Scattered { asked, holes: holes.join(", "), largest }
}

/// The GPU of a device that can be given as this kind.
fn usable<'a>(
    uuid: DeviceUuid,
    kind: Kind,
    inventory: &'a Inventory,
    taken: &Taken,
) -> Result<&'a Gpu, Refusal> {
    let gpu = inventory.get(uuid).ok_or(Refusal::Unknown(uuid))?;
    match blocked(gpu, kind, taken) {
        None => Ok(gpu),
        Some(Blocked::Sick(why)) => Err(Refusal::Sick(uuid, why)),
        Some(Blocked::Cordoned(why)) => Err(Refusal::Cordoned(uuid, why)),
        Some(Blocked::Foreign(why) | Blocked::NoShares(why)) => Err(Refusal::Foreign(uuid, why)),
        Some(Blocked::Bound(kind)) => Err(Refusal::Bound(uuid, word(&kind))),
        Some(Blocked::Divided) => Err(Refusal::Divided(uuid)),
        Some(Blocked::Moved | Blocked::Otherwise) => Err(Refusal::Mode(uuid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{divided, gpu, slice, uuid};
    use crate::modes::Mode;
    use proptest::prelude::*;

    /// 0 and 1 are shared, 2 and 3 whole, 4 is shared and sick.
    fn inventory() -> Inventory {
        let sick = Gpu { sick: Some("fallen off the bus".into()), ..gpu(4, Mode::Shared) };
        let shared = [0, 1].map(|n| gpu(n, Mode::Shared));
        let whole = [2, 3].map(|n| gpu(n, Mode::Whole));
        Inventory::new(shared.into_iter().chain(whole).chain([sick]).collect())
    }

    fn parts(n: u8, range: std::ops::Range<u8>) -> Vec<String> {
        range.map(|part| format!("{}::{part}", uuid(n))).collect()
    }

    fn whole(n: u8) -> Vec<String> {
        vec![uuid(n).to_string()]
    }

    #[test]
    fn fifty_parts_of_one_gpu_are_half_of_its_memory() {
        let grant = allocate(&parts(0, 25..75), &inventory(), &Taken::default());
        let (percent, memory) = (Percent::new(50).unwrap(), Mib(16255));
        assert_eq!(grant, Ok(Grant::Share { gpu: uuid(0), percent, memory, context: Mib(310) }));
    }

    #[test]
    fn whole_gpus_come_in_the_order_of_their_indices() {
        let grant = allocate(&[whole(3), whole(2)].concat(), &inventory(), &Taken::default());
        assert_eq!(grant, Ok(Grant::Whole(vec![uuid(2), uuid(3)])));
    }

    #[test]
    fn what_cannot_be_held_is_refused_with_a_sentence() {
        let mig = uuid(0).to_string().replace("GPU", "MIG");
        let table = [
            (vec![], "no device was asked for"),
            (vec!["half".into()], "the device \"half\" is none of ours"),
            ([parts(0, 0..40), parts(0, 39..41)].concat(), "was asked for twice"),
            ([parts(0, 0..50), whole(2)].concat(), "ask for one of them"),
            (parts(9, 0..50), "is not in this node any more"),
            (whole(9), "is not in this node any more"),
            (vec![mig], "made again, or its card divided as it was"),
            (parts(4, 0..50), "is out of order (fallen off the bus)"),
            (parts(2, 0..50), "is configured otherwise"),
            (whole(0), "is configured otherwise"),
            ([parts(0, 0..30), parts(1, 0..20)].concat(), "has room: the pod has to be made again"),
            ([parts(0, 0..100), parts(1, 0..1)].concat(), "101 percent is more than one GPU"),
        ];
        for (ids, sentence) in table {
            let message = allocate(&ids, &inventory(), &Taken::default()).unwrap_err().to_string();
            assert!(message.contains(sentence), "{message}");
        }
    }

    #[test]
    fn a_share_that_no_gpu_has_room_for_is_refused_with_the_most_that_one_has() {
        let mut taken = Taken::default();
        taken.add((0..70).map(|part| DeviceId::Percent(uuid(0), part)), None);
        taken.add((0..60).map(|part| DeviceId::Percent(uuid(1), part)), None);
        let ids = [parts(0, 70..97), parts(1, 60..93)].concat();
        let message = allocate(&ids, &inventory(), &taken).unwrap_err().to_string();
        assert!(message.contains(&format!("(30 of {}, 40 of {})", uuid(0), uuid(1))), "{message}");
        assert!(message.contains("no GPU of this node has 60 percent left"), "{message}");
        assert!(message.contains("Ask for at most 40 percent"), "{message}");
    }

    #[test]
    fn a_share_too_small_for_a_context_is_refused_with_the_least_that_is_not() {
        let small = Gpu { usable_mib: 15_000, context_mib: 400, ..gpu(0, Mode::Shared) };
        let message =
            allocate(&parts(0, 0..2), &Inventory::new(vec![small]), &Taken::default()).unwrap_err();
        assert!(message.to_string().contains("ask for at least 3%"), "{message}");
    }

    #[test]
    fn slices_are_given_with_their_gpus_and_with_nothing_else() {
        let inventory = Inventory::new(vec![
            divided(0, vec![slice(7, "1g.10gb"), slice(8, "1g.10gb")]),
            gpu(1, Mode::Whole),
        ]);
        let ids = [7, 8].map(|n| slice(n, "").uuid.to_string()).to_vec();
        let grant = allocate(&ids, &inventory, &Taken::default());
        let slices = [7, 8].map(|n| (slice(n, "").uuid, uuid(0))).to_vec();
        assert_eq!(grant, Ok(Grant::Slices(slices)));
        for (ids, wanted) in [
            ([ids, whole(1)].concat(), Refusal::Mixed),
            (whole(0), Refusal::Mode(uuid(0))),
            (parts(0, 0..5), Refusal::Mode(uuid(0))),
        ] {
            assert_eq!(allocate(&ids, &inventory, &Taken::default()), Err(wanted));
        }
    }

    #[test]
    fn a_gpu_that_was_bound_or_cordoned_since_it_was_offered_is_refused() {
        let inventory = Inventory::new(vec![
            gpu(0, Mode::Auto),
            Gpu { cordon: Some("fan".into()), ..gpu(1, Mode::Shared) },
        ]);
        let mut taken = Taken::default();
        taken.add([DeviceId::Whole(uuid(0))], None);
        let refusal =
            |ids: Vec<String>| allocate(&ids, &inventory, &taken).unwrap_err().to_string();
        let bound = refusal(parts(0, 0..5));
        assert!(bound.contains("has been taken as a whole GPU"), "{bound}");
        let cordoned = refusal(parts(1, 0..5));
        assert!(cordoned.contains("is cordoned (fan)"), "{cordoned}");
        // The same holder again: a restart after the record was lost.
        assert!(allocate(&whole(0), &inventory, &taken).is_ok());
    }

    proptest! {
        #[test]
        fn a_grant_is_one_kind_on_gpus_that_are_there_and_never_panics(
            ids in proptest::collection::vec((0u8..6, 0u8..101), 0..12)
        ) {
            let inventory = inventory();
            let name = |(n, part): &(u8, u8)| match part {
                100 => uuid(*n).to_string(),
                part => format!("{}::{part}", uuid(*n)),
            };
            let ids: Vec<String> = ids.iter().map(name).collect();
            match allocate(&ids, &inventory, &Taken::default()) {
                Ok(Grant::Share { gpu, percent, memory, .. }) => {
                    prop_assert_eq!(usize::from(percent.get()), ids.len());
                    prop_assert!(ids.iter().all(|id| id.starts_with(&gpu.to_string())));
                    prop_assert_eq!(memory, percent.of(inventory.get(gpu).unwrap().usable()));
                }
                Ok(Grant::Whole(gpus)) => {
                    let mut names: Vec<_> = gpus.iter().map(ToString::to_string).collect();
                    let mut ids = ids.clone();
                    names.sort();
                    ids.sort();
                    prop_assert_eq!(names, ids);
                }
                Ok(Grant::Slices(_)) => prop_assert!(false, "nothing is divided here"),
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
            }
        }

        #[test]
        fn the_order_of_ids_changes_nothing(seed: u64, count in 1u8..=100) {
            let ids = parts(0, 0..count);
            let mut shuffled = ids.clone();
            let len = shuffled.len();
            for i in 0..len {
                shuffled.swap(i, (seed.wrapping_mul(i as u64 + 7) % len as u64) as usize);
            }
            let of = |ids: &[String]| allocate(ids, &inventory(), &Taken::default());
            prop_assert_eq!(of(&ids), of(&shuffled));
        }
    }
}
