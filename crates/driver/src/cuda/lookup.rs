//! cuGetProcAddress, as programs use it.

use std::ffi::{CString, c_void};

use nvidia_sys::cuda::CUdriverProcAddressQueryResult;

use super::Driver;
use crate::error::Result;
use crate::library::call;

/// What cuGetProcAddress_v2 answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address, or `None` for null.
    pub address: Option<*mut c_void>,
    /// The status word: 0 found, 1 unknown, 2 the version is too old for it.
    pub status: u32,
}

impl Driver {
    /// cuGetProcAddress_v2: a base name, a CUDA version, flags (0 or 2, the per-thread stream).
    ///
    /// # Errors
    /// The driver's code; a name with a zero byte is no name, and answers 1 (invalid value).
    pub fn proc_address(&self, base: &str, version: u32, flags: u64) -> Result<Found> {
        let Ok(name) = CString::new(base) else {
            return Err(crate::Error::Status { call: "cuGetProcAddress_v2", code: 1 });
        };
        let (table, mut address) = (&self.table, std::ptr::null_mut());
        let mut status = CUdriverProcAddressQueryResult(0);
        let version = version.cast_signed();
        call!(table.cuGetProcAddress_v2(name.as_ptr(), &mut address, version, flags, &mut status))?;
        Ok(Found { address: Some(address).filter(|found| !found.is_null()), status: status.0 })
    }

    /// cuGetProcAddress, the first version, which answers 500 where it finds nothing.
    ///
    /// # Errors
    /// The driver's code.
    pub fn proc_address_v1(&self, base: &str, version: u32, flags: u64) -> Result<*mut c_void> {
        let Ok(name) = CString::new(base) else {
            return Err(crate::Error::Status { call: "cuGetProcAddress", code: 1 });
        };
        let (table, mut address) = (&self.table, std::ptr::null_mut());
        let version = version.cast_signed();
        call!(table.cuGetProcAddress(name.as_ptr(), &mut address, version, flags))?;
        Ok(address)
    }
}
