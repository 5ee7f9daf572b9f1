//! The CEL that stands in the chart, as it is rendered (daemonset/manifests): which objects the webhook is
//! asked about, and what an agent may change.

use cel::Value as CelValue;
use serde_json::{Value, json};

use crate::cases::{self, Case};
use crate::policy::cel::{Expression, environment, value};

/// All objects of a rendered manifest.
fn manifest(file: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../daemonset/manifests/");
    let text = std::fs::read_to_string(format!("{folder}{file}")).expect("the rendered chart");
    let documents = text.split("\n---").filter(|text| text.contains("\nkind: "));
    documents.map(|text| serde_saphyr::from_str::<Value>(text).expect("YAML")).collect()
}

/// The rendered object of a kind and name.
pub(crate) fn rendered(kind: &str, name: &str) -> Value {
    let mut all = manifest("aliquot.yaml").into_iter();
    all.find(|one| one["kind"] == kind && one["metadata"]["name"] == name).expect("it is there")
}

/// Whether a label selector takes these labels, as Kubernetes has it: In, NotIn, Exists, DoesNotExist.
fn selects(selector: &Value, labels: &Value) -> bool {
    let all = selector["matchExpressions"].as_array().expect("expressions");
    assert_eq!(selector.as_object().expect("a selector").len(), 1, "{selector}");
    all.iter().all(|one| {
        let label = labels.get(one["key"].as_str().expect("a key"));
        let is_in =
            || one["values"].as_array().expect("values").contains(label.unwrap_or(&Value::Null));
        match one["operator"].as_str().expect("an operator") {
            "In" => is_in(),
            "NotIn" => !is_in(),
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            other => panic!("{other} is no operator"),
        }
    })
}

#[test]
fn a_namespace_opts_out_of_webhook_policies_and_limits_alike() {
    let of_webhook = |one: &Value| one["webhooks"][0]["namespaceSelector"].clone();
    let of_policy = |one: &Value| one["spec"]["matchConstraints"]["namespaceSelector"].clone();
    let mut selectors = Vec::new();
    for one in manifest("aliquot.yaml").iter().chain(&manifest("aliquot-policy.yaml")) {
        let kind = one["kind"].as_str().expect("a kind");
        let name = format!("{kind} {}", one["metadata"]["name"]);
        match kind {
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
                selectors.push((name, of_webhook(one)));
            }
            // What an agent may change is held everywhere.
            "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy"
                if !name.contains("own-node") =>
            {
                selectors.push((name, of_policy(one)));
            }
            _ => {}
        }
    }
    // Two webhooks, two policies, and the limits of namespaces beside either.
    assert_eq!(selectors.len(), 6, "{selectors:?}");
    let named = |name: &str, label: Option<&str>| {
        let mut labels = json!({ "kubernetes.io/metadata.name": name });
        if let Some(value) = label {
            labels["example.com/gpu-admission"] = value.into();
        }
        labels
    };
    for (labels, is_asked) in [
        (named("team", None), true),
        (named("team", Some("enabled")), true),
        (named("team", Some("disabled")), false),
        (named("kube-system", None), false),
        (named("kube-public", None), false),
        (named("kube-node-lease", None), false),
        (named("aliquot-system", None), false),
        (named("kube-system-not", None), true),
    ] {
        for (name, selector) in &selectors {
            assert_eq!(selects(selector, &labels), is_asked, "{name}: {labels} {selector}");
        }
    }
}

fn holds(expression: &Value, object: &Value, request: &Value, variables: &Value) -> bool {
    holds_after(expression, (&Value::Null, object), request, variables)
}

fn holds_after(
    expression: &Value,
    (old, object): (&Value, &Value),
    request: &Value,
    variables: &Value,
) -> bool {
    let mut context = environment();
    context.add_variable_from_value("oldObject", value(old));
    for (name, json) in [("object", object), ("request", request), ("variables", variables)] {
        context.add_variable_from_value(name, value(json));
    }
    let expression = Expression::read(expression.as_str().expect("an expression"));
    match expression.evaluate(&context) {
        CelValue::Bool(holds) => holds,
        other => panic!("{other:?} is no answer"),
    }
}

#[test]
fn the_webhook_is_asked_about_what_speaks_of_gpus_and_about_nothing_else() {
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let configuration = rendered(kind, "aliquot-shares");
        let asked = &configuration["webhooks"][0]["matchConditions"][0]["expression"];
        let is_asked = |kind: (&str, &str), object: &Value| {
            let request = json!({ "kind": { "group": kind.0, "kind": kind.1 } });
            holds(asked, object, &request, &json!({}))
        };
        for Case { name, kind, object, .. } in cases::all() {
            assert_eq!(
                is_asked(kind, &object),
                object.to_string().contains("example.com/"),
                "{name}"
            );
        }
        for kind in cases::TEMPLATED {
            let plain = cases::pod(json!({ "limits": { "cpu": "1" } }));
            assert!(!is_asked(kind, &cases::templated(kind.0, kind.1, &plain)), "{kind:?}");
            assert!(
                !is_asked(kind, &json!({ "metadata": {}, "spec": {} })),
                "{kind:?} without a pod"
            );
        }
    }
}

#[test]
fn the_webhook_is_not_asked_about_an_update_that_changes_nothing_it_looks_at() {
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let configuration = rendered(kind, "aliquot-shares");
        let conditions = configuration["webhooks"][0]["matchConditions"].as_array().expect("some");
        let is_asked = |kind: (&str, &str), old: &Value, object: &Value| {
            let operation = if old.is_null() { "CREATE" } else { "UPDATE" };
            let request =
                json!({ "operation": operation, "kind": { "group": kind.0, "kind": kind.1 } });
            let holds =
                |one: &Value| holds_after(&one["expression"], (old, object), &request, &json!({}));
            conditions.iter().all(holds)
        };
        for kind in cases::TEMPLATED.into_iter().chain([("", "Pod")]) {
            let made = |pod: &Value| match kind.1 {
                "Pod" => pod.clone(),
                _ => cases::templated(kind.0, kind.1, pod),
            };
            let half = made(&cases::fraction(json!("0.5")));
            let mut tidied = half.clone();
            tidied["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
            tidied["metadata"]["labels"] = json!({ "example.com/a": "b" });
            tidied["status"] = json!({ "phase": "Succeeded" });
            assert!(is_asked(kind, &Value::Null, &half), "{kind:?}");
            assert!(!is_asked(kind, &half, &tidied), "{kind:?}");
            assert!(is_asked(kind, &half, &made(&cases::fraction(json!("0.25")))), "{kind:?}");
        }
        let half = cases::fraction(json!("0.5"));
        let mut refined = half.clone();
        refined["metadata"]["annotations"] = json!({ "example.com/gpu-compute": "30" });
        assert!(is_asked(("", "Pod"), &half, &refined));
    }
}

/// The condition as the chart has it where pods of other systems are translated: the one that is rendered without,
/// with the words that the template then puts in place of ours.
fn asked_with_translation() -> Value {
    let helpers =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../daemonset/chart/templates/_helpers.tpl");
    let helpers = std::fs::read_to_string(helpers).expect("the chart's helpers");
    let wider =
        helpers.split_once("{{- if .translate }}{{ $ours = printf \"").expect("the words").1;
    let wider = wider.split_once("\" $ours }}").expect("their end").0;
    let ours = "name.startsWith('example.com/')";
    let configuration = rendered("MutatingWebhookConfiguration", "aliquot-shares");
    let asked = &configuration["webhooks"][0]["matchConditions"][0]["expression"];
    let asked = asked.as_str().expect("an expression");
    assert!(asked.contains(ours), "{asked}");
    asked.replace(ours, &wider.replace("%s", ours)).into()
}

#[test]
fn the_webhook_that_translates_is_asked_about_what_others_wrote() {
    let asked = asked_with_translation();
    let is_asked = |pod: &Value| {
        holds(&asked, pod, &json!({ "kind": { "group": "", "kind": "Pod" } }), &json!({}))
    };
    for name in ["gpu", "gpumem", "gpumem-percentage", "gpucores", "gpu.shared", "mig-1g.10gb"] {
        let limits = json!({ "limits": { format!("nvidia.com/{name}"): "1" } });
        assert!(is_asked(&cases::pod(limits)), "{name}");
    }
    for name in ["gpu-fraction", "gpu-memory"] {
        assert!(is_asked(&cases::annotated(json!({ name: "1" }), &["a"])), "{name}");
    }
    assert!(is_asked(&cases::fraction(json!("0.5"))));
    let other = json!({ "limits": { "cpu": "1", "amd.com/gpu": "1" } });
    assert!(!is_asked(&cases::pod(other)));
}

#[test]
fn an_agent_changes_its_own_node_and_lease_and_nobody_elses() {
    let policy = &rendered("ValidatingAdmissionPolicy", "aliquot-own-node")["spec"];
    let user = |name: &str, node: Option<&str>| {
        let extra = match node {
            Some(node) => json!({ "authentication.kubernetes.io/node-name": [node] }),
            None => json!({}),
        };
        json!({ "username": format!("system:serviceaccount:aliquot-system:{name}"), "extra": extra })
    };
    let allowed = |user: Value, resource: &str, name: &str| {
        let request = json!({ "userInfo": user, "resource": { "resource": resource } });
        let object = json!({ "metadata": { "name": name } });
        let none = json!({});
        if !holds(&policy["matchConditions"][0]["expression"], &object, &request, &none) {
            return true;
        }
        let mut context = environment();
        context.add_variable_from_value("request", value(&request));
        let node = policy["variables"][0]["expression"].as_str().expect("an expression");
        let node = Expression::read(node).evaluate(&context).json().expect("a name");
        let variables = json!({ "node": node });
        let all = policy["validations"].as_array().expect("validations");
        all.iter().all(|one| holds(&one["expression"], &object, &request, &variables))
    };
    let agent = |node| user("aliquot-agent", node);
    assert!(allowed(agent(Some("n1")), "nodes", "n1"));
    assert!(allowed(agent(Some("n1")), "leases", "gpus-n1"));
    assert!(!allowed(agent(Some("n1")), "nodes", "n2"));
    assert!(!allowed(agent(Some("n1")), "leases", "gpus-n2"));
    assert!(!allowed(agent(Some("n1")), "leases", "n1"));
    assert!(!allowed(agent(None), "nodes", "n1"), "a token that names no node");
    assert!(allowed(user("somebody", None), "nodes", "n2"), "others are not its business");
}
