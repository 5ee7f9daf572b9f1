//! The address of every exported function by its name, and the answer of those that are not simulated.
//! The table is made by the build script from the names of the headers and of driver 535.

use crate::rim::not_simulated;

include!(concat!(env!("OUT_DIR"), "/exports.rs"));

/// The address behind an exported name. Equal to what dlsym answers, because the library is linked so
/// that it finds its own functions first.
pub(crate) fn address(name: &str) -> Option<usize> {
    let place = EXPORTS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(EXPORTS[place].1 as usize)
}

type Function = unsafe extern "C" fn();

macro_rules! fallbacks {
    ($($name:ident)*) => {
        $(
            #[allow(non_snake_case, reason = "the driver's name")]
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> u32 {
                not_simulated(stringify!($name))
            }
        )*
    };
}
use fallbacks;

/// Variables that debuggers read and write by name; nothing here looks at them.
macro_rules! variables {
    ($($name:ident)*) => {
        $(
            #[allow(non_upper_case_globals, reason = "the driver's name")]
            #[unsafe(no_mangle)]
            static $name: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        )*
    };
}
use variables;
