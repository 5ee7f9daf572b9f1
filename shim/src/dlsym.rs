//! What the exported `dlsym` answers for our names, and where it sends all others.
//!
//! It answers as the driver would: a name that the handle does not have stays NULL, with dlerror's
//! text as the last look-up left it. `dlvsym` finds nothing in the driver, whose symbols have no
//! versions; it matters only to those who look for the next `dlsym`.

use crate::entry;
use crate::libc_symbols;
use crate::look_up;
use crate::sys::{self, Found, LinkMap, RTLD_DEFAULT, RTLD_NEXT};
use crate::table::{self, Row};
use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::Ordering::Relaxed;

/// `dlsym(3)`'s type.
type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The answer to a look-up, in two registers.
#[repr(C)]
pub(crate) struct Verdict {
    /// 0: not ours, go on to the next `dlsym` with the caller's own frame.
    ours: usize,
    answer: *mut c_void,
}

impl Verdict {
    const PASS: Self = Self { ours: 0, answer: core::ptr::null_mut() };

    const fn answer(answer: *mut c_void) -> Self {
        Self { ours: 1, answer }
    }
}

/// Decides a look-up of a name that begins with `cu` or `nv`, made from `caller`.
pub(crate) fn decide(handle: *mut c_void, name: *const c_char, caller: usize) -> Verdict {
    let Some(row) = table::by_name(name) else { return decide_other(handle, name) };
    sys::keeping_errno(|| match handle {
        RTLD_NEXT => decide_next(row, core::ptr::without_provenance(caller)),
        _ => Verdict::answer(look_up(row, handle)),
    })
}

/// Decides a look-up of a name that no hook has. A later version of a hooked function would take memory
/// uncounted: it is not there. All else is not ours.
fn decide_other(handle: *mut c_void, name: *const c_char) -> Verdict {
    if table::by_other_version(name).is_none() {
        return Verdict::PASS;
    }
    sys::keeping_errno(|| {
        // SAFETY: a C string.
        let found = next(handle, unsafe { CStr::from_ptr(name) });
        if !found.is_null() {
            look_up::say_unknown(name);
            // As after any look-up in vain, dlerror has a text.
            next(handle, c"what this version of Aliquot does not meter");
        }
        Verdict::answer(core::ptr::null_mut())
    })
}

/// Decides a look-up of the next function of a name that begins with `d`, of any version, made from
/// `caller`; null: not ours, go on. An interposer before us that asks for the next `dlsym` gets this
/// one, as it would without a version: going straight to glibc it would pass by every hook.
pub(crate) fn decide_versioned(name: *const c_char, caller: usize) -> *mut c_void {
    // SAFETY: a C string.
    if unsafe { CStr::from_ptr(name) } != c"dlsym" {
        return core::ptr::null_mut();
    }
    let caller = core::ptr::without_provenance(caller);
    match sys::keeping_errno(|| sys::object_of(caller)) {
        Some(object) if is_before_us(object) => entry::dlsym as *mut c_void,
        _ => core::ptr::null_mut(),
    }
}

/// A look-up of the next definition after the caller's. An interposer, which defines the name
/// itself, gets exactly that. Anybody else wants the function, and gets it as from RTLD_DEFAULT.
fn decide_next(row: &Row, caller: *const c_void) -> Verdict {
    let Some(object) = sys::object_of(caller) else { return Verdict::PASS };
    if !defines(object, row.name) {
        Verdict::answer(look_up(row, RTLD_DEFAULT))
    } else if is_before_us(object) && !row.slot.library.is_loaded() {
        Verdict::answer(behind_us(row))
    } else {
        Verdict::PASS
    }
}

fn defines(object: *mut LinkMap, name: &CStr) -> bool {
    let definition = sys::with_object(object, |handle| next(handle, name));
    definition.is_some_and(|found| !found.is_null() && sys::object_of(found) == Some(object))
}

/// Looks in `handle` first, as the driver's caller would, then answers with the hook.
fn look_up(row: &Row, handle: *mut c_void) -> *mut c_void {
    let found = next(handle, row.name);
    let known = row.slot.address.load(Relaxed);
    if found.is_null() || found == known {
        return if found.is_null() { found } else { row.hook.cast_mut() };
    }
    if known.is_null() && row.slot.library.is_of(handle, found) {
        row.slot.offer(found);
        return row.hook.cast_mut();
    }
    if found.cast_const() != row.hook {
        return learn(row, handle, found);
    }
    // Our own export, seen because we are preloaded: without the driver it is not there.
    if row.slot.library.is_loaded() { found } else { behind_us(row) }
}

/// Meets a function for the first time, or at another place than before.
#[cold]
fn learn(row: &Row, handle: *mut c_void, found: *mut c_void) -> *mut c_void {
    let library = row.slot.library;
    let Some(object) = sys::object_found(handle, found) else { return found };
    if is_bare() && library.fill_from_table(row.slot, object, found) {
        return row.hook.cast_mut();
    }
    if is_before_us(object) && !library.is(object) {
        // An interposer that the program calls before us, and that calls us.
        return found;
    }
    if !row.slot.address.load(Relaxed).is_null() && library.is(object) {
        library.forget();
    }
    row.slot.offer(found);
    sys::with_object(object, |handle| library.fill_from(handle));
    row.hook.cast_mut()
}

/// What a look-up finds in the search order behind this object.
fn behind_us(row: &Row) -> *mut c_void {
    next(RTLD_NEXT, row.name)
}

/// Whether `object` stands before this one in the order of loading.
fn is_before_us(object: *mut LinkMap) -> bool {
    let Some(mut at) = sys::object_of((&raw const GLIBC).cast()) else { return false };
    loop {
        // SAFETY: objects before this one were loaded with the program, or hold it: they stay.
        at = unsafe { (*at).previous };
        if at.is_null() || at == object {
            return !at.is_null();
        }
    }
}

/// The next `dlsym`'s answer; RTLD_NEXT means behind this object.
#[inline(never)]
pub(crate) fn next(handle: *mut c_void, name: &CStr) -> *mut c_void {
    let next = entry::NEXT.load(Relaxed);
    let next = if next == entry::unbound() { bind() } else { next };
    // SAFETY: what is bound is a definition of dlsym; the name is a C string.
    unsafe { as_dlsym(next)(handle, name.as_ptr()) }
}

/// Whether look-ups go from here straight to glibc.
fn is_bare() -> bool {
    GLIBC.get().is_some_and(|glibc| entry::NEXT.load(Relaxed) == glibc)
}

/// glibc's own answer, past any interposer.
pub(crate) fn bare(handle: *mut c_void, name: &CStr) -> *mut c_void {
    match GLIBC.get() {
        // SAFETY: as in `next`.
        Some(glibc) => unsafe { as_dlsym(glibc)(handle, name.as_ptr()) },
        None => core::ptr::null_mut(),
    }
}

/// Finds the `dlsym` behind us and remembers it: another interposer's, so that it goes on seeing
/// every look-up, or glibc's. Where no libdl is loaded, it is one that finds nothing, until one is.
pub(crate) fn bind() -> *mut c_void {
    sys::keeping_errno(|| {
        let Some(glibc) = GLIBC.get() else { return find_nothing as *mut c_void };
        let ours = entry::dlsym as *const c_void;
        let next = if libc_symbols::is_next(GLIBC.name(), ours, glibc) {
            glibc
        } else {
            // SAFETY: glibc's dlsym; called from this object, RTLD_NEXT means behind us.
            unsafe { as_dlsym(glibc)(RTLD_NEXT, c"dlsym".as_ptr()) }
        };
        let next = if next.is_null() { glibc } else { next };
        entry::NEXT.store(next, Relaxed);
        next
    })
}

/// As [`bind`], for `dlvsym`.
pub(crate) fn bind_versioned() -> *mut c_void {
    sys::keeping_errno(|| {
        let Some(glibc) = VERSIONED.get() else { return find_nothing as *mut c_void };
        let next = bare(RTLD_NEXT, c"dlvsym");
        let next = if next.is_null() { glibc } else { next };
        entry::NEXT_VERSIONED.store(next, Relaxed);
        next
    })
}

static VERSIONED: Found = Found::new(c"dlvsym");
static GLIBC: Found = Found::new(c"dlsym");

unsafe extern "C" fn find_nothing(_: *mut c_void, _: *const c_char) -> *mut c_void {
    core::ptr::null_mut()
}

/// # Safety
/// `address` is a definition of `dlsym`.
unsafe fn as_dlsym(address: *mut c_void) -> Dlsym {
    // SAFETY: the caller vouches for it.
    unsafe { core::mem::transmute::<*mut c_void, Dlsym>(address) }
}
