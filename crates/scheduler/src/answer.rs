//! The answers to kube-scheduler, from what is known of the cluster.

use crate::ask::Wanted;
use crate::cluster::{Cluster, Refused};
use crate::place::Misfit;
use crate::wire::{Args, Filtered, Priority};

/// Which of the nodes can take the pod. Each node that is asked about is named in the answer, so there
/// is nothing to save by an index over all nodes: what costs is reading and writing their names.
#[must_use]
pub fn filter<'a>(args: &'a Args<'_>, wanted: &Wanted, cluster: &Cluster) -> Filtered<'a> {
    let mut filtered = Filtered::default();
    let Some(names) = &args.node_names else { return no_answer(NO_NAMES.to_owned()) };
    filtered.node_names.reserve(names.len());
    let pod = args.pod["metadata"]["uid"].as_str().unwrap_or_default();
    let own = cluster.bound_to(pod);
    for name in names.iter().map(|name| &*name.0) {
        let fit = match own.contains(&name) {
            _ if wanted.is_nothing() => Ok(()),
            true => cluster.fit_without(name, &[pod], wanted),
            false => cluster.fit(name, wanted),
        };
        match fit {
            Ok(()) => filtered.node_names.push(name),
            Err(why) if is_resolvable(&why) => filtered.failed_nodes.add(name, why),
            Err(why) => filtered.failed_and_unresolvable_nodes.add(name, why),
        }
    }
    filtered
}

/// The answer where there is none.
#[must_use]
pub fn no_answer(error: String) -> Filtered<'static> {
    Filtered { error, ..Filtered::default() }
}

/// How well each of the nodes suits, 0 to 10.
#[must_use]
pub fn prioritize<'a>(args: &'a Args<'_>, wanted: &Wanted, cluster: &Cluster) -> Vec<Priority<'a>> {
    let names = args.node_names.iter().flatten().map(|name| &*name.0);
    let score = |host| Priority { host, score: i64::from(cluster.score(host, wanted)) };
    names.map(score).collect()
}

/// Whether the node could take the pod if others went.
fn is_resolvable(refused: &Refused) -> bool {
    use Misfit::TooSmall;
    !matches!(refused, Refused::Unknown | Refused::UnheardOf | Refused::Misfit(TooSmall { .. }))
}

const NO_NAMES: &str = "nodes come without names: set nodeCacheCapable: true for this extender";
