//! What the kubelet keeps for containers that it does not list: their allotments, and what is idle.

use std::collections::BTreeSet;

use contract::{AllotmentId, DeviceId};

use super::{Book, BookError, Entry};
use crate::allotment::kept::{self, Kept, Life, kept_of};
use crate::allotment::lists::Look;
use crate::allotment::record::{Holder, Record};
use crate::allotment::release::ADMISSION;
use crate::allotment::store;
use crate::decide::Taken;

impl Book {
    /// Writes down what is known of whom an allotment is kept for that no list names.
    pub(super) fn keep(&mut self, id: AllotmentId, look: &Look<'_>) -> Result<(), BookError> {
        let Some(Entry { record: known, .. }) = self.entries.get(&id) else { return Ok(()) };
        let of = |kept| kept_of(known, kept);
        let kept = look.kept.as_deref().and_then(of).filter(|_| !known.is_listed());
        let Some(kept) = kept.filter(|kept| kept.lives()) else { return Ok(()) };
        self.give_as(id, Some(&kept.resource))?;
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        let known = &entry.record;
        let mut record = Record { pod_uid: Some(kept.pod_uid.clone()), ..known.clone() };
        if let Some(holder) = kept.holder.clone() {
            (record.holder, record.unlisted) = (Some(holder), true);
        }
        if record != *known {
            store::save(&self.layout, &record)?;
            entry.record = record;
        }
        Ok(())
    }

    /// What is idle is as good as held: the kubelet gives it to nobody else.
    pub(super) fn set_aside(&mut self, kept: &[Kept]) {
        let before = std::mem::take(&mut self.idle);
        self.taken.remove(before.iter().flat_map(|kept| kept.devices.iter().copied()));
        self.idle = kept::idle(kept, |id| self.taken.has(id));
        self.idle.iter().for_each(|kept| count(&mut self.taken, kept));
    }

    /// Of what is idle only what a checkpoint named stays: that cannot be read any more.
    pub(super) fn keep_what_was_stored(&mut self) {
        let before = std::mem::take(&mut self.idle);
        self.taken.remove(before.iter().flat_map(|kept| kept.devices.iter().copied()));
        self.idle = before.into_iter().filter(|kept| !kept.pod_uid.is_empty()).collect();
        self.idle.iter().for_each(|kept| count(&mut self.taken, kept));
    }

    /// What an init container had and its successor has not is its pod's still. Whether it was one, the next look
    /// decides: the kubelet writes down what it gives out after it has asked.
    pub(super) fn rest(&self, id: AllotmentId, but: &BTreeSet<DeviceId>) -> Option<Kept> {
        let Entry { record, since, .. } = self.entries.get(&id)?;
        // Of an init container whose successor is listed, a list names the pod alone.
        let has_name = |holder: &Holder| holder.container.is_some();
        if record.is_listed() && record.holder.as_ref().is_some_and(has_name) {
            return None;
        }
        // The kubelet asks for all containers of a pod in a row. What has no name for longer was another pod's.
        if record.holder.is_none() && since.elapsed() > ADMISSION {
            return None;
        }
        Some(Kept {
            holder: record.holder.clone(),
            pod_uid: record.pod_uid.clone().unwrap_or_default(),
            resource: record.given_as(self.domain.as_deref()).unwrap_or_default(),
            devices: record.devices.iter().filter(|id| !but.contains(id)).copied().collect(),
            life: Life::Lives,
        })
    }

    /// One more that is idle, of devices that nobody has any more.
    pub(super) fn keep_idle(&mut self, kept: Option<Kept>) {
        let Some(kept) = kept.filter(|kept| !kept.devices.is_empty()) else { return };
        count(&mut self.taken, &kept);
        self.idle.push(kept);
    }

    /// What is given out is idle no more. The kubelet waits, so most are passed by at a look.
    pub(super) fn take_from_idle(&mut self, record: &Record) {
        let (first, last) = (record.devices.first(), record.devices.last());
        for kept in &mut self.idle {
            if kept.devices.last() >= first && kept.devices.first() <= last {
                kept.devices.retain(|id| record.devices.binary_search(id).is_err());
            }
        }
        self.idle.retain(|kept| !kept.devices.is_empty());
    }

    /// What is idle, as if it were an allotment for each GPU.
    pub fn idle(&self) -> impl Iterator<Item = Record> {
        self.idle.iter().flat_map(Kept::records)
    }
}

/// What is idle counts as held.
fn count(taken: &mut Taken, kept: &Kept) {
    let resource = (!kept.resource.is_empty()).then_some(&*kept.resource);
    taken.add(kept.devices.iter().copied(), resource);
}
