//! The answers to kube-scheduler, from what is known of the cluster.

use contract::{Annotation, Domain};
use serde_json::Value;
use share::Policy;

use crate::ask::Ask;
use crate::cluster::{Cluster, Refused};
use crate::place::{Holes, Misfit};
use crate::wire::{Args, Filtered, PreemptArgs, Preempted, Priority};

/// Which of the nodes can take the pod.
#[must_use]
pub fn filter(args: Args, cluster: &Cluster, domain: Domain<'_>) -> Filtered {
    let mut filtered = Filtered::default();
    let ask = match Ask::read(&args.pod, domain) {
        Ok(ask) => ask,
        Err(error) => return Filtered { error: error.to_string(), ..filtered },
    };
    let Some(names) = args.node_names else {
        return Filtered { error: NO_NAMES.to_owned(), ..filtered };
    };
    let policy = policy(&args.pod, domain);
    for name in names {
        match cluster.fit(&name, &ask, policy) {
            _ if ask.is_empty() => filtered.node_names.push(name),
            Ok(_) => filtered.node_names.push(name),
            Err(refused) => {
                let failed = match is_resolvable(&refused) {
                    true => &mut filtered.failed_nodes,
                    false => &mut filtered.failed_and_unresolvable_nodes,
                };
                failed.insert(name, refused.to_string());
            }
        }
    }
    filtered
}

/// How well each of the nodes suits, 0 to 10.
#[must_use]
pub fn prioritize(args: &Args, cluster: &Cluster, domain: Domain<'_>) -> Vec<Priority> {
    let ask = Ask::read(&args.pod, domain).unwrap_or_default();
    let policy = policy(&args.pod, domain);
    let names = args.node_names.iter().flatten();
    let score = |name: &String| {
        let score = cluster.fit(name, &ask, policy).map_or(0, |holes| score(&ask, holes, policy));
        Priority { host: name.clone(), score: i64::from(score) }
    };
    names.map(score).collect()
}

/// The nodes on which the pod fits once the victims that the scheduler chose are gone. It chose them by
/// a node's sums; where they hold parts of different GPUs, evicting them helps nobody.
#[must_use]
pub fn preempt(args: PreemptArgs, cluster: &Cluster, domain: Domain<'_>) -> Preempted {
    let ask = Ask::read(&args.pod, domain).unwrap_or_default();
    let policy = policy(&args.pod, domain);
    let mut victims = args.victims();
    victims.retain(|node, victims| {
        let gone: Vec<&str> = victims.pods.iter().map(|pod| &*pod.uid).collect();
        ask.is_empty() || cluster.fit_without(node, &gone, &ask, policy).is_ok()
    });
    Preempted { node_name_to_meta_victims: victims }
}

/// The place of the largest share decides; a pod without a share suits all nodes alike.
fn score(ask: &Ask, holes: &Holes, policy: Policy) -> u8 {
    let Some(share) = ask.largest_share() else { return 0 };
    holes.free().map(|free| share::score(share, free, policy)).max().unwrap_or(0)
}

/// Whether the node could take the pod if others went.
fn is_resolvable(refused: &Refused) -> bool {
    !matches!(refused, Refused::Unknown | Refused::Misfit(Misfit::TooSmall { .. }))
}

/// How the pod wants to be placed.
pub(crate) fn policy(pod: &Value, domain: Domain<'_>) -> Policy {
    let name = domain.annotation(Annotation::Placement).to_string();
    match pod["metadata"]["annotations"][name].as_str() {
        Some("spread") => Policy::Spread,
        _ => Policy::Pack,
    }
}

const NO_NAMES: &str = "nodes come without names: set nodeCacheCapable: true for this extender";
