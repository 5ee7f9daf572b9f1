//! Admission without a server: a MutatingAdmissionPolicy and a ValidatingAdmissionPolicy (v1, clusters
//! of 1.36 and later), written from the same rules as the webhook and held to the same table of cases.
//! Writes manifests; it knows no cluster and asks none.
//!
//! What CEL cannot say stands in ARCHITECTURE.md, and the tests name each.

mod common;
mod limits;
mod mutating;
mod validating;
mod words;

use serde_json::{Value, json};

use crate::rules::Rules;
use words::Words;

/// The name of everything that is made here.
const NAME: &str = "aliquot-shares";

/// The policies and their bindings for a cluster with these rules, in the order to apply them: what
/// refuses comes first, so that nothing is admitted unseen in between.
#[must_use]
pub fn manifests(rules: &Rules) -> Vec<Value> {
    vec![
        validating(rules),
        binding("ValidatingAdmissionPolicy", json!({ "validationActions": ["Deny"] })),
        mutating(rules),
        binding("MutatingAdmissionPolicy", json!({})),
    ]
}

/// The policy that holds namespaces to their own limits, and its binding.
#[must_use]
pub fn limits(rules: &Rules) -> Vec<Value> {
    let mut policy = policy("ValidatingAdmissionPolicy", limits::spec(&Words::of(rules)));
    policy["spec"]["matchConstraints"] = constraints(rules);
    let mut binding =
        binding("ValidatingAdmissionPolicy", json!({ "validationActions": ["Deny"] }));
    policy["metadata"]["name"] = json!(LIMITS);
    binding["metadata"]["name"] = json!(LIMITS);
    binding["spec"]["policyName"] = json!(LIMITS);
    vec![policy, binding]
}

/// The name of the policy of namespaces' limits.
const LIMITS: &str = "aliquot-limits";

/// The manifests as one stream of YAML documents.
#[must_use]
pub fn yaml(manifests: &[Value]) -> String {
    let document = |one: &Value| serde_saphyr::to_string(one).expect("JSON is YAML");
    manifests.iter().map(|one| format!("---\n{}", document(one))).collect()
}

/// A file of the chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum ChartFile {
    /// [`manifests`].
    Policies,
    /// [`limits`].
    Limits,
}

/// The manifests as the chart has them: for the default domain, with words that the chart replaces by
/// what its values say.
#[must_use]
pub fn for_the_chart(file: ChartFile) -> String {
    let tolerations = vec![Value::from(TOLERATIONS)];
    let rules = Rules::new(contract::Domain::default()).with_tolerations(tolerations);
    let rules = rules.leaving_alone([LEFT_ALONE.to_owned()]).with_pools([POOLS.to_owned()]);
    let rules = rules.with_runtime_class(Some(RUNTIME_CLASS.to_owned()));
    let wholes = Value::from(rules.wholes()).to_string();
    let manifests = match file {
        ChartFile::Policies => manifests(&rules),
        ChartFile::Limits => limits(&rules),
    };
    let text = yaml(&manifests).replace(&format!("[\"{TOLERATIONS}\"]"), TOLERATIONS);
    let text = text.replace(&wholes, WHOLE);
    format!("# Written by `aliquot-admission policies --chart`; a test compares.\n{text}")
}

/// What the chart puts a list of tolerations in place of.
const TOLERATIONS: &str = "ALIQUOT_TOLERATIONS";
/// What the chart puts the list of resources of whole GPUs in place of.
const WHOLE: &str = "ALIQUOT_WHOLE";
/// Stands for the pools in that list.
const POOLS: &str = "pools";
/// What the chart puts the name of a RuntimeClass in place of, or nothing.
const RUNTIME_CLASS: &str = "ALIQUOT_RUNTIME_CLASS";
/// What the chart puts a namespace in place of.
const LEFT_ALONE: &str = "aliquot-left-alone";

/// It may fail open: a fraction that is left is refused by the API server, an annotation by the
/// validating policy.
fn mutating(rules: &Rules) -> Value {
    let words = Words::of(rules);
    let own = mutating::variables();
    let own =
        own.iter().map(|(name, text)| json!({ "name": name, "expression": words.fill(text) }));
    let mutation = |text: &String| json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": words.fill(text) } });
    let mutations = mutating::mutations(rules);
    let has_changed_pod = "request.kind.kind != 'Pod' || request.operation == 'CREATE'";
    policy(
        "MutatingAdmissionPolicy",
        json!({
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": constraints(rules),
            // A pod's resources cannot change any more.
            "matchConditions": [{ "name": "can-change", "expression": has_changed_pod }],
            "variables": own.collect::<Vec<_>>(),
            "mutations": mutations.iter().map(mutation).collect::<Vec<_>>(),
        }),
    )
}

fn validating(rules: &Rules) -> Value {
    let words = Words::of(rules);
    policy(
        "ValidatingAdmissionPolicy",
        json!({
            "failurePolicy": "Fail",
            "matchConstraints": constraints(rules),
            "variables": common::variables(&words, validating::variables()),
            "validations": validating::RULES.iter().map(|rule| rule.validation(&words)).collect::<Vec<_>>(),
        }),
    )
}

fn policy(kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": { "name": NAME },
        "spec": spec,
    })
}

fn binding(kind: &str, more: Value) -> Value {
    let mut binding = policy(&format!("{kind}Binding"), more);
    binding["spec"]["policyName"] = json!(NAME);
    binding
}

/// The objects that are looked at: the webhook's configuration names the same.
#[must_use]
pub fn constraints(rules: &Rules) -> Value {
    let rule = |group: &str, resources: Value| {
        json!({
            "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": resources, "scope": "Namespaced",
        })
    };
    json!({
        "matchPolicy": "Equivalent",
        "namespaceSelector": { "matchExpressions": [
            { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": rules.left_alone() },
            { "key": rules.opt_out(), "operator": "NotIn", "values": ["disabled"] },
        ] },
        "resourceRules": [
            rule("", json!(["pods", "podtemplates", "replicationcontrollers"])),
            rule("apps", json!(["deployments", "replicasets", "statefulsets", "daemonsets"])),
            rule("batch", json!(["jobs", "cronjobs"])),
        ],
    })
}
