//! What is learned of an allotment that is there is written down: who holds it, and by whom it is held to its share.

use std::path::Path;

use contract::AllotmentId;
use tracing::warn;

use super::{Book, BookError};
use crate::allotment::holders::{Held, resource_of};
use crate::allotment::record::{Holder, Record};
use crate::allotment::{pages, store};

impl Book {
    /// Writes down who holds an allotment, by the kubelet's lists.
    ///
    /// # Errors
    /// [`BookError::File`].
    pub fn hold(&mut self, id: AllotmentId, holder: Holder) -> Result<(), BookError> {
        self.name(id, holder, false)
    }

    /// The same by the kubelet's checkpoint, which names the containers that are in no list as well.
    ///
    /// # Errors
    /// [`BookError::File`].
    pub fn hold_unlisted(&mut self, id: AllotmentId, holder: Holder) -> Result<(), BookError> {
        self.name(id, holder, true)
    }

    fn name(&mut self, id: AllotmentId, holder: Holder, unlisted: bool) -> Result<(), BookError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        if entry.record.holder.as_ref() != Some(&holder) || entry.record.unlisted != unlisted {
            let record = Record { holder: Some(holder), unlisted, ..entry.record.clone() };
            store::save(&self.layout, &record)?;
            entry.record = record;
        }
        Ok(())
    }

    /// Writes down as which resource an allotment was given out, without the domain, where nobody has: it was made again.
    ///
    /// # Errors
    /// [`BookError::File`].
    pub fn give_as(&mut self, id: AllotmentId, resource: Option<&str>) -> Result<(), BookError> {
        let (Some(entry), Some(resource)) = (self.entries.get_mut(&id), resource) else {
            return Ok(());
        };
        if entry.record.resource.is_none() {
            let (resource, domain) = (Some(resource.to_owned()), self.domain.clone());
            let record = Record { resource, domain, ..entry.record.clone() };
            store::save(&self.layout, &record)?;
            entry.record = record.clone();
            self.take(&record);
        }
        Ok(())
    }

    /// The same for all that a list names.
    ///
    /// # Errors
    /// The first [`BookError::File`].
    pub fn give_all_as(&mut self, held: &[Held]) -> Result<(), BookError> {
        let nameless = self.records().filter(|record| record.resource.is_none());
        let given = |record: &Record| Some((record.id, resource_of(record, held)?.to_owned()));
        let given: Vec<_> = nameless.filter_map(given).collect();
        given.into_iter().try_for_each(|(id, resource)| self.give_as(id, Some(&resource)))
    }

    /// Writes down whether an allotment's pages may be others than its record alone would make them.
    ///
    /// # Errors
    /// [`BookError::File`].
    pub fn mark_refined(&mut self, id: AllotmentId, refined: bool) -> Result<(), BookError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        if entry.record.refined != Some(refined) {
            let record = Record { refined: Some(refined), ..entry.record.clone() };
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
                let [namespace, pod, container] = Holder::words(record.holder.as_ref());
                warn!(
                    namespace, pod, container, allotment = %record.id, %error,
                    "its pages do not say who holds it to its share"
                );
            }
        }
    }
}
