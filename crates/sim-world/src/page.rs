//! A card's page, `dev/nvidia<N>`: identity, health, and the time that all processes share.
//!
//! Everything in it is an atomic word, so a process that scribbles in it can make the simulation wrong
//! but never unsound. The daemon makes the page; whoever opens it checks what it says it is.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use rustix::time::ClockId;

use crate::lock::TimedLock;
use crate::meter::Meter;
use crate::processors::Processors;
use crate::schedule::{
    CopyEngine, Engine, FirstCome, Interval, MAX_RESERVED, Reserved, Rule, Work,
};
use crate::slices::{Ask, Owner, Policy, Run, Slices};

/// Rows in a page: as many connections a world can have at a time.
pub(crate) const SLOTS: usize = 4096;

/// The whole card, and seven compute instances.
pub(crate) const LANES: usize = 8;

/// `aliqcard` in ASCII.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"aliqcard");

/// Processors whose state is older are brought up to date by who looks at them.
const STALE_NS: u64 = 20_000_000;

const SECOND_NS: u64 = 1_000_000_000;

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
    /// How many questions about the card have had to wait.
    pub(crate) waited: AtomicU32,
    /// How long a process runs kernels while another waits, in nanoseconds.
    pub(crate) slice_ns: AtomicU64,
    /// What changing over from one process to another costs, in nanoseconds.
    pub(crate) switch_ns: AtomicU64,
    /// The whole card's lines, then those of its MIG devices.
    pub(crate) lines: [[Line; Engine::ALL.len()]; LANES],
    /// The whole card's processors, then those of its MIG devices.
    pub(crate) processors: [Processors; LANES],
    slots: [Slot; SLOTS],
}

/// One engine's books and, of copy engines, its time line.
#[repr(C)]
pub(crate) struct Line {
    pub(crate) lock: TimedLock,
    count: AtomicU64,
    reserved: [[AtomicU64; 2]; MAX_RESERVED],
    busy_ns: AtomicU64,
    meter: Meter,
}

/// One connection's use of a card.
#[repr(C)]
struct Slot {
    busy_ns: [AtomicU64; Engine::ALL.len()],
    /// When its kernels ran last, and the longest time since then and before in which none did.
    last_ns: AtomicU64,
    longest_gap_ns: AtomicU64,
    compute: Meter,
}

impl CardPage {
    /// Places a copy of `slot` on `engine` of `lane` and enters it in the books.
    pub(crate) fn copy(
        &self,
        lane: usize,
        slot: u32,
        engine: CopyEngine,
        not_before_ns: u64,
        duration_ns: u64,
    ) -> Interval {
        let (now_ns, engine) = (now_ns(), engine.engine());
        let line = self.line(lane, engine);
        let interval = line.place(Work { now_ns, not_before_ns, duration_ns });
        self.book(lane, slot, engine, now_ns, interval);
        interval
    }

    /// An owner asks for time on the processors of `lane`. Answers whether there was room for it.
    pub(crate) fn ask(&self, lane: usize, ask: Ask) -> bool {
        self.change(lane, |slices, now_ns, policy| {
            slices.ask(Ask { since_ns: ask.since_ns.min(now_ns), ..ask }, policy)
        })
    }

    /// The processors of `lane` as they are by now. Where nobody has brought them up to date for long,
    /// this does.
    pub(crate) fn look(&self, lane: usize) -> Slices {
        let mut slices = self.processors(lane).read();
        let now_ns = now_ns();
        if !slices.is_idle() && now_ns.saturating_sub(slices.clock_ns) > STALE_NS {
            return self.change(lane, |slices, _, _| slices.clone());
        }
        slices.advance(now_ns, self.policy(), |_, _| ());
        slices
    }

    /// When `owner` will have run until `due_ns` of its own clock if nobody comes or goes; none if that
    /// is after `until_ns`.
    pub(crate) fn expect(
        &self,
        lane: usize,
        owner: Owner,
        due_ns: u64,
        until_ns: u64,
    ) -> Option<u64> {
        self.look(lane).expect(owner, due_ns, until_ns, self.policy())
    }

    /// A process has ended: nothing of it runs any more.
    pub(crate) fn leave(&self, slot: u32) {
        for lane in self.used_lanes() {
            self.change(lane, |slices, _, _| slices.remove(slot));
        }
    }

    /// All work that `engine` of `lane` has done, in nanoseconds; of copy engines, that was placed on it.
    pub(crate) fn busy_ns(&self, lane: usize, engine: Engine) -> u64 {
        self.settle();
        self.line(lane, engine).busy_ns.load(Relaxed)
    }

    /// The same of what is `slot`'s.
    pub(crate) fn slot_busy_ns(&self, slot: u32, engine: Engine) -> u64 {
        self.settle();
        self.slots.get(slot as usize).map_or(0, |s| s.busy_ns[engine as usize].load(Relaxed))
    }

    /// The longest time between two of `slot`'s kernels since this was last asked, in nanoseconds.
    pub(crate) fn take_slot_gap_ns(&self, slot: u32) -> u64 {
        self.settle();
        self.slots.get(slot as usize).map_or(0, |slot| slot.longest_gap_ns.swap(0, Relaxed))
    }

    /// Percent of the last window in which `engine` of `lane` was busy.
    pub(crate) fn percent(&self, lane: usize, engine: Engine) -> u32 {
        self.settle();
        self.line(lane, engine).meter.percent(now_ns())
    }

    /// Brings the processors up to now, changes them, and enters in the books what has run.
    fn change<T>(&self, lane: usize, mut change: impl FnMut(&mut Slices, u64, Policy) -> T) -> T {
        let (policy, mut ran) = (self.policy(), Vec::new());
        let answer = self.processors(lane).update(|slices| {
            ran.clear();
            let now_ns = now_ns();
            let mut note = |account: &crate::slices::Account, run| {
                ran.push((account.owner.slot, run));
            };
            slices.advance(now_ns, policy, &mut note);
            let answer = change(slices, now_ns, policy);
            // What an idle card could have begun earlier has run meanwhile.
            slices.advance(now_ns, policy, &mut note);
            answer
        });
        for (slot, Run { from_ns, to_ns, .. }) in ran {
            let interval = Interval { start_ns: from_ns, end_ns: to_ns };
            self.book(lane, slot, Engine::Compute, now_ns(), interval);
        }
        answer
    }

    fn settle(&self) {
        self.used_lanes().for_each(|lane| self.change(lane, |_, _, _| ()));
    }

    fn used_lanes(&self) -> impl Iterator<Item = usize> {
        (0..LANES).filter(|lane| self.processors[*lane].is_used())
    }

    fn book(&self, lane: usize, slot: u32, engine: Engine, now_ns: u64, interval: Interval) {
        let line = self.line(lane, engine);
        let busy_ns = interval.end_ns - interval.start_ns;
        line.busy_ns.fetch_add(busy_ns, Relaxed);
        line.meter.add(now_ns, interval);
        if let Some(slot) = self.slots.get(slot as usize) {
            slot.busy_ns[engine as usize].fetch_add(busy_ns, Relaxed);
            if engine == Engine::Compute {
                slot.compute.add(now_ns, interval);
                slot.ran(interval);
            }
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            slice_ns: self.slice_ns.load(Relaxed),
            switch_ns: self.switch_ns.load(Relaxed).min(SECOND_NS),
        }
    }

    fn processors(&self, lane: usize) -> &Processors {
        &self.processors[lane % LANES]
    }

    fn line(&self, lane: usize, engine: Engine) -> &Line {
        &self.lines[lane % LANES][engine as usize]
    }

    /// Percent of the last window in which a kernel of `slot` ran.
    pub(crate) fn slot_percent(&self, slot: u32) -> u32 {
        self.settle();
        self.slots.get(slot as usize).map_or(0, |slot| slot.compute.percent(now_ns()))
    }

    /// Makes a slot ready for the next connection.
    pub(crate) fn clear_slot(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            slot.busy_ns
                .iter()
                .filter(|busy| busy.load(Relaxed) != 0)
                .for_each(|b| b.store(0, Relaxed));
            slot.last_ns.store(0, Relaxed);
            slot.longest_gap_ns.store(0, Relaxed);
            slot.compute.clear();
        }
    }
}

impl Slot {
    /// Its kernels ran. Runs of the same process are entered in order, but for what two writers enter at
    /// once.
    fn ran(&self, interval: Interval) {
        let last = self.last_ns.fetch_max(interval.end_ns, Relaxed);
        if last != 0 {
            self.longest_gap_ns.fetch_max(interval.start_ns.saturating_sub(last), Relaxed);
        }
    }
}

impl Line {
    fn place(&self, work: Work) -> Interval {
        self.lock.hold(|| {
            let mut reserved = self.read();
            let interval = FirstCome.place(&mut reserved, work);
            self.write(&reserved);
            interval
        })
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
