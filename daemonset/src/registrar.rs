//! Keeps every resource registered with the kubelet, through the kubelet's restarts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubelet::deviceplugin::Device;
use kubelet::{Offer, RegisterError, Registered};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::decide::Offers;
use crate::node::Node;
use crate::plugin::Plugin;

/// Between two tries at least, so that a folder in which much happens does not keep us busy.
const PAUSE: Duration = Duration::from_millis(20);

/// So many tries in a row wait for nothing but the pause where a socket refuses: it has its name before
/// anybody listens on it, and nothing in the folder tells of that.
const SOON: u32 = 5;

/// What our sockets in the kubelet's folder begin with.
pub const SOCKET_PREFIX: &str = "aliquot-";

/// Held by those who try to register for the first time.
pub type Trying = mpsc::Sender<()>;

/// Where resources are offered, and under which domain.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder of the kubelet's socket and of ours.
    pub folder: PathBuf,
    /// The domain of the resources.
    pub domain: String,
}

/// Registers every resource that is offered, as they come and go, until `stop` is true; then lets go
/// in good order.
///
/// What is sent to `trying` is dropped once every resource that is offered at first was tried: what else
/// there is to do can wait for that.
pub async fn keep_all_registered(
    node: Arc<Node>,
    place: Place,
    trying: Trying,
    mut stop: watch::Receiver<bool>,
) {
    let (mut offers, feeding) = node.clone().keep_offers();
    let feeding = tokio::spawn(feeding);
    let mut trying = Some(trying);
    let mut tasks = JoinSet::new();
    let mut running = BTreeMap::new();
    while !*stop.borrow() {
        let now = offers.borrow_and_update().clone();
        running.retain(|resource, _| now.contains_key(resource));
        for resource in now
            .keys()
            .filter(|resource| !running.contains_key(*resource))
            .cloned()
            .collect::<Vec<_>>()
        {
            // Dropping the sender stops the task.
            let (going, gone) = watch::channel(false);
            let lists = lists(&resource, offers.clone(), node.watch_again());
            tasks.spawn(keep_registered(
                node.clone(),
                place.offer(&resource),
                resource.clone(),
                lists,
                trying.clone(),
                gone,
            ));
            running.insert(resource, going);
        }
        drop(trying.take());
        tokio::select! {
            _ = offers.changed() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    running.clear();
    while tasks.join_next().await.is_some() {}
    feeding.abort();
}

impl Place {
    fn offer(&self, resource: &str) -> Offer {
        // A socket's path has 107 bytes at most, and the time makes the name unique.
        let short: String = resource.chars().take(24).collect();
        Offer {
            folder: self.folder.clone(),
            resource: format!("{}/{resource}", self.domain),
            socket_prefix: format!("{SOCKET_PREFIX}{short}-"),
        }
    }
}

/// Registers one resource again and again, until `stop` is true or nobody can say so.
async fn keep_registered(
    node: Arc<Node>,
    offer: Offer,
    resource: String,
    lists: watch::Receiver<Vec<Device>>,
    mut trying: Option<Trying>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut told, mut refused) = (String::new(), 0);
    node.registrations().wanted(&offer.resource);
    while !*stop.borrow() && stop.has_changed().is_ok() {
        let plugin = |session| Plugin {
            node: node.clone(),
            resource: resource.clone(),
            lists: lists.clone(),
            session,
        };
        // What happens in the folder while a try fails is a reason for the next one.
        let change = offer.change();
        let tried = offer.register(plugin).await;
        drop(trying.take());
        match tried {
            Ok(registered) => {
                told.clear();
                refused = 0;
                node.registrations().begun(&offer.resource);
                hold(&offer, registered, &mut stop).await;
                node.registrations().ended(&offer.resource);
            }
            Err(error) => {
                tell_once(&mut told, &offer, &error);
                let is_soon = matches!(error, RegisterError::Dial(_)) && refused < SOON;
                refused = if is_soon { refused + 1 } else { 0 };
                tokio::select! {
                    () = wait(change, is_soon) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
    }
    node.registrations().unwanted(&offer.resource);
}

async fn hold(offer: &Offer, mut registered: Registered, stop: &mut watch::Receiver<bool>) {
    info!(resource = offer.resource, "registered");
    tokio::select! {
        ending = registered.ended() =>
            warn!(resource = offer.resource, why = ?ending, "registering again"),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    registered.close().await;
}

fn tell_once(told: &mut String, offer: &Offer, error: &RegisterError) {
    let text = error.to_string();
    if *told != text {
        warn!(resource = offer.resource, error = text, "not registered, trying again");
        *told = text;
    }
}

/// A pause, and unless the next try is to be soon, until something has changed in the kubelet's folder or
/// half a second has gone.
async fn wait(change: impl Future<Output = ()>, is_soon: bool) {
    tokio::time::sleep(PAUSE).await;
    if !is_soon {
        change.await;
    }
}

/// The resource's list, which changes only when what it says does, and when it is to be told `again`.
fn lists(
    resource: &str,
    mut offers: watch::Receiver<Arc<Offers>>,
    mut again: watch::Receiver<()>,
) -> watch::Receiver<Vec<Device>> {
    let resource = resource.to_owned();
    let of = move |offers: &Offers| offers.get(&resource).cloned().unwrap_or_default();
    let first = of(&offers.borrow_and_update());
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = offers.changed() => if changed.is_err() { break },
                Ok(()) = again.changed() => {
                    sender.send_modify(|_| ());
                    continue;
                }
                () = sender.closed() => return,
            }
            let list = of(&offers.borrow_and_update());
            sender.send_if_modified(|known| {
                let changed = *known != list;
                *known = list;
                changed
            });
        }
        // Without news the last list stands.
        sender.closed().await;
    });
    receiver
}
