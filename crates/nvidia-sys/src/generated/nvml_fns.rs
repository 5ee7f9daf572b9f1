pub type nvmlComputeInstanceDestroy = unsafe extern "C-unwind" fn(
    computeInstance: nvmlComputeInstance_t,
) -> nvmlReturn_t;
pub type nvmlComputeInstanceGetInfo = unsafe extern "C-unwind" fn(
    computeInstance: nvmlComputeInstance_t,
    info: *mut nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t;
pub type nvmlComputeInstanceGetInfo_v2 = unsafe extern "C-unwind" fn(
    computeInstance: nvmlComputeInstance_t,
    info: *mut nvmlComputeInstanceInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceClearAccountingPids = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceClearCpuAffinity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceClearEccErrorCounts = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    counterType: nvmlEccCounterType_t,
) -> nvmlReturn_t;
pub type nvmlDeviceClearFieldValues = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    valuesCount: core::ffi::c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t;
pub type nvmlDeviceCreateGpuInstance = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    gpuInstance: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlDeviceCreateGpuInstanceWithPlacement = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    placement: *const nvmlGpuInstancePlacement_t,
    gpuInstance: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlDeviceDiscoverGpus = unsafe extern "C-unwind" fn(
    pciInfo: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceFreezeNvLinkUtilizationCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: core::ffi::c_uint,
    freeze: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAPIRestriction = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    apiType: nvmlRestrictedAPI_t,
    isRestricted: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAccountingBufferSize = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    bufferSize: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAccountingMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAccountingPids = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    count: *mut core::ffi::c_uint,
    pids: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAccountingStats = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pid: core::ffi::c_uint,
    stats: *mut nvmlAccountingStats_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAccountingStats_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    stats: *mut nvmlAccountingStats_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetActiveVgpus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuCount: *mut core::ffi::c_uint,
    vgpuInstances: *mut nvmlVgpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAdaptiveClockInfoStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    adaptiveClockStatus: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAdaptiveTgpModeInfo_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlAdaptiveTgpModeInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAddressingMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: *mut nvmlDeviceAddressingMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetApplicationsClock = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clockType: nvmlClockType_t,
    clockMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetArchitecture = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    arch: *mut nvmlDeviceArchitecture_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAttributes = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    attributes: *mut nvmlDeviceAttributes_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAttributes_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    attributes: *mut nvmlDeviceAttributes_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetAutoBoostedClocksEnabled = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    isEnabled: *mut nvmlEnableState_t,
    defaultIsEnabled: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBAR1MemoryInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    bar1Memory: *mut nvmlBAR1Memory_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBBXTimeData_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    timeData: *mut nvmlBBXTimeData_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBankRemapperStatus_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pBankRemapperStatus: *mut nvmlEccBankRemapperStatus_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBoardId = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    boardId: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBoardPartNumber = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    partNumber: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBrand = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: *mut nvmlBrandType_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBridgeChipInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    bridgeHierarchy: *mut nvmlBridgeChipHierarchy_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetBusType = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: *mut nvmlBusType_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetC2cModeInfoV = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    c2cModeInfo: *mut nvmlC2cModeInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCapabilities = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    caps: *mut nvmlDeviceCapabilities_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetClkMonStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    status: *mut nvmlClkMonStatus_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetClock = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clockType: nvmlClockType_t,
    clockId: nvmlClockId_t,
    clockMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetClockInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: nvmlClockType_t,
    clock: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetClockOffsets = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlClockOffset_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetComputeInstanceId = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    id: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetComputeMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: *mut nvmlComputeMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetComputeRunningProcesses = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetComputeRunningProcesses_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetComputeRunningProcesses_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetConfComputeGpuAttestationReport = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuAtstReport: *mut nvmlConfComputeGpuAttestationReport_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetConfComputeGpuCertificate = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuCert: *mut nvmlConfComputeGpuCertificate_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetConfComputeMemSizeInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memInfo: *mut nvmlConfComputeMemSizeInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetConfComputeProtectedMemoryUsage = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCoolerInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    coolerInfo: *mut nvmlCoolerInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCount = unsafe extern "C-unwind" fn(
    deviceCount: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCount_v2 = unsafe extern "C-unwind" fn(
    deviceCount: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCpuAffinity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    cpuSetSize: core::ffi::c_uint,
    cpuSet: *mut core::ffi::c_ulong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCpuAffinityWithinScope = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    cpuSetSize: core::ffi::c_uint,
    cpuSet: *mut core::ffi::c_ulong,
    scope: nvmlAffinityScope_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCreatableVgpus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuCount: *mut core::ffi::c_uint,
    vgpuTypeIds: *mut nvmlVgpuTypeId_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCudaComputeCapability = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    major: *mut core::ffi::c_int,
    minor: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCurrPcieLinkGeneration = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    currLinkGen: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCurrPcieLinkWidth = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    currLinkWidth: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCurrentClockFreqs = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    currentClockFreqs: *mut nvmlDeviceCurrentClockFreqs_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCurrentClocksEventReasons = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clocksEventReasons: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetCurrentClocksThrottleReasons = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clocksThrottleReasons: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDecoderUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut core::ffi::c_uint,
    samplingPeriodUs: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDefaultApplicationsClock = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clockType: nvmlClockType_t,
    clockMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDefaultEccMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    defaultMode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDetailedEccErrors = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    errorType: nvmlMemoryErrorType_t,
    counterType: nvmlEccCounterType_t,
    eccCounts: *mut nvmlEccErrorCounts_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDeviceHandleFromMigDeviceHandle = unsafe extern "C-unwind" fn(
    migDevice: nvmlDevice_t,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDisplayActive = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    isActive: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDisplayMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    display: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDramEncryptionMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    current: *mut nvmlDramEncryptionInfo_t,
    pending: *mut nvmlDramEncryptionInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDriverModel = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    current: *mut nvmlDriverModel_t,
    pending: *mut nvmlDriverModel_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDriverModel_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    current: *mut nvmlDriverModel_t,
    pending: *mut nvmlDriverModel_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetDynamicPstatesInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pDynamicPstatesInfo: *mut nvmlGpuDynamicPstatesInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEccMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    current: *mut nvmlEnableState_t,
    pending: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEncoderCapacity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    encoderQueryType: nvmlEncoderType_t,
    encoderCapacity: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEncoderSessions = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sessionCount: *mut core::ffi::c_uint,
    sessionInfos: *mut nvmlEncoderSessionInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEncoderStats = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sessionCount: *mut core::ffi::c_uint,
    averageFps: *mut core::ffi::c_uint,
    averageLatency: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEncoderUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut core::ffi::c_uint,
    samplingPeriodUs: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetEnforcedPowerLimit = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    limit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFBCSessions = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sessionCount: *mut core::ffi::c_uint,
    sessionInfo: *mut nvmlFBCSessionInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFBCStats = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fbcStats: *mut nvmlFBCStats_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFanControlPolicy_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
    policy: *mut nvmlFanControlPolicy_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFanSpeed = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    speed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFanSpeedRPM = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fanSpeed: *mut nvmlFanSpeedInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFanSpeed_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
    speed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetFieldValues = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    valuesCount: core::ffi::c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpcClkMinMaxVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minOffset: *mut core::ffi::c_int,
    maxOffset: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpcClkVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    offset: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuFabricInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuFabricInfo: *mut nvmlGpuFabricInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuFabricInfoV = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuFabricInfo: *mut nvmlGpuFabricInfoV_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuFabricInfo_v4 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuFabricInfo: *mut nvmlGpuFabricInfo_v4_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceById = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    id: core::ffi::c_uint,
    gpuInstance: *mut nvmlGpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceId = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    id: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstancePossiblePlacements = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    placements: *mut nvmlGpuInstancePlacement_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstancePossiblePlacements_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    placements: *mut nvmlGpuInstancePlacement_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceProfileInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profile: core::ffi::c_uint,
    info: *mut nvmlGpuInstanceProfileInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceProfileInfoByIdV = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    info: *mut nvmlGpuInstanceProfileInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceProfileInfoV = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profile: core::ffi::c_uint,
    info: *mut nvmlGpuInstanceProfileInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstanceRemainingCapacity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuInstances = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profileId: core::ffi::c_uint,
    gpuInstances: *mut nvmlGpuInstance_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuMaxPcieLinkGeneration = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    maxLinkGenDevice: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuOperationMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    current: *mut nvmlGpuOperationMode_t,
    pending: *mut nvmlGpuOperationMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGpuUptime_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    uptime: *mut nvmlGpuUptime_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGraphicsRunningProcesses = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGraphicsRunningProcesses_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGraphicsRunningProcesses_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGridLicensableFeatures = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pGridLicensableFeatures: *mut nvmlGridLicensableFeatures_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGridLicensableFeatures_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pGridLicensableFeatures: *mut nvmlGridLicensableFeatures_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGridLicensableFeatures_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pGridLicensableFeatures: *mut nvmlGridLicensableFeatures_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGridLicensableFeatures_v4 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pGridLicensableFeatures: *mut nvmlGridLicensableFeatures_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGspFirmwareMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    isEnabled: *mut core::ffi::c_uint,
    defaultMode: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetGspFirmwareVersion = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    version: *mut core::ffi::c_char,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByIndex = unsafe extern "C-unwind" fn(
    index: core::ffi::c_uint,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByIndex_v2 = unsafe extern "C-unwind" fn(
    index: core::ffi::c_uint,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByPciBusId = unsafe extern "C-unwind" fn(
    pciBusId: *const core::ffi::c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByPciBusId_v2 = unsafe extern "C-unwind" fn(
    pciBusId: *const core::ffi::c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleBySerial = unsafe extern "C-unwind" fn(
    serial: *const core::ffi::c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByUUID = unsafe extern "C-unwind" fn(
    uuid: *const core::ffi::c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHandleByUUIDV = unsafe extern "C-unwind" fn(
    uuid: *const nvmlUUID_t,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHostVgpuMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pHostVgpuMode: *mut nvmlHostVgpuMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetHostname_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    hostname: *mut nvmlHostname_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetIndex = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    index: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetInforomConfigurationChecksum = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    checksum: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetInforomImageVersion = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetInforomVersion = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    object: nvmlInforomObject_t,
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetIrqNum = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    irqNum: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetJpgUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut core::ffi::c_uint,
    samplingPeriodUs: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetLastBBXFlushTime = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    timestamp: *mut core::ffi::c_ulonglong,
    durationUs: *mut core::ffi::c_ulong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMPSComputeRunningProcesses = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMPSComputeRunningProcesses_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMPSComputeRunningProcesses_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    infoCount: *mut core::ffi::c_uint,
    infos: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMarginTemperature = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    marginTempInfo: *mut nvmlMarginTemperature_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMaxClockInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: nvmlClockType_t,
    clock: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMaxCustomerBoostClock = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    clockType: nvmlClockType_t,
    clockMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMaxMigDeviceCount = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMaxPcieLinkGeneration = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    maxLinkGen: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMaxPcieLinkWidth = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    maxLinkWidth: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemClkMinMaxVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minOffset: *mut core::ffi::c_int,
    maxOffset: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemClkVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    offset: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryAffinity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    nodeSetSize: core::ffi::c_uint,
    nodeSet: *mut core::ffi::c_ulong,
    scope: nvmlAffinityScope_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryBusWidth = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    busWidth: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryErrorCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    errorType: nvmlMemoryErrorType_t,
    counterType: nvmlEccCounterType_t,
    locationType: nvmlMemoryLocation_t,
    count: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryInfo_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMemoryLimits_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    limits: *mut nvmlGetMemoryLimits_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMigDeviceHandleByIndex = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    index: core::ffi::c_uint,
    migDevice: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMigMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    currentMode: *mut core::ffi::c_uint,
    pendingMode: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMinMaxClockOfPState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: nvmlClockType_t,
    pstate: nvmlPstates_t,
    minClockMHz: *mut core::ffi::c_uint,
    maxClockMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMinMaxFanSpeed = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minSpeed: *mut core::ffi::c_uint,
    maxSpeed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMinorNumber = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minorNumber: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetModuleId = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    moduleId: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetMultiGpuBoard = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    multiGpuBool: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetName = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    name: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNumFans = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    numFans: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNumGpuCores = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    numCores: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNumaNodeId = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    node: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkCapability = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    capability: nvmlNvLinkCapability_t,
    capResult: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkErrorCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: nvmlNvLinkErrorCounter_t,
    counterValue: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlNvLinkInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkInfo_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlNvLinkInfo_v3_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkRemoteDeviceType = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    pNvLinkDeviceType: *mut nvmlIntNvLinkDeviceType_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkRemotePciInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    pci: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkRemotePciInfo_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    pci: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    isActive: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkTelemetrySamples_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    samples: *mut nvmlNvlinkTelemetrySamples_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkUtilizationControl = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: core::ffi::c_uint,
    control: *mut nvmlNvLinkUtilizationControl_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkUtilizationCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: core::ffi::c_uint,
    rxcounter: *mut core::ffi::c_ulonglong,
    txcounter: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvLinkVersion = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    version: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvlinkBwMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    getBwMode: *mut nvmlNvlinkGetBwMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvlinkNvlePrivateInfo_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    privateInfo: *mut nvmlNvlinkNvlePrivateInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvlinkRemapTableInfo_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    remapTableInfo: *mut nvmlNvlinkGetRemapTableInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetNvlinkSupportedBwModes = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    supportedBwMode: *mut nvmlNvlinkSupportedBwModes_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetOfaUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut core::ffi::c_uint,
    samplingPeriodUs: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetP2PStatus = unsafe extern "C-unwind" fn(
    device1: nvmlDevice_t,
    device2: nvmlDevice_t,
    p2pIndex: nvmlGpuP2PCapsIndex_t,
    p2pStatus: *mut nvmlGpuP2PStatus_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPciInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pci: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPciInfoExt = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pci: *mut nvmlPciInfoExt_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPciInfo_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pci: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPciInfo_v3 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pci: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPcieLinkMaxSpeed = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    maxSpeed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPcieReplayCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    value: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPcieSpeed = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pcieSpeed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPcieThroughput = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    counter: nvmlPcieUtilCounter_t,
    value: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPdi = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pdi: *mut nvmlPdi_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPerformanceModes = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    perfModes: *mut nvmlDevicePerfModes_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPerformanceState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pState: *mut nvmlPstates_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPersistenceMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPgpuMetadataString = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pgpuMetadata: *mut core::ffi::c_char,
    bufferSize: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPlatformInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    platformInfo: *mut nvmlPlatformInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerManagementDefaultLimit = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    defaultLimit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerManagementLimit = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    limit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerManagementLimitConstraints = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minLimit: *mut core::ffi::c_uint,
    maxLimit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerManagementMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerMizerMode_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    powerMizerMode: *mut nvmlDevicePowerMizerModes_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerSource = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    powerSource: *mut nvmlPowerSource_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pState: *mut nvmlPstates_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetPowerUsage = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    power: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetProcessUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut nvmlProcessUtilizationSample_t,
    processSamplesCount: *mut core::ffi::c_uint,
    lastSeenTimeStamp: core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetProcessesUtilizationInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    procesesUtilInfo: *mut nvmlProcessesUtilizationInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRemappedRows = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    corrRows: *mut core::ffi::c_uint,
    uncRows: *mut core::ffi::c_uint,
    isPending: *mut core::ffi::c_uint,
    failureOccurred: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRemappedRows_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlRemappedRowsInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRepairStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    repairStatus: *mut nvmlRepairStatus_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRetiredPages = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    cause: nvmlPageRetirementCause_t,
    pageCount: *mut core::ffi::c_uint,
    addresses: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRetiredPagesPendingStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    isPending: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRetiredPages_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    cause: nvmlPageRetirementCause_t,
    pageCount: *mut core::ffi::c_uint,
    addresses: *mut core::ffi::c_ulonglong,
    timestamps: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRowRemapperHistogram = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    values: *mut nvmlRowRemapperHistogramValues_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetRunningProcessDetailList = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    plist: *mut nvmlProcessDetailList_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSamples = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    type_: nvmlSamplingType_t,
    lastSeenTimeStamp: core::ffi::c_ulonglong,
    sampleValType: *mut nvmlValueType_t,
    sampleCount: *mut core::ffi::c_uint,
    samples: *mut nvmlSample_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSerial = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    serial: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSramEccErrorStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    status: *mut nvmlEccSramErrorStatus_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    errorCounts: *mut nvmlEccSramUniqueUncorrectedErrorCounts_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedClocksEventReasons = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    supportedClocksEventReasons: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedClocksThrottleReasons = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    supportedClocksThrottleReasons: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedEventTypes = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    eventTypes: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedGraphicsClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memoryClockMHz: core::ffi::c_uint,
    count: *mut core::ffi::c_uint,
    clocksMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedMemoryClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    count: *mut core::ffi::c_uint,
    clocksMHz: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedPerformanceStates = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pstates: *mut nvmlPstates_t,
    size: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetSupportedVgpus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuCount: *mut core::ffi::c_uint,
    vgpuTypeIds: *mut nvmlVgpuTypeId_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTargetFanSpeed = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
    targetSpeed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTemperature = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sensorType: nvmlTemperatureSensors_t,
    temp: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTemperatureThreshold = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    thresholdType: nvmlTemperatureThresholds_t,
    temp: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTemperatureV = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    temperature: *mut nvmlTemperature_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetThermalSettings = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sensorIndex: core::ffi::c_uint,
    pThermalSettings: *mut nvmlGpuThermalSettings_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTopologyCommonAncestor = unsafe extern "C-unwind" fn(
    device1: nvmlDevice_t,
    device2: nvmlDevice_t,
    pathInfo: *mut nvmlGpuTopologyLevel_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTopologyNearestGpus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    level: nvmlGpuTopologyLevel_t,
    count: *mut core::ffi::c_uint,
    deviceArray: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTotalEccErrors = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    errorType: nvmlMemoryErrorType_t,
    counterType: nvmlEccCounterType_t,
    eccCounts: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetTotalEnergyConsumption = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    energy: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceGetUUID = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    uuid: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetUnrepairableMemoryFlag_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    unrepairableMemoryStatus: *mut nvmlUnrepairableMemoryStatus_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetUtilizationRates = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    utilization: *mut nvmlUtilization_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVbiosVersion = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuCapabilities = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    capability: nvmlDeviceVgpuCapability_t,
    capResult: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuHeterogeneousMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pHeterogeneousMode: *mut nvmlVgpuHeterogeneousMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuInstancesUtilizationInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuUtilInfo: *mut nvmlVgpuInstancesUtilizationInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuMetadata = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pgpuMetadata: *mut nvmlVgpuPgpuMetadata_t,
    bufferSize: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuProcessUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    lastSeenTimeStamp: core::ffi::c_ulonglong,
    vgpuProcessSamplesCount: *mut core::ffi::c_uint,
    utilizationSamples: *mut nvmlVgpuProcessUtilizationSample_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuProcessesUtilizationInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuProcUtilInfo: *mut nvmlVgpuProcessesUtilizationInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuSchedulerCapabilities = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pCapabilities: *mut nvmlVgpuSchedulerCapabilities_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuSchedulerLog = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerLog: *mut nvmlVgpuSchedulerLog_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuSchedulerLog_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerLogInfo: *mut nvmlVgpuSchedulerLogInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuSchedulerState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerState: *mut nvmlVgpuSchedulerGetState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuSchedulerState_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerStateInfo: *mut nvmlVgpuSchedulerStateInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuTypeCreatablePlacements = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuTypeId: nvmlVgpuTypeId_t,
    pPlacementList: *mut nvmlVgpuPlacementList_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuTypeSupportedPlacements = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuTypeId: nvmlVgpuTypeId_t,
    pPlacementList: *mut nvmlVgpuPlacementList_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVgpuUtilization = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    lastSeenTimeStamp: core::ffi::c_ulonglong,
    sampleValType: *mut nvmlValueType_t,
    vgpuInstanceSamplesCount: *mut core::ffi::c_uint,
    utilizationSamples: *mut nvmlVgpuInstanceUtilizationSample_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetViolationStatus = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    perfPolicyType: nvmlPerfPolicyType_t,
    violTime: *mut nvmlViolationTime_t,
) -> nvmlReturn_t;
pub type nvmlDeviceGetVirtualizationMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pVirtualMode: *mut nvmlGpuVirtualizationMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceIsMigDeviceHandle = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    isMigDevice: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceLockNvlinkRemapTable_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    remapTableLockInfo: *mut nvmlNvlinkLockRemapTable_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceModifyDrainState = unsafe extern "C-unwind" fn(
    pciInfo: *mut nvmlPciInfo_t,
    newState: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceOnSameBoard = unsafe extern "C-unwind" fn(
    device1: nvmlDevice_t,
    device2: nvmlDevice_t,
    onSameBoard: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDevicePerfMetricsGetSamples_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    samples: *mut nvmlPerfMetricsSamples_v1_t,
) -> nvmlReturn_t;
pub type nvmlDevicePowerSmoothingActivatePresetProfile = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profile: *mut nvmlPowerSmoothingProfile_t,
) -> nvmlReturn_t;
pub type nvmlDevicePowerSmoothingSetState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    state: *mut nvmlPowerSmoothingState_t,
) -> nvmlReturn_t;
pub type nvmlDevicePowerSmoothingUpdatePresetProfileParam = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profile: *mut nvmlPowerSmoothingProfile_t,
) -> nvmlReturn_t;
pub type nvmlDeviceQueryDrainState = unsafe extern "C-unwind" fn(
    pciInfo: *mut nvmlPciInfo_t,
    currentState: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceReadPRMCounters_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    counterList: *mut nvmlPRMCounterList_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceReadWritePRM_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    buffer: *mut nvmlPRMTLV_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceRegisterEvents = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    eventTypes: core::ffi::c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t;
pub type nvmlDeviceRemoveGpu = unsafe extern "C-unwind" fn(
    pciInfo: *mut nvmlPciInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceRemoveGpu_v2 = unsafe extern "C-unwind" fn(
    pciInfo: *mut nvmlPciInfo_t,
    gpuState: nvmlDetachGpuState_t,
    linkState: nvmlPcieLinkState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceResetApplicationsClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceResetGpuLockedClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceResetMemoryLockedClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceResetNvLinkErrorCounters = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceResetNvLinkUtilizationCounter = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetAPIRestriction = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    apiType: nvmlRestrictedAPI_t,
    isRestricted: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetAccountingMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetAdaptiveTgpMode_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetApplicationsClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    memClockMHz: core::ffi::c_uint,
    graphicsClockMHz: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetAutoBoostedClocksEnabled = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    enabled: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetClockOffsets = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlClockOffset_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetComputeMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: nvmlComputeMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetConfComputeUnprotectedMemSize = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    sizeKiB: core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlDeviceSetCpuAffinity = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetDefaultAutoBoostedClocksEnabled = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    enabled: nvmlEnableState_t,
    flags: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetDefaultFanSpeed_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetDramEncryptionMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    dramEncryption: *const nvmlDramEncryptionInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetDriverModel = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    driverModel: nvmlDriverModel_t,
    flags: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetEccMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    ecc: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetFanControlPolicy = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
    policy: nvmlFanControlPolicy_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetFanSpeed_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    fan: core::ffi::c_uint,
    speed: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetGpcClkVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    offset: core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceSetGpuLockedClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minGpuClockMHz: core::ffi::c_uint,
    maxGpuClockMHz: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetGpuOperationMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: nvmlGpuOperationMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetHostname_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    hostname: *mut nvmlHostname_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetMemClkVfOffset = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    offset: core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceSetMemoryLimits_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    limits: *mut nvmlSetMemoryLimits_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetMemoryLockedClocks = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    minMemClockMHz: core::ffi::c_uint,
    maxMemClockMHz: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetMigMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: core::ffi::c_uint,
    activationStatus: *mut nvmlReturn_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetNvLinkDeviceLowPowerThreshold = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    info: *mut nvmlNvLinkPowerThres_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetNvLinkUtilizationControl = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    link: core::ffi::c_uint,
    counter: core::ffi::c_uint,
    control: *mut nvmlNvLinkUtilizationControl_t,
    reset: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetNvlinkBwMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    setBwMode: *mut nvmlNvlinkSetBwMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetNvlinkBwModeAsync_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    setBwModeAsync: *mut nvmlNvlinkSetBwModeAsync_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetNvlinkNvleReady_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    setNvleReady: *mut nvmlNvlinkSetNvleReady_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetPersistenceMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    mode: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetPowerManagementLimit = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    limit: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlDeviceSetPowerManagementLimit_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    powerValue: *mut nvmlPowerValue_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetPowerMizerMode_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    powerMizerMode: *mut nvmlDevicePowerMizerModes_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetRusdSettings_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    settings: *mut nvmlRusdSettings_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetTemperatureThreshold = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    thresholdType: nvmlTemperatureThresholds_t,
    temp: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlDeviceSetVgpuCapabilities = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    capability: nvmlDeviceVgpuCapability_t,
    state: nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetVgpuHeterogeneousMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pHeterogeneousMode: *const nvmlVgpuHeterogeneousMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetVgpuSchedulerState = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerState: *mut nvmlVgpuSchedulerSetState_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetVgpuSchedulerState_v2 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    pSchedulerState: *mut nvmlVgpuSchedulerState_v2_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetVirtualizationMode = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    virtualMode: nvmlGpuVirtualizationMode_t,
) -> nvmlReturn_t;
pub type nvmlDeviceSetupNvlinkNvleEncryptionKey_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    encryptionKey: *mut nvmlNvlinkSetupNvleEncryptionKey_v1_t,
) -> nvmlReturn_t;
pub type nvmlDeviceValidateInforom = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceVgpuForceGspUnload = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlDeviceWorkloadPowerProfileClearRequestedProfiles = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    requestedProfiles: *mut nvmlWorkloadPowerProfileRequestedProfiles_t,
) -> nvmlReturn_t;
pub type nvmlDeviceWorkloadPowerProfileGetCurrentProfiles = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    currentProfiles: *mut nvmlWorkloadPowerProfileCurrentProfiles_t,
) -> nvmlReturn_t;
pub type nvmlDeviceWorkloadPowerProfileGetProfilesInfo = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    profilesInfo: *mut nvmlWorkloadPowerProfileProfilesInfo_t,
) -> nvmlReturn_t;
pub type nvmlDeviceWorkloadPowerProfileSetRequestedProfiles = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    requestedProfiles: *mut nvmlWorkloadPowerProfileRequestedProfiles_t,
) -> nvmlReturn_t;
pub type nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1 = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    updateProfiles: *mut nvmlWorkloadPowerProfileUpdateProfiles_v1_t,
) -> nvmlReturn_t;
pub type nvmlErrorString = unsafe extern "C-unwind" fn(
    result: nvmlReturn_t,
) -> *const core::ffi::c_char;
pub type nvmlEventSetCreate = unsafe extern "C-unwind" fn(
    set: *mut nvmlEventSet_t,
) -> nvmlReturn_t;
pub type nvmlEventSetFree = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
) -> nvmlReturn_t;
pub type nvmlEventSetGetContextCount_v1 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    params: *mut nvmlEventSetGetContextCount_v1_t,
) -> nvmlReturn_t;
pub type nvmlEventSetGetContextData_v1 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    params: *mut nvmlEventSetGetContextData_v1_t,
) -> nvmlReturn_t;
pub type nvmlEventSetGetContextInfo_v1 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    params: *mut nvmlEventSetGetContextInfo_v1_t,
) -> nvmlReturn_t;
pub type nvmlEventSetGetGpuOperationalEventContextLegacyXid_v1 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    params: *mut nvmlEventSetGetGpuOperationalEventContextLegacyXid_v1_t,
) -> nvmlReturn_t;
pub type nvmlEventSetRegisterGpuOperationalEvents_v1 = unsafe extern "C-unwind" fn(
    eventSet: nvmlEventSet_t,
    config: *const nvmlGpuOperationalEventConfig_v1_t,
) -> nvmlReturn_t;
pub type nvmlEventSetWait = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    data: *mut nvmlEventData_t,
    timeoutms: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlEventSetWait_v2 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    data: *mut nvmlEventData_t,
    timeoutms: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlEventSetWait_v3 = unsafe extern "C-unwind" fn(
    set: nvmlEventSet_t,
    params: *mut nvmlEventSetWait_v3_t,
) -> nvmlReturn_t;
pub type nvmlGetExcludedDeviceCount = unsafe extern "C-unwind" fn(
    deviceCount: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGetExcludedDeviceInfoByIndex = unsafe extern "C-unwind" fn(
    index: core::ffi::c_uint,
    info: *mut nvmlExcludedDeviceInfo_t,
) -> nvmlReturn_t;
pub type nvmlGetVgpuCompatibility = unsafe extern "C-unwind" fn(
    vgpuMetadata: *mut nvmlVgpuMetadata_t,
    pgpuMetadata: *mut nvmlVgpuPgpuMetadata_t,
    compatibilityInfo: *mut nvmlVgpuPgpuCompatibility_t,
) -> nvmlReturn_t;
pub type nvmlGetVgpuDriverCapabilities = unsafe extern "C-unwind" fn(
    capability: nvmlVgpuDriverCapability_t,
    capResult: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGetVgpuVersion = unsafe extern "C-unwind" fn(
    supported: *mut nvmlVgpuVersion_t,
    current: *mut nvmlVgpuVersion_t,
) -> nvmlReturn_t;
pub type nvmlGpmMetricsGet = unsafe extern "C-unwind" fn(
    metricsGet: *mut nvmlGpmMetricsGet_t,
) -> nvmlReturn_t;
pub type nvmlGpmMigSampleGet = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpuInstanceId: core::ffi::c_uint,
    gpmSample: nvmlGpmSample_t,
) -> nvmlReturn_t;
pub type nvmlGpmQueryDeviceSupport = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpmSupport: *mut nvmlGpmSupport_t,
) -> nvmlReturn_t;
pub type nvmlGpmQueryIfStreamingEnabled = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    state: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGpmSampleAlloc = unsafe extern "C-unwind" fn(
    gpmSample: *mut nvmlGpmSample_t,
) -> nvmlReturn_t;
pub type nvmlGpmSampleFree = unsafe extern "C-unwind" fn(
    gpmSample: nvmlGpmSample_t,
) -> nvmlReturn_t;
pub type nvmlGpmSampleGet = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    gpmSample: nvmlGpmSample_t,
) -> nvmlReturn_t;
pub type nvmlGpmSetStreamingEnabled = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    state: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceCreateComputeInstance = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profileId: core::ffi::c_uint,
    computeInstance: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceCreateComputeInstanceWithPlacement = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profileId: core::ffi::c_uint,
    placement: *const nvmlComputeInstancePlacement_t,
    computeInstance: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceDestroy = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetActiveVgpus = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pVgpuInstanceInfo: *mut nvmlActiveVgpuInstanceInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstanceById = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    id: core::ffi::c_uint,
    computeInstance: *mut nvmlComputeInstance_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstancePossiblePlacements = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profileId: core::ffi::c_uint,
    placements: *mut nvmlComputeInstancePlacement_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstanceProfileInfo = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profile: core::ffi::c_uint,
    engProfile: core::ffi::c_uint,
    info: *mut nvmlComputeInstanceProfileInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstanceProfileInfoV = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profile: core::ffi::c_uint,
    engProfile: core::ffi::c_uint,
    info: *mut nvmlComputeInstanceProfileInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstanceRemainingCapacity = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profileId: core::ffi::c_uint,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetComputeInstances = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    profileId: core::ffi::c_uint,
    computeInstances: *mut nvmlComputeInstance_t,
    count: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetCreatableVgpus = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pVgpus: *mut nvmlVgpuTypeIdInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetInfo = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    info: *mut nvmlGpuInstanceInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuHeterogeneousMode = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pHeterogeneousMode: *mut nvmlVgpuHeterogeneousMode_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuSchedulerLog = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pSchedulerLogInfo: *mut nvmlVgpuSchedulerLogInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuSchedulerLog_v2 = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pSchedulerLogInfo: *mut nvmlVgpuSchedulerLogInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuSchedulerState = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pSchedulerStateInfo: *mut nvmlVgpuSchedulerStateInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuSchedulerState_v2 = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pSchedulerStateInfo: *mut nvmlVgpuSchedulerStateInfo_v2_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceGetVgpuTypeCreatablePlacements = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pCreatablePlacementInfo: *mut nvmlVgpuCreatablePlacementInfo_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceSetVgpuHeterogeneousMode = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pHeterogeneousMode: *const nvmlVgpuHeterogeneousMode_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceSetVgpuSchedulerState = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pScheduler: *mut nvmlVgpuSchedulerState_t,
) -> nvmlReturn_t;
pub type nvmlGpuInstanceSetVgpuSchedulerState_v2 = unsafe extern "C-unwind" fn(
    gpuInstance: nvmlGpuInstance_t,
    pSchedulerState: *mut nvmlVgpuSchedulerState_v2_t,
) -> nvmlReturn_t;
pub type nvmlInit = unsafe extern "C-unwind" fn() -> nvmlReturn_t;
pub type nvmlInitWithFlags = unsafe extern "C-unwind" fn(
    flags: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlInit_v2 = unsafe extern "C-unwind" fn() -> nvmlReturn_t;
pub type nvmlSetVgpuVersion = unsafe extern "C-unwind" fn(
    vgpuVersion: *mut nvmlVgpuVersion_t,
) -> nvmlReturn_t;
pub type nvmlShutdown = unsafe extern "C-unwind" fn() -> nvmlReturn_t;
pub type nvmlSystemEventSetCreate = unsafe extern "C-unwind" fn(
    request: *mut nvmlSystemEventSetCreateRequest_t,
) -> nvmlReturn_t;
pub type nvmlSystemEventSetFree = unsafe extern "C-unwind" fn(
    request: *mut nvmlSystemEventSetFreeRequest_t,
) -> nvmlReturn_t;
pub type nvmlSystemEventSetWait = unsafe extern "C-unwind" fn(
    request: *mut nvmlSystemEventSetWaitRequest_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetCPER_v1 = unsafe extern "C-unwind" fn(
    cper: *mut nvmlGetCPER_v1_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeCapabilities = unsafe extern "C-unwind" fn(
    capabilities: *mut nvmlConfComputeSystemCaps_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeGpusReadyState = unsafe extern "C-unwind" fn(
    isAcceptingWork: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeKeyRotationThresholdInfo = unsafe extern "C-unwind" fn(
    pKeyRotationThrInfo: *mut nvmlConfComputeGetKeyRotationThresholdInfo_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeSettings = unsafe extern "C-unwind" fn(
    settings: *mut nvmlSystemConfComputeSettings_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeSettings_v2 = unsafe extern "C-unwind" fn(
    settings: *mut nvmlSystemConfComputeSettings_v2_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetConfComputeState = unsafe extern "C-unwind" fn(
    state: *mut nvmlConfComputeSystemState_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetCudaDriverVersion = unsafe extern "C-unwind" fn(
    cudaDriverVersion: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlSystemGetCudaDriverVersion_v2 = unsafe extern "C-unwind" fn(
    cudaDriverVersion: *mut core::ffi::c_int,
) -> nvmlReturn_t;
pub type nvmlSystemGetDriverBranch = unsafe extern "C-unwind" fn(
    branchInfo: *mut nvmlSystemDriverBranchInfo_t,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetDriverVersion = unsafe extern "C-unwind" fn(
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetHicVersion = unsafe extern "C-unwind" fn(
    hwbcCount: *mut core::ffi::c_uint,
    hwbcEntries: *mut nvmlHwbcEntry_t,
) -> nvmlReturn_t;
pub type nvmlSystemGetNVMLVersion = unsafe extern "C-unwind" fn(
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetNvlinkBwMode = unsafe extern "C-unwind" fn(
    nvlinkBwMode: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetProcessName = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_uint,
    name: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemGetTopologyGpuSet = unsafe extern "C-unwind" fn(
    cpuNumber: core::ffi::c_uint,
    count: *mut core::ffi::c_uint,
    deviceArray: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlSystemRegisterEvents = unsafe extern "C-unwind" fn(
    request: *mut nvmlSystemRegisterEventRequest_t,
) -> nvmlReturn_t;
pub type nvmlSystemSetConfComputeGpusReadyState = unsafe extern "C-unwind" fn(
    isAcceptingWork: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlSystemSetConfComputeKeyRotationThresholdInfo = unsafe extern "C-unwind" fn(
    pKeyRotationThrInfo: *mut nvmlConfComputeSetKeyRotationThresholdInfo_t,
) -> nvmlReturn_t;
pub type nvmlSystemSetNvlinkBwMode = unsafe extern "C-unwind" fn(
    nvlinkBwMode: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlUnitGetCount = unsafe extern "C-unwind" fn(
    unitCount: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlUnitGetDevices = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    deviceCount: *mut core::ffi::c_uint,
    devices: *mut nvmlDevice_t,
) -> nvmlReturn_t;
pub type nvmlUnitGetFanSpeedInfo = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    fanSpeeds: *mut nvmlUnitFanSpeeds_t,
) -> nvmlReturn_t;
pub type nvmlUnitGetHandleByIndex = unsafe extern "C-unwind" fn(
    index: core::ffi::c_uint,
    unit: *mut nvmlUnit_t,
) -> nvmlReturn_t;
pub type nvmlUnitGetLedState = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    state: *mut nvmlLedState_t,
) -> nvmlReturn_t;
pub type nvmlUnitGetPsuInfo = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    psu: *mut nvmlPSUInfo_t,
) -> nvmlReturn_t;
pub type nvmlUnitGetTemperature = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    type_: core::ffi::c_uint,
    temp: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlUnitGetUnitInfo = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    info: *mut nvmlUnitInfo_t,
) -> nvmlReturn_t;
pub type nvmlUnitSetLedState = unsafe extern "C-unwind" fn(
    unit: nvmlUnit_t,
    color: nvmlLedColor_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceClearAccountingPids = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetAccountingMode = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    mode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetAccountingPids = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    count: *mut core::ffi::c_uint,
    pids: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetAccountingStats = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    pid: core::ffi::c_uint,
    stats: *mut nvmlAccountingStats_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetEccMode = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    eccMode: *mut nvmlEnableState_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetEncoderCapacity = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    encoderCapacity: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetEncoderSessions = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    sessionCount: *mut core::ffi::c_uint,
    sessionInfo: *mut nvmlEncoderSessionInfo_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetEncoderStats = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    sessionCount: *mut core::ffi::c_uint,
    averageFps: *mut core::ffi::c_uint,
    averageLatency: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetFBCSessions = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    sessionCount: *mut core::ffi::c_uint,
    sessionInfo: *mut nvmlFBCSessionInfo_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetFBCStats = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    fbcStats: *mut nvmlFBCStats_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetFbUsage = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    fbUsage: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetFrameRateLimit = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    frameRateLimit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetGpuInstanceId = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    gpuInstanceId: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetGpuPciId = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    vgpuPciId: *mut core::ffi::c_char,
    length: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetLicenseInfo = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    licenseInfo: *mut nvmlVgpuLicenseInfo_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetLicenseInfo_v2 = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    licenseInfo: *mut nvmlVgpuLicenseInfo_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetLicenseStatus = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    licensed: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetMdevUUID = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    mdevUuid: *mut core::ffi::c_char,
    size: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetMetadata = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    vgpuMetadata: *mut nvmlVgpuMetadata_t,
    bufferSize: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetPlacementId = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    pPlacement: *mut nvmlVgpuPlacementId_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetRuntimeStateSize = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    pState: *mut nvmlVgpuRuntimeState_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetType = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    vgpuTypeId: *mut nvmlVgpuTypeId_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetUUID = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    uuid: *mut core::ffi::c_char,
    size: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetVmDriverVersion = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    version: *mut core::ffi::c_char,
    length: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceGetVmID = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    vmId: *mut core::ffi::c_char,
    size: core::ffi::c_uint,
    vmIdType: *mut nvmlVgpuVmIdType_t,
) -> nvmlReturn_t;
pub type nvmlVgpuInstanceSetEncoderCapacity = unsafe extern "C-unwind" fn(
    vgpuInstance: nvmlVgpuInstance_t,
    encoderCapacity: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetBAR1Info = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    bar1Info: *mut nvmlVgpuTypeBar1Info_t,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetCapabilities = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    capability: nvmlVgpuCapability_t,
    capResult: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetClass = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    vgpuTypeClass: *mut core::ffi::c_char,
    size: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetDeviceID = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    deviceID: *mut core::ffi::c_ulonglong,
    subsystemID: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetFbReservation = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    fbReservation: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetFrameRateLimit = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    frameRateLimit: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetFramebufferSize = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    fbSize: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetGpuInstanceProfileId = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    gpuInstanceProfileId: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetGspHeapSize = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    gspHeapSize: *mut core::ffi::c_ulonglong,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetLicense = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    vgpuTypeLicenseString: *mut core::ffi::c_char,
    size: core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetMaxInstances = unsafe extern "C-unwind" fn(
    device: nvmlDevice_t,
    vgpuTypeId: nvmlVgpuTypeId_t,
    vgpuInstanceCount: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetMaxInstancesPerGpuInstance = unsafe extern "C-unwind" fn(
    pMaxInstance: *mut nvmlVgpuTypeMaxInstance_t,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetMaxInstancesPerVm = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    vgpuInstanceCountPerVm: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetName = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    vgpuTypeName: *mut core::ffi::c_char,
    size: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetNumDisplayHeads = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    numDisplayHeads: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
pub type nvmlVgpuTypeGetResolution = unsafe extern "C-unwind" fn(
    vgpuTypeId: nvmlVgpuTypeId_t,
    displayIndex: core::ffi::c_uint,
    xdim: *mut core::ffi::c_uint,
    ydim: *mut core::ffi::c_uint,
) -> nvmlReturn_t;
