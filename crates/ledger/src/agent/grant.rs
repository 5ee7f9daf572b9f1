//! The arbiter's hand in a limits page: credit, pace, beat and terms of one device.
//!
//! Its words are read by a container one at a time, at every moment; the order of the stores makes each
//! change safe in the middle, and the wake after it ends every wait for it.

use core::sync::atomic::Ordering::{Relaxed, Release};

use super::LimitsPage;
use crate::abi::Pace;
use crate::allotment::Terms;
use crate::error::PageError;
use crate::layout::LimitsDevice;
use crate::sys;

/// What a container was told of a device's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Cumulative GPU time granted, in nanoseconds.
    pub granted_ns: u64,
    /// How it takes it.
    pub pace: Pace,
    /// The beat.
    pub beat: u64,
}

impl LimitsPage {
    /// What was told last, also by an arbiter before this one. None: there is no such device.
    #[must_use]
    pub fn granted(&self, index: usize) -> Option<Granted> {
        let device = self.device(index)?;
        Some(Granted {
            granted_ns: device.granted_ns.load(Relaxed),
            pace: Pace::from_raw(device.pace.load(Relaxed)).unwrap_or(Pace::Alone),
            beat: device.beat.load(Relaxed),
        })
    }

    /// Sets what is granted in all and how it is to be taken, beats, and wakes who waits. One system
    /// call. Credit is `granted_ns` less what the ledger says is committed: an arbiter that grants by
    /// what it read there needs no history, and what a process that died left committed is healed.
    pub fn grant(&self, index: usize, granted_ns: u64, pace: Pace) {
        if let Some(device) = self.device(index) {
            device.granted_ns.store(granted_ns, Relaxed);
            device.pace.store(pace.raw(), Release);
            beat(device);
            wake(device);
        }
    }

    /// Shows that an arbiter lives. No system call: nobody is woken for it.
    pub fn beat(&self, index: usize) {
        if let Some(device) = self.device(index) {
            beat(device);
        }
    }

    /// The terms of a device. None: there is no such device.
    #[must_use]
    pub fn terms(&self, index: usize) -> Option<Terms> {
        self.device(index).map(Terms::read)
    }

    /// Says which devices, of other allotments too, are arbitrated together with a device: those of the same
    /// number; 0: none. One word, which is true before it stands there and after.
    pub fn set_gang(&self, index: usize, gang: u64) {
        if let Some(device) = self.device(index) {
            device.gang.store(gang, Relaxed);
        }
    }

    /// Changes the terms of a device while containers run.
    ///
    /// # Errors
    /// [`PageError::Value`] with the word that is out of range, [`PageError::Uuid`] where there is no
    /// such device. Nothing is changed then.
    pub fn set_terms(&self, index: usize, terms: &Terms) -> Result<(), PageError> {
        let device = self.device(index).ok_or(PageError::Uuid)?;
        let words = [
            ((1..=100).contains(&terms.weight), "weight"),
            ((1..=100).contains(&terms.cap), "cap"),
            ((1_000..=100_000).contains(&terms.quantum_us), "quantum"),
        ];
        if let Some((_, word)) = words.into_iter().find(|(is_good, _)| !is_good) {
            return Err(PageError::Value(word));
        }
        self.change(|| {
            device.policy.store(terms.policy.raw(), Relaxed);
            device.back_end.store(terms.back_end.raw(), Relaxed);
            device.weight.store(terms.weight, Relaxed);
            device.cap.store(terms.cap, Relaxed);
            device.quantum_us.store(terms.quantum_us, Relaxed);
            device.gang.store(terms.gang, Relaxed);
        });
        wake(device);
        Ok(())
    }
}

fn beat(device: &LimitsDevice) {
    device.beat.fetch_add(1, Relaxed);
}

fn wake(device: &LimitsDevice) {
    device.grant_wake.fetch_add(1, Release);
    sys::futex_wake(&device.grant_wake);
}
