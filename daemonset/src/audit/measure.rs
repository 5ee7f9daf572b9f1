//! Writes what the driver knows of a share's processes where the shim reads it.

use std::path::Path;

use ledger::PageError;
use ledger::agent::{LimitsPage, Seen, SlotUse};

use super::judge::{Behind, Measured};

/// Writes who is behind the slots and what was measured of them into the limits page in `folder`.
/// `before` and `after` are the slots as they were before and after the driver was asked: what it
/// says of one that changed meanwhile can be compared with neither.
///
/// # Errors
/// [`PageError`]: there is no such page; its container has not started since a reboot, or it has
/// just ended.
pub(super) fn write(
    folder: &Path,
    measured: &Measured,
    before: &[SlotUse],
    after: &[SlotUse],
) -> Result<(), PageError> {
    let behind = |slot: &SlotUse| measured.slots.get(&(slot.index, slot.generation));
    let known = after.iter().filter_map(|slot| Some((slot, behind(slot)?)));
    let figures: Vec<_> =
        known.map(|(slot, behind)| (slot, figures(behind, slot, before))).collect();
    let seen: Vec<_> = figures
        .iter()
        .map(|(slot, (host_pid, measured))| Seen { slot, host_pid: *host_pid, measured })
        .collect();
    LimitsPage::open(folder)?.describe_slots(&seen, &measured.uncounted);
    Ok(())
}

fn figures(behind: &Behind, after: &SlotUse, before: &[SlotUse]) -> (u32, Vec<Option<u64>>) {
    let same =
        |before: &&SlotUse| (before.index, before.generation) == (after.index, after.generation);
    let before = before.iter().find(same);
    let steady = |device: usize| {
        let held = |slot: &SlotUse| slot.devices.get(device).map(|used| used.held);
        before.is_some_and(|before| held(before) == held(after))
    };
    let bytes = behind.bytes.iter().enumerate();
    let bytes = bytes.map(|(device, bytes)| bytes.filter(|_| steady(device)));
    (behind.host_pid, bytes.collect())
}

#[cfg(test)]
mod tests {
    use super::super::judge::stage::slot;
    use super::*;

    fn holding(bytes: u64) -> SlotUse {
        let mut slot = slot(0, 1);
        slot.devices[0].held[0] = bytes;
        slot
    }

    #[test]
    fn a_figure_counts_where_the_slot_stood_still_around_it() {
        let behind = Behind { host_pid: 7, bytes: vec![Some(100)] };
        let of = |before: &[SlotUse]| figures(&behind, &holding(90), before);
        assert_eq!(of(&[holding(90)]), (7, vec![Some(100)]));
        assert_eq!(of(&[holding(80)]), (7, vec![None]));
        assert_eq!(of(&[SlotUse { generation: 6, ..holding(90) }]), (7, vec![None]));
        assert_eq!(of(&[]), (7, vec![None]));
    }
}
