//! The node: what the kubelet asks for, done.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use contract::{DeviceId, Resource};
use kubelet::deviceplugin::ContainerAllocateResponse;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::allotment::{Book, BookError, Held, Holding, Record};
use crate::answer::Wares;
use crate::decide::{self, Refusal};
use crate::identity::Identity;
use crate::inventory::{Inventory, PARTS};
use crate::layout::Layout;
use crate::refusals::{Left, Refusals, Refused};
use crate::registrations::Registrations;

/// Everything that the agent serves from.
pub struct Node {
    inventory: watch::Receiver<Arc<Inventory>>,
    book: Mutex<Book>,
    wares: Wares,
    identity: Identity,
    registrations: Registrations,
    refusals: Refusals,
}

/// Why the kubelet gets no for an answer. The sentence reaches the pod's events.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// The devices cannot be held.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node failed.
    #[error(transparent)]
    Failed(#[from] BookError),
}

impl Denial {
    /// As the metrics have it.
    const fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

impl Node {
    /// A node with these GPUs, allotments and files.
    #[must_use]
    pub fn new(
        inventory: watch::Receiver<Arc<Inventory>>,
        book: Book,
        wares: Wares,
        identity: Identity,
    ) -> Self {
        let refusals = Refusals::load(&wares.layout.refusals());
        let (book, registrations) = (Mutex::new(book), Registrations::default());
        Self { inventory, book, wares, identity, registrations, refusals }
    }

    /// The GPUs, from this moment on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Inventory>> {
        self.inventory.clone()
    }

    /// Makes an allotment of the devices with these IDs.
    ///
    /// # Errors
    /// [`Denial`]; nothing is changed then.
    pub fn allocate(&self, ids: &[String]) -> Result<ContainerAllocateResponse, Denial> {
        let inventory = self.inventory();
        let allotted = self.allot(ids, &inventory);
        let (devices, record) = allotted.inspect_err(|denial| self.remember(ids, denial))?;
        info!(allotment = %record.id, devices = devices.len(), gpus = %gpus(&record), "allocated");
        Ok(self.wares.answer(&record, &inventory))
    }

    fn allot(
        &self,
        ids: &[String],
        inventory: &Inventory,
    ) -> Result<(BTreeSet<DeviceId>, Record), Denial> {
        let grant = decide::allocate(ids, inventory, &self.book().taken())?;
        let devices = decide::parse(ids)?;
        let shared = matches!(grant, decide::Grant::Share { .. });
        let shim = shared.then(|| self.wares.shim.version.clone());
        let record = self.book().allot(&devices, &grant, shim)?;
        Ok((devices, record))
    }

    /// The devices that a container should get, of those that are free.
    #[must_use]
    pub fn prefer(&self, available: &[String], must: &[String], size: usize) -> Vec<String> {
        decide::prefer(available, must, size, &self.inventory())
    }

    /// Readies the allotment for a container that is about to start, and learns whose it is.
    ///
    /// An allotment without a record is made again from its devices: the kubelet replays an old
    /// answer then. That podresources do not answer keeps no container from starting: a name is for
    /// people, the limits stand without it, and the next comparison brings it.
    ///
    /// # Errors
    /// [`Denial`].
    pub async fn prestart(&self, ids: &[String]) -> Result<(), Denial> {
        let devices = decide::parse(ids)?;
        let renewed = self.book().renew(&devices)?;
        let record = match renewed {
            Some(record) => record,
            None => self.allot(ids, &self.inventory())?.1,
        };
        match self.identity.list().await {
            Ok(held) => self.name_holder(&record, &held)?,
            Err(why) => warn!(allotment = %record.id, %why, "starting without a name"),
        }
        Ok(())
    }

    fn name_holder(&self, record: &Record, held: &[Held]) -> Result<(), BookError> {
        let Some(holder) = crate::allotment::holder_of(record, held) else { return Ok(()) };
        let (pod, namespace) = (holder.pod.clone(), holder.namespace.clone());
        info!(allotment = %record.id, namespace, pod, container = ?holder.container, "starting");
        self.book().hold(record.id, holder)
    }

    /// Compares the allotments with what the kubelet lists, and ends those that have ended.
    ///
    /// # Errors
    /// Why nothing, or not all, was released.
    pub async fn reconcile(&self) -> anyhow::Result<()> {
        let asked = Instant::now();
        let held = self.identity.list_once().await?;
        Ok(self.book().reconcile(&held, asked)?)
    }

    /// The devices of one resource, as the kubelet is told of them.
    #[must_use]
    pub fn advertise(&self, resource: Resource) -> Vec<kubelet::deviceplugin::Device> {
        decide::advertise(resource, &self.inventory())
    }

    fn remember(&self, ids: &[String], denial: &Denial) {
        let taken = self.book().taken();
        let inventory = self.inventory();
        let left = inventory.offered(Resource::GpuPercent).map(|gpu| Left {
            gpu: gpu.uuid,
            index: gpu.index,
            percent: usize::from(PARTS)
                .saturating_sub(taken.get(&gpu.uuid).copied().unwrap_or_default()),
            sick: gpu.sick.clone(),
        });
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (why, asked) = (denial.to_string(), ids.len());
        self.refusals.add(denial.word(), Refused { at, asked, why, left: left.collect() });
    }

    /// What the kubelet knows.
    #[must_use]
    pub fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// What was refused.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// All allotments at this moment.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.book().records().cloned().collect()
    }

    /// The driver's NVML.
    #[must_use]
    pub fn nvml(&self) -> PathBuf {
        self.wares.driver.nvml()
    }

    /// The agent's folders.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.wares.layout
    }

    fn inventory(&self) -> Arc<Inventory> {
        self.inventory.borrow().clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change is on disk before it is in memory: a book that a panic left is whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gpus(record: &Record) -> String {
    let names: Vec<_> = record.holding.gpus().iter().map(ToString::to_string).collect();
    match &record.holding {
        Holding::Whole { .. } => names.join(","),
        Holding::Share { percent, .. } => format!("{percent}% of {}", names.join(",")),
    }
}
