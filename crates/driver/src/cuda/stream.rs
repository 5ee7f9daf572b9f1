//! Streams and events.

use nvidia_sys::cuda::{CUevent, CUstream};

use super::Driver;
use crate::error::Result;
use crate::library::call;

/// A stream that does not wait for the legacy stream; destroyed when dropped.
pub struct Stream<'d> {
    pub(super) driver: &'d Driver,
    pub(super) handle: CUstream,
}

/// A point in a stream's work; destroyed when dropped.
pub struct Event<'d> {
    driver: &'d Driver,
    handle: CUevent,
}

impl Driver {
    /// Creates a stream in the current context.
    ///
    /// # Errors
    /// The driver's code.
    pub fn stream(&self) -> Result<Stream<'_>> {
        const NON_BLOCKING: u32 = 1;
        let (table, mut handle) = (&self.table, std::ptr::null_mut());
        call!(table.cuStreamCreate(&mut handle, NON_BLOCKING))?;
        Ok(Stream { driver: self, handle })
    }

    /// Creates an event in the current context; `timed` ones know when they happened.
    ///
    /// # Errors
    /// The driver's code.
    pub fn event(&self, timed: bool) -> Result<Event<'_>> {
        const DISABLE_TIMING: u32 = 2;
        let (table, mut handle) = (&self.table, std::ptr::null_mut());
        call!(table.cuEventCreate(&mut handle, if timed { 0 } else { DISABLE_TIMING }))?;
        Ok(Event { driver: self, handle })
    }
}

impl Stream<'_> {
    /// Waits until the stream has nothing left to do.
    ///
    /// # Errors
    /// The driver's code.
    pub fn synchronize(&self) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuStreamSynchronize(self.handle))
    }

    /// Whether the stream has nothing left to do; 600 as an error says that it has.
    ///
    /// # Errors
    /// The driver's code.
    pub fn query(&self) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuStreamQuery(self.handle))
    }

    /// Records an event behind what the stream has to do.
    ///
    /// # Errors
    /// The driver's code.
    pub fn record(&self, event: &Event<'_>) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuEventRecord(event.handle, self.handle))
    }
}

impl Event<'_> {
    /// Waits until it has happened.
    ///
    /// # Errors
    /// The driver's code.
    pub fn synchronize(&self) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuEventSynchronize(self.handle))
    }

    /// Whether it has happened; 600 as an error says that it has not.
    ///
    /// # Errors
    /// The driver's code.
    pub fn query(&self) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuEventQuery(self.handle))
    }

    /// The milliseconds of GPU time from an earlier event to this one.
    ///
    /// # Errors
    /// The driver's code.
    pub fn milliseconds_since(&self, earlier: &Event<'_>) -> Result<f32> {
        let (table, mut milliseconds) = (&self.driver.table, 0.0);
        call!(table.cuEventElapsedTime(&mut milliseconds, earlier.handle, self.handle))?;
        Ok(milliseconds)
    }
}

// SAFETY: a stream's handle is a name for an object of the driver, whose every function may be called
// from any thread.
unsafe impl Send for Stream<'_> {}
// SAFETY: as above.
unsafe impl Sync for Stream<'_> {}
// SAFETY: as above, for an event.
unsafe impl Send for Event<'_> {}
// SAFETY: as above, for an event.
unsafe impl Sync for Event<'_> {}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        // Nothing is left to do for a caller if this fails; so below.
        let _ = call!(table.cuStreamDestroy_v2(self.handle));
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        let _ = call!(table.cuEventDestroy_v2(self.handle));
    }
}
