//! How large the device code of an image is, as its own headers say: fat binaries, cubins, PTX.
//!
//! It is an estimate of what a driver takes for it, and nothing more: drivers load single functions,
//! round, and compile PTX. An image is read as far as a driver reads it, on its own word, and nothing
//! of it is written, decompressed or run.
//!
//! The layout of fat binaries was observed in those of CuPy 14 (written by CUDA 12.9): a header of 16
//! bytes, then entries, each a header of 64 bytes or more and its payload.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_void};

/// What nvcc puts around a fat binary that a program registers: a magic number, a version, and where it
/// lies.
const WRAPPER: u32 = 0x4662_43b1;
/// A fat binary.
const FAT_BINARY: u32 = 0xba55_ed50;
/// A cubin is an ELF file.
const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");
/// An entry's kinds.
const PTX: u16 = 1;
const CUBIN: u16 = 2;
/// More entries than any fat binary has: the walk ends also where sizes are wrong.
const MOST_ENTRIES: usize = 1024;
/// An ELF section that lies in memory, and one of whose bytes the file has none.
const SHF_ALLOC: u64 = 2;
const SHT_NOBITS: u32 = 8;

#[repr(C)]
#[derive(Clone, Copy)]
struct Wrapper {
    magic: u32,
    version: u32,
    data: *const u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct FatBinary {
    magic: u32,
    version: u16,
    header: u16,
    bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    kind: u16,
    version: u16,
    header: u32,
    bytes: u64,
    compressed: u32,
    unknown: [u32; 2],
    architecture: u32,
    bits: [u32; 2],
    flags: u64,
    zero: u64,
    uncompressed: u64,
}

/// An ELF file's header of 64 bits.
#[repr(C)]
#[derive(Clone, Copy)]
struct Elf {
    ident: [u8; 16],
    kinds: [u16; 2],
    version: u32,
    entry: u64,
    programs: u64,
    sections: u64,
    flags: u32,
    sizes: [u16; 3],
    section_bytes: u16,
    section_count: u16,
    names: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    bytes: u64,
    rest: [u64; 3],
}

/// Bytes of the code and data that `image` has for a device of this compute capability, as in 86 for
/// 8.6; `None` for what is no image that a driver loads, or has nothing for the device.
///
/// # Safety
/// `image` is what cuModuleLoadData takes: a fat binary, with or without its wrapper, a cubin, or PTX
/// that ends in a zero byte; all of it readable.
#[must_use]
pub unsafe fn device_bytes(image: *const c_void, capability: u32) -> Option<u64> {
    let image = image.cast::<u8>();
    // SAFETY: the caller's promise, for this and all below.
    unsafe {
        match magic(image)? {
            WRAPPER => {
                let data = read::<Wrapper>(image).data;
                let is_fat = !data.is_null() && magic(data) == Some(FAT_BINARY);
                if is_fat { of_fat_binary(data, capability) } else { None }
            }
            FAT_BINARY => of_fat_binary(image, capability),
            ELF => Some(of_cubin(image)),
            // Nothing else that drivers load begins as text does.
            word if word.to_le_bytes().iter().all(|byte| is_text(*byte)) => {
                Some(CStr::from_ptr(image.cast()).count_bytes() as u64)
            }
            _ => None,
        }
    }
}

const fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

/// The first four bytes, unless a zero byte, the end of a short text, is among them.
unsafe fn magic(image: *const u8) -> Option<u32> {
    let mut bytes = [0; 4];
    for (at, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: the caller's promise; no byte before this one was the end.
        *byte = unsafe { image.add(at).read() };
        if *byte == 0 {
            return None;
        }
    }
    Some(u32::from_le_bytes(bytes))
}

unsafe fn read<T: Copy>(at: *const u8) -> T {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<T>().read_unaligned() }
}

unsafe fn of_fat_binary(image: *const u8, capability: u32) -> Option<u64> {
    // SAFETY: the caller's promise.
    let head = unsafe { read::<FatBinary>(image) };
    let end = usize::from(head.header).saturating_add(head.bytes as usize);
    let mut at = usize::from(head.header);
    let mut best: Option<(u32, u64)> = None;
    for _ in 0..MOST_ENTRIES {
        if at.saturating_add(size_of::<Entry>()) > end {
            break;
        }
        // SAFETY: within the fat binary, as it says.
        let (entry, start) = unsafe { (read::<Entry>(image.add(at)), image.add(at)) };
        let rank = entry.rank(capability);
        if rank > best.map_or(0, |(rank, _)| rank) {
            // SAFETY: the entry's own, as it says.
            best = Some((rank, unsafe { entry.code_bytes(start) }));
        }
        let step = (entry.header as usize).saturating_add(entry.bytes as usize);
        at = at.saturating_add(step.max(1));
    }
    best.map(|(_, bytes)| bytes)
}

impl Entry {
    /// How well it suits a device; 0: not at all. Code of the same generation comes before PTX.
    fn rank(&self, capability: u32) -> u32 {
        let newest = self.architecture <= capability;
        match self.kind {
            CUBIN if newest && self.architecture / 10 == capability / 10 => {
                1000 + self.architecture
            }
            PTX if newest => self.architecture,
            _ => 0,
        }
    }

    unsafe fn code_bytes(&self, start: *const u8) -> u64 {
        let is_compressed = self.uncompressed > 0;
        // SAFETY: the payload, as the entry says.
        let payload = unsafe { start.add(self.header as usize) };
        match self.kind {
            _ if is_compressed => self.uncompressed,
            // SAFETY: as above; a cubin begins with its header.
            CUBIN if self.bytes >= size_of::<Elf>() as u64 => unsafe { of_cubin(payload) },
            _ => self.bytes,
        }
    }
}

/// All that lies in memory, but for what only a block of threads has (shared memory, of which the
/// file has no bytes and to which no initial value belongs).
unsafe fn of_cubin(image: *const u8) -> u64 {
    // SAFETY: the caller's promise.
    let head = unsafe { read::<Elf>(image) };
    let sections = 0..usize::from(head.section_count);
    let section = |index: usize| {
        let at = head.sections as usize + index * usize::from(head.section_bytes);
        // SAFETY: a section's header, as the file says.
        unsafe { read::<Section>(image.add(at)) }
    };
    if usize::from(head.section_bytes) < size_of::<Section>() {
        return 0;
    }
    let names = section(head.names.into());
    let lies_in_memory = |section: &Section| {
        // SAFETY: a name of the file's table of names.
        let name = unsafe { image.add(names.offset as usize + section.name as usize) };
        // SAFETY: as above: it ends in a zero byte.
        let name = unsafe { CStr::from_ptr(name.cast()) }.to_bytes();
        let is_shared = section.kind == SHT_NOBITS && name.starts_with(b".nv.shared");
        section.flags & SHF_ALLOC != 0 && !is_shared
    };
    let all = sections.map(section).filter(lies_in_memory);
    all.fold(0, |sum, section| sum.saturating_add(section.bytes))
}
