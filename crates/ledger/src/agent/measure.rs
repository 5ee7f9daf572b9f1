//! What the agent measured of a container's processes, as it stands in the limits page.
//!
//! It states differences, not sizes: what a process charges and releases after the measurement is in
//! the ledger at once, and must not be hidden by an older figure.

use core::sync::atomic::{AtomicU64, Ordering};

use std::vec;

use super::{LimitsPage, SlotUse};
use crate::abi::{Kind, MAX_BYTES, SLOTS};
use crate::layout::AgentSlot;

/// What may be charged and not lie on the card: what the driver has taken from a pool, or from graphs, before the
/// process reads that again, what it will take when a kernel first needs it, and what may lie on the host.
const LOOSE: [Kind; 5] = [Kind::Pool, Kind::Graph, Kind::Local, Kind::Managed, Kind::Imported];

/// What is known of the process behind a slot.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The slot as it was read at the time of measuring.
    pub slot: &'a SlotUse,
    /// Its process id on the host; 0: unknown.
    pub host_pid: u32,
    /// What NVML said that it uses, in bytes by device. `None` where NVML does not say, or where the
    /// slot's figures changed while NVML was asked: what was known before stays.
    pub measured: &'a [Option<u64>],
}

impl LimitsPage {
    /// Says who is behind the slots of living processes and what was measured of them: of all of them
    /// together, because what is not among them is forgotten. `uncounted` is what processes of the
    /// container without a slot use, in bytes by device.
    pub fn describe_slots(&self, seen: &[Seen<'_>], uncounted: &[u64]) {
        self.change(|| {
            let mut sums = vec![(0_u64, 0_u64); self.devices()];
            let mut others = [true; SLOTS];
            for seen in seen {
                if let Some(other) = others.get_mut(seen.slot.index as usize) {
                    *other = false;
                    self.describe(seen, &mut sums);
                }
            }
            let others = others.into_iter().enumerate().filter(|(_, other)| *other);
            others.for_each(|(index, _)| self.forget(index));
            for (index, (more, less)) in sums.into_iter().enumerate() {
                if let Some(device) = self.device(index) {
                    device.unasked.store(more.min(MAX_BYTES / 2), Ordering::Relaxed);
                    device.overestimated.store(less.min(MAX_BYTES / 2), Ordering::Relaxed);
                    let strangers = uncounted.get(index).copied().unwrap_or(0);
                    device.uncounted.store(strangers.min(MAX_BYTES / 2), Ordering::Relaxed);
                }
            }
        });
    }

    fn describe(&self, seen: &Seen<'_>, sums: &mut [(u64, u64)]) {
        let index = seen.slot.index as usize;
        let Some(record) = self.agent_slot(index) else { return };
        let is_known = record.generation.swap(0, Ordering::AcqRel) == seen.slot.generation;
        record.host_pid.store(seen.host_pid, Ordering::Relaxed);
        for (device, (more, less)) in sums.iter_mut().enumerate() {
            let Some(word) = self.beyond(index, device) else { continue };
            let before = if is_known { word.load(Ordering::Relaxed).cast_signed() } else { 0 };
            let beyond = seen.beyond(device).unwrap_or(before);
            word.store(beyond.cast_unsigned(), Ordering::Relaxed);
            match beyond {
                0.. => *more = more.saturating_add(beyond.unsigned_abs()),
                _ => *less = less.saturating_add(beyond.unsigned_abs()),
            }
        }
        record.generation.store(seen.slot.generation, Ordering::Release);
    }

    fn forget(&self, index: usize) {
        if let Some(record) = self.agent_slot(index) {
            record.generation.store(0, Ordering::Release);
        }
    }

    fn agent_slot(&self, index: usize) -> Option<&AgentSlot> {
        self.mapping.at(self.geometry.agent_slot(index))
    }

    fn beyond(&self, index: usize, device: usize) -> Option<&AtomicU64> {
        self.mapping.at(self.geometry.agent_beyond(index, device))
    }
}

impl Seen<'_> {
    /// Bytes measured beyond those charged; below zero what estimates must have been too large by. What may be
    /// charged and not lie on the card explains as much as there is of it.
    fn beyond(&self, device: usize) -> Option<i64> {
        let measured = self.measured.get(device).copied().flatten()?.min(MAX_BYTES);
        let slot = self.slot.devices.get(device)?;
        let charged = slot.held_in_all().min(MAX_BYTES);
        let held = |kind: Kind| slot.held.get(kind.index()).copied().unwrap_or(0);
        let loose = LOOSE.into_iter().fold(0_u64, |sum, kind| sum.saturating_add(held(kind)));
        let least = charged.saturating_sub(loose);
        match measured.checked_sub(charged) {
            Some(more) => Some(more.cast_signed()),
            None => Some(measured.cast_signed().saturating_sub(least.cast_signed()).min(0)),
        }
    }
}
