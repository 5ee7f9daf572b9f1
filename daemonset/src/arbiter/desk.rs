//! One container at the arbiter: its pages, what they say, and what is written there.
//!
//! The limits page is mapped, because no tenant can write it; the ledger is read with `pread`. What
//! was read is a claim: the policy bounds it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use arbiter::{Class, Grant, Interval, Policy, Reading, Terms};
use contract::paths::{LEDGER_FILE, LIMITS_FILE};
use contract::{AllotmentId, DeviceUuid};
use ledger::agent::{DeviceTime, LimitsPage, TimeReader};
use ledger::{BackEnd, Engine, Pace, PageError};

use super::keeper::Share;
use crate::allotment::Holder;

/// How long a process counts as running after the last batch that it told of, in nanoseconds.
const SLOT_NS: u64 = 100_000_000;
/// Processes of one container that are told apart.
const SLOTS: usize = 64;

/// A container's pages, open.
pub(super) struct Desk {
    pub(super) id: AllotmentId,
    pub(super) folder: PathBuf,
    pub(super) class: Class,
    /// See [`Share::gang`].
    pub(super) gang: Option<u64>,
    /// See [`Share::holder`].
    pub(super) holder: Option<Holder>,
    /// Turns that it has had.
    pub(super) turns: u64,
    has_turn: bool,
    page: LimitsPage,
    index: usize,
    reader: TimeReader,
    identity: [u64; 4],
    time: DeviceTime,
    intervals: Vec<Interval>,
    slots: Vec<(u32, u64)>,
    /// In flight, it says, and nobody's: of processes that were killed.
    lost_ns: u64,
    /// What it had spent when that was found.
    lost_at_ns: u64,
    told: Option<(u64, Pace)>,
    /// Why its ledger cannot be read.
    pub(super) problem: Option<PageError>,
}

impl Desk {
    /// Opens the pages of a share of `gpu`.
    ///
    /// # Errors
    /// [`PageError`]: they cannot be read, or are of another GPU.
    pub(super) fn open(id: AllotmentId, share: &Share, gpu: DeviceUuid) -> Result<Self, PageError> {
        let folder = &share.folder;
        let identity = identity(folder)
            .map_err(|error| PageError::Io("stat", error.raw_os_error().unwrap_or_default()))?;
        let page = LimitsPage::open(folder)?;
        let index = page.index_of(gpu).ok_or(PageError::Uuid)?;
        let reader = TimeReader::open(&folder.join(LEDGER_FILE))?;
        let time = reader.device(index);
        let desk = Self {
            id,
            folder: folder.to_owned(),
            class: share.class,
            gang: share.gang,
            holder: share.holder.clone(),
            turns: 0,
            has_turn: false,
            page,
            index,
            reader,
            identity,
            time,
            intervals: Vec::new(),
            slots: Vec::new(),
            lost_ns: 0,
            lost_at_ns: 0,
            told: None,
            problem: None,
        };
        desk.say_gang();
        Ok(desk)
    }

    /// What is known of its container from now on, beside its pages.
    pub(super) fn is_of(&mut self, share: &Share) {
        (self.class, self.gang) = (share.class, share.gang);
        self.holder.clone_from(&share.holder);
        self.say_gang();
    }

    /// For the container and for people: what is decided does not rest on it.
    fn say_gang(&self) {
        self.page.set_gang(self.index, self.gang.unwrap_or(0));
    }

    /// It is its turn, or is not.
    pub(super) fn note_turn(&mut self, has_turn: bool) {
        self.turns += u64::from(has_turn && !self.has_turn);
        self.has_turn = has_turn;
    }

    /// Whether other files lie there: the pages were made anew.
    pub(super) fn is_stale(&self) -> bool {
        identity(&self.folder).ok() != Some(self.identity)
    }

    /// What the page says that it was promised.
    pub(super) fn terms(&self) -> Terms {
        let Some(terms) = self.page.terms(self.index) else { return Terms::fair(1) };
        let policy = match terms.policy {
            // Under another back end launches are counted and do not wait.
            _ if terms.back_end != BackEnd::Shim => Policy::Unmetered,
            ledger::Policy::Fair => Policy::Fair,
            ledger::Policy::Strict => Policy::Strict,
            ledger::Policy::Unlimited | ledger::Policy::Observe => Policy::Unmetered,
        };
        let (weight_percent, cap_percent) = (terms.weight, terms.cap);
        Terms { policy, weight_percent, cap_percent, class: self.class }
    }

    /// The policy that the page states, as people write it.
    pub(super) fn policy_name(&self) -> &'static str {
        match self.page.terms(self.index).map(|terms| (terms.back_end, terms.policy)) {
            Some((BackEnd::Mps, _)) => "mps",
            Some((_, ledger::Policy::Strict)) => "strict",
            Some((_, ledger::Policy::Unlimited)) => "unlimited",
            Some((_, ledger::Policy::Observe)) => "observe",
            Some((_, ledger::Policy::Fair)) | None => "fair",
        }
    }

    /// Its class, as people write it.
    pub(super) fn class_name(&self) -> &'static str {
        match self.class {
            Class::Latency => "latency",
            Class::Batch => "batch",
        }
    }

    /// The quantum that the page states, in microseconds.
    pub(super) fn quantum_us(&self) -> u32 {
        self.page.terms(self.index).map_or(5000, |terms| terms.quantum_us)
    }

    /// Reads what the container says; `now_ns` is the machine's monotonic clock.
    pub(super) fn read(&mut self, now_ns: u64) {
        self.intervals.clear();
        let read = self.reader.read().and_then(|()| {
            let (intervals, slots) = (&mut self.intervals, &mut self.slots);
            self.reader.intervals(self.index, |claim| {
                if claim.engine == Engine::Compute {
                    let (start_ns, end_ns) = (claim.start_ns, claim.end_ns);
                    intervals.push(Interval { start_ns, end_ns });
                    saw(slots, claim.slot, now_ns);
                }
            })
        });
        match read {
            Ok(_) => {
                self.time = self.reader.device(self.index);
                self.slots.retain(|(_, seen)| seen + SLOT_NS > now_ns);
                self.lost_ns = self.lost_ns.min(self.time.in_flight_ns());
                // It was told of after all, and what is in flight is something else.
                if self.time.spent_compute_ns.wrapping_sub(self.lost_at_ns) >= self.lost_ns {
                    self.lost_ns = 0;
                }
                self.problem = None;
            }
            // It stays as it was: nothing new, until it is made anew.
            Err(error) => self.problem = Some(error),
        }
    }

    /// What was read last, for the policy.
    pub(super) fn reading(&self) -> Reading<'_> {
        let in_flight_ns = self.in_flight_ns();
        let processes = self.slots.len().max(1) as u32;
        Reading {
            spent_ns: self.time.spent_compute_ns,
            intervals: &self.intervals,
            launches: self.time.launches,
            waiting: self.time.waiting > 0,
            running: if in_flight_ns > 0 { processes } else { 0 },
            in_flight_ns,
            since_ns: self.time.since_ns,
        }
    }

    /// What was read last.
    pub(super) fn time(&self) -> &DeviceTime {
        &self.time
    }

    fn in_flight_ns(&self) -> u64 {
        self.time.in_flight_ns().saturating_sub(self.lost_ns)
    }

    /// Writes what it may use. Credit is counted from what is committed, without what is in flight, so
    /// that an arbiter that begins anew needs no history.
    pub(super) fn grant(&mut self, grant: Grant) {
        if grant.is_asleep {
            self.lost_ns = self.time.in_flight_ns();
            self.lost_at_ns = self.time.spent_compute_ns;
        }
        let settled_ns = self.time.committed_ns.wrapping_sub(self.in_flight_ns());
        let granted_ns = settled_ns.wrapping_add(grant.credit_ns);
        let pace = match grant.pace {
            arbiter::Pace::Metered => Pace::Metered,
            arbiter::Pace::Free => Pace::Free,
        };
        if self.told != Some((granted_ns, pace)) || self.time.waiting > 0 {
            self.page.grant(self.index, granted_ns, pace);
            self.told = Some((granted_ns, pace));
        }
    }

    /// Shows that an arbiter lives.
    pub(super) fn beat(&self) {
        self.page.beat(self.index);
    }

    /// No arbiter any more: the container paces itself from now on.
    pub(super) fn release(&self) {
        let granted_ns = self.page.granted(self.index).map_or(0, |granted| granted.granted_ns);
        self.page.grant(self.index, granted_ns, Pace::Alone);
    }
}

fn saw(slots: &mut Vec<(u32, u64)>, slot: u32, now_ns: u64) {
    if let Some((_, seen)) = slots.iter_mut().find(|(known, _)| *known == slot) {
        *seen = now_ns;
    } else if slots.len() < SLOTS {
        slots.push((slot, now_ns));
    }
}

/// Which files the two are.
fn identity(folder: &Path) -> io::Result<[u64; 4]> {
    let [limits, ledger] = [LIMITS_FILE, LEDGER_FILE].map(|name| fs::metadata(folder.join(name)));
    let (limits, ledger) = (limits?, ledger?);
    Ok([limits.dev(), limits.ino(), ledger.dev(), ledger.ino()])
}
