//! The CUDA driver API: devices, primary contexts, memory, streams, events, modules.

mod capture;
mod context;
mod device;
mod flags;
mod lookup;
mod memory;
mod module;
mod stream;
mod table;
mod tables;

use std::ffi::OsStr;

use crate::error::Result;
use crate::library::{Library, call};
use table::Table;

pub use capture::{CaptureMode, Executable, Graph};
pub use context::{Context, Primary};
pub use device::Device;
pub(crate) use device::uuid_text;
pub use flags::{Flags, Meeting};
pub use lookup::Found;
pub use memory::{Address, MemInfo, Pool};
pub use module::{Kernel, Module, Spin, Work};
pub use stream::{Event, Stream};
pub use tables::{SIZED, SizedTable, SizedUuid, UNSIZED};

/// The driver, opened and not necessarily initialised.
pub struct Driver {
    library: Library,
    table: Table,
}

impl Driver {
    /// Opens the library at a path, or by the soname `libcuda.so.1`.
    ///
    /// # Errors
    /// A library that cannot be loaded.
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        let library = Library::open(name)?;
        let table = Table::open(&library);
        Ok(Self { library, table })
    }

    /// The library itself, for looking up what this face does not have.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// cuInit. Everything but [`Driver::version`] and look-ups needs it.
    ///
    /// # Errors
    /// The driver's code, such as 100 where there is no GPU.
    pub fn init(&self) -> Result<()> {
        let table = &self.table;
        call!(table.cuInit(0))
    }

    /// The newest CUDA version that the driver speaks, as 1000 × major + 10 × minor.
    ///
    /// # Errors
    /// The driver's code.
    pub fn version(&self) -> Result<u32> {
        let (table, mut version) = (&self.table, 0i32);
        call!(table.cuDriverGetVersion(&mut version))?;
        Ok(version.unsigned_abs())
    }

    /// Waits for everything that the current context was given to do.
    ///
    /// # Errors
    /// The driver's code: also that of earlier work that failed.
    pub fn synchronize(&self) -> Result<()> {
        let table = &self.table;
        call!(table.cuCtxSynchronize())
    }
}
