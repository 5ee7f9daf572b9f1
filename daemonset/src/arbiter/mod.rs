//! The arbiter: one thread per GPU that shares out its time among containers.
//!
//! It talks with each container through that container's pages alone, and holds no state that it could
//! not do without: one that begins anew takes up where the pages are. What is decided is decided in the
//! `arbiter` crate.

mod board;
mod desk;
mod gangs;
mod keeper;
mod shares;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use contract::DeviceUuid;
use ledger::clock;
use tokio::sync::watch;
use tracing::warn;

pub use arbiter::Class;
pub use keeper::{Seen, Share, Work};
pub use shares::Shares;
pub use view::{GpuView, View};

use crate::node::{Gathered, Node};
use board::Board;
use gangs::Gangs;

/// How often pages are looked for that were made anew or could not be opened, where nobody tells.
const HOUSEKEEPING: Duration = Duration::from_millis(250);

/// The kubelet's answer goes first, and what comes at once is followed at once. A container's first program runs
/// some tens of milliseconds after its pages were made.
const GATHER: Duration = Duration::from_millis(20);

/// All GPUs' threads. They end when this is dropped, and the containers pace themselves.
pub struct Arbiter {
    threads: BTreeMap<DeviceUuid, Thread>,
    gangs: Arc<Gangs>,
    housekeeping: Duration,
}

struct Thread {
    board: Arc<Board>,
    handle: JoinHandle<()>,
}

impl Default for Arbiter {
    fn default() -> Self {
        Self::keeping_house_every(HOUSEKEEPING)
    }
}

impl Arbiter {
    /// One that looks so often for pages that were made anew while nobody told it to [`follow`].
    ///
    /// [`follow`]: Self::follow
    fn keeping_house_every(housekeeping: Duration) -> Self {
        Self { threads: BTreeMap::new(), gangs: Arc::default(), housekeeping }
    }

    /// These are the shares from now on: a GPU without any has no thread. Pages that were made anew are
    /// opened, also where the shares are the same.
    pub fn follow(&mut self, shares: Shares) {
        self.threads.retain(|gpu, thread| {
            let stays = shares.contains_key(gpu) && !thread.handle.is_finished();
            if !stays {
                thread.board.end();
            }
            stays
        });
        for (gpu, shares) in shares {
            if let Some(thread) = self.threads.get(&gpu) {
                thread.board.tell(shares);
            } else if let Some(thread) = Thread::start(gpu, self.gangs.clone(), self.housekeeping) {
                thread.board.tell(shares);
                self.threads.insert(gpu, thread);
            }
        }
    }

    /// Whether the thread of a GPU has ended, which nobody told to: it has panicked, and says so itself.
    fn has_lost_one(&self) -> bool {
        self.threads.values().any(|thread| thread.handle.is_finished())
    }

    /// What is known.
    #[must_use]
    pub fn view(&self) -> View {
        let gpu = |(gpu, thread): (&DeviceUuid, &Thread)| {
            let (seen, work) = thread.board.seen();
            let containers = seen.into_iter().map(|(id, seen)| (id.to_string(), seen)).collect();
            (gpu.to_string(), GpuView { work, containers })
        };
        View { at_ns: clock::own_ns(), gpus: self.threads.iter().map(gpu).collect() }
    }
}

impl Drop for Arbiter {
    fn drop(&mut self) {
        self.threads.values().for_each(|thread| thread.board.end());
        for thread in std::mem::take(&mut self.threads).into_values() {
            let _ = thread.handle.join();
        }
    }
}

impl Thread {
    fn start(gpu: DeviceUuid, gangs: Arc<Gangs>, housekeeping: Duration) -> Option<Self> {
        let board = Arc::new(Board::default());
        let told = board.clone();
        let thread = thread::Builder::new().name("arbiter".into());
        match thread.spawn(move || keeper::keep(gpu, gangs, housekeeping, &told)) {
            Ok(handle) => Some(Self { board, handle }),
            Err(error) => {
                warn!(%gpu, %error, "no thread for the arbiter: containers pace themselves");
                None
            }
        }
    }
}

/// Arbitrates what the node gives out, until `stop` is true; what is known goes to `view` each second.
pub async fn keep_arbitrating(
    node: Arc<Node>,
    view: watch::Sender<View>,
    stop: watch::Receiver<bool>,
) {
    arbitrate(Arbiter::default(), node, view, stop).await;
}

async fn arbitrate(
    mut arbiter: Arbiter,
    node: Arc<Node>,
    view: watch::Sender<View>,
    mut stop: watch::Receiver<bool>,
) {
    let mut held = node.watch_held();
    held.mark_changed();
    let mut held = Gathered::new(held, GATHER);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let file = View::file(&node.layout().pages);
    loop {
        tokio::select! {
            // Also where the shares are the same: until pages that were made anew are opened the container
            // paces itself and its neighbours have what is free.
            Ok(()) = held.next() => arbiter.follow(shares::of(&node)),
            _ = ticks.tick() => {
                // Meanwhile its containers pace themselves.
                if arbiter.has_lost_one() {
                    warn!("the thread of a GPU has ended: another is started");
                    arbiter.follow(shares::of(&node));
                }
                let seen = arbiter.view();
                // For people: what is not written now is in a second.
                let _ = seen.write(&file);
                view.send_replace(seen);
            }
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    // Threads end within a tick.
    let _ = tokio::task::spawn_blocking(move || drop(arbiter)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;
    use crate::node::tests::Bare;
    use ledger::Pace;
    use ledger::agent::LimitsPage;

    /// Far longer than anything takes that is not waited for in vain.
    const LONG: Duration = Duration::from_secs(60);

    async fn until_free(page: impl Fn() -> LimitsPage) {
        let free = async {
            while page().granted(0).unwrap().pace != Pace::Free {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(LONG, free).await.expect("the arbiter has not opened the pages");
    }

    #[tokio::test]
    async fn a_container_that_starts_is_arbitrated_at_once_though_its_pages_were_made_anew() {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let folder = bare.node.layout().pages_of(bare.node.records()[0].id);
        let (stop, stopped) = watch::channel(false);
        // Nothing is found by looking again: what is not told is not seen.
        let arbiter = Arbiter::keeping_house_every(Duration::MAX);
        let arbiter = arbitrate(arbiter, bare.node.clone(), watch::Sender::default(), stopped);
        let arbiter = tokio::spawn(arbiter);
        let page = || LimitsPage::open(&folder).unwrap();
        until_free(page).await;
        let old = page();
        bare.node.prestart(&ids).await.unwrap();
        until_free(page).await;
        let is_old = old.granted(0).unwrap().pace == Pace::Free;
        assert!(!is_old, "the pages are those that were there before the start");
        stop.send_replace(true);
        arbiter.await.unwrap();
    }

    #[tokio::test]
    async fn a_gpu_whose_thread_has_ended_has_another_though_nothing_changes() {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let folder = bare.node.layout().pages_of(bare.node.records()[0].id);
        let mut arbiter = Arbiter::keeping_house_every(Duration::MAX);
        // One that does nothing until it ends, as one does that panics.
        let (lives, ends) = std::sync::mpsc::channel::<()>();
        let handle = thread::spawn(move || {
            let _ = ends.recv();
        });
        let gpu = *shares::of(&bare.node).keys().next().unwrap();
        arbiter.threads.insert(gpu, Thread { board: Arc::default(), handle });
        let (stop, stopped) = watch::channel(false);
        let (view, mut seen) = watch::channel(View::default());
        let arbiter = tokio::spawn(arbitrate(arbiter, bare.node.clone(), view, stopped));
        // By the second tick it has been told of the shares.
        for _ in 0..2 {
            seen.changed().await.unwrap();
        }
        drop(lives);
        until_free(|| LimitsPage::open(&folder).unwrap()).await;
        stop.send_replace(true);
        arbiter.await.unwrap();
    }
}
