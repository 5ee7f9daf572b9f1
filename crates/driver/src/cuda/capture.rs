//! Capturing a stream's work into a graph, and how careful a thread must be meanwhile.

use nvidia_sys::cuda::{CUgraph, CUgraphExec, CUstreamCaptureMode};

use super::{Driver, Stream};
use crate::error::Result;
use crate::library::call;

/// Which calls a capture forbids, and on which threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// Unsafe calls are refused on every thread.
    Global,
    /// Unsafe calls are refused on the capturing thread.
    ThreadLocal,
    /// No call is refused for the capture's sake.
    Relaxed,
}

/// A captured graph, destroyed when dropped.
pub struct Graph<'d> {
    driver: &'d Driver,
    handle: CUgraph,
}

/// A graph that is ready to be launched, destroyed when dropped.
pub struct Executable<'d> {
    driver: &'d Driver,
    handle: CUgraphExec,
}

impl<'d> Graph<'d> {
    /// Makes it ready to be launched as it is now.
    ///
    /// # Errors
    /// The driver's code.
    pub fn instantiate(&self) -> Result<Executable<'d>> {
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuGraphInstantiateWithFlags(&mut handle, self.handle, 0))?;
        Ok(Executable { driver: self.driver, handle })
    }
}

impl Executable<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// The driver's code.
    pub fn launch(&self, stream: &Stream<'_>) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuGraphLaunch(self.handle, stream.handle))
    }
}

impl Drop for Executable<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.cuGraphExecDestroy(self.handle));
    }
}

impl<'d> Stream<'d> {
    /// Begins to capture.
    ///
    /// # Errors
    /// The driver's code.
    pub fn begin_capture(&self, mode: CaptureMode) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuStreamBeginCapture_v2(self.handle, mode.word()))
    }

    /// Ends the capture. The driver's code is 901 where a forbidden call has broken it.
    ///
    /// # Errors
    /// The driver's code.
    pub fn end_capture(&self) -> Result<Graph<'d>> {
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuStreamEndCapture(self.handle, &mut handle))?;
        Ok(Graph { driver: self.driver, handle })
    }
}

impl Driver {
    /// Sets this thread's own mode and gives the one before it.
    ///
    /// # Errors
    /// The driver's code.
    pub fn exchange_capture_mode(&self, mode: CaptureMode) -> Result<CaptureMode> {
        let (table, mut word) = (&self.table, mode.word());
        call!(table.cuThreadExchangeStreamCaptureMode(&mut word))?;
        Ok(CaptureMode::of(word))
    }
}

impl CaptureMode {
    fn word(self) -> CUstreamCaptureMode {
        match self {
            Self::Global => CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL,
            Self::ThreadLocal => CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
            Self::Relaxed => CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED,
        }
    }

    /// A mode that no header knows is taken for the strictest.
    fn of(word: CUstreamCaptureMode) -> Self {
        match word {
            CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL => Self::ThreadLocal,
            CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED => Self::Relaxed,
            _ => Self::Global,
        }
    }
}

impl Drop for Graph<'_> {
    fn drop(&mut self) {
        let table = &self.driver.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.cuGraphDestroy(self.handle));
    }
}
