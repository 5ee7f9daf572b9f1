//! How much of a GPU somebody holds: what is shown, and charged.

use contract::DeviceUuid;

use crate::allotment::Holding;
use crate::inventory::{Gpu, Inventory, Slice};

/// What a slice counts of which nothing is known any more, as the least of most cards does.
const UNKNOWN: f64 = 1.0 / 7.0;

/// The part of one of its GPUs that a holding has, 0 to 1.
#[must_use]
pub(super) fn part(holding: &Holding, gpu: DeviceUuid, cards: &Inventory) -> f64 {
    match holding {
        Holding::Share { percent, .. } => f64::from(*percent) / 100.0,
        Holding::Whole { .. } => 1.0,
        Holding::Slices { slices, gpus } => {
            let on_it = slices.iter().zip(gpus).filter(|(_, card)| **card == gpu);
            on_it.map(|(slice, _)| of_slice(*slice, gpu, cards)).sum::<f64>().min(1.0)
        }
    }
}

/// How many GPUs a holding is.
#[must_use]
pub(super) fn gpus(holding: &Holding, cards: &Inventory) -> f64 {
    match holding {
        Holding::Slices { slices, gpus } => {
            slices.iter().zip(gpus).map(|(slice, gpu)| of_slice(*slice, *gpu, cards)).sum()
        }
        other => other.gpus().iter().map(|gpu| part(other, *gpu, cards)).sum(),
    }
}

fn of_slice(slice: DeviceUuid, gpu: DeviceUuid, cards: &Inventory) -> f64 {
    let part = || {
        let card = cards.get(gpu)?;
        let slice = card.slices.as_ref()?.iter().find(|it| it.uuid == slice)?;
        Some(of_memory(slice, card))
    };
    part().unwrap_or(UNKNOWN)
}

/// Its part of the card's memory, of which all slices have no more than there is. A compute instance has all memory of its
/// GPU instance beside the others in it, and counts as its part of that.
fn of_memory(slice: &Slice, card: &Gpu) -> f64 {
    let memory = slice.memory_mib as f64 / (card.usable_mib.max(1) as f64);
    (memory * of_instance(&slice.profile)).min(1.0)
}

/// 1 of 3 for `1c.3g.40gb`; 1 for whole GPU instances.
fn of_instance(profile: &str) -> f64 {
    let mut words = profile.split('.');
    let mut number = |unit| words.next()?.strip_suffix(unit)?.parse::<u32>().ok();
    match number('c').zip(number('g')) {
        Some((compute, gpu)) if compute < gpu => f64::from(compute) / f64::from(gpu),
        _ => 1.0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::decide::Grant;
    use crate::inventory::tests::{divided, slice, uuid};

    /// A card of 80 GB in as many slices as it has, and one holding of each.
    pub(in crate::seen) fn sevenths() -> (Inventory, Vec<Grant>) {
        let slices: Vec<_> = (1..=7).map(|n| slice(n, "1g.10gb")).collect();
        let grants = slices.iter().map(|slice| Grant::Slices(vec![(slice.uuid, uuid(0))]));
        let grants = grants.collect();
        (Inventory::new(vec![Gpu { usable_mib: 81250, ..divided(0, slices) }]), grants)
    }

    #[test]
    fn a_slice_is_its_part_of_the_cards_memory_and_a_compute_instance_its_part_of_that() {
        let (cards, grants) = sevenths();
        let one = Holding::from(&grants[0]);
        assert!((part(&one, uuid(0), &cards) - 9856.0 / 81250.0).abs() < 1e-9);
        assert!((part(&one, uuid(0), &Inventory::default()) - UNKNOWN).abs() < 1e-9);
        let table = [("1g.10gb", 1.0), ("1c.3g.40gb", 1.0 / 3.0), ("1g.10gb+me", 1.0), ("x", 1.0)];
        for (profile, part) in table {
            assert!((of_instance(profile) - part).abs() < 1e-9, "{profile}");
        }
    }
}
