//! NVIDIA's CUDA runtime (libcudart 12 and 13), loaded as a program's dependency would be: the most
//! common way to reach the driver. Codes are the runtime's own.

mod fatbin;
mod launch;
mod table;

use std::ffi::{CStr, OsStr, c_void};

use crate::cuda::{Address, MemInfo};
use crate::error::Result;
use crate::library::{Library, call};
use table::Table;

pub use launch::Kernel;

/// The runtime. Every call initialises what it needs, as the runtime does.
pub struct Runtime {
    table: Table,
}

/// What cudaGetDeviceProperties says, as far as this face reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// The product's name.
    pub name: String,
    /// The UUID as NVML prints it.
    pub uuid: String,
    /// The device's memory in bytes.
    pub total_memory: u64,
}

impl Runtime {
    /// Opens the library at a path, or by a soname such as `libcudart.so.12`.
    ///
    /// # Errors
    /// A library that cannot be loaded.
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        let library = Library::open(name)?;
        Ok(Self { table: Table::open(&library) })
    }

    /// The runtime's own version, as 1000 × major + 10 × minor.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn version(&self) -> Result<u32> {
        let (table, mut version) = (&self.table, 0i32);
        call!(table.cudaRuntimeGetVersion(&mut version))?;
        Ok(version.unsigned_abs())
    }

    /// The driver's version as the runtime sees it; 0 where there is no driver.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn driver_version(&self) -> Result<u32> {
        let (table, mut version) = (&self.table, 0i32);
        call!(table.cudaDriverGetVersion(&mut version))?;
        Ok(version.unsigned_abs())
    }

    /// How many devices the process sees.
    ///
    /// # Errors
    /// The runtime's code: 100 for no device, 35 for a driver that is absent or too old.
    pub fn device_count(&self) -> Result<u32> {
        let (table, mut count) = (&self.table, 0i32);
        call!(table.cudaGetDeviceCount(&mut count))?;
        Ok(count.unsigned_abs())
    }

    /// What the device says of itself.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn properties(&self, ordinal: u32) -> Result<Properties> {
        let (table, mut raw) = (&self.table, table::Properties::new());
        let ordinal = ordinal.cast_signed();
        // 12 exports two layouts, and the newer one under its own name; 13 has only that one.
        match table.has_properties_v2() {
            true => call!(table.cudaGetDeviceProperties_v2(&mut raw, ordinal))?,
            false => call!(table.cudaGetDeviceProperties(&mut raw, ordinal))?,
        }
        Ok(Properties {
            name: text(&raw.name),
            uuid: crate::cuda::uuid_text(&raw.uuid),
            total_memory: raw.total_memory,
        })
    }

    /// Chooses this thread's device.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn set_device(&self, ordinal: u32) -> Result<()> {
        let table = &self.table;
        call!(table.cudaSetDevice(ordinal.cast_signed()))
    }

    /// Destroys the device's primary context and all that is in it.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn reset(&self) -> Result<()> {
        let table = &self.table;
        call!(table.cudaDeviceReset())
    }

    /// Waits for everything that the device was given to do.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn synchronize(&self) -> Result<()> {
        let table = &self.table;
        call!(table.cudaDeviceSynchronize())
    }

    /// Free and total memory of this thread's device.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn mem_info(&self) -> Result<MemInfo> {
        let (table, mut free, mut total) = (&self.table, 0, 0);
        call!(table.cudaMemGetInfo(&mut free, &mut total))?;
        Ok(MemInfo { free: free as u64, total: total as u64 })
    }

    /// cudaMalloc.
    ///
    /// # Errors
    /// The runtime's code: 2 where there is no room.
    pub fn alloc(&self, bytes: u64) -> Result<Address> {
        let (table, mut memory) = (&self.table, std::ptr::null_mut());
        call!(table.cudaMalloc(&mut memory, bytes as usize))?;
        Ok(address(memory))
    }

    /// cudaMallocPitch; the pointer and the pitch in bytes.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn alloc_pitch(&self, width: u64, height: u64) -> Result<(Address, u64)> {
        let (table, mut memory, mut pitch) = (&self.table, std::ptr::null_mut(), 0);
        let (width, height) = (width as usize, height as usize);
        call!(table.cudaMallocPitch(&mut memory, &mut pitch, width, height))?;
        Ok((address(memory), pitch as u64))
    }

    /// cudaMallocManaged, visible to all streams.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn alloc_managed(&self, bytes: u64) -> Result<Address> {
        const GLOBAL: u32 = 1;
        let (table, mut memory) = (&self.table, std::ptr::null_mut());
        call!(table.cudaMallocManaged(&mut memory, bytes as usize, GLOBAL))?;
        Ok(address(memory))
    }

    /// cudaFree.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn free(&self, address: Address) -> Result<()> {
        let table = &self.table;
        call!(table.cudaFree(pointer(address)))
    }

    /// Copies to the device and waits.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        const HOST_TO_DEVICE: u32 = 1;
        let table = &self.table;
        call!(table.cudaMemcpy(pointer(to), bytes.as_ptr().cast(), bytes.len(), HOST_TO_DEVICE))
    }

    /// Copies from the device and waits.
    ///
    /// # Errors
    /// The runtime's code.
    pub fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        const DEVICE_TO_HOST: u32 = 2;
        let table = &self.table;
        call!(table.cudaMemcpy(
            bytes.as_mut_ptr().cast(),
            pointer(from),
            bytes.len(),
            DEVICE_TO_HOST
        ))
    }

    /// The error that the last failed call left behind, and forgets it; 0 for none.
    #[must_use]
    pub fn last_error(&self) -> u32 {
        let table = &self.table;
        call!(table.cudaGetLastError()).err().and_then(|error| error.code()).unwrap_or(0)
    }
}

/// Device memory has no place among this process's objects: its address is a number to us.
fn address(pointer: *mut c_void) -> Address {
    Address(pointer.expose_provenance() as u64)
}

fn pointer(address: Address) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address.0 as usize)
}

/// A name in a buffer of fixed length.
fn text(bytes: &[u8]) -> String {
    let name = CStr::from_bytes_until_nul(bytes).unwrap_or_default();
    name.to_string_lossy().into_owned()
}
