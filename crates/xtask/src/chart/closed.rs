//! What validates must not fail open: who can stop the webhook, or make a policy fail, would have everything admitted.
//! Mutation may, because what nobody rewrote is refused then.

use anyhow::{Result, ensure};
use serde_json::Value;

/// Looks at all objects of one rendering.
pub(super) fn check(objects: &[Value]) -> Result<()> {
    for object in objects {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let policies: Vec<&Value> = match object["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => vec![&object["spec"]["failurePolicy"]],
            Some("ValidatingWebhookConfiguration") => {
                let all = object["webhooks"].as_array().into_iter().flatten();
                all.map(|webhook| &webhook["failurePolicy"]).collect()
            }
            Some("ValidatingAdmissionPolicyBinding") => {
                let actions = &object["spec"]["validationActions"];
                ensure!(*actions == serde_json::json!(["Deny"]), "{name} only does {actions}");
                continue;
            }
            _ => continue,
        };
        let is_closed = !policies.is_empty() && policies.iter().all(|policy| **policy == "Fail");
        ensure!(is_closed, "{name} fails open: {policies:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_validation_that_admits_what_it_cannot_look_at_is_found() {
        let said = |object: Value| {
            check(&[object]).map_or_else(|error| error.to_string(), |()| String::new())
        };
        let webhook = |policy: Value| {
            let webhooks = json!([{ "failurePolicy": "Fail" }, { "failurePolicy": policy }]);
            said(json!({ "kind": "ValidatingWebhookConfiguration", "webhooks": webhooks }))
        };
        assert_eq!(webhook(json!("Fail")), "");
        assert!(webhook(json!("Ignore")).contains("fails open"));
        assert!(webhook(Value::Null).contains("fails open"));
        let policy =
            |spec: Value| said(json!({ "kind": "ValidatingAdmissionPolicy", "spec": spec }));
        assert_eq!(policy(json!({ "failurePolicy": "Fail" })), "");
        assert!(policy(json!({ "failurePolicy": "Ignore" })).contains("fails open"));
        let binding = json!({ "validationActions": ["Warn"] });
        assert!(
            said(json!({ "kind": "ValidatingAdmissionPolicyBinding", "spec": binding }))
                .contains("Warn")
        );
        let mutating = json!([{ "failurePolicy": "Ignore" }]);
        assert_eq!(
            said(json!({ "kind": "MutatingWebhookConfiguration", "webhooks": mutating })),
            ""
        );
    }
}
