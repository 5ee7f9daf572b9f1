//! The hook table: every function that the shim stands before, once.
//!
//! One item makes the export with the right ABI, the check of its signature against the header, the
//! typed slot of the real function, and the row that serves dlsym and cuGetProcAddress. A row is
//! complete when every ABI version and stream variant of its base name has one: a look-up that the
//! driver answers with an address we do not know finds nothing.

use crate::slot::{Erased, Library, Slot};
use crate::table::Row;
use crate::{look_up, startup};
use core::ffi::{c_char, c_int, c_uint, c_void};
use nvidia_sys::cuda::{CUdriverProcAddressQueryResult, CUresult};

#[allow(non_snake_case)]
use nvidia_sys::{cuda::fns as Cuda, nvml::fns as Nvml};

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
                // SAFETY: the type is the header's for this name.
                pub(crate) static $name: Slot<$library::$name> =
                    unsafe { Slot::new(Library::$library, c_name!($name)) };
            )*
            $(
                // SAFETY: the type is the header's for this name.
                pub(crate) static $call: Slot<$of::$call> =
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

    // What the hooks call themselves, without standing before it.
    ;
}
