//! Keeps the cluster true: what agents publish, by a watch of their Leases; what was bound, by looking at
//! the pods that wait for their kubelet; what ended, by a watch of pods.

use std::collections::HashSet;
use std::time::Duration;

use kube_api::{Change, Meta, follow, follow_from_now};
use published::{LEASE_PREFIX, Node, annotation};
use tracing::{info, warn};

use crate::extender::Extender;

/// How often what was bound is compared with the pods that wait.
const EVERY: Duration = Duration::from_secs(30);

/// Follows the Leases of a namespace. Never ends.
pub async fn keep_nodes(extender: &Extender, namespace: &str) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    follow(extender.client(), &path, "", |change| take(extender, change)).await;
}

/// Compares again and again. Never ends.
pub async fn keep_recalling(extender: &Extender) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = extender.recall().await {
            warn!(%error, "the pods that were bound last cannot be listed, trying again");
        }
    }
}

/// Pods that have not ended: one that ends leaves the set, as one that is deleted does. kube-scheduler
/// watches the same.
pub(crate) const ALIVE: &str = "status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";

/// Follows pods to their ends, by their metadata alone. Never ends.
pub async fn keep_ending(extender: &Extender) {
    follow_from_now(extender.client(), "/api/v1/pods", ALIVE, |change| {
        if let Change::Gone(pod) = change {
            extender.end(&pod.uid);
        }
    })
    .await;
}

fn take(extender: &Extender, change: Change) {
    match change {
        Change::All(all) => {
            let names: HashSet<&str> = all.iter().filter_map(node_name).collect();
            extender.cluster().keep_only(&names);
            all.iter().for_each(|lease| put(extender, lease));
            info!(nodes = names.len(), "listed");
            extender.listed();
        }
        Change::Put(lease) => put(extender, &lease),
        Change::Gone(lease) => {
            if let Some(name) = node_name(&lease) {
                extender.cluster().remove(name);
            }
        }
    }
}

/// A Lease that cannot be read makes its node unknown: nothing is placed by what is not understood.
fn put(extender: &Extender, lease: &Meta) {
    let Some(name) = node_name(lease) else { return };
    let text = lease.annotations.get(&annotation(extender.domain()));
    match text.map(|text| Node::read(text)) {
        Some(Ok(node)) => {
            // The clock is read under the lock: what comes after a refusal is to be later than it.
            let mut cluster = extender.cluster();
            cluster.publish(name, node, extender.now());
        }
        other => {
            let why = other.map_or_else(
                || "nothing is published".to_owned(),
                |read| read.err().map_or_else(String::new, |error| error.to_string()),
            );
            warn!(node = name, why, "the node's GPUs are not known");
            extender.cluster().remove(name);
        }
    }
}

fn node_name(lease: &Meta) -> Option<&str> {
    lease.name.strip_prefix(LEASE_PREFIX)
}
