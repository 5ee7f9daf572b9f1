//! A lock in memory that processes share. It holds the time it was taken: a holder that died or was
//! stopped loses it, so nobody ever waits for a dead process.

use std::sync::atomic::{AtomicU64, Ordering::*};

use crate::page::now_ns;

/// A lock that is older is taken over: its holder needs well under a microsecond.
const LIFE_NS: u64 = 200_000_000;

/// When the lock was taken, of the world's time; 0 if it is free. Zeroed memory is a free lock.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct TimedLock(AtomicU64);

impl TimedLock {
    /// Works while nobody else does. Who was stopped in between may find that somebody did: the work has
    /// to bear that.
    pub(crate) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let taken = self.take();
        let answer = work();
        // A lock that was taken over meanwhile is not ours to open.
        let _ = self.0.compare_exchange(taken, 0, Release, Relaxed);
        answer
    }

    fn take(&self) -> u64 {
        loop {
            let now = now_ns();
            let held = self.0.load(Relaxed);
            let free = held == 0 || now.saturating_sub(held) > LIFE_NS;
            if free && self.0.compare_exchange(held, now, Acquire, Relaxed).is_ok() {
                return now;
            }
            std::thread::yield_now();
        }
    }

    /// Leaves it as a process does that dies with it.
    #[cfg(test)]
    pub(crate) fn abandon(&self) {
        self.0.store(now_ns(), Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.0.load(Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_a_dead_process_left_is_taken_over_after_its_time() {
        let lock = TimedLock::default();
        lock.abandon();
        let since = now_ns();
        lock.hold(|| assert!(now_ns() - since > LIFE_NS / 2));
        assert!(lock.is_free());
    }

    #[test]
    fn who_lost_the_lock_does_not_open_it_for_another() {
        let lock = TimedLock::default();
        lock.hold(|| lock.0.store(1, Relaxed));
        assert_eq!(lock.0.load(Relaxed), 1);
    }

    #[test]
    fn one_at_a_time() {
        let lock = TimedLock::default();
        let count = AtomicU64::new(0);
        let add =
            || (0..1000).for_each(|_| lock.hold(|| count.store(count.load(Relaxed) + 1, Relaxed)));
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(add))));
        assert_eq!(count.load(Relaxed), 4000);
    }
}
