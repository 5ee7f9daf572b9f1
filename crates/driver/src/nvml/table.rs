//! The functions of NVML that this face calls, by exported name.

use nvidia_sys::nvml::fns;

use crate::library::{Library, functions};

functions! {
    pub(super) struct Table from fns {
        nvmlDeviceGetComputeInstanceId,
        nvmlDeviceGetComputeRunningProcesses_v3,
        nvmlDeviceGetCount_v2,
        nvmlDeviceGetGpuInstanceId,
        nvmlDeviceGetGridLicensableFeatures_v4,
        nvmlDeviceGetHandleByIndex_v2,
        nvmlDeviceGetMemoryInfo,
        nvmlDeviceGetMemoryInfo_v2,
        nvmlDeviceGetMigDeviceHandleByIndex,
        nvmlDeviceGetName,
        nvmlDeviceGetUUID,
        nvmlDeviceGetVirtualizationMode,
        nvmlInit_v2,
        nvmlShutdown,
        nvmlSystemGetDriverVersion,
    }
}

impl Table {
    pub(super) fn open(library: &Library) -> Self {
        Self::look_up(library)
    }
}
