//! The few functions of the driver that are timed, found as CUDA's runtime finds them: by dlopen and
//! dlsym.

use std::ffi::{CStr, c_void};

use anyhow::{Result, ensure};
use nvidia_sys::cuda::{
    CUDA_ARRAY3D_DESCRIPTOR, CUarray_format, CUmemAllocationHandleType, CUmemAllocationProp,
    CUmemAllocationType, CUmemLocationType, CUresult, fns,
};

/// A driver that is initialised, with a context that is current.
pub(crate) struct Cuda {
    /// The handle that dlopen gave.
    pub(crate) handle: *mut c_void,
    alloc: fns::cuMemAlloc_v2,
    free: fns::cuMemFree_v2,
    alloc_managed: fns::cuMemAllocManaged,
    create: fns::cuMemCreate,
    release: fns::cuMemRelease,
    export: fns::cuMemExportToShareableHandle,
    map: fns::cuMemMap,
    unmap: fns::cuMemUnmap,
    create_array: fns::cuArray3DCreate_v2,
    destroy_array: fns::cuArrayDestroy,
    create_context: fns::cuCtxCreate_v2,
    destroy_context: fns::cuCtxDestroy_v2,
    context: usize,
    set_current: fns::cuCtxSetCurrent,
    info: fns::cuMemGetInfo_v2,
    version: fns::cuDriverGetVersion,
}

// SAFETY: functions, and a handle that is only passed to dlsym: any thread may use them.
unsafe impl Sync for Cuda {}

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// An array of 128 by 128 numbers: 64 KiB.
pub(crate) const ARRAY: CUDA_ARRAY3D_DESCRIPTOR = CUDA_ARRAY3D_DESCRIPTOR {
    Width: 128,
    Height: 128,
    Depth: 0,
    Format: CUarray_format::CU_AD_FORMAT_FLOAT,
    NumChannels: 1,
    Flags: 0,
};

/// A function of the driver, as its type.
macro_rules! find {
    ($handle:expr, $name:ident) => {{
        let name =
            std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes())?;
        let address = $crate::cuda::look_up($handle, name);
        anyhow::ensure!(!address.is_null(), "the driver has no {}", stringify!($name));
        // SAFETY: the type is the header's for this name.
        unsafe {
            std::mem::transmute::<*mut std::ffi::c_void, nvidia_sys::cuda::fns::$name>(address)
        }
    }};
}
pub(crate) use find;

/// dlsym(3).
pub(crate) fn look_up(handle: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: a handle that dlopen gave, or one of its constants, and a C string.
    unsafe { libc::dlsym(handle, name.as_ptr()) }
}

/// dlopen(3) of the driver.
pub(crate) fn open() -> Result<*mut c_void> {
    // SAFETY: a C string; the library has no constructor that could object.
    let handle = unsafe { libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_NOW) };
    ensure!(!handle.is_null(), "no libcuda.so.1 on the library path");
    Ok(handle)
}

impl Cuda {
    /// Everything up to the first allocation.
    pub(crate) fn start(handle: *mut c_void) -> Result<Self> {
        let init = find!(handle, cuInit);
        let retain = find!(handle, cuDevicePrimaryCtxRetain);
        let set = find!(handle, cuCtxSetCurrent);
        let mut context = std::ptr::null_mut();
        // SAFETY: the driver's functions, called in its order with places of their own.
        let results = unsafe { [init(0), retain(&mut context, 0), set(context)] };
        ensure!(results == [SUCCESS; 3], "the driver answers {results:?}");
        Ok(Self {
            handle,
            alloc: find!(handle, cuMemAlloc_v2),
            free: find!(handle, cuMemFree_v2),
            alloc_managed: find!(handle, cuMemAllocManaged),
            create: find!(handle, cuMemCreate),
            release: find!(handle, cuMemRelease),
            export: find!(handle, cuMemExportToShareableHandle),
            map: find!(handle, cuMemMap),
            unmap: find!(handle, cuMemUnmap),
            create_array: find!(handle, cuArray3DCreate_v2),
            destroy_array: find!(handle, cuArrayDestroy),
            create_context: find!(handle, cuCtxCreate_v2),
            destroy_context: find!(handle, cuCtxDestroy_v2),
            context: context.expose_provenance(),
            set_current: set,
            info: find!(handle, cuMemGetInfo_v2),
            version: find!(handle, cuDriverGetVersion),
        })
    }

    /// Takes `bytes`.
    #[inline]
    pub(crate) fn take(&self, bytes: usize) -> u64 {
        let mut address = 0;
        // SAFETY: a place for one address.
        let result = unsafe { (self.alloc)(&mut address, bytes) };
        assert_eq!(result, SUCCESS);
        address
    }

    /// Makes the context current in this thread too.
    pub(crate) fn enter(&self) {
        // SAFETY: the context that `start` has retained.
        let result =
            unsafe { (self.set_current)(std::ptr::with_exposed_provenance_mut(self.context)) };
        assert_eq!(result, SUCCESS);
    }

    /// Takes managed memory, which [`Self::give`] gives back.
    #[inline]
    pub(crate) fn take_managed(&self, bytes: usize) -> u64 {
        let mut address = 0;
        // SAFETY: a place for one address.
        let result = unsafe { (self.alloc_managed)(&mut address, bytes, 1) };
        assert_eq!(result, SUCCESS);
        address
    }

    /// Takes memory without addresses.
    #[inline]
    pub(crate) fn create(&self, bytes: usize) -> u64 {
        // SAFETY: a C struct of numbers and a pointer that may be null.
        let mut properties: CUmemAllocationProp = unsafe { std::mem::zeroed() };
        properties.type_ = CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
        properties.location.type_ = CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE;
        let mut handle = 0;
        // SAFETY: a place for one handle, and the properties.
        let result = unsafe { (self.create)(&mut handle, bytes, &properties, 0) };
        assert_eq!(result, SUCCESS);
        handle
    }

    /// Gives a handle back.
    #[inline]
    pub(crate) fn release(&self, handle: u64) {
        // SAFETY: a handle that `create` gave.
        let result = unsafe { (self.release)(handle) };
        assert_eq!(result, SUCCESS);
    }

    /// Exports memory by a descriptor, which stays open.
    #[inline]
    pub(crate) fn export(&self, handle: u64) -> std::ffi::c_int {
        let kind = CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        let mut descriptor: std::ffi::c_int = -1;
        // SAFETY: a place for one descriptor, and a handle that `create` gave.
        let result = unsafe { (self.export)((&raw mut descriptor).cast(), handle, kind, 0) };
        assert!(result == SUCCESS && descriptor >= 0);
        descriptor
    }

    /// Maps memory at an address.
    #[inline]
    pub(crate) fn map(&self, address: u64, bytes: usize, handle: u64) {
        // SAFETY: a handle that `create` gave; the stand-in has nothing at any address.
        let result = unsafe { (self.map)(address, bytes, 0, handle, 0) };
        assert_eq!(result, SUCCESS);
    }

    /// Ends a mapping.
    #[inline]
    pub(crate) fn unmap(&self, address: u64, bytes: usize) {
        // SAFETY: what `map` has mapped.
        let result = unsafe { (self.unmap)(address, bytes) };
        assert_eq!(result, SUCCESS);
    }

    /// Makes one more context. In the stand-in the first one stays current.
    #[inline]
    pub(crate) fn create_context(&self) -> u64 {
        let mut context = std::ptr::null_mut();
        // SAFETY: a place for one handle.
        let result = unsafe { (self.create_context)(&mut context, 0, 0) };
        assert_eq!(result, SUCCESS);
        context.expose_provenance() as u64
    }

    /// Ends a context.
    #[inline]
    pub(crate) fn destroy_context(&self, context: u64) {
        let context = std::ptr::with_exposed_provenance_mut(context as usize);
        // SAFETY: a context that `create_context` gave.
        let result = unsafe { (self.destroy_context)(context) };
        assert_eq!(result, SUCCESS);
    }

    /// Takes an array of 64 KiB.
    #[inline]
    pub(crate) fn array(&self) -> u64 {
        let mut array = std::ptr::null_mut();
        // SAFETY: a place for one handle, and the descriptor.
        let result = unsafe { (self.create_array)(&mut array, &ARRAY) };
        assert_eq!(result, SUCCESS);
        array.expose_provenance() as u64
    }

    /// Gives an array back.
    #[inline]
    pub(crate) fn destroy_array(&self, array: u64) {
        let array = std::ptr::with_exposed_provenance_mut(array as usize);
        // SAFETY: an array that `array` gave.
        let result = unsafe { (self.destroy_array)(array) };
        assert_eq!(result, SUCCESS);
    }

    /// Gives an address back.
    #[inline]
    pub(crate) fn give(&self, address: u64) {
        // SAFETY: an address that `take` gave.
        let result = unsafe { (self.free)(address) };
        assert_eq!(result, SUCCESS);
    }

    /// What is free.
    #[inline]
    pub(crate) fn free(&self) -> usize {
        let (mut free, mut total) = (0, 0);
        // SAFETY: two places.
        let result = unsafe { (self.info)(&mut free, &mut total) };
        assert_eq!(result, SUCCESS);
        free
    }

    /// A call that the shim does not stand before.
    #[inline]
    pub(crate) fn version(&self) -> i32 {
        let mut version = 0;
        // SAFETY: a place for one number.
        let result = unsafe { (self.version)(&mut version) };
        assert_eq!(result, SUCCESS);
        version
    }
}
