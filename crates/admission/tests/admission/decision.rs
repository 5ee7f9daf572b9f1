//! `admit` by table and by property.

use aliquot_admission::{Admission, Refusals, Rules, Workload, admit};
use contract::Domain;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases::{self, Case, Expect};

fn rules() -> Rules {
    Rules::new(Domain::default()).with_pools([cases::POOL.to_owned()])
}

fn workload((group, kind): (&str, &str)) -> Workload {
    Workload::of(group, kind).expect("a kind of the table")
}

/// The object as admission leaves it.
fn admitted(asked: &Admission<'_>, rules: &Rules) -> Result<Value, Refusals> {
    let patch = admit(asked, rules)?;
    let mut object = asked.object.clone();
    json_patch::patch(&mut object, &patch).expect("the patch fits the object");
    Ok(object)
}

fn created(kind: (&str, &str), object: &Value) -> Result<Value, Refusals> {
    let asked = Admission { workload: workload(kind), namespace: "team", object, old: None };
    admitted(&asked, &rules())
}

/// What the containers ask for, init containers first; limits and requests have to agree.
pub(crate) fn percents(kind: (&str, &str), object: &Value) -> Vec<Option<u8>> {
    let pod = workload(kind).path().iter().fold(object, |value, name| &value[*name]);
    let list = |name: &str| pod["spec"][name].as_array().cloned().unwrap_or_default();
    let all = list("initContainers").into_iter().chain(list("containers"));
    all.map(|container| {
        let resources = &container["resources"];
        for map in ["limits", "requests"] {
            assert!(resources[map].get("example.com/gpu-fraction").is_none(), "{container}");
        }
        let [limit, request] = ["limits", "requests"]
            .map(|map| resources[map]["example.com/gpu-percent"].as_str().map(str::to_owned));
        assert!(request.is_none() || limit == request, "{container}");
        limit.map(|text| text.parse().expect("an integer"))
    })
    .collect()
}

#[test]
fn every_case_of_the_table_becomes_what_the_table_says() {
    for Case { name, kind, object, expect } in cases::all() {
        match (expect, created(kind, &object)) {
            (Expect::Percents(expected), Ok(object)) => {
                assert_eq!(percents(kind, &object), expected, "{name}: {object}");
            }
            (Expect::Refused(words), Err(refusals)) => {
                let said = refusals.to_string();
                assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
            }
            (Expect::Percents(_), Err(refusals)) => panic!("{name} was refused: {refusals}"),
            (Expect::Refused(_), Ok(object)) => panic!("{name} was admitted: {object}"),
        }
    }
}

#[test]
fn what_was_admitted_is_admitted_again_unchanged() {
    for Case { name, kind, object, .. } in cases::all() {
        let Ok(once) = created(kind, &object) else { continue };
        assert_eq!(created(kind, &once).as_ref(), Ok(&once), "{name}");
    }
}

#[test]
fn what_does_not_ask_for_a_gpu_is_not_touched() {
    let privileged = json!([{ "name": "a", "securityContext": { "privileged": true } }]);
    let object = cases::pod_of(privileged);
    assert_eq!(created(("", "Pod"), &object), Ok(object));
}

#[test]
fn a_namespace_that_is_left_alone_is_not_touched() {
    let object = cases::fraction(json!("7"));
    let rules = rules().leaving_alone(["infra".to_owned()]);
    for namespace in ["kube-system", "infra"] {
        let asked = Admission { workload: Workload::Pod, namespace, object: &object, old: None };
        assert_eq!(admitted(&asked, &rules).as_ref(), Ok(&object), "{namespace}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let object = cases::pod_of(json!([
        { "name": "a", "resources": { "limits": { "example.com/gpu-fraction": "0" } } },
        { "name": "b", "resources": { "limits": { "example.com/gpu-fraction": "1.5" } } },
    ]));
    let said = created(("", "Pod"), &object).expect_err("both are wrong").to_string();
    assert!(said.contains("container \"a\"") && said.contains("container \"b\""), "{said}");
}

#[test]
fn a_template_that_is_applied_again_takes_its_fraction_for_what_its_author_says() {
    let kind = ("apps", "Deployment");
    let old = cases::templated(
        kind.0,
        kind.1,
        &cases::pod(json!({
            "limits": { "example.com/gpu-percent": "50" },
            "requests": { "example.com/gpu-percent": "50" },
        })),
    );
    let object = cases::templated(
        kind.0,
        kind.1,
        &cases::pod(json!({
            "limits": { "example.com/gpu-percent": "50", "example.com/gpu-fraction": "0.25" },
            "requests": { "example.com/gpu-percent": "50" },
        })),
    );
    let workload = workload(kind);
    let asked = Admission { workload, namespace: "team", object: &object, old: Some(&old) };
    let after = admitted(&asked, &rules()).expect("a change of mind is no contradiction");
    assert_eq!(percents(kind, &after), [Some(25)]);
}

#[test]
fn an_update_that_changes_nothing_here_passes_whatever_it_says() {
    let old = cases::fraction(json!("7"));
    let mut object = old.clone();
    object["metadata"]["finalizers"] = json!([]);
    let asked =
        Admission { workload: Workload::Pod, namespace: "team", object: &object, old: Some(&old) };
    assert_eq!(admitted(&asked, &rules()).as_ref(), Ok(&object));
}

#[test]
fn a_pod_that_is_there_is_checked_and_not_patched() {
    let old = created(("", "Pod"), &cases::fraction(json!("0.5"))).expect("half a GPU");
    let mut object = old.clone();
    let mut refuse = |annotations: Value| {
        object["metadata"]["annotations"] = annotations;
        let workload = Workload::Pod;
        let asked = Admission { workload, namespace: "team", object: &object, old: Some(&old) };
        admitted(&asked, &rules()).is_err()
    };
    assert!(!refuse(json!({ "example.com/gpu-compute": "30" })));
    assert!(refuse(json!({ "example.com/gpu-compute": "60" })));
    assert!(refuse(json!({ "example.com/gpu-fraction": "0.6" })));
}

#[test]
fn tolerations_come_with_every_gpu_and_only_once() {
    let taint = json!({ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" });
    let rules = rules().with_tolerations(vec![taint.clone()]);
    let after = |kind: (&str, &str), object: &Value| {
        let asked = Admission { workload: workload(kind), namespace: "team", object, old: None };
        admitted(&asked, &rules).expect("admitted")
    };
    let whole = cases::pod(json!({ "limits": { "example.com/gpu": 1 } }));
    let once = after(("", "Pod"), &whole);
    assert_eq!(once["spec"]["tolerations"], json!([taint]));
    assert_eq!(after(("", "Pod"), &once), once);
    let plain = cases::pod(json!({ "limits": { "cpu": 1 } }));
    assert_eq!(after(("", "Pod"), &plain), plain);
    let set = after(("apps", "DaemonSet"), &cases::templated("apps", "DaemonSet", &whole));
    assert_eq!(set["spec"]["template"]["spec"]["tolerations"], json!([taint]));
    let deployment = cases::templated("apps", "Deployment", &whole);
    assert_eq!(after(("apps", "Deployment"), &deployment), deployment);
}

#[test]
fn a_runtime_class_comes_with_every_gpu_of_a_pod_that_names_none() {
    let rules = rules().with_runtime_class(Some("nvidia".to_owned()));
    let after = |kind: (&str, &str), object: &Value, old: Option<&Value>| {
        let asked = Admission { workload: workload(kind), namespace: "team", object, old };
        admitted(&asked, &rules).expect("admitted")
    };
    let pod = ("", "Pod");
    for (resource, class) in cases::WITH_AND_WITHOUT_A_GPU {
        let asks = cases::pod(json!({ "limits": { resource: "1" } }));
        let once = after(pod, &asks, None);
        assert_eq!(once["spec"].get("runtimeClassName"), class.then_some(&json!("nvidia")));
        assert_eq!(after(pod, &once, None), once, "{resource}");
        // Another that its author chose stays, and a pod that is there cannot change any more.
        let mut chosen = asks.clone();
        chosen["spec"]["runtimeClassName"] = json!("own");
        assert_eq!(after(pod, &chosen, None)["spec"]["runtimeClassName"], "own");
        let mut later = asks.clone();
        later["metadata"]["annotations"] = json!({ "a": "b" });
        assert_eq!(after(pod, &later, Some(&asks)), later, "{resource}");
        // Templates stay as they were written: their pods get it.
        let template =
            after(("apps", "Deployment"), &cases::templated("apps", "Deployment", &asks), None);
        assert!(!template.to_string().contains("runtimeClassName"), "{resource}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "spec",
        "metadata",
        "annotations",
        "containers",
        "initContainers",
        "resources",
        "limits",
        "requests",
        "example.com/gpu-fraction",
        "example.com/gpu-percent",
        "example.com/gpu",
        "securityContext",
        "privileged",
        "env",
        "name",
        "value",
        "tolerations",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9.eEmk+-]{0,6}".prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..5).prop_map(|map| {
                Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic_or_patch_what_is_not_there(spec in any_json(), meta in any_json()) {
        let object = json!({ "metadata": meta, "spec": spec });
        let asked = |object| Admission { workload: Workload::Pod, namespace: "n", object, old: None };
        if let Ok(after) = admitted(&asked(&object), &rules()) {
            prop_assert_eq!(admitted(&asked(&after), &rules()), Ok(after.clone()));
        }
    }

    #[test]
    fn every_whole_percent_is_admitted_as_itself(percent in 1u8..=100) {
        for text in [format!("{}m", u16::from(percent) * 10), format!("{percent}e-2")] {
            let after = created(("", "Pod"), &cases::fraction(json!(text))).expect("a share");
            prop_assert_eq!(percents(("", "Pod"), &after), vec![Some(percent)]);
        }
    }
}
