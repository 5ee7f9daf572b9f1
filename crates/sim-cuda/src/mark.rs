//! A point on a stream's line, and when everything before it has ended, once that is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::ipc_event::Shared;

/// A point on a stream's line: when all that came before it has ended, once that is known.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    time: AtomicU64,
    due: OnceLock<At>,
    shared: Option<(Arc<Shared>, u64)>,
}

/// When a mark passes: the clock of a device's priority shows a time, and a time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// The device.
    pub(crate) device: usize,
    /// The priority.
    pub(crate) level: u32,
    /// What its clock shows then.
    pub(crate) at: u64,
    /// Not before this nanosecond of CLOCK_MONOTONIC.
    pub(crate) floor: u64,
}

impl Mark {
    /// Nanoseconds of CLOCK_MONOTONIC, in the past or, where copies end, in the future; none while kernels
    /// or a wall stand before it.
    pub(crate) fn time(&self) -> Option<u64> {
        let own = self.time.load(Ordering::Acquire).checked_sub(1);
        own.or_else(|| self.shared.as_ref().and_then(|(shared, turn)| shared.time_of(*turn)))
    }

    /// A mark whose time is known.
    pub(crate) fn at(time: u64) -> Self {
        let mark = Self::default();
        mark.set(time);
        mark
    }

    /// A recording of an event that other processes know.
    pub(crate) fn shared(with: Arc<Shared>, turn: u64) -> Self {
        Self { shared: Some((with, turn)), ..Self::default() }
    }

    /// Whether other processes may know it.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether it is this recording of an event that other processes know.
    pub(crate) fn is_turn(&self, turn: u64) -> bool {
        self.shared.as_ref().is_some_and(|(_, own)| *own == turn)
    }

    /// Kernels alone stand before it.
    pub(crate) fn is_due(&self, at: At) {
        let _ = self.due.set(at);
    }

    /// When it passes, where kernels alone stand before it.
    pub(crate) fn due(&self) -> Option<At> {
        self.due.get().copied()
    }

    /// It passes then.
    pub(crate) fn set(&self, time: u64) {
        self.time.store(time.saturating_add(1), Ordering::Release);
        if let Some((shared, turn)) = &self.shared {
            shared.passed(*turn, time);
        }
    }
}
