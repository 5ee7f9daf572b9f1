//! Who holds memory of an allotment's device at this moment: for showing processes, never for
//! counting. Pids and names in the ledger are the container's own word; a container that lies there
//! misleads itself.

use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

use super::Allotment;
use crate::abi::{SlotState, slot_lock, state_parts};
use crate::layout::{SlotDevice, SlotHeader};
use crate::map::DeviceIndex;
use crate::slot;
use crate::spare::{self, Step};
use crate::sys::{self, Fd};
use crate::total::bytes_of;

/// The inode of the machine's own pid namespace: `PROC_PID_INIT_INO` of the kernel's
/// `include/linux/proc_ns.h`.
const MACHINE: u64 = 0xEFFF_FFFC;

/// A living process that holds memory of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its pid in its own pid namespace.
    pub pid: u32,
    /// Its pid on the machine, where the agent has written it or the process has no pid namespace of
    /// its own; 0: unknown.
    pub host_pid: u32,
    /// Whether its pid namespace is the caller's, so that `/proc` tells of it.
    pub is_near: bool,
    /// What it holds of the device, in bytes: charged, corrected by what the agent measured; more
    /// than 0.
    pub bytes: u64,
    /// How long ago it took its slot, in nanoseconds.
    pub age_ns: u64,
}

impl Allotment {
    /// Calls `visit` with each living process that holds memory of `device`, in the order of slots.
    /// Costs about five system calls, and one more per process of the container.
    #[cold]
    pub fn each_holder(&self, device: DeviceIndex, mut visit: impl FnMut(Holder)) {
        let here = sys::pid_namespace();
        let now = sys::boot_time();
        // Where the ledger cannot be opened nobody can be found dead. It is closed by hand: nothing
        // that is dropped may be alive while `visit` runs, because the shim has no landing pads.
        let fd = ManuallyDrop::new(slot::open(&self.pages, self.ledger.as_c_str()).ok());
        for index in 0..slot::extent(&self.pages) {
            let bytes = summed(self.pages.slot_device(index, device), Step::held);
            let word = self.pages.slot(index).state.load(Ordering::Acquire);
            let (generation, state) = state_parts(word);
            if bytes == 0 || state != SlotState::Live {
                continue;
            }
            let byte = slot_lock(index, generation);
            if fd.as_ref().is_none_or(|fd| fd.is_locked(byte) != Ok(false)) {
                let bytes = self.correction_of_slot(index, generation, device).used(bytes).max(1);
                visit(self.holder(index, generation, Moment { here, now }, bytes));
            }
        }
        close(fd);
    }

    /// Whether anybody but this process is charged for `device`, one who has ended and was not found yet
    /// among them.
    #[must_use]
    pub fn others_hold(&self, device: DeviceIndex) -> bool {
        let all = bytes_of(self.pages.totals(device).total.load(Ordering::Relaxed));
        let own = slot::current(&self.pages).map(|slot| self.pages.slot_device(slot.index, device));
        all > own.map_or(0, |own| summed(own, |_, word| spare::charged(word)))
    }

    fn holder(&self, index: usize, generation: u32, moment: Moment, bytes: u64) -> Holder {
        let slot = self.pages.slot(index);
        let namespace = match slot.pid_namespace.load(Ordering::Relaxed) {
            // It has not looked yet. Containers in containers are rare: it is taken for a neighbour.
            0 => moment.here,
            namespace => namespace,
        };
        Holder {
            pid: slot.pid.load(Ordering::Relaxed),
            host_pid: self.host_pid(index, generation, slot, namespace),
            is_near: namespace == moment.here,
            bytes,
            age_ns: moment.now.saturating_sub(slot.start_time.load(Ordering::Relaxed)),
        }
    }

    fn host_pid(&self, index: usize, generation: u32, slot: &SlotHeader, namespace: u64) -> u32 {
        let agents = self.pages.agent_slot(index);
        if agents.generation.load(Ordering::Acquire) == generation {
            return agents.host_pid.load(Ordering::Relaxed);
        }
        if namespace == MACHINE { slot.pid.load(Ordering::Relaxed) } else { 0 }
    }
}

#[inline(never)]
fn close(fd: ManuallyDrop<Option<Fd>>) {
    drop(ManuallyDrop::into_inner(fd));
}

/// Where and when somebody looks.
#[derive(Clone, Copy)]
struct Moment {
    here: u64,
    now: u64,
}

/// What a slot's words of all kinds come to, each read by `of`.
fn summed(device: &SlotDevice, of: impl Fn(Step, u64) -> u64) -> u64 {
    let words = device.held.iter().map(|word| word.load(Ordering::Relaxed));
    words.enumerate().map(|(kind, word)| of(Step::of(kind), word)).sum()
}
