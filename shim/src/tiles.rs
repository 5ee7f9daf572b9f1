//! Which memory is mapped at each tile of each sparse array: one reference for each. A table of atomics,
//! without a lock.

use crate::references::Memory;
use crate::region::{Place, Region, Within, change, reach};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Tiles that one process can have mapped at a time: of 64 KiB each, 64 GiB.
const TILES: usize = 1 << 20;
/// A place that nobody has used, where a search ends; one that is being filled or emptied; one that is
/// empty again. Arrays' numbers lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const GONE: u64 = 2;
const FIRST: u64 = 3;

static MAPPED: Region<Tile, TILES> = Region::new();
/// Places that were used stay marked, so a search seldom ends at a free one where many tiles have come and gone.
static WITHIN: Within = Within::new();

/// A tile with memory of ours.
struct Tile {
    array: AtomicU64,
    at: AtomicU64,
    memory: AtomicPtr<Memory>,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Tile {}

/// The place of a tile by its level, its layer, and the tiles before it in each direction: no array has
/// more than these have room for.
pub(crate) fn in_level(level: u32, layer: u32, [x, y, z]: [u32; 3]) -> u64 {
    let part = |number: u32, bits: u32| u64::from(number) & ((1 << bits) - 1);
    part(level, 5) << 58
        | part(layer, 16) << 42
        | part(x, 14) << 28
        | part(y, 14) << 14
        | part(z, 14)
}

/// The place of a piece of a layer's tail of small levels.
pub(crate) fn in_tail(layer: u32, at: u64) -> u64 {
    1 << 63 | (u64::from(layer) & 0xffff) << 42 | at & ((1 << 42) - 1)
}

/// Puts memory at a tile, whose reference it takes over; the memory that was there before. Where there
/// is no room the reference stays.
pub(crate) fn put(array: u64, at: u64, memory: &'static Memory) -> Option<&'static Memory> {
    let before = take(array, at);
    let claim = |tile: &&Tile| change(&tile.array, FREE, BUSY) || change(&tile.array, GONE, BUSY);
    if let Some((far, tile)) = near(array, at).enumerate().find(|(_, tile)| claim(tile)) {
        WITHIN.reaches(far);
        tile.at.store(at, Ordering::Relaxed);
        tile.memory.store(core::ptr::from_ref(memory).cast_mut(), Ordering::Relaxed);
        tile.array.store(array + FIRST, Ordering::Release);
    }
    before
}

/// Takes the memory from a tile, whose reference is the caller's from then on.
pub(crate) fn take(array: u64, at: u64) -> Option<&'static Memory> {
    let key = array + FIRST;
    for tile in near(array, at).take(WITHIN.places()) {
        match tile.array.load(Ordering::Acquire) {
            FREE => return None,
            its if its == key && tile.at.load(Ordering::Relaxed) == at => {}
            _ => continue,
        }
        if !change(&tile.array, key, BUSY) {
            continue;
        }
        // Another thread may have emptied it, and a third filled it for another tile, meanwhile.
        if tile.at.load(Ordering::Relaxed) == at {
            return tile.empty();
        }
        tile.array.store(key, Ordering::Release);
    }
    None
}

/// Lets go of all that is mapped in an array, which is no more.
#[cold]
pub(crate) fn forget(array: u64) {
    let key = array + FIRST;
    for tile in MAPPED.known() {
        let is_its = tile.array.load(Ordering::Acquire) == key;
        if is_its && change(&tile.array, key, BUSY) {
            tile.empty().inspect(|memory| memory.let_go());
        }
    }
}

impl Tile {
    /// Empties a busy place; the memory that was there.
    fn empty(&self) -> Option<&'static Memory> {
        // SAFETY: a place of a region, which stays.
        let memory = unsafe { self.memory.load(Ordering::Relaxed).as_ref() };
        self.array.store(GONE, Ordering::Release);
        memory
    }
}

fn near(array: u64, at: u64) -> impl Iterator<Item = &'static Tile> {
    reach(&MAPPED, at.rotate_left(32).wrapping_mul(0xff51_afd7_ed55_8ccd) ^ array)
}
