//! Handles for other nodes (CU_MEM_HANDLE_TYPE_FABRIC) by which memory was exported. One is 64 bytes that
//! keep nothing; but what this process imports by one of its own is one handle more of the same memory.
//!
//! Nothing tells when the bytes stop meaning anything: they name a piece of memory that nobody else is
//! named so, and its place here is free when that is gone. Without a lock.

use crate::references::Memory;
use crate::region::{Place, Region, change, reach};
use core::sync::atomic::{AtomicU64, Ordering, fence};
use nvidia_sys::cuda::CUmemFabricHandle;

/// Handles of living memory that one process can have exported.
const MOST: usize = 1 << 14;
const WORDS: usize = size_of::<CUmemFabricHandle>() / size_of::<u64>();
/// A place that nobody has used, and one that is being filled. Keys lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const FIRST: u64 = 2;

static EXPORTED: Region<Exported, MOST> = Region::new();

/// A handle and the name of the memory that it was made of.
struct Exported {
    key: AtomicU64,
    words: [AtomicU64; WORDS],
    name: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Exported {}

/// Remembers what a handle was made of, of which the caller has a reference. False: there is no room, and what
/// is imported by it would be taken for another process's.
///
/// # Safety
/// The handle can be read.
#[cold]
pub(crate) unsafe fn remember(handle: *const CUmemFabricHandle, memory: &'static Memory) -> bool {
    // SAFETY: the caller's word.
    let words = unsafe { words_of(handle) };
    if let Some(known) = find(&words) {
        known.let_go();
        return true;
    }
    let key = key(&words);
    let Some(place) = reach(&EXPORTED, key).find(|place| place.claim()) else { return false };
    // Who reads any of what follows finds the key changed.
    fence(Ordering::Release);
    for (place, word) in place.words.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
    place.name.store(memory.name(), Ordering::Relaxed);
    place.key.store(key, Ordering::Release);
    true
}

/// The memory of ours that a handle was made of, if that lives: with one reference more.
///
/// # Safety
/// As cuMemImportFromShareableHandle, which reads the handle.
pub(crate) unsafe fn refer(handle: *const CUmemFabricHandle) -> Option<&'static Memory> {
    if handle.is_null() || EXPORTED.known().is_empty() {
        return None;
    }
    // SAFETY: not null, and a driver that has made such handles reads it too.
    find(&unsafe { words_of(handle) })
}

#[cold]
fn find(words: &[u64; WORDS]) -> Option<&'static Memory> {
    let key = key(words);
    reach(&EXPORTED, key).find_map(|place| Memory::refer_named(place.name_of(key, words)?))
}

impl Exported {
    /// Takes a place that nobody has used, or whose memory is gone.
    fn claim(&self) -> bool {
        let known = self.key.load(Ordering::Acquire);
        let is_old = known != BUSY && (known == FREE || !self.is_alive());
        if !is_old || !change(&self.key, known, BUSY) {
            return false;
        }
        // Another thread may have filled it with the same key meanwhile.
        let is_filled = known != FREE && self.is_alive();
        if is_filled {
            self.key.store(known, Ordering::Release);
        }
        !is_filled
    }

    fn is_alive(&self) -> bool {
        let memory = Memory::refer_named(self.name.load(Ordering::Relaxed));
        memory.inspect(|memory| memory.let_go()).is_some()
    }

    /// The name that it has of these words.
    fn name_of(&self, key: u64, words: &[u64; WORDS]) -> Option<u64> {
        let is_key = || self.key.load(Ordering::Acquire) == key;
        let mut both = self.words.iter().zip(words);
        if !is_key() || !both.all(|(place, word)| place.load(Ordering::Relaxed) == *word) {
            return None;
        }
        let name = self.name.load(Ordering::Relaxed);
        // Another may have been put here meanwhile.
        fence(Ordering::Acquire);
        is_key().then_some(name)
    }
}

/// # Safety
/// The handle can be read.
unsafe fn words_of(handle: *const CUmemFabricHandle) -> [u64; WORDS] {
    // SAFETY: the caller's word; all bytes are a value.
    unsafe { handle.cast::<[u64; WORDS]>().read_unaligned() }
}

fn key(words: &[u64; WORDS]) -> u64 {
    let mix =
        |key: u64, word: &u64| (key.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    words.iter().fold(0, mix).max(FIRST)
}
