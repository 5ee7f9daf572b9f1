//! NVML: devices, their memory, and the processes on them. Codes are NVML's own.

mod table;

use std::ffi::{CStr, OsStr, c_char};

use nvidia_sys::nvml::{self as sys, nvmlDevice_t};

use crate::error::{Error, Result};
use crate::library::{Library, call};
use table::Table;

/// NVML, initialised; shut down when dropped.
pub struct Nvml {
    table: Table,
}

/// A device.
pub struct Device<'n> {
    nvml: &'n Nvml,
    handle: nvmlDevice_t,
}

/// A device's memory in bytes, as nvmlDeviceGetMemoryInfo_v2 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the card has.
    pub total: u64,
    /// What the driver keeps for itself; 0 where only the first version of the call exists.
    pub reserved: u64,
    /// What is free.
    pub free: u64,
    /// What is used.
    pub used: u64,
}

/// A process with a context on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The pid, in a namespace that is the driver's to choose.
    pub pid: u32,
    /// The bytes it holds, where the driver can tell.
    pub used: Option<u64>,
}

/// What a virtual GPU may do, by nvmlDeviceGetGridLicensableFeatures_v4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// The product that wants a licence, such as `NVIDIA Virtual Compute Server`; may be empty.
    pub product: String,
    /// Whether one is held at this moment.
    pub is_held: bool,
}

impl Nvml {
    /// Opens the library at a path, or by the soname `libnvidia-ml.so.1`, and initialises it.
    ///
    /// # Errors
    /// A library that cannot be loaded, or NVML's code.
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        let library = Library::open(name)?;
        let nvml = Self { table: Table::open(&library) };
        let table = &nvml.table;
        call!(table.nvmlInit_v2())?;
        Ok(nvml)
    }

    /// The driver's version, such as `535.261.03`.
    ///
    /// # Errors
    /// NVML's code.
    pub fn driver_version(&self) -> Result<String> {
        let table = &self.table;
        text(|buffer, length| call!(table.nvmlSystemGetDriverVersion(buffer, length)))
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// NVML's code.
    pub fn device_count(&self) -> Result<u32> {
        let (table, mut count) = (&self.table, 0);
        call!(table.nvmlDeviceGetCount_v2(&mut count))?;
        Ok(count)
    }

    /// The device with that index.
    ///
    /// # Errors
    /// NVML's code.
    pub fn device(&self, index: u32) -> Result<Device<'_>> {
        let (table, mut handle) = (&self.table, std::ptr::null_mut());
        call!(table.nvmlDeviceGetHandleByIndex_v2(index, &mut handle))?;
        Ok(Device { nvml: self, handle })
    }
}

impl Device<'_> {
    /// The product's name.
    ///
    /// # Errors
    /// NVML's code.
    pub fn name(&self) -> Result<String> {
        let table = &self.nvml.table;
        text(|buffer, length| call!(table.nvmlDeviceGetName(self.handle, buffer, length)))
    }

    /// The UUID.
    ///
    /// # Errors
    /// NVML's code.
    pub fn uuid(&self) -> Result<String> {
        let table = &self.nvml.table;
        text(|buffer, length| call!(table.nvmlDeviceGetUUID(self.handle, buffer, length)))
    }

    /// The memory, by the second version of the call where there is one.
    ///
    /// # Errors
    /// NVML's code.
    pub fn memory(&self) -> Result<Memory> {
        let table = &self.nvml.table;
        let mut memory = sys::nvmlMemory_v2_t {
            version: sys::nvmlMemory_v2,
            total: 0,
            reserved: 0,
            free: 0,
            used: 0,
        };
        match call!(table.nvmlDeviceGetMemoryInfo_v2(self.handle, &mut memory)) {
            Err(Error::Missing { .. }) => self.memory_v1(),
            answer => answer.map(|()| Memory {
                total: memory.total,
                reserved: memory.reserved,
                free: memory.free,
                used: memory.used,
            }),
        }
    }

    /// The memory by the first version of the call.
    ///
    /// # Errors
    /// NVML's code.
    pub fn memory_v1(&self) -> Result<Memory> {
        let table = &self.nvml.table;
        let mut memory = sys::nvmlMemory_t { total: 0, free: 0, used: 0 };
        call!(table.nvmlDeviceGetMemoryInfo(self.handle, &mut memory))?;
        let sys::nvmlMemory_t { total, free, used } = memory;
        Ok(Memory { total, reserved: 0, free, used })
    }

    /// The MIG device at that place of it; NVML counts up to the most that there could be, and says
    /// "not found" (6) of a free place.
    ///
    /// # Errors
    /// NVML's code.
    pub fn slice(&self, index: u32) -> Result<Self> {
        let (table, mut handle) = (&self.nvml.table, std::ptr::null_mut());
        call!(table.nvmlDeviceGetMigDeviceHandleByIndex(self.handle, index, &mut handle))?;
        Ok(Self { nvml: self.nvml, handle })
    }

    /// The ids of a MIG device's GPU instance and of its compute instance in that.
    ///
    /// # Errors
    /// NVML's code; "not supported" (3) of a whole GPU.
    pub fn instances(&self) -> Result<(u32, u32)> {
        let (table, mut gpu, mut compute) = (&self.nvml.table, 0, 0);
        call!(table.nvmlDeviceGetGpuInstanceId(self.handle, &mut gpu))?;
        call!(table.nvmlDeviceGetComputeInstanceId(self.handle, &mut compute))?;
        Ok((gpu, compute))
    }

    /// The licence of a virtual GPU, as a guest has one; `None` of every other GPU.
    ///
    /// # Errors
    /// NVML's code.
    pub fn licence(&self) -> Result<Option<Licence>> {
        const NONE: sys::nvmlGridLicensableFeature_t = sys::nvmlGridLicensableFeature_t {
            featureCode: sys::nvmlGridLicenseFeatureCode_t(0),
            featureState: 0,
            licenseInfo: [0; 128],
            productName: [0; 128],
            featureEnabled: 0,
            licenseExpiry: sys::nvmlGridLicenseExpiry_t {
                year: 0,
                month: 0,
                day: 0,
                hour: 0,
                min: 0,
                sec: 0,
                status: 0,
            },
        };
        let (table, mut mode) = (&self.nvml.table, sys::nvmlGpuVirtualizationMode_t(0));
        call!(table.nvmlDeviceGetVirtualizationMode(self.handle, &mut mode))?;
        if mode != sys::nvmlGpuVirtualizationMode_t::NVML_GPU_VIRTUALIZATION_MODE_VGPU {
            return Ok(None);
        }
        let mut all = sys::nvmlGridLicensableFeatures_t {
            isGridLicenseSupported: 0,
            licensableFeaturesCount: 0,
            gridLicensableFeatures: [NONE; 3],
        };
        call!(table.nvmlDeviceGetGridLicensableFeatures_v4(self.handle, &mut all))?;
        let count = all.licensableFeaturesCount as usize;
        let features = || all.gridLicensableFeatures.iter().take(count);
        let shown = features().find(|one| one.featureEnabled != 0).or_else(|| features().next());
        let bytes = shown.map(|one| one.productName.iter().map(|&byte| byte as u8));
        let product: Vec<u8> = bytes.into_iter().flatten().take_while(|byte| *byte != 0).collect();
        Ok(Some(Licence {
            product: String::from_utf8_lossy(&product).into_owned(),
            is_held: features().any(|one| one.featureState != 0),
        }))
    }

    /// The processes that compute on it, at most 256 of them.
    ///
    /// # Errors
    /// NVML's code.
    pub fn processes(&self) -> Result<Vec<Process>> {
        const NONE: sys::nvmlProcessInfo_t = sys::nvmlProcessInfo_t {
            pid: 0,
            usedGpuMemory: 0,
            gpuInstanceId: 0,
            computeInstanceId: 0,
        };
        let (table, mut found) = (&self.nvml.table, [NONE; 256]);
        let mut count = found.len() as u32;
        let entries = found.as_mut_ptr();
        call!(table.nvmlDeviceGetComputeRunningProcesses_v3(self.handle, &mut count, entries))?;
        let known = |bytes: u64| (bytes != u64::MAX).then_some(bytes);
        let processes = found.iter().take(count as usize);
        Ok(processes.map(|one| Process { pid: one.pid, used: known(one.usedGpuMemory) }).collect())
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        let table = &self.table;
        // Nothing is left to do for a caller if this fails.
        let _ = call!(table.nvmlShutdown());
    }
}

/// Text that NVML writes into a buffer of ours.
fn text(write: impl FnOnce(*mut c_char, u32) -> Result<()>) -> Result<String> {
    let mut buffer = [0u8; 256];
    write(buffer.as_mut_ptr().cast(), 255)?;
    let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    Ok(text.to_string_lossy().into_owned())
}
