//! What the words of the cards' threads come to.

use std::sync::Arc;

use contract::DeviceUuid;

use super::{Keeper, PATIENCE};
use crate::inventory::{Facts, Inventory, Scanned};
use crate::nvml::Source;
use crate::nvml::heard::{Heard, tell_changes};

impl<S: Source> Keeper<S> {
    /// The GPU at a place: what last answered there since the driver was reached, or before that where there are as many
    /// cards as then. Where one has gone or come the others' places are others.
    pub(super) fn gpu_at(&self, index: u32) -> Option<DeviceUuid> {
        let known = || {
            let inventory = self.inventory.borrow();
            let mut gpus =
                inventory.gpus().iter().filter(|_| inventory.gpus().len() == self.cards.len());
            gpus.find(|gpu| gpu.index == index).map(|gpu| gpu.uuid)
        };
        self.cards.get(&index)?.gpu.or_else(known)
    }

    fn scan(&self) -> Result<Vec<Scanned>, String> {
        if let Some(why) = &self.closed {
            return Err(why.clone());
        }
        Ok(self.cards.iter().filter_map(|(at, card)| Some((*at, self.of(*at, card)?))).collect())
    }

    /// What is known of a card. Of one that is slow to answer nothing, unless it is known which it is.
    fn of(&self, index: u32, card: &Heard) -> Option<Result<Facts, String>> {
        if card.at.elapsed() > PATIENCE {
            return Some(Err("the driver does not answer for it".into()));
        }
        let Some(facts) = card.facts.clone() else {
            let unheard = || Err("the driver has not answered for it yet".to_owned());
            return self.gpu_at(index).map(|_| unheard());
        };
        let facts = facts.map_err(|why| why.to_string());
        Some(facts.map(|facts| Facts {
            trouble: facts.trouble.clone().or_else(|| self.faults.of(facts.uuid)),
            ..facts
        }))
    }

    pub(super) fn refreshed(&self) -> Inventory {
        let (config, orders) = (self.wishes.config.borrow(), self.wishes.orders.borrow());
        self.inventory.borrow().refreshed(self.scan(), &config, &orders)
    }

    /// A card that the driver lists no more is lost. Where one does not answer it may be that.
    fn note_absent(&mut self) {
        if self.closed.is_some()
            || self.cards.is_empty()
            || !self.cards.values().all(Heard::answers)
        {
            return;
        }
        let inventory = self.inventory.borrow().clone();
        let is_here = |gpu: DeviceUuid| self.cards.values().any(|card| card.gpu == Some(gpu));
        let absent = inventory.gpus().iter().map(|gpu| gpu.uuid).filter(|gpu| !is_here(*gpu));
        absent.for_each(|gpu| self.faults.lost(gpu));
    }

    pub(super) fn publish(&mut self) {
        self.note_absent();
        // What they change is written, and whoever gives orders waits for no disk.
        let orders = self.wishes.orders.borrow().clone();
        self.faults.follow(&orders);
        let (before, after) = (self.inventory.borrow().clone(), self.refreshed());
        if *before != after {
            tell_changes(&before, &after);
            self.inventory.send_replace(Arc::new(after));
        }
    }
}
