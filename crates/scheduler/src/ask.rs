//! What a pod asks of one node, container by container, in the order in which the kubelet gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Annotation, Domain, Percent, Resource, parse_whole_percent};
use serde_json::Value;
use share::Policy;

/// The resource of a pool's whole GPUs, such as `gpu-training`, where it has one of its own; `None` for
/// `gpu` and `gpu-percent`.
pub type Pool = Option<Arc<str>>;

/// What one container needs of our resources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// A part of one GPU.
    Share {
        /// Of which GPUs.
        pool: Pool,
        /// How much.
        share: Percent,
    },
    /// So many whole GPUs.
    Whole {
        /// Of which GPUs.
        pool: Pool,
        /// How many.
        count: u32,
    },
    /// So many slices of a MIG profile, such as `1g.10gb`.
    Slices {
        /// The resource's name behind `mig-`.
        profile: String,
        /// How many.
        count: u32,
    },
}

/// When a container has what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Before the others, which get its devices after it (facts: the kubelet offers the device IDs of
    /// init containers again).
    Init,
    /// As long as the pod lives: regular containers and sidecars.
    Lasting,
}

/// The resources of pools that some node has. Another name under our domain may be anybody's: it is left
/// to the sums of kube-scheduler.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pools(BTreeSet<Arc<str>>);

impl Pools {
    /// A node has a pool of this name.
    pub fn learn(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }

    /// Whether a resource, with its domain, is one of ours.
    #[must_use]
    pub fn is_ours(&self, resource: &str, domain: Domain<'_>) -> bool {
        let name = resource.strip_prefix(domain.as_str()).and_then(|name| name.strip_prefix('/'));
        name.is_some_and(|name| {
            let base = name.strip_suffix("-percent").unwrap_or(name);
            self.find(base).is_some() || name.starts_with("mig-")
        })
    }

    /// The pool of this name, if it is one; the inner `None` is the pool without a name of its own.
    fn find(&self, name: &str) -> Option<Pool> {
        if name == Resource::Gpu.as_str() {
            Some(None)
        } else {
            self.0.get(name).cloned().map(Some)
        }
    }
}

/// What a pod wants: all that the answers depend on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// What it needs.
    pub ask: Ask,
    /// How it wants to be placed.
    pub policy: Policy,
    /// Whether all that it asks for under our domain is what no agent has published, such as the resource
    /// of a pool whose nodes are not there yet. kube-scheduler asks us about resources of ours alone.
    pub is_unheard_of: bool,
}

impl Wanted {
    /// What the pod in the API server's JSON wants, where nodes have these pools.
    ///
    /// # Errors
    /// [`BadAsk`].
    pub fn read(pod: &Value, domain: Domain<'_>, pools: &Pools) -> Result<Self, BadAsk> {
        let name = domain.annotation(Annotation::Placement).to_string();
        let policy = match pod["metadata"]["annotations"][name].as_str() {
            Some("spread") => Policy::Spread,
            _ => Policy::Pack,
        };
        let ask = Ask::read(pod, domain, pools)?;
        let is_unheard_of = ask.is_empty() && asks_under(domain, pod);
        Ok(Self { ask, policy, is_unheard_of })
    }

    /// Whether no GPU is asked for: then every node suits.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.ask.is_empty() && !self.is_unheard_of
    }
}

/// All needs of a pod. Empty for a pod that asks for nothing of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ask(Vec<(Turn, Need)>);

/// A number that cannot be what the API server let through.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: {value:?} is no amount of this resource")]
pub struct BadAsk {
    /// The resource.
    pub name: String,
    /// What stands there.
    pub value: String,
}

impl Ask {
    /// An ask of these needs, in the order of their containers.
    #[must_use]
    pub fn of(needs: Vec<(Turn, Need)>) -> Self {
        Self(needs)
    }

    /// What the pod in the API server's JSON asks for under `domain`, where nodes have these pools.
    ///
    /// # Errors
    /// [`BadAsk`] where a limit is no number: such a pod cannot be placed.
    pub fn read(pod: &Value, domain: Domain<'_>, pools: &Pools) -> Result<Self, BadAsk> {
        let mut needs = Vec::new();
        for (list, is_init) in [("initContainers", true), ("containers", false)] {
            let all = pod["spec"][list].as_array().map_or(&[][..], Vec::as_slice);
            for container in all {
                let turn = turn(container, is_init);
                needs.extend(read(container, domain, pools)?.into_iter().map(|need| (turn, need)));
            }
        }
        Ok(Self(needs))
    }

    /// The needs, in order.
    pub fn needs(&self) -> impl Iterator<Item = &(Turn, Need)> {
        self.0.iter()
    }

    /// Whether it asks for nothing of ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The share, where that is all it asks for.
    #[must_use]
    pub fn only_share(&self) -> Option<(&Pool, Percent)> {
        match self.0.as_slice() {
            [(_, Need::Share { pool, share })] => Some((pool, *share)),
            _ => None,
        }
    }

    /// The largest share, which decides how well a node suits.
    #[must_use]
    pub fn largest_share(&self) -> Option<(&Pool, Percent)> {
        self.shares().max_by_key(|(_, share)| *share)
    }

    /// Its shares, in order.
    pub fn shares(&self) -> impl Iterator<Item = (&Pool, Percent)> {
        self.0.iter().filter_map(|(_, need)| match need {
            Need::Share { pool, share } => Some((pool, *share)),
            _ => None,
        })
    }
}

/// Whether a pod asks for anything under the domain.
fn asks_under(domain: Domain<'_>, pod: &Value) -> bool {
    let lists = [&pod["spec"]["initContainers"], &pod["spec"]["containers"]];
    let containers = lists.into_iter().filter_map(Value::as_array).flatten();
    let mut limits = containers.filter_map(|one| one["resources"]["limits"].as_object()).flatten();
    let is_ours =
        |name: &str| name.strip_prefix(domain.as_str()).is_some_and(|rest| rest.starts_with('/'));
    limits.any(|(name, value)| is_ours(name) && text(value) != "0")
}

/// A sidecar is an init container that goes on running.
fn turn(container: &Value, is_init: bool) -> Turn {
    let is_sidecar = container["restartPolicy"] == "Always";
    if is_init && !is_sidecar { Turn::Init } else { Turn::Lasting }
}

fn read(container: &Value, domain: Domain<'_>, pools: &Pools) -> Result<Vec<Need>, BadAsk> {
    let Some(limits) = container["resources"]["limits"].as_object() else { return Ok(Vec::new()) };
    let prefix = format!("{}/", domain.as_str());
    let ours = limits.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    // The API has no order in a map: the same words are the same ask, however a JSON reader keeps them.
    let ours: BTreeMap<_, _> = ours.collect();
    let needs = ours.into_iter().map(|(name, value)| {
        let value = text(value);
        need(name, &value, pools).ok_or(BadAsk { name: format!("{prefix}{name}"), value })
    });
    Ok(needs.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The need that a resource and its amount name. The outer `None` is no amount, the inner one no need:
/// an amount of zero, or a name under our domain that is no resource of a node's GPUs.
fn need(name: &str, value: &str, pools: &Pools) -> Option<Option<Need>> {
    let count = || value.parse::<u32>().ok();
    if let Some(pool) = name.strip_suffix("-percent").and_then(|name| pools.find(name)) {
        let share = || parse_whole_percent(value).ok();
        return if value == "0" {
            Some(None)
        } else {
            Some(Some(Need::Share { pool, share: share()? }))
        };
    }
    if let Some(pool) = pools.find(name) {
        return Some(
            Some(count()?).filter(|count| *count > 0).map(|count| Need::Whole { pool, count }),
        );
    }
    let Some(profile) = name.strip_prefix("mig-") else { return Some(None) };
    let slices = |count| Need::Slices { profile: profile.to_owned(), count };
    Some(Some(count()?).filter(|count| *count > 0).map(slices))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_and_sidecars_stand_in_the_kubelets_order() {
        let ask = |name: &str, amount: &str| json!({ "limits": { format!("example.com/{name}"): amount } });
        let pod = json!({ "spec": {
            "containers": [{ "resources": ask("gpu-percent", "30") }, { "name": "none" }],
            "initContainers": [
                { "resources": ask("gpu-percent", "50") },
                { "restartPolicy": "Always", "resources": ask("mig-1g.10gb", "2") },
            ],
        } });
        let share = |percent| Need::Share { pool: None, share: Percent::new(percent).unwrap() };
        let slices = Need::Slices { profile: "1g.10gb".to_owned(), count: 2 };
        let needs =
            vec![(Turn::Init, share(50)), (Turn::Lasting, slices), (Turn::Lasting, share(30))];
        assert_eq!(Ask::read(&pod, Domain::default(), &Pools::default()), Ok(Ask::of(needs)));
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_name() {
        let limits = json!({ "example.com/gpu-percent": "many" });
        let pod = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
        let refused = Ask::read(&pod, Domain::default(), &Pools::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "example.com/gpu-percent: \"many\" is no amount of this resource"
        );
    }

    #[test]
    fn a_pool_is_asked_for_by_its_own_names_and_a_name_that_no_node_has_is_left_to_the_sums() {
        let limits = json!({ "example.com/gpu-training": "2", "example.com/gpu-chat-percent": "30",
                             "example.com/fpga": "1", "example.com/fpga-percent": "800" });
        let pod = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
        let mut pools = Pools::default();
        let (training, chat) = (pools.learn("gpu-training"), pools.learn("gpu-chat"));
        let share = Need::Share { pool: Some(chat), share: Percent::new(30).unwrap() };
        let whole = Need::Whole { pool: Some(training), count: 2 };
        let needs = vec![(Turn::Lasting, share), (Turn::Lasting, whole)];
        assert_eq!(Ask::read(&pod, Domain::default(), &pools), Ok(Ask::of(needs)));
        let unknown = Ask::read(&pod, Domain::default(), &Pools::default());
        assert_eq!(unknown, Ok(Ask::default()));
    }
}
