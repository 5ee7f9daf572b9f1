//! What a GPU's thread is told, and what it tells.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use contract::AllotmentId;

use super::keeper::{Seen, Share, Work};

/// What is shared with the thread.
#[derive(Default)]
pub(super) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    shares: BTreeMap<AllotmentId, Share>,
    is_news: bool,
    is_over: bool,
    /// What is known of the containers.
    pub(super) seen: BTreeMap<AllotmentId, Seen>,
    /// What the thread has done.
    pub(super) work: Work,
}

impl Board {
    /// For the thread, which writes there what it knows.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Plain values, each whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the shares from now on.
    pub(super) fn tell(&self, shares: BTreeMap<AllotmentId, Share>) {
        let mut state = self.state();
        state.shares = shares;
        state.is_news = true;
        self.changed.notify_one();
    }

    /// The thread is to end.
    pub(super) fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_one();
    }

    /// What is known of the containers, and of the thread.
    pub(super) fn seen(&self) -> (BTreeMap<AllotmentId, Seen>, Work) {
        let state = self.state();
        (state.seen.clone(), state.work)
    }

    /// Waits until `until`; sooner where there is news. Then the shares, or `None` when it is over.
    pub(super) fn wait(&self, until: Instant) -> Option<Option<BTreeMap<AllotmentId, Share>>> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if std::mem::take(&mut state.is_news) {
                return Some(Some(state.shares.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(None);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
