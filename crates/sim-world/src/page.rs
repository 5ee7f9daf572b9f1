//! A card's page, `dev/nvidia<N>`: identity, health, and the time line that all processes share.
//!
//! Everything in it is an atomic word, so a process that scribbles in it can make the simulation wrong
//! but never unsound. The daemon makes the page; whoever opens it checks what it says it is. A line is
//! guarded by a lock that holds the time it was taken: a holder that died or was stopped loses it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use rustix::time::ClockId;

use crate::meter::Meter;
use crate::schedule::{Engine, FirstCome, Interval, MAX_RESERVED, Reserved, Rule, Work};

/// Rows in a page: as many connections a world can have at a time.
pub(crate) const SLOTS: usize = 4096;

/// The whole card, and seven compute instances.
pub(crate) const LANES: usize = 8;

/// `aliqcard` in ASCII.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"aliqcard");

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
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) card: AtomicU32,
    pub(crate) world: AtomicU64,
    /// Not zero: the card fell off the bus.
    pub(crate) lost: AtomicU32,
    /// Not zero: the world has ended.
    pub(crate) ended: AtomicU32,
    /// Not zero: whoever asks about the card waits.
    pub(crate) hangs: AtomicU32,
    _unused: AtomicU32,
    /// The whole card's lines, then those of its MIG devices.
    pub(crate) lines: [[Line; Engine::ALL.len()]; LANES],
    slots: [Slot; SLOTS],
}

/// One engine's time line.
#[repr(C)]
pub(crate) struct Line {
    /// When the lock was taken; 0 if it is free.
    pub(crate) lock: AtomicU64,
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
    /// Places work of `slot` on `engine` of `lane` and enters it in the meters.
    pub(crate) fn submit(
        &self,
        lane: usize,
        slot: u32,
        engine: Engine,
        not_before_ns: u64,
        duration_ns: u64,
    ) -> Interval {
        let now_ns = now_ns();
        let line = self.line(lane, engine);
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

    /// All work ever placed on `engine` of `lane`, in nanoseconds.
    pub(crate) fn busy_ns(&self, lane: usize, engine: Engine) -> u64 {
        self.line(lane, engine).busy_ns.load(Relaxed)
    }

    /// All work that `slot` ever placed on `engine`, in nanoseconds.
    pub(crate) fn slot_busy_ns(&self, slot: u32, engine: Engine) -> u64 {
        self.slots.get(slot as usize).map_or(0, |s| s.busy_ns[engine as usize].load(Relaxed))
    }

    /// Percent of the last window in which `engine` of `lane` was busy.
    pub(crate) fn percent(&self, lane: usize, engine: Engine) -> u32 {
        self.line(lane, engine).meter.percent(now_ns())
    }

    fn line(&self, lane: usize, engine: Engine) -> &Line {
        &self.lines[lane % LANES][engine as usize]
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
