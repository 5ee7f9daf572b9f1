//! Code: modules, which a context has, and libraries, which all contexts have. It is charged by what
//! its image holds for the device, when it goes there: at once where the driver loads eagerly, else
//! when a function or a variable of it is first asked for. It is given back when it is unloaded, or
//! with the context that it was loaded in.
//!
//! Nobody says what code takes, so a load is never refused for it: it may pass the limit, and the next
//! request pays. What the image does not say (single functions, what a launch loads by itself, local
//! memory) the agent measures. An image is read only when the driver has taken it.

use crate::allotments::Share;
use crate::charge::Charge;
use crate::contexts;
use crate::device::{self, Device};
use crate::held;
use crate::hooks::real;
use crate::meter;
use crate::sys;
use core::ffi::{c_char, c_uint, c_void};
use ledger::Kind;
use nvidia_sys::cuda::{
    CUdevice_attribute, CUdeviceptr, CUdeviceptr_v1, CUfunction, CUjit_option, CUkernel, CUlibrary,
    CUlibraryOption, CUmodule, CUmoduleLoadingMode, CUresult,
};
use nvidia_sys::image;

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn load(module: *mut CUmodule, path: *const c_char) -> CUresult {
    let Some(driver) = real::cuModuleLoad.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(module, path) };
    // SAFETY: a driver that loaded it has read the path and written the module.
    unsafe { loaded(result, module, || sys::file_bytes(path)) }
}

/// The functions that load an image.
macro_rules! loads {
    ($($body:ident = $name:ident($($more:ident: $type:ty),*);)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $body(
            module: *mut CUmodule,
            image: *const c_void,
            $($more: $type),*
        ) -> CUresult {
            let Some(driver) = real::$name.get() else { return NOT_INITIALIZED };
            // SAFETY: the caller's arguments.
            let result = unsafe { driver(module, image, $($more),*) };
            // SAFETY: a driver that loaded it has read the image and written the module.
            unsafe { loaded(result, module, || image_bytes(image)) }
        }
    )*};
}

loads! {
    load_data = cuModuleLoadData();
    load_data_ex = cuModuleLoadDataEx(
        count: c_uint,
        options: *mut CUjit_option,
        values: *mut *mut c_void
    );
    load_fat_binary = cuModuleLoadFatBinary();
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unload(module: CUmodule) -> CUresult {
    let Some(driver) = real::cuModuleUnload.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    let result = held::give_back(of_module(module), || unsafe { driver(module) });
    if result == SUCCESS {
        meter::code_ends();
    }
    result
}

/// # Safety
/// As the driver's function.
#[expect(clippy::too_many_arguments, reason = "the driver's")]
pub(crate) unsafe fn load_library(
    library: *mut CUlibrary,
    image: *const c_void,
    options: *mut CUjit_option,
    values: *mut *mut c_void,
    count: c_uint,
    library_options: *mut CUlibraryOption,
    library_values: *mut *mut c_void,
    library_count: c_uint,
) -> CUresult {
    let Some(driver) = real::cuLibraryLoadData.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments, for both.
    let result = unsafe {
        let more = (library_options, library_values, library_count);
        driver(library, image, options, values, count, more.0, more.1, more.2)
    };
    // SAFETY: a driver that loaded it has read the image and written the library.
    unsafe { loaded_library(result, library, || image_bytes(image)) }
}

/// # Safety
/// As the driver's function.
#[expect(clippy::too_many_arguments, reason = "the driver's")]
pub(crate) unsafe fn load_library_file(
    library: *mut CUlibrary,
    path: *const c_char,
    options: *mut CUjit_option,
    values: *mut *mut c_void,
    count: c_uint,
    library_options: *mut CUlibraryOption,
    library_values: *mut *mut c_void,
    library_count: c_uint,
) -> CUresult {
    let Some(driver) = real::cuLibraryLoadFromFile.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments, for both.
    let result = unsafe {
        let more = (library_options, library_values, library_count);
        driver(library, path, options, values, count, more.0, more.1, more.2)
    };
    // SAFETY: a driver that loaded it has read the path and written the library.
    unsafe { loaded_library(result, library, || sys::file_bytes(path)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unload_library(library: CUlibrary) -> CUresult {
    let Some(driver) = real::cuLibraryUnload.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    let result = held::give_back(of_library(library), || unsafe { driver(library) });
    if result == SUCCESS {
        each_share(|share| {
            held::give_back(of_library_in(library, share), || SUCCESS);
        });
        meter::code_ends();
    }
    result
}

/// The functions that name something of a module, which the driver loads for it.
macro_rules! asks {
    ($($body:ident = $name:ident($($argument:ident: $type:ty),*), $used:expr;)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $body($($argument: $type),*) -> CUresult {
            let Some(driver) = real::$name.get() else { return NOT_INITIALIZED };
            // SAFETY: the caller's arguments.
            let result = unsafe { driver($($argument),*) };
            if result == SUCCESS {
                $used;
            }
            result
        }
    )*};
}

asks! {
    function = cuModuleGetFunction(
        function: *mut CUfunction,
        module: CUmodule,
        name: *const c_char
    ), used(module);
    global = cuModuleGetGlobal(
        address: *mut CUdeviceptr_v1,
        bytes: *mut c_uint,
        module: CUmodule,
        name: *const c_char
    ), used(module);
    global_v2 = cuModuleGetGlobal_v2(
        address: *mut CUdeviceptr,
        bytes: *mut usize,
        module: CUmodule,
        name: *const c_char
    ), used(module);
    func_load = cuFuncLoad(function: CUfunction), used_function(function);
    library_module = cuLibraryGetModule(
        module: *mut CUmodule,
        library: CUlibrary
    ), used_library(library);
    kernel = cuLibraryGetKernel(
        kernel: *mut CUkernel,
        library: CUlibrary,
        name: *const c_char
    ), used_library(library);
    kernels = cuLibraryEnumerateKernels(
        kernels: *mut CUkernel,
        count: c_uint,
        library: CUlibrary
    ), used_library(library);
    library_global = cuLibraryGetGlobal(
        address: *mut CUdeviceptr,
        bytes: *mut usize,
        library: CUlibrary,
        name: *const c_char
    ), used_library(library);
    library_managed = cuLibraryGetManaged(
        address: *mut CUdeviceptr,
        bytes: *mut usize,
        library: CUlibrary,
        name: *const c_char
    ), used_library(library);
    unified = cuLibraryGetUnifiedFunction(
        function: *mut *mut c_void,
        library: CUlibrary,
        name: *const c_char
    ), used_library(library);
    kernel_function = cuKernelGetFunction(
        function: *mut CUfunction,
        kernel: CUkernel
    ), used_kernel(kernel);
}

/// What handles are called where addresses are remembered: beyond all that there can be.
fn of_module(module: CUmodule) -> u64 {
    module as u64 | 5 << 61
}

fn of_library(library: CUlibrary) -> u64 {
    library as u64 | 7 << 61
}

fn of_library_in(library: CUlibrary, share: Share) -> u64 {
    library as u64 | 3 << 62 | u64::from(share.number & 63) << 48
}

/// # Safety
/// After success `module` is null or written; `bytes` may be called.
unsafe fn loaded(
    result: CUresult,
    module: *mut CUmodule,
    bytes: impl FnOnce() -> Option<u64>,
) -> CUresult {
    // SAFETY: the caller's promise.
    if let (SUCCESS, Some(module), Some(here)) = (result, unsafe { module.as_ref() }, current()) {
        let bytes = bytes().unwrap_or(0);
        held::remember_pending(of_module(*module), Some(here), bytes);
        if is_eager() {
            used(*module);
        }
    }
    result
}

/// # Safety
/// As [`loaded`].
unsafe fn loaded_library(
    result: CUresult,
    library: *mut CUlibrary,
    bytes: impl FnOnce() -> Option<u64>,
) -> CUresult {
    // SAFETY: the caller's promise.
    if let (SUCCESS, Some(library)) = (result, unsafe { library.as_ref() }) {
        held::remember_pending(of_library(*library), None, bytes().unwrap_or(0));
        if is_eager() {
            used_library(*library);
        }
    }
    result
}

fn used(module: CUmodule) {
    let Some(bytes) = held::pending(of_module(module)) else { return };
    if let Some((share, owner)) = current() {
        let charge = Charge { share, kind: Kind::Module, bytes, owner };
        held::remember_unasked(of_module(module), charge);
    }
}

#[cold]
fn used_function(function: CUfunction) {
    let mut module = core::ptr::null_mut();
    // SAFETY: a function that the driver has loaded; it writes one handle.
    let asked = real::cuFuncGetModule.get().map(|get| unsafe { get(&mut module, function) });
    if asked == Some(SUCCESS) {
        used(module);
    }
}

fn used_library(library: CUlibrary) {
    let Some((share, owner)) = current() else { return };
    let name = of_library_in(library, share);
    if !held::is_known(name)
        && let Some(bytes) = held::pending(of_library(library))
    {
        held::remember_unasked(name, Charge { share, kind: Kind::Module, bytes, owner });
    }
}

#[cold]
fn used_kernel(kernel: CUkernel) {
    let mut library = core::ptr::null_mut();
    // SAFETY: a kernel that the driver knows; it writes one handle.
    let asked = real::cuKernelGetLibrary.get().map(|get| unsafe { get(&mut library, kernel) });
    if asked == Some(SUCCESS) {
        used_library(library);
    }
}

/// The share of the current context's device, and the context as an owner.
fn current() -> Option<(Share, u8)> {
    let current = contexts::current()?;
    match device::of(current.device) {
        Device::Share(share) => Some((share, current.owner)),
        Device::Full | Device::Unknown => None,
    }
}

fn each_share(mut of: impl FnMut(Share)) {
    if let Ok(shares) = crate::allotments::shares() {
        (0..).map_while(|number| shares.at(number)).for_each(&mut of);
    }
}

/// What an image holds for the current device, or for the first where none is.
///
/// # Safety
/// An image that the driver has loaded.
unsafe fn image_bytes_of(image: *const c_void) -> Option<u64> {
    let ordinal = device::current_ordinal().unwrap_or(0);
    let number = |which| device::attribute(ordinal, which);
    let major = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = number(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    // SAFETY: the caller's promise.
    unsafe { image::device_bytes(image, major * 10 + minor) }
}

fn image_bytes(image: *const c_void) -> Option<u64> {
    // SAFETY: called when the driver has loaded the image.
    if image.is_null() { None } else { unsafe { image_bytes_of(image) } }
}

/// Whether code goes to the device as it is loaded. Drivers before 11.7 know nothing else.
fn is_eager() -> bool {
    let Some(get) = real::cuModuleGetLoadingMode.get() else { return true };
    let mut mode = CUmoduleLoadingMode::CU_MODULE_EAGER_LOADING;
    // SAFETY: the driver writes one number.
    let result = unsafe { get(&mut mode) };
    result == SUCCESS && mode == CUmoduleLoadingMode::CU_MODULE_EAGER_LOADING
}
