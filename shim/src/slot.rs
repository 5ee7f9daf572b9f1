//! Slots for the functions behind our hooks: where the real one is, once somebody has met it.
//!
//! They are read with one relaxed load: a pointer to code carries no data that would have to be seen
//! before it.
//!
//! Where nobody stands between glibc and us, a slot fills at its first use, from the library's own table of
//! symbols, where dlsym(3) would find the same: most programs use few of them. Else all slots of a library
//! fill together, from the first look-up that meets it or, for a program linked with the driver, from the
//! first call.

use crate::dlsym;
use crate::loaded::{Name, Tables};
use crate::sys::{self, LinkMap, RTLD_NEXT};
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// A library whose functions we stand before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// The CUDA driver.
    Cuda,
    /// The management library.
    Nvml,
}

impl Library {
    /// The name that it is loaded by.
    const fn soname(self) -> &'static CStr {
        match self {
            Self::Cuda => c"libcuda.so.1",
            Self::Nvml => c"libnvidia-ml.so.1",
        }
    }

    /// What its file's name begins with.
    const fn stem(self) -> &'static [u8] {
        match self {
            Self::Cuda => b"libcuda.so",
            Self::Nvml => b"libnvidia-ml.so",
        }
    }

    /// Whether it is in the process, by any way of loading.
    pub(crate) fn is_loaded(self) -> bool {
        sys::with_loaded(self.soname(), |_| ()).is_some()
    }

    /// Whether `object` is this library, by the name of its file.
    pub(crate) fn is(self, object: *mut LinkMap) -> bool {
        // SAFETY: the loader keeps a loaded object's map and its name.
        let name = unsafe { (*object).name };
        if name.is_null() {
            return false;
        }
        // SAFETY: as above: a C string.
        self.is_file(unsafe { CStr::from_ptr(name) }.to_bytes())
    }

    fn is_file(self, path: &[u8]) -> bool {
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        file.starts_with(self.stem())
    }

    fn slots(self) -> impl Iterator<Item = &'static Erased> {
        crate::hooks::SLOTS.iter().copied().filter(move |slot| slot.library == self)
    }

    /// Whether every name of it has been looked for in the loaded library: what is not found then, it
    /// does not have.
    fn sought(self) -> &'static AtomicBool {
        #[unsafe(link_section = ".data")]
        static SOUGHT: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
        match self {
            Self::Cuda => &SOUGHT[0],
            Self::Nvml => &SOUGHT[1],
        }
    }

    /// Where the library's table was found, if it is to be asked.
    fn learned(self) -> &'static Learned {
        #[unsafe(link_section = ".data")]
        static LEARNED: [Learned; 2] = [const { Learned::new() }; 2];
        match self {
            Self::Cuda => &LEARNED[0],
            Self::Nvml => &LEARNED[1],
        }
    }

    /// Whether what was found by a handle is the library's, which is loaded where it was when its table was
    /// found: after it was unloaded it may lie elsewhere, also over a part of its old place.
    #[inline]
    pub(crate) fn is_of(self, handle: *mut c_void, found: *mut c_void) -> bool {
        let is_it = |tables: &Tables| tables.hold(found) && sys::base_of(handle) == tables.base();
        self.learned().latest().is_some_and(is_it)
    }

    /// Forgets every address of the library: it has been unloaded and loaded anew.
    pub(crate) fn forget(self) {
        self.sought().store(false, Relaxed);
        self.learned().latest.store(0, Relaxed);
        self.forget_slots();
    }

    fn forget_slots(self) {
        self.slots().for_each(|slot| slot.address.store(core::ptr::null_mut(), Relaxed));
    }

    /// Fills the empty slots from `handle`. No driver has all of them.
    pub(crate) fn fill_from(self, handle: *mut c_void) {
        self.slots().for_each(|slot| slot.offer(dlsym::next(handle, slot.name().text)));
        sys::clear_dlerror();
    }

    /// Lets the slots fill from the library's own table, where `found`, which dlsym(3) gave for `slot` in
    /// `object`, stands in it. False: it is not the library's, or has been looked up by somebody else, and
    /// nothing is changed.
    pub(crate) fn fill_from_table(
        self,
        slot: &Erased,
        object: *mut LinkMap,
        found: *mut c_void,
    ) -> bool {
        if !self.is(object) {
            return false;
        }
        // SAFETY: what the caller has just found a function in stays loaded while it looks.
        let tables = Tables::of(unsafe { &*object });
        let Some(tables) = tables.filter(|tables| tables.find(slot.name()) == Some(found)) else {
            return false;
        };
        let is_there = |known: &Tables| known.base() == tables.base();
        if slot.address.load(Relaxed).is_null() && self.learned().latest().is_some_and(is_there) {
            slot.offer(found);
            return true;
        }
        // SAFETY: as above.
        if self.learned().keep(unsafe { tables.with_extent() }) {
            // What another thread fills meanwhile it fills from this table.
            self.forget_slots();
            slot.offer(found);
        } else {
            self.learned().latest.store(0, Relaxed);
            self.take_all(&tables);
        }
        true
    }

    fn take_all(self, tables: &Tables) {
        for slot in self.slots() {
            let found = tables.find(slot.name()).unwrap_or(core::ptr::null_mut());
            slot.address.store(found, Relaxed);
        }
        self.sought().store(true, Relaxed);
    }

    /// Fills the empty slots from what is loaded: first as the next in search order, so that an
    /// interposer behind us is heard, then from the library itself.
    #[cold]
    fn resolve(self) {
        sys::keeping_errno(|| {
            self.fill_from(RTLD_NEXT);
            let found = sys::with_loaded(self.soname(), |handle| self.fill_from(handle));
            self.sought().store(found.is_some(), Relaxed);
        });
    }

    /// The address of `name` in the library itself, past any interposer's `dlsym`.
    #[cold]
    pub(crate) fn own(self, name: &CStr) -> Option<*mut c_void> {
        sys::with_loaded(self.soname(), |handle| dlsym::bare(handle, name))
            .filter(|address| !address.is_null())
    }
}

/// The tables of a library, as often as it was found anew. What was stored once is never changed.
struct Learned {
    count: AtomicUsize,
    /// Which of them is asked, and one more; 0: none.
    latest: AtomicUsize,
    places: [UnsafeCell<MaybeUninit<Tables>>; FINDS],
}

/// How often a library can be found anew until all of its slots are filled at once.
const FINDS: usize = 4;

// SAFETY: each place is written by the one thread that has its number, before that is published.
unsafe impl Sync for Learned {}

impl Learned {
    const fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            latest: AtomicUsize::new(0),
            places: [const { UnsafeCell::new(MaybeUninit::uninit()) }; FINDS],
        }
    }

    /// False: there is no place.
    fn keep(&self, tables: Tables) -> bool {
        let number = self.count.fetch_add(1, Relaxed);
        let Some(place) = self.places.get(number) else {
            self.count.store(FINDS, Relaxed);
            return false;
        };
        // SAFETY: no other thread has this number, and nobody reads the place yet.
        unsafe { (*place.get()).write(tables) };
        self.latest.store(number + 1, Release);
        true
    }

    #[inline]
    fn latest(&self) -> Option<&Tables> {
        let place = self.places.get(self.latest.load(Acquire).checked_sub(1)?)?;
        // SAFETY: what is published was written, and is never changed.
        Some(unsafe { (*place.get()).assume_init_ref() })
    }
}

/// In a slot whose function the library does not have: an address that no function has.
const ABSENT: *mut c_void = core::ptr::without_provenance_mut(1);

/// A slot without the type of its function. In three words, because there are many, in pages that the
/// loader writes in every process.
pub(crate) struct Erased {
    pub(crate) address: AtomicPtr<c_void>,
    text: &'static c_char,
    hash: u32,
    len: u16,
    pub(crate) library: Library,
}

impl Erased {
    const fn new(library: Library, name: &'static CStr) -> Self {
        let address = AtomicPtr::new(core::ptr::null_mut());
        let Name { text, hash } = Name::new(name);
        // SAFETY: a C string has at least its end.
        let first = unsafe { &*text.as_ptr() };
        Self { address, text: first, hash, len: text.count_bytes() as u16, library }
    }

    fn name(&self) -> Name {
        let (text, len) = (core::ptr::from_ref(self.text).cast(), usize::from(self.len) + 1);
        // SAFETY: `new` was given a C string of this length.
        let text =
            unsafe { CStr::from_bytes_with_nul_unchecked(core::slice::from_raw_parts(text, len)) };
        Name { text, hash: self.hash }
    }

    /// Takes `address` if the slot is empty.
    pub(crate) fn offer(&self, address: *mut c_void) {
        if !address.is_null() {
            let empty = core::ptr::null_mut();
            let _ = self.address.compare_exchange(empty, address, Relaxed, Relaxed);
        }
    }

    /// The address, looked for in the loaded library where the slot is empty.
    #[inline]
    pub(crate) fn address(&self) -> *mut c_void {
        let address = self.address.load(Relaxed);
        if address > ABSENT { address } else { self.resolved() }
    }

    #[cold]
    #[inline(never)]
    fn resolved(&self) -> *mut c_void {
        if self.address.load(Relaxed).is_null() {
            match self.library.learned().latest() {
                Some(tables) => self.offer(tables.find(self.name()).unwrap_or(ABSENT)),
                None if self.library.sought().load(Relaxed) => {}
                None => self.library.resolve(),
            }
        }
        let address = self.address.load(Relaxed);
        if address == ABSENT { core::ptr::null_mut() } else { address }
    }
}

/// The slot of a function of type `F`.
pub(crate) struct Slot<F> {
    pub(crate) erased: Erased,
    function: PhantomData<F>,
}

impl<F: Copy> Slot<F> {
    const IS_POINTER: () = assert!(size_of::<F>() == size_of::<*mut c_void>());

    /// An empty slot for the function `name` of `library`.
    ///
    /// # Safety
    /// `F` is the type of the C function of that name.
    pub(crate) const unsafe fn new(library: Library, name: &'static CStr) -> Self {
        let () = Self::IS_POINTER;
        Self { erased: Erased::new(library, name), function: PhantomData }
    }

    /// The real function, if there is a driver that has it.
    #[inline]
    pub(crate) fn get(&self) -> Option<F> {
        let address = self.erased.address();
        if address.is_null() {
            return None;
        }
        // SAFETY: F is a function pointer (its size is checked above), and `new`'s caller vouched
        // that the function of that name has its type.
        Some(unsafe { core::mem::transmute_copy::<*mut c_void, F>(&address) })
    }
}

// SAFETY: an atomic and constants; the type parameter is never stored.
unsafe impl<F> Sync for Slot<F> {}
