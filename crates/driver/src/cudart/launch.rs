//! Launching a kernel as a compiled program does: registered with the runtime, then launched by the
//! address of a host function.

use std::ffi::{CString, c_void};
use std::time::Duration;

use super::{Runtime, fatbin, table::Dim3};
use crate::cuda::Spin;
use crate::error::{Error, Result};
use crate::library::call;

/// A registered kernel.
pub struct Kernel<'r> {
    runtime: &'r Runtime,
    host_function: *const c_void,
}

/// What the runtime is given in place of a file (its `__fatBinC_Wrapper_t`).
#[repr(C)]
struct Wrapper {
    magic: u32,
    version: u32,
    data: *const u64,
    file: *const c_void,
}

impl Runtime {
    /// Registers a kernel that takes that long. What is registered lives as long as the process, as a program's does.
    ///
    /// # Errors
    /// A runtime without the registration functions.
    pub fn spin(&self, time: Duration) -> Result<Kernel<'_>> {
        let missing = Error::Missing { call: "__cudaRegisterFatBinary" };
        let registration = self.table.registration().ok_or(missing)?;
        let spin = Spin::new(time);
        let data = fatbin::wrap(&spin.ptx, 50).leak().as_ptr();
        let wrapper = Wrapper { magic: 0x4662_43B1, version: 1, data, file: std::ptr::null() };
        let wrapper: *const Wrapper = Box::leak(Box::new(wrapper));
        // The runtime only compares this address: any that is ours and unique will do.
        let host_function = wrapper.cast();
        let name = CString::new(spin.name).unwrap_or_default().into_raw();
        let none = std::ptr::null_mut();
        // SAFETY: the three calls are those of a compiler's start-up code, in its order; everything
        // they are given lives for ever, and the pointers that may be null are.
        unsafe {
            let binary = (registration.binary)(wrapper.cast());
            let limit = -1;
            let (thread, block, extents) = (none, none, (none, none));
            (registration.function)(
                binary,
                wrapper.cast(),
                name,
                name,
                limit,
                thread,
                block,
                extents.0,
                extents.1,
                std::ptr::null_mut(),
            );
            (registration.end)(binary);
        }
        Ok(Kernel { runtime: self, host_function })
    }
}

impl Kernel<'_> {
    /// Launches it into the default stream.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn launch(&self) -> Result<()> {
        let table = &self.runtime.table;
        let one = Dim3 { x: 1, y: 1, z: 1 };
        let (arguments, stream) = (std::ptr::null_mut(), std::ptr::null_mut());
        call!(table.cudaLaunchKernel(self.host_function, one, one, arguments, 0, stream))
    }
}
