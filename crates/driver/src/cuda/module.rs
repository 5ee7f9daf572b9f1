//! Modules and kernels: enough to give a GPU a known amount of work.

use std::ffi::CString;
use std::time::Duration;

use nvidia_sys::cuda::{CUfunction, CUmodule};

use super::{Driver, Stream};
use crate::error::Result;
use crate::library::call;

/// A loaded module, unloaded when dropped.
pub struct Module<'d> {
    driver: &'d Driver,
    handle: CUmodule,
}

/// A kernel of a module that takes one u64.
pub struct Kernel<'m> {
    driver: &'m Driver,
    handle: CUfunction,
}

/// A kernel `spin(u64 nanoseconds)`: each thread watches the GPU's clock until that time has passed.
/// It runs on everything from compute capability 5.0 on, compiled by the driver itself.
pub const SPIN_PTX: &str = r"
.version 6.0
.target sm_50
.address_size 64

.visible .entry spin(.param .u64 nanoseconds)
{
    .reg .u64 %span, %start, %now, %passed;
    .reg .pred %early;
    ld.param.u64 %span, [nanoseconds];
    mov.u64 %start, %globaltimer;
again:
    mov.u64 %now, %globaltimer;
    sub.u64 %passed, %now, %start;
    setp.lt.u64 %early, %passed, %span;
    @%early bra again;
    ret;
}
";

/// The name of the kernel in [`SPIN_PTX`].
pub const SPIN: &str = "spin";

impl Driver {
    /// Loads a module from PTX text into the current context.
    ///
    /// # Errors
    /// The driver's code.
    pub fn module(&self, ptx: &str) -> Result<Module<'_>> {
        let text = CString::new(ptx).unwrap_or_default();
        let (table, mut handle) = (&self.table, std::ptr::null_mut());
        call!(table.cuModuleLoadData(&mut handle, text.as_ptr().cast()))?;
        Ok(Module { driver: self, handle })
    }
}

impl Module<'_> {
    /// The kernel of that name, which must take one u64 as [`SPIN`] does.
    ///
    /// # Errors
    /// The driver's code: 500 for a name that is not in the module.
    pub fn kernel(&self, name: &str) -> Result<Kernel<'_>> {
        let name = CString::new(name).unwrap_or_default();
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuModuleGetFunction(&mut handle, self.handle, name.as_ptr()))?;
        Ok(Kernel { driver: self.driver, handle })
    }
}

impl Kernel<'_> {
    /// Launches `blocks` blocks of one thread, which take that long.
    ///
    /// # Errors
    /// The driver's code.
    pub fn launch(&self, stream: &Stream<'_>, blocks: u32, time: Duration) -> Result<()> {
        let table = &self.driver.table;
        let mut nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut arguments = [(&raw mut nanoseconds).cast()];
        let (arguments, extra) = (arguments.as_mut_ptr(), std::ptr::null_mut());
        let (kernel, stream) = (self.handle, stream.handle);
        call!(table.cuLaunchKernel(kernel, blocks, 1, 1, 1, 1, 1, 0, stream, arguments, extra))
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.cuModuleUnload(self.handle));
    }
}
