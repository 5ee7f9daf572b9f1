//! What a device says of itself.

use std::ffi::CStr;

use nvidia_sys::cuda::{CUdevice, CUdevice_attribute, CUuuid};

use super::Driver;
use crate::error::Result;
use crate::library::call;

/// A device, by its ordinal among those that CUDA_VISIBLE_DEVICES leaves.
#[derive(Clone, Copy)]
pub struct Device<'d> {
    pub(super) driver: &'d Driver,
    pub(super) handle: CUdevice,
}

impl Driver {
    /// How many devices the process sees.
    ///
    /// # Errors
    /// The driver's code.
    pub fn device_count(&self) -> Result<u32> {
        let (table, mut count) = (&self.table, 0i32);
        call!(table.cuDeviceGetCount(&mut count))?;
        Ok(count.unsigned_abs())
    }

    /// The device with that ordinal.
    ///
    /// # Errors
    /// The driver's code: 101 for an ordinal that is not there.
    pub fn device(&self, ordinal: u32) -> Result<Device<'_>> {
        let (table, mut handle) = (&self.table, 0);
        call!(table.cuDeviceGet(&mut handle, ordinal.cast_signed()))?;
        Ok(Device { driver: self, handle })
    }
}

impl Device<'_> {
    /// The product's name.
    ///
    /// # Errors
    /// The driver's code.
    pub fn name(&self) -> Result<String> {
        let (table, mut name) = (&self.driver.table, [0u8; 256]);
        let length = 255;
        call!(table.cuDeviceGetName(name.as_mut_ptr().cast(), length, self.handle))?;
        let text = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }

    /// The UUID as NVML prints it: `GPU-` and five groups.
    ///
    /// # Errors
    /// The driver's code.
    pub fn uuid(&self) -> Result<String> {
        let (table, mut uuid) = (&self.driver.table, CUuuid { bytes: [0; 16] });
        call!(table.cuDeviceGetUuid(&mut uuid, self.handle))?;
        Ok(uuid_text(&uuid.bytes.map(|byte| byte.to_ne_bytes()[0])))
    }

    /// The memory that the driver says the device has, in bytes.
    ///
    /// # Errors
    /// The driver's code.
    pub fn total_memory(&self) -> Result<u64> {
        let (table, mut bytes) = (&self.driver.table, 0);
        call!(table.cuDeviceTotalMem_v2(&mut bytes, self.handle))?;
        Ok(bytes as u64)
    }

    /// An attribute, by the header's number.
    ///
    /// # Errors
    /// The driver's code.
    pub fn attribute(&self, attribute: CUdevice_attribute) -> Result<i32> {
        let (table, mut value) = (&self.driver.table, 0);
        call!(table.cuDeviceGetAttribute(&mut value, attribute, self.handle))?;
        Ok(value)
    }
}

/// Sixteen bytes as NVML prints them.
pub(crate) fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
    format!("GPU-{}", groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::uuid_text;

    #[test]
    fn a_uuid_is_printed_in_five_groups() {
        let bytes: [u8; 16] = std::array::from_fn(|index| index as u8);
        assert_eq!(uuid_text(&bytes), "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
