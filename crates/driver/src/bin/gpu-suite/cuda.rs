//! The driver's functions that the bodies call, by exported name, and the few calls that most begin
//! with. Codes stay numbers. It knows of nothing between it and the driver.

use std::ffi::c_int;

use anyhow::{Context, Result, ensure};
use driver::Library;
use nvidia_sys::cuda::{
    CUmemAccess_flags, CUmemAccessDesc, CUmemAllocationProp, CUmemAllocationType, CUmemLocation,
    CUmemLocationType, CUmemPoolProps, CUuuid, fns,
};

/// A MiB in bytes.
pub(crate) const MIB: u64 = 1 << 20;
/// CUDA_ERROR_OUT_OF_MEMORY.
pub(crate) const OUT_OF_MEMORY: u32 = 2;

macro_rules! functions {
    ($($name:ident),+ $(,)?) => {
        /// The functions, looked up once.
        #[allow(non_snake_case)]
        pub(crate) struct Cuda {
            $(pub(crate) $name: fns::$name,)+
        }

        impl Cuda {
            fn look_up(library: &Library) -> Result<Self> {
                Ok(Self {
                    $($name: {
                        let address = library.address(stringify!($name));
                        let address = address.with_context(|| {
                            format!("the driver has no {}", stringify!($name))
                        })?;
                        // SAFETY: the type is the header's for the function of this name.
                        unsafe { std::mem::transmute::<*mut std::ffi::c_void, fns::$name>(address) }
                    },)+
                })
            }
        }
    };
}

functions! {
    cuArray3DCreate_v2,
    cuArrayDestroy,
    cuCtxSetCurrent,
    cuCtxSynchronize,
    cuDeviceGetDefaultMemPool,
    cuDeviceGetUuid,
    cuDeviceGraphMemTrim,
    cuDevicePrimaryCtxRetain,
    cuDeviceTotalMem_v2,
    cuGraphAddMemAllocNode,
    cuGraphAddMemFreeNode,
    cuGraphCreate,
    cuGraphDestroy,
    cuGraphExecDestroy,
    cuGraphInstantiateWithFlags,
    cuGraphLaunch,
    cuInit,
    cuIpcCloseMemHandle,
    cuIpcGetMemHandle,
    cuIpcOpenMemHandle_v2,
    cuMemAddressFree,
    cuMemAddressReserve,
    cuMemAllocAsync,
    cuMemAllocFromPoolAsync,
    cuMemAllocManaged,
    cuMemAllocPitch_v2,
    cuMemAlloc_v2,
    cuMemCreate,
    cuMemFreeAsync,
    cuMemFree_v2,
    cuMemGetInfo_v2,
    cuMemMap,
    cuMemPoolCreate,
    cuMemPoolDestroy,
    cuMemPoolTrimTo,
    cuMemRelease,
    cuMemSetAccess,
    cuMemUnmap,
    cuMemcpyDtoH_v2,
    cuMemsetD8_v2,
    cuMipmappedArrayCreate,
    cuMipmappedArrayDestroy,
}

/// A call of the driver: its code.
macro_rules! code {
    ($cuda:ident.$name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the signature is the header's; pointers lead to values that live throughout the
        // call, and handles came from the same driver and were not given back.
        unsafe { ($cuda.$name)($($argument),*) }.0
    };
}

/// A call of the driver that is to succeed.
macro_rules! done {
    ($cuda:ident.$name:ident($($argument:expr),* $(,)?)) => {
        match $crate::cuda::code!($cuda.$name($($argument),*)) {
            0 => Ok(()),
            code => Err(anyhow::anyhow!("{} answered {code}", stringify!($name))),
        }
    };
}

pub(crate) use {code, done};

impl Cuda {
    /// The driver as the program finds it, with the first device's context current.
    pub(crate) fn start() -> Result<Self> {
        let cuda = Self::look_up(&Library::open("libcuda.so.1")?)?;
        done!(cuda.cuInit(0))?;
        let mut context = std::ptr::null_mut();
        done!(cuda.cuDevicePrimaryCtxRetain(&mut context, 0))?;
        done!(cuda.cuCtxSetCurrent(context))?;
        Ok(cuda)
    }

    /// What cuMemGetInfo calls free, and all there is, in bytes.
    pub(crate) fn info(&self) -> Result<(u64, u64)> {
        let (mut free, mut total) = (0, 0);
        done!(self.cuMemGetInfo_v2(&mut free, &mut total))?;
        Ok((free as u64, total as u64))
    }

    /// What is used by cuMemGetInfo, in bytes.
    pub(crate) fn used(&self) -> Result<u64> {
        let (free, total) = self.info()?;
        ensure!(free <= total, "{free} bytes are free of {total}");
        Ok(total - free)
    }

    /// cuMemAlloc of so many bytes.
    pub(crate) fn alloc(&self, bytes: u64) -> Result<u64, u32> {
        let mut address = 0;
        match code!(self.cuMemAlloc_v2(&mut address, bytes as usize)) {
            0 => Ok(address),
            code => Err(code),
        }
    }

    /// cuMemFree.
    pub(crate) fn free(&self, address: u64) -> Result<()> {
        done!(self.cuMemFree_v2(address))
    }

    /// Waits for all work.
    pub(crate) fn wait(&self) -> Result<()> {
        done!(self.cuCtxSynchronize())
    }

    /// The UUID of the first device, as NVML writes it.
    pub(crate) fn uuid(&self) -> Result<String> {
        let mut uuid = CUuuid { bytes: [0; 16] };
        done!(self.cuDeviceGetUuid(&mut uuid, 0))?;
        let hex = uuid.bytes.map(|byte| format!("{:02x}", byte as u8)).concat();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Ok(format!("GPU-{}", parts.join("-")))
    }
}

/// On the first device.
fn here() -> CUmemLocation {
    // SAFETY: a C struct of numbers, for which all zeros are a value.
    let mut location: CUmemLocation = unsafe { std::mem::zeroed() };
    location.type_ = CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE;
    location.__bindgen_anon_1.id = 0 as c_int;
    location
}

/// Plain memory of the first device, for cuMemCreate.
pub(crate) fn memory() -> CUmemAllocationProp {
    // SAFETY: a C struct of numbers and a pointer that may be null.
    let mut properties: CUmemAllocationProp = unsafe { std::mem::zeroed() };
    properties.type_ = CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = here();
    properties
}

/// A pool of the first device.
pub(crate) fn pool() -> CUmemPoolProps {
    // SAFETY: as above.
    let mut properties: CUmemPoolProps = unsafe { std::mem::zeroed() };
    properties.allocType = CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = here();
    properties
}

/// The first device reads and writes.
pub(crate) fn access() -> CUmemAccessDesc {
    CUmemAccessDesc {
        location: here(),
        flags: CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
    }
}
