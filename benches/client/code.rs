//! Code: modules and libraries, loaded and unloaded, and what is asked of them. The shim reads an image
//! when it is loaded, and charges what that holds for the device when something of it is first asked for.

use std::ptr::{null_mut, with_exposed_provenance_mut};

use anyhow::{Result, bail};
use nvidia_sys::cuda::CUresult;

use crate::cuda::{Cuda, find};
use crate::image;
use crate::setting::{Figure, Setting, alike};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// As much text as a compiler makes of some kernels.
const PTX_BYTES: usize = 64 << 10;

/// Measures one of the kinds whose names begin with `module` or `library`.
pub(crate) fn measure(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    match setting.kind {
        "module" => module(setting, cuda, &image::cubin(), false),
        "module_ptx" => module(setting, cuda, &image::ptx(PTX_BYTES), false),
        "module_used" => module(setting, cuda, &image::cubin(), true),
        "module_function" => module_function(setting, cuda),
        "library" => library(setting, cuda, false),
        "library_used" => library(setting, cuda, true),
        "library_kernel" => library_kernel(setting, cuda),
        other => bail!("no such measurement: {other}"),
    }
}

/// Loading and unloading a module; where it is used, with a question for a function between.
fn module(setting: &Setting<'_>, cuda: &Cuda, image: &[u8], is_used: bool) -> Result<Figure> {
    let (load, unload) = (find!(cuda.handle, cuModuleLoadData), find!(cuda.handle, cuModuleUnload));
    let get = find!(cuda.handle, cuModuleGetFunction);
    setting.pair(|part| {
        cuda.enter();
        let take = move || {
            let (mut module, mut function) = (null_mut(), null_mut());
            // SAFETY: places for one handle each, an image as the driver takes it, and a C string.
            let results = unsafe {
                let loaded = load(&mut module, image.as_ptr().cast());
                [loaded, if is_used { get(&mut function, module, NAME) } else { SUCCESS }]
            };
            assert_eq!(results, [SUCCESS; 2]);
            module.expose_provenance() as u64
        };
        let give = move |module| {
            // SAFETY: what was loaded just now.
            let result = unsafe { unload(with_exposed_provenance_mut(module as usize)) };
            assert_eq!(result, SUCCESS);
        };
        alike(part, (take, give))
    })
}

/// Asking for a function of a module that has been asked before.
fn module_function(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let (load, get) =
        (find!(cuda.handle, cuModuleLoadData), find!(cuda.handle, cuModuleGetFunction));
    let image = image::cubin();
    setting.calls(|_| {
        cuda.enter();
        let mut module = null_mut();
        // SAFETY: a place for one handle, and an image as the driver takes it.
        assert_eq!(unsafe { load(&mut module, image.as_ptr().cast()) }, SUCCESS);
        move || {
            let mut function = null_mut();
            // SAFETY: a place for one handle, what was loaded just now, and a C string.
            assert_eq!(unsafe { get(&mut function, module, NAME) }, SUCCESS);
        }
    })
}

/// Loading and unloading a library; where it is used, with a question for a kernel between.
fn library(setting: &Setting<'_>, cuda: &Cuda, is_used: bool) -> Result<Figure> {
    let (load, unload) =
        (find!(cuda.handle, cuLibraryLoadData), find!(cuda.handle, cuLibraryUnload));
    let get = find!(cuda.handle, cuLibraryGetKernel);
    let image = image::cubin();
    let image = image.as_slice();
    setting.pair(|part| {
        cuda.enter();
        let take = move || {
            let (mut library, mut kernel) = (null_mut(), null_mut());
            let code = image.as_ptr().cast();
            let none = null_mut();
            // SAFETY: places for one handle each, an image as the driver takes it, no options, and a
            // C string.
            let results = unsafe {
                let loaded =
                    load(&mut library, code, null_mut(), none, 0, null_mut(), null_mut(), 0);
                [loaded, if is_used { get(&mut kernel, library, NAME) } else { SUCCESS }]
            };
            assert_eq!(results, [SUCCESS; 2]);
            library.expose_provenance() as u64
        };
        let give = move |library| {
            // SAFETY: what was loaded just now.
            let result = unsafe { unload(with_exposed_provenance_mut(library as usize)) };
            assert_eq!(result, SUCCESS);
        };
        alike(part, (take, give))
    })
}

/// Asking for a kernel of a library that has been asked before.
fn library_kernel(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let (load, get) =
        (find!(cuda.handle, cuLibraryLoadData), find!(cuda.handle, cuLibraryGetKernel));
    let image = image::cubin();
    setting.calls(|_| {
        cuda.enter();
        let (mut library, code) = (null_mut(), image.as_ptr().cast());
        // SAFETY: a place for one handle, an image as the driver takes it, and no options.
        let loaded = unsafe {
            load(&mut library, code, null_mut(), null_mut(), 0, null_mut(), null_mut(), 0)
        };
        assert_eq!(loaded, SUCCESS);
        move || {
            let mut kernel = null_mut();
            // SAFETY: a place for one handle, what was loaded just now, and a C string.
            assert_eq!(unsafe { get(&mut kernel, library, NAME) }, SUCCESS);
        }
    })
}

/// Any: the stand-in has them all.
const NAME: *const std::ffi::c_char = c"kernel".as_ptr();
