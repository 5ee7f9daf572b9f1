pub type cuArray3DCreate = unsafe extern "C-unwind" fn(
    pHandle: *mut CUarray,
    pAllocateArray: *const CUDA_ARRAY3D_DESCRIPTOR_v1,
) -> CUresult;
pub type cuArray3DCreate_v2 = unsafe extern "C-unwind" fn(
    pHandle: *mut CUarray,
    pAllocateArray: *const CUDA_ARRAY3D_DESCRIPTOR,
) -> CUresult;
pub type cuArray3DGetDescriptor = unsafe extern "C-unwind" fn(
    pArrayDescriptor: *mut CUDA_ARRAY3D_DESCRIPTOR_v1,
    hArray: CUarray,
) -> CUresult;
pub type cuArray3DGetDescriptor_v2 = unsafe extern "C-unwind" fn(
    pArrayDescriptor: *mut CUDA_ARRAY3D_DESCRIPTOR,
    hArray: CUarray,
) -> CUresult;
pub type cuArrayCreate = unsafe extern "C-unwind" fn(
    pHandle: *mut CUarray,
    pAllocateArray: *const CUDA_ARRAY_DESCRIPTOR_v1,
) -> CUresult;
pub type cuArrayCreate_v2 = unsafe extern "C-unwind" fn(
    pHandle: *mut CUarray,
    pAllocateArray: *const CUDA_ARRAY_DESCRIPTOR,
) -> CUresult;
pub type cuArrayDestroy = unsafe extern "C-unwind" fn(hArray: CUarray) -> CUresult;
pub type cuArrayGetDescriptor = unsafe extern "C-unwind" fn(
    pArrayDescriptor: *mut CUDA_ARRAY_DESCRIPTOR_v1,
    hArray: CUarray,
) -> CUresult;
pub type cuArrayGetDescriptor_v2 = unsafe extern "C-unwind" fn(
    pArrayDescriptor: *mut CUDA_ARRAY_DESCRIPTOR,
    hArray: CUarray,
) -> CUresult;
pub type cuArrayGetMemoryRequirements = unsafe extern "C-unwind" fn(
    memoryRequirements: *mut CUDA_ARRAY_MEMORY_REQUIREMENTS,
    array: CUarray,
    device: CUdevice,
) -> CUresult;
pub type cuArrayGetPlane = unsafe extern "C-unwind" fn(
    pPlaneArray: *mut CUarray,
    hArray: CUarray,
    planeIdx: core::ffi::c_uint,
) -> CUresult;
pub type cuArrayGetSparseProperties = unsafe extern "C-unwind" fn(
    sparseProperties: *mut CUDA_ARRAY_SPARSE_PROPERTIES,
    array: CUarray,
) -> CUresult;
pub type cuCheckpointOperationComplete = unsafe extern "C-unwind" fn(
    handle: CUcheckpointOperationHandle,
) -> CUresult;
pub type cuCheckpointProcessCheckpoint = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    args: *mut CUcheckpointCheckpointArgs,
) -> CUresult;
pub type cuCheckpointProcessGetRestoreThreadId = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    tid: *mut core::ffi::c_int,
) -> CUresult;
pub type cuCheckpointProcessGetState = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    state: *mut CUprocessState,
) -> CUresult;
pub type cuCheckpointProcessLock = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    args: *mut CUcheckpointLockArgs,
) -> CUresult;
pub type cuCheckpointProcessRestore = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    args: *mut CUcheckpointRestoreArgs,
) -> CUresult;
pub type cuCheckpointProcessUnlock = unsafe extern "C-unwind" fn(
    pid: core::ffi::c_int,
    args: *mut CUcheckpointUnlockArgs,
) -> CUresult;
pub type cuCoredumpDeregisterCompleteCallback = unsafe extern "C-unwind" fn(
    callback: CUcoredumpCallbackHandle,
) -> CUresult;
pub type cuCoredumpDeregisterStartCallback = unsafe extern "C-unwind" fn(
    callback: CUcoredumpCallbackHandle,
) -> CUresult;
pub type cuCoredumpGetAttribute = unsafe extern "C-unwind" fn(
    attrib: CUcoredumpSettings,
    value: *mut core::ffi::c_void,
    size: *mut usize,
) -> CUresult;
pub type cuCoredumpGetAttributeGlobal = unsafe extern "C-unwind" fn(
    attrib: CUcoredumpSettings,
    value: *mut core::ffi::c_void,
    size: *mut usize,
) -> CUresult;
pub type cuCoredumpRegisterCompleteCallback = unsafe extern "C-unwind" fn(
    callback: CUcoredumpStatusCallback,
    userData: *mut core::ffi::c_void,
    callbackOut: *mut CUcoredumpCallbackHandle,
) -> CUresult;
pub type cuCoredumpRegisterStartCallback = unsafe extern "C-unwind" fn(
    callback: CUcoredumpStatusCallback,
    userData: *mut core::ffi::c_void,
    callbackOut: *mut CUcoredumpCallbackHandle,
) -> CUresult;
pub type cuCoredumpSetAttribute = unsafe extern "C-unwind" fn(
    attrib: CUcoredumpSettings,
    value: *mut core::ffi::c_void,
    size: *mut usize,
) -> CUresult;
pub type cuCoredumpSetAttributeGlobal = unsafe extern "C-unwind" fn(
    attrib: CUcoredumpSettings,
    value: *mut core::ffi::c_void,
    size: *mut usize,
) -> CUresult;
pub type cuCtxAttach = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuCtxCreate = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    flags: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuCtxCreate_v2 = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    flags: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuCtxCreate_v3 = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    paramsArray: *mut CUexecAffinityParam,
    numParams: core::ffi::c_int,
    flags: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuCtxCreate_v4 = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    ctxCreateParams: *mut CUctxCreateParams,
    flags: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuCtxDestroy = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxDestroy_v2 = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxDetach = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxDisablePeerAccess = unsafe extern "C-unwind" fn(
    peerContext: CUcontext,
) -> CUresult;
pub type cuCtxEnablePeerAccess = unsafe extern "C-unwind" fn(
    peerContext: CUcontext,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuCtxFromGreenCtx = unsafe extern "C-unwind" fn(
    pContext: *mut CUcontext,
    hCtx: CUgreenCtx,
) -> CUresult;
pub type cuCtxGetApiVersion = unsafe extern "C-unwind" fn(
    ctx: CUcontext,
    version: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuCtxGetCacheConfig = unsafe extern "C-unwind" fn(
    pconfig: *mut CUfunc_cache,
) -> CUresult;
pub type cuCtxGetCurrent = unsafe extern "C-unwind" fn(pctx: *mut CUcontext) -> CUresult;
pub type cuCtxGetDevResource = unsafe extern "C-unwind" fn(
    hCtx: CUcontext,
    resource: *mut CUdevResource,
    type_: CUdevResourceType,
) -> CUresult;
pub type cuCtxGetDevice = unsafe extern "C-unwind" fn(device: *mut CUdevice) -> CUresult;
pub type cuCtxGetDevice_v2 = unsafe extern "C-unwind" fn(
    device: *mut CUdevice,
    ctx: CUcontext,
) -> CUresult;
pub type cuCtxGetExecAffinity = unsafe extern "C-unwind" fn(
    pExecAffinity: *mut CUexecAffinityParam,
    type_: CUexecAffinityType,
) -> CUresult;
pub type cuCtxGetFlags = unsafe extern "C-unwind" fn(
    flags: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuCtxGetId = unsafe extern "C-unwind" fn(
    ctx: CUcontext,
    ctxId: *mut core::ffi::c_ulonglong,
) -> CUresult;
pub type cuCtxGetLimit = unsafe extern "C-unwind" fn(
    pvalue: *mut usize,
    limit: CUlimit,
) -> CUresult;
pub type cuCtxGetSharedMemConfig = unsafe extern "C-unwind" fn(
    pConfig: *mut CUsharedconfig,
) -> CUresult;
pub type cuCtxGetStreamPriorityRange = unsafe extern "C-unwind" fn(
    leastPriority: *mut core::ffi::c_int,
    greatestPriority: *mut core::ffi::c_int,
) -> CUresult;
pub type cuCtxPopCurrent = unsafe extern "C-unwind" fn(pctx: *mut CUcontext) -> CUresult;
pub type cuCtxPopCurrent_v2 = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
) -> CUresult;
pub type cuCtxPushCurrent = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxPushCurrent_v2 = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxRecordEvent = unsafe extern "C-unwind" fn(
    hCtx: CUcontext,
    hEvent: CUevent,
) -> CUresult;
pub type cuCtxResetPersistingL2Cache = unsafe extern "C-unwind" fn() -> CUresult;
pub type cuCtxSetCacheConfig = unsafe extern "C-unwind" fn(
    config: CUfunc_cache,
) -> CUresult;
pub type cuCtxSetCurrent = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxSetFlags = unsafe extern "C-unwind" fn(
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuCtxSetLimit = unsafe extern "C-unwind" fn(
    limit: CUlimit,
    value: usize,
) -> CUresult;
pub type cuCtxSetSharedMemConfig = unsafe extern "C-unwind" fn(
    config: CUsharedconfig,
) -> CUresult;
pub type cuCtxSynchronize = unsafe extern "C-unwind" fn() -> CUresult;
pub type cuCtxSynchronize_v2 = unsafe extern "C-unwind" fn(ctx: CUcontext) -> CUresult;
pub type cuCtxWaitEvent = unsafe extern "C-unwind" fn(
    hCtx: CUcontext,
    hEvent: CUevent,
) -> CUresult;
pub type cuDestroyExternalMemory = unsafe extern "C-unwind" fn(
    extMem: CUexternalMemory,
) -> CUresult;
pub type cuDestroyExternalSemaphore = unsafe extern "C-unwind" fn(
    extSem: CUexternalSemaphore,
) -> CUresult;
pub type cuDevResourceGenerateDesc = unsafe extern "C-unwind" fn(
    phDesc: *mut CUdevResourceDesc,
    resources: *mut CUdevResource,
    nbResources: core::ffi::c_uint,
) -> CUresult;
pub type cuDevSmResourceSplit = unsafe extern "C-unwind" fn(
    result: *mut CUdevResource,
    nbGroups: core::ffi::c_uint,
    input: *const CUdevResource,
    remainder: *mut CUdevResource,
    flags: core::ffi::c_uint,
    groupParams: *mut CU_DEV_SM_RESOURCE_GROUP_PARAMS,
) -> CUresult;
pub type cuDevSmResourceSplitByCount = unsafe extern "C-unwind" fn(
    result: *mut CUdevResource,
    nbGroups: *mut core::ffi::c_uint,
    input: *const CUdevResource,
    remainder: *mut CUdevResource,
    flags: core::ffi::c_uint,
    minCount: core::ffi::c_uint,
) -> CUresult;
pub type cuDeviceCanAccessPeer = unsafe extern "C-unwind" fn(
    canAccessPeer: *mut core::ffi::c_int,
    dev: CUdevice,
    peerDev: CUdevice,
) -> CUresult;
pub type cuDeviceComputeCapability = unsafe extern "C-unwind" fn(
    major: *mut core::ffi::c_int,
    minor: *mut core::ffi::c_int,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGet = unsafe extern "C-unwind" fn(
    device: *mut CUdevice,
    ordinal: core::ffi::c_int,
) -> CUresult;
pub type cuDeviceGetAttribute = unsafe extern "C-unwind" fn(
    pi: *mut core::ffi::c_int,
    attrib: CUdevice_attribute,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetByPCIBusId = unsafe extern "C-unwind" fn(
    dev: *mut CUdevice,
    pciBusId: *const core::ffi::c_char,
) -> CUresult;
pub type cuDeviceGetCliqueCount = unsafe extern "C-unwind" fn(
    count: *mut usize,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetCliqueInfo = unsafe extern "C-unwind" fn(
    cliqueInfo: *mut CUcliqueInfo,
    count: *mut usize,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetCount = unsafe extern "C-unwind" fn(
    count: *mut core::ffi::c_int,
) -> CUresult;
pub type cuDeviceGetDefaultMemPool = unsafe extern "C-unwind" fn(
    pool_out: *mut CUmemoryPool,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetDevResource = unsafe extern "C-unwind" fn(
    device: CUdevice,
    resource: *mut CUdevResource,
    type_: CUdevResourceType,
) -> CUresult;
pub type cuDeviceGetExecAffinitySupport = unsafe extern "C-unwind" fn(
    pi: *mut core::ffi::c_int,
    type_: CUexecAffinityType,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetFabricClusterUuid = unsafe extern "C-unwind" fn(
    uuid: *mut CUuuid,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetGraphMemAttribute = unsafe extern "C-unwind" fn(
    device: CUdevice,
    attr: CUgraphMem_attribute,
    value: *mut core::ffi::c_void,
) -> CUresult;
pub type cuDeviceGetHostAtomicCapabilities = unsafe extern "C-unwind" fn(
    capabilities: *mut core::ffi::c_uint,
    operations: *const CUatomicOperation,
    count: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetLuid = unsafe extern "C-unwind" fn(
    luid: *mut core::ffi::c_char,
    deviceNodeMask: *mut core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetMemPool = unsafe extern "C-unwind" fn(
    pool: *mut CUmemoryPool,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetName = unsafe extern "C-unwind" fn(
    name: *mut core::ffi::c_char,
    len: core::ffi::c_int,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetNvSciSyncAttributes = unsafe extern "C-unwind" fn(
    nvSciSyncAttrList: *mut core::ffi::c_void,
    dev: CUdevice,
    flags: core::ffi::c_int,
) -> CUresult;
pub type cuDeviceGetP2PAtomicCapabilities = unsafe extern "C-unwind" fn(
    capabilities: *mut core::ffi::c_uint,
    operations: *const CUatomicOperation,
    count: core::ffi::c_uint,
    srcDevice: CUdevice,
    dstDevice: CUdevice,
) -> CUresult;
pub type cuDeviceGetP2PAttribute = unsafe extern "C-unwind" fn(
    value: *mut core::ffi::c_int,
    attrib: CUdevice_P2PAttribute,
    srcDevice: CUdevice,
    dstDevice: CUdevice,
) -> CUresult;
pub type cuDeviceGetPCIBusId = unsafe extern "C-unwind" fn(
    pciBusId: *mut core::ffi::c_char,
    len: core::ffi::c_int,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetProperties = unsafe extern "C-unwind" fn(
    prop: *mut CUdevprop,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetTexture1DLinearMaxWidth = unsafe extern "C-unwind" fn(
    maxWidthInElements: *mut usize,
    format: CUarray_format,
    numChannels: core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetUuid = unsafe extern "C-unwind" fn(
    uuid: *mut CUuuid,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGetUuid_v2 = unsafe extern "C-unwind" fn(
    uuid: *mut CUuuid,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceGraphMemTrim = unsafe extern "C-unwind" fn(
    device: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxGetState = unsafe extern "C-unwind" fn(
    dev: CUdevice,
    flags: *mut core::ffi::c_uint,
    active: *mut core::ffi::c_int,
) -> CUresult;
pub type cuDevicePrimaryCtxRelease = unsafe extern "C-unwind" fn(
    dev: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxRelease_v2 = unsafe extern "C-unwind" fn(
    dev: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxReset = unsafe extern "C-unwind" fn(
    dev: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxReset_v2 = unsafe extern "C-unwind" fn(
    dev: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxRetain = unsafe extern "C-unwind" fn(
    pctx: *mut CUcontext,
    dev: CUdevice,
) -> CUresult;
pub type cuDevicePrimaryCtxSetFlags = unsafe extern "C-unwind" fn(
    dev: CUdevice,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuDevicePrimaryCtxSetFlags_v2 = unsafe extern "C-unwind" fn(
    dev: CUdevice,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuDeviceRegisterAsyncNotification = unsafe extern "C-unwind" fn(
    device: CUdevice,
    callbackFunc: CUasyncCallback,
    userData: *mut core::ffi::c_void,
    callback: *mut CUasyncCallbackHandle,
) -> CUresult;
pub type cuDeviceSetGraphMemAttribute = unsafe extern "C-unwind" fn(
    device: CUdevice,
    attr: CUgraphMem_attribute,
    value: *mut core::ffi::c_void,
) -> CUresult;
pub type cuDeviceSetMemPool = unsafe extern "C-unwind" fn(
    dev: CUdevice,
    pool: CUmemoryPool,
) -> CUresult;
pub type cuDeviceTotalMem = unsafe extern "C-unwind" fn(
    bytes: *mut core::ffi::c_uint,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceTotalMem_v2 = unsafe extern "C-unwind" fn(
    bytes: *mut usize,
    dev: CUdevice,
) -> CUresult;
pub type cuDeviceUnregisterAsyncNotification = unsafe extern "C-unwind" fn(
    device: CUdevice,
    callback: CUasyncCallbackHandle,
) -> CUresult;
pub type cuDriverGetVersion = unsafe extern "C-unwind" fn(
    driverVersion: *mut core::ffi::c_int,
) -> CUresult;
pub type cuEGLStreamConsumerAcquireFrame = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    pCudaResource: *mut CUgraphicsResource,
    pStream: *mut CUstream,
    timeout: core::ffi::c_uint,
) -> CUresult;
pub type cuEGLStreamConsumerConnect = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    stream: EGLStreamKHR,
) -> CUresult;
pub type cuEGLStreamConsumerConnectWithFlags = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    stream: EGLStreamKHR,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuEGLStreamConsumerDisconnect = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
) -> CUresult;
pub type cuEGLStreamConsumerReleaseFrame = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    pCudaResource: CUgraphicsResource,
    pStream: *mut CUstream,
) -> CUresult;
pub type cuEGLStreamProducerConnect = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    stream: EGLStreamKHR,
    width: EGLint,
    height: EGLint,
) -> CUresult;
pub type cuEGLStreamProducerDisconnect = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
) -> CUresult;
pub type cuEGLStreamProducerPresentFrame = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    eglframe: CUeglFrame,
    pStream: *mut CUstream,
) -> CUresult;
pub type cuEGLStreamProducerReturnFrame = unsafe extern "C-unwind" fn(
    conn: *mut CUeglStreamConnection,
    eglframe: *mut CUeglFrame,
    pStream: *mut CUstream,
) -> CUresult;
pub type cuEventCreate = unsafe extern "C-unwind" fn(
    phEvent: *mut CUevent,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuEventCreateFromEGLSync = unsafe extern "C-unwind" fn(
    phEvent: *mut CUevent,
    eglSync: EGLSyncKHR,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuEventDestroy = unsafe extern "C-unwind" fn(hEvent: CUevent) -> CUresult;
pub type cuEventDestroy_v2 = unsafe extern "C-unwind" fn(hEvent: CUevent) -> CUresult;
pub type cuEventElapsedTime = unsafe extern "C-unwind" fn(
    pMilliseconds: *mut f32,
    hStart: CUevent,
    hEnd: CUevent,
) -> CUresult;
pub type cuEventElapsedTime_v2 = unsafe extern "C-unwind" fn(
    pMilliseconds: *mut f32,
    hStart: CUevent,
    hEnd: CUevent,
) -> CUresult;
pub type cuEventQuery = unsafe extern "C-unwind" fn(hEvent: CUevent) -> CUresult;
pub type cuEventRecord = unsafe extern "C-unwind" fn(
    hEvent: CUevent,
    hStream: CUstream,
) -> CUresult;
pub type cuEventRecordWithFlags = unsafe extern "C-unwind" fn(
    hEvent: CUevent,
    hStream: CUstream,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuEventRecordWithFlags_ptsz = unsafe extern "C-unwind" fn(
    hEvent: CUevent,
    hStream: CUstream,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuEventRecord_ptsz = unsafe extern "C-unwind" fn(
    hEvent: CUevent,
    hStream: CUstream,
) -> CUresult;
pub type cuEventSynchronize = unsafe extern "C-unwind" fn(hEvent: CUevent) -> CUresult;
pub type cuExternalMemoryGetMappedBuffer = unsafe extern "C-unwind" fn(
    devPtr: *mut CUdeviceptr,
    extMem: CUexternalMemory,
    bufferDesc: *const CUDA_EXTERNAL_MEMORY_BUFFER_DESC,
) -> CUresult;
pub type cuExternalMemoryGetMappedMipmappedArray = unsafe extern "C-unwind" fn(
    mipmap: *mut CUmipmappedArray,
    extMem: CUexternalMemory,
    mipmapDesc: *const CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC,
) -> CUresult;
pub type cuFabricCpyBatchAsync = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_FABRIC_COPY_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuFabricCpyBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_FABRIC_COPY_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuFlushGPUDirectRDMAWrites = unsafe extern "C-unwind" fn(
    target: CUflushGPUDirectRDMAWritesTarget,
    scope: CUflushGPUDirectRDMAWritesScope,
) -> CUresult;
pub type cuFuncGetAttribute = unsafe extern "C-unwind" fn(
    pi: *mut core::ffi::c_int,
    attrib: CUfunction_attribute,
    hfunc: CUfunction,
) -> CUresult;
pub type cuFuncGetModule = unsafe extern "C-unwind" fn(
    hmod: *mut CUmodule,
    hfunc: CUfunction,
) -> CUresult;
pub type cuFuncGetName = unsafe extern "C-unwind" fn(
    name: *mut *const core::ffi::c_char,
    hfunc: CUfunction,
) -> CUresult;
pub type cuFuncGetParamCount = unsafe extern "C-unwind" fn(
    func: CUfunction,
    paramCount: *mut usize,
) -> CUresult;
pub type cuFuncGetParamInfo = unsafe extern "C-unwind" fn(
    func: CUfunction,
    paramIndex: usize,
    paramOffset: *mut usize,
    paramSize: *mut usize,
) -> CUresult;
pub type cuFuncIsLoaded = unsafe extern "C-unwind" fn(
    state: *mut CUfunctionLoadingState,
    function: CUfunction,
) -> CUresult;
pub type cuFuncLoad = unsafe extern "C-unwind" fn(function: CUfunction) -> CUresult;
pub type cuFuncSetAttribute = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    attrib: CUfunction_attribute,
    value: core::ffi::c_int,
) -> CUresult;
pub type cuFuncSetBlockShape = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    x: core::ffi::c_int,
    y: core::ffi::c_int,
    z: core::ffi::c_int,
) -> CUresult;
pub type cuFuncSetCacheConfig = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    config: CUfunc_cache,
) -> CUresult;
pub type cuFuncSetSharedMemConfig = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    config: CUsharedconfig,
) -> CUresult;
pub type cuFuncSetSharedSize = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    bytes: core::ffi::c_uint,
) -> CUresult;
pub type cuGLCtxCreate = unsafe extern "C-unwind" fn(
    pCtx: *mut CUcontext,
    Flags: core::ffi::c_uint,
    device: CUdevice,
) -> CUresult;
pub type cuGLCtxCreate_v2 = unsafe extern "C-unwind" fn(
    pCtx: *mut CUcontext,
    Flags: core::ffi::c_uint,
    device: CUdevice,
) -> CUresult;
pub type cuGLGetDevices = unsafe extern "C-unwind" fn(
    pCudaDeviceCount: *mut core::ffi::c_uint,
    pCudaDevices: *mut CUdevice,
    cudaDeviceCount: core::ffi::c_uint,
    deviceList: CUGLDeviceList,
) -> CUresult;
pub type cuGLGetDevices_v2 = unsafe extern "C-unwind" fn(
    pCudaDeviceCount: *mut core::ffi::c_uint,
    pCudaDevices: *mut CUdevice,
    cudaDeviceCount: core::ffi::c_uint,
    deviceList: CUGLDeviceList,
) -> CUresult;
pub type cuGLInit = unsafe extern "C-unwind" fn() -> CUresult;
pub type cuGLMapBufferObject = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr_v1,
    size: *mut core::ffi::c_uint,
    buffer: GLuint,
) -> CUresult;
pub type cuGLMapBufferObjectAsync = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr_v1,
    size: *mut core::ffi::c_uint,
    buffer: GLuint,
    hStream: CUstream,
) -> CUresult;
pub type cuGLMapBufferObjectAsync_v2 = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    size: *mut usize,
    buffer: GLuint,
    hStream: CUstream,
) -> CUresult;
pub type cuGLMapBufferObjectAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    size: *mut usize,
    buffer: GLuint,
    hStream: CUstream,
) -> CUresult;
pub type cuGLMapBufferObject_v2 = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    size: *mut usize,
    buffer: GLuint,
) -> CUresult;
pub type cuGLMapBufferObject_v2_ptds = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    size: *mut usize,
    buffer: GLuint,
) -> CUresult;
pub type cuGLRegisterBufferObject = unsafe extern "C-unwind" fn(
    buffer: GLuint,
) -> CUresult;
pub type cuGLSetBufferObjectMapFlags = unsafe extern "C-unwind" fn(
    buffer: GLuint,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGLUnmapBufferObject = unsafe extern "C-unwind" fn(buffer: GLuint) -> CUresult;
pub type cuGLUnmapBufferObjectAsync = unsafe extern "C-unwind" fn(
    buffer: GLuint,
    hStream: CUstream,
) -> CUresult;
pub type cuGLUnregisterBufferObject = unsafe extern "C-unwind" fn(
    buffer: GLuint,
) -> CUresult;
pub type cuGetErrorName = unsafe extern "C-unwind" fn(
    error: CUresult,
    pStr: *mut *const core::ffi::c_char,
) -> CUresult;
pub type cuGetErrorString = unsafe extern "C-unwind" fn(
    error: CUresult,
    pStr: *mut *const core::ffi::c_char,
) -> CUresult;
pub type cuGetExportTable = unsafe extern "C-unwind" fn(
    ppExportTable: *mut *const core::ffi::c_void,
    pExportTableId: *const CUuuid,
) -> CUresult;
pub type cuGetProcAddress = unsafe extern "C-unwind" fn(
    symbol: *const core::ffi::c_char,
    pfn: *mut *mut core::ffi::c_void,
    cudaVersion: core::ffi::c_int,
    flags: cuuint64_t,
) -> CUresult;
pub type cuGetProcAddress_v2 = unsafe extern "C-unwind" fn(
    symbol: *const core::ffi::c_char,
    pfn: *mut *mut core::ffi::c_void,
    cudaVersion: core::ffi::c_int,
    flags: cuuint64_t,
    symbolStatus: *mut CUdriverProcAddressQueryResult,
) -> CUresult;
pub type cuGraphAddBatchMemOpNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_BATCH_MEM_OP_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddChildGraphNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    childGraph: CUgraph,
) -> CUresult;
pub type cuGraphAddDependencies = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *const CUgraphNode,
    to: *const CUgraphNode,
    numDependencies: usize,
) -> CUresult;
pub type cuGraphAddDependencies_v2 = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *const CUgraphNode,
    to: *const CUgraphNode,
    edgeData: *const CUgraphEdgeData,
    numDependencies: usize,
) -> CUresult;
pub type cuGraphAddEmptyNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
) -> CUresult;
pub type cuGraphAddEventRecordNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    event: CUevent,
) -> CUresult;
pub type cuGraphAddEventWaitNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    event: CUevent,
) -> CUresult;
pub type cuGraphAddExternalSemaphoresSignalNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_EXT_SEM_SIGNAL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddExternalSemaphoresWaitNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_EXT_SEM_WAIT_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddHostNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_HOST_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddKernelNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS_v1,
) -> CUresult;
pub type cuGraphAddKernelNode_v2 = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddMemAllocNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *mut CUDA_MEM_ALLOC_NODE_PARAMS,
) -> CUresult;
pub type cuGraphAddMemFreeNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    dptr: CUdeviceptr,
) -> CUresult;
pub type cuGraphAddMemcpyNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    copyParams: *const CUDA_MEMCPY3D,
    ctx: CUcontext,
) -> CUresult;
pub type cuGraphAddMemsetNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    memsetParams: *const CUDA_MEMSET_NODE_PARAMS,
    ctx: CUcontext,
) -> CUresult;
pub type cuGraphAddNode = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    numDependencies: usize,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphAddNode_v2 = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphAddNode_v3 = unsafe extern "C-unwind" fn(
    phGraphNode: *mut CUgraphNode,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphBatchMemOpNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams_out: *mut CUDA_BATCH_MEM_OP_NODE_PARAMS,
) -> CUresult;
pub type cuGraphBatchMemOpNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_BATCH_MEM_OP_NODE_PARAMS,
) -> CUresult;
pub type cuGraphChildGraphNodeGetGraph = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    phGraph: *mut CUgraph,
) -> CUresult;
pub type cuGraphClone = unsafe extern "C-unwind" fn(
    phGraphClone: *mut CUgraph,
    originalGraph: CUgraph,
) -> CUresult;
pub type cuGraphConditionalHandleCreate = unsafe extern "C-unwind" fn(
    pHandle_out: *mut CUgraphConditionalHandle,
    hGraph: CUgraph,
    ctx: CUcontext,
    defaultLaunchValue: core::ffi::c_uint,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphCreate = unsafe extern "C-unwind" fn(
    phGraph: *mut CUgraph,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphDebugDotPrint = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    path: *const core::ffi::c_char,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphDestroy = unsafe extern "C-unwind" fn(hGraph: CUgraph) -> CUresult;
pub type cuGraphDestroyNode = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
) -> CUresult;
pub type cuGraphEventRecordNodeGetEvent = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    event_out: *mut CUevent,
) -> CUresult;
pub type cuGraphEventRecordNodeSetEvent = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    event: CUevent,
) -> CUresult;
pub type cuGraphEventWaitNodeGetEvent = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    event_out: *mut CUevent,
) -> CUresult;
pub type cuGraphEventWaitNodeSetEvent = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    event: CUevent,
) -> CUresult;
pub type cuGraphExecBatchMemOpNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_BATCH_MEM_OP_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExecChildGraphNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    childGraph: CUgraph,
) -> CUresult;
pub type cuGraphExecDestroy = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
) -> CUresult;
pub type cuGraphExecEventRecordNodeSetEvent = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    event: CUevent,
) -> CUresult;
pub type cuGraphExecEventWaitNodeSetEvent = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    event: CUevent,
) -> CUresult;
pub type cuGraphExecExternalSemaphoresSignalNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_EXT_SEM_SIGNAL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExecExternalSemaphoresWaitNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_EXT_SEM_WAIT_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExecGetFlags = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    flags: *mut cuuint64_t,
) -> CUresult;
pub type cuGraphExecGetId = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    graphId: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuGraphExecHostNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_HOST_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExecKernelNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS_v1,
) -> CUresult;
pub type cuGraphExecKernelNodeSetParams_v2 = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExecMemcpyNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    copyParams: *const CUDA_MEMCPY3D,
    ctx: CUcontext,
) -> CUresult;
pub type cuGraphExecMemsetNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    memsetParams: *const CUDA_MEMSET_NODE_PARAMS,
    ctx: CUcontext,
) -> CUresult;
pub type cuGraphExecNodeSetParams = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphExecUpdate = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hGraph: CUgraph,
    hErrorNode_out: *mut CUgraphNode,
    updateResult_out: *mut CUgraphExecUpdateResult,
) -> CUresult;
pub type cuGraphExecUpdate_v2 = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hGraph: CUgraph,
    resultInfo: *mut CUgraphExecUpdateResultInfo,
) -> CUresult;
pub type cuGraphExternalSemaphoresSignalNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    params_out: *mut CUDA_EXT_SEM_SIGNAL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExternalSemaphoresSignalNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_EXT_SEM_SIGNAL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExternalSemaphoresWaitNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    params_out: *mut CUDA_EXT_SEM_WAIT_NODE_PARAMS,
) -> CUresult;
pub type cuGraphExternalSemaphoresWaitNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_EXT_SEM_WAIT_NODE_PARAMS,
) -> CUresult;
pub type cuGraphGetEdges = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *mut CUgraphNode,
    to: *mut CUgraphNode,
    numEdges: *mut usize,
) -> CUresult;
pub type cuGraphGetEdges_v2 = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *mut CUgraphNode,
    to: *mut CUgraphNode,
    edgeData: *mut CUgraphEdgeData,
    numEdges: *mut usize,
) -> CUresult;
pub type cuGraphGetId = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    graphId: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuGraphGetNodes = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    nodes: *mut CUgraphNode,
    numNodes: *mut usize,
) -> CUresult;
pub type cuGraphGetRootNodes = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    rootNodes: *mut CUgraphNode,
    numRootNodes: *mut usize,
) -> CUresult;
pub type cuGraphHostNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUDA_HOST_NODE_PARAMS,
) -> CUresult;
pub type cuGraphHostNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_HOST_NODE_PARAMS,
) -> CUresult;
pub type cuGraphInstantiate = unsafe extern "C-unwind" fn(
    phGraphExec: *mut CUgraphExec,
    hGraph: CUgraph,
    phErrorNode: *mut CUgraphNode,
    logBuffer: *mut core::ffi::c_char,
    bufferSize: usize,
) -> CUresult;
pub type cuGraphInstantiateWithFlags = unsafe extern "C-unwind" fn(
    phGraphExec: *mut CUgraphExec,
    hGraph: CUgraph,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuGraphInstantiateWithParams = unsafe extern "C-unwind" fn(
    phGraphExec: *mut CUgraphExec,
    hGraph: CUgraph,
    instantiateParams: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
) -> CUresult;
pub type cuGraphInstantiateWithParams_ptsz = unsafe extern "C-unwind" fn(
    phGraphExec: *mut CUgraphExec,
    hGraph: CUgraph,
    instantiateParams: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
) -> CUresult;
pub type cuGraphInstantiate_v2 = unsafe extern "C-unwind" fn(
    phGraphExec: *mut CUgraphExec,
    hGraph: CUgraph,
    phErrorNode: *mut CUgraphNode,
    logBuffer: *mut core::ffi::c_char,
    bufferSize: usize,
) -> CUresult;
pub type cuGraphKernelNodeCopyAttributes = unsafe extern "C-unwind" fn(
    dst: CUgraphNode,
    src: CUgraphNode,
) -> CUresult;
pub type cuGraphKernelNodeGetAttribute = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    attr: CUkernelNodeAttrID,
    value_out: *mut CUkernelNodeAttrValue,
) -> CUresult;
pub type cuGraphKernelNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUDA_KERNEL_NODE_PARAMS_v1,
) -> CUresult;
pub type cuGraphKernelNodeGetParams_v2 = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUDA_KERNEL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphKernelNodeSetAttribute = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    attr: CUkernelNodeAttrID,
    value: *const CUkernelNodeAttrValue,
) -> CUresult;
pub type cuGraphKernelNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS_v1,
) -> CUresult;
pub type cuGraphKernelNodeSetParams_v2 = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_KERNEL_NODE_PARAMS,
) -> CUresult;
pub type cuGraphLaunch = unsafe extern "C-unwind" fn(
    hGraph: CUgraphExec,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphLaunch_ptsz = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphMemAllocNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    params_out: *mut CUDA_MEM_ALLOC_NODE_PARAMS,
) -> CUresult;
pub type cuGraphMemFreeNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    dptr_out: *mut CUdeviceptr,
) -> CUresult;
pub type cuGraphMemcpyNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUDA_MEMCPY3D,
) -> CUresult;
pub type cuGraphMemcpyNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_MEMCPY3D,
) -> CUresult;
pub type cuGraphMemsetNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUDA_MEMSET_NODE_PARAMS,
) -> CUresult;
pub type cuGraphMemsetNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *const CUDA_MEMSET_NODE_PARAMS,
) -> CUresult;
pub type cuGraphNodeFindInClone = unsafe extern "C-unwind" fn(
    phNode: *mut CUgraphNode,
    hOriginalNode: CUgraphNode,
    hClonedGraph: CUgraph,
) -> CUresult;
pub type cuGraphNodeGetContainingGraph = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    phGraph: *mut CUgraph,
) -> CUresult;
pub type cuGraphNodeGetDependencies = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    dependencies: *mut CUgraphNode,
    numDependencies: *mut usize,
) -> CUresult;
pub type cuGraphNodeGetDependencies_v2 = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    dependencies: *mut CUgraphNode,
    edgeData: *mut CUgraphEdgeData,
    numDependencies: *mut usize,
) -> CUresult;
pub type cuGraphNodeGetDependentNodes = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    dependentNodes: *mut CUgraphNode,
    numDependentNodes: *mut usize,
) -> CUresult;
pub type cuGraphNodeGetDependentNodes_v2 = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    dependentNodes: *mut CUgraphNode,
    edgeData: *mut CUgraphEdgeData,
    numDependentNodes: *mut usize,
) -> CUresult;
pub type cuGraphNodeGetEnabled = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    isEnabled: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuGraphNodeGetLocalId = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeId: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuGraphNodeGetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphNodeGetToolsId = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    toolsNodeId: *mut core::ffi::c_ulonglong,
) -> CUresult;
pub type cuGraphNodeGetType = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    type_: *mut CUgraphNodeType,
) -> CUresult;
pub type cuGraphNodeSetEnabled = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hNode: CUgraphNode,
    isEnabled: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphNodeSetParams = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphNodeSetParams_v2 = unsafe extern "C-unwind" fn(
    hNode: CUgraphNode,
    nodeParams: *mut CUgraphNodeParams,
) -> CUresult;
pub type cuGraphReleaseUserObject = unsafe extern "C-unwind" fn(
    graph: CUgraph,
    object: CUuserObject,
    count: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphRemoveDependencies = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *const CUgraphNode,
    to: *const CUgraphNode,
    numDependencies: usize,
) -> CUresult;
pub type cuGraphRemoveDependencies_v2 = unsafe extern "C-unwind" fn(
    hGraph: CUgraph,
    from: *const CUgraphNode,
    to: *const CUgraphNode,
    edgeData: *const CUgraphEdgeData,
    numDependencies: usize,
) -> CUresult;
pub type cuGraphRetainUserObject = unsafe extern "C-unwind" fn(
    graph: CUgraph,
    object: CUuserObject,
    count: core::ffi::c_uint,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphUpload = unsafe extern "C-unwind" fn(
    hGraph: CUgraphExec,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphUpload_ptsz = unsafe extern "C-unwind" fn(
    hGraphExec: CUgraphExec,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphicsEGLRegisterImage = unsafe extern "C-unwind" fn(
    pCudaResource: *mut CUgraphicsResource,
    image: EGLImageKHR,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsGLRegisterBuffer = unsafe extern "C-unwind" fn(
    pCudaResource: *mut CUgraphicsResource,
    buffer: GLuint,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsGLRegisterImage = unsafe extern "C-unwind" fn(
    pCudaResource: *mut CUgraphicsResource,
    image: GLuint,
    target: GLenum,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsMapResources = unsafe extern "C-unwind" fn(
    count: core::ffi::c_uint,
    resources: *mut CUgraphicsResource,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphicsMapResources_ptsz = unsafe extern "C-unwind" fn(
    count: core::ffi::c_uint,
    resources: *mut CUgraphicsResource,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphicsResourceGetMappedEglFrame = unsafe extern "C-unwind" fn(
    eglFrame: *mut CUeglFrame,
    resource: CUgraphicsResource,
    index: core::ffi::c_uint,
    mipLevel: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsResourceGetMappedMipmappedArray = unsafe extern "C-unwind" fn(
    pMipmappedArray: *mut CUmipmappedArray,
    resource: CUgraphicsResource,
) -> CUresult;
pub type cuGraphicsResourceGetMappedPointer = unsafe extern "C-unwind" fn(
    pDevPtr: *mut CUdeviceptr_v1,
    pSize: *mut core::ffi::c_uint,
    resource: CUgraphicsResource,
) -> CUresult;
pub type cuGraphicsResourceGetMappedPointer_v2 = unsafe extern "C-unwind" fn(
    pDevPtr: *mut CUdeviceptr,
    pSize: *mut usize,
    resource: CUgraphicsResource,
) -> CUresult;
pub type cuGraphicsResourceSetMapFlags = unsafe extern "C-unwind" fn(
    resource: CUgraphicsResource,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsResourceSetMapFlags_v2 = unsafe extern "C-unwind" fn(
    resource: CUgraphicsResource,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsSubResourceGetMappedArray = unsafe extern "C-unwind" fn(
    pArray: *mut CUarray,
    resource: CUgraphicsResource,
    arrayIndex: core::ffi::c_uint,
    mipLevel: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsUnmapResources = unsafe extern "C-unwind" fn(
    count: core::ffi::c_uint,
    resources: *mut CUgraphicsResource,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphicsUnmapResources_ptsz = unsafe extern "C-unwind" fn(
    count: core::ffi::c_uint,
    resources: *mut CUgraphicsResource,
    hStream: CUstream,
) -> CUresult;
pub type cuGraphicsUnregisterResource = unsafe extern "C-unwind" fn(
    resource: CUgraphicsResource,
) -> CUresult;
pub type cuGraphicsVDPAURegisterOutputSurface = unsafe extern "C-unwind" fn(
    pCudaResource: *mut CUgraphicsResource,
    vdpSurface: VdpOutputSurface,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGraphicsVDPAURegisterVideoSurface = unsafe extern "C-unwind" fn(
    pCudaResource: *mut CUgraphicsResource,
    vdpSurface: VdpVideoSurface,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGreenCtxCreate = unsafe extern "C-unwind" fn(
    phCtx: *mut CUgreenCtx,
    desc: CUdevResourceDesc,
    dev: CUdevice,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuGreenCtxDestroy = unsafe extern "C-unwind" fn(hCtx: CUgreenCtx) -> CUresult;
pub type cuGreenCtxGetDevResource = unsafe extern "C-unwind" fn(
    hCtx: CUgreenCtx,
    resource: *mut CUdevResource,
    type_: CUdevResourceType,
) -> CUresult;
pub type cuGreenCtxGetId = unsafe extern "C-unwind" fn(
    greenCtx: CUgreenCtx,
    greenCtxId: *mut core::ffi::c_ulonglong,
) -> CUresult;
pub type cuGreenCtxRecordEvent = unsafe extern "C-unwind" fn(
    hCtx: CUgreenCtx,
    hEvent: CUevent,
) -> CUresult;
pub type cuGreenCtxStreamCreate = unsafe extern "C-unwind" fn(
    phStream: *mut CUstream,
    greenCtx: CUgreenCtx,
    flags: core::ffi::c_uint,
    priority: core::ffi::c_int,
) -> CUresult;
pub type cuGreenCtxWaitEvent = unsafe extern "C-unwind" fn(
    hCtx: CUgreenCtx,
    hEvent: CUevent,
) -> CUresult;
pub type cuImportExternalMemory = unsafe extern "C-unwind" fn(
    extMem_out: *mut CUexternalMemory,
    memHandleDesc: *const CUDA_EXTERNAL_MEMORY_HANDLE_DESC,
) -> CUresult;
pub type cuImportExternalSemaphore = unsafe extern "C-unwind" fn(
    extSem_out: *mut CUexternalSemaphore,
    semHandleDesc: *const CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC,
) -> CUresult;
pub type cuInit = unsafe extern "C-unwind" fn(Flags: core::ffi::c_uint) -> CUresult;
pub type cuIpcCloseMemHandle = unsafe extern "C-unwind" fn(
    dptr: CUdeviceptr,
) -> CUresult;
pub type cuIpcGetEventHandle = unsafe extern "C-unwind" fn(
    pHandle: *mut CUipcEventHandle,
    event: CUevent,
) -> CUresult;
pub type cuIpcGetMemHandle = unsafe extern "C-unwind" fn(
    pHandle: *mut CUipcMemHandle,
    dptr: CUdeviceptr,
) -> CUresult;
pub type cuIpcOpenEventHandle = unsafe extern "C-unwind" fn(
    phEvent: *mut CUevent,
    handle: CUipcEventHandle,
) -> CUresult;
pub type cuIpcOpenMemHandle = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr,
    handle: CUipcMemHandle,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuIpcOpenMemHandle_v2 = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr,
    handle: CUipcMemHandle,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuKernelGetAttribute = unsafe extern "C-unwind" fn(
    pi: *mut core::ffi::c_int,
    attrib: CUfunction_attribute,
    kernel: CUkernel,
    dev: CUdevice,
) -> CUresult;
pub type cuKernelGetFunction = unsafe extern "C-unwind" fn(
    pFunc: *mut CUfunction,
    kernel: CUkernel,
) -> CUresult;
pub type cuKernelGetLibrary = unsafe extern "C-unwind" fn(
    pLib: *mut CUlibrary,
    kernel: CUkernel,
) -> CUresult;
pub type cuKernelGetName = unsafe extern "C-unwind" fn(
    name: *mut *const core::ffi::c_char,
    hfunc: CUkernel,
) -> CUresult;
pub type cuKernelGetParamCount = unsafe extern "C-unwind" fn(
    kernel: CUkernel,
    paramCount: *mut usize,
) -> CUresult;
pub type cuKernelGetParamInfo = unsafe extern "C-unwind" fn(
    kernel: CUkernel,
    paramIndex: usize,
    paramOffset: *mut usize,
    paramSize: *mut usize,
) -> CUresult;
pub type cuKernelSetAttribute = unsafe extern "C-unwind" fn(
    attrib: CUfunction_attribute,
    val: core::ffi::c_int,
    kernel: CUkernel,
    dev: CUdevice,
) -> CUresult;
pub type cuKernelSetCacheConfig = unsafe extern "C-unwind" fn(
    kernel: CUkernel,
    config: CUfunc_cache,
    dev: CUdevice,
) -> CUresult;
pub type cuLaunch = unsafe extern "C-unwind" fn(f: CUfunction) -> CUresult;
pub type cuLaunchCooperativeKernel = unsafe extern "C-unwind" fn(
    f: CUfunction,
    gridDimX: core::ffi::c_uint,
    gridDimY: core::ffi::c_uint,
    gridDimZ: core::ffi::c_uint,
    blockDimX: core::ffi::c_uint,
    blockDimY: core::ffi::c_uint,
    blockDimZ: core::ffi::c_uint,
    sharedMemBytes: core::ffi::c_uint,
    hStream: CUstream,
    kernelParams: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchCooperativeKernelMultiDevice = unsafe extern "C-unwind" fn(
    launchParamsList: *mut CUDA_LAUNCH_PARAMS,
    numDevices: core::ffi::c_uint,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuLaunchCooperativeKernel_ptsz = unsafe extern "C-unwind" fn(
    f: CUfunction,
    gridDimX: core::ffi::c_uint,
    gridDimY: core::ffi::c_uint,
    gridDimZ: core::ffi::c_uint,
    blockDimX: core::ffi::c_uint,
    blockDimY: core::ffi::c_uint,
    blockDimZ: core::ffi::c_uint,
    sharedMemBytes: core::ffi::c_uint,
    hStream: CUstream,
    kernelParams: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchGrid = unsafe extern "C-unwind" fn(
    f: CUfunction,
    grid_width: core::ffi::c_int,
    grid_height: core::ffi::c_int,
) -> CUresult;
pub type cuLaunchGridAsync = unsafe extern "C-unwind" fn(
    f: CUfunction,
    grid_width: core::ffi::c_int,
    grid_height: core::ffi::c_int,
    hStream: CUstream,
) -> CUresult;
pub type cuLaunchHostFunc = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    fn_: CUhostFn,
    userData: *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchHostFunc_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    fn_: CUhostFn,
    userData: *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchHostFunc_v2 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    fn_: CUhostFn,
    userData: *mut core::ffi::c_void,
    syncMode: core::ffi::c_uint,
) -> CUresult;
pub type cuLaunchHostFunc_v2_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    fn_: CUhostFn,
    userData: *mut core::ffi::c_void,
    syncMode: core::ffi::c_uint,
) -> CUresult;
pub type cuLaunchKernel = unsafe extern "C-unwind" fn(
    f: CUfunction,
    gridDimX: core::ffi::c_uint,
    gridDimY: core::ffi::c_uint,
    gridDimZ: core::ffi::c_uint,
    blockDimX: core::ffi::c_uint,
    blockDimY: core::ffi::c_uint,
    blockDimZ: core::ffi::c_uint,
    sharedMemBytes: core::ffi::c_uint,
    hStream: CUstream,
    kernelParams: *mut *mut core::ffi::c_void,
    extra: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchKernelEx = unsafe extern "C-unwind" fn(
    config: *const CUlaunchConfig,
    f: CUfunction,
    kernelParams: *mut *mut core::ffi::c_void,
    extra: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchKernelEx_ptsz = unsafe extern "C-unwind" fn(
    config: *const CUlaunchConfig,
    f: CUfunction,
    kernelParams: *mut *mut core::ffi::c_void,
    extra: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLaunchKernel_ptsz = unsafe extern "C-unwind" fn(
    f: CUfunction,
    gridDimX: core::ffi::c_uint,
    gridDimY: core::ffi::c_uint,
    gridDimZ: core::ffi::c_uint,
    blockDimX: core::ffi::c_uint,
    blockDimY: core::ffi::c_uint,
    blockDimZ: core::ffi::c_uint,
    sharedMemBytes: core::ffi::c_uint,
    hStream: CUstream,
    kernelParams: *mut *mut core::ffi::c_void,
    extra: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLibraryEnumerateKernels = unsafe extern "C-unwind" fn(
    kernels: *mut CUkernel,
    numKernels: core::ffi::c_uint,
    lib: CUlibrary,
) -> CUresult;
pub type cuLibraryGetGlobal = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytes: *mut usize,
    library: CUlibrary,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuLibraryGetKernel = unsafe extern "C-unwind" fn(
    pKernel: *mut CUkernel,
    library: CUlibrary,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuLibraryGetKernelCount = unsafe extern "C-unwind" fn(
    count: *mut core::ffi::c_uint,
    lib: CUlibrary,
) -> CUresult;
pub type cuLibraryGetManaged = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytes: *mut usize,
    library: CUlibrary,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuLibraryGetModule = unsafe extern "C-unwind" fn(
    pMod: *mut CUmodule,
    library: CUlibrary,
) -> CUresult;
pub type cuLibraryGetUnifiedFunction = unsafe extern "C-unwind" fn(
    fptr: *mut *mut core::ffi::c_void,
    library: CUlibrary,
    symbol: *const core::ffi::c_char,
) -> CUresult;
pub type cuLibraryLoadData = unsafe extern "C-unwind" fn(
    library: *mut CUlibrary,
    code: *const core::ffi::c_void,
    jitOptions: *mut CUjit_option,
    jitOptionsValues: *mut *mut core::ffi::c_void,
    numJitOptions: core::ffi::c_uint,
    libraryOptions: *mut CUlibraryOption,
    libraryOptionValues: *mut *mut core::ffi::c_void,
    numLibraryOptions: core::ffi::c_uint,
) -> CUresult;
pub type cuLibraryLoadFromFile = unsafe extern "C-unwind" fn(
    library: *mut CUlibrary,
    fileName: *const core::ffi::c_char,
    jitOptions: *mut CUjit_option,
    jitOptionsValues: *mut *mut core::ffi::c_void,
    numJitOptions: core::ffi::c_uint,
    libraryOptions: *mut CUlibraryOption,
    libraryOptionValues: *mut *mut core::ffi::c_void,
    numLibraryOptions: core::ffi::c_uint,
) -> CUresult;
pub type cuLibraryUnload = unsafe extern "C-unwind" fn(library: CUlibrary) -> CUresult;
pub type cuLinkAddData = unsafe extern "C-unwind" fn(
    state: CUlinkState,
    type_: CUjitInputType,
    data: *mut core::ffi::c_void,
    size: usize,
    name: *const core::ffi::c_char,
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLinkAddData_v2 = unsafe extern "C-unwind" fn(
    state: CUlinkState,
    type_: CUjitInputType,
    data: *mut core::ffi::c_void,
    size: usize,
    name: *const core::ffi::c_char,
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLinkAddFile = unsafe extern "C-unwind" fn(
    state: CUlinkState,
    type_: CUjitInputType,
    path: *const core::ffi::c_char,
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLinkAddFile_v2 = unsafe extern "C-unwind" fn(
    state: CUlinkState,
    type_: CUjitInputType,
    path: *const core::ffi::c_char,
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuLinkComplete = unsafe extern "C-unwind" fn(
    state: CUlinkState,
    cubinOut: *mut *mut core::ffi::c_void,
    sizeOut: *mut usize,
) -> CUresult;
pub type cuLinkCreate = unsafe extern "C-unwind" fn(
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
    stateOut: *mut CUlinkState,
) -> CUresult;
pub type cuLinkCreate_v2 = unsafe extern "C-unwind" fn(
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
    stateOut: *mut CUlinkState,
) -> CUresult;
pub type cuLinkDestroy = unsafe extern "C-unwind" fn(state: CUlinkState) -> CUresult;
pub type cuLogicalEndpointAddDevice = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    dev: CUdevice,
) -> CUresult;
pub type cuLogicalEndpointBindAddr = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    dev: CUdevice,
    offset: cuuint64_t,
    ptr: *mut core::ffi::c_void,
    size: cuuint64_t,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuLogicalEndpointBindMem = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    dev: CUdevice,
    offset: cuuint64_t,
    memHandle: CUmemGenericAllocationHandle,
    memOffset: cuuint64_t,
    size: cuuint64_t,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuLogicalEndpointCreate = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    prop: *const CUlogicalEndpointProp,
) -> CUresult;
pub type cuLogicalEndpointDestroy = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
) -> CUresult;
pub type cuLogicalEndpointExport = unsafe extern "C-unwind" fn(
    handle: *mut core::ffi::c_void,
    leId: CUlogicalEndpointId,
    handleType: CUlogicalEndpointIpcHandleType,
) -> CUresult;
pub type cuLogicalEndpointGetLimits = unsafe extern "C-unwind" fn(
    bindAlignment: *mut cuuint64_t,
    maxSize: *mut cuuint64_t,
    prop: *const CUlogicalEndpointProp,
) -> CUresult;
pub type cuLogicalEndpointIdRelease = unsafe extern "C-unwind" fn(
    baseLeId: CUlogicalEndpointId,
    count: cuuint32_t,
) -> CUresult;
pub type cuLogicalEndpointIdReserve = unsafe extern "C-unwind" fn(
    baseLeId: *mut CUlogicalEndpointId,
    count: cuuint32_t,
) -> CUresult;
pub type cuLogicalEndpointImport = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    handle: *const core::ffi::c_void,
    handleType: CUlogicalEndpointIpcHandleType,
) -> CUresult;
pub type cuLogicalEndpointQuery = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    count: cuuint32_t,
    queryStatus: *mut core::ffi::c_int,
) -> CUresult;
pub type cuLogicalEndpointUnbind = unsafe extern "C-unwind" fn(
    leId: CUlogicalEndpointId,
    dev: CUdevice,
    offset: cuuint64_t,
    size: cuuint64_t,
) -> CUresult;
pub type cuLogsCurrent = unsafe extern "C-unwind" fn(
    iterator_out: *mut CUlogIterator,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuLogsDumpToFile = unsafe extern "C-unwind" fn(
    iterator: *mut CUlogIterator,
    pathToFile: *const core::ffi::c_char,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuLogsDumpToMemory = unsafe extern "C-unwind" fn(
    iterator: *mut CUlogIterator,
    buffer: *mut core::ffi::c_char,
    size: *mut usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuLogsRegisterCallback = unsafe extern "C-unwind" fn(
    callbackFunc: CUlogsCallback,
    userData: *mut core::ffi::c_void,
    callback_out: *mut CUlogsCallbackHandle,
) -> CUresult;
pub type cuLogsUnregisterCallback = unsafe extern "C-unwind" fn(
    callback: CUlogsCallbackHandle,
) -> CUresult;
pub type cuMemAddressFree = unsafe extern "C-unwind" fn(
    ptr: CUdeviceptr,
    size: usize,
) -> CUresult;
pub type cuMemAddressReserve = unsafe extern "C-unwind" fn(
    ptr: *mut CUdeviceptr,
    size: usize,
    alignment: usize,
    addr: CUdeviceptr,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemAdvise = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    advice: CUmem_advise,
    device: CUdevice,
) -> CUresult;
pub type cuMemAdvise_v2 = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    advice: CUmem_advise,
    location: CUmemLocation,
) -> CUresult;
pub type cuMemAlloc = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr_v1,
    bytesize: core::ffi::c_uint,
) -> CUresult;
pub type cuMemAllocAsync = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemAllocAsync_ptsz = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemAllocFromPoolAsync = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    pool: CUmemoryPool,
    hStream: CUstream,
) -> CUresult;
pub type cuMemAllocFromPoolAsync_ptsz = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    pool: CUmemoryPool,
    hStream: CUstream,
) -> CUresult;
pub type cuMemAllocHost = unsafe extern "C-unwind" fn(
    pp: *mut *mut core::ffi::c_void,
    bytesize: core::ffi::c_uint,
) -> CUresult;
pub type cuMemAllocHost_v2 = unsafe extern "C-unwind" fn(
    pp: *mut *mut core::ffi::c_void,
    bytesize: usize,
) -> CUresult;
pub type cuMemAllocManaged = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemAllocPitch = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr_v1,
    pPitch: *mut core::ffi::c_uint,
    WidthInBytes: core::ffi::c_uint,
    Height: core::ffi::c_uint,
    ElementSizeBytes: core::ffi::c_uint,
) -> CUresult;
pub type cuMemAllocPitch_v2 = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    pPitch: *mut usize,
    WidthInBytes: usize,
    Height: usize,
    ElementSizeBytes: core::ffi::c_uint,
) -> CUresult;
pub type cuMemAlloc_v2 = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytesize: usize,
) -> CUresult;
pub type cuMemBatchDecompressAsync = unsafe extern "C-unwind" fn(
    paramsArray: *mut CUmemDecompressParams,
    count: usize,
    flags: core::ffi::c_uint,
    errorIndex: *mut usize,
    stream: CUstream,
) -> CUresult;
pub type cuMemBatchDecompressAsync_ptsz = unsafe extern "C-unwind" fn(
    paramsArray: *mut CUmemDecompressParams,
    count: usize,
    flags: core::ffi::c_uint,
    errorIndex: *mut usize,
    stream: CUstream,
) -> CUresult;
pub type cuMemCreate = unsafe extern "C-unwind" fn(
    handle: *mut CUmemGenericAllocationHandle,
    size: usize,
    prop: *const CUmemAllocationProp,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemDiscardAndPrefetchBatchAsync = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    prefetchLocs: *mut CUmemLocation,
    prefetchLocIdxs: *mut usize,
    numPrefetchLocs: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemDiscardAndPrefetchBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    prefetchLocs: *mut CUmemLocation,
    prefetchLocIdxs: *mut usize,
    numPrefetchLocs: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemDiscardBatchAsync = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemDiscardBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemExportToShareableHandle = unsafe extern "C-unwind" fn(
    shareableHandle: *mut core::ffi::c_void,
    handle: CUmemGenericAllocationHandle,
    handleType: CUmemAllocationHandleType,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemFree = unsafe extern "C-unwind" fn(dptr: CUdeviceptr_v1) -> CUresult;
pub type cuMemFreeAsync = unsafe extern "C-unwind" fn(
    dptr: CUdeviceptr,
    hStream: CUstream,
) -> CUresult;
pub type cuMemFreeAsync_ptsz = unsafe extern "C-unwind" fn(
    dptr: CUdeviceptr,
    hStream: CUstream,
) -> CUresult;
pub type cuMemFreeHost = unsafe extern "C-unwind" fn(
    p: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemFree_v2 = unsafe extern "C-unwind" fn(dptr: CUdeviceptr) -> CUresult;
pub type cuMemGetAccess = unsafe extern "C-unwind" fn(
    flags: *mut core::ffi::c_ulonglong,
    location: *const CUmemLocation,
    ptr: CUdeviceptr,
) -> CUresult;
pub type cuMemGetAddressRange = unsafe extern "C-unwind" fn(
    pbase: *mut CUdeviceptr_v1,
    psize: *mut core::ffi::c_uint,
    dptr: CUdeviceptr_v1,
) -> CUresult;
pub type cuMemGetAddressRange_v2 = unsafe extern "C-unwind" fn(
    pbase: *mut CUdeviceptr,
    psize: *mut usize,
    dptr: CUdeviceptr,
) -> CUresult;
pub type cuMemGetAllocationGranularity = unsafe extern "C-unwind" fn(
    granularity: *mut usize,
    prop: *const CUmemAllocationProp,
    option: CUmemAllocationGranularity_flags,
) -> CUresult;
pub type cuMemGetAllocationPropertiesFromHandle = unsafe extern "C-unwind" fn(
    prop: *mut CUmemAllocationProp,
    handle: CUmemGenericAllocationHandle,
) -> CUresult;
pub type cuMemGetDefaultMemPool = unsafe extern "C-unwind" fn(
    pool_out: *mut CUmemoryPool,
    location: *mut CUmemLocation,
    type_: CUmemAllocationType,
) -> CUresult;
pub type cuMemGetHandleForAddressRange = unsafe extern "C-unwind" fn(
    handle: *mut core::ffi::c_void,
    dptr: CUdeviceptr,
    size: usize,
    handleType: CUmemRangeHandleType,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemGetInfo = unsafe extern "C-unwind" fn(
    free: *mut core::ffi::c_uint,
    total: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuMemGetInfo_v2 = unsafe extern "C-unwind" fn(
    free: *mut usize,
    total: *mut usize,
) -> CUresult;
pub type cuMemGetLocationInfo = unsafe extern "C-unwind" fn(
    ptr: CUdeviceptr,
    size: usize,
    summaryGranularity: usize,
    samplingGranularity: usize,
    location_out: *mut CUmemLocation,
) -> CUresult;
pub type cuMemGetMemPool = unsafe extern "C-unwind" fn(
    pool: *mut CUmemoryPool,
    location: *mut CUmemLocation,
    type_: CUmemAllocationType,
) -> CUresult;
pub type cuMemHostAlloc = unsafe extern "C-unwind" fn(
    pp: *mut *mut core::ffi::c_void,
    bytesize: usize,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemHostGetDevicePointer = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr_v1,
    p: *mut core::ffi::c_void,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemHostGetDevicePointer_v2 = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr,
    p: *mut core::ffi::c_void,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemHostGetFlags = unsafe extern "C-unwind" fn(
    pFlags: *mut core::ffi::c_uint,
    p: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemHostRegister = unsafe extern "C-unwind" fn(
    p: *mut core::ffi::c_void,
    bytesize: usize,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemHostRegister_v2 = unsafe extern "C-unwind" fn(
    p: *mut core::ffi::c_void,
    bytesize: usize,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuMemHostUnregister = unsafe extern "C-unwind" fn(
    p: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemImportFromShareableHandle = unsafe extern "C-unwind" fn(
    handle: *mut CUmemGenericAllocationHandle,
    osHandle: *mut core::ffi::c_void,
    shHandleType: CUmemAllocationHandleType,
) -> CUresult;
pub type cuMemMap = unsafe extern "C-unwind" fn(
    ptr: CUdeviceptr,
    size: usize,
    offset: usize,
    handle: CUmemGenericAllocationHandle,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemMapArrayAsync = unsafe extern "C-unwind" fn(
    mapInfoList: *mut CUarrayMapInfo,
    count: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemMapArrayAsync_ptsz = unsafe extern "C-unwind" fn(
    mapInfoList: *mut CUarrayMapInfo,
    count: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPoolCreate = unsafe extern "C-unwind" fn(
    pool: *mut CUmemoryPool,
    poolProps: *const CUmemPoolProps,
) -> CUresult;
pub type cuMemPoolDestroy = unsafe extern "C-unwind" fn(pool: CUmemoryPool) -> CUresult;
pub type cuMemPoolExportPointer = unsafe extern "C-unwind" fn(
    shareData_out: *mut CUmemPoolPtrExportData,
    ptr: CUdeviceptr,
) -> CUresult;
pub type cuMemPoolExportToShareableHandle = unsafe extern "C-unwind" fn(
    handle_out: *mut core::ffi::c_void,
    pool: CUmemoryPool,
    handleType: CUmemAllocationHandleType,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemPoolGetAccess = unsafe extern "C-unwind" fn(
    flags: *mut CUmemAccess_flags,
    memPool: CUmemoryPool,
    location: *mut CUmemLocation,
) -> CUresult;
pub type cuMemPoolGetAttribute = unsafe extern "C-unwind" fn(
    pool: CUmemoryPool,
    attr: CUmemPool_attribute,
    value: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemPoolImportFromShareableHandle = unsafe extern "C-unwind" fn(
    pool_out: *mut CUmemoryPool,
    handle: *mut core::ffi::c_void,
    handleType: CUmemAllocationHandleType,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMemPoolImportPointer = unsafe extern "C-unwind" fn(
    ptr_out: *mut CUdeviceptr,
    pool: CUmemoryPool,
    shareData: *mut CUmemPoolPtrExportData,
) -> CUresult;
pub type cuMemPoolSetAccess = unsafe extern "C-unwind" fn(
    pool: CUmemoryPool,
    map: *const CUmemAccessDesc,
    count: usize,
) -> CUresult;
pub type cuMemPoolSetAttribute = unsafe extern "C-unwind" fn(
    pool: CUmemoryPool,
    attr: CUmemPool_attribute,
    value: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemPoolTrimTo = unsafe extern "C-unwind" fn(
    pool: CUmemoryPool,
    minBytesToKeep: usize,
) -> CUresult;
pub type cuMemPrefetchAsync = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    dstDevice: CUdevice,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPrefetchAsync_ptsz = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    dstDevice: CUdevice,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPrefetchAsync_v2 = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    location: CUmemLocation,
    flags: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPrefetchAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    devPtr: CUdeviceptr,
    count: usize,
    location: CUmemLocation,
    flags: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPrefetchBatchAsync = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    prefetchLocs: *mut CUmemLocation,
    prefetchLocIdxs: *mut usize,
    numPrefetchLocs: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemPrefetchBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    dptrs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    prefetchLocs: *mut CUmemLocation,
    prefetchLocIdxs: *mut usize,
    numPrefetchLocs: usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemRangeGetAttribute = unsafe extern "C-unwind" fn(
    data: *mut core::ffi::c_void,
    dataSize: usize,
    attribute: CUmem_range_attribute,
    devPtr: CUdeviceptr,
    count: usize,
) -> CUresult;
pub type cuMemRangeGetAttributes = unsafe extern "C-unwind" fn(
    data: *mut *mut core::ffi::c_void,
    dataSizes: *mut usize,
    attributes: *mut CUmem_range_attribute,
    numAttributes: usize,
    devPtr: CUdeviceptr,
    count: usize,
) -> CUresult;
pub type cuMemRelease = unsafe extern "C-unwind" fn(
    handle: CUmemGenericAllocationHandle,
) -> CUresult;
pub type cuMemRetainAllocationHandle = unsafe extern "C-unwind" fn(
    handle: *mut CUmemGenericAllocationHandle,
    addr: *mut core::ffi::c_void,
) -> CUresult;
pub type cuMemSetAccess = unsafe extern "C-unwind" fn(
    ptr: CUdeviceptr,
    size: usize,
    desc: *const CUmemAccessDesc,
    count: usize,
) -> CUresult;
pub type cuMemSetMemPool = unsafe extern "C-unwind" fn(
    location: *mut CUmemLocation,
    type_: CUmemAllocationType,
    pool: CUmemoryPool,
) -> CUresult;
pub type cuMemUnmap = unsafe extern "C-unwind" fn(
    ptr: CUdeviceptr,
    size: usize,
) -> CUresult;
pub type cuMemcpy = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpy2D = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D_v1,
) -> CUresult;
pub type cuMemcpy2DAsync = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D_v1,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy2DAsync_v2 = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy2DAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy2DUnaligned = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D_v1,
) -> CUresult;
pub type cuMemcpy2DUnaligned_v2 = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
) -> CUresult;
pub type cuMemcpy2DUnaligned_v2_ptds = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
) -> CUresult;
pub type cuMemcpy2D_v2 = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
) -> CUresult;
pub type cuMemcpy2D_v2_ptds = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY2D,
) -> CUresult;
pub type cuMemcpy3D = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_v1,
) -> CUresult;
pub type cuMemcpy3DAsync = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_v1,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DAsync_v2 = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DBatchAsync = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_MEMCPY3D_BATCH_OP,
    failIdx: *mut usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_MEMCPY3D_BATCH_OP,
    failIdx: *mut usize,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DBatchAsync_v2 = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DBatchAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    numOps: usize,
    opList: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DPeer = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_PEER,
) -> CUresult;
pub type cuMemcpy3DPeerAsync = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_PEER,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DPeerAsync_ptsz = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_PEER,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DPeer_ptds = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D_PEER,
) -> CUresult;
pub type cuMemcpy3DWithAttributesAsync = unsafe extern "C-unwind" fn(
    op: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3DWithAttributesAsync_ptsz = unsafe extern "C-unwind" fn(
    op: *mut CUDA_MEMCPY3D_BATCH_OP,
    flags: core::ffi::c_ulonglong,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy3D_v2 = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D,
) -> CUresult;
pub type cuMemcpy3D_v2_ptds = unsafe extern "C-unwind" fn(
    pCopy: *const CUDA_MEMCPY3D,
) -> CUresult;
pub type cuMemcpyAsync = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyAsync_ptsz = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyAtoA = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: core::ffi::c_uint,
    srcArray: CUarray,
    srcOffset: core::ffi::c_uint,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyAtoA_v2 = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyAtoA_v2_ptds = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyAtoD = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    srcArray: CUarray,
    srcOffset: core::ffi::c_uint,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyAtoD_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyAtoD_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyAtoH = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: core::ffi::c_uint,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyAtoHAsync = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: core::ffi::c_uint,
    ByteCount: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyAtoHAsync_v2 = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyAtoHAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyAtoH_v2 = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyAtoH_v2_ptds = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcArray: CUarray,
    srcOffset: usize,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyBatchAsync = unsafe extern "C-unwind" fn(
    dsts: *mut CUdeviceptr,
    srcs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attrs: *mut CUmemcpyAttributes,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    failIdx: *mut usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyBatchAsync_ptsz = unsafe extern "C-unwind" fn(
    dsts: *mut CUdeviceptr,
    srcs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attrs: *mut CUmemcpyAttributes,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    failIdx: *mut usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyBatchAsync_v2 = unsafe extern "C-unwind" fn(
    dsts: *mut CUdeviceptr,
    srcs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attrs: *mut CUmemcpyAttributes,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyBatchAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dsts: *mut CUdeviceptr,
    srcs: *mut CUdeviceptr,
    sizes: *mut usize,
    count: usize,
    attrs: *mut CUmemcpyAttributes,
    attrsIdxs: *mut usize,
    numAttrs: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoA = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: core::ffi::c_uint,
    srcDevice: CUdeviceptr_v1,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyDtoA_v2 = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyDtoA_v2_ptds = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyDtoD = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    srcDevice: CUdeviceptr_v1,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyDtoDAsync = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    srcDevice: CUdeviceptr_v1,
    ByteCount: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoDAsync_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoDAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoD_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyDtoD_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyDtoH = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr_v1,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyDtoHAsync = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr_v1,
    ByteCount: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoHAsync_v2 = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoHAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyDtoH_v2 = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyDtoH_v2_ptds = unsafe extern "C-unwind" fn(
    dstHost: *mut core::ffi::c_void,
    srcDevice: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyHtoA = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: core::ffi::c_uint,
    srcHost: *const core::ffi::c_void,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyHtoAAsync = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: core::ffi::c_uint,
    srcHost: *const core::ffi::c_void,
    ByteCount: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoAAsync_v2 = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoAAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoA_v2 = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyHtoA_v2_ptds = unsafe extern "C-unwind" fn(
    dstArray: CUarray,
    dstOffset: usize,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyHtoD = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    srcHost: *const core::ffi::c_void,
    ByteCount: core::ffi::c_uint,
) -> CUresult;
pub type cuMemcpyHtoDAsync = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    srcHost: *const core::ffi::c_void,
    ByteCount: core::ffi::c_uint,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoDAsync_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoDAsync_v2_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyHtoD_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyHtoD_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    srcHost: *const core::ffi::c_void,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyPeer = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstContext: CUcontext,
    srcDevice: CUdeviceptr,
    srcContext: CUcontext,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyPeerAsync = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstContext: CUcontext,
    srcDevice: CUdeviceptr,
    srcContext: CUcontext,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyPeerAsync_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstContext: CUcontext,
    srcDevice: CUdeviceptr,
    srcContext: CUcontext,
    ByteCount: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyPeer_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstContext: CUcontext,
    srcDevice: CUdeviceptr,
    srcContext: CUcontext,
    ByteCount: usize,
) -> CUresult;
pub type cuMemcpyWithAttributesAsync = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    size: usize,
    attr: *mut CUmemcpyAttributes,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpyWithAttributesAsync_ptsz = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    size: usize,
    attr: *mut CUmemcpyAttributes,
    hStream: CUstream,
) -> CUresult;
pub type cuMemcpy_ptds = unsafe extern "C-unwind" fn(
    dst: CUdeviceptr,
    src: CUdeviceptr,
    ByteCount: usize,
) -> CUresult;
pub type cuMemsetD16 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    us: core::ffi::c_ushort,
    N: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD16Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    us: core::ffi::c_ushort,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD16Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    us: core::ffi::c_ushort,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD16_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    us: core::ffi::c_ushort,
    N: usize,
) -> CUresult;
pub type cuMemsetD16_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    us: core::ffi::c_ushort,
    N: usize,
) -> CUresult;
pub type cuMemsetD2D16 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    dstPitch: core::ffi::c_uint,
    us: core::ffi::c_ushort,
    Width: core::ffi::c_uint,
    Height: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD2D16Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    us: core::ffi::c_ushort,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D16Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    us: core::ffi::c_ushort,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D16_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    us: core::ffi::c_ushort,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD2D16_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    us: core::ffi::c_ushort,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD2D32 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    dstPitch: core::ffi::c_uint,
    ui: core::ffi::c_uint,
    Width: core::ffi::c_uint,
    Height: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD2D32Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    ui: core::ffi::c_uint,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D32Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    ui: core::ffi::c_uint,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D32_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    ui: core::ffi::c_uint,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD2D32_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    ui: core::ffi::c_uint,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD2D8 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    dstPitch: core::ffi::c_uint,
    uc: core::ffi::c_uchar,
    Width: core::ffi::c_uint,
    Height: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD2D8Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    uc: core::ffi::c_uchar,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D8Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    uc: core::ffi::c_uchar,
    Width: usize,
    Height: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD2D8_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    uc: core::ffi::c_uchar,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD2D8_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    dstPitch: usize,
    uc: core::ffi::c_uchar,
    Width: usize,
    Height: usize,
) -> CUresult;
pub type cuMemsetD32 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    ui: core::ffi::c_uint,
    N: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD32Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    ui: core::ffi::c_uint,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD32Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    ui: core::ffi::c_uint,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD32_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    ui: core::ffi::c_uint,
    N: usize,
) -> CUresult;
pub type cuMemsetD32_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    ui: core::ffi::c_uint,
    N: usize,
) -> CUresult;
pub type cuMemsetD8 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr_v1,
    uc: core::ffi::c_uchar,
    N: core::ffi::c_uint,
) -> CUresult;
pub type cuMemsetD8Async = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    uc: core::ffi::c_uchar,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD8Async_ptsz = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    uc: core::ffi::c_uchar,
    N: usize,
    hStream: CUstream,
) -> CUresult;
pub type cuMemsetD8_v2 = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    uc: core::ffi::c_uchar,
    N: usize,
) -> CUresult;
pub type cuMemsetD8_v2_ptds = unsafe extern "C-unwind" fn(
    dstDevice: CUdeviceptr,
    uc: core::ffi::c_uchar,
    N: usize,
) -> CUresult;
pub type cuMipmappedArrayCreate = unsafe extern "C-unwind" fn(
    pHandle: *mut CUmipmappedArray,
    pMipmappedArrayDesc: *const CUDA_ARRAY3D_DESCRIPTOR,
    numMipmapLevels: core::ffi::c_uint,
) -> CUresult;
pub type cuMipmappedArrayDestroy = unsafe extern "C-unwind" fn(
    hMipmappedArray: CUmipmappedArray,
) -> CUresult;
pub type cuMipmappedArrayGetLevel = unsafe extern "C-unwind" fn(
    pLevelArray: *mut CUarray,
    hMipmappedArray: CUmipmappedArray,
    level: core::ffi::c_uint,
) -> CUresult;
pub type cuMipmappedArrayGetMemoryRequirements = unsafe extern "C-unwind" fn(
    memoryRequirements: *mut CUDA_ARRAY_MEMORY_REQUIREMENTS,
    mipmap: CUmipmappedArray,
    device: CUdevice,
) -> CUresult;
pub type cuMipmappedArrayGetSparseProperties = unsafe extern "C-unwind" fn(
    sparseProperties: *mut CUDA_ARRAY_SPARSE_PROPERTIES,
    mipmap: CUmipmappedArray,
) -> CUresult;
pub type cuModuleEnumerateFunctions = unsafe extern "C-unwind" fn(
    functions: *mut CUfunction,
    numFunctions: core::ffi::c_uint,
    mod_: CUmodule,
) -> CUresult;
pub type cuModuleGetFunction = unsafe extern "C-unwind" fn(
    hfunc: *mut CUfunction,
    hmod: CUmodule,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleGetFunctionCount = unsafe extern "C-unwind" fn(
    count: *mut core::ffi::c_uint,
    mod_: CUmodule,
) -> CUresult;
pub type cuModuleGetGlobal = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr_v1,
    bytes: *mut core::ffi::c_uint,
    hmod: CUmodule,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleGetGlobal_v2 = unsafe extern "C-unwind" fn(
    dptr: *mut CUdeviceptr,
    bytes: *mut usize,
    hmod: CUmodule,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleGetLoadingMode = unsafe extern "C-unwind" fn(
    mode: *mut CUmoduleLoadingMode,
) -> CUresult;
pub type cuModuleGetSurfRef = unsafe extern "C-unwind" fn(
    pSurfRef: *mut CUsurfref,
    hmod: CUmodule,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleGetTexRef = unsafe extern "C-unwind" fn(
    pTexRef: *mut CUtexref,
    hmod: CUmodule,
    name: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleLoad = unsafe extern "C-unwind" fn(
    module: *mut CUmodule,
    fname: *const core::ffi::c_char,
) -> CUresult;
pub type cuModuleLoadData = unsafe extern "C-unwind" fn(
    module: *mut CUmodule,
    image: *const core::ffi::c_void,
) -> CUresult;
pub type cuModuleLoadDataEx = unsafe extern "C-unwind" fn(
    module: *mut CUmodule,
    image: *const core::ffi::c_void,
    numOptions: core::ffi::c_uint,
    options: *mut CUjit_option,
    optionValues: *mut *mut core::ffi::c_void,
) -> CUresult;
pub type cuModuleLoadFatBinary = unsafe extern "C-unwind" fn(
    module: *mut CUmodule,
    fatCubin: *const core::ffi::c_void,
) -> CUresult;
pub type cuModuleUnload = unsafe extern "C-unwind" fn(hmod: CUmodule) -> CUresult;
pub type cuMulticastAddDevice = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    dev: CUdevice,
) -> CUresult;
pub type cuMulticastBindAddr = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    mcOffset: usize,
    memptr: CUdeviceptr,
    size: usize,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMulticastBindAddr_v2 = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    dev: CUdevice,
    mcOffset: usize,
    memptr: CUdeviceptr,
    size: usize,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMulticastBindMem = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    mcOffset: usize,
    memHandle: CUmemGenericAllocationHandle,
    memOffset: usize,
    size: usize,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMulticastBindMem_v2 = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    dev: CUdevice,
    mcOffset: usize,
    memHandle: CUmemGenericAllocationHandle,
    memOffset: usize,
    size: usize,
    flags: core::ffi::c_ulonglong,
) -> CUresult;
pub type cuMulticastCreate = unsafe extern "C-unwind" fn(
    mcHandle: *mut CUmemGenericAllocationHandle,
    prop: *const CUmulticastObjectProp,
) -> CUresult;
pub type cuMulticastGetGranularity = unsafe extern "C-unwind" fn(
    granularity: *mut usize,
    prop: *const CUmulticastObjectProp,
    option: CUmulticastGranularity_flags,
) -> CUresult;
pub type cuMulticastUnbind = unsafe extern "C-unwind" fn(
    mcHandle: CUmemGenericAllocationHandle,
    dev: CUdevice,
    mcOffset: usize,
    size: usize,
) -> CUresult;
pub type cuOccupancyAvailableDynamicSMemPerBlock = unsafe extern "C-unwind" fn(
    dynamicSmemSize: *mut usize,
    func: CUfunction,
    numBlocks: core::ffi::c_int,
    blockSize: core::ffi::c_int,
) -> CUresult;
pub type cuOccupancyMaxActiveBlocksPerMultiprocessor = unsafe extern "C-unwind" fn(
    numBlocks: *mut core::ffi::c_int,
    func: CUfunction,
    blockSize: core::ffi::c_int,
    dynamicSMemSize: usize,
) -> CUresult;
pub type cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags = unsafe extern "C-unwind" fn(
    numBlocks: *mut core::ffi::c_int,
    func: CUfunction,
    blockSize: core::ffi::c_int,
    dynamicSMemSize: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuOccupancyMaxActiveClusters = unsafe extern "C-unwind" fn(
    numClusters: *mut core::ffi::c_int,
    func: CUfunction,
    config: *const CUlaunchConfig,
) -> CUresult;
pub type cuOccupancyMaxPotentialBlockSize = unsafe extern "C-unwind" fn(
    minGridSize: *mut core::ffi::c_int,
    blockSize: *mut core::ffi::c_int,
    func: CUfunction,
    blockSizeToDynamicSMemSize: CUoccupancyB2DSize,
    dynamicSMemSize: usize,
    blockSizeLimit: core::ffi::c_int,
) -> CUresult;
pub type cuOccupancyMaxPotentialBlockSizeWithFlags = unsafe extern "C-unwind" fn(
    minGridSize: *mut core::ffi::c_int,
    blockSize: *mut core::ffi::c_int,
    func: CUfunction,
    blockSizeToDynamicSMemSize: CUoccupancyB2DSize,
    dynamicSMemSize: usize,
    blockSizeLimit: core::ffi::c_int,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuOccupancyMaxPotentialClusterSize = unsafe extern "C-unwind" fn(
    clusterSize: *mut core::ffi::c_int,
    func: CUfunction,
    config: *const CUlaunchConfig,
) -> CUresult;
pub type cuParamSetSize = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    numbytes: core::ffi::c_uint,
) -> CUresult;
pub type cuParamSetTexRef = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    texunit: core::ffi::c_int,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuParamSetf = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    offset: core::ffi::c_int,
    value: f32,
) -> CUresult;
pub type cuParamSeti = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    offset: core::ffi::c_int,
    value: core::ffi::c_uint,
) -> CUresult;
pub type cuParamSetv = unsafe extern "C-unwind" fn(
    hfunc: CUfunction,
    offset: core::ffi::c_int,
    ptr: *mut core::ffi::c_void,
    numbytes: core::ffi::c_uint,
) -> CUresult;
pub type cuPointerGetAttribute = unsafe extern "C-unwind" fn(
    data: *mut core::ffi::c_void,
    attribute: CUpointer_attribute,
    ptr: CUdeviceptr,
) -> CUresult;
pub type cuPointerGetAttributes = unsafe extern "C-unwind" fn(
    numAttributes: core::ffi::c_uint,
    attributes: *mut CUpointer_attribute,
    data: *mut *mut core::ffi::c_void,
    ptr: CUdeviceptr,
) -> CUresult;
pub type cuPointerSetAttribute = unsafe extern "C-unwind" fn(
    value: *const core::ffi::c_void,
    attribute: CUpointer_attribute,
    ptr: CUdeviceptr,
) -> CUresult;
pub type cuProfilerInitialize = unsafe extern "C-unwind" fn(
    configFile: *const core::ffi::c_char,
    outputFile: *const core::ffi::c_char,
    mode: CUoutput_mode,
) -> CUresult;
pub type cuProfilerStart = unsafe extern "C-unwind" fn() -> CUresult;
pub type cuProfilerStop = unsafe extern "C-unwind" fn() -> CUresult;
pub type cuSignalExternalSemaphoresAsync = unsafe extern "C-unwind" fn(
    extSemArray: *const CUexternalSemaphore,
    paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS,
    numExtSems: core::ffi::c_uint,
    stream: CUstream,
) -> CUresult;
pub type cuSignalExternalSemaphoresAsync_ptsz = unsafe extern "C-unwind" fn(
    extSemArray: *const CUexternalSemaphore,
    paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS,
    numExtSems: core::ffi::c_uint,
    stream: CUstream,
) -> CUresult;
pub type cuStreamAddCallback = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    callback: CUstreamCallback,
    userData: *mut core::ffi::c_void,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamAddCallback_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    callback: CUstreamCallback,
    userData: *mut core::ffi::c_void,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamAttachMemAsync = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dptr: CUdeviceptr,
    length: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamAttachMemAsync_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dptr: CUdeviceptr,
    length: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamBatchMemOp = unsafe extern "C-unwind" fn(
    stream: CUstream,
    count: core::ffi::c_uint,
    paramArray: *mut CUstreamBatchMemOpParams,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamBatchMemOp_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    count: core::ffi::c_uint,
    paramArray: *mut CUstreamBatchMemOpParams,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamBatchMemOp_v2 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    count: core::ffi::c_uint,
    paramArray: *mut CUstreamBatchMemOpParams,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamBatchMemOp_v2_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    count: core::ffi::c_uint,
    paramArray: *mut CUstreamBatchMemOpParams,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamBeginCapture = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamBeginCaptureToCig = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    streamCigCaptureParams: *mut CUstreamCigCaptureParams,
) -> CUresult;
pub type cuStreamBeginCaptureToCig_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    streamCigCaptureParams: *mut CUstreamCigCaptureParams,
) -> CUresult;
pub type cuStreamBeginCaptureToGraph = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    mode: CUstreamCaptureMode,
) -> CUresult;
pub type cuStreamBeginCaptureToGraph_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    hGraph: CUgraph,
    dependencies: *const CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    mode: CUstreamCaptureMode,
) -> CUresult;
pub type cuStreamBeginCapture_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamBeginCapture_v2 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    mode: CUstreamCaptureMode,
) -> CUresult;
pub type cuStreamBeginCapture_v2_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    mode: CUstreamCaptureMode,
) -> CUresult;
pub type cuStreamBeginRecaptureToGraph = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    mode: CUstreamCaptureMode,
    hGraph: CUgraph,
    callbackFunc: CUgraphRecaptureCallback,
    userData: *mut core::ffi::c_void,
) -> CUresult;
pub type cuStreamBeginRecaptureToGraph_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    mode: CUstreamCaptureMode,
    hGraph: CUgraph,
    callbackFunc: CUgraphRecaptureCallback,
    userData: *mut core::ffi::c_void,
) -> CUresult;
pub type cuStreamCopyAttributes = unsafe extern "C-unwind" fn(
    dstStream: CUstream,
    srcStream: CUstream,
) -> CUresult;
pub type cuStreamCopyAttributes_ptsz = unsafe extern "C-unwind" fn(
    dst: CUstream,
    src: CUstream,
) -> CUresult;
pub type cuStreamCreate = unsafe extern "C-unwind" fn(
    phStream: *mut CUstream,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamCreateWithPriority = unsafe extern "C-unwind" fn(
    phStream: *mut CUstream,
    flags: core::ffi::c_uint,
    priority: core::ffi::c_int,
) -> CUresult;
pub type cuStreamDestroy = unsafe extern "C-unwind" fn(hStream: CUstream) -> CUresult;
pub type cuStreamDestroy_v2 = unsafe extern "C-unwind" fn(hStream: CUstream) -> CUresult;
pub type cuStreamEndCapture = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    phGraph: *mut CUgraph,
) -> CUresult;
pub type cuStreamEndCaptureToCig = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamEndCaptureToCig_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamEndCapture_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    phGraph: *mut CUgraph,
) -> CUresult;
pub type cuStreamGetAttribute = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    attr: CUstreamAttrID,
    value: *mut CUstreamAttrValue,
) -> CUresult;
pub type cuStreamGetAttribute_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    attr: CUstreamAttrID,
    value_out: *mut CUstreamAttrValue,
) -> CUresult;
pub type cuStreamGetCaptureInfo = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
) -> CUresult;
pub type cuStreamGetCaptureInfo_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
) -> CUresult;
pub type cuStreamGetCaptureInfo_v2 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
    graph_out: *mut CUgraph,
    dependencies_out: *mut *const CUgraphNode,
    numDependencies_out: *mut usize,
) -> CUresult;
pub type cuStreamGetCaptureInfo_v2_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
    graph_out: *mut CUgraph,
    dependencies_out: *mut *const CUgraphNode,
    numDependencies_out: *mut usize,
) -> CUresult;
pub type cuStreamGetCaptureInfo_v3 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
    graph_out: *mut CUgraph,
    dependencies_out: *mut *const CUgraphNode,
    edgeData_out: *mut *const CUgraphEdgeData,
    numDependencies_out: *mut usize,
) -> CUresult;
pub type cuStreamGetCaptureInfo_v3_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus_out: *mut CUstreamCaptureStatus,
    id_out: *mut cuuint64_t,
    graph_out: *mut CUgraph,
    dependencies_out: *mut *const CUgraphNode,
    edgeData_out: *mut *const CUgraphEdgeData,
    numDependencies_out: *mut usize,
) -> CUresult;
pub type cuStreamGetCtx = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    pctx: *mut CUcontext,
) -> CUresult;
pub type cuStreamGetCtx_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    pctx: *mut CUcontext,
) -> CUresult;
pub type cuStreamGetCtx_v2 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    pCtx: *mut CUcontext,
    pGreenCtx: *mut CUgreenCtx,
) -> CUresult;
pub type cuStreamGetCtx_v2_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    pCtx: *mut CUcontext,
    pGreenCtx: *mut CUgreenCtx,
) -> CUresult;
pub type cuStreamGetDevResource = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    resource: *mut CUdevResource,
    type_: CUdevResourceType,
) -> CUresult;
pub type cuStreamGetDevResource_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    resource: *mut CUdevResource,
    type_: CUdevResourceType,
) -> CUresult;
pub type cuStreamGetDevice = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    device: *mut CUdevice,
) -> CUresult;
pub type cuStreamGetDevice_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    device: *mut CUdevice,
) -> CUresult;
pub type cuStreamGetFlags = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    flags: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuStreamGetFlags_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    flags: *mut core::ffi::c_uint,
) -> CUresult;
pub type cuStreamGetGreenCtx = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    phCtx: *mut CUgreenCtx,
) -> CUresult;
pub type cuStreamGetId = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    streamId: *mut core::ffi::c_ulonglong,
) -> CUresult;
pub type cuStreamGetId_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    streamId: *mut core::ffi::c_ulonglong,
) -> CUresult;
pub type cuStreamGetPriority = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    priority: *mut core::ffi::c_int,
) -> CUresult;
pub type cuStreamGetPriority_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    priority: *mut core::ffi::c_int,
) -> CUresult;
pub type cuStreamIsCapturing = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus: *mut CUstreamCaptureStatus,
) -> CUresult;
pub type cuStreamIsCapturing_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    captureStatus: *mut CUstreamCaptureStatus,
) -> CUresult;
pub type cuStreamQuery = unsafe extern "C-unwind" fn(hStream: CUstream) -> CUresult;
pub type cuStreamQuery_ptsz = unsafe extern "C-unwind" fn(hStream: CUstream) -> CUresult;
pub type cuStreamSetAttribute = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    attr: CUstreamAttrID,
    param: *const CUstreamAttrValue,
) -> CUresult;
pub type cuStreamSetAttribute_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    attr: CUstreamAttrID,
    value: *const CUstreamAttrValue,
) -> CUresult;
pub type cuStreamSynchronize = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamSynchronize_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
) -> CUresult;
pub type cuStreamUpdateCaptureDependencies = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dependencies: *mut CUgraphNode,
    numDependencies: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamUpdateCaptureDependencies_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dependencies: *mut CUgraphNode,
    numDependencies: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamUpdateCaptureDependencies_v2 = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dependencies: *mut CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamUpdateCaptureDependencies_v2_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    dependencies: *mut CUgraphNode,
    dependencyData: *const CUgraphEdgeData,
    numDependencies: usize,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitEvent = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    hEvent: CUevent,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitEvent_ptsz = unsafe extern "C-unwind" fn(
    hStream: CUstream,
    hEvent: CUevent,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue32 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue32_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue32_v2 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue32_v2_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue64 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue64_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue64_v2 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWaitValue64_v2_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue32 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue32_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue32_v2 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue32_v2_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint32_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue64 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue64_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue64_v2 = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuStreamWriteValue64_v2_ptsz = unsafe extern "C-unwind" fn(
    stream: CUstream,
    addr: CUdeviceptr,
    value: cuuint64_t,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuSurfObjectCreate = unsafe extern "C-unwind" fn(
    pSurfObject: *mut CUsurfObject,
    pResDesc: *const CUDA_RESOURCE_DESC,
) -> CUresult;
pub type cuSurfObjectDestroy = unsafe extern "C-unwind" fn(
    surfObject: CUsurfObject,
) -> CUresult;
pub type cuSurfObjectGetResourceDesc = unsafe extern "C-unwind" fn(
    pResDesc: *mut CUDA_RESOURCE_DESC,
    surfObject: CUsurfObject,
) -> CUresult;
pub type cuSurfRefGetArray = unsafe extern "C-unwind" fn(
    phArray: *mut CUarray,
    hSurfRef: CUsurfref,
) -> CUresult;
pub type cuSurfRefSetArray = unsafe extern "C-unwind" fn(
    hSurfRef: CUsurfref,
    hArray: CUarray,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuTensorMapEncodeIm2col = unsafe extern "C-unwind" fn(
    tensorMap: *mut CUtensorMap,
    tensorDataType: CUtensorMapDataType,
    tensorRank: cuuint32_t,
    globalAddress: *mut core::ffi::c_void,
    globalDim: *const cuuint64_t,
    globalStrides: *const cuuint64_t,
    pixelBoxLowerCorner: *const core::ffi::c_int,
    pixelBoxUpperCorner: *const core::ffi::c_int,
    channelsPerPixel: cuuint32_t,
    pixelsPerColumn: cuuint32_t,
    elementStrides: *const cuuint32_t,
    interleave: CUtensorMapInterleave,
    swizzle: CUtensorMapSwizzle,
    l2Promotion: CUtensorMapL2promotion,
    oobFill: CUtensorMapFloatOOBfill,
) -> CUresult;
pub type cuTensorMapEncodeIm2colWide = unsafe extern "C-unwind" fn(
    tensorMap: *mut CUtensorMap,
    tensorDataType: CUtensorMapDataType,
    tensorRank: cuuint32_t,
    globalAddress: *mut core::ffi::c_void,
    globalDim: *const cuuint64_t,
    globalStrides: *const cuuint64_t,
    pixelBoxLowerCornerWidth: core::ffi::c_int,
    pixelBoxUpperCornerWidth: core::ffi::c_int,
    channelsPerPixel: cuuint32_t,
    pixelsPerColumn: cuuint32_t,
    elementStrides: *const cuuint32_t,
    interleave: CUtensorMapInterleave,
    mode: CUtensorMapIm2ColWideMode,
    swizzle: CUtensorMapSwizzle,
    l2Promotion: CUtensorMapL2promotion,
    oobFill: CUtensorMapFloatOOBfill,
) -> CUresult;
pub type cuTensorMapEncodeTiled = unsafe extern "C-unwind" fn(
    tensorMap: *mut CUtensorMap,
    tensorDataType: CUtensorMapDataType,
    tensorRank: cuuint32_t,
    globalAddress: *mut core::ffi::c_void,
    globalDim: *const cuuint64_t,
    globalStrides: *const cuuint64_t,
    boxDim: *const cuuint32_t,
    elementStrides: *const cuuint32_t,
    interleave: CUtensorMapInterleave,
    swizzle: CUtensorMapSwizzle,
    l2Promotion: CUtensorMapL2promotion,
    oobFill: CUtensorMapFloatOOBfill,
) -> CUresult;
pub type cuTensorMapReplaceAddress = unsafe extern "C-unwind" fn(
    tensorMap: *mut CUtensorMap,
    globalAddress: *mut core::ffi::c_void,
) -> CUresult;
pub type cuTensorMapSetAllocationClass = unsafe extern "C-unwind" fn(
    tensorMap: *mut CUtensorMap,
    allocClass: CUtensorMapAllocClass,
    outAllocClass: *mut CUtensorMapAllocClass,
) -> CUresult;
pub type cuTexObjectCreate = unsafe extern "C-unwind" fn(
    pTexObject: *mut CUtexObject,
    pResDesc: *const CUDA_RESOURCE_DESC,
    pTexDesc: *const CUDA_TEXTURE_DESC,
    pResViewDesc: *const CUDA_RESOURCE_VIEW_DESC,
) -> CUresult;
pub type cuTexObjectDestroy = unsafe extern "C-unwind" fn(
    texObject: CUtexObject,
) -> CUresult;
pub type cuTexObjectGetResourceDesc = unsafe extern "C-unwind" fn(
    pResDesc: *mut CUDA_RESOURCE_DESC,
    texObject: CUtexObject,
) -> CUresult;
pub type cuTexObjectGetResourceViewDesc = unsafe extern "C-unwind" fn(
    pResViewDesc: *mut CUDA_RESOURCE_VIEW_DESC,
    texObject: CUtexObject,
) -> CUresult;
pub type cuTexObjectGetTextureDesc = unsafe extern "C-unwind" fn(
    pTexDesc: *mut CUDA_TEXTURE_DESC,
    texObject: CUtexObject,
) -> CUresult;
pub type cuTexRefCreate = unsafe extern "C-unwind" fn(
    pTexRef: *mut CUtexref,
) -> CUresult;
pub type cuTexRefDestroy = unsafe extern "C-unwind" fn(hTexRef: CUtexref) -> CUresult;
pub type cuTexRefGetAddress = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr_v1,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetAddressMode = unsafe extern "C-unwind" fn(
    pam: *mut CUaddress_mode,
    hTexRef: CUtexref,
    dim: core::ffi::c_int,
) -> CUresult;
pub type cuTexRefGetAddress_v2 = unsafe extern "C-unwind" fn(
    pdptr: *mut CUdeviceptr,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetArray = unsafe extern "C-unwind" fn(
    phArray: *mut CUarray,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetBorderColor = unsafe extern "C-unwind" fn(
    pBorderColor: *mut f32,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetFilterMode = unsafe extern "C-unwind" fn(
    pfm: *mut CUfilter_mode,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetFlags = unsafe extern "C-unwind" fn(
    pFlags: *mut core::ffi::c_uint,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetFormat = unsafe extern "C-unwind" fn(
    pFormat: *mut CUarray_format,
    pNumChannels: *mut core::ffi::c_int,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetMaxAnisotropy = unsafe extern "C-unwind" fn(
    pmaxAniso: *mut core::ffi::c_int,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetMipmapFilterMode = unsafe extern "C-unwind" fn(
    pfm: *mut CUfilter_mode,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetMipmapLevelBias = unsafe extern "C-unwind" fn(
    pbias: *mut f32,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetMipmapLevelClamp = unsafe extern "C-unwind" fn(
    pminMipmapLevelClamp: *mut f32,
    pmaxMipmapLevelClamp: *mut f32,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefGetMipmappedArray = unsafe extern "C-unwind" fn(
    phMipmappedArray: *mut CUmipmappedArray,
    hTexRef: CUtexref,
) -> CUresult;
pub type cuTexRefSetAddress = unsafe extern "C-unwind" fn(
    ByteOffset: *mut core::ffi::c_uint,
    hTexRef: CUtexref,
    dptr: CUdeviceptr_v1,
    bytes: core::ffi::c_uint,
) -> CUresult;
pub type cuTexRefSetAddress2D = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    desc: *const CUDA_ARRAY_DESCRIPTOR_v1,
    dptr: CUdeviceptr_v1,
    Pitch: core::ffi::c_uint,
) -> CUresult;
pub type cuTexRefSetAddress2D_v2 = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    desc: *const CUDA_ARRAY_DESCRIPTOR,
    dptr: CUdeviceptr,
    Pitch: usize,
) -> CUresult;
pub type cuTexRefSetAddress2D_v3 = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    desc: *const CUDA_ARRAY_DESCRIPTOR,
    dptr: CUdeviceptr,
    Pitch: usize,
) -> CUresult;
pub type cuTexRefSetAddressMode = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    dim: core::ffi::c_int,
    am: CUaddress_mode,
) -> CUresult;
pub type cuTexRefSetAddress_v2 = unsafe extern "C-unwind" fn(
    ByteOffset: *mut usize,
    hTexRef: CUtexref,
    dptr: CUdeviceptr,
    bytes: usize,
) -> CUresult;
pub type cuTexRefSetArray = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    hArray: CUarray,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuTexRefSetBorderColor = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    pBorderColor: *mut f32,
) -> CUresult;
pub type cuTexRefSetFilterMode = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    fm: CUfilter_mode,
) -> CUresult;
pub type cuTexRefSetFlags = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuTexRefSetFormat = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    fmt: CUarray_format,
    NumPackedComponents: core::ffi::c_int,
) -> CUresult;
pub type cuTexRefSetMaxAnisotropy = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    maxAniso: core::ffi::c_uint,
) -> CUresult;
pub type cuTexRefSetMipmapFilterMode = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    fm: CUfilter_mode,
) -> CUresult;
pub type cuTexRefSetMipmapLevelBias = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    bias: f32,
) -> CUresult;
pub type cuTexRefSetMipmapLevelClamp = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    minMipmapLevelClamp: f32,
    maxMipmapLevelClamp: f32,
) -> CUresult;
pub type cuTexRefSetMipmappedArray = unsafe extern "C-unwind" fn(
    hTexRef: CUtexref,
    hMipmappedArray: CUmipmappedArray,
    Flags: core::ffi::c_uint,
) -> CUresult;
pub type cuThreadExchangeStreamCaptureMode = unsafe extern "C-unwind" fn(
    mode: *mut CUstreamCaptureMode,
) -> CUresult;
pub type cuUserObjectCreate = unsafe extern "C-unwind" fn(
    object_out: *mut CUuserObject,
    ptr: *mut core::ffi::c_void,
    destroy: CUhostFn,
    initialRefcount: core::ffi::c_uint,
    flags: core::ffi::c_uint,
) -> CUresult;
pub type cuUserObjectRelease = unsafe extern "C-unwind" fn(
    object: CUuserObject,
    count: core::ffi::c_uint,
) -> CUresult;
pub type cuUserObjectRetain = unsafe extern "C-unwind" fn(
    object: CUuserObject,
    count: core::ffi::c_uint,
) -> CUresult;
pub type cuVDPAUCtxCreate = unsafe extern "C-unwind" fn(
    pCtx: *mut CUcontext,
    flags: core::ffi::c_uint,
    device: CUdevice,
    vdpDevice: VdpDevice,
    vdpGetProcAddress: VdpGetProcAddress,
) -> CUresult;
pub type cuVDPAUCtxCreate_v2 = unsafe extern "C-unwind" fn(
    pCtx: *mut CUcontext,
    flags: core::ffi::c_uint,
    device: CUdevice,
    vdpDevice: VdpDevice,
    vdpGetProcAddress: VdpGetProcAddress,
) -> CUresult;
pub type cuVDPAUGetDevice = unsafe extern "C-unwind" fn(
    pDevice: *mut CUdevice,
    vdpDevice: VdpDevice,
    vdpGetProcAddress: VdpGetProcAddress,
) -> CUresult;
pub type cuWaitExternalSemaphoresAsync = unsafe extern "C-unwind" fn(
    extSemArray: *const CUexternalSemaphore,
    paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
    numExtSems: core::ffi::c_uint,
    stream: CUstream,
) -> CUresult;
pub type cuWaitExternalSemaphoresAsync_ptsz = unsafe extern "C-unwind" fn(
    extSemArray: *const CUexternalSemaphore,
    paramsArray: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
    numExtSems: core::ffi::c_uint,
    stream: CUstream,
) -> CUresult;
