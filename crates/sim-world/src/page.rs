//! A card's page, `dev/nvidia<N>`: identity, health, and the time line that all processes share.
//!
//! Everything in it is an atomic word, so a process that scribbles in it can make the simulation wrong
//! but never unsound. The daemon makes the page; whoever opens it checks what it says it is. A line is
//! guarded by a lock that holds the time it was taken: a holder that died or was stopped loses it.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::time::ClockId;

use crate::meter::Meter;
use crate::schedule::{Engine, FirstCome, Interval, MAX_RESERVED, Reserved, Rule, Work};
use crate::wire::PROTOCOL;

/// Rows in a page: as many connections a world can have at a time.
pub(crate) const SLOTS: usize = 4096;

/// `aliqcard` in ASCII.
const MAGIC: u64 = u64::from_le_bytes(*b"aliqcard");

/// A line whose lock is older is taken over: its holder needs well under a microsecond.
const LOCK_LIFE_NS: u64 = 200_000_000;

/// CLOCK_MONOTONIC, in nanoseconds: the world's time.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The page's layout. All zeros but for the header is an idle card.
#[repr(C)]
pub(crate) struct CardPage {
    magic: AtomicU64,
    version: AtomicU32,
    pub(crate) card: AtomicU32,
    pub(crate) world: AtomicU64,
    /// Not zero: the card fell off the bus.
    pub(crate) lost: AtomicU32,
    /// Not zero: the world has ended.
    pub(crate) ended: AtomicU32,
    lines: [Line; Engine::ALL.len()],
    slots: [Slot; SLOTS],
}

/// One engine's time line.
#[repr(C)]
struct Line {
    /// When the lock was taken; 0 if it is free.
    lock: AtomicU64,
    count: AtomicU64,
    reserved: [[AtomicU64; 2]; MAX_RESERVED],
    busy_ns: AtomicU64,
    meter: Meter,
}

/// One connection's use of a card.
#[repr(C)]
struct Slot {
    busy_ns: [AtomicU64; Engine::ALL.len()],
    compute: Meter,
}

impl CardPage {
    /// Places work of `slot` on `engine` and enters it in the meters.
    pub(crate) fn submit(
        &self,
        slot: u32,
        engine: Engine,
        not_before_ns: u64,
        duration_ns: u64,
    ) -> Interval {
        let now_ns = now_ns();
        let line = &self.lines[engine as usize];
        let interval = line.place(Work { now_ns, not_before_ns, duration_ns });
        line.busy_ns.fetch_add(duration_ns, Relaxed);
        line.meter.add(now_ns, interval);
        if let Some(slot) = self.slots.get(slot as usize) {
            slot.busy_ns[engine as usize].fetch_add(duration_ns, Relaxed);
            if engine == Engine::Compute {
                slot.compute.add(now_ns, interval);
            }
        }
        interval
    }

    /// All work ever placed on `engine`, in nanoseconds.
    pub(crate) fn busy_ns(&self, engine: Engine) -> u64 {
        self.lines[engine as usize].busy_ns.load(Relaxed)
    }

    /// All work that `slot` ever placed on `engine`, in nanoseconds.
    pub(crate) fn slot_busy_ns(&self, slot: u32, engine: Engine) -> u64 {
        self.slots.get(slot as usize).map_or(0, |s| s.busy_ns[engine as usize].load(Relaxed))
    }

    /// Percent of the last window in which `engine` was busy.
    pub(crate) fn percent(&self, engine: Engine) -> u32 {
        self.lines[engine as usize].meter.percent(now_ns())
    }

    /// Percent of the last window in which a kernel of `slot` ran.
    pub(crate) fn slot_percent(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(0, |slot| slot.compute.percent(now_ns()))
    }

    /// Makes a slot ready for the next connection.
    pub(crate) fn clear_slot(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            slot.busy_ns
                .iter()
                .filter(|busy| busy.load(Relaxed) != 0)
                .for_each(|b| b.store(0, Relaxed));
            slot.compute.clear();
        }
    }
}

impl Line {
    fn place(&self, work: Work) -> Interval {
        let taken = self.lock();
        let mut reserved = self.read();
        let interval = FirstCome.place(&mut reserved, work);
        self.write(&reserved);
        // A lock that was taken over meanwhile is not ours to open.
        let _ = self.lock.compare_exchange(taken, 0, Release, Relaxed);
        interval
    }

    fn lock(&self) -> u64 {
        loop {
            let now = now_ns();
            let held = self.lock.load(Relaxed);
            let free = held == 0 || now.saturating_sub(held) > LOCK_LIFE_NS;
            if free && self.lock.compare_exchange(held, now, Acquire, Relaxed).is_ok() {
                return now;
            }
            std::thread::yield_now();
        }
    }

    fn read(&self) -> Reserved {
        let mut reserved = Reserved::new();
        let count = (self.count.load(Relaxed) as usize).min(MAX_RESERVED);
        for [start, end] in &self.reserved[..count] {
            let start_ns = start.load(Relaxed);
            reserved.push(Interval { start_ns, end_ns: end.load(Relaxed).max(start_ns) });
        }
        reserved
    }

    fn write(&self, reserved: &Reserved) {
        for ([start, end], busy) in self.reserved.iter().zip(reserved.as_slice()) {
            start.store(busy.start_ns, Relaxed);
            end.store(busy.end_ns, Relaxed);
        }
        self.count.store(reserved.as_slice().len() as u64, Relaxed);
    }
}

/// A mapped page; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct CardMap(std::ptr::NonNull<CardPage>);

// SAFETY: the page is made of atomic words alone, and the mapping lives as long as the value.
unsafe impl Send for CardMap {}
// SAFETY: as above.
unsafe impl Sync for CardMap {}

impl CardMap {
    /// Makes the page of card `card` of world `world`, replacing what was there.
    pub(crate) fn create(path: &Path, world: u64, card: u32) -> std::io::Result<Self> {
        let options = OpenOptions::new().read(true).write(true).create_new(true).to_owned();
        let file = options.open(path)?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o666))?;
        file.set_len(size_of::<CardPage>() as u64)?;
        let page = Self::map(&file)?;
        page.world.store(world, Relaxed);
        page.card.store(card, Relaxed);
        page.version.store(PROTOCOL, Relaxed);
        page.magic.store(MAGIC, Release);
        Ok(page)
    }

    /// Opens a page and checks that it is one of `world`'s.
    pub(crate) fn open(path: &Path, world: u64) -> Result<Self, String> {
        let file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|e| e.to_string())?;
        let metadata = file.metadata().map_err(|e| e.to_string())?;
        if !metadata.is_file() || metadata.len() != size_of::<CardPage>() as u64 {
            return Err("it is no simulated card of this version".to_owned());
        }
        let page = Self::map(&file).map_err(|e| e.to_string())?;
        let known = page.magic.load(Acquire) == MAGIC && page.version.load(Relaxed) == PROTOCOL;
        match known && page.world.load(Relaxed) == world {
            true => Ok(page),
            false => Err("it belongs to another world".to_owned()),
        }
    }

    fn map(file: &File) -> std::io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let length = size_of::<CardPage>();
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let address = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file, 0)?
        };
        std::ptr::NonNull::new(address.cast()).map(Self).ok_or_else(std::io::Error::last_os_error)
    }
}

impl std::ops::Deref for CardMap {
    type Target = CardPage;

    fn deref(&self) -> &CardPage {
        // SAFETY: the mapping is page-aligned, as long as a CardPage, lives until drop, and every bit
        // pattern is a valid CardPage.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for CardMap {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), size_of::<CardPage>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> (tempfile::TempDir, CardMap) {
        let dir = tempfile::tempdir().unwrap();
        let page = CardMap::create(&dir.path().join("nvidia0"), 7, 0).unwrap();
        (dir, page)
    }

    #[test]
    fn two_processes_work_on_one_engine_queues_in_one_line() {
        let (dir, page) = page();
        let other = CardMap::open(&dir.path().join("nvidia0"), 7).unwrap();
        let first = page.submit(0, Engine::Compute, 0, 1_000_000_000);
        let second = other.submit(1, Engine::Compute, 0, 1_000);
        assert_eq!(second.start_ns, first.end_ns);
        let copy = other.submit(1, Engine::CopyIn, 0, 1_000);
        assert!(copy.end_ns < first.end_ns);
        assert_eq!(page.slot_busy_ns(1, Engine::Compute), 1_000);
        assert_eq!(page.busy_ns(Engine::Compute), 1_000_001_000);
    }

    #[test]
    fn a_lock_left_by_a_dead_process_is_taken_over() {
        let (_dir, page) = page();
        page.lines[0].lock.store(now_ns(), Relaxed);
        page.submit(0, Engine::Compute, 0, 10);
        assert_eq!(page.lines[0].lock.load(Relaxed), 0);
    }

    #[test]
    fn the_page_of_another_world_is_refused() {
        let (dir, _page) = page();
        let error = CardMap::open(&dir.path().join("nvidia0"), 8).unwrap_err();
        assert_eq!(error, "it belongs to another world");
        std::fs::write(dir.path().join("short"), "x").unwrap();
        assert!(CardMap::open(&dir.path().join("short"), 7).is_err());
    }
}
