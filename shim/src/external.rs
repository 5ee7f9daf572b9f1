//! Memory of other interfaces (Vulkan, NvSciBuf) that a program imports: charged when it is imported,
//! by the size that its descriptor names, on the current context's device, because no exporter that
//! the shim sees was charged for it. Imported twice, it is charged twice; so is what lies on the host.
//!
//! Buffers and mipmapped arrays that are mapped from it take nothing of their own and keep it: it is
//! given back when its handle and all of them are gone, or with its context.

use crate::allotments::{self, Share};
use crate::arrays;
use crate::charge::{self, Attempt, Charge};
use crate::held;
use crate::hooks::real;
use crate::region::{Place, Region, change, reach};
use core::sync::atomic::{AtomicU64, Ordering};
use ledger::Kind;
use nvidia_sys::cuda::{
    CUDA_EXTERNAL_MEMORY_BUFFER_DESC, CUDA_EXTERNAL_MEMORY_HANDLE_DESC,
    CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC, CUdeviceptr, CUexternalMemory, CUmipmappedArray,
    CUresult,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn import(
    memory: *mut CUexternalMemory,
    descriptor: *const CUDA_EXTERNAL_MEMORY_HANDLE_DESC,
) -> CUresult {
    let Some(driver) = real::cuImportExternalMemory.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let bytes = unsafe { descriptor.as_ref() }.map_or(0, |of| of.size);
    let attempt = match bytes {
        0 => Attempt::Pass,
        _ if memory.is_null() => Attempt::Pass,
        _ => charge::to_current(Kind::Imported, bytes),
    };
    if let Attempt::Refused = attempt {
        return OUT_OF_MEMORY;
    }
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(memory, descriptor) };
    match attempt {
        // SAFETY: not null, and the driver has just written it.
        Attempt::Charged(charge) if result == SUCCESS => unsafe {
            Import::remember(*memory, charge);
        },
        Attempt::Charged(charge) => charge.give_back(),
        Attempt::Pass | Attempt::Refused => {}
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(memory: CUexternalMemory) -> CUresult {
    let Some(driver) = real::cuDestroyExternalMemory.get() else { return NOT_INITIALIZED };
    let import = Import::take(memory);
    // SAFETY: the caller's argument.
    let result = unsafe { driver(memory) };
    match import {
        Some(import) if result == SUCCESS => import.let_go(),
        Some(import) => import.handle.store(memory as u64, Ordering::Release),
        None => {}
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn buffer(
    address: *mut CUdeviceptr,
    memory: CUexternalMemory,
    descriptor: *const CUDA_EXTERNAL_MEMORY_BUFFER_DESC,
) -> CUresult {
    let Some(driver) = real::cuExternalMemoryGetMappedBuffer.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(address, memory, descriptor) };
    // SAFETY: asked after the driver has written it.
    map(memory, driver, || unsafe { *address })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn mipmap(
    mipmap: *mut CUmipmappedArray,
    memory: CUexternalMemory,
    descriptor: *const CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC,
) -> CUresult {
    let Some(driver) = real::cuExternalMemoryGetMappedMipmappedArray.get() else {
        return NOT_INITIALIZED;
    };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(mipmap, memory, descriptor) };
    // SAFETY: asked after the driver has written it.
    map(memory, driver, || arrays::name(unsafe { *mipmap }))
}

/// The memory is kept from before the driver maps it until what it made is freed.
fn map(
    memory: CUexternalMemory,
    driver: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> u64,
) -> CUresult {
    let import = Import::refer(memory);
    let result = driver();
    match import.and_then(|import| Some((import, import.number()?, import.share()?))) {
        Some((_, number, share)) if result == SUCCESS => held::remember_part(made(), share, number),
        Some((import, ..)) => import.let_go(),
        None => {}
    }
    result
}

/// What was mapped from the import of this number is gone.
#[cold]
pub(crate) fn unmapped(number: u64) {
    let number = usize::try_from(number).ok();
    number.and_then(|number| IMPORTS.known().get(number)).inspect(|import| import.let_go());
}

/// A context of a device has ended, and with it its imports; or its last one, with those that no known one owns.
#[cold]
pub(crate) fn forget(share: Share, owner: u8) {
    for import in IMPORTS.known() {
        let known = import.handle.load(Ordering::Acquire);
        let is_its = import.is_of(share, owner);
        if known > BUSY && is_its && change(&import.handle, known, BUSY) {
            import.let_go();
        }
    }
}

/// Whether a context has any import, also one that only what was mapped from it keeps.
#[cold]
pub(crate) fn owns_any(share: Share, owner: u8) -> bool {
    let is_its = |import: &Import| import.handle.load(Ordering::Acquire) != FREE;
    IMPORTS.known().iter().any(|import| import.is_of(share, owner) && is_its(import))
}

/// Whether the import of this number is a context's.
#[cold]
pub(crate) fn is_owned(number: u64, share: Share, owner: u8) -> bool {
    let import = usize::try_from(number).ok().and_then(|number| IMPORTS.known().get(number));
    import.is_some_and(|import| import.is_of(share, owner))
}

/// Imports that one process can have.
const MOST: usize = 1 << 12;
/// A place that nobody uses, and one whose handle is not, or no more, to be found.
const FREE: u64 = 0;
const BUSY: u64 = 1;

static IMPORTS: Region<Import, MOST> = Region::new();

/// Imported memory. Its handle and each mapping hold it; it is dropped after the driver has.
struct Import {
    handle: AtomicU64,
    holders: AtomicU64,
    bytes: AtomicU64,
    share: AtomicU64,
    /// The context that it ends with.
    owner: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Import {}

impl Import {
    /// Where there is no room it stays charged until the process ends.
    fn remember(memory: CUexternalMemory, charge: Charge) {
        let key = memory as u64;
        let claim = |import: &&Import| change(&import.handle, FREE, BUSY);
        if let Some(import) = reach(&IMPORTS, key).find(claim) {
            import.bytes.store(charge.bytes, Ordering::Relaxed);
            import.share.store(charge.share.number.into(), Ordering::Relaxed);
            import.owner.store(charge.owner.into(), Ordering::Relaxed);
            import.holders.store(1, Ordering::Relaxed);
            import.handle.store(key, Ordering::Release);
        }
    }

    fn of(memory: CUexternalMemory) -> Option<&'static Self> {
        let key = memory as u64;
        let is_it = |import: &&Import| import.handle.load(Ordering::Acquire) == key;
        reach(&IMPORTS, key).find(is_it).filter(|_| key > BUSY)
    }

    /// Takes the handle out before the driver ends it: another import may be given the same one.
    fn take(memory: CUexternalMemory) -> Option<&'static Self> {
        Self::of(memory).filter(|import| change(&import.handle, memory as u64, BUSY))
    }

    /// One more holder.
    fn refer(memory: CUexternalMemory) -> Option<&'static Self> {
        let more = |holders: u64| (holders > 0).then(|| holders + 1);
        let import = Self::of(memory)?;
        let count = import.holders.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more);
        count.is_ok().then_some(import)
    }

    /// One holder less; the last gives back what it was charged.
    fn let_go(&self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let share = self.share();
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.handle.store(FREE, Ordering::Release);
            share.inspect(|&share| Charge::new(share, Kind::Imported, bytes).give_back());
        }
    }

    fn is_of(&self, share: Share, owner: u8) -> bool {
        let its = self.owner.load(Ordering::Relaxed);
        self.share.load(Ordering::Relaxed) == share.number.into() && its == owner.into()
    }

    fn number(&self) -> Option<u64> {
        let first = IMPORTS.known().as_ptr().addr();
        let bytes = core::ptr::from_ref(self).addr().checked_sub(first)?;
        Some((bytes / size_of::<Self>()) as u64)
    }

    fn share(&self) -> Option<Share> {
        let number = u32::try_from(self.share.load(Ordering::Relaxed)).ok()?;
        allotments::shares().ok()?.at(number)
    }
}
