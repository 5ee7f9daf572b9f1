//! All allotments of the node: every change is on disk before anybody hears of it.

mod ailing;
mod error;
mod keeping;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use contract::{AllotmentId, DeviceId};
pub use error::BookError;
use tracing::{info, warn};

use super::hands::{Hands, MOST_AHEAD, Removal};
use super::holders::{holder_of, resource_of};
use super::kept::Kept;
use super::lists::{Listed, Look};
use super::pages::{self, RuleBook, Rules};
use super::record::{Holder, Holding, Record};
use super::release::{Signs, has_ended, is_kept};
use super::sheets::Sheet;
use super::store::{self, Problem};
use crate::decide::{Grant, Taken};
use crate::durable;
use crate::layout::Layout;

/// The allotments, in memory and on disk.
#[derive(Debug)]
pub struct Book {
    layout: Layout,
    hands: Hands,
    entries: BTreeMap<AllotmentId, Entry>,
    /// What the entries hold in all, and what is idle: no two hold the same.
    taken: Taken,
    /// What the kubelet keeps for pods that live and no entry has.
    idle: Vec<Kept>,
    rules: RuleBook,
    /// Of the resources that are given out.
    domain: Option<String>,
    /// What is not as it should be, and why. Those that are no entries have a record that cannot be read, or one that
    /// cannot be made again.
    troubles: BTreeMap<AllotmentId, String>,
    /// When an allotment was last made or ended.
    changed: Instant,
}

/// What is known of an allotment beside its devices while Allocate is answered, and of none that is made again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// The resource, without the domain.
    pub resource: Option<String>,
    /// Whether the answer has names of CDI.
    pub has_cdi_names: Option<bool>,
    /// See [`Record::minors`].
    pub minors: Option<Vec<u32>>,
    /// See [`Record::driver_files`].
    pub driver_files: Option<Vec<PathBuf>>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// When it was made, or read by an agent that started: a wall clock can be set.
    since: Instant,
    changed: Instant,
}

impl Book {
    /// Reads what an earlier agent left and sweeps what belongs to nobody. One that cannot be read or made good
    /// is in [`troubles`](Self::troubles), and what is known of its devices holds.
    ///
    /// # Errors
    /// [`BookError::File`] for folders that cannot be made or read.
    pub fn open(layout: Layout) -> Result<Self, BookError> {
        durable::folder(&layout.records())?;
        durable::folder(&layout.pages)?;
        let loaded = store::load(&layout)?;
        if let Err(error) = pages::sweep_drafts(&layout) {
            warn!(%error, "what an earlier agent made ahead stays");
        }
        if let Err(error) = Sheet::sweep(&layout) {
            warn!(%error, "what an earlier agent made ahead for records stays");
        }
        let (entries, taken, idle, rules, troubles, changed) = (
            BTreeMap::new(),
            Taken::default(),
            Vec::new(),
            RuleBook::default(),
            BTreeMap::new(),
            Instant::now(),
        );
        let hands = Hands::new(&layout);
        let domain = None;
        let mut book =
            Self { hands, layout, entries, taken, idle, rules, domain, troubles, changed };
        book.want_ready();
        for Problem { id, why } in loaded.problems {
            match id {
                Some(id) => book.ails(id, why),
                None => warn!(why, "this is no record"),
            }
        }
        for record in loaded.records {
            // Killed between writing an allotment down and ending those that it follows.
            for id in book.overlapping(&record) {
                book.end(id);
            }
            // Before the kubelet knows of us it starts containers without a word, as after a reboot.
            let rules = book.rules(&record);
            let restored = pages::restore(&book.layout, &book.hands, &record, rules);
            let id = record.id;
            book.enter(record);
            if let Err(error) = restored {
                book.ails(id, error.to_string());
            }
        }
        if let Err(error) = book.sweep_pages() {
            warn!(%error, "what belongs to nobody stays, trying again");
        }
        Ok(book)
    }

    /// The same for an agent that gives out resources of this domain: what was given out under another is held under
    /// that, because the kubelet counts by the whole name.
    #[must_use]
    pub fn under(self, domain: &str) -> Self {
        let mut book = Self { domain: Some(domain.to_owned()), ..self };
        let records: Vec<Record> = book.records().cloned().collect();
        records.iter().for_each(|record| book.take(record));
        book
    }

    /// Pages that are made from now on follow these rules; a container that runs keeps its own.
    pub fn follow(&mut self, rules: RuleBook) {
        self.rules = rules;
    }

    /// How a share is held to its limits: by the rules that its pages were made by, where they were written down.
    #[must_use]
    pub fn rules(&self, record: &Record) -> Rules {
        let now = self.rules.of(record);
        record.rules.map_or(now, |began| Rules { back_end: now.back_end, ..began })
    }

    /// All records, by id.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.values().map(|entry| &entry.record)
    }

    /// The record of just these devices.
    #[must_use]
    pub fn record(&self, devices: &BTreeSet<DeviceId>) -> Option<&Record> {
        self.entries.get(&super::name(devices)).map(|entry| &entry.record)
    }

    /// All that is held. Some of it may be free again: the kubelet does not tell.
    #[must_use]
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// What waits for the files of an earlier allotment of just these devices, where they are still being removed:
    /// until then they cannot be allotted. The book is not held while that is waited for.
    pub(crate) fn removal(&self, devices: &BTreeSet<DeviceId>) -> Option<Removal> {
        self.hands.removal(super::name(devices))
    }

    /// What waits for room for the pages of `devices`, where some is still being made. The book is not held while that
    /// is waited for.
    pub(crate) fn making_room(&self, devices: &BTreeSet<DeviceId>) -> Option<Removal> {
        let has_pages = devices.iter().any(|id| matches!(id, DeviceId::Percent(..)));
        if has_pages { self.hands.making_room() } else { None }
    }

    /// A new allotment of `devices`. That the kubelet gives them out says that whoever held some of
    /// them is gone: those allotments end, there is no other call that would end them.
    ///
    /// # Errors
    /// [`BookError`]; the records stay as they were then. Of an earlier allotment of just these devices the pages may be
    /// gone: where each share has a file system of its own they are not exchanged in one step.
    pub fn allot(
        &mut self,
        devices: &BTreeSet<DeviceId>,
        grant: &Grant,
        told: Told,
        shim: Option<String>,
    ) -> Result<Record, BookError> {
        let Told { resource, has_cdi_names, minors, driver_files } = told;
        let fresh = Record::new(devices, grant, now());
        let domain = self.domain.clone().filter(|_| resource.is_some());
        let record =
            Record { resource, domain, shim, has_cdi_names, minors, driver_files, ..fresh };
        let rules = self.rules.of(&record);
        let record = Record { rules: is_share(&record).then(|| rules.lasting()), ..record };
        self.check_name(&record)?;
        self.check_room(&record)?;
        self.hands.check_removed(record.id)?;
        pages::remake(&self.layout, &self.hands, &record, rules)?;
        self.hands.save(&record)?;
        for id in self.overlapping(&record) {
            let rest = self.rest(id, devices);
            self.end(id);
            self.keep_idle(rest);
        }
        self.enter(record.clone());
        Ok(record)
    }

    /// An allotment of which nobody was told ends. Those that it followed do not come back.
    pub(crate) fn withdraw(&mut self, id: AllotmentId) {
        if self.has(id) {
            self.end(id);
        }
    }

    /// The allotment of `devices`, ready for a container that is about to start: the pages are made
    /// anew unless somebody lives in them. `None` where there is no record.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn renew(&mut self, devices: &BTreeSet<DeviceId>) -> Result<Option<Record>, BookError> {
        let id = super::name(devices);
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(None) };
        entry.changed = Instant::now();
        let rules = self.rules.of(&entry.record);
        let is_new = pages::renew(&self.layout, &self.hands, &entry.record, rules)?;
        self.troubles.remove(&id);
        let began = is_share(&entry.record).then(|| rules.lasting());
        if is_new && entry.record.rules != began {
            entry.record.rules = began;
            // No start waits for a disk that takes no record: the pages say it, and this agent knows it.
            if let Err(error) = store::save(&self.layout, &entry.record) {
                warn!(allotment = %id, %error, "by which rules it began is forgotten when the agent restarts");
            }
        }
        Ok(Some(entry.record.clone()))
    }

    /// Compares with what the kubelet listed: names holders, ends allotments that nobody holds.
    ///
    /// # Errors
    /// The first [`BookError`]; all else is done, and what failed is left for the next time.
    pub fn reconcile(&mut self, look: &Look<'_>) -> Result<(), BookError> {
        let mut done = self.hands.retry().map_err(BookError::from).and(self.mend(look));
        self.hands.prepare();
        let ids: Vec<_> = self.entries.keys().copied().collect();
        for id in ids {
            let record = &self.entries[&id].record;
            let is_whole = look.listed == Listed::Whole;
            let is_lived_in =
                || pages::living(&self.layout, id) > 0 && !look.outlived.contains(&id);
            if is_whole && has_ended(record, self.signs(id, look), look.held, is_lived_in) {
                self.end(id);
            } else if let Some(holder) = holder_of(record, look.held) {
                let resource = resource_of(record, look.held);
                done = done.and(self.give_as(id, resource)).and(self.hold(id, holder));
            } else {
                done = done.and(self.keep(id, look));
            }
        }
        match &look.kept {
            Some(kept) => self.set_aside(kept),
            None => self.keep_what_was_stored(),
        }
        done.and(self.sweep_pages())
    }

    fn signs(&self, id: AllotmentId, look: &Look<'_>) -> Signs {
        let entry = &self.entries[&id];
        Signs {
            newer_than_list: entry.changed >= look.asked,
            replaced: look.replaced.contains(&id),
            is_kept: is_kept(&entry.record, look),
            age: entry.since.elapsed(),
        }
    }

    fn enter(&mut self, record: Record) {
        self.take_from_idle(&record);
        self.take(&record);
        self.troubles.remove(&record.id);
        self.changed = Instant::now();
        let entry = Entry { record, since: self.changed, changed: self.changed };
        self.entries.insert(entry.record.id, entry);
        self.want_ready();
    }

    fn take(&mut self, record: &Record) {
        record.take(&mut self.taken, self.domain.as_deref());
    }

    /// Pages that lie ready have the room of shares that are still to come; one lies ready on a full node too, for
    /// a container that starts again.
    fn want_ready(&self) {
        let left = self.layout.most_shares().map(|most| most.saturating_sub(self.shares()));
        self.hands.want(left.map_or(MOST_AHEAD, |left| left.clamp(1, MOST_AHEAD)));
    }

    fn shares(&self) -> usize {
        self.records().filter(|record| is_share(record)).count()
    }

    fn check_name(&self, record: &Record) -> Result<(), BookError> {
        match self.entries.get(&record.id) {
            Some(entry) if entry.record.devices != record.devices => {
                Err(BookError::Taken(record.id))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self, record: &Record) -> Result<(), BookError> {
        let Some(most) = self.layout.most_shares() else { return Ok(()) };
        if !is_share(record) || self.shares() < most {
            return Ok(());
        }
        // Those that it follows give it their room.
        let follows = self.overlapping(record).len() + usize::from(self.has(record.id));
        if follows > 0 { Ok(()) } else { Err(BookError::Full(most)) }
    }

    fn has(&self, id: AllotmentId) -> bool {
        self.entries.contains_key(&id)
    }

    fn overlapping(&self, record: &Record) -> Vec<AllotmentId> {
        // Hundreds of records with hundreds of devices, while the kubelet waits.
        let is_near = |other: &Record| {
            other.holding.gpus().iter().any(|gpu| record.holding.gpus().contains(gpu))
        };
        let has = |id: &DeviceId| record.devices.binary_search(id).is_ok();
        let shares = |other: &&Record| {
            other.id != record.id && is_near(other) && other.devices.iter().any(has)
        };
        self.records().filter(shares).map(|other| other.id).collect()
    }

    /// Nobody waits for its files.
    fn end(&mut self, id: AllotmentId) {
        let record = self.entries.remove(&id).map(|entry| entry.record);
        self.troubles.remove(&id);
        self.changed = Instant::now();
        self.want_ready();
        self.taken.remove(record.iter().flat_map(|record| record.devices.iter().copied()));
        let holder = record.and_then(|record| record.holder);
        let [namespace, pod, container] = Holder::words(holder.as_ref());
        info!(allotment = %id, namespace, pod, container, "released");
        self.hands.remove(id, holder);
    }

    fn sweep_pages(&self) -> Result<(), BookError> {
        // A container can have those mounted whose record cannot be read, and what has just ended goes where nobody
        // waits for it.
        let mut known = self.hands.leaving();
        known.extend(self.entries.keys().chain(self.troubles.keys()));
        Ok(pages::sweep(&self.layout, &known)?)
    }
}

fn is_share(record: &Record) -> bool {
    matches!(record.holding, Holding::Share { .. })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
