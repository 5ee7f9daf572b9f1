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

/// A kernel of a module, without parameters.
pub struct Kernel<'m> {
    driver: &'m Driver,
    handle: CUfunction,
}

/// A kernel that takes a known time: every thread watches the GPU's clock until it has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spin {
    /// The kernel's name, which says its time: `spin_ns_10000`. A simulated driver reads it there.
    pub name: String,
    /// A module with that kernel, as PTX text for compute capability 5.0 and later.
    pub ptx: String,
}

impl Spin {
    /// The kernel that takes that long.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        let nanoseconds = time.as_nanos();
        let name = format!("spin_ns_{nanoseconds}");
        let ptx = format!(
            "
.version 6.0
.target sm_50
.address_size 64

.visible .entry {name}()
{{
    .reg .u64 %start, %now, %passed;
    .reg .pred %early;
    mov.u64 %start, %globaltimer;
again:
    mov.u64 %now, %globaltimer;
    sub.u64 %passed, %now, %start;
    setp.lt.u64 %early, %passed, {nanoseconds};
    @%early bra again;
    ret;
}}
"
        );
        Self { name, ptx }
    }
}

/// A kernel that has a known amount of work to do. On a card that others use too it takes as much longer as
/// it does not have the card, where a [`Spin`] would end all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The kernel's name, which says its time: `work_ns_10000`. A simulated driver reads it there.
    pub name: String,
    /// A module with that kernel, as PTX text for compute capability 5.0 and later.
    pub ptx: String,
}

impl Work {
    /// The kernel that takes that long, if it is told as many rounds as a card turns meanwhile. A real card
    /// turns rounds whatever the name says; a simulated one takes the time whatever the rounds are.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        let name = format!("work_ns_{}", time.as_nanos());
        let ptx = format!(
            "
.version 6.0
.target sm_50
.address_size 64

.visible .entry {name}(.param .u64 rounds)
{{
    .reg .u64 %left;
    .reg .pred %more;
    ld.param.u64 %left, [rounds];
again:
    sub.u64 %left, %left, 1;
    setp.gt.s64 %more, %left, 0;
    @%more bra again;
    ret;
}}
"
        );
        Self { name, ptx }
    }
}

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
    /// The kernel of that name, which must have no parameters.
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
    /// Launches `blocks` blocks of one thread.
    ///
    /// # Errors
    /// The driver's code.
    pub fn launch(&self, stream: &Stream<'_>, blocks: u32) -> Result<()> {
        let table = &self.driver.table;
        let (kernel, stream, none) = (self.handle, stream.handle, std::ptr::null_mut());
        call!(table.cuLaunchKernel(kernel, blocks, 1, 1, 1, 1, 1, 0, stream, none, none))
    }
}

impl Kernel<'_> {
    /// Launches `blocks` blocks of one thread with a number as the only parameter.
    ///
    /// # Errors
    /// The driver's code.
    pub fn launch_with(&self, stream: &Stream<'_>, blocks: u32, mut number: u64) -> Result<()> {
        let table = &self.driver.table;
        let (kernel, stream, none) = (self.handle, stream.handle, std::ptr::null_mut());
        let mut parameters = [(&raw mut number).cast::<std::ffi::c_void>()];
        let list = parameters.as_mut_ptr();
        // The driver copies the parameters before it returns.
        call!(table.cuLaunchKernel(kernel, blocks, 1, 1, 1, 1, 1, 0, stream, list, none))
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.cuModuleUnload(self.handle));
    }
}
