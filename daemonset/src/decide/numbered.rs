//! The numbers in `/dev/nvidia<minor>`, which can be other cards' after a reboot.

use contract::DeviceUuid;

use crate::inventory::Inventory;

/// The numbers of these GPUs, in their order; `None` where one is not known.
#[must_use]
pub(crate) fn minors(gpus: &[DeviceUuid], inventory: &Inventory) -> Option<Vec<u32>> {
    gpus.iter().map(|gpu| Some(inventory.get(*gpu)?.minor)).collect()
}

/// The first of `gpus` of which the device node with the number of that time, in `minors`, is another's by now, or which
/// has another. Only cards that are well say so: what is known of others can be from before the reboot. The nodes of
/// slices follow from their card's number.
#[must_use]
pub(crate) fn renumbered(
    gpus: &[DeviceUuid],
    minors: &[u32],
    inventory: &Inventory,
) -> Option<DeviceUuid> {
    let well = || inventory.gpus().iter().filter(|gpu| gpu.sick.is_none());
    let is_other = |(gpu, minor): &(&DeviceUuid, &u32)| {
        well().any(|card| (card.uuid == **gpu) != (card.minor == **minor))
    };
    gpus.iter().zip(minors).find(is_other).map(|(gpu, _)| *gpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Gpu;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    fn card(n: u8, minor: u32) -> Gpu {
        Gpu { minor, ..gpu(n, Mode::Whole) }
    }

    #[test]
    fn a_card_with_another_number_or_whose_number_another_has_is_renumbered() {
        let lost = |n, minor| Gpu { sick: Some("no longer listed".into()), ..card(n, minor) };
        let table = [
            ("as it was", vec![card(0, 0), card(1, 1), card(2, 2)], false),
            ("those behind a card that died", vec![card(1, 0), card(2, 1)], true),
            ("it has died", vec![card(0, 0), lost(1, 1), card(2, 1)], true),
            (
                "it has died and nobody has its number",
                vec![card(0, 0), lost(1, 1), card(2, 2)],
                false,
            ),
            ("another of which that is not certain", vec![lost(0, 1), card(1, 1)], false),
            ("it has another that nobody had", vec![card(0, 0), card(1, 7)], true),
            ("nothing answers", vec![lost(0, 0), lost(1, 1)], false),
        ];
        for (case, cards, expected) in table {
            let found = renumbered(&[uuid(1)], &[1], &Inventory::new(cards));
            assert_eq!(found, expected.then(|| uuid(1)), "{case}");
        }
    }
}
