//! The loaded objects, as the loader describes them, and what each of them exports: read from its own
//! tables, without a call of dlsym(3), which takes longer and leaves word of each miss to dlerror(3).
//! Nothing is loaded, held or changed.

use core::ffi::{CStr, c_char, c_int, c_void};

use crate::sys::LinkMap;

/// The first answer of `look` about an object that was loaded with the program, in the order of loading:
/// read from the loader's own list, without its locks. A child that was forked while another thread held
/// the one that dl_iterate_phdr(3) takes would wait for it for ever (glibc before 2.37).
///
/// These objects are never unloaded. Among the last of them is the loader itself, which glibc needs: there
/// the search ends, because what stands behind it may be unloaded meanwhile.
pub(crate) fn find_early<T>(mut look: impl FnMut(&Tables) -> Option<T>) -> Option<T> {
    let mut at = first()?;
    loop {
        // SAFETY: an object that was loaded with the program.
        let map = unsafe { &*at };
        if let Some(tables) = Tables::of(map) {
            if let Some(found) = look(&tables) {
                return Some(found);
            }
            if tables.is_the_loader() {
                return None;
            }
        }
        at = map.next;
        if at.is_null() {
            return None;
        }
    }
}

/// The program's own object, the first of the list, which DT_DEBUG of its dynamic section leads to.
fn first() -> Option<*mut LinkMap> {
    // SAFETY: getauxval(3) answers any question with a number.
    let ask = |what| unsafe { libc::getauxval(what) } as usize;
    let (at, count) = (ask(libc::AT_PHDR), ask(libc::AT_PHNUM));
    if at == 0 {
        return None;
    }
    // SAFETY: the kernel and the loader tell where the program's headers lie, and how many.
    let headers = unsafe { core::slice::from_raw_parts(at as *const Header, count) };
    let of_kind = |kind| headers.iter().find(|header| header.kind == kind);
    let base = of_kind(PT_PHDR).map_or(0, |header| at.wrapping_sub(header.address));
    let dynamic = base.wrapping_add(of_kind(PT_DYNAMIC)?.address) as *const Dynamic;
    // SAFETY: a dynamic section ends with a zero tag.
    let debug = unsafe { entry(dynamic, DT_DEBUG) }? as *const Debug;
    // SAFETY: null, or the loader's own.
    let map = unsafe { debug.as_ref() }?.map;
    (!map.is_null()).then_some(map)
}

/// The first answer of `look` about any loaded object, in the order of loading. Takes a lock of the loader's,
/// so only where nothing else helps.
pub(crate) fn find_late<T, F: FnMut(&Tables) -> Option<T>>(look: F) -> Option<T> {
    let mut search = Search { look, found: None };
    // SAFETY: the loader calls `visit` with the search and with valid descriptions of objects, which
    // stay loaded meanwhile.
    unsafe { dl_iterate_phdr(visit::<T, F>, (&raw mut search).cast()) };
    search.found
}

struct Search<T, F> {
    look: F,
    found: Option<T>,
}

unsafe extern "C" {
    fn dl_iterate_phdr(
        visit: unsafe extern "C" fn(*const Object, usize, *mut c_void) -> c_int,
        search: *mut c_void,
    ) -> c_int;
}

/// # Safety
/// `object` is a loaded object, `search` a [`Search`] of the same types.
unsafe extern "C" fn visit<T, F: FnMut(&Tables) -> Option<T>>(
    object: *const Object,
    _: usize,
    search: *mut c_void,
) -> c_int {
    // SAFETY: what `find_late` passed.
    let search = unsafe { &mut *search.cast::<Search<T, F>>() };
    // SAFETY: the loader's own description.
    search.found = unsafe { &*object }.tables().and_then(|tables| (search.look)(&tables));
    c_int::from(search.found.is_some())
}

/// The beginning of `struct dl_phdr_info`.
#[repr(C)]
struct Object {
    base: usize,
    name: *const c_char,
    headers: *const Header,
    header_count: u16,
}

/// The beginning of `struct r_debug`.
#[repr(C)]
struct Debug {
    version: c_int,
    map: *mut LinkMap,
}

/// `Elf64_Ehdr`.
#[repr(C)]
struct File {
    magic: [u8; 4],
    class: [u8; 12],
    kind: [u16; 2],
    version: u32,
    entry: u64,
    headers: u64,
    sections: u64,
    flags: u32,
    own_size: u16,
    header_size: u16,
    header_count: u16,
    section_sizes: [u16; 3],
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
    memory_size: usize,
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

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_PHDR: u32 = 6;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_SONAME: u64 = 14;
const DT_DEBUG: u64 = 21;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const STT_FUNC: u8 = 2;

impl Object {
    fn tables(&self) -> Option<Tables> {
        if self.headers.is_null() {
            return None;
        }
        // SAFETY: the loader gives as many headers as it says.
        let headers =
            unsafe { core::slice::from_raw_parts(self.headers, self.header_count.into()) };
        let header = headers.iter().find(|header| header.kind == PT_DYNAMIC)?;
        Tables::new(self.base, self.base.wrapping_add(header.address) as *const Dynamic)
    }
}

/// What an object exports. For as long as the object stays loaded.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    base: usize,
    soname: Option<usize>,
    strings: *const c_char,
    symbols: *const Symbol,
    hash: *const u32,
    /// How many addresses from its base are the object's; 0: that is not known.
    extent: usize,
}

/// A name that is looked for, with its hash.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// The name.
    pub(crate) text: &'static CStr,
    /// Its hash, as [`gnu_hash`] makes it.
    pub(crate) hash: u32,
}

impl Name {
    /// A name and its hash.
    pub(crate) const fn new(text: &'static CStr) -> Self {
        Self { text, hash: gnu_hash(text) }
    }
}

impl Tables {
    /// Of a loaded object that stays loaded meanwhile; none where it has no hash table of GNU's.
    pub(crate) fn of(map: &LinkMap) -> Option<Self> {
        Self::new(map.address, map.dynamic.cast())
    }

    fn new(base: usize, dynamic: *const Dynamic) -> Option<Self> {
        if dynamic.is_null() {
            return None;
        }
        // SAFETY: a dynamic section ends with a zero tag.
        let value = |tag| unsafe { entry(dynamic, tag) };
        // The loader has added the base already, but for objects whose section is read-only.
        let place = |tag| value(tag).map(|at| if at < base { at.wrapping_add(base) } else { at });
        Some(Self {
            base,
            soname: value(DT_SONAME),
            strings: place(DT_STRTAB)? as *const c_char,
            symbols: place(DT_SYMTAB)? as *const Symbol,
            hash: place(DT_GNU_HASH)? as *const u32,
            extent: 0,
        })
    }

    /// The same with what is known of its extent, from the header that its first addresses are.
    ///
    /// # Safety
    /// The object stays loaded meanwhile.
    pub(crate) unsafe fn with_extent(self) -> Self {
        let file = self.base as *const File;
        // SAFETY: an object whose addresses begin with 0 begins with its header; one whose do not is
        // loaded there all the same, at least as long as a header. The loader maps the program headers
        // where that says.
        let end = unsafe {
            if file.is_null() || (*file).magic != *b"\x7fELF" {
                return self;
            }
            let headers = file.byte_add((*file).headers as usize).cast::<Header>();
            let headers = core::slice::from_raw_parts(headers, (*file).header_count.into());
            let loaded = headers.iter().filter(|header| header.kind == PT_LOAD);
            loaded.map(|header| header.address.saturating_add(header.memory_size)).max()
        };
        Self { extent: end.unwrap_or(0), ..self }
    }

    /// By how much the object's addresses are moved.
    #[inline]
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Whether the address is one of the object's.
    #[inline]
    pub(crate) fn hold(&self, address: *mut c_void) -> bool {
        let address = address.addr();
        address > self.base && address < self.base.saturating_add(self.extent)
    }

    /// Whether the object's own name is this.
    pub(crate) fn is_called(&self, soname: &CStr) -> bool {
        self.soname() == Some(soname)
    }

    /// Whether it is glibc's loader, `ld-linux-x86-64.so.2` and the like.
    fn is_the_loader(&self) -> bool {
        self.soname().is_some_and(|soname| soname.to_bytes().starts_with(b"ld-linux"))
    }

    fn soname(&self) -> Option<&CStr> {
        // SAFETY: an offset into the object's strings.
        self.soname.map(|at| unsafe { CStr::from_ptr(self.strings.add(at)) })
    }

    /// The address of the function of this name. Walks the GNU hash table: its header, a Bloom filter
    /// (not needed here), buckets, chains.
    pub(crate) fn find(&self, name: Name) -> Option<*mut c_void> {
        // SAFETY: the tables of a loaded object, in the layout of DT_GNU_HASH; a chain ends with an odd
        // hash.
        unsafe {
            let (buckets, first, filter) = (*self.hash, *self.hash.add(1), *self.hash.add(2));
            let bucket = self.hash.add(4 + 2 * filter as usize);
            let chain = bucket.add(buckets as usize);
            let mut index = *bucket.add(name.hash.checked_rem(buckets)? as usize);
            while index >= first {
                let hash = *chain.add((index - first) as usize);
                if hash | 1 == name.hash | 1 {
                    let symbol = &*self.symbols.add(index as usize);
                    if self.defines(symbol, name.text) {
                        return Some(self.base.wrapping_add(symbol.value) as *mut c_void);
                    }
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

/// The hash of DT_GNU_HASH.
const fn gnu_hash(name: &CStr) -> u32 {
    let (mut bytes, mut hash) = (name.to_bytes(), 5381_u32);
    while let [byte, rest @ ..] = bytes {
        hash = hash.wrapping_mul(33).wrapping_add(*byte as u32);
        bytes = rest;
    }
    hash
}
