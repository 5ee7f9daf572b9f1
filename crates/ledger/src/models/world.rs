//! A container and its processes as the models have them: every step of the books is one in which a process may die.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32 as Plain, AtomicU64 as Oracle, Ordering::SeqCst};
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::charge::{self, Asked, Books, Sum};
use crate::error::Refused;
use crate::spare::{self, Step};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::total::bytes_of;

const SLOTS: usize = 3;
pub(super) const LIMIT: u64 = 4;
pub(super) const STEP: Step = Step::PAGE;

#[derive(Default)]
pub(super) struct Row {
    live: AtomicU64,
    counts: AtomicU64,
    pub(super) held: AtomicU64,
}

/// A container: its ledger, the kernel's locks, and the oracle.
pub(super) struct World {
    total: AtomicU64,
    tickets: AtomicU64,
    pub(super) rows: Vec<Row>,
    pub(super) ever_spare: AtomicU32,
    locked: AtomicU64,
    /// For what one process tells another beside the books.
    pub(super) told: AtomicU64,
    patience: u32,
    has: [u64; SLOTS],
    pub(super) admitted: Oracle,
    /// By how much what [`ESTIMATING`] holds may be an estimate too large, and what it holds.
    less: u64,
    estimated: Oracle,
}

/// The slot all of whose bytes are an estimate, where any are.
const ESTIMATING: usize = 2;

impl World {
    /// Living processes that hold these bytes; `stale` more are in the total without an owner.
    pub(super) fn new(held: [u64; SLOTS], stale: u64) -> Arc<Self> {
        Self::with_patience(held, stale, u32::MAX)
    }

    /// The same where nobody waits for the lock: sums may overlap.
    pub(super) fn without_lock(held: [u64; SLOTS], stale: u64) -> Arc<Self> {
        Self::with_patience(held, stale, 0)
    }

    /// The same where so much of what [`ESTIMATING`] holds is not counted, as long as it holds it.
    pub(super) fn with_estimate(held: [u64; SLOTS], less: u64) -> Arc<Self> {
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
            ever_spare: AtomicU32::new(0),
            locked: AtomicU64::new(0),
            told: AtomicU64::new(0),
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

    pub(super) fn total(&self) -> u64 {
        bytes_of(self.total.load(Ordering::SeqCst))
    }

    /// What is spare in all slots, of kinds of which anything ever was.
    pub(super) fn spare(&self) -> u64 {
        let words = || self.rows.iter().map(|row| row.held.load(Ordering::Acquire));
        spare::ever(&self.ever_spare)
            .map(|_| words().map(|word| STEP.stated(word)).sum::<u64>())
            .sum()
    }

    /// At rest the total is at least the truth, and after a sum exactly it and what is spare; where that is
    /// recalled, the truth.
    pub(super) fn check_at_rest(world: &Arc<Self>) {
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
pub(super) struct Process {
    pub(super) world: Arc<World>,
    slot: usize,
    has: Oracle,
    dies_at: u32,
    steps: Plain,
}

const NEVER: u32 = u32::MAX;

impl Process {
    pub(super) fn new(world: &Arc<World>, slot: usize) -> Self {
        let has = Oracle::new(world.has[slot]);
        Self { world: world.clone(), slot, has, dies_at: NEVER, steps: Plain::new(0) }
    }

    fn step(&self) {
        if self.steps.fetch_add(1, SeqCst) == self.dies_at {
            resume_unwind(std::boxed::Box::new(Killed));
        }
    }

    /// Charges, and has the memory from then on. The limit is checked here, in every run.
    pub(super) fn charge(&self, bytes: u64) -> Result<(), Refused> {
        charge::charge(self, self.slot, 0, bytes)?;
        self.has.fetch_add(bytes, SeqCst);
        let sum = self.world.admitted.fetch_add(bytes, SeqCst) + bytes;
        let limit = self.world.limit(self.world.estimated.load(SeqCst));
        assert!(sum <= limit, "{sum} bytes admitted of {limit}");
        Ok(())
    }

    /// Charges, or is refused.
    pub(super) fn attempt(&self, bytes: u64) {
        let _ = self.charge(bytes);
    }

    /// Gives memory back to the driver, then to the books.
    pub(super) fn release(&self, bytes: u64) {
        self.has.fetch_sub(bytes, SeqCst);
        self.world.admitted.fetch_sub(bytes, SeqCst);
        if self.slot == ESTIMATING {
            self.world.estimated.fetch_sub(bytes, SeqCst);
        }
        charge::release(self, self.slot, 0, bytes);
    }

    /// A life that ends before step `at`: the driver takes back what the process had, and then the
    /// kernel frees its lock.
    pub(super) fn killed(mut self, at: u32, life: impl FnOnce(&Self)) {
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
pub(super) struct Locked(Arc<World>);

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
        self.world.limit(STEP.held(self.world.rows[ESTIMATING].held.load(Ordering::Acquire)))
    }

    fn sum(&self, asked: Option<Asked>) -> Sum {
        let (mut charged, mut spare, mut estimated) = (0, 0, 0);
        for slot in 0..SLOTS {
            if self.world.rows[slot].counts.load(Ordering::Acquire) == 1 {
                let asked = asked.filter(|asked| asked.slot == slot).map_or(0, |asked| asked.bytes);
                let word = spare::with(self.held(slot, 0).load(Ordering::Acquire), asked);
                charged += spare::charged(word);
                spare += STEP.spare(word);
                estimated = if slot == ESTIMATING { STEP.held(word) } else { estimated };
            }
        }
        Sum { charged, spare, limit: self.world.limit(estimated) }
    }

    fn ever_spare(&self) -> &AtomicU32 {
        self.step();
        &self.world.ever_spare
    }

    fn spare(&self) -> u64 {
        self.world.spare()
    }

    fn recall(&self) {
        (0..SLOTS).for_each(|slot| STEP.recall(self.held(slot, 0)));
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
                STEP.recall(&row.held);
                row.counts.store(0, Ordering::Release);
            }
        }
    }

    fn pause(&self) {
        thread::yield_now();
    }
}
