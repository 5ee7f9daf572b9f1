//! Device memory. An address is a number: a wrong one is the driver's to refuse.

use nvidia_sys::cuda::{CUdeviceptr, CUmemPool_attribute, CUmemoryPool};

use super::{Device, Driver, Stream};
use crate::error::Result;
use crate::library::call;

/// Where an allocation begins on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub CUdeviceptr);

/// What cuMemGetInfo says, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemInfo {
    /// Free for this process.
    pub free: u64,
    /// All there is for this process.
    pub total: u64,
}

/// A stream-ordered memory pool that belongs to the device.
#[derive(Clone, Copy)]
pub struct Pool<'d> {
    driver: &'d Driver,
    handle: CUmemoryPool,
}

impl Driver {
    /// Free and total memory of the current context's device.
    ///
    /// # Errors
    /// The driver's code.
    pub fn mem_info(&self) -> Result<MemInfo> {
        let (table, mut free, mut total) = (&self.table, 0, 0);
        call!(table.cuMemGetInfo_v2(&mut free, &mut total))?;
        Ok(MemInfo { free: free as u64, total: total as u64 })
    }

    /// cuMemAlloc_v2, of so many bytes.
    ///
    /// # Errors
    /// The driver's code: 2 where there is no room.
    pub fn alloc(&self, bytes: u64) -> Result<Address> {
        let (table, mut address) = (&self.table, 0);
        call!(table.cuMemAlloc_v2(&mut address, bytes as usize))?;
        Ok(Address(address))
    }

    /// cuMemAllocPitch_v2 for elements of 4 bytes; the address and the pitch in bytes.
    ///
    /// # Errors
    /// The driver's code.
    pub fn alloc_pitch(&self, width: u64, height: u64) -> Result<(Address, u64)> {
        let (table, mut address, mut pitch) = (&self.table, 0, 0);
        let (width, height) = (width as usize, height as usize);
        call!(table.cuMemAllocPitch_v2(&mut address, &mut pitch, width, height, 4))?;
        Ok((Address(address), pitch as u64))
    }

    /// cuMemAllocManaged, visible to all streams.
    ///
    /// # Errors
    /// The driver's code.
    pub fn alloc_managed(&self, bytes: u64) -> Result<Address> {
        const GLOBAL: u32 = 1;
        let (table, mut address) = (&self.table, 0);
        call!(table.cuMemAllocManaged(&mut address, bytes as usize, GLOBAL))?;
        Ok(Address(address))
    }

    /// cuMemFree_v2.
    ///
    /// # Errors
    /// The driver's code: 1 for an address that it did not give out.
    pub fn free(&self, address: Address) -> Result<()> {
        let table = &self.table;
        call!(table.cuMemFree_v2(address.0))
    }

    /// Sets bytes on the device.
    ///
    /// # Errors
    /// The driver's code.
    pub fn set(&self, address: Address, value: u8, bytes: u64) -> Result<()> {
        let table = &self.table;
        call!(table.cuMemsetD8_v2(address.0, value, bytes as usize))
    }

    /// Copies to the device and waits.
    ///
    /// # Errors
    /// The driver's code.
    pub fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        let table = &self.table;
        call!(table.cuMemcpyHtoD_v2(to.0, bytes.as_ptr().cast(), bytes.len()))
    }

    /// Copies from the device and waits.
    ///
    /// # Errors
    /// The driver's code.
    pub fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let table = &self.table;
        call!(table.cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), from.0, bytes.len()))
    }
}

impl<'d> Device<'d> {
    /// The pool that stream-ordered allocations come from by default.
    ///
    /// # Errors
    /// The driver's code.
    pub fn default_pool(&self) -> Result<Pool<'d>> {
        let (table, mut handle) = (&self.driver.table, std::ptr::null_mut());
        call!(table.cuDeviceGetDefaultMemPool(&mut handle, self.handle))?;
        Ok(Pool { driver: self.driver, handle })
    }
}

impl Pool<'_> {
    /// The bytes that the pool holds of the device's memory, used or not.
    ///
    /// # Errors
    /// The driver's code.
    pub fn reserved(&self) -> Result<u64> {
        let (table, mut bytes) = (&self.driver.table, 0u64);
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT;
        call!(table.cuMemPoolGetAttribute(self.handle, attribute, (&raw mut bytes).cast()))?;
        Ok(bytes)
    }

    /// Gives unused memory back until no more than so many bytes are held.
    ///
    /// # Errors
    /// The driver's code.
    pub fn trim(&self, keep: u64) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuMemPoolTrimTo(self.handle, keep as usize))
    }
}

impl Stream<'_> {
    /// Allocates in the stream's order from the default pool.
    ///
    /// # Errors
    /// The driver's code.
    pub fn alloc(&self, bytes: u64) -> Result<Address> {
        let (table, mut address) = (&self.driver.table, 0);
        call!(table.cuMemAllocAsync(&mut address, bytes as usize, self.handle))?;
        Ok(Address(address))
    }

    /// Frees in the stream's order.
    ///
    /// # Errors
    /// The driver's code.
    pub fn free(&self, address: Address) -> Result<()> {
        let table = &self.driver.table;
        call!(table.cuMemFreeAsync(address.0, self.handle))
    }
}
