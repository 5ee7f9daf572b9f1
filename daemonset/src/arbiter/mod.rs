//! The arbiter: one thread per GPU that shares out its time among containers.
//!
//! It talks with each container through that container's pages alone, and holds no state that it could
//! not do without: one that begins anew takes up where the pages are. What is decided is decided in the
//! `arbiter` crate.

mod desk;
mod gangs;
mod keeper;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use contract::{AllotmentId, DeviceUuid};
use ledger::clock;
use tokio::sync::watch;
use tracing::warn;

pub use arbiter::Class;
pub use keeper::{Seen, Share, Work};
pub use view::{GpuView, View};

use crate::allotment::{Holding, Record};
use crate::node::Node;
use gangs::Gangs;
use keeper::Board;

/// The shares of each GPU.
pub type Shares = BTreeMap<DeviceUuid, BTreeMap<AllotmentId, Share>>;

/// All GPUs' threads. They end when this is dropped, and the containers pace themselves.
#[derive(Default)]
pub struct Arbiter {
    threads: BTreeMap<DeviceUuid, Thread>,
    gangs: Arc<Gangs>,
}

struct Thread {
    board: Arc<Board>,
    handle: JoinHandle<()>,
}

impl Arbiter {
    /// These are the shares from now on: a GPU without any has no thread.
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
            } else if let Some(thread) = Thread::start(gpu, self.gangs.clone()) {
                thread.board.tell(shares);
                self.threads.insert(gpu, thread);
            }
        }
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
    fn start(gpu: DeviceUuid, gangs: Arc<Gangs>) -> Option<Self> {
        let board = Arc::new(Board::default());
        let told = board.clone();
        let thread = thread::Builder::new().name("arbiter".into());
        match thread.spawn(move || keeper::keep(gpu, gangs, &told)) {
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
    mut stop: watch::Receiver<bool>,
) {
    let mut arbiter = Arbiter::default();
    let mut held = node.watch_held();
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
    let file = View::file(&node.layout().pages);
    let mut known = Shares::new();
    loop {
        tokio::select! {
            // Also where the shares are the same: the pages may have been made anew, and until they are
            // opened the container paces itself and its neighbours have what is free.
            Ok(()) = held.changed() => {
                known = shares(&node);
                arbiter.follow(known.clone());
            }
            _ = ticks.tick() => {
                // Who holds a share is known a little later than that it is held: gangs follow from it.
                take_up(&mut arbiter, &mut known, &node);
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

fn take_up(arbiter: &mut Arbiter, known: &mut Shares, node: &Node) {
    let shares = shares(node);
    if shares != *known {
        known.clone_from(&shares);
        arbiter.follow(shares);
    }
}

fn shares(node: &Node) -> Shares {
    let records = node.records();
    let mut shares = Shares::new();
    for record in &records {
        let Holding::Share { gpu, .. } = record.holding else { continue };
        let folder = node.layout().pages_of(record.id);
        let gang = gang(record, &records);
        let share = Share { folder, class: node.class_of(record.id), gang };
        shares.entry(gpu).or_default().insert(record.id, share);
    }
    shares
}

/// The number of the gang of a container with shares of several GPUs: that of the first of them.
fn gang(record: &Record, all: &[Record]) -> Option<u64> {
    let holder = record.holder.as_ref().filter(|holder| holder.container.is_some())?;
    let is_share = |record: &&Record| matches!(record.holding, Holding::Share { .. });
    let its = || all.iter().filter(is_share).filter(|other| other.holder.as_ref() == Some(holder));
    let is_elsewhere = |other: &Record| other.holding.gpus() != record.holding.gpus();
    its().any(is_elsewhere).then(|| its().map(|one| one.id.0).min()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::Holder;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use contract::{DeviceId, Mib, Percent};

    fn share(gpu: u8, pod: &str, container: Option<&str>) -> Record {
        let percent = Percent::new(50).unwrap();
        let grant = Grant::Share { gpu: uuid(gpu), percent, memory: Mib(9000), context: Mib(300) };
        let devices = [DeviceId::Percent(uuid(gpu), pod.as_bytes()[0] % 50)];
        let mut record = Record::new(&devices.into(), &grant, 0);
        let (namespace, pod) = ("default".to_owned(), pod.to_owned());
        let container = container.map(str::to_owned);
        record.holder = Some(Holder { namespace, pod, container });
        record
    }

    #[test]
    fn the_shares_of_one_container_on_several_gpus_are_a_gang() {
        let all =
            [share(0, "a", Some("main")), share(1, "a", Some("main")), share(1, "b", Some("main"))];
        let found = all.each_ref().map(|record| gang(record, &all));
        assert!(found[0].is_some() && found[0] == found[1], "{found:?}");
        assert_eq!(found[2], None);
    }

    #[test]
    fn containers_of_a_pod_and_who_is_not_known_are_no_gang() {
        let all = [share(0, "a", Some("one")), share(1, "a", Some("two"))];
        assert_eq!(all.each_ref().map(|record| gang(record, &all)), [None; 2]);
        let all = [share(0, "a", None), share(1, "a", None)];
        assert_eq!(all.each_ref().map(|record| gang(record, &all)), [None; 2]);
    }
}
