//! What a kernel, a graph or a copy costs, learned from those that were measured alone.
//!
//! A table without locks that never grows: a cost that finds no room takes an old one's place, and is
//! learned again when it is met again.

use core::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU64};

/// How many places a key may lie in.
const REACH: usize = 4;
/// How much a new measurement weighs against those before: one part in so many.
const WEIGHT: i64 = 4;
/// So many measurements that may have a wait in them tell that it takes longer: waits differ, and the least of
/// so many is short.
const BOUNDS: u64 = 20;
/// So many of them one measurement takes back that has no wait in it. All would be too many: what is short once in nineteen
/// times would be taken to be short.
const TAKEN_BACK: u64 = 8;
/// One in the word of bounds; below it the least of them in nanoseconds.
const ONE: u64 = 1 << 56;
const LEAST: u64 = ONE - 1;

/// `N` learned costs; `N` is a power of two.
pub struct Costs<const N: usize> {
    places: [Place; N],
    /// Whether any kernel's was learned since all were forgotten: mostly modules end one after the other.
    has_kernels: AtomicBool,
}

/// Words that are not changed together: a reader who meets a change sees another cost once.
// A launch finds all of one in one line of the cache.
#[repr(align(32))]
struct Place {
    key: AtomicU64,
    ns: AtomicU64,
    /// How many bounds were learned, fewer than [`BOUNDS`], and the least of them.
    bounds: AtomicU64,
}

impl<const N: usize> Costs<N> {
    /// None known.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N >= REACH) };
        Self { places: [const { Place::empty() }; N], has_kernels: AtomicBool::new(false) }
    }

    /// What was learned of `key`, in nanoseconds; 0: nothing yet.
    #[inline]
    #[must_use]
    pub fn of(&self, key: u64) -> u64 {
        let from = hash(key);
        match self.places.get(from & (N - 1)) {
            Some(place) if place.key.load(Relaxed) == key => place.ns.load(Relaxed),
            _ => self.elsewhere(key),
        }
    }

    /// Learns that `key` took `ns`.
    pub fn learn(&self, key: u64, ns: u64) {
        self.put(key, ns);
        self.has_kernel(key);
    }

    fn put(&self, key: u64, ns: u64) {
        let ns = ns.clamp(1, i64::MAX.unsigned_abs());
        if let Some(place) = self.reach(key).find(|place| place.key.load(Relaxed) == key) {
            let bounds = place.bounds.load(Relaxed);
            let left = if bounds / ONE > TAKEN_BACK { bounds - TAKEN_BACK * ONE } else { 0 };
            place.bounds.store(left, Relaxed);
            return place.moves(ns);
        }
        let free = self.reach(key).find(|place| place.key.load(Relaxed) == 0);
        // An old one goes where there is no room: which, the measurement itself decides.
        if let Some(place) = free.or_else(|| self.reach(key).nth(ns as usize % REACH)) {
            place.ns.store(ns, Relaxed);
            place.bounds.store(0, Relaxed);
            place.key.store(key, Relaxed);
        }
    }

    /// Learns that `key` took at most `most_ns`, which is more than is known of it: it waited for others, or it takes
    /// longer. With each twentieth it moves half of the way to the least of these twenty: one wait that was short
    /// says nothing of what it takes later.
    pub fn learn_bound(&self, key: u64, most_ns: u64) {
        let Some(place) = self.reach(key).find(|place| place.key.load(Relaxed) == key) else {
            return;
        };
        // Of a bound alone nobody knows how far below it the cost is.
        let known_ns = place.ns.load(Relaxed);
        if known_ns == 0 {
            return;
        }
        let bounds = place.bounds.load(Relaxed);
        let count = bounds / ONE + 1;
        let least_ns = if bounds == 0 { LEAST } else { bounds & LEAST }.min(most_ns);
        if count < BOUNDS {
            return place.bounds.store((count * ONE) | least_ns, Relaxed);
        }
        place.bounds.store(0, Relaxed);
        place.ns.store(known_ns.midpoint(least_ns), Relaxed);
        self.has_kernel(key);
    }

    /// Takes `ns` for what `key` costs, unless something was learned.
    pub fn learn_if_unknown(&self, key: u64, ns: u64) {
        if self.of(key) == 0 {
            self.learn(key, ns);
        }
    }

    /// Forgets a key: another thing may be given its handle.
    pub fn forget(&self, key: u64) {
        for place in self.reach(key).filter(|place| place.key.load(Relaxed) == key) {
            place.empties();
        }
    }

    /// Forgets all kernels: functions went with their module, and another may be given the handle of one.
    pub fn forget_kernels(&self) {
        if !self.has_kernels.swap(false, AcqRel) {
            return;
        }
        for place in self.places.iter().filter(|place| is_kernel(place.key.load(Relaxed))) {
            place.empties();
        }
    }

    /// Said when it is learned: who forgets before finds it again, who forgets later finds it.
    fn has_kernel(&self, key: u64) {
        if is_kernel(key) {
            self.has_kernels.store(true, Release);
        }
    }

    #[cold]
    fn elsewhere(&self, key: u64) -> u64 {
        let found = self.reach(key).find(|place| place.key.load(Relaxed) == key);
        found.map_or(0, |place| place.ns.load(Relaxed))
    }

    fn reach(&self, key: u64) -> impl Iterator<Item = &Place> {
        let from = hash(key);
        (from..from + REACH).filter_map(|at| self.places.get(at & (N - 1)))
    }
}

impl Place {
    const fn empty() -> Self {
        Self { key: AtomicU64::new(0), ns: AtomicU64::new(0), bounds: AtomicU64::new(0) }
    }

    fn empties(&self) {
        self.ns.store(0, Relaxed);
        self.bounds.store(0, Relaxed);
    }

    fn moves(&self, ns: u64) {
        self.ns.store(next(self.ns.load(Relaxed), ns), Relaxed);
    }
}

impl<const N: usize> Default for Costs<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A kernel with so many blocks: the same kernel costs more with more of them, so each power of two of
/// them is learned by itself.
#[inline]
#[must_use]
pub const fn kernel_key(function: u64, blocks: u64) -> u64 {
    function ^ ((65 - blocks.leading_zeros() as u64) << 56)
}

/// Whether a key is one that [`kernel_key`] made: user space ends below its number of blocks.
const fn is_kernel(key: u64) -> bool {
    key >> 63 == 0 && key >> 56 != 0
}

/// A kind of work on so many bytes; each power of two of them is learned by itself.
#[inline]
#[must_use]
pub const fn sized_key(kind: u32, bytes: u64) -> u64 {
    // No handle has its topmost bit set.
    1 << 63 | (kind as u64) << 8 | (64 - bytes.leading_zeros() as u64)
}

const fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// Moves towards the new one; never to 0, which would be unknown.
fn next(before: u64, ns: u64) -> u64 {
    if before == 0 {
        return ns;
    }
    let step = (ns.cast_signed().saturating_sub(before.cast_signed())) / WEIGHT;
    before.saturating_add_signed(step).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_measurement_stands_and_later_ones_move_it() {
        let costs = Costs::<64>::new();
        assert_eq!(costs.of(7), 0);
        costs.learn(7, 1_000);
        assert_eq!(costs.of(7), 1_000);
        costs.learn(7, 2_000);
        assert_eq!(costs.of(7), 1_250);
        (0..100).for_each(|_| costs.learn(7, 50));
        assert!(costs.of(7) < 60);
    }

    #[test]
    fn waits_of_many_lengths_teach_little() {
        let costs = Costs::<64>::new();
        costs.learn(7, 250);
        for wait in (0..).map(|at| at * 787 % 2_000).filter(|wait| *wait > 30).take(1_000) {
            costs.learn_bound(7, 250 + wait);
            assert!(costs.of(7) < 400, "{}", costs.of(7));
        }
        assert!(costs.of(7) >= 250);
    }

    #[test]
    fn a_kernel_that_becomes_longer_is_known_after_a_hundred_launches_that_may_have_waited() {
        let costs = Costs::<64>::new();
        costs.learn(7, 250_000);
        // A wait that was short while it was short.
        costs.learn_bound(7, 300_000);
        (0..120).for_each(|at| costs.learn_bound(7, 5_000_000 + at % 3 * 900_000));
        assert!((4_500_000..=5_000_000).contains(&costs.of(7)), "{}", costs.of(7));
    }

    #[test]
    fn one_measurement_in_nine_keeps_what_is_known_and_one_in_nineteen_does_not() {
        let costs = Costs::<64>::new();
        costs.learn(7, 250);
        for _ in 0..100 {
            (0..TAKEN_BACK).for_each(|_| costs.learn_bound(7, 9_000));
            costs.learn(7, 250);
        }
        assert_eq!(costs.of(7), 250);
        let mut sum = 0;
        for _ in 0..50 {
            costs.learn(7, 250);
            (0..18).for_each(|_| {
                costs.learn_bound(7, 9_000);
                sum += costs.of(7);
            });
        }
        assert!(sum / (50 * 18) > 4_500, "{}", sum / (50 * 18));
        costs.learn_bound(8, 9_000);
        assert_eq!(costs.of(8), 0, "nothing was measured yet");
    }

    #[test]
    fn a_cost_that_was_forgotten_is_learned_anew() {
        let costs = Costs::<64>::new();
        costs.learn(7, 1_000);
        costs.forget(7);
        assert_eq!(costs.of(7), 0);
        (0..2 * BOUNDS).for_each(|_| costs.learn_bound(7, 400));
        assert_eq!(costs.of(7), 0, "of a bound alone nothing is known");
        costs.learn(7, 3);
        assert_eq!(costs.of(7), 3);
    }

    #[test]
    fn bounds_of_before_a_kernel_was_forgotten_say_nothing_of_what_has_its_handle() {
        let costs = Costs::<64>::new();
        costs.learn(7, 250);
        (1..BOUNDS).for_each(|_| costs.learn_bound(7, 400));
        costs.forget(7);
        costs.learn(7, 20_000_000);
        (0..BOUNDS).for_each(|_| costs.learn_bound(7, 30_000_000));
        assert_eq!(costs.of(7), 25_000_000);
    }

    #[test]
    fn kernels_are_forgotten_with_their_code_and_graphs_and_copies_are_not() {
        let costs = Costs::<64>::new();
        let handle = 0x7fff_ffff_f000;
        let kernels = [1, 80, u64::MAX].map(|blocks| kernel_key(handle, blocks));
        let others = [handle, sized_key(1, 4096)];
        kernels.iter().chain(&others).for_each(|key| costs.learn(*key, 9));
        costs.forget_kernels();
        assert_eq!(kernels.map(|key| costs.of(key)), [0; 3]);
        // Again, with what was learned since.
        costs.learn(kernels[1], 9);
        costs.forget_kernels();
        costs.forget_kernels();
        assert_eq!(kernels.map(|key| costs.of(key)), [0; 3]);
        (0..=BOUNDS).for_each(|_| costs.learn_bound(kernels[2], 90));
        costs.forget_kernels();
        assert_eq!(costs.of(kernels[2]), 0);
        assert_eq!(others.map(|key| costs.of(key)), [9; 2]);
    }

    #[test]
    fn a_full_table_learns_what_it_meets() {
        let costs = Costs::<8>::new();
        for key in 1..1_000 {
            costs.learn(key, key);
            assert_eq!(costs.of(key), key);
        }
    }

    #[test]
    fn the_same_kernel_in_another_size_is_another_cost() {
        assert_ne!(kernel_key(0x1000, 1), kernel_key(0x1000, 2));
        assert_eq!(kernel_key(0x1000, 5), kernel_key(0x1000, 7));
        assert_ne!(kernel_key(0x1000, 0), 0x1000);
        assert_ne!(sized_key(1, 512), sized_key(2, 512));
        assert_eq!(sized_key(1, 513), sized_key(1, 1_000));
    }
}
