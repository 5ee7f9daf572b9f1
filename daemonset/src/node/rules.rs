//! How shares are held and how they come into containers, as the configuration has it at a moment.

use std::path::PathBuf;
use std::sync::MutexGuard;

use super::Node;
use crate::allotment::{Book, Record, RuleBook, Rules};
use crate::answer::Wares;
use crate::config::{Compute, ComputeBackEnd, Exposure};
use crate::durable::FileError;
use crate::injection::{By, Way};

impl Node {
    /// How containers get what they hold, at this moment.
    #[must_use]
    pub fn way(&self) -> Way {
        let config = self.config.borrow();
        let has_hook = self.wares.cdi.hook.is_some();
        Way::choose(config.injection, config.exposure, has_hook, self.software.borrow().as_ref())
    }

    /// Writes the CDI specifications, if a container may ask for what stands in them.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn specify(&self) -> Result<(), FileError> {
        let way = self.way();
        let Wares { layout, driver, cdi, .. } = &self.wares;
        let wanted = way.shares == By::Cdi || way.exposure == Exposure::Cdi;
        if !wanted && !layout.cdi_used().exists() {
            return Ok(());
        }
        cdi.write(driver, &self.inventory(), layout, self.config.borrow().unloadable)
    }

    fn rules(&self) -> RuleBook {
        let (config, inventory) = (self.config.borrow(), self.inventory());
        let rules = |compute: &Compute| Rules {
            compute: compute.policy,
            at_limit: config.at_limit,
            back_end: compute.back_end,
            quantum_us: compute.quantum_ms * 1000,
        };
        let of_pools = inventory.gpus().iter().filter_map(|gpu| {
            let own = config.pools.get(&gpu.pool.as_ref()?.name.parse().ok()?)?.compute.as_ref()?;
            Some((gpu.uuid, rules(own)))
        });
        RuleBook { all: rules(&config.compute), by_gpu: of_pools.collect() }
    }

    /// Where the MPS daemon's pipes lie for an allotment, if MPS is what holds it to its share.
    pub(super) fn mps_pipes(&self, record: &Record) -> Option<PathBuf> {
        let (config, inventory) = (self.config.borrow(), self.inventory());
        let gpu = inventory.get(*record.holding.gpus().first()?)?;
        let pool = gpu.pool.as_ref().and_then(|pool| config.pools.get(&pool.name.parse().ok()?));
        let compute = pool.and_then(|pool| pool.compute.as_ref()).unwrap_or(&config.compute);
        let is_mps = compute.back_end == ComputeBackEnd::Mps;
        is_mps.then(|| compute.mps_pipe_directory.clone())
    }

    /// The book, for pages that are about to be made.
    pub(super) fn ruled_book(&self) -> MutexGuard<'_, Book> {
        let rules = self.rules();
        let mut book = self.book();
        book.follow(rules);
        book
    }
}
