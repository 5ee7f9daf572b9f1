//! Reading both files with `pread`.
//!
//! The ledger belongs to a tenant: its length is checked before a byte is read, its geometry must be
//! the one that the ABI derives from the device count, and every figure is bounded. Whoever holds no
//! lock holds nothing, whatever stands in its slot.

use core::mem::offset_of;
use std::path::Path;
use std::vec;
use std::vec::Vec;

use contract::AllotmentId;

use super::image::{self, Bytes};
use super::snapshot::{Corrections, DeviceUse, LedgerSnapshot, LimitsSnapshot, SlotUse};
use crate::abi::{
    Command, KINDS, MAX_BYTES, MAX_DEVICES, SLOTS, SlotState, slot_lock, state_parts,
};
use crate::error::PageError;
use crate::head::{Head, Page};
use crate::layout::{
    Geometry, LedgerDevice, LedgerHeader, LimitsDevice, LimitsHeader, SlotDevice, SlotHeader,
};
use crate::spare::Step;
use crate::sys::{self, Fd};

/// Reads a limits page.
///
/// # Errors
/// [`PageError`]: it cannot be read, or is not one.
pub fn read_limits(path: &Path) -> Result<LimitsSnapshot, PageError> {
    let (_, bytes) = load(path)?;
    let Head { geometry, allotment, boot_id } = image::head(&bytes, Page::Limits)?;
    let bases = (0..geometry.devices()).map(|index| geometry.limits_device(index));
    let command = Command::from_raw(bytes.u32(offset_of!(LimitsHeader, command)))
        .ok_or(PageError::Value("command"))?;
    let granted = |base| bytes.u64(base + offset_of!(LimitsDevice, granted_ns));
    let corrections = |base| Corrections {
        more: bytes.u64(base + offset_of!(LimitsDevice, unasked)),
        less: bytes.u64(base + offset_of!(LimitsDevice, overestimated)),
        uncounted: bytes.u64(base + offset_of!(LimitsDevice, uncounted)),
    };
    Ok(LimitsSnapshot {
        id: AllotmentId(allotment),
        boot_id,
        created: bytes.u64(offset_of!(LimitsHeader, created)),
        devices: bases.clone().map(|base| image::device(&bytes, base)).collect::<Result<_, _>>()?,
        corrections: bases.clone().map(corrections).collect(),
        granted_ns: bases.map(granted).collect(),
        command: (command, bytes.u64(offset_of!(LimitsHeader, command_epoch))),
    })
}

/// Reads a ledger: what its living processes hold. Liveness is asked of the kernel's locks.
///
/// # Errors
/// [`PageError`]: it cannot be read, was cut or grown, or its header was overwritten.
pub fn read_ledger(path: &Path) -> Result<LedgerSnapshot, PageError> {
    let (fd, bytes) = load(path)?;
    let Head { geometry, allotment, .. } = image::head(&bytes, Page::Ledger)?;
    let mut reader = Reader { fd, bytes, geometry, oddities: 0 };
    let totals = (0..geometry.devices()).map(|index| reader.totals(index)).collect();
    let slots = (0..SLOTS).filter_map(|index| reader.slot(index).transpose());
    let slots = slots.collect::<Result<Vec<_>, PageError>>()?;
    Ok(reader.sum(AllotmentId(allotment), totals, slots))
}

/// The whole file, if it is a regular one of a possible size.
fn load(path: &Path) -> Result<(Fd, Bytes), PageError> {
    let io = |(call, errno)| PageError::Io(call, errno);
    let fd = Fd::open(&sys::c_path(path).map_err(io)?, false).map_err(io)?;
    let stat = fd.stat().map_err(io)?;
    let largest = Geometry::new(MAX_DEVICES).map_or(0, Geometry::ledger_len) as u64;
    if !stat.regular {
        return Err(PageError::NotRegular);
    }
    if stat.size > largest {
        return Err(PageError::Size(largest, stat.size));
    }
    let mut bytes = vec![0; stat.size as usize];
    let read = fd.read(&mut bytes).map_err(io)?;
    bytes.truncate(read);
    Ok((fd, Bytes(bytes)))
}

struct Reader {
    fd: Fd,
    bytes: Bytes,
    geometry: Geometry,
    oddities: u32,
}

impl Reader {
    /// What is counted per device, of the living and the departed.
    fn totals(&mut self, index: usize) -> DeviceUse {
        let base = self.geometry.ledger_device(index);
        let word = |reader: &Self, at| reader.bytes.u64(base + at);
        DeviceUse {
            total: word(self, offset_of!(LedgerDevice, total)) & MAX_BYTES,
            refusals: word(self, offset_of!(LedgerDevice, refusals)),
            observed: word(self, offset_of!(LedgerDevice, observed)),
            spent_compute_ns: word(self, offset_of!(LedgerDevice, spent_compute_ns)),
            spent_copy_ns: word(self, offset_of!(LedgerDevice, spent_copy_ns)),
            waits: word(self, offset_of!(LedgerDevice, waits)),
            waited_ns: word(self, offset_of!(LedgerDevice, waited_ns)),
            launches: word(self, offset_of!(LedgerDevice, launches)),
            ..DeviceUse::default()
        }
    }

    /// A slot, if it was ever taken and not dropped: of the living, or of the dead, who hold nothing
    /// but have spent.
    fn slot(&mut self, index: usize) -> Result<Option<(bool, SlotUse)>, PageError> {
        let base = self.geometry.slot(index);
        let word = |at| self.bytes.u32(base + at);
        let long = |at| self.bytes.u64(base + at);
        let (generation, state) = state_parts(long(offset_of!(SlotHeader, state)));
        if state != SlotState::Live {
            return Ok(None);
        }
        let locked = self.fd.is_locked(slot_lock(index, generation));
        let live = locked.map_err(|(call, errno)| PageError::Io(call, errno))?;
        let command = Command::from_raw(word(offset_of!(SlotHeader, acknowledged)));
        let mut slot = SlotUse {
            index: index as u32,
            generation,
            pid: word(offset_of!(SlotHeader, pid)),
            start_time: long(offset_of!(SlotHeader, start_time)),
            pid_namespace: long(offset_of!(SlotHeader, pid_namespace)),
            shim_version: word(offset_of!(SlotHeader, shim_version)),
            driver_version: word(offset_of!(SlotHeader, driver_version)),
            flags: word(offset_of!(SlotHeader, flags)),
            acknowledged: (
                command.unwrap_or(Command::Run),
                long(offset_of!(SlotHeader, acknowledged_epoch)),
            ),
            devices: Vec::new(),
        };
        self.oddities += u32::from(command.is_none());
        let devices = self.geometry.devices();
        slot.devices = (0..devices).map(|device| self.used(index, device, live)).collect();
        Ok(Some((live, slot)))
    }

    /// What one slot holds and did of one device.
    fn used(&mut self, slot: usize, device: usize, live: bool) -> DeviceUse {
        let base = self.geometry.slot_device(slot, device);
        let word = |reader: &Self, at| reader.bytes.u64(base + at);
        let mut found = DeviceUse {
            spent_compute_ns: word(self, offset_of!(SlotDevice, spent_compute_ns)),
            spent_copy_ns: word(self, offset_of!(SlotDevice, spent_copy_ns)),
            waits: word(self, offset_of!(SlotDevice, waits)),
            waited_ns: word(self, offset_of!(SlotDevice, waited_ns)),
            refusals: word(self, offset_of!(SlotDevice, refusals)),
            observed: word(self, offset_of!(SlotDevice, observed)),
            launches: word(self, offset_of!(SlotDevice, launches)),
            ..DeviceUse::default()
        };
        if live {
            found.in_flight_ns = word(self, offset_of!(SlotDevice, in_flight_ns));
            found.waiting = self.bytes.u32(base + offset_of!(SlotDevice, waiting));
            found.wanted = self.bounded(base + offset_of!(SlotDevice, wanted));
            for kind in 0..KINDS {
                let own = self.bytes.u64(base + offset_of!(SlotDevice, held) + 8 * kind);
                let step = self.step(kind);
                found.held[kind] = step.held(own);
                found.spare = found.spare.saturating_add(step.spare(own));
                self.oddities += u32::from(step.is_odd(own, kind));
            }
            found.total = found.held_in_all();
        }
        found
    }

    /// In what steps the container's processes count what is spare of a kind: a shim of before has none but pages, and
    /// says of no kind that anything was ever spare.
    fn step(&self, kind: usize) -> Step {
        let ever = self.bytes.u32(offset_of!(LedgerHeader, ever_spare));
        if ever >> kind & 1 == 1 { Step::of(kind) } else { Step::PAGE }
    }

    /// A byte count that a total can hold.
    fn bounded(&mut self, at: usize) -> u64 {
        let found = self.bytes.u64(at);
        self.oddities += u32::from(found > MAX_BYTES);
        found.min(MAX_BYTES)
    }

    /// Adds the slots up and keeps the living ones.
    fn sum(
        self,
        id: AllotmentId,
        mut devices: Vec<DeviceUse>,
        slots: Vec<(bool, SlotUse)>,
    ) -> LedgerSnapshot {
        for (_, slot) in &slots {
            for (device, used) in devices.iter_mut().zip(&slot.devices) {
                device.add(used);
            }
        }
        let all = slots.len();
        let slots: Vec<_> =
            slots.into_iter().filter_map(|(live, slot)| live.then_some(slot)).collect();
        let dead = (all - slots.len()) as u32;
        LedgerSnapshot { id, devices, slots, dead, oddities: self.oddities }
    }
}

impl DeviceUse {
    /// Adds what a slot holds and has in flight, and takes off what is spare; what was done is counted per
    /// device already.
    fn add(&mut self, slot: &Self) {
        for (sum, held) in self.held.iter_mut().zip(slot.held) {
            *sum = sum.saturating_add(held);
        }
        self.total = self.total.saturating_sub(slot.spare);
        self.spare = self.spare.saturating_add(slot.spare);
        self.wanted = self.wanted.saturating_add(slot.wanted);
        self.in_flight_ns = self.in_flight_ns.saturating_add(slot.in_flight_ns);
        self.waiting = self.waiting.saturating_add(slot.waiting);
    }
}
