//! Allotments that are not as they should be: records that cannot be read, pages that cannot be made, and
//! what a container holds by the kubelet's word alone. None of them keeps another from being served.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contract::{AllotmentId, DeviceId};
use tracing::warn;

use super::{Book, BookError, Entry, now};
use crate::allotment::holders::Held;
use crate::allotment::lists::{Listed, Look};
use crate::allotment::record::Record;
use crate::allotment::{name, pages, store};
use crate::decide::Grant;

/// The kubelet writes its checkpoint after it has said in its lists who holds what.
const CHECKPOINT_LAGS: Duration = Duration::from_secs(2);

impl Book {
    /// Allotments that are not as they should be, and why.
    pub fn troubles(&self) -> impl Iterator<Item = (AllotmentId, &str)> {
        self.troubles.iter().map(|(id, why)| (*id, &**why))
    }

    /// Something is wrong with an allotment; it is said once.
    pub(super) fn ails(&mut self, id: AllotmentId, why: String) {
        if self.troubles.get(&id) != Some(&why) {
            warn!(allotment = %id, why, "it is not as it should be, the others are served");
            self.troubles.insert(id, why);
        }
    }

    /// The devices that containers hold by a list that was asked for at `asked`, and of which nothing is
    /// written down: a record was lost, or ended too early. None where something has changed since.
    #[must_use]
    pub fn unknown(&self, held: &[Held], asked: Instant) -> Vec<BTreeSet<DeviceId>> {
        if self.changed >= asked {
            return Vec::new();
        }
        let is_idle =
            |device: &DeviceId| self.idle.iter().any(|kept| kept.devices.contains(device));
        let is_held = |device: &DeviceId| self.taken.has(*device) && !is_idle(device);
        let mut unknown: Vec<BTreeSet<DeviceId>> = Vec::new();
        for devices in held.iter().map(|held| &held.devices).filter(|devices| !devices.is_empty()) {
            // Of containers of one pod that have some in common, the first.
            let is_told = unknown.iter().any(|told| !told.is_disjoint(devices));
            if !is_told && !devices.iter().any(is_held) {
                unknown.push(devices.clone());
            }
        }
        unknown
    }

    /// Devices that a container holds, and of which nothing can be written down: it is in
    /// [`troubles`](Self::troubles) until that can be.
    pub fn cannot_hold(&mut self, devices: &BTreeSet<DeviceId>, why: String) {
        self.ails(name(devices), why);
    }

    /// An allotment of which a container is known to live: what it has mounted stays as it is.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn readmit(
        &mut self,
        devices: &BTreeSet<DeviceId>,
        grant: &Grant,
        shim: Option<String>,
    ) -> Result<(), BookError> {
        let record = Record { shim, refined: None, ..Record::new(devices, grant, now()) };
        self.check_name(&record)?;
        self.hands.check_removed(record.id)?;
        pages::restore(&self.layout, &self.hands, &record, self.rules.of(&record))?;
        store::save(&self.layout, &record)?;
        self.enter(record);
        Ok(())
    }

    /// Whether it is not known of some allotment whose pod it is, although it has a name.
    #[must_use]
    pub fn wants_pods(&self) -> bool {
        self.entries.values().any(Self::wants_pod)
    }

    /// Writes down the uid of the pods that hold allotments, by what holds their devices: of those that have not
    /// changed since that was asked for, at `asked`.
    ///
    /// # Errors
    /// The first [`BookError::File`].
    pub fn learn_pods(
        &mut self,
        asked: Instant,
        pod_of: impl Fn(DeviceId) -> Option<String>,
    ) -> Result<(), BookError> {
        let mut done = Ok(());
        let wants = |entry: &&mut Entry| entry.changed < asked && Self::wants_pod(entry);
        for entry in self.entries.values_mut().filter(wants) {
            let pod_uid = entry.record.devices.first().and_then(|device| pod_of(*device));
            if pod_uid.is_some() {
                let record = Record { pod_uid, ..entry.record.clone() };
                match store::save(&self.layout, &record) {
                    Ok(()) => entry.record = record,
                    Err(error) => done = done.and(Err(error.into())),
                }
            }
        }
        done
    }

    /// Nothing is removed until the answer is called, and whoever waits for that does so as long.
    #[cfg(test)]
    pub(crate) fn tie_hands(&mut self, patience: Duration) -> impl Fn() + Send + use<> {
        let (hands, late) = self.hands.tied(patience);
        self.hands = hands;
        late
    }

    /// All allotments are so much older.
    #[cfg(test)]
    pub(crate) fn age(&mut self, by: Duration) {
        self.entries.values_mut().for_each(|entry| entry.since -= by);
    }

    fn wants_pod(Entry { record, since, .. }: &Entry) -> bool {
        let is_old = since.elapsed() >= CHECKPOINT_LAGS;
        record.holder.is_some() && record.pod_uid.is_none() && is_old
    }

    /// Tries once more what failed, and removes what cannot be read and is nobody's.
    pub(super) fn mend(&mut self, look: &Look<'_>) -> Result<(), BookError> {
        let mut done = Ok(());
        let ids: Vec<_> = self.troubles.keys().copied().collect();
        for id in ids {
            match self.entries.get(&id) {
                Some(entry) => {
                    let rules = self.rules(&entry.record);
                    let restored = pages::restore(&self.layout, &self.hands, &entry.record, rules);
                    match restored {
                        Ok(()) => drop(self.troubles.remove(&id)),
                        Err(error) => {
                            self.ails(id, error.to_string());
                            done = done.and(Err(error));
                        }
                    }
                }
                None if self.is_nobodys(id, look) => {
                    self.troubles.remove(&id);
                    self.hands.remove(id, None);
                }
                None => {}
            }
        }
        done
    }

    fn is_nobodys(&self, id: AllotmentId, look: &Look<'_>) -> bool {
        look.listed == Listed::Whole
            && !look.held.iter().any(|held| name(&held.devices) == id)
            && look.kept.as_ref().is_some_and(|kept| !kept.iter().any(|it| name(&it.devices) == id))
            && pages::living(&self.layout, id) == 0
    }
}
