//! Memory that goes from one process or interface to another: descriptors of memory without addresses, and
//! memory of other interfaces.

use std::ffi::c_int;
use std::ptr::{null_mut, with_exposed_provenance_mut, without_provenance_mut};

use anyhow::Result;
use nvidia_sys::cuda::{
    CUDA_EXTERNAL_MEMORY_HANDLE_DESC, CUexternalMemoryHandleType, CUmemAllocationHandleType,
    CUresult,
};

use crate::cuda::{Cuda, find};
use crate::setting::{Figure, Setting, alike};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// The driver's page.
const PAGE: usize = 2 << 20;

/// Exporting memory by a descriptor and closing that. The stand-in's is one of /dev/null.
pub(crate) fn export(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    setting.pair(|_| {
        cuda.enter();
        let handle = cuda.create(PAGE);
        let close = |descriptor| {
            // SAFETY: the descriptor that `export` opened.
            assert_eq!(unsafe { libc::close(descriptor as c_int) }, 0);
        };
        (move || cuda.export(handle) as u64, close)
    })
}

/// Importing memory that this process has exported, and releasing what is imported.
pub(crate) fn import(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let import = find!(cuda.handle, cuMemImportFromShareableHandle);
    let kind = CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    setting.pair(|_| {
        cuda.enter();
        let descriptor = cuda.export(cuda.create(PAGE));
        let take = move || {
            let mut handle = 0;
            // SAFETY: a place for one handle, and a descriptor in the place of a pointer.
            let result =
                unsafe { import(&mut handle, without_provenance_mut(descriptor as usize), kind) };
            assert_eq!(result, SUCCESS);
            handle
        };
        (take, |handle| cuda.release(handle))
    })
}

/// Importing memory of another interface and giving it up.
pub(crate) fn external(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let import = find!(cuda.handle, cuImportExternalMemory);
    let destroy = find!(cuda.handle, cuDestroyExternalMemory);
    // SAFETY: a C struct of numbers and pointers that may be null.
    let mut descriptor: CUDA_EXTERNAL_MEMORY_HANDLE_DESC = unsafe { std::mem::zeroed() };
    descriptor.type_ = CUexternalMemoryHandleType::CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
    descriptor.size = PAGE as u64;
    let descriptor = Descriptor(descriptor);
    setting.pair(|part| {
        cuda.enter();
        let descriptor = &descriptor;
        let take = move || {
            let mut memory = null_mut();
            // SAFETY: a place for one handle, and the descriptor.
            assert_eq!(unsafe { import(&mut memory, &descriptor.0) }, SUCCESS);
            memory.expose_provenance() as u64
        };
        let give = move |memory| {
            // SAFETY: what was imported just now.
            let result = unsafe { destroy(with_exposed_provenance_mut(memory as usize)) };
            assert_eq!(result, SUCCESS);
        };
        alike(part, (take, give))
    })
}

/// What is imported.
struct Descriptor(CUDA_EXTERNAL_MEMORY_HANDLE_DESC);

// SAFETY: it is only read, and its pointers are null.
unsafe impl Sync for Descriptor {}
