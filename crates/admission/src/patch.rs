//! The patch: fractions become percent, in limits and requests, and tolerations and RuntimeClass are there.

use contract::{Percent, Resource};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use jsonptr::PointerBuf;
use serde_json::{Value, json};

use crate::containers::Asking;
use crate::pod::{Container, Pod};
use crate::rules::Rules;

/// The field of a pod's `spec` that names its runtime.
pub(crate) const RUNTIME_CLASS: &str = "runtimeClassName";

/// Gathers operations under a pod's path.
pub(crate) struct Draft<'a> {
    pod: Pod<'a>,
    rules: &'a Rules,
    operations: Vec<PatchOperation>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(pod: Pod<'a>, rules: &'a Rules) -> Self {
        Self { pod, rules, operations: Vec::new() }
    }

    /// Writes the share of one container as percent, wherever it does not stand so already.
    pub(crate) fn share(&mut self, one: &Asking<'_>) {
        let Some(percent) = one.ask.fraction else { return };
        let resources = one.container.value.get("resources");
        if !resources.is_some_and(Value::is_object) {
            self.add(one.container, &["resources"], json!({}));
        }
        for map in ["limits", "requests"] {
            self.map(one.container, map, resources.and_then(|r| r.get(map)), percent);
        }
    }

    /// Limits or requests: Kubernetes wants both, and copies one to the other for pods only.
    fn map(&mut self, container: Container<'_>, map: &str, old: Option<&Value>, percent: Percent) {
        let (from, to) = (self.rules.fraction(), self.rules.resource(Resource::GpuPercent));
        let value = Value::String(percent.get().to_string());
        let Some(old) = old.and_then(Value::as_object) else {
            return self.add(container, &["resources", map], json!({ to: value }));
        };
        if old.contains_key(&from) {
            let path = self.path(container, &["resources", map, &from]);
            self.operations.push(PatchOperation::Remove(RemoveOperation { path }));
        }
        let stands = old.get(&to).is_some_and(|old| crate::quantity::text(old) == value);
        if !stands {
            self.add(container, &["resources", map, &to], value);
        }
    }

    /// Every toleration of the rules that is not there.
    pub(crate) fn tolerations(&mut self) {
        let old = self.pod.spec("tolerations").and_then(Value::as_array);
        let is_there = |wanted: &&Value| old.is_some_and(|all| all.contains(wanted));
        let missing: Vec<_> =
            self.rules.tolerations().iter().filter(|wanted| !is_there(wanted)).cloned().collect();
        if missing.is_empty() {
            return;
        }
        if old.is_none() {
            return self.add_to_spec(&["tolerations"], Value::Array(missing));
        }
        missing.into_iter().for_each(|one| self.add_to_spec(&["tolerations", "-"], one));
    }

    /// The RuntimeClass of the rules, where the pod names none.
    pub(crate) fn runtime_class(&mut self) {
        if let (Some(name), None) = (self.rules.runtime_class(), self.pod.spec(RUNTIME_CLASS)) {
            self.add_to_spec(&[RUNTIME_CLASS], json!(name));
        }
    }

    pub(crate) fn done(self) -> Patch {
        Patch(self.operations)
    }

    fn add(&mut self, container: Container<'_>, names: &[&str], value: Value) {
        let path = self.path(container, names);
        self.operations.push(PatchOperation::Add(AddOperation { path, value }));
    }

    fn add_to_spec(&mut self, names: &[&str], value: Value) {
        let path = self.spec_path(names);
        self.operations.push(PatchOperation::Add(AddOperation { path, value }));
    }

    fn path(&self, container: Container<'_>, names: &[&str]) -> PointerBuf {
        let index = container.index.to_string();
        let all: Vec<&str> =
            [container.list, &index].into_iter().chain(names.iter().copied()).collect();
        self.spec_path(&all)
    }

    fn spec_path(&self, names: &[&str]) -> PointerBuf {
        let to_spec = self.pod.path.iter().copied().chain(["spec"]);
        PointerBuf::from_tokens(to_spec.chain(names.iter().copied()))
    }
}
