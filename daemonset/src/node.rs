//! The node: what the kubelet asks for, done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use contract::{AllotmentId, DeviceId, Domain};
use kubelet::deviceplugin::ContainerAllocateResponse;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::allotment::{Book, BookError, Held, Holding, Record, RuleBook, Rules};
use crate::answer::Wares;
use crate::api::{Meta, Pods, PoolStates, Refinement};
use crate::arbiter;
use crate::config::{Compute, ComputeBackEnd, Config, Exposure, Placement, Who};
use crate::decide::{self, Offers, Refusal};
use crate::durable::FileError;
use crate::identity::Identity;
use crate::injection::{By, Software, Way};
use crate::inventory::{Inventory, Kind, PARTS};
use crate::layout::Layout;
use crate::refusals::{Left, Refusals, Refused};
use crate::registrations::Registrations;
use crate::runtimes::Runtimes;

/// Everything that the agent serves from.
pub struct Node {
    inventory: watch::Receiver<Arc<Inventory>>,
    config: watch::Receiver<Arc<Config>>,
    /// Which node it is: chooses what holds of the configuration.
    who: watch::Sender<Who>,
    book: Mutex<Book>,
    /// Moves whenever an allotment is made or ends.
    held: watch::Sender<()>,
    wares: Wares,
    identity: Identity,
    registrations: Registrations,
    refusals: Refusals,
    pods: watch::Sender<Arc<Pods>>,
    refined: Mutex<BTreeSet<AllotmentId>>,
    /// Of allotments that go first.
    classes: Mutex<BTreeMap<AllotmentId, arbiter::Class>>,
    /// What the API server says of the node's software.
    software: watch::Sender<Option<Software>>,
    pools: watch::Sender<Arc<PoolStates>>,
    runtimes: Runtimes,
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
    /// The specifications that the answer names cannot be written.
    #[error(transparent)]
    Unspecified(#[from] FileError),
}

impl Denial {
    /// As the metrics have it.
    const fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Failed(_) | Self::Unspecified(_) => "failed",
        }
    }
}

impl Node {
    /// A node with these GPUs, allotments and files.
    #[must_use]
    pub fn new(
        inventory: watch::Receiver<Arc<Inventory>>,
        config: watch::Receiver<Arc<Config>>,
        who: watch::Sender<Who>,
        book: Book,
        wares: Wares,
        identity: Identity,
    ) -> Self {
        let refusals = Refusals::load(&wares.layout.refusals());
        let (book, held) = (Mutex::new(book), watch::Sender::new(()));
        let registrations = Registrations::default();
        let (pods, refined, classes, pools) = Default::default();
        let software = watch::Sender::new(None);
        Self {
            inventory,
            config,
            who,
            book,
            held,
            wares,
            identity,
            registrations,
            refusals,
            pods,
            refined,
            classes,
            software,
            pools,
            runtimes: Runtimes::default(),
        }
    }

    /// The GPUs, from this moment on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Inventory>> {
        self.inventory.clone()
    }

    /// Moves whenever an allotment is made, made anew or ends.
    #[must_use]
    pub fn watch_held(&self) -> watch::Receiver<()> {
        self.held.subscribe()
    }

    /// Whether an allotment goes first where somebody waits for its answers.
    #[must_use]
    pub fn class_of(&self, id: AllotmentId) -> arbiter::Class {
        let classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        classes.get(&id).copied().unwrap_or_default()
    }

    /// An allotment is of this class from now on; the arbiter hears of it.
    fn classify(&self, id: AllotmentId, class: arbiter::Class) {
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match class {
            arbiter::Class::Batch => classes.remove(&id).unwrap_or_default(),
            class => classes.insert(id, class).unwrap_or_default(),
        };
        drop(classes);
        if before != class {
            self.held.send_replace(());
        }
    }

    /// The node has these labels: they choose what holds of the configuration.
    pub fn labelled(&self, labels: &BTreeMap<String, String>) {
        self.who.send_if_modified(|who| {
            let news = who.labels != *labels;
            who.labels.clone_from(labels);
            news
        });
    }

    /// The configuration, from this moment on.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// Makes an allotment of the devices with these IDs, of `resource` (without the domain).
    ///
    /// # Errors
    /// [`Denial`]; nothing is changed then.
    pub fn allocate(
        &self,
        resource: &str,
        ids: &[String],
    ) -> Result<ContainerAllocateResponse, Denial> {
        let inventory = self.inventory();
        let allotted = self.decide(ids, &inventory, resource);
        let (devices, record) = allotted.inspect_err(|denial| self.remember(ids, denial))?;
        info!(allotment = %record.id, devices = devices.len(), gpus = %gpus(&record), "allocated");
        let mut answer = self.wares.answer(&record, &inventory, &self.way());
        if let Some(pipes) = self.mps_pipes(&record) {
            arbiter::mps::extend(&mut answer, &record, &pipes);
        }
        if !answer.cdi_devices.is_empty() {
            // Before the kubelet stores a name that it can replay after the next reboot.
            self.wares.cdi.mark_used(&self.wares.layout)?;
            self.specify()?;
        }
        Ok(answer)
    }

    fn decide(
        &self,
        ids: &[String],
        inventory: &Inventory,
        resource: &str,
    ) -> Result<(BTreeSet<DeviceId>, Record), Denial> {
        let grant = decide::allocate(ids, inventory, &self.book().taken())?;
        self.allot(ids, &grant, Some(resource))
    }

    fn allot(
        &self,
        ids: &[String],
        grant: &decide::Grant,
        resource: Option<&str>,
    ) -> Result<(BTreeSet<DeviceId>, Record), Denial> {
        let devices = decide::parse(ids)?;
        let shared = matches!(grant, decide::Grant::Share { .. });
        let shim = shared.then(|| self.wares.shim.version.clone());
        let record = self.ruled_book().allot(&devices, grant, resource, shim)?;
        self.held.send_replace(());
        Ok((devices, record))
    }

    /// The allotment of devices that the kubelet gave out earlier, made again: what was decided then
    /// is not judged by what is cordoned or held since.
    fn allot_again(&self, ids: &[String]) -> Result<Record, Denial> {
        let inventory = self.inventory().uncordoned();
        let grant = decide::allocate(ids, &inventory, &Default::default())?;
        Ok(self.allot(ids, &grant, None)?.1)
    }

    /// The devices that a container should get, of those that are free.
    #[must_use]
    pub fn prefer(&self, available: &[String], must: &[String], size: usize) -> Vec<String> {
        let policy = match self.config.borrow().placement {
            Placement::Pack => share::Policy::Pack,
            Placement::Spread => share::Policy::Spread,
        };
        decide::prefer(available, must, size, &self.inventory(), policy)
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
        let renewed = self.ruled_book().renew(&devices)?;
        let record = match renewed {
            Some(record) => record,
            None => self.allot_again(ids)?,
        };
        // Its pages may be others from here on.
        self.held.send_replace(());
        match self.identity.list().await {
            Ok(held) => {
                if let Some(other) = crate::allotment::clash(&record, &held) {
                    return Err(Refusal::MixedPod(other).into());
                }
                self.refuse_runtime(&record, &held).await?;
                self.name_holder(&record, &held)?;
                self.refine_one(&record, &held);
            }
            Err(why) => warn!(allotment = %record.id, %why, "starting without a name"),
        }
        Ok(())
    }

    /// No share starts in a runtime that cannot hold one.
    async fn refuse_runtime(&self, record: &Record, held: &[Held]) -> Result<(), Denial> {
        let is_share = matches!(record.holding, Holding::Share { .. });
        let holder = crate::allotment::holder_of(record, held).filter(|_| is_share);
        let Some(holder) = holder else { return Ok(()) };
        let refused = self.config.borrow().refused_runtimes.clone();
        match self.runtimes.refused(&holder, &refused).await {
            Some(handler) => Err(Refusal::Runtime(handler).into()),
            None => Ok(()),
        }
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
        let done = self.book().reconcile(&held, asked);
        self.held.send_replace(());
        Ok(done?)
    }

    /// Resources of other plugins that offer GPUs of this node; `None` where the kubelet does not say.
    pub async fn rivals(&self) -> Option<crate::rivals::Rivals> {
        let list = self.identity.allocatable().await.ok()?;
        Some(crate::rivals::rivals(&list, &self.identity.domain, &self.inventory()))
    }

    /// Moves whenever an allotment is made or ends, from this moment on.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<()> {
        self.held.subscribe()
    }

    /// The devices of every resource, as the kubelet is told of them.
    #[must_use]
    pub fn offers(&self) -> Offers {
        decide::offers(&self.inventory(), &self.book().taken(), &self.config.borrow())
    }

    /// Keeps `offers` what [`Self::offers`] says, until nobody listens to it any more.
    pub async fn keep_offers(self: Arc<Self>, offers: watch::Sender<Arc<Offers>>) {
        let (mut inventory, mut config) = (self.inventory.clone(), self.config.clone());
        let mut held = self.held.subscribe();
        loop {
            let fresh = self.offers();
            offers.send_if_modified(|known| {
                let changed = **known != fresh;
                if changed {
                    *known = Arc::new(fresh);
                }
                changed
            });
            // Whoever makes the inventory or the configuration ends only with the agent.
            tokio::select! {
                Ok(()) = inventory.changed() => {}
                Ok(()) = config.changed() => {}
                Ok(()) = held.changed() => {}
                () = offers.closed() => return,
            }
        }
    }

    fn remember(&self, ids: &[String], denial: &Denial) {
        let taken = self.book().taken();
        let inventory = self.inventory();
        let shared = inventory.gpus().iter().filter(|gpu| gpu.offers(Kind::Percent));
        let left = shared.map(|gpu| Left {
            gpu: gpu.uuid,
            index: gpu.index,
            percent: usize::from(PARTS).saturating_sub(taken.percent(gpu.uuid)),
            sick: decide::blocked(gpu, Kind::Percent, &taken).map(|why| why.to_string()),
        });
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (why, asked) = (denial.to_string(), ids.len());
        self.refusals.add(denial.word(), Refused { at, asked, why, left: left.collect() });
    }

    /// What the pod's annotations ask for, where the API server has told of them by now; otherwise
    /// they are applied when it does.
    fn refine_one(&self, record: &Record, held: &[Held]) {
        let Ok(domain) = Domain::parse(&self.identity.domain) else { return };
        let holder = crate::allotment::holder_of(record, held);
        let record = Record { holder, ..record.clone() };
        // What does not count becomes an event at the next look.
        let _ = self.refine(&record, &self.pods.borrow(), domain);
    }

    /// Applies all pods' annotations. Answers what of them does not count, by pod.
    pub fn refine_all(&self, domain: Domain<'_>) -> Vec<(Meta, String)> {
        let pods = self.pods.borrow().clone();
        let records = self.records();
        records.iter().flat_map(|record| self.refine(record, &pods, domain)).collect()
    }

    fn refine(&self, record: &Record, pods: &Pods, domain: Domain<'_>) -> Vec<(Meta, String)> {
        let Some(holder) = &record.holder else { return Vec::new() };
        let its = |pod: &&Meta| pod.namespace == holder.namespace && pod.name == holder.pod;
        let Some(pod) = pods.values().find(its) else { return Vec::new() };
        let (refinement, mut problems) = Refinement::parse(&pod.annotations, domain);
        self.classify(record.id, refinement.class);
        let mut refined = self.refined.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose annotations were taken away becomes what it was.
        if refinement != Refinement::default() || refined.remove(&record.id) {
            problems.extend(self.apply(record, &refinement));
        }
        if refinement != Refinement::default() {
            refined.insert(record.id);
        }
        problems.into_iter().map(|problem| (pod.clone(), problem)).collect()
    }

    fn apply(&self, record: &Record, refinement: &Refinement) -> Vec<String> {
        let rules = self.book().rules(record);
        crate::allotment::refine(&self.wares.layout, record, rules, refinement)
    }

    /// The pods of the node, as the API server tells of them.
    #[must_use]
    pub fn pods(&self) -> &watch::Sender<Arc<Pods>> {
        &self.pods
    }

    /// Whether the node's pools are alike on all their nodes, as far as the API server has told.
    #[must_use]
    pub fn pools(&self) -> &watch::Sender<Arc<PoolStates>> {
        &self.pools
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

    /// Where the runtime of a pod is asked for.
    #[must_use]
    pub fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// What the API server says of the node's software.
    #[must_use]
    pub fn software(&self) -> &watch::Sender<Option<Software>> {
        &self.software
    }

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
    fn mps_pipes(&self, record: &Record) -> Option<PathBuf> {
        let (config, inventory) = (self.config.borrow(), self.inventory());
        let gpu = inventory.get(*record.holding.gpus().first()?)?;
        let pool = gpu.pool.as_ref().and_then(|pool| config.pools.get(&pool.name.parse().ok()?));
        let compute = pool.and_then(|pool| pool.compute.as_ref()).unwrap_or(&config.compute);
        let is_mps = compute.back_end == ComputeBackEnd::Mps;
        is_mps.then(|| compute.mps_pipe_directory.clone())
    }

    /// The book, for pages that are about to be made.
    fn ruled_book(&self) -> MutexGuard<'_, Book> {
        let rules = self.rules();
        let mut book = self.book();
        book.follow(rules);
        book
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
        Holding::Slices { slices, .. } => {
            slices.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        Holding::Share { percent, .. } => format!("{percent}% of {}", names.join(",")),
    }
}
