//! Which free devices a container should get: one GPU, best fit; of several GPUs those that are close
//! to each other.
//!
//! Only a hint to the kubelet; [`allocate`](super::allocate) refuses what does not fit.

use std::collections::BTreeSet;

use contract::{DeviceId, DeviceUuid, Percent};
use share::{Free, Policy};

use super::linked::closest;
use crate::inventory::{Inventory, Kind};

/// How it is chosen among what is free.
#[derive(Clone, Copy, Default, Debug)]
pub struct Choice<'a> {
    /// Pack or spread: how a share chooses among the GPUs that have room.
    pub policy: Policy,
    /// What the scheduler's extender has planned here and nobody has taken yet.
    pub planned: &'a [(DeviceUuid, Percent)],
    /// What nobody new can have of GPUs: the kubelet's list of what is free may not say so yet.
    pub closed: &'a [(DeviceUuid, Kind)],
}

/// `size` of the `available` devices, with all of `must`. Parts come from one GPU, as `choice` has it,
/// whole GPUs are those that lie closest; nothing is of what is closed that others are enough without. Where
/// nothing fits the answer is short: the kubelet then fills it up as it likes and Allocate says why it refuses.
#[must_use]
pub fn prefer(
    available: &[String],
    must: &[String],
    size: usize,
    inventory: &Inventory,
    choice: Choice<'_>,
) -> Vec<String> {
    let mut offer = Offer::default();
    available.iter().for_each(|id| offer.add(id, false));
    must.iter().for_each(|id| offer.add(id, true));
    match offer.holes.is_empty() {
        true => {
            let free = offer.open(size, choice.closed);
            first_of(&offer.must, closest(&free, &offer.must, size, inventory), size)
        }
        false => offer.parts(size, inventory, choice),
    }
}

/// What is free, each ID read once: hundreds come in a call, nearly all of them parts.
#[derive(Default)]
struct Offer {
    /// GPUs with free parts.
    holes: Vec<Hole>,
    /// Devices that are no parts.
    free: BTreeSet<DeviceId>,
    must: BTreeSet<DeviceId>,
}

/// The free parts of one GPU, a bit each.
struct Hole {
    gpu: DeviceUuid,
    free: u128,
    must: u128,
}

impl Offer {
    fn add(&mut self, id: &str, is_must: bool) {
        match id.parse() {
            Ok(DeviceId::Percent(gpu, part)) => self.hole(gpu).add(part, is_must),
            Ok(id) => {
                self.free.insert(id);
                if is_must {
                    self.must.insert(id);
                }
            }
            Err(_) => {}
        }
    }

    fn hole(&mut self, gpu: DeviceUuid) -> &mut Hole {
        let known = self.holes.iter().position(|hole| hole.gpu == gpu);
        let at = known.unwrap_or_else(|| {
            self.holes.push(Hole { gpu, free: 0, must: 0 });
            self.holes.len() - 1
        });
        &mut self.holes[at]
    }

    /// What is no part without what is closed; with it where there are too few others.
    fn open(&self, size: usize, closed: &[(DeviceUuid, Kind)]) -> BTreeSet<DeviceId> {
        let is_open =
            |id: &&DeviceId| self.must.contains(id) || !closed.contains(&(id.uuid(), Kind::Whole));
        let open: BTreeSet<DeviceId> = self.free.iter().filter(is_open).copied().collect();
        if open.len() < size { self.free.clone() } else { open }
    }

    /// Parts of the GPU that should take the share; what must be in where none has room.
    fn parts(mut self, size: usize, inventory: &Inventory, choice: Choice<'_>) -> Vec<String> {
        let index = |hole: &Hole| inventory.get(hole.gpu).map_or(u32::MAX, |gpu| gpu.index);
        self.holes.sort_by_key(|hole| (index(hole), hole.gpu));
        let elsewhere = |hole: &Hole| self.holes.iter().any(|h| h.gpu != hole.gpu && h.must != 0);
        let can = |hole: &&Hole| self.must.is_empty() && !elsewhere(hole);
        let all: Vec<&Hole> = self.holes.iter().filter(can).collect();
        let is_open = |hole: &&Hole| !choice.closed.contains(&(hole.gpu, Kind::Percent));
        let open: Vec<&Hole> = all.iter().copied().filter(is_open).collect();
        let chosen = [open, all].iter().find_map(|holes| best_of(holes, size, choice));
        chosen.unwrap_or_else(|| self.all_must(size))
    }

    fn all_must(&self, size: usize) -> Vec<String> {
        let parts = self.holes.iter().flat_map(|hole| hole.ids(hole.must));
        self.must.iter().map(ToString::to_string).chain(parts).take(size).collect()
    }
}

/// Parts of that of these which the choice falls on; `None` where none has room.
fn best_of(holes: &[&Hole], size: usize, choice: Choice<'_>) -> Option<Vec<String>> {
    let room = |hole: &&Hole| Free::after(100u32.saturating_sub(hole.free.count_ones()));
    let rooms: Vec<Free> = holes.iter().map(room).collect();
    let place = |gpu: DeviceUuid| holes.iter().position(|hole| hole.gpu == gpu);
    let planned = choice.planned.iter().filter_map(|(gpu, part)| Some((place(*gpu)?, *part)));
    let planned: Vec<_> = planned.collect();
    let share = Percent::new(size as u64).ok()?;
    let best = share::pick_planned(share, &rooms, &planned, choice.policy)?;
    Some(holes[best].first(size))
}

impl Hole {
    fn add(&mut self, part: u8, is_must: bool) {
        // A part is below 100: a device ID is right by construction.
        self.free |= 1 << part;
        self.must |= u128::from(is_must) << part;
    }

    /// What must be in, then the first others.
    fn first(&self, size: usize) -> Vec<String> {
        self.ids(self.must).chain(self.ids(self.free & !self.must)).take(size).collect()
    }

    fn ids(&self, parts: u128) -> impl Iterator<Item = String> + use<> {
        let gpu = self.gpu;
        let own = (0..128u8).filter(move |part| parts & 1 << part != 0);
        own.map(move |part| DeviceId::Percent(gpu, part).to_string())
    }
}

fn first_of(must: &BTreeSet<DeviceId>, pool: Vec<DeviceId>, size: usize) -> Vec<String> {
    let rest = pool.into_iter().filter(|id| !must.contains(id));
    must.iter().copied().chain(rest).take(size).map(|id| id.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Gpu;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;
    use proptest::prelude::*;

    const SPREAD: Choice<'_> = Choice { policy: Policy::Spread, planned: &[], closed: &[] };

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
        let chosen = |size| prefer(&free, &[], size, &shared(), Choice::default());
        for (size, gpu) in [(30, 1), (40, 1), (41, 2), (60, 2), (61, 0), (100, 0)] {
            assert_eq!(gpus_of(&chosen(size)), BTreeSet::from([&*uuid(gpu).to_string()]), "{size}");
            assert_eq!(chosen(size).len(), size);
        }
    }

    #[test]
    fn what_must_be_in_pins_the_gpu() {
        let free = [parts(0, 0..100), parts(1, 0..40)].concat();
        let chosen = prefer(&free, &parts(0, 7..9), 30, &shared(), Choice::default());
        assert_eq!(gpus_of(&chosen), BTreeSet::from([&*uuid(0).to_string()]));
        assert!(parts(0, 7..9).iter().all(|id| chosen.contains(id)));
    }

    #[test]
    fn where_nothing_fits_nothing_is_proposed() {
        let free = [parts(0, 0..50), parts(1, 0..50)].concat();
        assert!(prefer(&free, &[], 60, &shared(), Choice::default()).is_empty());
        assert!(prefer(&free, &[], 0, &shared(), Choice::default()).is_empty());
    }

    #[test]
    fn where_what_must_be_in_has_no_room_it_alone_is_proposed() {
        let free = [parts(0, 0..10), parts(1, 0..50)].concat();
        let chosen = |must: &[String]| prefer(&free, must, 30, &shared(), Choice::default());
        assert_eq!(chosen(&parts(0, 3..5)), parts(0, 3..5));
        let split = [parts(0, 3..4), parts(1, 3..4)].concat();
        assert_eq!(chosen(&split), split);
    }

    #[test]
    fn an_id_that_comes_twice_or_names_nothing_counts_for_nothing() {
        let twice = [parts(0, 0..20), parts(0, 0..20), vec!["nothing".into()]].concat();
        assert!(prefer(&twice, &[], 30, &shared(), Choice::default()).is_empty());
        assert_eq!(prefer(&twice, &[], 20, &shared(), Choice::default()), parts(0, 0..20));
    }

    #[test]
    fn spread_takes_the_widest_hole() {
        let free = [parts(0, 0..40), parts(1, 0..100), parts(2, 0..60)].concat();
        let chosen = prefer(&free, &[], 30, &shared(), SPREAD);
        assert_eq!(gpus_of(&chosen), BTreeSet::from([&*uuid(1).to_string()]));
    }

    #[test]
    fn what_the_extender_planned_is_kept_to() {
        let free = [parts(0, 0..60), parts(1, 0..50), parts(2, 0..100)].concat();
        let part = |percent| Percent::new(percent).unwrap();
        let planned = [(uuid(2), part(50)), (uuid(9), part(50))];
        let choice = Choice { planned: &planned, ..Choice::default() };
        let chosen = |size| prefer(&free, &[], size, &shared(), choice);
        for (size, gpu) in [(50, 2), (40, 1), (60, 0), (100, 2)] {
            assert_eq!(gpus_of(&chosen(size)), BTreeSet::from([&*uuid(gpu).to_string()]), "{size}");
        }
        let pinned = prefer(&free, &parts(0, 0..2), 50, &shared(), choice);
        assert_eq!(gpus_of(&pinned), BTreeSet::from([&*uuid(0).to_string()]));
    }

    #[test]
    fn what_is_closed_is_taken_only_where_the_rest_is_too_little() {
        let [whole, percent] = [Kind::Whole, Kind::Percent].map(|kind| [(uuid(0), kind)]);
        let on = |closed| Choice { closed, ..Choice::default() };
        let free = [parts(0, 0..40), parts(1, 0..60)].concat();
        for (size, closed, gpu) in [(30, &whole, 0), (30, &percent, 1), (60, &percent, 1)] {
            let chosen = prefer(&free, &[], size, &shared(), on(closed));
            assert_eq!(gpus_of(&chosen), BTreeSet::from([&*uuid(gpu).to_string()]), "{size}");
        }
        assert_eq!(prefer(&free[..40], &[], 30, &shared(), on(&percent)).len(), 30);
        let free = [0, 1].map(|n| uuid(n).to_string());
        let chosen = |must, size, closed| prefer(&free, must, size, &shared(), on(closed));
        assert_eq!(chosen(&[], 1, &percent), free[..1]);
        assert_eq!(chosen(&[], 1, &whole), free[1..]);
        assert_eq!(chosen(&free[..1], 1, &whole), free[..1]);
        assert_eq!(chosen(&[], 2, &whole), free);
    }

    #[test]
    fn whole_gpus_come_from_the_node_with_the_fewest_that_suffice() {
        let numa = [0, 0, 0, 1];
        let on = |n: u8| Gpu { numa: Some(numa[usize::from(n)]), ..gpu(n, Mode::Whole) };
        let inventory = Inventory::new((0..4).map(on).collect());
        let free: Vec<String> = (0..4).map(|n| uuid(n).to_string()).collect();
        let chosen = |size| prefer(&free, &[], size, &inventory, Choice::default());
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
            let chosen = prefer(&free, &[], size, &shared(), Choice::default());
            let fits = holes.iter().any(|&hole| usize::from(hole) >= size);
            prop_assert_eq!(chosen.len(), if fits { size } else { 0 });
            prop_assert!(gpus_of(&chosen).len() <= 1);
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
            prop_assert!(chosen.iter().all(|id| free.contains(id)));
        }
    }
}
