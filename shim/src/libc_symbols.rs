//! glibc's own functions for looking things up, found without calling any of them.
//!
//! They lie in libdl before glibc 2.34 and in libc since. Needing libdl would end every process of an
//! image that has none; a weak import would stay empty where libdl comes later, with some module of
//! NSS. So the loaded objects are asked.

use crate::loaded::{self, Name, Tables};
use core::ffi::c_void;

/// The address of glibc's `name`, if the library that has it is loaded.
pub(crate) fn find(name: Name) -> Option<*mut c_void> {
    let look = |tables: &Tables| {
        let is_glibc = tables.is_called(c"libc.so.6") || tables.is_called(c"libdl.so.2");
        is_glibc.then(|| tables.find(name)).flatten()
    };
    loaded::find_early(look).or_else(|| loaded::find_late(look))
}

/// Whether, of the objects that were loaded with the program, none between this one, whose `name` is `ours`,
/// and glibc defines it: then glibc's is what dlsym(3) finds as the next one. False: it has to be asked.
pub(crate) fn is_next(name: Name, ours: *const c_void, glibc: *const c_void) -> bool {
    let mut is_behind_us = false;
    let next = loaded::find_early(|tables| {
        let found = tables.find(name)?.cast_const();
        is_behind_us |= found == ours;
        (is_behind_us && found != ours).then_some(found)
    });
    next == Some(glibc)
}
