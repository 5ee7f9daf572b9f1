//! Keeps one resource registered with the kubelet, through the kubelet's restarts.

use std::sync::Arc;
use std::time::Duration;

use contract::Resource;
use kubelet::deviceplugin::Device;
use kubelet::{Offer, RegisterError, Registered};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::node::Node;
use crate::plugin::Plugin;

/// Between two tries at least, so that a folder in which much happens does not keep us busy.
const PAUSE: Duration = Duration::from_millis(20);

/// Registers again and again, until `stop` is true; then lets go in good order.
pub async fn keep_registered(
    node: Arc<Node>,
    resource: Resource,
    offer: Offer,
    mut stop: watch::Receiver<bool>,
) {
    let lists = lists(&node, resource);
    let mut told = String::new();
    node.registrations().wanted(&offer.resource);
    while !*stop.borrow() {
        let plugin = |session| Plugin { node: node.clone(), lists: lists.clone(), session };
        match offer.register(plugin).await {
            Ok(registered) => {
                told.clear();
                node.registrations().begun(&offer.resource);
                hold(&offer, registered, &mut stop).await;
                node.registrations().ended(&offer.resource);
            }
            Err(error) => {
                tell_once(&mut told, &offer, &error);
                tokio::select! {
                    () = wait(&offer) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
    }
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

/// Until something changes in the kubelet's folder, or half a second.
async fn wait(offer: &Offer) {
    tokio::time::sleep(PAUSE).await;
    offer.change().await;
}

/// The resource's list, which changes only when what it says does.
fn lists(node: &Arc<Node>, resource: Resource) -> watch::Receiver<Vec<Device>> {
    let (sender, receiver) = watch::channel(node.advertise(resource));
    let (node, mut inventory) = (node.clone(), node.watch());
    tokio::spawn(async move {
        while inventory.changed().await.is_ok() {
            let list = node.advertise(resource);
            sender.send_if_modified(|known| {
                let changed = *known != list;
                *known = list;
                changed
            });
        }
        // Without the inventory's source there is no news; the last list stands.
        sender.closed().await;
    });
    receiver
}
