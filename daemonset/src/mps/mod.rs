//! CUDA MPS in place of the arbiter, where the node runs its daemon.
//!
//! A program that finds no daemon behind its pipes runs without MPS and says nothing (NVIDIA's manual page of
//! nvidia-cuda-mps-control), so a share is left to MPS only while a daemon lives there; at all other times the
//! arbiter holds it. Nothing here starts or ends a daemon.

mod alive;
mod answer;
mod bound;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

pub(crate) use alive::{Holders, Tenants};
pub(crate) use answer::extend;

use crate::allotment::{Holding, Record};
use crate::aside::aside;
use crate::node::Node;
use crate::orders::Orders;
use bound::Bounds;

/// How often daemons are looked for: no longer does a share go unheld behind one that is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether a daemon lives behind each folder of pipes that is configured or that a container was told of.
pub type Daemons = BTreeMap<PathBuf, bool>;

/// The pids of those daemons that live.
pub(crate) fn pids(daemons: &Daemons, tenants: &Tenants) -> BTreeSet<u32> {
    let live = daemons.iter().filter(|(_, lives)| **lives);
    live.filter_map(|(pipes, _)| tenants.daemon(pipes)).collect()
}

/// Looks for daemons until `stop` is true. What changes is told to the node, and to whoever follows the
/// `orders`, with who holds allotments; a living daemon is bounded.
pub(crate) async fn keep_watched(
    node: Arc<Node>,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut bounds = Bounds::new(node.mps_control());
    loop {
        let at = node.clone();
        let found = aside(move || look(&at)).await;
        let holders = node.holders();
        orders.send_if_modified(|orders| {
            let news = orders.holders.as_ref() != Some(&holders);
            if news {
                Arc::make_mut(orders).holders = Some(holders);
            }
            news
        });
        let before = node.daemons().borrow().clone();
        if *before != found {
            tell(&before, &found);
            let live = found.iter().filter(|(_, lives)| **lives);
            let live = live.map(|(pipes, _)| pipes.clone()).collect();
            orders.send_if_modified(|orders| {
                let news = orders.mps != live;
                if news {
                    Arc::make_mut(orders).mps = live;
                }
                news
            });
            node.follow_daemons(found.clone());
        }
        bounds = keep_bounded(bounds, largest(&node.records()), found).await;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn look(node: &Node) -> Daemons {
    let told = node.records().into_iter().filter_map(|record| record.mps);
    let pipes: BTreeSet<_> = node.mps_configured().into_iter().chain(told).collect();
    if pipes.is_empty() {
        return Daemons::new();
    }
    let tenants = node.tenants();
    pipes.into_iter().map(|pipes| (pipes.clone(), tenants.daemon(&pipes).is_some())).collect()
}

/// The largest share behind each daemon.
fn largest(records: &[Record]) -> BTreeMap<PathBuf, u8> {
    let mut largest = BTreeMap::new();
    for record in records {
        if let (Some(pipes), Holding::Share { percent, .. }) = (&record.mps, &record.holding) {
            let known = largest.entry(pipes.clone()).or_insert(0);
            *known = (*percent).max(*known);
        }
    }
    largest
}

/// To ask a daemon is to wait for a program.
async fn keep_bounded(
    mut bounds: Bounds,
    largest: BTreeMap<PathBuf, u8>,
    found: Daemons,
) -> Bounds {
    if bounds.are_kept(&largest, &found) {
        return bounds;
    }
    let control = bounds.control();
    let work = tokio::task::spawn_blocking(move || {
        bounds.keep(&largest, &found);
        bounds
    });
    // Only a panic ends it without an answer; then all is told anew.
    work.await.unwrap_or_else(|_| Bounds::new(control))
}

fn tell(before: &Daemons, after: &Daemons) {
    for (pipes, lives) in after.iter().filter(|(pipes, lives)| before.get(*pipes) != Some(*lives)) {
        let pipes = pipes.display();
        if *lives {
            info!(%pipes, "an MPS daemon lives: it holds its clients to their shares");
        } else {
            warn!(
                %pipes,
                "no MPS daemon lives behind these pipes: the arbiter holds the shares. Start \
                 nvidia-cuda-mps-control -d there, or name its folder in mpsPipeDirectory"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use contract::{DeviceId, Mib, Percent};

    #[test]
    fn the_largest_share_behind_each_daemon_is_what_bounds_it() {
        let share = |part: u8, percent: u64, pipes: Option<&str>| {
            let percent = Percent::new(percent).unwrap();
            let grant = Grant::Share { gpu: uuid(0), percent, memory: Mib(9), context: Mib(1) };
            let record = Record::new(&[DeviceId::Percent(uuid(0), part)].into(), &grant, 0);
            Record { mps: pipes.map(PathBuf::from), ..record }
        };
        let all = [
            share(0, 20, Some("/a")),
            share(1, 30, Some("/a")),
            share(2, 5, Some("/b")),
            share(3, 90, None),
        ];
        assert_eq!(largest(&all), [("/a".into(), 30), ("/b".into(), 5)].into());
    }
}
