//! The CEL that stands in the chart, as it is rendered (daemonset/manifests): which objects the webhook is
//! asked about, and what an agent may change.

use cel::Value as CelValue;
use serde_json::{Value, json};

use crate::cases::{self, Case};
use crate::policy::cel::{Expression, environment, value};

/// The rendered object of a kind and name.
pub(crate) fn rendered(kind: &str, name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../daemonset/manifests/aliquot.yaml");
    let text = std::fs::read_to_string(path).expect("the rendered chart");
    let documents = text.split("\n---").filter(|text| text.contains("\nkind: "));
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).expect("YAML");
    let mut all = documents.map(read);
    all.find(|one| one["kind"] == kind && one["metadata"]["name"] == name).expect("it is there")
}

fn holds(expression: &Value, object: &Value, request: &Value, variables: &Value) -> bool {
    let mut context = environment();
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
