//! glibc's own functions for looking things up, found without calling any of them.
//!
//! They lie in libdl before glibc 2.34 and in libc since. Needing libdl would end every process of an
//! image that has none; a weak import would stay empty where libdl comes later, with some module of
//! NSS. So the loaded objects are asked: their dynamic sections lead to their tables of symbols.

use core::ffi::{CStr, c_char, c_int, c_void};

/// The address of glibc's `name`, if the library that has it is loaded.
pub(crate) fn find(name: &CStr) -> Option<*mut c_void> {
    let mut search = Search { name, found: core::ptr::null_mut() };
    // SAFETY: the loader calls `visit` with the search and with valid descriptions of objects, which
    // stay loaded meanwhile.
    unsafe { dl_iterate_phdr(visit, (&raw mut search).cast()) };
    if search.found.is_null() { None } else { Some(search.found) }
}

struct Search<'a> {
    name: &'a CStr,
    found: *mut c_void,
}

unsafe extern "C" {
    fn dl_iterate_phdr(
        visit: unsafe extern "C" fn(*const Object, usize, *mut c_void) -> c_int,
        search: *mut c_void,
    ) -> c_int;
}

/// The beginning of `struct dl_phdr_info`.
#[repr(C)]
struct Object {
    base: usize,
    name: *const c_char,
    headers: *const Header,
    header_count: u16,
}

/// `Elf64_Phdr`.
#[repr(C)]
struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: usize,
    physical: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// `Elf64_Dyn`.
#[repr(C)]
struct Dynamic {
    tag: u64,
    value: usize,
}

/// `Elf64_Sym`.
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: u64,
}

const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_SONAME: u64 = 14;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const STT_FUNC: u8 = 2;

/// # Safety
/// `object` is a loaded object, `search` a [`Search`].
unsafe extern "C" fn visit(object: *const Object, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: what `find` passed.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: the loader's own description, and the tables that it has checked while loading.
    let found = unsafe { Tables::of(&*object).and_then(|tables| tables.find(search.name)) };
    search.found = found.unwrap_or(core::ptr::null_mut());
    c_int::from(found.is_some())
}

/// What one of glibc's libraries exports.
struct Tables {
    base: usize,
    strings: *const c_char,
    symbols: *const Symbol,
    hash: *const u32,
}

impl Tables {
    /// The tables of libc or libdl; none for any other object.
    ///
    /// # Safety
    /// `object` is loaded.
    unsafe fn of(object: &Object) -> Option<Self> {
        // SAFETY: the loader gives as many headers as it says.
        let headers = unsafe { slice(object.headers, object.header_count.into()) };
        let header = headers.iter().find(|header| header.kind == PT_DYNAMIC)?;
        let dynamic = (object.base.wrapping_add(header.address)) as *const Dynamic;
        // SAFETY: a dynamic section ends with a zero tag.
        let value = |tag| unsafe { entry(dynamic, tag) };
        // The loader has added the base already, but for objects whose section is read-only.
        let place = |tag| {
            value(tag).map(|at| if at < object.base { at.wrapping_add(object.base) } else { at })
        };
        let strings = place(DT_STRTAB)? as *const c_char;
        // SAFETY: an offset into the object's strings.
        let soname = unsafe { CStr::from_ptr(strings.add(value(DT_SONAME)?)) };
        let is_glibc = soname == c"libc.so.6" || soname == c"libdl.so.2";
        is_glibc.then_some(Self {
            base: object.base,
            strings,
            symbols: place(DT_SYMTAB)? as *const Symbol,
            hash: place(DT_GNU_HASH)? as *const u32,
        })
    }

    /// Walks the GNU hash table: its header, a Bloom filter (not needed here), buckets, chains.
    ///
    /// # Safety
    /// The tables are those of a loaded object.
    unsafe fn find(&self, name: &CStr) -> Option<*mut c_void> {
        let wanted = gnu_hash(name);
        // SAFETY: the layout of DT_GNU_HASH; a chain ends with an odd hash.
        unsafe {
            let (buckets, first, filter) = (*self.hash, *self.hash.add(1), *self.hash.add(2));
            let bucket = self.hash.add(4 + 2 * filter as usize);
            let chain = bucket.add(buckets as usize);
            let mut index = *bucket.add(wanted.checked_rem(buckets)? as usize);
            while index >= first {
                let hash = *chain.add((index - first) as usize);
                let symbol = &*self.symbols.add(index as usize);
                if hash | 1 == wanted | 1 && self.defines(symbol, name) {
                    return Some(self.base.wrapping_add(symbol.value) as *mut c_void);
                }
                if hash & 1 == 1 {
                    break;
                }
                index += 1;
            }
        }
        None
    }

    /// # Safety
    /// `symbol` is one of this object's.
    unsafe fn defines(&self, symbol: &Symbol, name: &CStr) -> bool {
        // SAFETY: an offset into the object's strings.
        let called = unsafe { CStr::from_ptr(self.strings.add(symbol.name as usize)) };
        symbol.section != 0 && symbol.info & 15 == STT_FUNC && called == name
    }
}

/// # Safety
/// `dynamic` is a dynamic section.
unsafe fn entry(mut dynamic: *const Dynamic, tag: u64) -> Option<usize> {
    // SAFETY: read up to the zero tag and no further.
    unsafe {
        while (*dynamic).tag != 0 {
            if (*dynamic).tag == tag {
                return Some((*dynamic).value);
            }
            dynamic = dynamic.add(1);
        }
    }
    None
}

/// # Safety
/// As `core::slice::from_raw_parts`, but null is an empty slice.
unsafe fn slice<'a, T>(first: *const T, len: usize) -> &'a [T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { core::slice::from_raw_parts(first, len) }
}

fn gnu_hash(name: &CStr) -> u32 {
    let bytes = name.to_bytes().iter();
    bytes.fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add((*byte).into()))
}
