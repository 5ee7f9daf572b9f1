//! The few functions of the driver that are timed, found as CUDA's runtime finds them: by dlopen and
//! dlsym.

use std::ffi::{CStr, c_void};

use anyhow::{Result, ensure};
use nvidia_sys::cuda::{CUresult, fns};

/// A driver that is initialised, with a context that is current.
pub(crate) struct Cuda {
    /// The handle that dlopen gave.
    pub(crate) handle: *mut c_void,
    alloc: fns::cuMemAlloc_v2,
    free: fns::cuMemFree_v2,
    info: fns::cuMemGetInfo_v2,
    copy: fns::cuMemcpyHtoD_v2,
}

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// A function of the driver, as its type.
macro_rules! find {
    ($handle:expr, $name:ident) => {{
        let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes())?;
        let address = look_up($handle, name);
        ensure!(!address.is_null(), "the driver has no {}", stringify!($name));
        // SAFETY: the type is the header's for this name.
        unsafe { std::mem::transmute::<*mut c_void, fns::$name>(address) }
    }};
}

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
            info: find!(handle, cuMemGetInfo_v2),
            copy: find!(handle, cuMemcpyHtoD_v2),
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
    pub(crate) fn copy(&self, address: u64) {
        // SAFETY: the stand-in copies nothing.
        let result = unsafe { (self.copy)(address, std::ptr::null(), 0) };
        assert_eq!(result, SUCCESS);
    }
}
