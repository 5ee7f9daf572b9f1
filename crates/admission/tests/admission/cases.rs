//! What users write and what becomes of it: one table for every way to admission.

use serde_json::{Value, json};

/// An object and what admission makes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Group and kind.
    pub(crate) kind: (&'static str, &'static str),
    pub(crate) object: Value,
    pub(crate) expect: Expect,
}

/// What becomes of an object.
pub(crate) enum Expect {
    /// Admitted, with these percents of its containers, init containers first.
    Percents(&'static [Option<u8>]),
    /// Refused in a sentence with these words.
    Refused(&'static [&'static str]),
}

use Expect::{Percents, Refused};

const HALF: Expect = Percents(&[Some(50)]);

fn pod_case(name: &'static str, object: Value, expect: Expect) -> Case {
    Case { name, kind: ("", "Pod"), object, expect }
}

/// A pod of one container with these resources.
pub(crate) fn pod(resources: Value) -> Value {
    pod_of(json!([{ "name": "main", "image": "i", "resources": resources }]))
}

/// A pod of these containers.
pub(crate) fn pod_of(containers: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": { "containers": containers },
    })
}

/// A pod of one container that asks by limit for `value` of a GPU.
pub(crate) fn fraction(value: Value) -> Value {
    pod(json!({ "limits": { "example.com/gpu-fraction": value } }))
}

/// A pod with annotations, whose containers ask for nothing.
pub(crate) fn annotated(annotations: Value, names: &[&str]) -> Value {
    let container = |name: &&str| json!({ "name": name, "image": "i" });
    let mut pod = pod_of(names.iter().map(container).collect());
    pod["metadata"]["annotations"] = annotations;
    pod
}

/// The object of another kind that has this pod's template.
pub(crate) fn templated(group: &str, kind: &str, pod: &Value) -> Value {
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let template = json!({ "metadata": { "labels": { "app": "a" } }, "spec": pod["spec"] });
    let body = match kind {
        "PodTemplate" => {
            return json!({ "apiVersion": version, "kind": kind, "template": template });
        }
        "CronJob" => json!({ "jobTemplate": { "spec": { "template": template } } }),
        _ => json!({ "template": template }),
    };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "w" }, "spec": body })
}

/// Kinds that have a template.
pub(crate) const TEMPLATED: [(&str, &str); 8] = [
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "ReplicationController"),
    ("", "PodTemplate"),
];

/// Resources of which a pod asks for one, and whether that is for a GPU.
pub(crate) const WITH_AND_WITHOUT_A_GPU: [(&str, bool); 7] = [
    ("example.com/gpu-fraction", true),
    ("example.com/gpu-percent", true),
    ("example.com/gpu-chat-percent", true),
    ("example.com/gpu", true),
    ("example.com/gpu-training", true),
    ("example.com/mig-1g.10gb", true),
    ("cpu", false),
];

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut all = spellings();
    all.extend(TEMPLATED.map(|kind| Case {
        name: kind.1,
        kind,
        object: templated(kind.0, kind.1, &fraction(json!("500m"))),
        expect: HALF,
    }));
    all.extend(shapes());
    all.extend(annotations());
    all.extend(numbers());
    all.extend(mixtures());
    all.extend(pools());
    all
}

fn spellings() -> Vec<Case> {
    let values = [json!("0.5"), json!(0.5), json!("500m"), json!("5e-1"), json!("50e-2")];
    let others = [json!(".5"), json!("+0.5"), json!("500000u"), json!("0.50")];
    let half = |value| pod_case("half", fraction(value), HALF);
    let mut cases: Vec<Case> = values.into_iter().chain(others).map(half).collect();
    cases.push(pod_case("a tenth", fraction(json!("100e-3")), Percents(&[Some(10)])));
    cases.push(pod_case("one is metered", fraction(json!("1")), Percents(&[Some(100)])));
    cases.push(pod_case("the number one", fraction(json!(1)), Percents(&[Some(100)])));
    cases.push(pod_case("the smallest", fraction(json!("10m")), Percents(&[Some(1)])));
    cases
}

fn shapes() -> Vec<Case> {
    let both = json!({ "limits": { "example.com/gpu-fraction": "0.5", "cpu": "1" },
                       "requests": { "example.com/gpu-fraction": "500m", "cpu": "1" } });
    let request = json!({ "requests": { "example.com/gpu-fraction": "0.5" } });
    let percent = json!({ "limits": { "example.com/gpu-percent": "50" } });
    let agree = json!({ "limits": { "example.com/gpu-fraction": "0.5",
                                    "example.com/gpu-percent": "50" } });
    let ask = |value: &str| json!({ "limits": { "example.com/gpu-fraction": value } });
    let mut several = pod_of(json!([
        { "name": "a", "image": "i", "resources": ask("0.5") },
        { "name": "b", "image": "i" },
        { "name": "c", "image": "i", "resources": ask("0.3") },
    ]));
    several["spec"]["initContainers"] = json!([
        { "name": "warm", "image": "i", "resources": ask("0.2") },
        { "name": "side", "image": "i", "restartPolicy": "Always", "resources": ask("0.1") },
    ]);
    let each = &[Some(20), Some(10), Some(50), None, Some(30)];
    vec![
        pod_case("limits and requests", pod(both), HALF),
        pod_case("a request alone", pod(request), HALF),
        pod_case("percent already", pod(percent), HALF),
        pod_case("fraction and percent that agree", pod(agree), HALF),
        pod_case("all containers", several, Percents(each)),
        pod_case("nothing of ours", pod(json!({ "limits": { "cpu": "1" } })), Percents(&[None])),
        pod_case("no resources", pod_of(json!([{ "name": "a" }])), Percents(&[None])),
    ]
}

fn annotations() -> Vec<Case> {
    let half = json!({ "example.com/gpu-fraction": "0.5" });
    let second = json!({ "example.com/gpu-fraction": "0.5", "example.com/gpu-container": "b" });
    let nobody = json!({ "example.com/gpu-fraction": "0.5", "example.com/gpu-container": "x" });
    let finer = json!({ "example.com/gpu-fraction": "0.333" });
    let refined = |name: &str, value: &str| {
        let mut pod = fraction(json!("0.5"));
        pod["metadata"]["annotations"] = json!({ name: value });
        pod
    };
    let (memory, compute) = ("example.com/gpu-memory", "example.com/gpu-compute");
    let (policy, class) = ("example.com/compute-policy", "example.com/compute-class");
    vec![
        pod_case("annotated", annotated(half, &["a", "b"]), Percents(&[Some(50), None])),
        pod_case("for b", annotated(second, &["a", "b"]), Percents(&[None, Some(50)])),
        pod_case("for nobody", annotated(nobody, &["a", "b"]), Refused(&["\"x\"", "a, b"])),
        pod_case("annotated finely", annotated(finer, &["a"]), Refused(&["0.333", "0.01"])),
        pod_case("less memory", refined(memory, "12Gi"), HALF),
        pod_case("no unit", refined(memory, "12"), Refused(&["\"12\"", "unit"])),
        pod_case("less compute", refined(compute, "30"), HALF),
        pod_case("more compute", refined(compute, "60"), Refused(&["60", "at most 50"])),
        pod_case("policy", refined(policy, "strict"), HALF),
        pod_case("no policy", refined(policy, "lax"), Refused(&["lax", "fair or strict"])),
        pod_case("class", refined(class, "latency"), HALF),
        pod_case("no class", refined(class, "urgent"), Refused(&["urgent", "latency or batch"])),
    ]
}

fn numbers() -> Vec<Case> {
    let refused = |value: &'static str, words| {
        pod_case("a fraction that is none", fraction(json!(value)), Refused(words))
    };
    let percent = |value: &'static str, words| {
        let limits = json!({ "limits": { "example.com/gpu-percent": value } });
        pod_case("a percentage that is none", pod(limits), Refused(words))
    };
    vec![
        refused("0", &["zero", "0.01"]),
        refused("-500m", &["negative", "-500m"]),
        refused("334m", &["finer than one percent", "334m"]),
        refused("1500m", &["more than one GPU", "`gpu`"]),
        refused("2", &["more than one GPU"]),
        refused("half", &["not a number", "half"]),
        percent("101", &["101", "`gpu`"]),
        percent("0", &["1 to 100"]),
        percent("500m", &["whole number"]),
    ]
}

fn mixtures() -> Vec<Case> {
    let with = |name: &str| json!({ "limits": { "example.com/gpu-fraction": "0.5", name: "1" } });
    let differ = json!({ "limits": { "example.com/gpu-fraction": "0.5" },
                         "requests": { "example.com/gpu-fraction": "0.25" } });
    let contradict = json!({ "limits": { "example.com/gpu-fraction": "0.5",
                                         "example.com/gpu-percent": "40" } });
    let apart = pod_of(json!([
        { "name": "a", "resources": { "limits": { "example.com/gpu-fraction": "0.5" } } },
        { "name": "b", "resources": { "limits": { "example.com/gpu": "1" } } },
    ]));
    let mut privileged = fraction(json!("0.5"));
    privileged["spec"]["containers"][0]["securityContext"] = json!({ "privileged": true });
    let visible = |value: Value| {
        let mut pod = fraction(json!("0.5"));
        pod["spec"]["containers"][0]["env"] = json!([value]);
        pod
    };
    let variable =
        |value: &str| visible(json!({ "name": "NVIDIA_VISIBLE_DEVICES", "value": value }));
    let asks = json!({ "limits": { "example.com/gpu-percent": "50" } });
    let with_variable = |name: &str, value: &str| {
        json!({ "name": name, "image": "i", "resources": asks,
                "env": [{ "name": "NVIDIA_VISIBLE_DEVICES", "value": value }] })
    };
    let elsewhere = pod_of(json!([with_variable("a", "void"), with_variable("b", "all")]));
    // As templates of charts have it, where people fill in one of several.
    let none_else = json!({ "limits": { "example.com/gpu-percent": "50", "example.com/gpu": "0",
                                        "example.com/mig-1g.10gb": "0" } });
    let mut twice = variable("void");
    twice["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("a list")
        .push(json!({ "name": "NVIDIA_VISIBLE_DEVICES", "value": "all" }));
    vec![
        pod_case("whole in one container", pod(with("example.com/gpu")), Refused(&["two pods"])),
        pod_case("whole in one pod", apart, Refused(&["example.com/gpu", "two pods"])),
        pod_case("mig", pod(with("example.com/mig-1g.10gb")), Refused(&["mig-1g.10gb"])),
        pod_case(
            "whole alone",
            pod(json!({ "limits": { "example.com/gpu": 2 } })),
            Percents(&[None]),
        ),
        pod_case("differ", pod(differ), Refused(&["limit is 0.5", "request 0.25"])),
        pod_case("contradict", pod(contradict), Refused(&["50%", "40%"])),
        pod_case("privileged", privileged, Refused(&["\"main\"", "privileged"])),
        pod_case("all", variable("all"), Refused(&["NVIDIA_VISIBLE_DEVICES", "\"all\""])),
        pod_case("void", variable("void"), HALF),
        pod_case("void here, all there", elsewhere, Refused(&["container \"b\"", "\"all\""])),
        pod_case("none of what else there is", pod(none_else), HALF),
        pod_case("void, and all", twice, Refused(&["NVIDIA_VISIBLE_DEVICES", "\"all\""])),
    ]
}

/// The pool whose whole GPUs the rules know by name.
pub(crate) const POOL: &str = "gpu-training";

/// Shares and whole GPUs of pools with names.
fn pools() -> Vec<Case> {
    let chat = |percent: &str| json!({ "limits": { "example.com/gpu-chat-percent": percent } });
    let with = |name: &str, value: &str| {
        pod(json!({ "limits": { "example.com/gpu-chat-percent": "50", name: value } }))
    };
    let none = || Percents(&[None]);
    let mut privileged = pod(chat("50"));
    privileged["spec"]["containers"][0]["securityContext"] = json!({ "privileged": true });
    let mut visible = pod(chat("50"));
    visible["spec"]["containers"][0]["env"] =
        json!([{ "name": "NVIDIA_VISIBLE_DEVICES", "value": "all" }]);
    let refined = |name: &str, value: &str| {
        let mut pod = pod(chat("50"));
        pod["metadata"]["annotations"] = json!({ name: value });
        pod
    };
    let unrequested = json!({ "requests": { "example.com/gpu-chat-percent": "150" },
                              "limits": { "example.com/gpu-chat-percent": "150" } });
    vec![
        pod_case("of a pool", pod(chat("50")), none()),
        pod_case("of two pools", with("example.com/gpu-talk-percent", "30"), none()),
        pod_case(
            "of a pool and of none",
            with("example.com/gpu-percent", "30"),
            Percents(&[Some(30)]),
        ),
        pod_case(
            "too much of a pool",
            pod(chat("150")),
            Refused(&["gpu-chat-percent", "150", "`gpu`"]),
        ),
        pod_case("too much in both", pod(unrequested), Refused(&["gpu-chat-percent", "150"])),
        pod_case("nothing of a pool", pod(chat("0")), Refused(&["gpu-chat-percent", "1 to 100"])),
        pod_case(
            "of a pool, beside whole",
            with("example.com/gpu", "1"),
            Refused(&["example.com/gpu)", "two pods"]),
        ),
        pod_case(
            "beside whole ones of a pool",
            with("example.com/gpu-training", "1"),
            Refused(&["example.com/gpu-training", "two pods"]),
        ),
        pod_case(
            "of a pool, beside a slice",
            with("example.com/mig-1g.10gb", "1"),
            Refused(&["mig-1g.10gb"]),
        ),
        pod_case("of a pool, privileged", privileged, Refused(&["\"main\"", "privileged"])),
        pod_case(
            "of a pool, all visible",
            visible,
            Refused(&["NVIDIA_VISIBLE_DEVICES", "\"all\""]),
        ),
        pod_case(
            "of a pool, no unit",
            refined("example.com/gpu-memory", "12"),
            Refused(&["\"12\"", "unit"]),
        ),
        pod_case("of a pool, less compute", refined("example.com/gpu-compute", "30"), none()),
        pod_case(
            "of a pool, more compute",
            refined("example.com/gpu-compute", "60"),
            Refused(&["60", "at most 50"]),
        ),
        pod_case(
            "whole of a pool",
            pod(json!({ "limits": { "example.com/gpu-training": 2 } })),
            none(),
        ),
        pod_case(
            "another domain's",
            pod(json!({ "limits": { "other.com/gpu-percent": "150" } })),
            none(),
        ),
    ]
}
