//! Whose charge covers what there is one of at a time, as a device's primary context, though threads may end it
//! and begin it anew at any moment.
//!
//! A place has what is known of the one that lives, its charge included; one word says which place that is.
//! Who finds the word empty when the driver has answered brings a charge of his own; who finds a place there
//! relies on its charge. So the word is emptied before the driver is asked for the last time, and by one thread,
//! which has the place to itself by then: what is given back is never what another relies on.

use crate::sync::{AtomicU64, Ordering};

/// Nobody's: it has ended, or has never begun.
const NONE: u64 = 0;
/// As [`NONE`], but the driver is still to be asked whether it lives after all.
const ENDING: u64 = 1;
/// Added to a place's number.
const FIRST: u64 = 2;
/// One thread has the place to itself, and will look whether what it is of has ended.
const HELD: u64 = 1 << 63;

/// The driver, and the places.
pub trait Kept {
    /// Whether it lives, by the driver's word.
    fn is_there(&self) -> bool;
    /// What is taken from now on does not belong to the one of this place.
    fn hide(&self, place: u32);
    /// It does.
    fn show(&self, place: u32);
}

/// The word.
pub struct Single(AtomicU64);

impl Single {
    /// Of what has not begun.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(NONE))
    }

    #[cfg(loom)]
    #[allow(missing_docs)]
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Whether a place is charged for it. Asked after the driver has said that it lives: false, and the caller
    /// is to bring a charge.
    pub fn is_charged(&self) -> bool {
        self.word() > ENDING
    }

    /// Whether nobody is charged for it, and nobody can be before one begins.
    pub fn is_over(&self) -> bool {
        self.word() == NONE
    }

    /// It has begun, and is charged in a place of the caller's, who has not shown it yet. False: one is charged
    /// already, and the place stays the caller's. Then [`Self::ended`] is to be asked.
    #[must_use]
    pub fn begin(&self, place: u32, kept: &impl Kept) -> bool {
        loop {
            let word = self.word();
            if word > ENDING {
                return false;
            }
            if self.change(word, held(place)) {
                kept.show(place);
                self.let_go();
                return true;
            }
        }
    }

    /// Has its place for the caller alone, and hidden, until [`Self::put_back`]: it is charged and does not end
    /// meanwhile. None: it does not live, or another thread has it.
    pub fn hold(&self, kept: &impl Kept) -> Option<u32> {
        let word = self.word();
        if word <= ENDING || word & HELD != 0 || !self.change(word, word | HELD) {
            return None;
        }
        let place = (word - FIRST) as u32;
        kept.hide(place);
        Some(place)
    }

    /// Ends [`Self::hold`]. Then [`Self::ended`] is to be asked: others have left that to the caller.
    pub fn put_back(&self, place: u32, kept: &impl Kept) {
        kept.show(place);
        self.let_go();
    }

    /// After whatever may have ended it: the place of the one that has, which is the caller's to give back, and
    /// hidden.
    #[must_use]
    pub fn ended(&self, kept: &impl Kept) -> Option<u32> {
        while !kept.is_there() {
            let place = self.hold(kept)?;
            if !kept.is_there() {
                self.0.store(ENDING, Ordering::SeqCst);
                // Whoever had it made again before that relies on this charge; after it they bring their own.
                if !kept.is_there() || !self.change(ENDING, held(place)) {
                    self.change(ENDING, NONE);
                    return Some(place);
                }
            }
            // It may have ended again, and who noticed found it held.
            self.put_back(place, kept);
        }
        None
    }

    fn word(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn let_go(&self) {
        self.0.fetch_and(!HELD, Ordering::SeqCst);
    }

    fn change(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

fn held(place: u32) -> u64 {
    HELD | (FIRST + u64::from(place))
}

impl Default for Single {
    fn default() -> Self {
        Self::new()
    }
}
