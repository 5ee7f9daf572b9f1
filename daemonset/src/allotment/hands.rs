//! What nobody has to wait for, done on a thread of its own: the pages of the next shares are made ahead, and
//! what has ended is removed. The kubelet waits for neither.
//!
//! The book says in memory at once that an allotment has ended, and its files follow. An agent that is
//! killed between finds a record more when it begins anew, and ends it as it ends any other.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use contract::AllotmentId;
use ledger::agent::Passing;
use tracing::warn;

use super::book::BookError;
use super::pages;
use super::ready::Ready;
use super::record::{Holder, Record};
use super::sheets::Sheet;
use super::store;
use crate::durable::{self, FileError};
use crate::layout::Layout;

/// The longest that anybody waits for a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much later than others the thread gets a processor that both want: what it does lies ready long before
/// anybody asks.
const MEEK: i32 = 10;

/// How many pages lie ready at most, 3 MiB: of pods that come one after the other no kubelet admits so many while
/// some are made.
pub(super) const MOST_AHEAD: usize = 8;

/// What is to be done.
enum Deed {
    /// Files for records, until enough lie ready.
    Sheets,
    /// Pages for one more of those who come next, unless enough lie ready.
    Ahead,
    /// The files of an allotment that has ended.
    Remove(AllotmentId, Option<Holder>),
    /// Pages that others have taken the place of: dropping them deletes them.
    Delete(Passing),
}

/// The thread, and what it has done.
#[derive(Debug)]
pub(super) struct Hands {
    deeds: Option<Sender<Deed>>,
    thread: Option<JoinHandle<()>>,
    desk: Arc<Desk>,
    patience: Duration,
}

/// The removal of an allotment's files, or of all that is to be removed, which goes on whether or not somebody waits
/// for it.
#[derive(Debug)]
pub(crate) struct Removal {
    desk: Arc<Desk>,
    id: Option<AllotmentId>,
    patience: Duration,
}

impl Removal {
    /// Waits for its end, or until a file system is taken for one that does not answer. It blocks.
    pub(crate) fn wait(self) {
        let goes_on = |state: &State| match &self.id {
            Some(id) => state.leaving.contains(id),
            None => state.left > 0,
        };
        drop(self.desk.wait_while(self.patience, goes_on));
    }
}

#[derive(Debug)]
struct Desk {
    layout: Layout,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    ahead: Vec<Ready>,
    /// Empty files for records.
    sheets: Vec<Sheet>,
    /// How many pages there should be.
    wanted: usize,
    /// How many were made: each has a name of its own.
    made: u64,
    /// Allotments whose files are still to be removed.
    leaving: BTreeSet<AllotmentId>,
    /// Those whose files could not be.
    stuck: BTreeSet<AllotmentId>,
    /// Deeds that are not done yet.
    left: usize,
}

impl Hands {
    /// A thread for the folders of `layout`. Where there is none to be had, whoever asks does it.
    pub(super) fn new(layout: &Layout) -> Self {
        let desk = Arc::new(Desk::new(layout));
        let (deeds, todo) = channel();
        let at = desk.clone();
        let thread = thread::Builder::new().name("hands".into()).spawn(move || at.work(&todo));
        let thread = thread.ok();
        Self { deeds: thread.is_some().then_some(deeds), thread, desk, patience: PATIENCE }
    }

    /// Hands at the same desk that do nothing until the answer is called, and are waited for so long.
    #[cfg(test)]
    pub(super) fn tied(&self, patience: Duration) -> (Self, impl Fn() + Send + use<>) {
        let desk = self.desk.clone();
        let (deeds, todo) = channel();
        let at = desk.clone();
        let late = move || todo.try_iter().for_each(|deed| at.perform(deed));
        (Self { deeds: Some(deeds), thread: None, desk, patience }, late)
    }

    /// So many pages should lie ready; nothing is made for that alone.
    pub(super) fn want(&self, wanted: usize) {
        self.desk.state().wanted = wanted;
    }

    /// Sees to it that as many pages lie ready as should, and files for records.
    pub(super) fn prepare(&self) {
        self.give(Deed::Sheets);
        let state = self.desk.state();
        let off = state.wanted.abs_diff(state.ahead.len());
        drop(state);
        (0..off).for_each(|_| self.give(Deed::Ahead));
    }

    /// New pages, whether or not some lie ready.
    pub(super) fn new_pages(&self) -> Result<Ready, BookError> {
        self.desk.draft()
    }

    /// Pages that lie ready, or new ones.
    pub(super) fn pages(&self) -> Result<Ready, BookError> {
        let ahead = self.desk.state().ahead.pop();
        let pages = ahead.map_or_else(|| self.desk.draft(), Ok)?;
        self.give(Deed::Ahead);
        Ok(pages)
    }

    /// Writes a record down, into a file that lies ready where there is one.
    pub(super) fn save(&self, record: &Record) -> Result<(), FileError> {
        let (sheet, left) = {
            let mut state = self.desk.state();
            (state.sheets.pop(), state.sheets.len())
        };
        if left < MOST_AHEAD / 2 {
            self.give(Deed::Sheets);
        }
        let layout = &self.desk.layout;
        let written = sheet.map(|sheet| sheet.become_record(layout, record));
        // What lay ready may be gone with all that was there.
        if matches!(written, Some(Ok(()))) { Ok(()) } else { store::save(layout, record) }
    }

    /// Removes an allotment's files some time soon.
    pub(super) fn remove(&self, id: AllotmentId, held_by: Option<Holder>) {
        self.desk.state().leaving.insert(id);
        self.give(Deed::Remove(id, held_by));
    }

    /// Deletes pages some time soon.
    pub(super) fn delete(&self, pages: Passing) {
        self.give(Deed::Delete(pages));
    }

    /// Allotments whose files are still to be removed.
    pub(super) fn leaving(&self) -> BTreeSet<AllotmentId> {
        self.desk.state().leaving.clone()
    }

    /// What waits for the files of an allotment that has ended, where they are still being removed.
    pub(super) fn removal(&self, id: AllotmentId) -> Option<Removal> {
        let is_leaving = self.desk.state().leaving.contains(&id);
        is_leaving.then(|| self.waiting(Some(id)))
    }

    /// What waits for everything, where no pages lie ready and none can be made: what is still to be removed may be what
    /// fills the file system.
    pub(super) fn making_room(&self) -> Option<Removal> {
        if !self.desk.state().ahead.is_empty() {
            return None;
        }
        match self.desk.draft() {
            Ok(ready) => {
                self.desk.state().ahead.push(ready);
                None
            }
            Err(_) => (self.desk.state().left > 0).then(|| self.waiting(None)),
        }
    }

    fn waiting(&self, id: Option<AllotmentId>) -> Removal {
        Removal { desk: self.desk.clone(), id, patience: self.patience }
    }

    /// Looks whether the files of an allotment that had ended are gone: another of its name is about to come.
    ///
    /// # Errors
    /// [`BookError::Leaving`] where they are there: a removal that comes late must not find another's.
    pub(super) fn check_removed(&self, id: AllotmentId) -> Result<(), BookError> {
        let mut state = self.desk.state();
        if state.leaving.contains(&id) {
            return Err(BookError::Leaving(id));
        }
        state.stuck.remove(&id);
        Ok(())
    }

    /// Waits until everything is done.
    #[cfg(test)]
    pub(super) fn finish(&self) {
        // A test's machine may be busy.
        let state = self.desk.wait_while(12 * self.patience, |state| state.left > 0);
        assert!(state.left == 0 || self.patience.is_zero(), "it does not come to an end");
    }

    /// Tries once more to remove all that could not be removed.
    ///
    /// # Errors
    /// The first [`FileError`].
    pub(super) fn retry(&self) -> Result<(), FileError> {
        let stuck = self.desk.state().stuck.clone();
        let retried = stuck.into_iter().map(|id| {
            self.desk.remove_files(id)?;
            self.desk.state().stuck.remove(&id);
            Ok(())
        });
        retried.fold(Ok(()), Result::and)
    }

    fn give(&self, deed: Deed) {
        self.desk.state().left += 1;
        let refused = match &self.deeds {
            Some(deeds) => deeds.send(deed).err().map(|refused| refused.0),
            None => Some(deed),
        };
        if let Some(deed) = refused {
            self.desk.perform(deed);
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.deeds = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn new(layout: &Layout) -> Self {
        let state = State {
            ahead: Vec::new(),
            sheets: Vec::new(),
            wanted: 1,
            made: 0,
            leaving: BTreeSet::new(),
            stuck: BTreeSet::new(),
            left: 0,
        };
        Self { layout: layout.clone(), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn work(&self, todo: &Receiver<Deed>) {
        // Of this thread alone, as Linux has it: whoever answers or asks meanwhile goes first.
        let _ = rustix::process::nice(MEEK);
        while let Ok(deed) = todo.recv() {
            self.perform(deed);
        }
    }

    fn perform(&self, deed: Deed) {
        // First of all: a record that finds none waits for a file system, and behind much that is to be removed none
        // would be made for long.
        if self.state().sheets.len() < MOST_AHEAD / 2 {
            self.make_sheets();
        }
        match deed {
            Deed::Sheets => self.make_sheets(),
            Deed::Ahead => self.make_ahead(),
            Deed::Remove(id, held_by) => self.remove(id, held_by.as_ref()),
            Deed::Delete(pages) => drop(pages),
        }
        self.state().left -= 1;
        self.changed.notify_all();
    }

    /// One at a time: what has ended, whose memory is to be free again, waits behind no more than that.
    fn make_ahead(&self) {
        let mut state = self.state();
        let is_short = state.ahead.len() < state.wanted;
        let kept = state.wanted.min(state.ahead.len());
        let surplus = state.ahead.split_off(kept);
        drop(state);
        drop(surplus);
        // Whoever needs pages tries again, and says why there are none.
        if is_short && let Ok(draft) = self.draft() {
            let mut state = self.state();
            // Fewer may be wanted by now.
            if state.ahead.len() < state.wanted {
                state.ahead.push(draft);
            }
        }
    }

    fn draft(&self) -> Result<Ready, BookError> {
        Ready::make(&self.layout, self.number())
    }

    fn number(&self) -> u64 {
        let mut state = self.state();
        state.made += 1;
        state.made
    }

    fn make_sheets(&self) {
        while self.state().sheets.len() < MOST_AHEAD {
            // Whoever needs one tries again, and says why there is none.
            let Ok(sheet) = Sheet::make(&self.layout, self.number()) else { return };
            self.state().sheets.push(sheet);
        }
    }

    fn remove(&self, id: AllotmentId, held_by: Option<&Holder>) {
        let removed = self.remove_files(id);
        let mut state = self.state();
        state.leaving.remove(&id);
        if let Err(error) = removed {
            let [namespace, pod, container] = Holder::words(held_by);
            warn!(
                namespace, pod, container, allotment = %id, %error,
                "it has ended and its files stay, trying again"
            );
            state.stuck.insert(id);
        }
    }

    fn remove_files(&self, id: AllotmentId) -> Result<(), FileError> {
        durable::remove(&self.layout.record(id))?;
        pages::remove(&self.layout, id)
    }

    fn wait_while(
        &self,
        patience: Duration,
        is_early: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waited =
            self.changed.wait_timeout_while(self.state(), patience, |state| is_early(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values, each whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
