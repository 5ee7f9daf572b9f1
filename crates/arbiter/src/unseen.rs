//! What a container may have had of the card while it was not believed to have work there.
//!
//! One that says that it runs and tells of nothing for far longer than that should take was stopped or killed, or what it runs
//! is longer than was thought and never measured. Which it is shows when it tells of a batch that was on the card all
//! the while, and of one that never does nothing is taken.
//! What it had alone is owed at a cap only.

use crate::member::Interval;

/// Since when, for how long that was looked at, and how much.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unseen {
    since_ns: u64,
    passed_ns: u64,
    part_ns: u64,
}

impl Unseen {
    /// It still says that it runs, beside so many others that want the card, or what it has then is owed to nobody; until
    /// the look before it was believed, or not.
    pub(crate) fn goes_on(
        &mut self,
        was_believed: bool,
        others: Option<u64>,
        before_ns: u64,
        now_ns: u64,
    ) {
        if was_believed {
            *self = Self { since_ns: now_ns, ..Self::default() };
        } else if let Some(others) = others {
            let passed_ns = now_ns.saturating_sub(before_ns);
            self.passed_ns += passed_ns;
            self.part_ns += passed_ns / (others + 1);
        }
    }

    /// What it had of a batch that is told of, of which so much is charged, beyond that, and the time in which it earned
    /// nothing for it.
    pub(crate) fn take(&mut self, batch: Interval, charged_ns: u64) -> (u64, u64) {
        if !(batch.start_ns..batch.end_ns).contains(&self.since_ns) {
            return (0, 0);
        }
        let more_ns = batch.length_ns().saturating_sub(charged_ns);
        let Self { passed_ns, part_ns, .. } = std::mem::take(self);
        (part_ns.min(more_ns), passed_ns.min(more_ns))
    }
}
