//! How shares are held and how they come into containers, as the configuration has it at a moment.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::warn;

use super::Node;
use crate::allotment::{Book, Holding, Record, RuleBook, Rules};
use crate::answer::Wares;
use crate::config::{Compute, Exposure};
use crate::decide::Refusal;
use crate::durable::FileError;
use crate::injection::{By, Way};
use crate::mps::{Daemons, Tenants};

impl Node {
    /// How containers get what they hold, at this moment.
    #[must_use]
    pub fn way(&self) -> Way {
        let config = self.config.borrow();
        let has_hook = self.wares.cdi.hook.is_some();
        Way::choose(config.injection, config.exposure, has_hook, self.software.borrow().as_ref())
    }

    /// No container is answered by names that its runtime drops in silence.
    pub(super) fn refuse_dropped(&self, has_names: bool) -> Result<(), Refusal> {
        let software = self.software.borrow();
        let drops = software.as_ref().filter(|software| has_names && software.lacks_cdi());
        drops.map_or(Ok(()), |software| Err(Refusal::NoCdi(software.to_string())))
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
        let _alone = self.specifying.lock().unwrap_or_else(PoisonError::into_inner);
        let unloadable = self.config.borrow().unloadable;
        cdi.write(driver, &self.inventory(), layout, unloadable)
    }

    fn rules(&self) -> RuleBook {
        let (config, inventory) = (self.config.borrow(), self.inventory());
        let rules = |compute: &Compute| Rules {
            compute: compute.policy,
            at_limit: config.at_limit,
            quantum_us: compute.quantum_ms * 1000,
            ..Rules::default()
        };
        let of_pools = inventory.gpus().iter().filter_map(|gpu| {
            let own = config.pools.get(&gpu.pool.as_ref()?.name.parse().ok()?)?.compute.as_ref()?;
            Some((gpu.uuid, rules(own)))
        });
        let daemons = self.daemons.borrow();
        let living = daemons.iter().filter(|(_, lives)| **lives).map(|(pipes, _)| pipes.clone());
        RuleBook {
            all: rules(&config.compute),
            by_gpu: of_pools.collect(),
            daemons: living.collect(),
        }
    }

    /// Where the MPS daemon's pipes lie for a share that is to be left to it. Where none lives the arbiter
    /// holds the share.
    pub(super) fn mps_pipes(&self, record: &Record) -> Option<PathBuf> {
        let &Holding::Share { gpu, .. } = &record.holding else { return None };
        let (config, inventory) = (self.config.borrow(), self.inventory());
        let pipes = config.compute_of(inventory.get(gpu)?.pool.as_ref()).mps_pipes()?;
        // Looked for beside this, so that where one lives no procfs keeps the kubelet waiting.
        let is_known = self.daemons.borrow().get(pipes) == Some(&true);
        let lives = is_known || self.tenants().daemon(pipes).is_some();
        if !lives {
            warn!(
                allotment = %record.id, pipes = %pipes.display(),
                "no MPS daemon lives behind these pipes: the arbiter holds this share for as long as it \
                 is held"
            );
        }
        lives.then(|| pipes.clone())
    }

    /// The folders of pipes that the configuration names.
    pub(crate) fn mps_configured(&self) -> BTreeSet<PathBuf> {
        self.config.borrow().mps_pipes()
    }

    /// Who plays no MPS daemon here.
    pub(crate) fn tenants(&self) -> Tenants {
        // The book is not held while procfs is read.
        let records = self.records();
        Tenants::new(&self.identity.proc, &self.wares.layout.pages, &records)
    }

    /// The driver's program that speaks with an MPS daemon, where there is one.
    pub(crate) fn mps_control(&self) -> Option<PathBuf> {
        self.wares.driver.mps_control()
    }

    /// Which MPS daemons live.
    #[must_use]
    pub fn daemons(&self) -> watch::Receiver<Arc<Daemons>> {
        self.daemons.subscribe()
    }

    /// These daemons live: who was told of one that does is left to it, and the others are not.
    pub(crate) fn follow_daemons(&self, daemons: Daemons) {
        self.daemons.send_replace(Arc::new(daemons));
        self.ruled_book().follow_daemons();
        self.held.send_replace(());
    }

    /// The book, for pages that are about to be made.
    pub(super) fn ruled_book(&self) -> MutexGuard<'_, Book> {
        let rules = self.rules();
        let mut book = self.book();
        book.follow(rules);
        book
    }
}
