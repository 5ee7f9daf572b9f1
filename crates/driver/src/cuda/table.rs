//! The functions of the driver that this face calls, by exported name.

use nvidia_sys::cuda::fns;

use crate::library::{Library, functions};

functions! {
    pub(super) struct Table from fns {
        cuCtxCreate_v2,
        cuCtxDestroy_v2,
        cuCtxSetCurrent,
        cuCtxSynchronize,
        cuDeviceGet,
        cuDeviceGetAttribute,
        cuDeviceGetCount,
        cuDeviceGetDefaultMemPool,
        cuDeviceGetName,
        cuDeviceGetUuid,
        cuDevicePrimaryCtxGetState,
        cuDevicePrimaryCtxRelease_v2,
        cuDevicePrimaryCtxReset_v2,
        cuDevicePrimaryCtxRetain,
        cuDeviceTotalMem_v2,
        cuDriverGetVersion,
        cuEventCreate,
        cuEventDestroy_v2,
        cuEventElapsedTime,
        cuEventQuery,
        cuEventRecord,
        cuEventSynchronize,
        cuGetExportTable,
        cuGetProcAddress,
        cuGetProcAddress_v2,
        cuGraphDestroy,
        cuGraphExecDestroy,
        cuGraphInstantiateWithFlags,
        cuGraphLaunch,
        cuInit,
        cuLaunchKernel,
        cuMemAllocAsync,
        cuMemAllocManaged,
        cuMemAllocPitch_v2,
        cuMemAlloc_v2,
        cuMemFreeAsync,
        cuMemFree_v2,
        cuMemGetInfo_v2,
        cuMemHostAlloc,
        cuMemPoolGetAttribute,
        cuMemPoolTrimTo,
        cuMemcpyDtoH_v2,
        cuMemcpyHtoD_v2,
        cuMemsetD8_v2,
        cuModuleGetFunction,
        cuModuleLoadData,
        cuModuleUnload,
        cuStreamBeginCapture_v2,
        cuStreamCreate,
        cuStreamDestroy_v2,
        cuStreamEndCapture,
        cuStreamQuery,
        cuStreamSynchronize,
        cuThreadExchangeStreamCaptureMode,
    }
}

impl Table {
    pub(super) fn open(library: &Library) -> Self {
        Self::look_up(library)
    }
}
