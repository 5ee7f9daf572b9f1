//! Where the code of a context's modules lies on its card, and the buffers that its kernels use: memory
//! that a program never asks for by its size. Code is taken in pages of 2 MiB that the modules share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use sim_world::Kind;

use crate::arena::PAGE;
use crate::device::Device;
use crate::pool;
use crate::status::{Res, Status};

/// Bytes of code of one context that are on the card.
#[derive(Default)]
pub(crate) struct Code(Mutex<u64>);

impl Code {
    /// Puts `bytes` more on the card.
    pub(crate) fn take(&self, device: &Device, bytes: u64) -> Res {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = pages(*all + bytes) - pages(*all);
        charge(device, Kind::Module, more)?;
        *all += bytes;
        Ok(())
    }

    /// Takes `bytes` off it.
    pub(crate) fn give(&self, device: &Device, bytes: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.saturating_sub(bytes);
        refund(device, Kind::Module, pages(*all) - pages(left));
        *all = left;
    }

    /// Takes everything off it: the context has ended.
    pub(crate) fn clear(&self, device: &Device) {
        self.give(device, u64::MAX);
    }
}

/// Bytes of one context's buffers beyond what every context has, by the number of the limit that sets
/// each. Those of the heap and of what kernels print are taken with the first kernel, stacks at once.
#[derive(Default)]
pub(crate) struct Buffers {
    all: Mutex<BTreeMap<u32, Buffer>>,
    /// Whether the next kernel needs one that is not taken.
    are_due: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct Buffer {
    taken: u64,
    wanted: u64,
}

impl Buffers {
    /// Gives a buffer another size, or keeps the one that it has.
    pub(crate) fn set(&self, device: &Device, number: u32, bytes: u64, at_once: bool) -> Res {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = all.entry(number).or_default();
        let next = Buffer { wanted: pages(bytes), ..*buffer };
        if at_once || buffer.taken > 0 {
            *buffer = next.taken_of(device)?;
        } else {
            *buffer = next;
            self.are_due.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// A kernel is about to run: what it may need is taken, or it cannot.
    pub(crate) fn need(&self, device: &Device) -> Res {
        if !self.are_due.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for buffer in all.values_mut() {
            *buffer = buffer.taken_of(device)?;
        }
        self.are_due.store(false, Ordering::Release);
        Ok(())
    }

    /// Takes all of them off the card: the context has ended.
    pub(crate) fn clear(&self, device: &Device) {
        let all = std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner));
        refund(device, Kind::Other, all.values().map(|buffer| buffer.taken).sum());
    }
}

impl Buffer {
    /// This buffer, of the size that is wanted.
    fn taken_of(self, device: &Device) -> Res<Self> {
        charge(device, Kind::Other, self.wanted.saturating_sub(self.taken))?;
        refund(device, Kind::Other, self.taken.saturating_sub(self.wanted));
        Ok(Self { taken: self.wanted, ..self })
    }
}

/// Whether CUDA_MODULE_LOADING says that code goes to the card as it is loaded.
pub(crate) fn is_eager() -> bool {
    static EAGER: OnceLock<bool> = OnceLock::new();
    *EAGER.get_or_init(|| std::env::var_os("CUDA_MODULE_LOADING").is_some_and(|way| way == "EAGER"))
}

fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE as u64)
}

/// Charges a card, with what lies idle in pools before it refuses.
fn charge(device: &Device, kind: Kind, bytes: u64) -> Res {
    if bytes == 0 {
        return Ok(());
    }
    match device.charge(kind, bytes) {
        Err(Status::OUT_OF_MEMORY) if pool::reclaim(device.ordinal) => device.charge(kind, bytes),
        answer => answer,
    }
}

fn refund(device: &Device, kind: Kind, bytes: u64) {
    if bytes > 0 {
        device.refund(kind, bytes);
    }
}
