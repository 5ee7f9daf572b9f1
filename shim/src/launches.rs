//! Kernels, in every way to launch one: each is metered, and waits where there is no credit.

use crate::hooks::real;
use crate::meter::stream::Stream;
use crate::meter::{self, Launch};
use core::ffi::{c_int, c_uint, c_void};
use meter_rules::kernel_key;
use nvidia_sys::cuda::{
    CUDA_LAUNCH_PARAMS, CUfunction, CUlaunchAttributeID, CUlaunchConfig, CUresult, CUstream,
};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
/// Devices that one launch can go to.
const MOST: usize = 64;

/// A kernel with so many blocks.
#[inline]
fn kernel(stream: Stream, function: CUfunction, blocks: [c_uint; 3]) -> Launch {
    let blocks = blocks.into_iter().fold(1, |all: u64, some| all.wrapping_mul(u64::from(some)));
    let key = kernel_key(function.expose_provenance() as u64, blocks);
    Launch { stream, key, is_kept: false }
}

macro_rules! launch {
    ($($(#[$doc:meta])* $name:ident = $driver:ident, $stream:ident;)*) => {$(
        $(#[$doc])*
        /// # Safety
        /// As the driver's function.
        #[allow(clippy::too_many_arguments)]
        pub(crate) unsafe fn $name(
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
        ) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            let launch = kernel(Stream::$stream(stream), function, [x, y, z]);
            // So that the short way passes its many arguments on where they lie.
            if meter::is_taken(launch) {
                // SAFETY: the caller's arguments.
                return unsafe {
                    driver(
                        function, x, y, z, block_x, block_y, block_z, shared, stream, params, extra,
                    )
                };
            }
            // SAFETY: as above.
            meter::slowly(launch, &|| unsafe {
                driver(
                    function, x, y, z, block_x, block_y, block_z, shared, stream, params, extra,
                )
            })
        }
    )*};
}

launch! {
    launch = cuLaunchKernel, shared;
    launch_ptsz = cuLaunchKernel_ptsz, own;
}

macro_rules! cooperative {
    ($($name:ident = $driver:ident, $stream:ident;)*) => {$(
        /// # Safety
        /// As the driver's function.
        #[allow(clippy::too_many_arguments)]
        pub(crate) unsafe fn $name(
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
        ) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            // SAFETY: the caller's arguments.
            meter::launch(kernel(Stream::$stream(stream), function, [x, y, z]), || unsafe {
                driver(function, x, y, z, block_x, block_y, block_z, shared, stream, params)
            })
        }
    )*};
}

cooperative! {
    cooperative = cuLaunchCooperativeKernel, shared;
    cooperative_ptsz = cuLaunchCooperativeKernel_ptsz, own;
}

macro_rules! configured {
    ($($name:ident = $driver:ident, $stream:ident;)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $name(
            config: *const CUlaunchConfig,
            function: CUfunction,
            params: *mut *mut c_void,
            extra: *mut *mut c_void,
        ) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            // SAFETY: the caller's arguments.
            let call = || unsafe { driver(config, function, params, extra) };
            // SAFETY: where it is not null it is the caller's to read.
            let Some(said) = (unsafe { config.as_ref() }) else { return call() };
            let blocks = [said.gridDimX, said.gridDimY, said.gridDimZ];
            let launch = kernel(Stream::$stream(said.hStream), function, blocks);
            // SAFETY: the caller's attributes, as many as it says.
            let is_kept = unsafe { follows_early(said) };
            meter::launch(Launch { is_kept, ..launch }, call)
        }
    )*};
}

configured! {
    configured = cuLaunchKernelEx, shared;
    configured_ptsz = cuLaunchKernelEx_ptsz, own;
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn plain(function: CUfunction) -> CUresult {
    let Some(driver) = real::cuLaunch.get() else { return NOT_INITIALIZED };
    let stream = Stream::shared(core::ptr::null_mut());
    // SAFETY: the caller's argument.
    meter::launch(kernel(stream, function, [1; 3]), || unsafe { driver(function) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn grid(function: CUfunction, width: c_int, height: c_int) -> CUresult {
    let Some(driver) = real::cuLaunchGrid.get() else { return NOT_INITIALIZED };
    let blocks = [width.unsigned_abs(), height.unsigned_abs(), 1];
    let launch = kernel(Stream::shared(core::ptr::null_mut()), function, blocks);
    // SAFETY: the caller's arguments.
    meter::launch(launch, || unsafe { driver(function, width, height) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn grid_async(
    function: CUfunction,
    width: c_int,
    height: c_int,
    stream: CUstream,
) -> CUresult {
    let Some(driver) = real::cuLaunchGridAsync.get() else { return NOT_INITIALIZED };
    let blocks = [width.unsigned_abs(), height.unsigned_abs(), 1];
    let launch = kernel(Stream::shared(stream), function, blocks);
    // SAFETY: the caller's arguments.
    meter::launch(launch, || unsafe { driver(function, width, height, stream) })
}

/// One kernel on several devices: metered on each.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn multi_device(
    list: *mut CUDA_LAUNCH_PARAMS,
    count: c_uint,
    flags: c_uint,
) -> CUresult {
    let Some(driver) = real::cuLaunchCooperativeKernelMultiDevice.get() else {
        return NOT_INITIALIZED;
    };
    // SAFETY: the caller's arguments.
    let call = || unsafe { driver(list, count, flags) };
    if list.is_null() {
        return call();
    }
    // SAFETY: the caller's list, as long as it says.
    let params = unsafe { core::slice::from_raw_parts(list, (count as usize).min(MOST)) };
    each(params, &call)
}

/// Meters the first, and within it the others.
fn each(params: &[CUDA_LAUNCH_PARAMS], driver: &dyn Fn() -> CUresult) -> CUresult {
    let Some((first, others)) = params.split_first() else { return driver() };
    let blocks = [first.gridDimX, first.gridDimY, first.gridDimZ];
    let launch = kernel(Stream::shared(first.hStream), first.function, blocks);
    meter::launch(launch, || each(others, driver))
}

/// Whether the kernel may begin before the one in front of it has ended (programmatic dependent
/// launch): an event between them would keep it from that.
///
/// # Safety
/// The attributes are readable, as many as it says.
unsafe fn follows_early(config: &CUlaunchConfig) -> bool {
    if config.attrs.is_null() || config.numAttrs == 0 {
        return false;
    }
    // SAFETY: the caller's promise.
    let attributes = unsafe { core::slice::from_raw_parts(config.attrs, config.numAttrs as usize) };
    let serial = CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attributes.iter().any(|attribute| attribute.id == serial)
}
