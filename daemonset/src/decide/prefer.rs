//! Which free devices a container should get: one GPU, best fit; of several GPUs those that are close
//! to each other.
//!
//! Only a hint to the kubelet; [`allocate`](super::allocate) refuses what does not fit.

use std::collections::{BTreeMap, BTreeSet};

use contract::{DeviceId, DeviceUuid, Percent};
use share::{Free, Policy};

use super::linked::closest;
use crate::inventory::{Inventory, Kind};

/// `size` of the `available` devices, with all of `must`. Parts come from one GPU, which `policy`
/// chooses of those with room, whole GPUs are those that lie closest. Where nothing fits the answer is
/// short: the kubelet then fills it up as it likes and Allocate says why it refuses.
#[must_use]
pub fn prefer(
    available: &[String],
    must: &[String],
    size: usize,
    inventory: &Inventory,
    policy: Policy,
) -> Vec<String> {
    let must: BTreeSet<DeviceId> = parsed(must).collect();
    let free: BTreeSet<DeviceId> = parsed(available).chain(must.iter().copied()).collect();
    let parted = free.iter().any(|id| Kind::of(*id) == Kind::Percent);
    let pool = match parted {
        true => one_gpu(&free, &must, size, inventory, policy),
        false => closest(&free, &must, size, inventory),
    };
    let rest = pool.into_iter().filter(|id| !must.contains(id));
    must.iter().copied().chain(rest).take(size).map(|id| id.to_string()).collect()
}

fn parsed(ids: &[String]) -> impl Iterator<Item = DeviceId> {
    ids.iter().filter_map(|id| id.parse().ok())
}

/// The free parts of the GPU that should take the share; none where none has room.
fn one_gpu(
    free: &BTreeSet<DeviceId>,
    must: &BTreeSet<DeviceId>,
    size: usize,
    inventory: &Inventory,
    policy: Policy,
) -> Vec<DeviceId> {
    let mut holes = BTreeMap::<(u32, DeviceUuid), Vec<DeviceId>>::new();
    for &id in free {
        let index = inventory.get(id.uuid()).map_or(u32::MAX, |gpu| gpu.index);
        holes.entry((index, id.uuid())).or_default().push(id);
    }
    let holes: Vec<_> = holes.into_values().filter(|hole| holds(hole, must)).collect();
    let room = |hole: &Vec<DeviceId>| Free::after(100u32.saturating_sub(hole.len() as u32));
    let Ok(share) = Percent::new(size as u64) else { return Vec::new() };
    let best = share::pick(share, holes.iter().map(room), policy);
    best.map(|index| holes[index].clone()).unwrap_or_default()
}

fn holds(pool: &[DeviceId], must: &BTreeSet<DeviceId>) -> bool {
    must.iter().all(|id| pool.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Gpu;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;
    use proptest::prelude::*;

    fn shared() -> Inventory {
        Inventory::new((0..4).map(|n| gpu(n, Mode::Shared)).collect())
    }

    fn parts(n: u8, range: std::ops::Range<u8>) -> Vec<String> {
        range.map(|part| format!("{}::{part}", uuid(n))).collect()
    }

    fn gpus_of(ids: &[String]) -> BTreeSet<&str> {
        ids.iter().map(|id| id.split("::").next().unwrap()).collect()
    }

    #[test]
    fn the_tightest_hole_that_fits_is_taken() {
        let free = [parts(0, 0..100), parts(1, 0..40), parts(2, 0..60)].concat();
        let chosen = |size| prefer(&free, &[], size, &shared(), Policy::Pack);
        for (size, gpu) in [(30, 1), (40, 1), (41, 2), (60, 2), (61, 0), (100, 0)] {
            assert_eq!(gpus_of(&chosen(size)), BTreeSet::from([&*uuid(gpu).to_string()]), "{size}");
            assert_eq!(chosen(size).len(), size);
        }
    }

    #[test]
    fn what_must_be_in_pins_the_gpu() {
        let free = [parts(0, 0..100), parts(1, 0..40)].concat();
        let chosen = prefer(&free, &parts(0, 7..9), 30, &shared(), Policy::Pack);
        assert_eq!(gpus_of(&chosen), BTreeSet::from([&*uuid(0).to_string()]));
        assert!(parts(0, 7..9).iter().all(|id| chosen.contains(id)));
    }

    #[test]
    fn where_nothing_fits_nothing_is_proposed() {
        let free = [parts(0, 0..50), parts(1, 0..50)].concat();
        assert!(prefer(&free, &[], 60, &shared(), Policy::Pack).is_empty());
        assert!(prefer(&free, &[], 0, &shared(), Policy::Pack).is_empty());
    }

    #[test]
    fn spread_takes_the_widest_hole() {
        let free = [parts(0, 0..40), parts(1, 0..100), parts(2, 0..60)].concat();
        let chosen = prefer(&free, &[], 30, &shared(), Policy::Spread);
        assert_eq!(gpus_of(&chosen), BTreeSet::from([&*uuid(1).to_string()]));
    }

    #[test]
    fn whole_gpus_come_from_the_node_with_the_fewest_that_suffice() {
        let numa = [0, 0, 0, 1];
        let on = |n: u8| Gpu { numa: Some(numa[usize::from(n)]), ..gpu(n, Mode::Whole) };
        let inventory = Inventory::new((0..4).map(on).collect());
        let free: Vec<String> = (0..4).map(|n| uuid(n).to_string()).collect();
        let chosen = |size| prefer(&free, &[], size, &inventory, Policy::Pack);
        assert_eq!(chosen(1), free[3..]);
        assert_eq!(chosen(2), free[..2]);
        assert_eq!(chosen(4).len(), 4);
    }

    proptest! {
        #[test]
        fn a_proposal_is_available_unique_and_on_one_gpu(
            holes in proptest::collection::vec(0u8..=100, 4), size in 1usize..=100
        ) {
            let free: Vec<String> =
                holes.iter().enumerate().flat_map(|(n, &hole)| parts(n as u8, 0..hole)).collect();
            let chosen = prefer(&free, &[], size, &shared(), Policy::Pack);
            let fits = holes.iter().any(|&hole| usize::from(hole) >= size);
            prop_assert_eq!(chosen.len(), if fits { size } else { 0 });
            prop_assert!(gpus_of(&chosen).len() <= 1);
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
            prop_assert!(chosen.iter().all(|id| free.contains(id)));
        }
    }
}
