//! The node: what the agent serves from, and what others of it ask. `calls` does what the kubelet
//! asks for, `compare` believes what it lists, `pods` what the API server tells, `rules` follows the
//! configuration.

mod calls;
mod compare;
mod denial;
mod gathered;
#[cfg(test)]
mod hung;
mod kept;
mod lives;
mod outlived;
mod pods;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::AllotmentId;
use tokio::sync::watch;

use crate::allotment::{Book, Lists, PodName, Record};
use crate::answer::Wares;
use crate::api::{Pods, PoolStates};
use crate::arbiter;
use crate::checkpoint::Reader;
use crate::config::{Config, Who};
use crate::decide::{self, Offers};
use crate::identity::{Identity, Life};
use crate::injection::Software;
use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::mps::Daemons;
use crate::refusals::Refusals;
use crate::registrations::Registrations;
use crate::runtimes::Runtimes;
pub use denial::Denial;
pub(crate) use gathered::Gathered;
use lives::Lives;
pub use outlived::HandedOn;
use outlived::Outlived;

/// Allotments come in bursts, and the kubelet writes a file for every list that it is sent: one that
/// allotments change waits so long for others. The answer to Allocate goes before it, and so does that to the next.
const GATHER: Duration = Duration::from_millis(100);

/// Everything that the agent serves from.
pub struct Node {
    inventory: watch::Receiver<Arc<Inventory>>,
    config: watch::Receiver<Arc<Config>>,
    /// Which node it is: chooses what holds of the configuration.
    who: watch::Sender<Who>,
    book: Mutex<Book>,
    /// Moves whenever an allotment is made, made anew, is another or ends.
    allotted: watch::Sender<()>,
    /// The same but where one is made for a container that has yet to be about to start.
    held: watch::Sender<()>,
    wares: Wares,
    identity: Identity,
    lists: Mutex<Lists<Life>>,
    /// What is known of pods of which the kubelet lists no device.
    lives: Mutex<Lives>,
    outlived: Mutex<Outlived>,
    /// Moves when the kubelet is to be sent its lists once more.
    again: watch::Sender<()>,
    registrations: Registrations,
    refusals: Refusals,
    pods: watch::Sender<Arc<Pods>>,
    /// Of allotments that go first.
    classes: Mutex<BTreeMap<AllotmentId, arbiter::Class>>,
    /// Of which it could not be written down whether they are refined.
    unmarked: Mutex<BTreeSet<AllotmentId>>,
    /// What the API server says of the node's software.
    software: watch::Sender<Option<Software>>,
    pools: watch::Sender<Arc<PoolStates>>,
    runtimes: Runtimes,
    daemons: watch::Sender<Arc<Daemons>>,
    checkpoint: Reader,
    /// Held while the CDI specifications are written: more than one thread does.
    specifying: Mutex<()>,
    /// What was written last.
    specified: Mutex<Option<rules::Specified>>,
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
        let (book, allotted, held) =
            (Mutex::new(book), watch::Sender::new(()), watch::Sender::new(()));
        let registrations = Registrations::default();
        let (pods, classes, unmarked, pools) = Default::default();
        let checkpoint = Reader::new(identity.checkpoint.clone());
        let (lists, lives) = (Mutex::new(Lists::new(None)), Mutex::default());
        let software = watch::Sender::new(None);
        Self {
            inventory,
            config,
            who,
            book,
            allotted,
            held,
            wares,
            identity,
            lists,
            lives,
            outlived: Mutex::default(),
            again: watch::Sender::new(()),
            registrations,
            refusals,
            pods,
            classes,
            unmarked,
            software,
            pools,
            runtimes: Runtimes::default(),
            daemons: watch::Sender::default(),
            checkpoint,
            specifying: Mutex::default(),
            specified: Mutex::default(),
        }
    }

    /// The same for an agent in this pod, which every list of all pods names.
    #[must_use]
    pub fn in_pod(self, own_pod: Option<PodName>) -> Self {
        Self { lists: Mutex::new(Lists::new(own_pod)), ..self }
    }

    /// The GPUs, from this moment on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Inventory>> {
        self.inventory.clone()
    }

    /// Moves whenever an allotment is made, made anew, is another or ends.
    #[must_use]
    pub fn watch_allotted(&self) -> watch::Receiver<()> {
        self.allotted.subscribe()
    }

    /// The same for who follows what runs: one that is made is told of when its container is about to start, or with
    /// what changes next, at the next comparison at the latest.
    #[must_use]
    pub fn watch_held(&self) -> watch::Receiver<()> {
        self.held.subscribe()
    }

    /// Tells all who follow that what is held is another.
    fn changed(&self) {
        self.allotted.send_replace(());
        self.held.send_replace(());
    }

    /// Moves when the kubelet is to be sent its lists once more, although they say the same: it writes its
    /// checkpoint then.
    #[must_use]
    pub fn watch_again(&self) -> watch::Receiver<()> {
        self.again.subscribe()
    }

    /// The configuration, from this moment on.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// The devices of every resource from this moment on, as the kubelet is told of them, and what keeps
    /// them so: it ends when nobody listens any more.
    pub fn keep_offers(
        self: Arc<Self>,
    ) -> (watch::Receiver<Arc<Offers>>, impl Future<Output = ()> + Send + 'static) {
        let (mut inventory, mut config) = (self.inventory.clone(), self.config.clone());
        let mut allotted = Gathered::new(self.allotted.subscribe(), GATHER);
        let mut known = self.sketch();
        let (offers, told) = watch::channel(Arc::new(known.devices()));
        let keeping = async move {
            loop {
                // Whoever makes the inventory or the configuration ends only with the agent.
                tokio::select! {
                    Ok(()) = inventory.changed() => {}
                    Ok(()) = config.changed() => {}
                    Ok(()) = allotted.next() => {}
                    () = offers.closed() => return,
                }
                let fresh = self.sketch();
                if fresh != known {
                    offers.send_replace(Arc::new(fresh.devices()));
                    known = fresh;
                }
            }
        };
        (told, keeping)
    }

    fn sketch(&self) -> decide::Sketch {
        decide::sketch(&self.inventory(), self.book().taken(), &self.config.borrow())
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

    /// All allotments at this moment.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.book().records().cloned().collect()
    }

    /// All that is held at this moment.
    #[must_use]
    pub fn taken(&self) -> decide::Taken {
        self.book().taken().clone()
    }

    /// What the kubelet keeps for pods that live and no allotment has, as if it were one for each GPU.
    #[must_use]
    pub fn idle(&self) -> Vec<Record> {
        self.book().idle().collect()
    }

    /// Allotments that are not as they should be, and why.
    #[must_use]
    pub fn troubles(&self) -> Vec<(AllotmentId, String)> {
        self.book().troubles().map(|(id, why)| (id, why.to_owned())).collect()
    }

    /// How many allotments of pods that are gone have ended since the agent started although somebody held their ledgers.
    #[must_use]
    pub fn handed_on(&self) -> u64 {
        self.known_outlived().times()
    }

    /// Those of them that were found since this was last asked.
    #[must_use]
    pub fn take_handed_on(&self) -> Vec<HandedOn> {
        self.known_outlived().take_untold()
    }

    /// The driver's NVML.
    #[must_use]
    pub fn nvml(&self) -> PathBuf {
        self.wares.driver.nvml()
    }

    /// The shim that allotments get which are made from now on.
    #[must_use]
    pub fn shim_version(&self) -> &str {
        &self.wares.shim.version
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

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
pub(crate) mod tests;
