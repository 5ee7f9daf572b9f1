//! Charging under every order of its steps, and with processes that die before any of them.
//!
//! A process is a thread with a slot. It dies by unwinding out of the accessor that precedes each
//! step, exactly as a SIGKILL between two instructions would; then the kernel frees its lock. Beside
//! the books stands an oracle, outside the model: what the living were admitted and still have.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32 as Plain, AtomicU64 as Oracle, Ordering::SeqCst};
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::charge::{self, Asked, Books, Sum};
use crate::error::Refused;
use crate::spare;
use crate::sync::{AtomicU64, Ordering};
use crate::total::bytes_of;

mod spares;

const SLOTS: usize = 3;
const LIMIT: u64 = 4;

#[derive(Default)]
struct Row {
    live: AtomicU64,
    counts: AtomicU64,
    held: AtomicU64,
}

/// A container: its ledger, the kernel's locks, and the oracle.
struct World {
    total: AtomicU64,
    tickets: AtomicU64,
    rows: Vec<Row>,
    locked: AtomicU64,
    patience: u32,
    has: [u64; SLOTS],
    admitted: Oracle,
    /// By how much what [`ESTIMATING`] holds may be an estimate too large, and what it holds.
    less: u64,
    estimated: Oracle,
}

/// The slot all of whose bytes are an estimate, where any are.
const ESTIMATING: usize = 2;

impl World {
    /// Living processes that hold these bytes; `stale` more are in the total without an owner.
    fn new(held: [u64; SLOTS], stale: u64) -> Arc<Self> {
        Self::with_patience(held, stale, u32::MAX)
    }

    /// The same where nobody waits for the lock: sums may overlap.
    fn without_lock(held: [u64; SLOTS], stale: u64) -> Arc<Self> {
        Self::with_patience(held, stale, 0)
    }

    /// The same where so much of what [`ESTIMATING`] holds is not counted, as long as it holds it.
    fn with_estimate(held: [u64; SLOTS], less: u64) -> Arc<Self> {
        Arc::new(Self { less, ..Self::plain(held, 0, u32::MAX) })
    }

    fn with_patience(held: [u64; SLOTS], stale: u64, patience: u32) -> Arc<Self> {
        Arc::new(Self::plain(held, stale, patience))
    }

    fn plain(held: [u64; SLOTS], stale: u64, patience: u32) -> Self {
        let row = |bytes| Row {
            live: AtomicU64::new(1),
            counts: AtomicU64::new(1),
            held: AtomicU64::new(bytes),
        };
        let sum = held.iter().sum::<u64>();
        Self {
            total: AtomicU64::new(sum + stale),
            tickets: AtomicU64::new(0),
            rows: held.map(row).into(),
            locked: AtomicU64::new(0),
            patience,
            has: held,
            admitted: Oracle::new(sum),
            less: 0,
            estimated: Oracle::new(held[ESTIMATING]),
        }
    }

    /// What may be charged where so much is estimated.
    fn limit(&self, estimated: u64) -> u64 {
        LIMIT + self.less.min(estimated)
    }

    fn total(&self) -> u64 {
        bytes_of(self.total.load(Ordering::SeqCst))
    }

    /// What is spare in the slots that count.
    fn spare(&self) -> u64 {
        let counted = self.rows.iter().filter(|row| row.counts.load(Ordering::SeqCst) == 1);
        counted.map(|row| spare::spare(row.held.load(Ordering::SeqCst))).sum()
    }

    /// At rest the total is at least the truth, and after a sum exactly it and what is spare; where that is
    /// recalled, the truth.
    fn check_at_rest(world: &Arc<Self>) {
        let truth = world.admitted.load(SeqCst);
        assert!(world.total() >= truth, "{} < {truth}", world.total());
        let process = Process::new(world, 0);
        charge::refresh(&process);
        assert_eq!(world.total(), truth + world.spare());
        process.recall();
        charge::refresh(&process);
        assert_eq!(world.total(), truth);
    }
}

/// One process's view of the books; it dies before step `dies_at`, if it gets there.
struct Process {
    world: Arc<World>,
    slot: usize,
    has: Oracle,
    dies_at: u32,
    steps: Plain,
}

const NEVER: u32 = u32::MAX;

impl Process {
    fn new(world: &Arc<World>, slot: usize) -> Self {
        let has = Oracle::new(world.has[slot]);
        Self { world: world.clone(), slot, has, dies_at: NEVER, steps: Plain::new(0) }
    }

    fn step(&self) {
        if self.steps.fetch_add(1, SeqCst) == self.dies_at {
            resume_unwind(std::boxed::Box::new(Killed));
        }
    }

    /// Charges, and has the memory from then on. The limit is checked here, in every run.
    fn charge(&self, bytes: u64) -> Result<(), Refused> {
        charge::charge(self, self.slot, 0, bytes)?;
        self.has.fetch_add(bytes, SeqCst);
        let sum = self.world.admitted.fetch_add(bytes, SeqCst) + bytes;
        let limit = self.world.limit(self.world.estimated.load(SeqCst));
        assert!(sum <= limit, "{sum} bytes admitted of {limit}");
        Ok(())
    }

    /// Charges, or is refused.
    fn attempt(&self, bytes: u64) {
        let _ = self.charge(bytes);
    }

    /// Gives memory back to the driver, then to the books.
    fn release(&self, bytes: u64) {
        self.has.fetch_sub(bytes, SeqCst);
        self.world.admitted.fetch_sub(bytes, SeqCst);
        if self.slot == ESTIMATING {
            self.world.estimated.fetch_sub(bytes, SeqCst);
        }
        charge::release(self, self.slot, 0, bytes);
    }

    /// A life that ends before step `at`: the driver takes back what the process had, and then the
    /// kernel frees its lock.
    fn killed(mut self, at: u32, life: impl FnOnce(&Self)) {
        self.dies_at = at;
        let lived = catch_unwind(AssertUnwindSafe(|| life(&self)));
        if let Err(cause) = lived
            && !cause.is::<Killed>()
        {
            resume_unwind(cause);
        }
        self.world.admitted.fetch_sub(self.has.load(SeqCst), SeqCst);
        self.world.rows[self.slot].live.store(0, Ordering::Release);
    }
}

/// The kernel's lock: also the dead give it back.
struct Locked(Arc<World>);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.locked.store(0, Ordering::Release);
    }
}

/// What a killed process unwinds with.
struct Killed;

impl Books for Process {
    type Lock = Option<Locked>;

    fn total(&self) -> &AtomicU64 {
        self.step();
        &self.world.total
    }

    fn ticket(&self) -> u64 {
        self.world.tickets.fetch_add(1, Ordering::Relaxed)
    }

    fn limit(&self) -> u64 {
        LIMIT
    }

    fn exact_limit(&self) -> u64 {
        self.world.limit(spare::held(self.world.rows[ESTIMATING].held.load(Ordering::Acquire)))
    }

    fn sum(&self, asked: Option<Asked>) -> Sum {
        let (mut charged, mut spare, mut estimated) = (0, 0, 0);
        for slot in 0..SLOTS {
            if self.world.rows[slot].counts.load(Ordering::Acquire) == 1 {
                let asked = asked.filter(|asked| asked.slot == slot).map_or(0, |asked| asked.bytes);
                let word = spare::with(self.held(slot, 0).load(Ordering::Acquire), asked);
                charged += spare::charged(word);
                spare += spare::spare(word);
                estimated = if slot == ESTIMATING { spare::held(word) } else { estimated };
            }
        }
        Sum { charged, spare, limit: self.world.limit(estimated) }
    }

    fn recall(&self) {
        for slot in 0..SLOTS {
            if self.world.rows[slot].counts.load(Ordering::Acquire) == 1 {
                spare::recall(self.held(slot, 0));
            }
        }
    }

    fn held(&self, slot: usize, _: usize) -> &AtomicU64 {
        self.step();
        &self.world.rows[slot].held
    }

    fn lock(&self) -> Option<Locked> {
        for _ in 0..self.world.patience {
            let locked = &self.world.locked;
            if locked.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(Locked(self.world.clone()));
            }
            thread::yield_now();
        }
        None
    }

    fn unlock(&self, lock: Option<Locked>) {
        drop(lock);
    }

    fn bury(&self, lock: &Option<Locked>) {
        if lock.is_none() {
            return;
        }
        for row in &self.world.rows {
            if row.live.load(Ordering::Acquire) == 0 {
                row.counts.store(0, Ordering::Release);
            }
        }
    }

    fn pause(&self) {
        thread::yield_now();
    }
}

/// Explores a world with two processes, each on a thread of its own, and checks it at rest.
fn explore(
    world: impl Fn() -> Arc<World> + Send + Sync + 'static,
    one: impl Fn(Process) + Send + Sync + Copy + 'static,
    other: impl Fn(Process) + Send + Sync + Copy + 'static,
    rest: impl Fn(&Arc<World>) + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(move || {
        let world = world();
        let (first, second) = (Process::new(&world, 1), Process::new(&world, 2));
        let thread = thread::spawn(move || one(first));
        other(second);
        thread.join().unwrap();
        rest(&world);
        World::check_at_rest(&world);
    });
}

#[test]
fn of_two_that_race_for_the_last_byte_exactly_one_gets_it() {
    for stale in [0, 1] {
        explore(
            move || World::new([LIMIT - 1, 0, 0], stale),
            |process| process.attempt(1),
            |process| process.attempt(1),
            |world| assert_eq!(world.admitted.load(SeqCst), LIMIT),
        );
    }
}

#[test]
fn a_sum_never_misses_what_is_charged_and_released_meanwhile() {
    explore(
        || World::new([1, 1, 1], 1),
        |process| {
            process.release(1);
            process.attempt(2);
        },
        |process| {
            process.attempt(1);
            process.release(1);
        },
        |_| (),
    );
}

#[test]
fn a_sum_never_misses_changes_that_cancel_out() {
    explore(
        || World::new([0, 1, 1], 1),
        |process| {
            process.release(1);
            process.attempt(1);
        },
        |process| charge::refresh(&process),
        |_| (),
    );
}

#[test]
fn sums_that_overlap_never_miss_anything() {
    explore(
        || World::without_lock([1, 1, 1], 2),
        |process| charge::refresh(&process),
        |process| {
            process.release(1);
            process.attempt(2);
        },
        |_| (),
    );
}

#[test]
fn what_is_refused_is_in_nobodys_sum() {
    explore(
        || World::without_lock([1, 1, 1], 0),
        |process| {
            charge::refresh(&process);
            assert_eq!(process.world.total(), 3);
        },
        |process| process.attempt(2),
        |_| (),
    );
}

#[test]
fn a_process_killed_before_any_step_of_a_charge_only_over_counts() {
    for at in 0..7 {
        explore(
            || World::new([1, 1, 0], 0),
            move |process| process.killed(at, |process| process.attempt(2)),
            |process| process.attempt(2),
            |_| (),
        );
    }
}

#[test]
fn a_process_killed_before_any_step_of_a_release_only_over_counts() {
    for at in 0..5 {
        explore(
            || World::new([0, 3, 0], 0),
            move |process| process.killed(at, |process| process.release(2)),
            |process| process.attempt(3),
            |_| (),
        );
    }
}

#[test]
fn a_process_killed_before_any_step_of_a_sum_blocks_nobody() {
    for at in [1, 2, 3, 5, 6, 7, 8, 10, 13] {
        explore(
            || World::new([LIMIT - 1, 0, 0], 1),
            move |process| process.killed(at, |process| process.attempt(1)),
            |process| process.attempt(1),
            |_| (),
        );
    }
}

#[test]
fn who_dies_makes_room() {
    explore(
        || World::new([0, LIMIT, 0], 0),
        |process| process.killed(0, |process| process.release(1)),
        |process| {
            while process.charge(LIMIT).is_err() {
                thread::yield_now();
            }
        },
        |world| assert_eq!(world.admitted.load(SeqCst), LIMIT),
    );
}

#[test]
fn what_was_an_estimate_too_large_makes_no_room_once_it_is_given_back() {
    explore(
        || World::with_estimate([0, 2, 3], 1),
        |process| process.attempt(3),
        |process| process.release(3),
        |_| (),
    );
}
