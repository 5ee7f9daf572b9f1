//! How shares are held and how they come into containers, as the configuration has it at a moment.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use contract::{DeviceId, DeviceUuid};
use tokio::sync::watch;
use tracing::warn;

use super::Node;
use crate::allotment::{Book, Holding, Record, RuleBook, Rules};
use crate::answer::Wares;
use crate::cdi::Mark;
use crate::config::{Compute, Exposure, Unloadable};
use crate::decide::{self, Refusal};
use crate::durable::FileError;
use crate::injection::{By, Way};
use crate::inventory::Inventory;
use crate::mps::{Daemons, Holders, Tenants};

/// From what the CDI specifications were written, and the files that came of it. The shims that are installed change
/// with what writes them only.
pub(super) struct Specified {
    inventory: Arc<Inventory>,
    unloadable: Unloadable,
    marks: [Option<Mark>; 2],
}

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

    /// No container starts with device nodes that are other cards' by now: the kubelet replays the numbers of the
    /// time when it was answered.
    pub(super) fn refuse_renumbered(&self, devices: &BTreeSet<DeviceId>) -> Result<(), Refusal> {
        let (book, inventory) = (self.book(), self.inventory());
        let told = book.record(devices).and_then(|it| Some((&it.holding, it.minors.as_deref()?)));
        let other = told.and_then(|(of, minors)| decide::renumbered(of.gpus(), minors, &inventory));
        other.map_or(Ok(()), |gpu| Err(Refusal::Renumbered(gpu)))
    }

    /// No container is left to a runtime that would not find a file of the driver's: the kubelet replays mounts that were
    /// answered under another driver, and that runtime's words say nothing of it.
    pub(super) fn refuse_lost(&self, devices: &BTreeSet<DeviceId>) -> Result<(), Refusal> {
        let files = self.book().record(devices).and_then(|record| record.driver_files.clone());
        let lost = files.as_deref().and_then(|files| self.wares.driver.lacks(files));
        lost.map_or(Ok(()), |file| Err(Refusal::DriverFile(file.to_owned())))
    }

    /// No container starts with the device nodes of a slice that is there no more: they are the whole card's by now, or
    /// another slice's. Cards that are not well say nothing about that.
    pub(super) fn refuse_undivided(&self, devices: &BTreeSet<DeviceId>) -> Result<(), Refusal> {
        let (book, inventory) = (self.book(), self.inventory());
        let Some(Holding::Slices { slices, gpus }) = book.record(devices).map(|it| &it.holding)
        else {
            return Ok(());
        };
        let is_well = |gpu: DeviceUuid| inventory.get(gpu).is_some_and(|gpu| gpu.sick.is_none());
        let is_gone = |(slice, gpu): &(&DeviceUuid, &DeviceUuid)| {
            is_well(**gpu) && inventory.slice(**slice).is_none()
        };
        let gone = slices.iter().zip(gpus).find(is_gone);
        gone.map_or(Ok(()), |(slice, _)| Err(Refusal::Unknown(*slice)))
    }

    /// Writes the CDI specifications, if a container may ask for what stands in them.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn specify(&self) -> Result<(), FileError> {
        let way = self.way();
        let Wares { layout, driver, cdi, .. } = &self.wares;
        // Without its files containers would start and lack a driver: by the names of before they do not start.
        if !driver.is_there() {
            return Ok(());
        }
        let wanted = way.shares == By::Cdi || way.exposure == Exposure::Cdi;
        if !wanted && !layout.cdi_used().exists() {
            return Ok(());
        }
        let _alone = self.specifying.lock().unwrap_or_else(PoisonError::into_inner);
        let (inventory, unloadable) = (self.inventory(), self.config.borrow().unloadable);
        cdi.write(driver, &inventory, layout, unloadable)?;
        *self.specified() = Some(Specified { inventory, unloadable, marks: cdi.marks() });
        Ok(())
    }

    /// The same for an answer: where nothing has changed since they were written it takes two looks at files, and
    /// waits for nobody who writes them.
    ///
    /// # Errors
    /// [`FileError`].
    pub(super) fn specify_where_changed(&self) -> Result<(), FileError> {
        let (inventory, unloadable) = (self.inventory(), self.config.borrow().unloadable);
        let marks = self.wares.cdi.marks();
        let is_done = self.specified().as_ref().is_some_and(|done| {
            let is_of = Arc::ptr_eq(&done.inventory, &inventory) && done.unloadable == unloadable;
            is_of && done.marks == marks && marks.iter().any(Option::is_some)
        });
        if is_done { Ok(()) } else { self.specify() }
    }

    fn specified(&self) -> MutexGuard<'_, Option<Specified>> {
        self.specified.lock().unwrap_or_else(PoisonError::into_inner)
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
        let holders = self.holders();
        holders.tenants()
    }

    /// Who holds allotments, as their processes are known.
    pub(crate) fn holders(&self) -> Holders {
        Holders::new(&self.identity.proc, &self.wares.layout.pages, self.book().records())
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
        self.changed();
    }

    /// The book, for pages that are about to be made.
    pub(super) fn ruled_book(&self) -> MutexGuard<'_, Book> {
        let rules = self.rules();
        let mut book = self.book();
        book.follow(rules);
        book
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cdi::Cdi;
    use crate::config::{ComputeBackEnd, Config, Injection};
    use crate::inventory::tests::uuid;
    use crate::node::tests::Bare;
    use crate::node::{Denial, hung};

    fn half(from: u8) -> Vec<String> {
        (from..from + 50).map(|part| format!("{}::{part}", uuid(0))).collect()
    }

    /// Whether a share is allotted although nobody lets go of what hangs.
    fn allots(bare: &Bare, ids: Vec<String>, let_go: impl Fn()) -> bool {
        let node = bare.node.clone();
        hung::is_done(move || drop(node.allocate("gpu-percent", &ids).unwrap()), let_go)
    }

    #[test]
    fn what_an_answer_names_is_written_again_where_it_was_changed_and_waits_for_nobody_where_not() {
        let bare = Bare::with(Config { injection: Injection::Cdi, ..Config::default() });
        let Cdi { folder, .. } = &bare.node.wares.cdi;
        bare.node.allocate("gpu-percent", &half(0)).unwrap();
        let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let text = fs::read(&file).unwrap();
        fs::write(&file, "{}").unwrap();
        bare.node.allocate("gpu-percent", &half(50)).unwrap();
        assert_eq!(fs::read(&file).unwrap(), text);
        // Somebody writes to a disk that hangs.
        let writing = std::sync::Mutex::new(Some(bare.node.specifying.lock().unwrap()));
        let let_go = || drop(writing.lock().unwrap().take());
        assert!(allots(&bare, half(0), let_go), "Allocate waited for the specifications");
    }

    #[tokio::test]
    async fn no_container_starts_whose_mounts_name_what_the_driver_of_now_does_not_have() {
        let of = |injection, exposure| Config { injection, exposure, ..Config::default() };
        for (config, refused) in [
            (of(Injection::Mounts, Exposure::Mounts), true),
            (of(Injection::Mounts, Exposure::Env), false),
            (of(Injection::Cdi, Exposure::Mounts), false),
        ] {
            let bare = Bare::with(config);
            let nvml = bare.node.nvml();
            let file = nvml.with_file_name("libcuda.so");
            fs::write(&file, "").unwrap();
            bare.node.allocate("gpu-percent", &half(0)).unwrap();
            let start = async || bare.node.prestart(&half(0)).await;
            assert!(start().await.is_ok(), "all is there");
            fs::remove_file(&file).unwrap();
            match start().await {
                Err(Denial::Refused(Refusal::DriverFile(lost))) => {
                    assert!(refused && lost == file, "{}", lost.display());
                }
                started => assert!(started.is_ok() && !refused, "{started:?}"),
            }
            fs::remove_file(nvml).unwrap();
            assert!(start().await.is_ok(), "of a driver that is not seen nothing is known");
        }
    }

    #[test]
    fn a_share_is_left_to_a_daemon_that_is_known_to_live_without_a_look_at_procfs() {
        let (back_end, pipes) = (ComputeBackEnd::Mps, PathBuf::from("/run/mps"));
        let mps_pipe_directory = pipes.clone();
        let compute = Compute { back_end, mps_pipe_directory, ..Compute::default() };
        let bare = Bare::with(Config { compute, ..Config::default() });
        let file = bare.node.identity.proc.join("self/mountinfo");
        hung::silent(&file);
        bare.node.daemons.send_replace(Arc::new([(pipes.clone(), true)].into()));
        assert!(allots(&bare, half(0), || hung::let_go(&file)), "Allocate waited for procfs");
        assert_eq!(bare.node.records()[0].mps, Some(pipes));
    }
}
