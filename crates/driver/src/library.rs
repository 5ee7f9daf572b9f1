//! A shared library, and tables of its functions.

use std::ffi::{OsStr, c_void};

use crate::error::{Error, Result};

/// An open shared library, never closed: drivers do not survive it.
pub struct Library(std::mem::ManuallyDrop<libloading::Library>);

impl Library {
    /// Opens a path, or a soname along the loader's ways.
    ///
    /// # Errors
    /// [`Error::Open`] with what the loader said.
    pub fn open(name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        // SAFETY: the initialisers that run are those of NVIDIA's libraries, or of their stand-ins,
        // which any program may load at any time.
        let library = unsafe { libloading::Library::new(name) };
        let library = library.map_err(|error| Error::Open {
            name: name.to_string_lossy().into_owned(),
            reason: reason(&error),
        })?;
        Ok(Self(std::mem::ManuallyDrop::new(library)))
    }

    /// The address that dlsym gives for a name.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<*mut c_void> {
        // SAFETY: a raw pointer may hold any address; nothing is called here.
        let symbol = unsafe { self.0.get::<*mut c_void>(name.as_bytes()) };
        symbol.ok().map(|symbol| *symbol).filter(|address| !address.is_null())
    }
}

/// What the loader said: libloading keeps it one step down.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Declares a table of functions that are looked up once; one that a library lacks is absent.
/// `functions! { struct Name from types { f, g } }` names types that are called like the
/// functions; `call!(table.f(arguments))` calls one.
macro_rules! functions {
    ($visibility:vis struct $table:ident from $types:ident { $($name:ident),+ $(,)? }) => {
        #[allow(non_snake_case)]
        $visibility struct $table {
            $($visibility $name: Option<$types::$name>,)+
        }

        impl $table {
            /// Looks all of them up.
            #[allow(non_snake_case)]
            fn look_up(library: &$crate::Library) -> Self {
                $(let $name = library.address(stringify!($name)).map(|address| {
                    // SAFETY: the library exports this name, and the type of that name is the
                    // signature that the library's header gives it.
                    unsafe { std::mem::transmute::<*mut std::ffi::c_void, $types::$name>(address) }
                });)+
                Self { $($name),+ }
            }
        }
    };
}

/// Calls a function of a table and makes a `Result` of its status.
macro_rules! call {
    ($table:ident.$name:ident($($argument:expr),* $(,)?)) => {
        match $table.$name {
            Some(function) => {
                // SAFETY: the signature is the header's. This crate passes pointers only to values
                // that live throughout the call, of the type and length that the signature means,
                // and handles that it got from the same library and has not given back.
                let status = unsafe { function($($argument),*) };
                $crate::error::check(stringify!($name), $crate::library::status(status))
            }
            None => Err($crate::error::Error::Missing { call: stringify!($name) }),
        }
    };
}

pub(crate) use {call, functions};

/// The number in a status of any of the libraries.
pub(crate) fn status(status: impl Status) -> u32 {
    status.code()
}

/// What functions answer with.
pub(crate) trait Status {
    fn code(self) -> u32;
}

impl Status for nvidia_sys::cuda::CUresult {
    fn code(self) -> u32 {
        self.0
    }
}

impl Status for nvidia_sys::nvml::nvmlReturn_t {
    fn code(self) -> u32 {
        self.0
    }
}

impl Status for u32 {
    fn code(self) -> u32 {
        self
    }
}
