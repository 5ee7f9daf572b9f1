//! A pod, or a template of one, inside an object. Reads JSON as it came and changes nothing: what
//! the API server would refuse by itself is passed over here.

use serde_json::Value;

use crate::refusal::Place;
use crate::workload::Workload;

/// The lists in which a pod's containers stand. Sidecars are init containers that go on running;
/// ephemeral containers cannot have resources.
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// A value with `metadata` and `spec` of a pod.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    value: &'a Value,
    /// The names that lead to it.
    pub(crate) path: &'static [&'static str],
}

impl<'a> Pod<'a> {
    /// The pod in `object`.
    pub(crate) fn find(workload: Workload, object: &'a Value) -> Option<Self> {
        let path = workload.path();
        let value = path.iter().try_fold(object, |value, name| value.get(name))?;
        value.get("spec")?.is_object().then_some(Self { value, path })
    }

    /// All of its containers, the regular ones last.
    pub(crate) fn containers(self) -> impl Iterator<Item = Container<'a>> {
        LISTS.into_iter().flat_map(move |list| {
            let all = self.spec(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let numbered = all.iter().enumerate();
            numbered.map(move |(index, value)| Container { list, index, value })
        })
    }

    /// A member of its `spec`.
    pub(crate) fn spec(self, name: &str) -> Option<&'a Value> {
        self.value.get("spec")?.get(name)
    }

    /// One of its annotations.
    pub(crate) fn annotation(self, name: &str) -> Option<&'a str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// Whether it shows a static pod of some node, which nobody can change here.
    pub(crate) fn is_mirror(self) -> bool {
        self.annotation("kubernetes.io/config.mirror").is_some()
    }

    /// Whether nothing that admission looks at differs.
    pub(crate) fn says_the_same_as(self, other: Self) -> bool {
        let annotations = |pod: Self| pod.value.get("metadata").and_then(|m| m.get("annotations"));
        self.value.get("spec") == other.value.get("spec") && annotations(self) == annotations(other)
    }
}

/// A container and its place.
#[derive(Clone, Copy)]
pub(crate) struct Container<'a> {
    /// The list that it stands in.
    pub(crate) list: &'static str,
    /// Its place there.
    pub(crate) index: usize,
    /// As it came.
    pub(crate) value: &'a Value,
}

impl<'a> Container<'a> {
    /// Its name; empty where it has none, which the API server refuses.
    pub(crate) fn name(self) -> &'a str {
        self.value.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is one of the regular ones.
    pub(crate) fn is_regular(self) -> bool {
        self.list == "containers"
    }

    pub(crate) fn place(self) -> Place {
        Place::Container(self.name().to_owned())
    }
}
