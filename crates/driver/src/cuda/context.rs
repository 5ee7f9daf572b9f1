//! Contexts: a device's primary one, shared by all libraries of a process, and ones of our own.

use nvidia_sys::cuda::CUcontext;

use super::{Device, Driver};
use crate::error::Result;
use crate::library::call;

/// A reference to a device's primary context, given back when dropped.
pub struct Primary<'d> {
    device: Device<'d>,
    handle: CUcontext,
}

/// A context of one's own, destroyed when dropped.
pub struct Context<'d> {
    driver: &'d Driver,
    handle: CUcontext,
}

impl<'d> Device<'d> {
    /// Retains the primary context and makes it current on this thread.
    ///
    /// # Errors
    /// The driver's code: 2 where the context itself finds no room.
    pub fn primary(&self) -> Result<Primary<'d>> {
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuDevicePrimaryCtxRetain(&mut handle, self.handle))?;
        let primary = Primary { device: *self, handle };
        primary.make_current()?;
        Ok(primary)
    }

    /// Whether the primary context exists at the moment.
    ///
    /// # Errors
    /// The driver's code.
    pub fn primary_is_active(&self) -> Result<bool> {
        let (table, mut flags, mut active) = (&self.driver.table, 0, 0);
        call!(table.cuDevicePrimaryCtxGetState(self.handle, &mut flags, &mut active))?;
        Ok(active != 0)
    }

    /// Creates a context of its own, current on this thread.
    ///
    /// # Errors
    /// The driver's code.
    pub fn context(&self) -> Result<Context<'d>> {
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuCtxCreate_v2(&mut handle, 0, self.handle))?;
        Ok(Context { driver: self.driver, handle })
    }
}

impl Primary<'_> {
    /// Makes it current on this thread.
    ///
    /// # Errors
    /// The driver's code.
    pub fn make_current(&self) -> Result<()> {
        let table = &self.device.driver.table;
        call!(table.cuCtxSetCurrent(self.handle))
    }

    /// Destroys everything in it, whoever else holds a reference.
    ///
    /// # Errors
    /// The driver's code.
    pub fn reset(self) -> Result<()> {
        let (table, device) = (&self.device.driver.table, self.device.handle);
        call!(table.cuDevicePrimaryCtxReset_v2(device))
    }
}

// SAFETY: a context's handle is a name for an object of the driver, whose every function may be called
// from any thread.
unsafe impl Send for Primary<'_> {}
// SAFETY: as above.
unsafe impl Sync for Primary<'_> {}

impl Drop for Primary<'_> {
    fn drop(&mut self) {
        let table = &self.device.driver.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.cuDevicePrimaryCtxRelease_v2(self.device.handle));
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        let _ = call!(table.cuCtxDestroy_v2(self.handle));
    }
}
