//! All allotments of the node: every change is on disk before anybody hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contract::{AllotmentId, DeviceId, PercentError};
use tracing::{info, warn};

use super::holders::{Held, holder_of};
use super::record::{Holder, Record};
use super::release::{Signs, has_ended};
use super::{pages, store};
use crate::decide::{Grant, Taken};
use crate::durable::{self, FileError};
use crate::layout::Layout;

/// Why an allotment could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// A record or a folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The pages.
    #[error("cannot make the allotment's pages in {path}: {error}")]
    Pages {
        /// Their folder.
        path: PathBuf,
        /// What the ledger said.
        error: ledger::PageError,
    },
    /// A record that says what cannot be.
    #[error("the record of allotment {0} is broken: {1}")]
    Record(AllotmentId, PercentError),
    /// Two sets of devices with one name, by a chance of one in 2^64.
    #[error("allotment {0} already belongs to other devices")]
    Taken(AllotmentId),
}

/// The allotments, in memory and on disk.
#[derive(Debug)]
pub struct Book {
    layout: Layout,
    entries: BTreeMap<AllotmentId, Entry>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    changed: Instant,
}

impl Book {
    /// Reads what an earlier agent left and sweeps what belongs to nobody.
    ///
    /// # Errors
    /// [`BookError::File`] for folders that cannot be made or read.
    pub fn open(layout: Layout) -> Result<Self, BookError> {
        durable::folder(&layout.records())?;
        durable::folder(&layout.pages)?;
        let loaded = store::load(&layout)?;
        for problem in &loaded.problems {
            warn!(
                problem,
                "a record cannot be read: its allotment is made again when it is needed"
            );
        }
        let mut book = Self { layout, entries: BTreeMap::new() };
        for record in loaded.records {
            book.enter(record);
        }
        book.sweep_pages()?;
        Ok(book)
    }

    /// All records, by id.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.values().map(|entry| &entry.record)
    }

    /// How many percents of each GPU are held. Some of it may be free again: the kubelet does not
    /// tell.
    #[must_use]
    pub fn taken(&self) -> Taken {
        let is_part = |id: &&DeviceId| matches!(id, DeviceId::Percent(..));
        let held = self.records().flat_map(|record| &record.devices).filter(is_part);
        let mut taken = Taken::new();
        for id in held.collect::<BTreeSet<_>>() {
            *taken.entry(id.uuid()).or_default() += 1;
        }
        taken
    }

    /// A new allotment of `devices`. That the kubelet gives them out says that whoever held some of
    /// them is gone: those allotments end, there is no other call that would end them.
    ///
    /// # Errors
    /// [`BookError`]; what was there before stays then.
    pub fn allot(
        &mut self,
        devices: &BTreeSet<DeviceId>,
        grant: &Grant,
        shim: Option<String>,
    ) -> Result<Record, BookError> {
        let record = Record { shim, ..Record::new(devices, grant, now()) };
        self.check_name(&record)?;
        pages::remake(&self.layout, &record)?;
        store::save(&self.layout, &record)?;
        for id in self.overlapping(&record) {
            self.end(id)?;
        }
        self.enter(record.clone());
        Ok(record)
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
        pages::renew(&self.layout, &entry.record)?;
        Ok(Some(entry.record.clone()))
    }

    /// Writes down who holds an allotment.
    ///
    /// # Errors
    /// [`BookError::File`].
    pub fn hold(&mut self, id: AllotmentId, holder: Holder) -> Result<(), BookError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        if entry.record.holder.as_ref() != Some(&holder) {
            let record = Record { holder: Some(holder), ..entry.record.clone() };
            store::save(&self.layout, &record)?;
            entry.record = record;
        }
        Ok(())
    }

    /// Compares with what the kubelet listed when asked at `asked`: names holders, ends allotments
    /// that nobody holds.
    ///
    /// # Errors
    /// [`BookError::File`]; the rest is left for the next time.
    pub fn reconcile(&mut self, held: &[Held], asked: Instant) -> Result<(), BookError> {
        let ids: Vec<_> = self.entries.keys().copied().collect();
        for id in ids {
            let record = &self.entries[&id].record;
            if has_ended(record, self.signs(id, asked), held) {
                self.end(id)?;
            } else if let Some(holder) = holder_of(record, held) {
                self.hold(id, holder)?;
            }
        }
        self.sweep_pages()
    }

    fn signs(&self, id: AllotmentId, asked: Instant) -> Signs {
        let entry = &self.entries[&id];
        Signs {
            newer_than_list: entry.changed >= asked,
            age: Duration::from_secs(now().saturating_sub(entry.record.allocated_at)),
            lived_in: pages::living(&self.layout, id) > 0,
        }
    }

    fn enter(&mut self, record: Record) {
        self.entries.insert(record.id, Entry { record, changed: Instant::now() });
    }

    fn check_name(&self, record: &Record) -> Result<(), BookError> {
        match self.entries.get(&record.id) {
            Some(entry) if entry.record.devices != record.devices => {
                Err(BookError::Taken(record.id))
            }
            _ => Ok(()),
        }
    }

    fn overlapping(&self, record: &Record) -> Vec<AllotmentId> {
        let shares = |other: &&Record| {
            other.id != record.id && other.devices.iter().any(|id| record.devices.contains(id))
        };
        self.records().filter(shares).map(|other| other.id).collect()
    }

    fn end(&mut self, id: AllotmentId) -> Result<(), BookError> {
        durable::remove(&self.layout.record(id))?;
        pages::remove(&self.layout, id)?;
        let holder = self.entries.remove(&id).and_then(|entry| entry.record.holder);
        info!(allotment = %id, ?holder, "released");
        Ok(())
    }

    fn sweep_pages(&self) -> Result<(), BookError> {
        Ok(pages::sweep(&self.layout, &self.entries.keys().copied().collect())?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
