//! Policies and webhook say the same of pods and templates that nobody thought of.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::apiserver::Cluster;
use super::{by_webhook, create, rules};
use crate::cases;
use aliquot_admission::Rules;

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let amount = prop::sample::select(vec![
        "0.5", "0.3", "250m", "1e-1", "1", "0", "-1", "0.333", "1.5", "2", "100e-3", "0.9999",
        "50", "30", "101", "1k", "5e1", "25",
    ]);
    let resource = prop::sample::select(vec![
        "example.com/gpu-fraction",
        "example.com/gpu-fraction",
        "example.com/gpu-percent",
        "example.com/gpu",
        "example.com/gpu-training",
        "example.com/gpu-chat-percent",
        "example.com/mig-1g.10gb",
        "cpu",
    ]);
    let list = prop::collection::btree_map(resource, amount, 0..3);
    let env = prop::sample::select(vec!["", "void", "all", "GPU-1"]);
    let maps = prop::option::of((prop::option::of(list.clone()), prop::option::of(list)));
    (maps, prop::option::weighted(0.1, any::<bool>()), prop::option::weighted(0.2, env)).prop_map(
        move |(resources, privileged, env)| {
            let mut container = json!({ "name": name, "image": "i" });
            if let Some((limits, requests)) = resources {
                container["resources"] = json!({});
                for (map, list) in [("limits", limits), ("requests", requests)] {
                    if let Some(list) = list {
                        container["resources"][map] = json!(list);
                    }
                }
            }
            if let Some(privileged) = privileged {
                container["securityContext"] = json!({ "privileged": privileged });
            }
            if let Some(value) = env {
                container["env"] = json!([{ "name": "NVIDIA_VISIBLE_DEVICES", "value": value }]);
            }
            container
        },
    )
}

fn annotations() -> impl Strategy<Value = Value> {
    let value = prop::sample::select(vec![
        "0.5", "0.30", "1", "2", "half", "0.333", "a", "side", "12Gi", "12", "1000Ki", "30", "1.5",
        "+20", "fair", "strict", "latency", "batch", "",
    ]);
    let name = prop::sample::select(vec![
        "example.com/gpu-fraction",
        "example.com/gpu-container",
        "example.com/gpu-memory",
        "example.com/gpu-compute",
        "example.com/compute-policy",
        "example.com/compute-class",
        "other",
    ]);
    prop::collection::btree_map(name, value, 0..3).prop_map(|map| json!(map))
}

pub(crate) fn pod() -> impl Strategy<Value = Value> {
    (
        container("a"),
        prop::option::of(container("b")),
        prop::option::of(container("side")),
        annotations(),
        prop::option::weighted(0.2, Just("own")),
    )
        .prop_map(|(first, second, side, annotations, class)| {
            let mut pod = cases::pod_of([Some(first), second].into_iter().flatten().collect());
            if let Some(side) = side {
                pod["spec"]["initContainers"] = json!([side]);
            }
            if let Some(class) = class {
                pod["spec"]["runtimeClassName"] = json!(class);
            }
            pod["metadata"]["annotations"] = annotations;
            pod
        })
}

/// Rules that have something of everything.
pub(crate) fn full() -> Rules {
    let taint = json!({ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" });
    rules().with_tolerations(vec![taint]).with_runtime_class(Some("nvidia".to_owned()))
}

proptest! {
    #[test]
    fn policies_and_webhook_agree_on_every_pod_and_every_template(pod in pod(), of in 0usize..12) {
        thread_local!(static CLUSTER: Cluster = Cluster::with(&full()));
        let kind = *cases::TEMPLATED.get(of).unwrap_or(&("", "Pod"));
        let object = if kind.1 == "Pod" { pod } else { cases::templated(kind.0, kind.1, &pod) };
        let asked = create(kind, &object);
        let by_policy = CLUSTER.with(|cluster| cluster.admit(asked));
        let by_webhook = by_webhook(asked, &full());
        prop_assert_eq!(by_policy.clone().ok(), by_webhook.ok(), "{:?} of {}", by_policy, object);
    }
}
