//! Modules, libraries, kernels and functions. An image is taken whatever it is, and has a kernel and a
//! variable of whatever name is asked for; managed variables, textures and parameters it has none.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arg::{Opaque, Out, Text};
use crate::context::{self, CONTEXTS};
use crate::kernel;
use crate::registry::{Registry, handle_of};
use crate::rim::export;
use crate::status::{Res, Status};

/// All modules.
pub(crate) static MODULES: Registry<Module> = Registry::new();
/// All libraries.
pub(crate) static LIBRARIES: Registry<Library> = Registry::new();
/// All functions, of living modules.
pub(crate) static FUNCTIONS: Registry<Function> = Registry::new();
/// All kernels, of living libraries.
pub(crate) static KERNELS: Registry<Kernel> = Registry::new();

/// An image loaded into a context.
pub(crate) struct Module {
    /// The context's handle.
    pub(crate) context: usize,
    functions: Mutex<BTreeMap<Vec<u8>, usize>>,
    variables: Mutex<BTreeMap<Vec<u8>, usize>>,
}

/// An image that is in all contexts.
pub(crate) struct Library {
    kernels: Mutex<BTreeMap<Vec<u8>, usize>>,
    modules: Mutex<BTreeMap<usize, usize>>,
}

/// A function of a module.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: CString,
    /// Nanoseconds of GPU time of one launch.
    pub(crate) duration_ns: u64,
    /// The module's handle.
    pub(crate) module: usize,
    /// Attributes that were set.
    pub(crate) attributes: Mutex<BTreeMap<u32, i32>>,
}

/// A kernel of a library.
pub(crate) struct Kernel {
    /// Its name.
    pub(crate) name: CString,
    /// Nanoseconds of GPU time of one launch.
    pub(crate) duration_ns: u64,
    /// The library's handle.
    pub(crate) library: usize,
    /// Attributes that were set, on any device.
    pub(crate) attributes: Mutex<BTreeMap<u32, i32>>,
}

/// Takes down the modules of a context, and their functions.
pub(crate) fn unload_all(context: usize) {
    for module in MODULES.remove_if(|module| module.context == context) {
        forget_functions(handle_of(&module));
    }
}

/// Nanoseconds of GPU time of the function or, as CUDA 13 casts it, the kernel that `handle` names.
pub(crate) fn duration_of(handle: Opaque) -> Res<u64> {
    let handle = handle as usize;
    let function = FUNCTIONS.get(handle).map(|function| function.duration_ns);
    let duration = function.or_else(|| KERNELS.get(handle).map(|kernel| kernel.duration_ns));
    duration.ok_or(Status::INVALID_HANDLE)
}

/// Gives back the variables of a module that lies in a living context.
fn free_variables(module: &Module) {
    let Ok(device) = CONTEXTS.get(module.context).ok_or(Status::UNKNOWN).and_then(|c| c.device())
    else {
        return;
    };
    for address in std::mem::take(&mut *lock(&module.variables)).values() {
        let _ = device.free(*address);
    }
}

/// A variable of a module, made at the first question: device memory of its context.
fn variable_in(module: usize, name: &[u8]) -> Res<usize> {
    let found = MODULES.get(module).ok_or(Status::INVALID_HANDLE)?;
    let context = CONTEXTS.get(found.context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    let mut variables = lock(&found.variables);
    if let Some(address) = variables.get(name) {
        return Ok(*address);
    }
    let address = context.device()?.allocate(found.context, VARIABLE_BYTES)?;
    variables.insert(name.to_vec(), address);
    Ok(address)
}

/// Says where a variable lies and how large it is, to who asks for it.
fn say_variable(out: &Out<u64>, size: &Out<usize>, address: usize) -> Res {
    out.offer(address as u64);
    size.offer(VARIABLE_BYTES);
    Ok(())
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget_functions(module: usize) {
    FUNCTIONS.remove_if(|function| function.module == module);
}

pub(crate) fn load(out: &Out<usize>, image: Opaque) -> Res {
    if out.is_null() || image.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(new_module(handle_of(&context::current()?)))
}

fn new_module(context: usize) -> usize {
    MODULES.insert(Arc::new(Module {
        context,
        functions: Mutex::default(),
        variables: Mutex::default(),
    }))
}

/// A kernel's name to keep, and the time that it says.
fn named(name: &[u8]) -> Res<(CString, u64)> {
    let text = CString::new(name).map_err(|_| Status::INVALID_VALUE)?;
    Ok((text, kernel::duration_ns(&String::from_utf8_lossy(name))))
}

fn function_in(module: usize, name: &[u8]) -> Res<usize> {
    let found = MODULES.get(module).ok_or(Status::INVALID_HANDLE)?;
    let mut functions = found.functions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = functions.get(name) {
        return Ok(*handle);
    }
    let (text, duration_ns) = named(name)?;
    let function = Function { name: text, duration_ns, module, attributes: Mutex::default() };
    let handle = FUNCTIONS.insert(Arc::new(function));
    functions.insert(name.to_vec(), handle);
    Ok(handle)
}

fn kernel_in(library: usize, name: &[u8]) -> Res<usize> {
    let found = LIBRARIES.get(library).ok_or(Status::INVALID_HANDLE)?;
    let mut kernels = found.kernels.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = kernels.get(name) {
        return Ok(*handle);
    }
    let (text, duration_ns) = named(name)?;
    let kernel = Kernel { name: text, duration_ns, library, attributes: Mutex::default() };
    let handle = KERNELS.insert(Arc::new(kernel));
    kernels.insert(name.to_vec(), handle);
    Ok(handle)
}

/// The module of a library in the current context, made at the first question.
fn module_of(library: usize) -> Res<usize> {
    let found = LIBRARIES.get(library).ok_or(Status::INVALID_HANDLE)?;
    let context = handle_of(&context::current()?);
    let mut modules = found.modules.lock().unwrap_or_else(PoisonError::into_inner);
    match modules.get(&context).filter(|module| MODULES.get(**module).is_some()) {
        Some(module) => Ok(*module),
        None => {
            let module = new_module(context);
            modules.insert(context, module);
            Ok(module)
        }
    }
}

fn new_library(out: &Out<usize>, image: bool) -> Res {
    if out.is_null() || !image {
        return Err(Status::INVALID_VALUE);
    }
    let library = Library { kernels: Mutex::default(), modules: Mutex::default() };
    out.put(LIBRARIES.insert(Arc::new(library)))
}

fn file_exists(path: &Text) -> Res {
    match std::path::Path::new(&path.string()?).is_file() {
        true => Ok(()),
        false => Err(Status::FILE_NOT_FOUND),
    }
}

/// How large every variable is said to be: nothing is known of the real one.
const VARIABLE_BYTES: usize = 64 << 10;
const SOME: Opaque = std::ptr::dangling_mut::<std::ffi::c_void>();

export! {
    /// Loads a file.
    fn cuModuleLoad(out: Out<usize>, path: Text) {
        file_exists(&path)?;
        load(&out, SOME)
    }

    /// Loads an image.
    fn cuModuleLoadData(out: Out<usize>, image: Opaque) {
        load(&out, image)
    }

    /// Loads an image; the options are for a compiler that is not needed.
    fn cuModuleLoadDataEx(out: Out<usize>, image: Opaque, _count: u32, _options: Opaque, _values: Opaque) {
        load(&out, image)
    }

    /// Loads a fat binary.
    fn cuModuleLoadFatBinary(out: Out<usize>, image: Opaque) {
        load(&out, image)
    }

    /// Takes a module down.
    fn cuModuleUnload(module: usize) {
        free_variables(&*MODULES.remove(module).ok_or(Status::INVALID_HANDLE)?);
        forget_functions(module);
        Ok(())
    }

    /// Images are loaded lazily.
    fn cuModuleGetLoadingMode(out: Out<u32>) {
        out.put(2)
    }

    /// A function of a module.
    fn cuModuleGetFunction(out: Out<usize>, module: usize, name: Text) {
        out.put(function_in(module, name.get()?)?)
    }

    /// A variable of a module.
    fn cuModuleGetGlobal_v2(out: Out<u64>, size: Out<usize>, module: usize, name: Text) {
        say_variable(&out, &size, variable_in(module, name.get()?)?)
    }

    /// Loads an image into all contexts.
    fn cuLibraryLoadData(out: Out<usize>, image: Opaque, _options: Opaque, _values: Opaque, _count: u32, _library_options: Opaque, _library_values: Opaque, _library_count: u32) {
        new_library(&out, !image.is_null())
    }

    /// Loads a file into all contexts.
    fn cuLibraryLoadFromFile(out: Out<usize>, path: Text, _options: Opaque, _values: Opaque, _count: u32, _library_options: Opaque, _library_values: Opaque, _library_count: u32) {
        file_exists(&path)?;
        new_library(&out, true)
    }

    /// Takes a library down, with its kernels and its modules.
    fn cuLibraryUnload(library: usize) {
        let removed = LIBRARIES.remove(library).ok_or(Status::INVALID_HANDLE)?;
        KERNELS.remove_if(|kernel| kernel.library == library);
        let modules = removed.modules.lock().unwrap_or_else(PoisonError::into_inner);
        for module in modules.values() {
            if let Some(module) = MODULES.remove(*module) {
                free_variables(&module);
            }
            forget_functions(*module);
        }
        Ok(())
    }

    /// A library's module in the current context.
    fn cuLibraryGetModule(out: Out<usize>, library: usize) {
        out.put(module_of(library)?)
    }

    /// A kernel of a library.
    fn cuLibraryGetKernel(out: Out<usize>, library: usize, name: Text) {
        out.put(kernel_in(library, name.get()?)?)
    }

    /// A variable of a library, in the current context.
    fn cuLibraryGetGlobal(out: Out<u64>, size: Out<usize>, library: usize, name: Text) {
        say_variable(&out, &size, variable_in(module_of(library)?, name.get()?)?)
    }

    /// No library has managed variables.
    fn cuLibraryGetManaged(_out: Out<u64>, _size: Out<usize>, library: usize, name: Text) {
        name.get()?;
        LIBRARIES.get(library).ok_or(Status::INVALID_HANDLE)?;
        Err(Status::NOT_FOUND)
    }

    /// A kernel as a function of the current context.
    fn cuKernelGetFunction(out: Out<usize>, kernel: usize) {
        let kernel = KERNELS.get(kernel).ok_or(Status::INVALID_HANDLE)?;
        out.put(function_in(module_of(kernel.library)?, kernel.name.to_bytes())?)
    }

    /// A kernel's library.
    fn cuKernelGetLibrary(out: Out<usize>, kernel: usize) {
        out.put(KERNELS.get(kernel).ok_or(Status::INVALID_HANDLE)?.library)
    }

    /// A function's module.
    fn cuFuncGetModule(out: Out<usize>, function: usize) {
        out.put(FUNCTIONS.get(function).ok_or(Status::INVALID_HANDLE)?.module)
    }
}
