//! Honest advertising: a node never offers more percents than one GPU has left.
//!
//! Schedulers add up what a node has: 30 left on each of two GPUs looks like room for 60. Where
//! nothing else guards against it, what lies outside the largest hole can be hidden.

use std::collections::BTreeSet;

use contract::DeviceId;

use super::{Taken, blocked};
use crate::config::Config;
use crate::inventory::{Gpu, Inventory, Kind, PARTS};

/// The free parts that are not shown: all but those of the GPU with most left, by resource. What is
/// held stays shown, or the kubelet's sum would be short by it.
pub(super) fn hidden(inventory: &Inventory, taken: &Taken, config: &Config) -> BTreeSet<DeviceId> {
    let mut hidden = BTreeSet::new();
    if !config.honest_advertising {
        return hidden;
    }
    let open = |gpu: &&Gpu| blocked(gpu, Kind::Percent, taken).is_none();
    let shared: Vec<_> = inventory.gpus().iter().filter(open).collect();
    for gpu in &shared {
        let rivals =
            shared.iter().filter(|it| it.resource(Kind::Percent) == gpu.resource(Kind::Percent));
        if rivals.min_by_key(|it| rank(it, taken)).is_some_and(|best| best.uuid != gpu.uuid) {
            let parts = (0..PARTS).map(|part| DeviceId::Percent(gpu.uuid, part));
            hidden.extend(parts.filter(|id| !taken.has(*id)));
        }
    }
    hidden
}

/// The GPU with the lowest rank is shown: most left, then the lowest index.
fn rank(gpu: &Gpu, taken: &Taken) -> (usize, u32) {
    (taken.percent(gpu.uuid), gpu.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;
    use proptest::prelude::*;

    fn config() -> Config {
        Config { honest_advertising: true, ..Config::default() }
    }

    proptest! {
        #[test]
        fn what_is_shown_and_free_is_just_the_largest_hole(held in proptest::collection::vec(0u8..=100, 1..5)) {
            let mut taken = Taken::default();
            for (n, held) in held.iter().enumerate() {
                taken.add((0..*held).map(|part| DeviceId::Percent(uuid(n as u8), part)), None);
            }
            let gpus = (0..held.len()).map(|n| gpu(n as u8, Mode::Shared)).collect();
            let offers = super::super::offers(&Inventory::new(gpus), &taken, &config());
            let shown = offers["gpu-percent"].iter().filter(|d| d.health == kubelet::HEALTHY);
            let sum: usize = held.iter().map(|held| usize::from(*held)).sum();
            let largest = held.iter().map(|held| usize::from(100 - held)).max().unwrap();
            prop_assert_eq!(shown.count() - sum, largest);
        }
    }
}
