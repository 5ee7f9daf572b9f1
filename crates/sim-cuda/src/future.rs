//! Functions of a driver that no header describes yet: later versions of known ones. Only the libraries of
//! a world that plays such a driver show them.

use crate::arg::{In, Out};
use crate::location::Properties;
use crate::{memory, rim, vmm};

/// Base name, the CUDA version of its newest ABI, and that ABI's address.
type Later = (&'static str, i32, usize);

/// The address of a version of `base` that is newer than the headers, for a caller and a driver that both
/// know it.
pub(crate) fn address(base: &str, version: i32) -> Option<usize> {
    let later: [Later; 2] = [
        ("cuMemAlloc", 14000, cuMemAlloc_v3 as *const () as usize),
        ("cuMemCreate", 14000, cuMemCreate_v2 as *const () as usize),
    ];
    let found = later.iter().find(|(known, since, _)| *known == base && version >= *since);
    found.map(|(.., address)| *address)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAlloc_v3(out: Out<u64>, size: usize, _options: u64) -> u32 {
    rim::answer(|| memory::allocate(&out, size))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemCreate_v2(
    out: Out<u64>,
    size: usize,
    properties: In<Properties>,
    _options: u64,
) -> u32 {
    rim::answer(|| vmm::create(&out, size, &properties))
}
