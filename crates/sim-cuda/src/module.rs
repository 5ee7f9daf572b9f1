//! Modules, libraries, kernels and functions. An image is taken whatever it is, and has a kernel and a
//! variable of whatever name is asked for; managed variables, textures and parameters it has none. Its
//! code, as large as its headers say, goes to the card with its first function, or at once where code is
//! loaded eagerly.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nvidia_sys::image;

use crate::arg::{Opaque, Out, Text};
use crate::code;
use crate::context::{self, CONTEXTS};
use crate::device_api;
use crate::kernel::{self, Cost};
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
    /// Bytes of its code.
    bytes: u64,
    on_card: Mutex<bool>,
    functions: Mutex<BTreeMap<Vec<u8>, usize>>,
    variables: Mutex<BTreeMap<Vec<u8>, usize>>,
}

impl Module {
    /// Puts its code on the card, once.
    fn load(&self) -> Res {
        let mut on_card = self.on_card.lock().unwrap_or_else(PoisonError::into_inner);
        if !*on_card {
            let context = CONTEXTS.get(self.context).ok_or(Status::INVALID_CONTEXT)?;
            context.code.take(context.device()?, self.bytes)?;
            *on_card = true;
        }
        Ok(())
    }

    /// Takes its code off the card, if it is there; with the context it goes by itself.
    fn unload(&self) {
        let mut on_card = self.on_card.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *on_card)
            && let Some(context) = CONTEXTS.get(self.context).filter(|context| context.is_alive())
            && let Ok(device) = context.device()
        {
            context.code.give(device, self.bytes);
        }
    }
}

/// An image that is in all contexts.
pub(crate) struct Library {
    bytes: u64,
    kernels: Mutex<BTreeMap<Vec<u8>, usize>>,
    modules: Mutex<BTreeMap<usize, usize>>,
}

/// A function of a module.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: CString,
    /// What one launch costs.
    pub(crate) cost: Cost,
    /// The module's handle.
    pub(crate) module: usize,
    /// Attributes that were set.
    pub(crate) attributes: Mutex<BTreeMap<u32, i32>>,
}

/// A kernel of a library.
pub(crate) struct Kernel {
    /// Its name.
    pub(crate) name: CString,
    /// What one launch costs.
    pub(crate) cost: Cost,
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

/// What a launch costs of the function or, as CUDA 13 casts it, the kernel that `handle` names, whose code
/// is on the card then.
pub(crate) fn cost_of(handle: Opaque) -> Res<Cost> {
    let handle = handle as usize;
    if let Some(function) = FUNCTIONS.get(handle) {
        return Ok(function.cost);
    }
    let kernel = KERNELS.get(handle).ok_or(Status::INVALID_HANDLE)?;
    MODULES.get(module_of(kernel.library)?).ok_or(Status::INVALID_HANDLE)?.load()?;
    Ok(kernel.cost)
}

/// Puts the code of a function, or of a kernel, on the card.
pub(crate) fn load_function(handle: usize) -> Res {
    let module = match FUNCTIONS.get(handle) {
        Some(function) => function.module,
        None => module_of(KERNELS.get(handle).ok_or(Status::INVALID_HANDLE)?.library)?,
    };
    MODULES.get(module).ok_or(Status::INVALID_HANDLE)?.load()
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
    out.put(new_module(handle_of(&context::current()?), bytes_of(image))?)
}

fn new_module(context: usize, bytes: u64) -> Res<usize> {
    let (functions, variables) = (Mutex::default(), Mutex::default());
    let module = Module { context, bytes, on_card: Mutex::default(), functions, variables };
    if code::is_eager() {
        module.load()?;
    }
    Ok(MODULES.insert(Arc::new(module)))
}

/// What an image holds for the current device, or for the first; nothing where it is no image.
fn bytes_of(image: Opaque) -> u64 {
    let device = context::current().map_or(0, |context| context.device as i32);
    let number = |which| device_api::attribute(device, which).map_or(0, i32::unsigned_abs);
    // SAFETY: the interface has the caller pass an image, which a driver reads as far as it says.
    let bytes = unsafe { image::device_bytes(image.cast_const(), number(75) * 10 + number(76)) };
    bytes.unwrap_or(0)
}

/// A kernel's name to keep, and the cost that it says.
fn named(name: &[u8]) -> Res<(CString, Cost)> {
    let text = CString::new(name).map_err(|_| Status::INVALID_VALUE)?;
    Ok((text, kernel::cost(&String::from_utf8_lossy(name))))
}

fn function_in(module: usize, name: &[u8]) -> Res<usize> {
    let found = MODULES.get(module).ok_or(Status::INVALID_HANDLE)?;
    found.load()?;
    let mut functions = found.functions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = functions.get(name) {
        return Ok(*handle);
    }
    let (text, cost) = named(name)?;
    let function = Function { name: text, cost, module, attributes: Mutex::default() };
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
    let (text, cost) = named(name)?;
    let kernel = Kernel { name: text, cost, library, attributes: Mutex::default() };
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
            let module = new_module(context, found.bytes)?;
            modules.insert(context, module);
            Ok(module)
        }
    }
}

fn new_library(out: &Out<usize>, bytes: Option<u64>) -> Res {
    let Some(bytes) = bytes.filter(|_| !out.is_null()) else {
        return Err(Status::INVALID_VALUE);
    };
    let library = Library { bytes, kernels: Mutex::default(), modules: Mutex::default() };
    let handle = LIBRARIES.insert(Arc::new(library));
    if code::is_eager() && context::current().is_ok() {
        module_of(handle)?;
    }
    out.put(handle)
}

/// An image in a file, with the zero byte that ends a text.
fn read(path: &Text) -> Res<Vec<u8>> {
    let mut image = std::fs::read(path.string()?).map_err(|_| Status::FILE_NOT_FOUND)?;
    image.push(0);
    Ok(image)
}

/// How large every variable is said to be: nothing is known of the real one.
const VARIABLE_BYTES: usize = 64 << 10;

export! {
    /// Loads a file.
    fn cuModuleLoad(out: Out<usize>, path: Text) {
        load(&out, read(&path)?.as_mut_ptr().cast())
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
        let removed = MODULES.remove(module).ok_or(Status::INVALID_HANDLE)?;
        removed.unload();
        free_variables(&removed);
        forget_functions(module);
        Ok(())
    }

    /// Images are loaded lazily, unless the environment says otherwise.
    fn cuModuleGetLoadingMode(out: Out<u32>) {
        out.put(if code::is_eager() { 1 } else { 2 })
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
        new_library(&out, (!image.is_null()).then(|| bytes_of(image)))
    }

    /// Loads a file into all contexts.
    fn cuLibraryLoadFromFile(out: Out<usize>, path: Text, _options: Opaque, _values: Opaque, _count: u32, _library_options: Opaque, _library_values: Opaque, _library_count: u32) {
        let mut image = read(&path)?;
        new_library(&out, Some(bytes_of(image.as_mut_ptr().cast())))
    }

    /// Takes a library down, with its kernels and its modules.
    fn cuLibraryUnload(library: usize) {
        let removed = LIBRARIES.remove(library).ok_or(Status::INVALID_HANDLE)?;
        KERNELS.remove_if(|kernel| kernel.library == library);
        let modules = removed.modules.lock().unwrap_or_else(PoisonError::into_inner);
        for module in modules.values() {
            if let Some(module) = MODULES.remove(*module) {
                module.unload();
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
