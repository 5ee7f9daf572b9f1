//! What one container asks for. Reads limits and requests, decides nothing about the pod.

use contract::{Percent, Resource, parse_fraction, parse_whole_percent};
use serde_json::{Map, Value};

use crate::quantity::text;
use crate::refusal::Why;
use crate::rules::Rules;

/// The resources of ours that a container names, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ask {
    /// By `gpu-fraction`.
    pub(crate) fraction: Option<Percent>,
    /// By `gpu-percent`.
    pub(crate) percent: Option<Percent>,
    /// The largest of pools with names. Each is a share of another GPU, so several are no contradiction.
    pub(crate) pooled: Option<Percent>,
    /// The first resource of whole GPUs of which it asks for more than none.
    pub(crate) whole: Option<String>,
    /// The first MIG resource of which it asks for more than none.
    pub(crate) mig: Option<String>,
}

impl Ask {
    /// What `container` asks for.
    ///
    /// # Errors
    /// Everything that is wrong with its numbers.
    pub(crate) fn read(container: &Value, rules: &Rules) -> Result<Self, Vec<Why>> {
        let resources = Resources::of(container);
        let mut wrong = Vec::new();
        let mut keep = |read: Result<Option<Percent>, Why>| {
            read.unwrap_or_else(|why| {
                wrong.push(why);
                None
            })
        };
        let mut pools: Vec<&str> =
            resources.maps().flat_map(Map::keys).map(String::as_str).collect();
        pools.retain(|name| rules.is_share_of_a_pool(name));
        pools.sort_unstable();
        pools.dedup();
        let ask = Self {
            fraction: keep(resources.same(&rules.fraction(), fraction)),
            percent: keep(resources.same(&rules.resource(Resource::GpuPercent), percent)),
            pooled: pools.iter().filter_map(|name| keep(resources.same(name, percent))).max(),
            whole: rules.wholes().into_iter().find(|name| resources.names_some(name)),
            mig: resources.first_some(&rules.mig_prefix()),
        };
        if wrong.is_empty() { Ok(ask) } else { Err(wrong) }
    }

    /// The largest share it has once the fraction is percent.
    pub(crate) fn share(&self) -> Option<Percent> {
        self.fraction.or(self.percent).max(self.pooled)
    }

    /// Whether it asks for anything of ours.
    pub(crate) fn is_some(&self) -> bool {
        self.share().is_some() || self.whole.is_some() || self.mig.is_some()
    }
}

fn fraction(name: &str, value: &str) -> Result<Percent, Why> {
    let refused = |error| Why::Fraction { name: name.to_owned(), value: value.to_owned(), error };
    parse_fraction(value).map_err(refused)
}

fn percent(name: &str, value: &str) -> Result<Percent, Why> {
    let refused = |error| Why::Percent { name: name.to_owned(), value: value.to_owned(), error };
    parse_whole_percent(value).map_err(refused)
}

/// A container's two maps; a missing one is empty.
struct Resources<'a> {
    limits: Option<&'a Map<String, Value>>,
    requests: Option<&'a Map<String, Value>>,
}

impl<'a> Resources<'a> {
    fn of(container: &'a Value) -> Self {
        let map = |name| container.get("resources").and_then(|r| r.get(name)?.as_object());
        Self { limits: map("limits"), requests: map("requests") }
    }

    /// The number that limits and requests agree on.
    fn same(
        &self,
        name: &str,
        parse: fn(&str, &str) -> Result<Percent, Why>,
    ) -> Result<Option<Percent>, Why> {
        let read = |map: Option<&Map<String, Value>>| {
            let value = map.and_then(|map| map.get(name)).map(text);
            value.map(|value| parse(name, &value).map(|percent| (value, percent))).transpose()
        };
        match (read(self.limits)?, read(self.requests)?) {
            (Some((limit, a)), Some((request, b))) if a != b => {
                Err(Why::Differ { name: name.to_owned(), limit, request })
            }
            (limit, request) => Ok(limit.or(request).map(|(_, percent)| percent)),
        }
    }

    /// Whether either map has more than zero of `name`. A number that cannot be read is some: the
    /// API server will say what is wrong with it.
    fn names_some(&self, name: &str) -> bool {
        let values = self.maps().filter_map(|map| map.get(name));
        values.map(text).any(|value| value != "0")
    }

    fn first_some(&self, prefix: &str) -> Option<String> {
        let mut its = self.maps().flat_map(Map::keys).filter(|name| name.starts_with(prefix));
        its.find(|name| self.names_some(name)).cloned()
    }

    fn maps(&self) -> impl Iterator<Item = &'a Map<String, Value>> {
        self.limits.into_iter().chain(self.requests)
    }
}
