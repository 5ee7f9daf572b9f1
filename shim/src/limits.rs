//! The heap, the print buffer and the stack that kernels use, whose sizes a program sets for a context:
//! charged when they are set, in whole pages, beyond what every context has and its estimate counts.
//! They go with their context. Threads may set one at once: each has charged what it asks for before the
//! driver hears of it. Afterwards the driver says what the size is, which it may have made smaller or larger, or another
//! thread another; of what two threads learn the larger stays charged. What does not fit is refused, also where a card
//! might make it smaller: to try that would take room for a moment that is others'.
//!
//! The driver takes heap and print buffer when the first kernel needs them, which nobody sees, and
//! grows the stack by itself for a kernel that needs more: that is left to the agent's measurement. So is what
//! it keeps for kernels that launch kernels (depth of synchronisation, launches pending): the header says that
//! this is much, and nothing says how much. So is memory for each block (CU_LIMIT_PER_BLOCK_MEMORY_SIZE, of drivers from
//! CUDA 13 on), of which it says no more than the name.

use crate::charge::{self, Attempt, Charge};
use crate::device;
use crate::held;
use crate::hooks::real;
use ledger::Kind;
use nvidia_sys::cuda::{CUdevice_attribute, CUlimit, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn set(limit: CUlimit, bytes: usize) -> CUresult {
    let Some(driver) = real::cuCtxSetLimit.get() else {
        return CUresult::CUDA_ERROR_NOT_INITIALIZED;
    };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(limit, bytes) };
    match Buffer::of(limit) {
        Some(buffer) => buffer.set(bytes as u64, driver),
        None => driver(),
    }
}

/// A buffer of the current context.
struct Buffer {
    limit: CUlimit,
    /// What it is called where addresses are remembered: beyond all that there can be.
    name: u64,
    /// What every context has.
    usual: u64,
    /// How many of them there are: one, or as many as threads can be resident.
    many: u64,
}

/// What drivers take memory in.
const PAGE: u64 = 2 << 20;

impl Buffer {
    fn of(limit: CUlimit) -> Option<Self> {
        let (tag, usual) = match limit {
            CUlimit::CU_LIMIT_STACK_SIZE => (1 << 61, 1 << 10),
            CUlimit::CU_LIMIT_PRINTF_FIFO_SIZE => (1 << 62, 1 << 20),
            CUlimit::CU_LIMIT_MALLOC_HEAP_SIZE => (3 << 61, 8 << 20),
            _ => return None,
        };
        let mut context = core::ptr::null_mut();
        // SAFETY: the driver writes one handle.
        let result = unsafe { real::cuCtxGetCurrent.get()?(&mut context) };
        let is_there = result == SUCCESS && !context.is_null();
        let many = if limit == CUlimit::CU_LIMIT_STACK_SIZE { resident_threads() } else { 1 };
        is_there.then_some(Self { limit, name: context as u64 | tag, usual, many })
    }

    fn set(&self, bytes: u64, driver: impl FnOnce() -> CUresult) -> CUresult {
        let bytes = self.beyond_usual(bytes);
        let before = held::forget(self.name);
        let had = before.map_or(0, |charge| charge.bytes);
        let attempt = match bytes.checked_sub(had).filter(|more| *more > 0) {
            Some(more) => charge::to_current(Kind::Local, more),
            None => Attempt::Pass,
        };
        let result = match attempt {
            Attempt::Refused => CUresult::CUDA_ERROR_OUT_OF_MEMORY,
            _ => driver(),
        };
        let more = match attempt {
            Attempt::Charged(more) => Some(more),
            Attempt::Pass | Attempt::Refused => None,
        };
        let charged = had.saturating_add(more.map_or(0, |more| more.bytes));
        match (before.or(more), result) {
            (Some(of), SUCCESS) => {
                let mut all = Charge { bytes: charged, ..of };
                let made = self.made().map_or(bytes, |made| self.beyond_usual(made));
                if made > charged {
                    all.take(made);
                }
                self.keep(all, made);
            }
            _ => {
                more.inspect(|more| more.give_back());
                before.inspect(|before| held::raise(self.name, *before));
            }
        }
        result
    }

    /// What a size comes to in all, in whole pages.
    fn beyond_usual(&self, bytes: u64) -> u64 {
        let bytes = bytes.saturating_sub(self.usual).saturating_mul(self.many);
        bytes.checked_next_multiple_of(PAGE).unwrap_or(bytes)
    }

    /// What the driver has made of what was asked for.
    fn made(&self) -> Option<u64> {
        let mut bytes = 0;
        // SAFETY: the driver writes one number.
        let result = unsafe { real::cuCtxGetLimit.get()?(&mut bytes, self.limit) };
        (result == SUCCESS).then_some(bytes as u64)
    }

    /// It has this size from here on; the rest of what is charged is given back.
    fn keep(&self, all: Charge, bytes: u64) {
        held::raise(self.name, Charge { bytes, ..all });
        Charge { bytes: all.bytes.saturating_sub(bytes), ..all }.give_back();
    }
}

/// Threads that the current device can have at a time; each has a stack.
#[cold]
fn resident_threads() -> u64 {
    let number = |which| device::attribute(device::current_ordinal()?, which);
    let processors = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    let each = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
    processors.zip(each).map_or(0, |(processors, each)| u64::from(processors) * u64::from(each))
}
