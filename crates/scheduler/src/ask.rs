//! What a pod asks of one node, container by container, in the order in which the kubelet gives.

use contract::{Domain, Percent, Resource, parse_whole_percent};
use serde_json::Value;

/// What one container needs of our resources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// A part of one GPU.
    Share(Percent),
    /// So many whole GPUs.
    Whole(u32),
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

    /// What the pod in the API server's JSON asks for under `domain`.
    ///
    /// # Errors
    /// [`BadAsk`] where a limit is no number: such a pod cannot be placed.
    pub fn read(pod: &Value, domain: Domain<'_>) -> Result<Self, BadAsk> {
        let mut needs = Vec::new();
        for (list, is_init) in [("initContainers", true), ("containers", false)] {
            let all = pod["spec"][list].as_array().map_or(&[][..], Vec::as_slice);
            for container in all {
                let turn = turn(container, is_init);
                needs.extend(read(container, domain)?.into_iter().map(|need| (turn, need)));
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
    pub fn only_share(&self) -> Option<Percent> {
        match self.0.as_slice() {
            [(_, Need::Share(share))] => Some(*share),
            _ => None,
        }
    }

    /// The largest share, which decides how well a node suits.
    #[must_use]
    pub fn largest_share(&self) -> Option<Percent> {
        let share = |(_, need): &(Turn, Need)| match need {
            Need::Share(percent) => Some(*percent),
            _ => None,
        };
        self.0.iter().filter_map(share).max()
    }
}

/// A sidecar is an init container that goes on running.
fn turn(container: &Value, is_init: bool) -> Turn {
    let is_sidecar = container["restartPolicy"] == "Always";
    if is_init && !is_sidecar { Turn::Init } else { Turn::Lasting }
}

fn read(container: &Value, domain: Domain<'_>) -> Result<Vec<Need>, BadAsk> {
    let Some(limits) = container["resources"]["limits"].as_object() else { return Ok(Vec::new()) };
    let prefix = format!("{}/", domain.as_str());
    let ours = limits.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    let needs = ours.map(|(name, value)| {
        let value = text(value);
        need(name, &value).ok_or(BadAsk { name: format!("{prefix}{name}"), value })
    });
    Ok(needs.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The need that a resource and its amount name. The outer `None` is no amount, the inner one no need:
/// an amount of zero, or a name under our domain that is no resource of this node's GPUs.
fn need(name: &str, value: &str) -> Option<Option<Need>> {
    let count = || value.parse::<u32>().ok();
    if name == Resource::GpuPercent.as_str() {
        let is_none = value == "0";
        return if is_none {
            Some(None)
        } else {
            Some(Some(Need::Share(parse_whole_percent(value).ok()?)))
        };
    }
    if name == Resource::Gpu.as_str() {
        return Some(Some(count()?).filter(|count| *count > 0).map(Need::Whole));
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
        let share = |percent| Need::Share(Percent::new(percent).unwrap());
        let slices = Need::Slices { profile: "1g.10gb".to_owned(), count: 2 };
        let needs =
            vec![(Turn::Init, share(50)), (Turn::Lasting, slices), (Turn::Lasting, share(30))];
        assert_eq!(Ask::read(&pod, Domain::default()), Ok(Ask::of(needs)));
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_name() {
        let limits = json!({ "example.com/gpu-percent": "many" });
        let pod = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
        let refused = Ask::read(&pod, Domain::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "example.com/gpu-percent: \"many\" is no amount of this resource"
        );
    }
}
