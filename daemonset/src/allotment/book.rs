//! All allotments of the node: every change is on disk before anybody hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contract::{AllotmentId, DeviceId, PercentError};
use tracing::{info, warn};

use super::holders::{Held, holder_of};
use super::pages::{self, RuleBook, Rules};
use super::record::{Holder, Record};
use super::release::{Signs, has_ended};
use super::store;
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
    /// What the entries hold in all: no two hold the same.
    taken: Taken,
    rules: RuleBook,
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
        let (entries, taken, rules) = Default::default();
        let mut book = Self { layout, entries, taken, rules };
        for record in loaded.records {
            // Killed between writing an allotment down and ending those that it follows.
            for id in book.overlapping(&record) {
                book.end(id)?;
            }
            // Before the kubelet knows of us it starts containers without a word, as after a reboot.
            pages::restore(&book.layout, &record, book.rules.of(&record))?;
            book.enter(record);
        }
        book.sweep_pages()?;
        Ok(book)
    }

    /// Pages that are made from now on follow these rules; a container that runs keeps its own.
    pub fn follow(&mut self, rules: RuleBook) {
        self.rules = rules;
    }

    /// How a share is held to its limits.
    #[must_use]
    pub fn rules(&self, record: &Record) -> Rules {
        self.rules.of(record)
    }

    /// All records, by id.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.values().map(|entry| &entry.record)
    }

    /// All that is held. Some of it may be free again: the kubelet does not tell.
    #[must_use]
    pub fn taken(&self) -> &Taken {
        &self.taken
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
        resource: Option<&str>,
        shim: Option<String>,
    ) -> Result<Record, BookError> {
        let resource = resource.map(str::to_owned);
        let record = Record { resource, shim, ..Record::new(devices, grant, now()) };
        self.check_name(&record)?;
        pages::remake(&self.layout, &record, self.rules.of(&record))?;
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
        pages::renew(&self.layout, &entry.record, self.rules.of(&entry.record))?;
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

    /// Writes down that an allotment is left to the MPS daemon behind `pipes`, while that lives.
    ///
    /// # Errors
    /// [`BookError::File`]; the arbiter holds it then.
    pub fn leave_to_mps(&mut self, id: AllotmentId, pipes: &Path) -> Result<(), BookError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        let record = Record { mps: Some(pipes.to_owned()), ..entry.record.clone() };
        store::save(&self.layout, &record)?;
        entry.record = record;
        self.follow_daemons();
        Ok(())
    }

    /// Hands what was left to MPS to whom the rules say, in pages that are there.
    pub fn follow_daemons(&self) {
        for record in self.records().filter(|record| record.mps.is_some()) {
            let rules = self.rules.of(record);
            if let Err(error) = pages::hand_over(&self.layout, record.id, rules) {
                warn!(allotment = %record.id, %error, "its pages do not say who holds it to its share");
            }
        }
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
        self.taken.add(record.devices.iter().copied(), record.resource.as_deref());
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

    fn end(&mut self, id: AllotmentId) -> Result<(), BookError> {
        durable::remove(&self.layout.record(id))?;
        pages::remove(&self.layout, id)?;
        let record = self.entries.remove(&id).map(|entry| entry.record);
        self.taken.remove(record.iter().flat_map(|record| record.devices.iter().copied()));
        let holder = record.and_then(|record| record.holder).unwrap_or_default();
        let Holder { namespace, pod, container } = holder;
        info!(allotment = %id, namespace, pod, container, "released");
        Ok(())
    }

    fn sweep_pages(&self) -> Result<(), BookError> {
        Ok(pages::sweep(&self.layout, &self.entries.keys().copied().collect())?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::holders::tests::parts;
    use super::*;
    use crate::config::{AtLimit, ComputeBackEnd, ComputePolicy};
    use crate::inventory::tests::uuid;
    use contract::{Mib, Percent};
    use ledger::BackEnd;
    use std::fs;

    fn grant(percent: u64) -> Grant {
        let percent = Percent::new(percent).unwrap();
        Grant::Share { gpu: uuid(0), percent, memory: percent.of(Mib(32510)), context: Mib(308) }
    }

    fn held(name: &str, devices: BTreeSet<DeviceId>) -> Held {
        let (namespace, container) = ("default".into(), Some("main".into()));
        Held { holder: Holder { namespace, pod: name.into(), container }, devices }
    }

    fn node() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(&folder.path().join("state"), &folder.path().join("pages"));
        (folder, layout)
    }

    fn count(folder: PathBuf) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn devices_given_out_again_end_every_allotment_that_had_some_of_them() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        for range in [0..30, 30..60, 60..90] {
            book.allot(&parts(0, range), &grant(30), None, None).unwrap();
        }
        let last = book.allot(&parts(0, 20..40), &grant(20), None, None).unwrap();
        let left: Vec<_> = book.records().map(|record| record.devices.len()).collect();
        assert_eq!(left.iter().sum::<usize>(), 50, "{left:?}");
        assert_eq!((count(layout.records()), count(layout.pages.clone())), (2, 2));
        assert!(layout.pages_of(last.id).join("limits").exists());
        assert_eq!(book.taken().percent(uuid(0)), 50);
        // What is kept beside the records is what they come to, also for who reads them again.
        let again = Book::open(layout).unwrap();
        for book in [&book, &again] {
            let mut taken = Taken::default();
            book.records().for_each(|it| taken.add(it.devices.iter().copied(), None));
            assert_eq!(*book.taken(), taken);
        }
    }

    #[test]
    fn another_agent_finds_the_book_as_it_was() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let record = book.allot(&parts(0, 0..50), &grant(50), None, Some("1".into())).unwrap();
        book.hold(record.id, held("a", parts(0, 0..50)).holder).unwrap();
        // What a kill in the middle of things leaves.
        fs::create_dir(layout.pages.join("00000000000000ff")).unwrap();
        fs::create_dir(layout.pages.join(format!(".{}.1", record.id))).unwrap();
        let again = Book::open(layout.clone()).unwrap();
        assert!(again.records().eq(book.records()));
        assert_eq!(count(layout.pages), 1);
    }

    #[test]
    fn pages_that_a_reboot_has_taken_are_there_before_anything_registers_and_others_stay() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let share = |book: &mut Book, from: u8| {
            let record = book.allot(&parts(0, from..from + 10), &grant(10), None, None).unwrap();
            layout.pages_of(record.id)
        };
        let [gone, folder, kept] = [0, 10, 20].map(|from| share(&mut book, from));
        fs::remove_dir_all(&gone).unwrap();
        // As a runtime makes what it is to mount and does not find.
        fs::remove_file(folder.join("ledger")).unwrap();
        fs::create_dir(folder.join("ledger")).unwrap();
        fs::write(kept.join("ledger"), "spoilt by a tenant that runs on").unwrap();
        Book::open(layout).unwrap();
        for pages in [gone, folder] {
            assert!(ledger::agent::read_ledger(&pages.join("ledger")).is_ok(), "{pages:?}");
            assert!(ledger::agent::read_limits(&pages.join("limits")).is_ok(), "{pages:?}");
        }
        assert!(fs::read(kept.join("ledger")).unwrap().starts_with(b"spoilt"));
    }

    #[test]
    fn of_two_allotments_of_the_same_devices_the_later_counts_after_a_kill_between_them() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let first = book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        let last = book.allot(&parts(0, 40..60), &grant(20), None, None).unwrap();
        // As if the second had never come to end the first, which has the smaller or the larger name.
        let age = |id, seconds| {
            let path = layout.record(id);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        for (older, newer) in [(&first, &last), (&last, &first)] {
            for (record, seconds) in [(older, 20), (newer, 10)] {
                store::save(&layout, record).unwrap();
                age(record.id, seconds);
            }
            let again = Book::open(layout.clone()).unwrap();
            assert_eq!(again.records().map(|record| record.id).collect::<Vec<_>>(), [newer.id]);
            assert_eq!(count(layout.records()), 1);
        }
    }

    #[test]
    fn what_the_kubelet_no_longer_lists_ends_and_the_rest_has_its_name() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout).unwrap();
        book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        book.allot(&parts(0, 50..90), &grant(40), None, None).unwrap();
        let (a, b) = (held("a", parts(0, 0..50)), held("b", parts(0, 50..90)));
        book.reconcile(&[a.clone(), b], Instant::now()).unwrap();
        assert!(book.records().all(|record| record.holder.is_some()));
        book.reconcile(&[a], Instant::now()).unwrap();
        let left: Vec<_> = book.records().map(|record| &record.holder).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].as_ref().unwrap().pod, "a");
    }

    #[test]
    fn an_allotment_that_cannot_be_made_leaves_those_that_are_there() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        fs::remove_dir_all(layout.records()).unwrap();
        let message = book.allot(&parts(0, 0..20), &grant(20), None, None).unwrap_err().to_string();
        assert!(message.contains("cannot write"), "{message}");
        assert_eq!(book.records().count(), 1);
    }

    #[test]
    fn pages_that_nobody_lives_in_are_made_anew_and_unknown_devices_have_none() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let record = book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        let ledger = layout.pages_of(record.id).join("ledger");
        let fresh = fs::metadata(&ledger).unwrap().len();
        fs::write(&ledger, "scribbled").unwrap();
        book.renew(&parts(0, 0..50)).unwrap();
        assert_eq!(fs::metadata(&ledger).unwrap().len(), fresh);
        assert_eq!(book.renew(&parts(0, 0..49)).unwrap(), None);
    }

    #[test]
    fn a_gpu_whose_pool_has_rules_of_its_own_follows_those() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let own = Rules { quantum_us: 8000, ..Rules::default() };
        book.follow(RuleBook { by_gpu: [(uuid(0), own)].into(), ..RuleBook::default() });
        let record = book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        assert_eq!(book.rules(&record), own);
        let page = layout.pages_of(record.id).join(contract::paths::LIMITS_FILE);
        let device = ledger::agent::read_limits(&page).unwrap().devices.remove(0);
        assert_eq!((device.back_end, device.quantum_us), (ledger::BackEnd::Shim, 8000));
    }

    #[test]
    fn who_was_told_of_an_mps_daemon_is_left_to_it_while_it_lives_and_others_never_are() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let left = book.allot(&parts(0, 0..30), &grant(30), None, None).unwrap();
        let other = book.allot(&parts(0, 30..60), &grant(30), None, None).unwrap();
        let back_ends = || {
            [left.id, other.id].map(|id| {
                let page = layout.pages_of(id).join(contract::paths::LIMITS_FILE);
                ledger::agent::read_limits(&page).unwrap().devices[0].back_end
            })
        };
        let pipes = Path::new("/run/mps");
        book.leave_to_mps(left.id, pipes).unwrap();
        assert_eq!(back_ends(), [BackEnd::Shim; 2], "nobody has seen it live");
        let lives = RuleBook { daemons: [pipes.to_owned()].into(), ..RuleBook::default() };
        for (rules, expected) in [
            (lives.clone(), BackEnd::Mps),
            (RuleBook::default(), BackEnd::Shim),
            (lives.clone(), BackEnd::Mps),
        ] {
            book.follow(rules);
            book.follow_daemons();
            assert_eq!(back_ends(), [expected, BackEnd::Shim]);
        }
        // An agent that begins anew has not looked yet.
        let mut again = Book::open(layout.clone()).unwrap();
        assert_eq!(
            again.rules(again.records().find(|one| one.id == left.id).unwrap()).back_end,
            ComputeBackEnd::Arbiter
        );
        again.follow(lives);
        again.renew(&parts(0, 0..30)).unwrap();
        assert_eq!(back_ends(), [BackEnd::Mps, BackEnd::Shim]);
    }

    #[test]
    fn pages_follow_the_rules_of_when_they_were_made() {
        let (_folder, layout) = node();
        let mut book = Book::open(layout.clone()).unwrap();
        let record = book.allot(&parts(0, 0..50), &grant(50), None, None).unwrap();
        let limits = || {
            let page = layout.pages_of(record.id).join(contract::paths::LIMITS_FILE);
            let device = ledger::agent::read_limits(&page).unwrap().devices.remove(0);
            (device.policy, device.at_limit)
        };
        let strict = |at_limit| {
            let all = Rules { compute: ComputePolicy::Strict, at_limit, ..Rules::default() };
            RuleBook { all, ..RuleBook::default() }
        };
        assert_eq!(limits(), (ledger::Policy::Fair, ledger::AtLimit::Refuse));
        book.follow(strict(AtLimit::Refuse));
        book.renew(&parts(0, 0..50)).unwrap();
        assert_eq!(limits(), (ledger::Policy::Strict, ledger::AtLimit::Refuse));
        book.follow(strict(AtLimit::Observe));
        book.renew(&parts(0, 0..50)).unwrap();
        assert_eq!(limits(), (ledger::Policy::Observe, ledger::AtLimit::Observe));
    }
}
