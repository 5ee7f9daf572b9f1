//! The rows of the hook table, found by name, by base name, and by the driver's address.
//!
//! A base name is what cuGetProcAddress takes: `cuMemAlloc` for `cuMemAlloc_v2`, `cuMemAllocAsync`
//! for `cuMemAllocAsync_ptsz`.

use crate::hooks::ROWS;
use crate::slot::Erased;
use core::ffi::{CStr, c_char, c_void};

/// One intercepted function.
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static CStr,
    /// Our own export.
    pub(crate) hook: *const c_void,
    /// Where the real one is.
    pub(crate) slot: &'static Erased,
}

// SAFETY: constants; the pointer is to code.
unsafe impl Sync for Row {}

impl Row {
    const fn base_hash(&self) -> u32 {
        hash(base(self.name.to_bytes()))
    }
}

/// The row of the function called `name`, which must be a C string.
pub(crate) fn by_name(name: *const c_char) -> Option<&'static Row> {
    let hash = hash_of(name)?;
    let hit = |(row, known): &(&Row, &u32)| **known == hash && is(name, row.name.to_bytes());
    NAMES
        .holds(hash)
        .then(|| ROWS.iter().zip(&NAMES.hashes).find(hit))
        .flatten()
        .map(|(row, _)| row)
}

/// The rows of the functions that cuGetProcAddress may mean by `base`; none for nearly every name.
pub(crate) fn by_base(name: *const c_char) -> impl Iterator<Item = &'static Row> {
    let hash = hash_of(name).filter(|hash| BASES.holds(*hash));
    let rows = ROWS.iter().take(if hash.is_some() { ROWS.len() } else { 0 });
    rows.zip(&BASES.hashes)
        .filter(move |(_, known)| Some(**known) == hash)
        .map(|(row, _)| row)
        .filter(move |row| is(name, base(row.name.to_bytes())))
}

/// A row of the function that `name`, which is no row's, is a version or variant of: one that a driver
/// newer than the shim has.
#[cold]
pub(crate) fn by_other_version(name: *const c_char) -> Option<&'static Row> {
    // SAFETY: a C string.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    let base = base(bytes);
    let hash = (base.len() <= LONGEST).then(|| hash(base)).filter(|hash| BASES.holds(*hash))?;
    let mut rows = ROWS.iter().zip(&BASES.hashes);
    let alike = |(row, known): &(&Row, &u32)| {
        **known == hash && crate::table::base(row.name.to_bytes()) == base
    };
    rows.find(alike).map(|(row, _)| row)
}

/// Hashes of all rows, and a filter that turns most names away at once.
struct Index {
    hashes: [u32; ROWS.len()],
    filter: [u64; 16],
}

static NAMES: Index = Index::new(false);
static BASES: Index = Index::new(true);

impl Index {
    const fn new(bases: bool) -> Self {
        let mut index = Self { hashes: [0; ROWS.len()], filter: [0; 16] };
        let mut at = 0;
        while at < ROWS.len() {
            let row = &ROWS[at];
            let hash = if bases { row.base_hash() } else { hash(row.name.to_bytes()) };
            index.hashes[at] = hash;
            index.filter[(hash >> 6 & 15) as usize] |= 1 << (hash & 63);
            at += 1;
        }
        index
    }

    fn holds(&self, hash: u32) -> bool {
        self.filter[(hash >> 6 & 15) as usize] >> (hash & 63) & 1 == 1
    }
}

/// No name of a driver's function is longer.
const LONGEST: usize = 96;

/// Eight bytes at a time, because it is a part of every look-up that begins like ours.
const fn hash(mut bytes: &[u8]) -> u32 {
    let mut hash = bytes.len() as u64;
    while let [a, b, c, d, e, f, g, h, rest @ ..] = bytes {
        hash = step(hash, u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
        bytes = rest;
    }
    let mut tail = 0;
    while let [first, rest @ ..] = bytes {
        tail = tail << 8 | *first as u64;
        bytes = rest;
    }
    (step(hash, tail) >> 32) as u32
}

/// Multiplies and turns, so that the high half depends on every byte.
const fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The hash of a C string that could be a row's name.
fn hash_of(name: *const c_char) -> Option<u32> {
    // SAFETY: a C string.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    (bytes.len() <= LONGEST).then(|| hash(bytes))
}

/// Whether the C string `name` is exactly `known`.
fn is(name: *const c_char, known: &[u8]) -> bool {
    // SAFETY: a C string; the comparison stops at its end, which differs from every known byte.
    let same = known.iter().enumerate().all(|(at, byte)| unsafe { *name.add(at) } as u8 == *byte);
    // SAFETY: all bytes before were not the end.
    same && unsafe { *name.add(known.len()) } == 0
}

/// A name without its stream variant and its version.
pub(crate) const fn base(name: &[u8]) -> &[u8] {
    without_version(match name {
        [rest @ .., b'_', b'p', b't', b's', b'z'] | [rest @ .., b'_', b'p', b't', b'd', b's'] => {
            rest
        }
        _ => name,
    })
}

const fn without_version(name: &[u8]) -> &[u8] {
    match name {
        [rest @ .., b'_', b'v', b'0'..=b'9'] => rest,
        [rest @ .., b'_', b'v', b'0'..=b'9', b'0'..=b'9'] => rest,
        _ => name,
    }
}

const _: () = {
    assert!(matches!(base(b"cuMemAlloc_v2"), b"cuMemAlloc"));
    assert!(matches!(base(b"cuStreamWaitValue32_v2_ptsz"), b"cuStreamWaitValue32"));
    assert!(matches!(base(b"cuInit"), b"cuInit"));
};
