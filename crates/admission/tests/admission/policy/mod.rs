//! The policies by the webhook's table, in an evaluator of CEL, and against `admit` on pods that nobody
//! thought of. What CEL cannot say is listed here, and tested to be so.

pub(crate) mod agreement;
pub(crate) mod apiserver;
pub(crate) mod cel;
mod quantity;

use aliquot_admission::policies::{ChartFile, for_the_chart};
use aliquot_admission::{Admission, Rules, Workload, admit};
use contract::Domain;
use serde_json::{Value, json};

use crate::cases::{self, Case, Expect};
use crate::decision::percents;
use apiserver::{Asked, Cluster, Refused};

/// Cases that the API server refuses by itself, before any policy can say what to write: with these
/// words where the webhook has a sentence.
const REFUSED_BY_THE_API_SERVER: [(&str, &str, &str); 4] = [
    ("a fraction that is none", "-500m", "must be greater than or equal to 0"),
    ("a fraction that is none", "half", "quantities must match"),
    ("a percentage that is none", "500m", "must be an integer"),
    ("differ", "0.25", "must be equal to example.com/gpu-percent limit"),
];

fn rules() -> Rules {
    Rules::new(Domain::default()).with_pools([cases::POOL.to_owned()])
}

fn cluster() -> Cluster {
    Cluster::with(&rules())
}

fn create<'a>(kind: (&'a str, &'a str), object: &'a Value) -> Asked<'a> {
    Asked { kind, namespace: "team", object, old: None }
}

#[test]
fn every_case_of_the_table_becomes_what_the_table_says() {
    let cluster = cluster();
    let mut by_itself = 0;
    for Case { name, kind, object, expect } in cases::all() {
        match (expect, cluster.admit(create(kind, &object))) {
            (Expect::Percents(expected), Ok(object)) => {
                assert_eq!(percents(kind, &object), expected, "{name}: {object}");
            }
            (Expect::Refused(words), Err(Refused::Policy(said))) => {
                assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
            }
            (Expect::Refused(_), Err(Refused::Api(said))) => {
                let text = object.to_string();
                let known = REFUSED_BY_THE_API_SERVER.iter().any(|(of, value, words)| {
                    *of == name && text.contains(&format!("{value:?}")) && said.contains(words)
                });
                assert!(known, "{name}, a difference that is not listed: {said}");
                by_itself += 1;
            }
            (Expect::Percents(_), Err(refused)) => panic!("{name} was refused: {refused:?}"),
            (Expect::Refused(_), Ok(object)) => panic!("{name} was admitted: {object}"),
        }
    }
    assert_eq!(by_itself, REFUSED_BY_THE_API_SERVER.len(), "a listed difference is none any more");
}

#[test]
fn what_was_admitted_is_admitted_again_unchanged() {
    let cluster = cluster();
    for Case { name, kind, object, .. } in cases::all() {
        let Ok(once) = cluster.admit(create(kind, &object)) else { continue };
        assert_eq!(cluster.admit(create(kind, &once)).as_ref(), Ok(&once), "{name}");
    }
}

#[test]
fn without_the_mutation_nothing_is_admitted_that_it_would_have_changed() {
    let mut cluster = cluster();
    for Case { name, kind, object, .. } in cases::all() {
        cluster.mutates = true;
        let wanted = cluster.admit(create(kind, &object));
        cluster.mutates = false;
        if let Ok(bare) = cluster.admit(create(kind, &object)) {
            assert_eq!(Ok(bare), wanted, "{name}");
        }
    }
}

#[test]
fn a_namespace_that_is_left_alone_and_a_mirror_pod_are_not_touched() {
    let cluster = Cluster::with(&rules().leaving_alone(["infra".to_owned()]));
    let mut object = cases::pod(json!({ "limits": { "example.com/gpu-percent": "101" } }));
    for namespace in ["kube-system", "infra"] {
        let asked = Asked { namespace, ..create(("", "Pod"), &object) };
        assert!(cluster.admit(asked).is_ok(), "{namespace}");
    }
    assert!(cluster.admit(create(("", "Pod"), &object)).is_err());
    object["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" });
    assert!(cluster.admit(create(("", "Pod"), &object)).is_ok());
}

#[test]
fn a_template_that_is_applied_again_takes_its_fraction_for_what_its_author_says() {
    let kind = ("apps", "Deployment");
    let both = |limits: Value| {
        let requests = json!({ "example.com/gpu-percent": "50" });
        let pod = cases::pod(json!({ "limits": limits, "requests": requests }));
        cases::templated(kind.0, kind.1, &pod)
    };
    let old = both(json!({ "example.com/gpu-percent": "50" }));
    let object =
        both(json!({ "example.com/gpu-percent": "50", "example.com/gpu-fraction": "0.25" }));
    let asked = Asked { old: Some(&old), ..create(kind, &object) };
    let after = cluster().admit(asked).expect("a change of mind is no contradiction");
    assert_eq!(percents(kind, &after), [Some(25)]);
}

#[test]
fn an_update_that_changes_nothing_here_passes_whatever_it_says() {
    let old = cases::pod(json!({ "limits": { "example.com/gpu-percent": "101" },
                                 "requests": { "example.com/gpu-percent": "101" } }));
    let mut object = old.clone();
    object["metadata"]["finalizers"] = json!([]);
    let asked = Asked { old: Some(&old), ..create(("", "Pod"), &object) };
    assert!(cluster().admit(asked).is_ok());
}

#[test]
fn a_pod_that_is_there_is_checked_and_not_patched() {
    let cluster = cluster();
    let first = cases::fraction(json!("0.5"));
    let old = cluster.admit(create(("", "Pod"), &first)).expect("half a GPU");
    let update = |annotations: Value| {
        let mut object = old.clone();
        object["metadata"]["annotations"] = annotations;
        let asked =
            Asked { kind: ("", "Pod"), namespace: "team", object: &object, old: Some(&old) };
        cluster.admit(asked).map(|after| assert_eq!(after, object))
    };
    assert!(update(json!({ "example.com/gpu-compute": "30" })).is_ok());
    assert!(update(json!({ "example.com/gpu-compute": "60" })).is_err());
    assert!(update(json!({ "example.com/gpu-fraction": "0.6" })).is_err());
}

#[test]
fn tolerations_come_with_every_gpu_and_only_once() {
    let taint = json!({ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" });
    let cluster = Cluster::with(&rules().with_tolerations(vec![taint.clone()]));
    let after = |kind, object: &Value| cluster.admit(create(kind, object)).expect("admitted");
    let pod = ("", "Pod");
    let mut whole = cases::pod(json!({ "limits": { "example.com/gpu": "1" } }));
    let once = after(pod, &whole);
    assert_eq!(once["spec"]["tolerations"], json!([taint]));
    assert_eq!(after(pod, &once), once);
    whole["spec"]["tolerations"] = json!([{ "key": "a", "operator": "Exists" }]);
    assert_eq!(
        after(pod, &whole)["spec"]["tolerations"],
        json!([{ "key": "a", "operator": "Exists" }, taint])
    );
    for resource in ["gpu-training", "gpu-chat-percent"] {
        let pooled = cases::pod(json!({ "limits": { format!("example.com/{resource}"): "1" } }));
        assert_eq!(after(pod, &pooled)["spec"]["tolerations"], json!([taint]), "{resource}");
    }
    let plain = after(pod, &cases::pod(json!({ "limits": { "cpu": "1" } })));
    assert!(plain["spec"].get("tolerations").is_none());
    let set = after(
        ("apps", "DaemonSet"),
        &cases::templated("apps", "DaemonSet", &cases::fraction(json!("0.5"))),
    );
    assert_eq!(set["spec"]["template"]["spec"]["tolerations"], json!([taint]));
    let deployment = after(("apps", "Deployment"), &cases::templated("apps", "Deployment", &whole));
    assert!(!deployment.to_string().contains("nvidia.com/gpu"));
}

#[test]
fn a_runtime_class_comes_with_every_gpu_of_a_pod_that_names_none() {
    let mut cluster = Cluster::with(&rules().with_runtime_class(Some("nvidia".to_owned())));
    let pod = ("", "Pod");
    for (resource, class) in cases::WITH_AND_WITHOUT_A_GPU {
        let asks = cases::pod(json!({ "limits": { resource: "1" } }));
        let once = cluster.admit(create(pod, &asks)).expect("admitted");
        assert_eq!(once["spec"].get("runtimeClassName"), class.then_some(&json!("nvidia")));
        assert_eq!(cluster.admit(create(pod, &once)).as_ref(), Ok(&once), "{resource}");
        let mut chosen = asks.clone();
        chosen["spec"]["runtimeClassName"] = json!("own");
        let chosen = cluster.admit(create(pod, &chosen)).expect("admitted");
        assert_eq!(chosen["spec"]["runtimeClassName"], "own");
        let template = cases::templated("apps", "Deployment", &asks);
        let template = cluster.admit(create(("apps", "Deployment"), &template)).expect("admitted");
        assert!(!template.to_string().contains("runtimeClassName"), "{resource}");
    }
    // Without the mutation such a pod would start without a driver. One that is there stays.
    cluster.mutates = false;
    let asks = cases::pod(json!({ "limits": { "example.com/gpu": "1" } }));
    let Err(Refused::Policy(said)) = cluster.admit(create(pod, &asks)) else { panic!("no class") };
    assert!(said.contains("write runtimeClassName: nvidia"), "{said}");
    let mut later = asks.clone();
    later["metadata"]["annotations"] = json!({ "a": "b" });
    assert!(cluster.admit(Asked { old: Some(&asks), ..create(pod, &later) }).is_ok());
}

/// What only the webhook can say: all faults at once, and the same numbers in the author's spelling.
#[test]
fn of_several_faults_the_policy_says_the_first() {
    let object = cases::pod_of(json!([
        { "name": "a", "resources": { "limits": { "example.com/gpu-fraction": "0" } } },
        { "name": "b", "resources": { "limits": { "example.com/gpu-fraction": "1.5" } } },
    ]));
    let Err(Refused::Policy(said)) = cluster().admit(create(("", "Pod"), &object)) else {
        panic!("both are wrong")
    };
    assert!(said.contains("container \"a\"") && !said.contains("container \"b\""), "{said}");
}

#[test]
fn a_fraction_that_is_no_share_has_no_node_even_without_the_validation() {
    let object = cases::fraction(json!("334m"));
    let mutated = cluster().mutated_only(create(("", "Pod"), &object));
    let limits = &mutated["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits, &json!({ "example.com/gpu-fraction-refused": "334" }));
}

/// Kubernetes' own documentation of CEL names each (and a 1.36 API server was seen to have the lists,
/// the optionals and the quantities).
#[test]
fn only_functions_are_called_that_the_api_server_has() {
    let known = [
        "_?_:_",
        "_&&_",
        "_||_",
        "!_",
        "_+_",
        "_*_",
        "_/_",
        "_%_",
        "_==_",
        "_!=_",
        "_>=_",
        "_<=_",
        "_>_",
        "_<_",
        "_[_]",
        "_[?_]",
        "@in",
        "@not_strictly_false",
        "dyn",
        "string",
        "int",
        "size",
        "matches",
        "startsWith",
        "hasValue",
        "orValue",
        "quantity",
        "isQuantity",
        "compareTo",
        "isLessThan",
        "isGreaterThan",
        "asApproximateFloat",
        "flatten",
        "join",
        "contains",
    ];
    for call in cluster().expressions().flat_map(|expression| expression.calls()) {
        assert!(known.contains(&call.as_str()), "{call}");
    }
}

/// A real 1.36 compiler refused maps of a `dyn` value and a text ("expected type 'dyn' but found 'string'").
#[test]
fn all_values_of_a_map_are_of_one_type_for_the_real_compiler() {
    for expression in cluster().expressions() {
        assert_eq!(expression.entries_of_another_type(), [""; 0]);
    }
    let mixed = cel::Expression::read("{'name': c.?name.orValue(''), 'text': dyn('')}");
    assert_eq!(mixed.entries_of_another_type().len(), 1);
}

#[test]
fn the_chart_has_the_policies_that_the_program_writes() {
    for (name, file) in [("policies", ChartFile::Policies), ("limits", ChartFile::Limits)] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../daemonset/chart/files");
        let lies =
            std::fs::read_to_string(format!("{folder}/{name}.yaml")).expect("the chart's file");
        let again = format!(
            "cargo run -p aliquot-admission -- policies --chart {name} > {folder}/{name}.yaml"
        );
        assert!(lies == for_the_chart(file), "write it again: {again}");
    }
}

#[test]
fn a_namespace_has_no_more_than_its_annotations_say() {
    let mut cluster = cluster();
    let mut said = |annotations: Value, object: &Value| {
        cluster.namespace = json!({ "metadata": { "name": "team", "annotations": annotations } });
        cluster.admit(create(("", "Pod"), object)).err().map(|refused| format!("{refused:?}"))
    };
    let half = cases::fraction(json!("0.5"));
    let whole = cases::pod(json!({ "limits": { "example.com/gpu": "1" } }));
    let mut strict = half.clone();
    strict["metadata"]["annotations"] = json!({ "example.com/compute-policy": "strict" });
    let pool = cases::pod(json!({ "limits": { "example.com/gpu-chat-percent": "60" } }));
    let table = [
        (json!({ "example.com/largest-percent": "60" }), &pool, None),
        (json!({ "example.com/largest-percent": "50" }), &pool, Some("which is 50%")),
        (
            json!({ "example.com/allowed-resources": "example.com/gpu-percent" }),
            &pool,
            Some("example.com/gpu-chat-percent,"),
        ),
        (json!({}), &half, None),
        (json!({ "example.com/largest-percent": "50" }), &half, None),
        (json!({ "example.com/largest-percent": "49" }), &half, Some("at most 49%")),
        (json!({ "example.com/largest-percent": "49" }), &whole, None),
        (json!({ "example.com/largest-percent": "half" }), &whole, Some("no whole number")),
        (json!({ "example.com/allowed-resources": "example.com/gpu-percent" }), &half, None),
        (
            json!({ "example.com/allowed-resources": "example.com/gpu-percent" }),
            &whole,
            Some("example.com/gpu,"),
        ),
        (json!({ "example.com/allowed-compute-policies": "fair,strict" }), &strict, None),
        (
            json!({ "example.com/allowed-compute-policies": "fair" }),
            &strict,
            Some("\\\"strict\\\""),
        ),
        // Nothing written is fair, of a share alone.
        (json!({ "example.com/allowed-compute-policies": "fair" }), &half, None),
        (
            json!({ "example.com/allowed-compute-policies": "strict" }),
            &half,
            Some("may have strict only"),
        ),
        (
            json!({ "example.com/allowed-compute-policies": "strict" }),
            &pool,
            Some("may have strict only"),
        ),
        (json!({ "example.com/allowed-compute-policies": "strict" }), &strict, None),
        (json!({ "example.com/allowed-compute-policies": "strict" }), &whole, None),
    ];
    for (annotations, object, words) in table {
        let said = said(annotations.clone(), object);
        match words {
            None => assert_eq!(said, None, "{annotations}"),
            Some(words) => assert!(
                said.clone().is_some_and(|said| said.contains(words)),
                "{annotations}: {said:?}"
            ),
        }
    }
}

/// Through the webhook on the same API server: mutation, the server's own validation, validation.
pub(crate) fn by_webhook(asked: Asked<'_>, rules: &Rules) -> Result<Value, ()> {
    let workload = Workload::of(asked.kind.0, asked.kind.1).expect("a known kind");
    let decided = |object: &Value| {
        admit(&Admission { workload, namespace: asked.namespace, object, old: asked.old }, rules)
    };
    let mut object = apiserver::decoded(asked.object, workload).map_err(drop)?;
    let patch = decided(&object).map_err(drop)?;
    json_patch::patch(&mut object, &patch).expect("it fits");
    let mut object = apiserver::decoded(&object, workload).map_err(drop)?;
    apiserver::validate(&mut object, workload).map_err(drop)?;
    let left = decided(&object).map_err(drop)?;
    if left.0.is_empty() { Ok(object) } else { Err(()) }
}
