//! What is charged for memory that the driver takes by itself, in an amount that it tells only
//! afterwards: a pool's, and that of a device's graphs.
//!
//! Several threads may let it grow at once, without a lock. Each charges a bound before, and holds it
//! until it has read the size after: what is charged is then raised or lowered to that size, but only
//! if nobody has changed it since before the reading, for else the reading may be old. So what is
//! charged, with the bounds of those who are under way, is never less than the size. What has grown past
//! the limit all the same is undone, and charged until it is.

use crate::charge::Charge;
use crate::region;
use core::sync::atomic::{AtomicU64, Ordering};

/// What is charged, and how many may be letting it grow. All zero at first.
pub(crate) struct Grown(AtomicU64);

/// In steps of 64 KiB what is charged, how many may be letting it grow, and a number that every
/// change makes another.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const STEP: u64 = 64 << 10;
    const CHARGED: u64 = (1 << 32) - 1;
    const GROWER: u64 = 1 << 32;
    const GROWERS: u64 = ((1 << 12) - 1) << 32;
    const CHANGE: u64 = 1 << 44;

    fn charged(self) -> u64 {
        (self.0 & Self::CHARGED) * Self::STEP
    }

    fn growers(self) -> u64 {
        (self.0 & Self::GROWERS) / Self::GROWER
    }

    /// The next word, charged so many bytes, with so many growers.
    fn next(self, charged: u64, growers: u64) -> Self {
        let steps = charged.div_ceil(Self::STEP).min(Self::CHARGED);
        let changes = (self.0 / Self::CHANGE).wrapping_add(1).wrapping_mul(Self::CHANGE);
        Self(changes | growers.wrapping_mul(Self::GROWER) & Self::GROWERS | steps)
    }
}

impl Grown {
    /// What is charged.
    pub(crate) fn charged(&self) -> u64 {
        self.word().charged()
    }

    /// Whether anybody ever let it grow.
    pub(crate) fn is_used(&self) -> bool {
        self.word().0 != 0
    }

    /// It is no more, or another's: nothing is charged for it from here on. What was is the caller's to give
    /// back. Those who may be letting it grow still [`Self::end`].
    pub(crate) fn close(&self) -> u64 {
        let mut word = self.word();
        while !self.change(word, word.next(0, word.growers())) {
            word = self.word();
        }
        word.charged()
    }

    /// Whether nobody may be letting it grow.
    pub(crate) fn is_left(&self) -> bool {
        self.word().growers() == 0
    }

    /// Somebody may let it grow from here on, and has charged a bound.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(Word::GROWER + Word::CHANGE, Ordering::AcqRel);
    }

    /// He has; `bound` is his charge, and `size` asks the driver. False: it has grown past it, and
    /// past the limit.
    pub(crate) fn end(&self, bound: Charge, size: impl Fn() -> Option<u64>) -> bool {
        self.leave(bound, &size) || self.settle(bound, 1, size)
    }

    /// The usual end, where the size is just what is charged: the bound is given back and nothing else changes.
    /// Whatever others did since the reading, what they let it grow by is in their own bounds, or was in the
    /// reading of one who has ended and so is in what is charged. False: it is another size.
    #[inline]
    fn leave(&self, bound: Charge, size: impl Fn() -> Option<u64>) -> bool {
        let Some(size) = size() else { return false };
        let mut word = self.word();
        while word.charged() == size {
            if self.change(word, word.next(size, word.growers().saturating_sub(1))) {
                bound.give_back();
                return true;
            }
            word = self.word();
        }
        false
    }

    /// Whether the size is covered so far by what is charged and by the bound of somebody who goes on letting
    /// it grow. The bound is raised where that is needed and there is room.
    pub(crate) fn covers(&self, bound: &mut Charge, size: impl Fn() -> Option<u64>) -> bool {
        loop {
            let word = self.word();
            let size = size();
            if self.word().0 != word.0 {
                continue;
            }
            let most = word.charged().saturating_add(bound.bytes);
            let size = size.and_then(|size| size.checked_next_multiple_of(Word::STEP));
            let size = size.unwrap_or(most);
            let is_others = word.growers() > 1 && bound.bytes > 0;
            return size <= most || is_others || bound.settle(size - word.charged());
        }
    }

    /// Charges the size, where that is not known; `nothing` says to whom. Without an answer nothing changes.
    pub(crate) fn look(&self, nothing: Charge, size: impl Fn() -> Option<u64>) {
        self.settle(nothing, 0, size);
    }

    fn settle(&self, mut bound: Charge, ended: u64, size: impl Fn() -> Option<u64>) -> bool {
        loop {
            let word = self.word();
            let growers = word.growers().saturating_sub(ended);
            let most = word.charged().saturating_add(bound.bytes);
            let size = size().and_then(|size| size.checked_next_multiple_of(Word::STEP));
            if size.is_none() && ended == 0 {
                // What was taken for it in an earlier round is nobody's.
                bound.give_back();
                return true;
            }
            // Without an answer the bound stays charged.
            let size = size.unwrap_or(most);
            // Others who let it grow have bounds of their own, and are charged for what is theirs; one
            // who has none may have none of theirs.
            let is_others = growers > 0 && (bound.bytes > 0 || ended == 0);
            let fits = size <= most || is_others || bound.settle(size - word.charged());
            if !fits && ended == 0 {
                // Nobody is left to undo it.
                bound.take(size - word.charged());
            }
            let covered = word.charged().saturating_add(bound.bytes);
            let to = word.next(size.min(covered), growers);
            if self.change(word, to) {
                Charge { bytes: covered.saturating_sub(to.charged()), ..bound }.give_back();
                return fits;
            }
        }
    }

    fn word(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    fn change(&self, from: Word, to: Word) -> bool {
        region::change(&self.0, from.0, to.0)
    }
}
