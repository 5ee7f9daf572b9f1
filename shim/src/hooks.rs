//! The hook table: every function that the shim stands before, once.
//!
//! One item makes the export with the right ABI, the check of its signature against the header, the
//! typed slot of the real function, and the row that serves dlsym and cuGetProcAddress. A row is
//! complete when every ABI version and stream variant of its base name has one: a look-up that the
//! driver answers with an address we do not know finds nothing.

use crate::slot::{Erased, Library, Slot};
use crate::table::Row;
use crate::{
    arrays, checkpoint, code, context, copies, endpoints, exported, external, graphs, info,
    launches, limits, look_up, memory, memsets, multicast, nvml, nvml_accounting, nvml_processes,
    nvml_table, nvml_usage, pool_lives, ranges, sparse, startup, stream_ordered, streams, vmm,
    waits,
};
use core::ffi::{c_char, c_int, c_uchar, c_uint, c_ulonglong, c_ushort, c_void};
use nvidia_sys::cuda::{
    CUDA_ARRAY_DESCRIPTOR, CUDA_ARRAY_DESCRIPTOR_v1, CUDA_ARRAY3D_DESCRIPTOR,
    CUDA_ARRAY3D_DESCRIPTOR_v1, CUDA_EXTERNAL_MEMORY_BUFFER_DESC, CUDA_EXTERNAL_MEMORY_HANDLE_DESC,
    CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC, CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
    CUDA_GRAPH_INSTANTIATE_PARAMS, CUDA_LAUNCH_PARAMS, CUDA_MEMCPY2D, CUDA_MEMCPY2D_v1,
    CUDA_MEMCPY3D, CUDA_MEMCPY3D_BATCH_OP, CUDA_MEMCPY3D_PEER, CUDA_MEMCPY3D_v1, CUarray,
    CUarrayMapInfo, CUcheckpointRestoreArgs, CUcontext, CUctxCreateParams, CUdevResourceDesc,
    CUdevice, CUdeviceptr, CUdeviceptr_v1, CUdriverProcAddressQueryResult, CUevent,
    CUexecAffinityParam, CUexternalMemory, CUexternalSemaphore, CUfunction, CUgraph,
    CUgraphEdgeData, CUgraphExec, CUgraphExecUpdateResult, CUgraphExecUpdateResultInfo,
    CUgraphNode, CUgraphRecaptureCallback, CUgreenCtx, CUhostFn, CUjit_option, CUkernel,
    CUlaunchConfig, CUlibrary, CUlibraryOption, CUlimit, CUlogicalEndpointId,
    CUmemAllocationHandleType, CUmemAllocationProp, CUmemAllocationType,
    CUmemGenericAllocationHandle, CUmemLocation, CUmemPoolProps, CUmemRangeHandleType,
    CUmemcpyAttributes, CUmemoryPool, CUmipmappedArray, CUmodule, CUmulticastObjectProp, CUresult,
    CUstream, CUstreamBatchMemOpParams, CUstreamCallback, CUstreamCaptureMode, VdpDevice,
    VdpGetProcAddress, cuuint32_t, cuuint64_t,
};
use nvidia_sys::nvml::{
    nvmlAccountingStats_t, nvmlAccountingStats_v2_t, nvmlDevice_t, nvmlEncoderSessionInfo_t,
    nvmlFBCSessionInfo_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlProcessDetailList_t,
    nvmlProcessInfo_t, nvmlProcessInfo_v1_t, nvmlProcessInfo_v2_t, nvmlProcessUtilizationSample_t,
    nvmlProcessesUtilizationInfo_t, nvmlReturn_t,
};

use crate::nvml_table::fns as Nvml;
use nvidia_sys::cuda::fns as Cuda;

macro_rules! c_name {
    ($name:ident) => {
        match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a name holds no zero byte"),
        }
    };
}

macro_rules! hooks {
    (
        $($library:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $status:ty
            = $body:path;)*
        ; $($of:ident $call:ident,)*
    ) => {
        $(
            /// Stands before the driver's function of this name.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case)]
            unsafe extern "C-unwind" fn $name($($argument: $type),*) -> $status {
                // SAFETY: the caller's promise to the driver's function of this name, whose
                // signature this one has.
                unsafe { $body($($argument),*) }
            }

            const _: $library::$name = $name;
        )*

        /// Where the real functions are.
        #[allow(non_upper_case_globals)]
        pub(crate) mod real {
            use super::{Cuda, Library, Nvml, Slot};
            $(
                pub(crate) static $name: Slot<$library::$name> =
                    // SAFETY: the type is the header's for this name.
                    unsafe { Slot::new(Library::$library, c_name!($name)) };
            )*
            $(
                pub(crate) static $call: Slot<$of::$call> =
                    // SAFETY: the type is the header's for this name.
                    unsafe { Slot::new(Library::$of, c_name!($call)) };
            )*
        }

        /// One row for each hook.
        pub(crate) static ROWS: [Row; [$(stringify!($name)),*].len()] = [
            $(Row {
                name: c_name!($name),
                hook: $name as *const c_void,
                slot: &real::$name.erased,
            }),*
        ];

        /// Every slot: of the hooks, and of what they call themselves.
        pub(crate) static SLOTS: [&Erased; [$(stringify!($name),)* $(stringify!($call)),*].len()] =
            [$(&real::$name.erased,)* $(&real::$call.erased),*];
    };
}

hooks! {
    Cuda fn cuInit(flags: c_uint) -> CUresult = startup::init;

    Cuda fn cuGetProcAddress(
        symbol: *const c_char,
        pfn: *mut *mut c_void,
        version: c_int,
        flags: u64,
    ) -> CUresult = look_up::get_proc_address;
    Cuda fn cuGetProcAddress_v2(
        symbol: *const c_char,
        pfn: *mut *mut c_void,
        version: c_int,
        flags: u64,
        status: *mut CUdriverProcAddressQueryResult,
    ) -> CUresult = look_up::get_proc_address_v2;

    Cuda fn cuMemAlloc(address: *mut CUdeviceptr_v1, bytes: c_uint) -> CUresult = memory::alloc;
    Cuda fn cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize) -> CUresult = memory::alloc_v2;
    Cuda fn cuMemAllocManaged(
        address: *mut CUdeviceptr,
        bytes: usize,
        flags: c_uint,
    ) -> CUresult = memory::alloc_managed;
    Cuda fn cuMemAllocPitch(
        address: *mut CUdeviceptr_v1,
        pitch: *mut c_uint,
        width: c_uint,
        height: c_uint,
        element: c_uint,
    ) -> CUresult = memory::alloc_pitch;
    Cuda fn cuMemAllocPitch_v2(
        address: *mut CUdeviceptr,
        pitch: *mut usize,
        width: usize,
        height: usize,
        element: c_uint,
    ) -> CUresult = memory::alloc_pitch_v2;
    Cuda fn cuMemFree(address: CUdeviceptr_v1) -> CUresult = memory::free;
    Cuda fn cuMemFree_v2(address: CUdeviceptr) -> CUresult = memory::free_v2;

    Cuda fn cuMemCreate(
        handle: *mut CUmemGenericAllocationHandle,
        bytes: usize,
        properties: *const CUmemAllocationProp,
        flags: c_ulonglong,
    ) -> CUresult = vmm::create;
    Cuda fn cuMulticastCreate(
        object: *mut CUmemGenericAllocationHandle,
        properties: *const CUmulticastObjectProp,
    ) -> CUresult = multicast::create;
    Cuda fn cuMulticastBindMem(
        object: CUmemGenericAllocationHandle,
        start: usize,
        handle: CUmemGenericAllocationHandle,
        offset: usize,
        bytes: usize,
        flags: c_ulonglong,
    ) -> CUresult = multicast::bind_memory;
    Cuda fn cuMulticastBindMem_v2(
        object: CUmemGenericAllocationHandle,
        device: CUdevice,
        start: usize,
        handle: CUmemGenericAllocationHandle,
        offset: usize,
        bytes: usize,
        flags: c_ulonglong,
    ) -> CUresult = multicast::bind_memory_on;
    Cuda fn cuMulticastBindAddr(
        object: CUmemGenericAllocationHandle,
        start: usize,
        address: CUdeviceptr,
        bytes: usize,
        flags: c_ulonglong,
    ) -> CUresult = multicast::bind_address;
    Cuda fn cuMulticastBindAddr_v2(
        object: CUmemGenericAllocationHandle,
        device: CUdevice,
        start: usize,
        address: CUdeviceptr,
        bytes: usize,
        flags: c_ulonglong,
    ) -> CUresult = multicast::bind_address_on;
    Cuda fn cuMulticastUnbind(
        object: CUmemGenericAllocationHandle,
        device: CUdevice,
        start: usize,
        bytes: usize,
    ) -> CUresult = multicast::unbind;
    Cuda fn cuLogicalEndpointBindMem(
        endpoint: CUlogicalEndpointId,
        device: CUdevice,
        start: cuuint64_t,
        handle: CUmemGenericAllocationHandle,
        offset: cuuint64_t,
        bytes: cuuint64_t,
        flags: c_ulonglong,
    ) -> CUresult = endpoints::bind_memory;
    Cuda fn cuLogicalEndpointBindAddr(
        endpoint: CUlogicalEndpointId,
        device: CUdevice,
        start: cuuint64_t,
        address: *mut c_void,
        bytes: cuuint64_t,
        flags: c_ulonglong,
    ) -> CUresult = endpoints::bind_address;
    Cuda fn cuLogicalEndpointUnbind(
        endpoint: CUlogicalEndpointId,
        device: CUdevice,
        start: cuuint64_t,
        bytes: cuuint64_t,
    ) -> CUresult = endpoints::unbind;
    Cuda fn cuLogicalEndpointDestroy(endpoint: CUlogicalEndpointId) -> CUresult =
        endpoints::destroy;
    Cuda fn cuMemRelease(handle: CUmemGenericAllocationHandle) -> CUresult = vmm::release;
    Cuda fn cuMemMap(
        address: CUdeviceptr,
        bytes: usize,
        offset: usize,
        handle: CUmemGenericAllocationHandle,
        flags: c_ulonglong,
    ) -> CUresult = vmm::map;
    Cuda fn cuMemUnmap(address: CUdeviceptr, bytes: usize) -> CUresult = vmm::unmap;
    Cuda fn cuMemMapArrayAsync(
        list: *mut CUarrayMapInfo,
        count: c_uint,
        stream: CUstream,
    ) -> CUresult = sparse::map;
    Cuda fn cuMemMapArrayAsync_ptsz(
        list: *mut CUarrayMapInfo,
        count: c_uint,
        stream: CUstream,
    ) -> CUresult = sparse::map_ptsz;
    Cuda fn cuMemRetainAllocationHandle(
        handle: *mut CUmemGenericAllocationHandle,
        address: *mut c_void,
    ) -> CUresult = vmm::retain;
    Cuda fn cuMemGetHandleForAddressRange(
        handle: *mut c_void,
        address: CUdeviceptr,
        bytes: usize,
        kind: CUmemRangeHandleType,
        flags: c_ulonglong,
    ) -> CUresult = ranges::describe;
    Cuda fn cuMemExportToShareableHandle(
        shared: *mut c_void,
        handle: CUmemGenericAllocationHandle,
        kind: CUmemAllocationHandleType,
        flags: c_ulonglong,
    ) -> CUresult = exported::export;
    Cuda fn cuMemImportFromShareableHandle(
        handle: *mut CUmemGenericAllocationHandle,
        shared: *mut c_void,
        kind: CUmemAllocationHandleType,
    ) -> CUresult = vmm::import;

    Cuda fn cuMemAllocAsync(
        address: *mut CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = stream_ordered::alloc;
    Cuda fn cuMemAllocAsync_ptsz(
        address: *mut CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = stream_ordered::alloc_ptsz;
    Cuda fn cuMemAllocFromPoolAsync(
        address: *mut CUdeviceptr,
        bytes: usize,
        pool: CUmemoryPool,
        stream: CUstream,
    ) -> CUresult = stream_ordered::alloc_from;
    Cuda fn cuMemAllocFromPoolAsync_ptsz(
        address: *mut CUdeviceptr,
        bytes: usize,
        pool: CUmemoryPool,
        stream: CUstream,
    ) -> CUresult = stream_ordered::alloc_from_ptsz;
    Cuda fn cuMemFreeAsync(
        address: CUdeviceptr,
        stream: CUstream,
    ) -> CUresult = stream_ordered::free;
    Cuda fn cuMemFreeAsync_ptsz(
        address: CUdeviceptr,
        stream: CUstream,
    ) -> CUresult = stream_ordered::free_ptsz;
    Cuda fn cuMemPoolCreate(
        pool: *mut CUmemoryPool,
        properties: *const CUmemPoolProps,
    ) -> CUresult = pool_lives::create;
    Cuda fn cuMemPoolDestroy(pool: CUmemoryPool) -> CUresult = pool_lives::destroy;
    Cuda fn cuMemPoolTrimTo(
        pool: CUmemoryPool,
        keep: usize,
    ) -> CUresult = pool_lives::trim;

    Cuda fn cuDeviceSetMemPool(
        device: CUdevice,
        pool: CUmemoryPool,
    ) -> CUresult = pool_lives::set_current;
    Cuda fn cuMemSetMemPool(
        location: *mut CUmemLocation,
        kind: CUmemAllocationType,
        pool: CUmemoryPool,
    ) -> CUresult = pool_lives::set_current_of;
    Cuda fn cuMemGetMemPool(
        pool: *mut CUmemoryPool,
        location: *mut CUmemLocation,
        kind: CUmemAllocationType,
    ) -> CUresult = pool_lives::get_current_of;
    Cuda fn cuMemGetDefaultMemPool(
        pool: *mut CUmemoryPool,
        location: *mut CUmemLocation,
        kind: CUmemAllocationType,
    ) -> CUresult = pool_lives::get_default_of;

    Cuda fn cuGraphInstantiate(
        exec: *mut CUgraphExec,
        graph: CUgraph,
        error: *mut CUgraphNode,
        log: *mut c_char,
        len: usize,
    ) -> CUresult = graphs::instantiate;
    Cuda fn cuGraphInstantiate_v2(
        exec: *mut CUgraphExec,
        graph: CUgraph,
        error: *mut CUgraphNode,
        log: *mut c_char,
        len: usize,
    ) -> CUresult = graphs::instantiate_v2;
    Cuda fn cuGraphInstantiateWithFlags(
        exec: *mut CUgraphExec,
        graph: CUgraph,
        flags: c_ulonglong,
    ) -> CUresult = graphs::instantiate_with_flags;
    Cuda fn cuGraphInstantiateWithParams(
        exec: *mut CUgraphExec,
        graph: CUgraph,
        params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
    ) -> CUresult = graphs::instantiate_with;
    Cuda fn cuGraphInstantiateWithParams_ptsz(
        exec: *mut CUgraphExec,
        graph: CUgraph,
        params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
    ) -> CUresult = graphs::instantiate_with_ptsz;
    Cuda fn cuGraphUpload(exec: CUgraphExec, stream: CUstream) -> CUresult = graphs::upload;
    Cuda fn cuGraphUpload_ptsz(
        exec: CUgraphExec,
        stream: CUstream,
    ) -> CUresult = graphs::upload_ptsz;
    Cuda fn cuGraphLaunch(exec: CUgraphExec, stream: CUstream) -> CUresult = graphs::launch;
    Cuda fn cuGraphLaunch_ptsz(
        exec: CUgraphExec,
        stream: CUstream,
    ) -> CUresult = graphs::launch_ptsz;
    Cuda fn cuGraphExecDestroy(exec: CUgraphExec) -> CUresult = graphs::destroy;
    Cuda fn cuGraphExecUpdate(
        exec: CUgraphExec,
        graph: CUgraph,
        error: *mut CUgraphNode,
        outcome: *mut CUgraphExecUpdateResult,
    ) -> CUresult = graphs::update;
    Cuda fn cuGraphExecUpdate_v2(
        exec: CUgraphExec,
        graph: CUgraph,
        outcome: *mut CUgraphExecUpdateResultInfo,
    ) -> CUresult = graphs::update_v2;
    Cuda fn cuDeviceGraphMemTrim(device: CUdevice) -> CUresult = graphs::trim;

    Cuda fn cuArrayCreate(
        array: *mut CUarray,
        descriptor: *const CUDA_ARRAY_DESCRIPTOR_v1,
    ) -> CUresult = arrays::create;
    Cuda fn cuArrayCreate_v2(
        array: *mut CUarray,
        descriptor: *const CUDA_ARRAY_DESCRIPTOR,
    ) -> CUresult = arrays::create_v2;
    Cuda fn cuArray3DCreate(
        array: *mut CUarray,
        descriptor: *const CUDA_ARRAY3D_DESCRIPTOR_v1,
    ) -> CUresult = arrays::create_3d;
    Cuda fn cuArray3DCreate_v2(
        array: *mut CUarray,
        descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
    ) -> CUresult = arrays::create_3d_v2;
    Cuda fn cuMipmappedArrayCreate(
        mipmap: *mut CUmipmappedArray,
        descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
        levels: c_uint,
    ) -> CUresult = arrays::create_mipmap;
    Cuda fn cuArrayDestroy(array: CUarray) -> CUresult = arrays::destroy;
    Cuda fn cuMipmappedArrayDestroy(
        mipmap: CUmipmappedArray,
    ) -> CUresult = arrays::destroy_mipmap;

    Cuda fn cuImportExternalMemory(
        memory: *mut CUexternalMemory,
        descriptor: *const CUDA_EXTERNAL_MEMORY_HANDLE_DESC,
    ) -> CUresult = external::import;
    Cuda fn cuDestroyExternalMemory(memory: CUexternalMemory) -> CUresult = external::destroy;
    Cuda fn cuExternalMemoryGetMappedBuffer(
        address: *mut CUdeviceptr,
        memory: CUexternalMemory,
        descriptor: *const CUDA_EXTERNAL_MEMORY_BUFFER_DESC,
    ) -> CUresult = external::buffer;
    Cuda fn cuExternalMemoryGetMappedMipmappedArray(
        mipmap: *mut CUmipmappedArray,
        memory: CUexternalMemory,
        descriptor: *const CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC,
    ) -> CUresult = external::mipmap;

    Cuda fn cuDevicePrimaryCtxRetain(
        context: *mut CUcontext,
        device: CUdevice,
    ) -> CUresult = context::retain;
    Cuda fn cuDevicePrimaryCtxRelease(device: CUdevice) -> CUresult = context::release;
    Cuda fn cuDevicePrimaryCtxRelease_v2(device: CUdevice) -> CUresult = context::release_v2;
    Cuda fn cuDevicePrimaryCtxReset(device: CUdevice) -> CUresult = context::reset;
    Cuda fn cuDevicePrimaryCtxReset_v2(device: CUdevice) -> CUresult = context::reset_v2;
    Cuda fn cuCtxCreate(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create;
    Cuda fn cuCtxCreate_v2(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create_v2;
    Cuda fn cuCtxCreate_v3(
        context: *mut CUcontext,
        affinity: *mut CUexecAffinityParam,
        len: c_int,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create_v3;
    Cuda fn cuCtxCreate_v4(
        context: *mut CUcontext,
        params: *mut CUctxCreateParams,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create_v4;
    Cuda fn cuCtxDestroy(context: CUcontext) -> CUresult = context::destroy;
    Cuda fn cuCtxDestroy_v2(context: CUcontext) -> CUresult = context::destroy_v2;
    Cuda fn cuCtxAttach(context: *mut CUcontext, flags: c_uint) -> CUresult = context::attach;
    Cuda fn cuCtxDetach(context: CUcontext) -> CUresult = context::detach;
    Cuda fn cuGLCtxCreate(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create_gl;
    Cuda fn cuGLCtxCreate_v2(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
    ) -> CUresult = context::create_gl_v2;
    Cuda fn cuVDPAUCtxCreate(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
        vdpau: VdpDevice,
        look_up: VdpGetProcAddress,
    ) -> CUresult = context::create_vdpau;
    Cuda fn cuVDPAUCtxCreate_v2(
        context: *mut CUcontext,
        flags: c_uint,
        device: CUdevice,
        vdpau: VdpDevice,
        look_up: VdpGetProcAddress,
    ) -> CUresult = context::create_vdpau_v2;
    Cuda fn cuGreenCtxCreate(
        context: *mut CUgreenCtx,
        resources: CUdevResourceDesc,
        device: CUdevice,
        flags: c_uint,
    ) -> CUresult = context::green_create;
    Cuda fn cuGreenCtxDestroy(context: CUgreenCtx) -> CUresult = context::green_destroy;
    Cuda fn cuCtxSetLimit(limit: CUlimit, bytes: usize) -> CUresult = limits::set;
    Cuda fn cuCheckpointProcessRestore(
        process: c_int,
        args: *mut CUcheckpointRestoreArgs,
    ) -> CUresult = checkpoint::restore;

    Cuda fn cuModuleLoad(module: *mut CUmodule, path: *const c_char) -> CUresult = code::load;
    Cuda fn cuModuleLoadData(module: *mut CUmodule, image: *const c_void) -> CUresult = code::load_data;
    Cuda fn cuModuleLoadDataEx(module: *mut CUmodule, image: *const c_void, count: c_uint, options: *mut CUjit_option, values: *mut *mut c_void) -> CUresult = code::load_data_ex;
    Cuda fn cuModuleLoadFatBinary(module: *mut CUmodule, image: *const c_void) -> CUresult = code::load_fat_binary;
    Cuda fn cuModuleUnload(module: CUmodule) -> CUresult = code::unload;
    Cuda fn cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char) -> CUresult = code::function;
    Cuda fn cuModuleGetGlobal(address: *mut CUdeviceptr_v1, bytes: *mut c_uint, module: CUmodule, name: *const c_char) -> CUresult = code::global;
    Cuda fn cuModuleGetGlobal_v2(address: *mut CUdeviceptr, bytes: *mut usize, module: CUmodule, name: *const c_char) -> CUresult = code::global_v2;
    Cuda fn cuFuncLoad(function: CUfunction) -> CUresult = code::func_load;
    Cuda fn cuLibraryLoadData(library: *mut CUlibrary, image: *const c_void, options: *mut CUjit_option, values: *mut *mut c_void, count: c_uint, library_options: *mut CUlibraryOption, library_values: *mut *mut c_void, library_count: c_uint) -> CUresult = code::load_library;
    Cuda fn cuLibraryLoadFromFile(library: *mut CUlibrary, path: *const c_char, options: *mut CUjit_option, values: *mut *mut c_void, count: c_uint, library_options: *mut CUlibraryOption, library_values: *mut *mut c_void, library_count: c_uint) -> CUresult = code::load_library_file;
    Cuda fn cuLibraryUnload(library: CUlibrary) -> CUresult = code::unload_library;
    Cuda fn cuLibraryGetModule(module: *mut CUmodule, library: CUlibrary) -> CUresult = code::library_module;
    Cuda fn cuLibraryGetKernel(kernel: *mut CUkernel, library: CUlibrary, name: *const c_char) -> CUresult = code::kernel;
    Cuda fn cuLibraryEnumerateKernels(kernels: *mut CUkernel, count: c_uint, library: CUlibrary) -> CUresult = code::kernels;
    Cuda fn cuLibraryGetGlobal(address: *mut CUdeviceptr, bytes: *mut usize, library: CUlibrary, name: *const c_char) -> CUresult = code::library_global;
    Cuda fn cuLibraryGetManaged(address: *mut CUdeviceptr, bytes: *mut usize, library: CUlibrary, name: *const c_char) -> CUresult = code::library_managed;
    Cuda fn cuLibraryGetUnifiedFunction(function: *mut *mut c_void, library: CUlibrary, name: *const c_char) -> CUresult = code::unified;
    Cuda fn cuKernelGetFunction(function: *mut CUfunction, kernel: CUkernel) -> CUresult = code::kernel_function;

    Cuda fn cuLaunch(function: CUfunction) -> CUresult = launches::plain;
    Cuda fn cuLaunchGrid(
        function: CUfunction,
        width: c_int,
        height: c_int,
    ) -> CUresult = launches::grid;
    Cuda fn cuLaunchGridAsync(
        function: CUfunction,
        width: c_int,
        height: c_int,
        stream: CUstream,
    ) -> CUresult = launches::grid_async;
    Cuda fn cuLaunchKernel(
        function: CUfunction,
        x: c_uint,
        y: c_uint,
        z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: CUstream,
        params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult = launches::launch;
    Cuda fn cuLaunchKernel_ptsz(
        function: CUfunction,
        x: c_uint,
        y: c_uint,
        z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: CUstream,
        params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult = launches::launch_ptsz;
    Cuda fn cuLaunchKernelEx(
        config: *const CUlaunchConfig,
        function: CUfunction,
        params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult = launches::configured;
    Cuda fn cuLaunchKernelEx_ptsz(
        config: *const CUlaunchConfig,
        function: CUfunction,
        params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult = launches::configured_ptsz;
    Cuda fn cuLaunchCooperativeKernel(
        function: CUfunction,
        x: c_uint,
        y: c_uint,
        z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: CUstream,
        params: *mut *mut c_void,
    ) -> CUresult = launches::cooperative;
    Cuda fn cuLaunchCooperativeKernel_ptsz(
        function: CUfunction,
        x: c_uint,
        y: c_uint,
        z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: CUstream,
        params: *mut *mut c_void,
    ) -> CUresult = launches::cooperative_ptsz;
    Cuda fn cuLaunchCooperativeKernelMultiDevice(
        list: *mut CUDA_LAUNCH_PARAMS,
        count: c_uint,
        flags: c_uint,
    ) -> CUresult = launches::multi_device;

    Cuda fn cuMemsetD8(
        address: CUdeviceptr_v1,
        value: c_uchar,
        count: c_uint,
    ) -> CUresult = memsets::d8;
    Cuda fn cuMemsetD8_v2(
        address: CUdeviceptr,
        value: c_uchar,
        count: usize,
    ) -> CUresult = memsets::d8_v2;
    Cuda fn cuMemsetD8_v2_ptds(
        address: CUdeviceptr,
        value: c_uchar,
        count: usize,
    ) -> CUresult = memsets::d8_v2_ptds;
    Cuda fn cuMemsetD8Async(
        address: CUdeviceptr,
        value: c_uchar,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d8_async;
    Cuda fn cuMemsetD8Async_ptsz(
        address: CUdeviceptr,
        value: c_uchar,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d8_async_ptsz;
    Cuda fn cuMemsetD2D8(
        address: CUdeviceptr_v1,
        pitch: c_uint,
        value: c_uchar,
        width: c_uint,
        height: c_uint,
    ) -> CUresult = memsets::d2d8;
    Cuda fn cuMemsetD2D8_v2(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uchar,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d8_v2;
    Cuda fn cuMemsetD2D8_v2_ptds(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uchar,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d8_v2_ptds;
    Cuda fn cuMemsetD2D8Async(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uchar,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d8_async;
    Cuda fn cuMemsetD2D8Async_ptsz(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uchar,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d8_async_ptsz;
    Cuda fn cuMemsetD16(
        address: CUdeviceptr_v1,
        value: c_ushort,
        count: c_uint,
    ) -> CUresult = memsets::d16;
    Cuda fn cuMemsetD16_v2(
        address: CUdeviceptr,
        value: c_ushort,
        count: usize,
    ) -> CUresult = memsets::d16_v2;
    Cuda fn cuMemsetD16_v2_ptds(
        address: CUdeviceptr,
        value: c_ushort,
        count: usize,
    ) -> CUresult = memsets::d16_v2_ptds;
    Cuda fn cuMemsetD16Async(
        address: CUdeviceptr,
        value: c_ushort,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d16_async;
    Cuda fn cuMemsetD16Async_ptsz(
        address: CUdeviceptr,
        value: c_ushort,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d16_async_ptsz;
    Cuda fn cuMemsetD2D16(
        address: CUdeviceptr_v1,
        pitch: c_uint,
        value: c_ushort,
        width: c_uint,
        height: c_uint,
    ) -> CUresult = memsets::d2d16;
    Cuda fn cuMemsetD2D16_v2(
        address: CUdeviceptr,
        pitch: usize,
        value: c_ushort,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d16_v2;
    Cuda fn cuMemsetD2D16_v2_ptds(
        address: CUdeviceptr,
        pitch: usize,
        value: c_ushort,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d16_v2_ptds;
    Cuda fn cuMemsetD2D16Async(
        address: CUdeviceptr,
        pitch: usize,
        value: c_ushort,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d16_async;
    Cuda fn cuMemsetD2D16Async_ptsz(
        address: CUdeviceptr,
        pitch: usize,
        value: c_ushort,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d16_async_ptsz;
    Cuda fn cuMemsetD32(
        address: CUdeviceptr_v1,
        value: c_uint,
        count: c_uint,
    ) -> CUresult = memsets::d32;
    Cuda fn cuMemsetD32_v2(
        address: CUdeviceptr,
        value: c_uint,
        count: usize,
    ) -> CUresult = memsets::d32_v2;
    Cuda fn cuMemsetD32_v2_ptds(
        address: CUdeviceptr,
        value: c_uint,
        count: usize,
    ) -> CUresult = memsets::d32_v2_ptds;
    Cuda fn cuMemsetD32Async(
        address: CUdeviceptr,
        value: c_uint,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d32_async;
    Cuda fn cuMemsetD32Async_ptsz(
        address: CUdeviceptr,
        value: c_uint,
        count: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d32_async_ptsz;
    Cuda fn cuMemsetD2D32(
        address: CUdeviceptr_v1,
        pitch: c_uint,
        value: c_uint,
        width: c_uint,
        height: c_uint,
    ) -> CUresult = memsets::d2d32;
    Cuda fn cuMemsetD2D32_v2(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uint,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d32_v2;
    Cuda fn cuMemsetD2D32_v2_ptds(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uint,
        width: usize,
        height: usize,
    ) -> CUresult = memsets::d2d32_v2_ptds;
    Cuda fn cuMemsetD2D32Async(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uint,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d32_async;
    Cuda fn cuMemsetD2D32Async_ptsz(
        address: CUdeviceptr,
        pitch: usize,
        value: c_uint,
        width: usize,
        height: usize,
        stream: CUstream,
    ) -> CUresult = memsets::d2d32_async_ptsz;

    Cuda fn cuStreamBeginCapture(stream: CUstream) -> CUresult = streams::begin;
    Cuda fn cuStreamBeginCapture_ptsz(stream: CUstream) -> CUresult = streams::begin_ptsz;
    Cuda fn cuStreamBeginCapture_v2(
        stream: CUstream,
        mode: CUstreamCaptureMode,
    ) -> CUresult = streams::begin_v2;
    Cuda fn cuStreamBeginCapture_v2_ptsz(
        stream: CUstream,
        mode: CUstreamCaptureMode,
    ) -> CUresult = streams::begin_v2_ptsz;
    Cuda fn cuStreamBeginCaptureToGraph(
        stream: CUstream,
        graph: CUgraph,
        nodes: *const CUgraphNode,
        edges: *const CUgraphEdgeData,
        count: usize,
        mode: CUstreamCaptureMode,
    ) -> CUresult = streams::begin_to;
    Cuda fn cuStreamBeginCaptureToGraph_ptsz(
        stream: CUstream,
        graph: CUgraph,
        nodes: *const CUgraphNode,
        edges: *const CUgraphEdgeData,
        count: usize,
        mode: CUstreamCaptureMode,
    ) -> CUresult = streams::begin_to_ptsz;
    Cuda fn cuStreamBeginRecaptureToGraph(
        stream: CUstream,
        mode: CUstreamCaptureMode,
        graph: CUgraph,
        callback: CUgraphRecaptureCallback,
        data: *mut c_void,
    ) -> CUresult = streams::again;
    Cuda fn cuStreamBeginRecaptureToGraph_ptsz(
        stream: CUstream,
        mode: CUstreamCaptureMode,
        graph: CUgraph,
        callback: CUgraphRecaptureCallback,
        data: *mut c_void,
    ) -> CUresult = streams::again_ptsz;
    Cuda fn cuStreamEndCapture(stream: CUstream, graph: *mut CUgraph) -> CUresult = streams::end;
    Cuda fn cuStreamEndCapture_ptsz(
        stream: CUstream,
        graph: *mut CUgraph,
    ) -> CUresult = streams::end_ptsz;
    Cuda fn cuCtxSynchronize() -> CUresult = streams::wait_context;
    Cuda fn cuCtxSynchronize_v2(context: CUcontext) -> CUresult = streams::wait_context_v2;
    Cuda fn cuStreamSynchronize(stream: CUstream) -> CUresult = streams::wait_stream;
    Cuda fn cuStreamSynchronize_ptsz(stream: CUstream) -> CUresult = streams::wait_stream_ptsz;
    Cuda fn cuEventSynchronize(event: CUevent) -> CUresult = streams::wait_event;
    Cuda fn cuEventQuery(event: CUevent) -> CUresult = streams::ask_event;
    Cuda fn cuStreamQuery(stream: CUstream) -> CUresult = streams::ask_stream;
    Cuda fn cuStreamQuery_ptsz(stream: CUstream) -> CUresult = streams::ask_stream_ptsz;
    Cuda fn cuStreamDestroy(stream: CUstream) -> CUresult = streams::destroy;
    Cuda fn cuStreamDestroy_v2(stream: CUstream) -> CUresult = streams::destroy_v2;
    Cuda fn cuStreamWaitEvent(
        stream: CUstream,
        event: CUevent,
        flags: c_uint,
    ) -> CUresult = waits::event;
    Cuda fn cuStreamWaitEvent_ptsz(
        stream: CUstream,
        event: CUevent,
        flags: c_uint,
    ) -> CUresult = waits::event_ptsz;
    Cuda fn cuCtxWaitEvent(context: CUcontext, event: CUevent) -> CUresult = waits::context;
    Cuda fn cuGreenCtxWaitEvent(context: CUgreenCtx, event: CUevent) -> CUresult = waits::green_context;
    Cuda fn cuStreamWaitValue32(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint32_t,
        flags: c_uint,
    ) -> CUresult = waits::word_32;
    Cuda fn cuStreamWaitValue32_ptsz(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint32_t,
        flags: c_uint,
    ) -> CUresult = waits::word_32_ptsz;
    Cuda fn cuStreamWaitValue32_v2(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint32_t,
        flags: c_uint,
    ) -> CUresult = waits::word_32_v2;
    Cuda fn cuStreamWaitValue32_v2_ptsz(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint32_t,
        flags: c_uint,
    ) -> CUresult = waits::word_32_v2_ptsz;
    Cuda fn cuStreamWaitValue64(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint64_t,
        flags: c_uint,
    ) -> CUresult = waits::word_64;
    Cuda fn cuStreamWaitValue64_ptsz(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint64_t,
        flags: c_uint,
    ) -> CUresult = waits::word_64_ptsz;
    Cuda fn cuStreamWaitValue64_v2(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint64_t,
        flags: c_uint,
    ) -> CUresult = waits::word_64_v2;
    Cuda fn cuStreamWaitValue64_v2_ptsz(
        stream: CUstream,
        at: CUdeviceptr,
        value: cuuint64_t,
        flags: c_uint,
    ) -> CUresult = waits::word_64_v2_ptsz;
    Cuda fn cuStreamBatchMemOp(
        stream: CUstream,
        count: c_uint,
        list: *mut CUstreamBatchMemOpParams,
        flags: c_uint,
    ) -> CUresult = waits::words;
    Cuda fn cuStreamBatchMemOp_ptsz(
        stream: CUstream,
        count: c_uint,
        list: *mut CUstreamBatchMemOpParams,
        flags: c_uint,
    ) -> CUresult = waits::words_ptsz;
    Cuda fn cuStreamBatchMemOp_v2(
        stream: CUstream,
        count: c_uint,
        list: *mut CUstreamBatchMemOpParams,
        flags: c_uint,
    ) -> CUresult = waits::words_v2;
    Cuda fn cuStreamBatchMemOp_v2_ptsz(
        stream: CUstream,
        count: c_uint,
        list: *mut CUstreamBatchMemOpParams,
        flags: c_uint,
    ) -> CUresult = waits::words_v2_ptsz;
    Cuda fn cuWaitExternalSemaphoresAsync(
        list: *const CUexternalSemaphore,
        params: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
        count: c_uint,
        stream: CUstream,
    ) -> CUresult = waits::semaphores;
    Cuda fn cuWaitExternalSemaphoresAsync_ptsz(
        list: *const CUexternalSemaphore,
        params: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
        count: c_uint,
        stream: CUstream,
    ) -> CUresult = waits::semaphores_ptsz;
    Cuda fn cuLaunchHostFunc(
        stream: CUstream,
        function: CUhostFn,
        data: *mut c_void,
    ) -> CUresult = waits::function;
    Cuda fn cuLaunchHostFunc_ptsz(
        stream: CUstream,
        function: CUhostFn,
        data: *mut c_void,
    ) -> CUresult = waits::function_ptsz;
    Cuda fn cuLaunchHostFunc_v2(
        stream: CUstream,
        function: CUhostFn,
        data: *mut c_void,
        mode: c_uint,
    ) -> CUresult = waits::function_v2;
    Cuda fn cuLaunchHostFunc_v2_ptsz(
        stream: CUstream,
        function: CUhostFn,
        data: *mut c_void,
        mode: c_uint,
    ) -> CUresult = waits::function_v2_ptsz;
    Cuda fn cuStreamAddCallback(
        stream: CUstream,
        function: CUstreamCallback,
        data: *mut c_void,
        flags: c_uint,
    ) -> CUresult = waits::callback;
    Cuda fn cuStreamAddCallback_ptsz(
        stream: CUstream,
        function: CUstreamCallback,
        data: *mut c_void,
        flags: c_uint,
    ) -> CUresult = waits::callback_ptsz;

    Cuda fn cuMemcpy(to: CUdeviceptr, from: CUdeviceptr, bytes: usize) -> CUresult = copies::copy;
    Cuda fn cuMemcpy2D(copy: *const CUDA_MEMCPY2D_v1) -> CUresult = copies::copy_2d;
    Cuda fn cuMemcpy2DAsync(
        copy: *const CUDA_MEMCPY2D_v1,
        stream: CUstream,
    ) -> CUresult = copies::copy_2d_async;
    Cuda fn cuMemcpy2DAsync_v2(
        copy: *const CUDA_MEMCPY2D,
        stream: CUstream,
    ) -> CUresult = copies::copy_2d_async_v2;
    Cuda fn cuMemcpy2DAsync_v2_ptsz(
        copy: *const CUDA_MEMCPY2D,
        stream: CUstream,
    ) -> CUresult = copies::copy_2d_async_v2_ptsz;
    Cuda fn cuMemcpy2DUnaligned(
        copy: *const CUDA_MEMCPY2D_v1,
    ) -> CUresult = copies::copy_2d_unaligned;
    Cuda fn cuMemcpy2DUnaligned_v2(
        copy: *const CUDA_MEMCPY2D,
    ) -> CUresult = copies::copy_2d_unaligned_v2;
    Cuda fn cuMemcpy2DUnaligned_v2_ptds(
        copy: *const CUDA_MEMCPY2D,
    ) -> CUresult = copies::copy_2d_unaligned_v2_ptds;
    Cuda fn cuMemcpy2D_v2(copy: *const CUDA_MEMCPY2D) -> CUresult = copies::copy_2d_v2;
    Cuda fn cuMemcpy2D_v2_ptds(copy: *const CUDA_MEMCPY2D) -> CUresult = copies::copy_2d_v2_ptds;
    Cuda fn cuMemcpy3D(copy: *const CUDA_MEMCPY3D_v1) -> CUresult = copies::copy_3d;
    Cuda fn cuMemcpy3DAsync(
        copy: *const CUDA_MEMCPY3D_v1,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_async;
    Cuda fn cuMemcpy3DAsync_v2(
        copy: *const CUDA_MEMCPY3D,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_async_v2;
    Cuda fn cuMemcpy3DAsync_v2_ptsz(
        copy: *const CUDA_MEMCPY3D,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_async_v2_ptsz;
    Cuda fn cuMemcpy3DBatchAsync(
        count: usize,
        list: *mut CUDA_MEMCPY3D_BATCH_OP,
        failed: *mut usize,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_batch_async;
    Cuda fn cuMemcpy3DBatchAsync_ptsz(
        count: usize,
        list: *mut CUDA_MEMCPY3D_BATCH_OP,
        failed: *mut usize,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_batch_async_ptsz;
    Cuda fn cuMemcpy3DBatchAsync_v2(
        count: usize,
        list: *mut CUDA_MEMCPY3D_BATCH_OP,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_batch_async_v2;
    Cuda fn cuMemcpy3DBatchAsync_v2_ptsz(
        count: usize,
        list: *mut CUDA_MEMCPY3D_BATCH_OP,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_batch_async_v2_ptsz;
    Cuda fn cuMemcpy3DPeer(copy: *const CUDA_MEMCPY3D_PEER) -> CUresult = copies::copy_3d_peer;
    Cuda fn cuMemcpy3DPeerAsync(
        copy: *const CUDA_MEMCPY3D_PEER,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_peer_async;
    Cuda fn cuMemcpy3DPeerAsync_ptsz(
        copy: *const CUDA_MEMCPY3D_PEER,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_peer_async_ptsz;
    Cuda fn cuMemcpy3DPeer_ptds(
        copy: *const CUDA_MEMCPY3D_PEER,
    ) -> CUresult = copies::copy_3d_peer_ptds;
    Cuda fn cuMemcpy3DWithAttributesAsync(
        op: *mut CUDA_MEMCPY3D_BATCH_OP,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_with_attributes_async;
    Cuda fn cuMemcpy3DWithAttributesAsync_ptsz(
        op: *mut CUDA_MEMCPY3D_BATCH_OP,
        flags: c_ulonglong,
        stream: CUstream,
    ) -> CUresult = copies::copy_3d_with_attributes_async_ptsz;
    Cuda fn cuMemcpy3D_v2(copy: *const CUDA_MEMCPY3D) -> CUresult = copies::copy_3d_v2;
    Cuda fn cuMemcpy3D_v2_ptds(copy: *const CUDA_MEMCPY3D) -> CUresult = copies::copy_3d_v2_ptds;
    Cuda fn cuMemcpyAsync(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_async;
    Cuda fn cuMemcpyAsync_ptsz(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_async_ptsz;
    Cuda fn cuMemcpyAtoA(
        to: CUarray,
        to_offset: c_uint,
        from: CUarray,
        from_offset: c_uint,
        bytes: c_uint,
    ) -> CUresult = copies::copy_atoa;
    Cuda fn cuMemcpyAtoA_v2(
        to: CUarray,
        to_offset: usize,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atoa_v2;
    Cuda fn cuMemcpyAtoA_v2_ptds(
        to: CUarray,
        to_offset: usize,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atoa_v2_ptds;
    Cuda fn cuMemcpyAtoD(
        to: CUdeviceptr_v1,
        from: CUarray,
        from_offset: c_uint,
        bytes: c_uint,
    ) -> CUresult = copies::copy_atod;
    Cuda fn cuMemcpyAtoD_v2(
        to: CUdeviceptr,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atod_v2;
    Cuda fn cuMemcpyAtoD_v2_ptds(
        to: CUdeviceptr,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atod_v2_ptds;
    Cuda fn cuMemcpyAtoH(
        to: *mut c_void,
        from: CUarray,
        from_offset: c_uint,
        bytes: c_uint,
    ) -> CUresult = copies::copy_atoh;
    Cuda fn cuMemcpyAtoHAsync(
        to: *mut c_void,
        from: CUarray,
        from_offset: c_uint,
        bytes: c_uint,
        stream: CUstream,
    ) -> CUresult = copies::copy_atoh_async;
    Cuda fn cuMemcpyAtoHAsync_v2(
        to: *mut c_void,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_atoh_async_v2;
    Cuda fn cuMemcpyAtoHAsync_v2_ptsz(
        to: *mut c_void,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_atoh_async_v2_ptsz;
    Cuda fn cuMemcpyAtoH_v2(
        to: *mut c_void,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atoh_v2;
    Cuda fn cuMemcpyAtoH_v2_ptds(
        to: *mut c_void,
        from: CUarray,
        from_offset: usize,
        bytes: usize,
    ) -> CUresult = copies::copy_atoh_v2_ptds;
    Cuda fn cuMemcpyBatchAsync(
        to: *mut CUdeviceptr,
        from: *mut CUdeviceptr,
        sizes: *mut usize,
        count: usize,
        attributes: *mut CUmemcpyAttributes,
        places: *mut usize,
        attribute_count: usize,
        failed: *mut usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_batch_async;
    Cuda fn cuMemcpyBatchAsync_ptsz(
        to: *mut CUdeviceptr,
        from: *mut CUdeviceptr,
        sizes: *mut usize,
        count: usize,
        attributes: *mut CUmemcpyAttributes,
        places: *mut usize,
        attribute_count: usize,
        failed: *mut usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_batch_async_ptsz;
    Cuda fn cuMemcpyBatchAsync_v2(
        to: *mut CUdeviceptr,
        from: *mut CUdeviceptr,
        sizes: *mut usize,
        count: usize,
        attributes: *mut CUmemcpyAttributes,
        places: *mut usize,
        attribute_count: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_batch_async_v2;
    Cuda fn cuMemcpyBatchAsync_v2_ptsz(
        to: *mut CUdeviceptr,
        from: *mut CUdeviceptr,
        sizes: *mut usize,
        count: usize,
        attributes: *mut CUmemcpyAttributes,
        places: *mut usize,
        attribute_count: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_batch_async_v2_ptsz;
    Cuda fn cuMemcpyDtoA(
        to: CUarray,
        to_offset: c_uint,
        from: CUdeviceptr_v1,
        bytes: c_uint,
    ) -> CUresult = copies::copy_dtoa;
    Cuda fn cuMemcpyDtoA_v2(
        to: CUarray,
        to_offset: usize,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtoa_v2;
    Cuda fn cuMemcpyDtoA_v2_ptds(
        to: CUarray,
        to_offset: usize,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtoa_v2_ptds;
    Cuda fn cuMemcpyDtoD(
        to: CUdeviceptr_v1,
        from: CUdeviceptr_v1,
        bytes: c_uint,
    ) -> CUresult = copies::copy_dtod;
    Cuda fn cuMemcpyDtoDAsync(
        to: CUdeviceptr_v1,
        from: CUdeviceptr_v1,
        bytes: c_uint,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtod_async;
    Cuda fn cuMemcpyDtoDAsync_v2(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtod_async_v2;
    Cuda fn cuMemcpyDtoDAsync_v2_ptsz(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtod_async_v2_ptsz;
    Cuda fn cuMemcpyDtoD_v2(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtod_v2;
    Cuda fn cuMemcpyDtoD_v2_ptds(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtod_v2_ptds;
    Cuda fn cuMemcpyDtoH(
        to: *mut c_void,
        from: CUdeviceptr_v1,
        bytes: c_uint,
    ) -> CUresult = copies::copy_dtoh;
    Cuda fn cuMemcpyDtoHAsync(
        to: *mut c_void,
        from: CUdeviceptr_v1,
        bytes: c_uint,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtoh_async;
    Cuda fn cuMemcpyDtoHAsync_v2(
        to: *mut c_void,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtoh_async_v2;
    Cuda fn cuMemcpyDtoHAsync_v2_ptsz(
        to: *mut c_void,
        from: CUdeviceptr,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_dtoh_async_v2_ptsz;
    Cuda fn cuMemcpyDtoH_v2(
        to: *mut c_void,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtoh_v2;
    Cuda fn cuMemcpyDtoH_v2_ptds(
        to: *mut c_void,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_dtoh_v2_ptds;
    Cuda fn cuMemcpyHtoA(
        to: CUarray,
        to_offset: c_uint,
        from: *const c_void,
        bytes: c_uint,
    ) -> CUresult = copies::copy_htoa;
    Cuda fn cuMemcpyHtoAAsync(
        to: CUarray,
        to_offset: c_uint,
        from: *const c_void,
        bytes: c_uint,
        stream: CUstream,
    ) -> CUresult = copies::copy_htoa_async;
    Cuda fn cuMemcpyHtoAAsync_v2(
        to: CUarray,
        to_offset: usize,
        from: *const c_void,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_htoa_async_v2;
    Cuda fn cuMemcpyHtoAAsync_v2_ptsz(
        to: CUarray,
        to_offset: usize,
        from: *const c_void,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_htoa_async_v2_ptsz;
    Cuda fn cuMemcpyHtoA_v2(
        to: CUarray,
        to_offset: usize,
        from: *const c_void,
        bytes: usize,
    ) -> CUresult = copies::copy_htoa_v2;
    Cuda fn cuMemcpyHtoA_v2_ptds(
        to: CUarray,
        to_offset: usize,
        from: *const c_void,
        bytes: usize,
    ) -> CUresult = copies::copy_htoa_v2_ptds;
    Cuda fn cuMemcpyHtoD(
        to: CUdeviceptr_v1,
        from: *const c_void,
        bytes: c_uint,
    ) -> CUresult = copies::copy_htod;
    Cuda fn cuMemcpyHtoDAsync(
        to: CUdeviceptr_v1,
        from: *const c_void,
        bytes: c_uint,
        stream: CUstream,
    ) -> CUresult = copies::copy_htod_async;
    Cuda fn cuMemcpyHtoDAsync_v2(
        to: CUdeviceptr,
        from: *const c_void,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_htod_async_v2;
    Cuda fn cuMemcpyHtoDAsync_v2_ptsz(
        to: CUdeviceptr,
        from: *const c_void,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_htod_async_v2_ptsz;
    Cuda fn cuMemcpyHtoD_v2(
        to: CUdeviceptr,
        from: *const c_void,
        bytes: usize,
    ) -> CUresult = copies::copy_htod_v2;
    Cuda fn cuMemcpyHtoD_v2_ptds(
        to: CUdeviceptr,
        from: *const c_void,
        bytes: usize,
    ) -> CUresult = copies::copy_htod_v2_ptds;
    Cuda fn cuMemcpyPeer(
        to: CUdeviceptr,
        to_context: CUcontext,
        from: CUdeviceptr,
        from_context: CUcontext,
        bytes: usize,
    ) -> CUresult = copies::copy_peer;
    Cuda fn cuMemcpyPeerAsync(
        to: CUdeviceptr,
        to_context: CUcontext,
        from: CUdeviceptr,
        from_context: CUcontext,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_peer_async;
    Cuda fn cuMemcpyPeerAsync_ptsz(
        to: CUdeviceptr,
        to_context: CUcontext,
        from: CUdeviceptr,
        from_context: CUcontext,
        bytes: usize,
        stream: CUstream,
    ) -> CUresult = copies::copy_peer_async_ptsz;
    Cuda fn cuMemcpyPeer_ptds(
        to: CUdeviceptr,
        to_context: CUcontext,
        from: CUdeviceptr,
        from_context: CUcontext,
        bytes: usize,
    ) -> CUresult = copies::copy_peer_ptds;
    Cuda fn cuMemcpyWithAttributesAsync(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        attributes: *mut CUmemcpyAttributes,
        stream: CUstream,
    ) -> CUresult = copies::copy_with_attributes_async;
    Cuda fn cuMemcpyWithAttributesAsync_ptsz(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
        attributes: *mut CUmemcpyAttributes,
        stream: CUstream,
    ) -> CUresult = copies::copy_with_attributes_async_ptsz;
    Cuda fn cuMemcpy_ptds(
        to: CUdeviceptr,
        from: CUdeviceptr,
        bytes: usize,
    ) -> CUresult = copies::copy_ptds;

    Cuda fn cuMemGetInfo(free: *mut c_uint, total: *mut c_uint) -> CUresult = info::get_info;
    Cuda fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> CUresult = info::get_info_v2;
    Cuda fn cuDeviceTotalMem(
        bytes: *mut c_uint,
        device: CUdevice,
    ) -> CUresult = info::device_total;
    Cuda fn cuDeviceTotalMem_v2(
        bytes: *mut usize,
        device: CUdevice,
    ) -> CUresult = info::device_total_v2;

    Nvml fn nvmlDeviceGetMemoryInfo(
        device: nvmlDevice_t,
        memory: *mut nvmlMemory_t,
    ) -> nvmlReturn_t = nvml::memory_info;
    Nvml fn nvmlDeviceGetMemoryInfo_v2(
        device: nvmlDevice_t,
        memory: *mut nvmlMemory_v2_t,
    ) -> nvmlReturn_t = nvml::memory_info_v2;
    Nvml fn nvmlDeviceGetConfComputeProtectedMemoryUsage(
        device: nvmlDevice_t,
        memory: *mut nvmlMemory_t,
    ) -> nvmlReturn_t = nvml::protected_memory;

    Nvml fn nvmlDeviceGetComputeRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v1_t,
    ) -> nvmlReturn_t = nvml_processes::compute;
    Nvml fn nvmlDeviceGetComputeRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v2_t,
    ) -> nvmlReturn_t = nvml_processes::compute_v2;
    Nvml fn nvmlDeviceGetComputeRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_t,
    ) -> nvmlReturn_t = nvml_processes::compute_v3;
    Nvml fn nvmlDeviceGetGraphicsRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v1_t,
    ) -> nvmlReturn_t = nvml_processes::graphics;
    Nvml fn nvmlDeviceGetGraphicsRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v2_t,
    ) -> nvmlReturn_t = nvml_processes::graphics_v2;
    Nvml fn nvmlDeviceGetGraphicsRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_t,
    ) -> nvmlReturn_t = nvml_processes::graphics_v3;
    Nvml fn nvmlDeviceGetMPSComputeRunningProcesses(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v1_t,
    ) -> nvmlReturn_t = nvml_processes::mps;
    Nvml fn nvmlDeviceGetMPSComputeRunningProcesses_v2(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_v2_t,
    ) -> nvmlReturn_t = nvml_processes::mps_v2;
    Nvml fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlProcessInfo_t,
    ) -> nvmlReturn_t = nvml_processes::mps_v3;
    Nvml fn nvmlDeviceGetRunningProcessDetailList(
        device: nvmlDevice_t,
        list: *mut nvmlProcessDetailList_t,
    ) -> nvmlReturn_t = nvml_processes::detail_list;
    Nvml fn nvmlDeviceGetProcessUtilization(
        device: nvmlDevice_t,
        samples: *mut nvmlProcessUtilizationSample_t,
        count: *mut c_uint,
        last_seen: c_ulonglong,
    ) -> nvmlReturn_t = nvml_usage::utilization;
    Nvml fn nvmlDeviceGetProcessesUtilizationInfo(
        device: nvmlDevice_t,
        info: *mut nvmlProcessesUtilizationInfo_t,
    ) -> nvmlReturn_t = nvml_usage::utilization_info;
    Nvml fn nvmlDeviceGetEncoderSessions(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlEncoderSessionInfo_t,
    ) -> nvmlReturn_t = nvml_processes::encoder_sessions;
    Nvml fn nvmlDeviceGetFBCSessions(
        device: nvmlDevice_t,
        count: *mut c_uint,
        infos: *mut nvmlFBCSessionInfo_t,
    ) -> nvmlReturn_t = nvml_processes::fbc_sessions;
    Nvml fn nvmlDeviceGetAccountingPids(
        device: nvmlDevice_t,
        count: *mut c_uint,
        pids: *mut c_uint,
    ) -> nvmlReturn_t = nvml_processes::accounting_pids;
    Nvml fn nvmlDeviceGetAccountingStats(
        device: nvmlDevice_t,
        pid: c_uint,
        stats: *mut nvmlAccountingStats_t,
    ) -> nvmlReturn_t = nvml_accounting::stats;
    Nvml fn nvmlDeviceGetAccountingStats_v2(
        device: nvmlDevice_t,
        stats: *mut nvmlAccountingStats_v2_t,
    ) -> nvmlReturn_t = nvml_accounting::stats_v2;
    Nvml fn nvmlInternalGetExportTable(
        table: *mut *const c_void,
        uuid: *const [u8; 16],
    ) -> nvmlReturn_t = nvml_table::export_table;

    // What the hooks call themselves, without standing before it.
    ;
    Cuda cuArrayGetSparseProperties,
    Cuda cuCtxGetCurrent,
    Cuda cuCtxGetDevice,
    Cuda cuCtxGetLimit,
    Cuda cuCtxFromGreenCtx,
    Cuda cuCtxPopCurrent_v2,
    Cuda cuCtxPushCurrent_v2,
    Cuda cuDeviceGetCount,
    Cuda cuDeviceGetDefaultMemPool,
    Cuda cuDeviceGetGraphMemAttribute,
    Cuda cuDeviceGetMemPool,
    Cuda cuDeviceGetAttribute,
    Cuda cuDeviceGetUuid,
    Cuda cuDeviceGetUuid_v2,
    Cuda cuDevicePrimaryCtxGetState,
    Cuda cuDriverGetVersion,
    Cuda cuEventCreate,
    Cuda cuEventDestroy_v2,
    Cuda cuEventRecord,
    Cuda cuEventRecord_ptsz,
    Cuda cuEventElapsedTime,
    Cuda cuEventElapsedTime_v2,
    Cuda cuGraphChildGraphNodeGetGraph,
    Cuda cuGraphGetNodes,
    Cuda cuGraphMemAllocNodeGetParams,
    Cuda cuGraphNodeGetType,
    Cuda cuMemGetAddressRange_v2,
    Cuda cuMemPoolGetAttribute,
    Cuda cuMemPoolSetAttribute,
    Cuda cuMipmappedArrayGetSparseProperties,
    Cuda cuFuncGetModule,
    Cuda cuKernelGetLibrary,
    Cuda cuModuleGetLoadingMode,
    Cuda cuPointerGetAttribute,
    Cuda cuStreamGetCtx,
    Cuda cuStreamGetDevice,
    Cuda cuStreamIsCapturing,
    Cuda cuStreamIsCapturing_ptsz,
    Cuda cuThreadExchangeStreamCaptureMode,
    Nvml nvmlDeviceGetUUID,
}
