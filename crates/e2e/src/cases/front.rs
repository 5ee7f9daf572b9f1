//! The front door: what is written, and what admission makes of it. The same cases hold for policies and
//! for the webhook.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{BARE, Case, FRACTION, PERCENT, PODS, WHOLE, ended, said, shown};
use crate::chart::CLASS;
use crate::cluster::Cluster;
use crate::manifests::{KINDS, container, pod_of, workload};

pub(super) const CASES: &[Case] = &[
    Case { name: "0.5 becomes 50 percent in every kind of workload", run: kinds },
    Case {
        name: "a template that is applied again has the share that its author says then",
        run: again,
    },
    Case { name: "every spelling of a half is understood", run: spellings },
    Case { name: "what is no share is refused in a sentence", run: refusals },
    Case { name: "a pod that is annotated with 0.5 has half a GPU", run: annotated },
    Case { name: "a namespace that opts out is left alone", run: left_alone },
];

fn kinds(cluster: &mut Cluster) -> Result<()> {
    for (kind, path, place) in KINDS {
        let asked = workload(kind, &json!({FRACTION: 0.5}));
        let stored = cluster.api.try_out(path, &asked).with_context(|| kind.to_owned())?;
        let resources = stored.pointer(&format!("{place}/spec/containers/0/resources"));
        let resources = resources.with_context(|| format!("{kind} lost its resources"))?;
        ensure!(resources["limits"] == json!({PERCENT: "50"}), "{kind}: {resources}");
        // Other templates are given none: their pods are. A DaemonSet's decides on which nodes it has any.
        let tolerations = stored.pointer(&format!("{place}/spec/tolerations"));
        let tolerated = tolerations.is_some_and(|all| all.to_string().contains("nvidia.com/gpu"));
        let is_given = matches!(kind, "Pod" | "DaemonSet");
        ensure!(tolerated == is_given, "{kind}: tolerations are {tolerations:?}");
        let class = stored.pointer(&format!("{place}/spec/runtimeClassName"));
        let expected = (kind == "Pod").then(|| json!(CLASS));
        ensure!(class == expected.as_ref(), "{kind}: the RuntimeClass is {class:?}");
    }
    Ok(())
}

/// A Job's template and a pod's resources cannot change.
fn again(cluster: &mut Cluster) -> Result<()> {
    for (kind, path, place) in
        KINDS.into_iter().filter(|(kind, ..)| !matches!(*kind, "Pod" | "Job"))
    {
        let apply = |fraction: &str| {
            let mut asked = workload(kind, &json!({FRACTION: fraction}));
            if asked["spec"].get("selector").is_some() && kind != "DaemonSet" {
                asked["spec"]["replicas"] = 0.into();
            }
            let pod = asked.pointer_mut(&format!("{place}/spec")).context("it has a pod")?;
            pod["nodeSelector"] = json!({"example.com/nowhere": "x"});
            let words = ["apply", "--server-side", "-n", "default", "-f", "-"];
            cluster.kubectl.with(&words, &asked.to_string())?;
            let stored = cluster.api.get(&format!("{path}/w"))?;
            let resources = stored.pointer(&format!("{place}/spec/containers/0/resources"));
            resources.cloned().context("it has resources")
        };
        for (fraction, percent) in [("0.5", "50"), ("0.25", "25"), ("0.25", "25")] {
            let resources = apply(fraction).with_context(|| format!("{kind} with {fraction}"))?;
            let expected = json!({PERCENT: percent});
            let holds = resources["limits"] == expected && resources["requests"] == expected;
            ensure!(holds, "{kind} with {fraction}: {resources}");
        }
        cluster.api.delete(&format!("{path}/w"))?;
    }
    Ok(())
}

fn spellings(cluster: &mut Cluster) -> Result<()> {
    let spellings = [json!("0.5"), json!("500m"), json!("5e-1"), json!("50e-2"), json!(".5")];
    for spelling in spellings {
        let asked = workload("Pod", &json!({FRACTION: spelling}));
        let stored = cluster.api.try_out(PODS, &asked).with_context(|| spelling.to_string())?;
        let limits = &stored["spec"]["containers"][0]["resources"]["limits"];
        ensure!(*limits == json!({PERCENT: "50"}), "{spelling}: {limits}");
    }
    Ok(())
}

/// A pod, and words of the sentence in which it is refused.
fn refused() -> Vec<(Value, &'static str)> {
    let asks = |limits: Value| workload("Pod", &limits);
    let two = |one: Value, other: Value| {
        pod_of("w", &[container("a", &one, "true"), container("b", &other, "true")])
    };
    let half = || json!({FRACTION: "0.5"});
    let mut privileged = asks(half());
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let mut visible = asks(half());
    visible["spec"]["containers"][0]["env"] =
        json!([{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]);
    let mut compute = asks(half());
    compute["metadata"]["annotations"] = json!({"example.com/gpu-compute": "60"});
    vec![
        (asks(json!({FRACTION: "0"})), "zero"),
        (asks(json!({FRACTION: "0.333"})), "finer than one percent"),
        (asks(json!({FRACTION: "1.5"})), "more than one GPU"),
        (asks(json!({FRACTION: "2"})), "more than one GPU"),
        (asks(json!({PERCENT: "101"})), "101"),
        (asks(json!({"example.com/gpu-chat-percent": "150"})), "gpu-chat-percent"),
        (two(json!({"example.com/gpu-chat-percent": "50"}), json!({WHOLE: "1"})), "two pods"),
        (two(half(), json!({WHOLE: "1"})), "two pods"),
        (two(half(), json!({"example.com/mig-1g.10gb": "1"})), "mig-1g.10gb"),
        (privileged, "privileged"),
        (visible, "NVIDIA_VISIBLE_DEVICES"),
        (compute, "at most 50"),
    ]
}

fn refusals(cluster: &mut Cluster) -> Result<()> {
    for (pod, words) in refused() {
        let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
        let outcome = cluster.api.try_out(PODS, &pod).map(drop);
        let why = outcome.err().with_context(|| format!("{limits} was admitted: no {words:?}"))?;
        let why = format!("{why:#}");
        ensure!(why.contains(words) && why.contains("aliquot"), "{limits} is refused so: {why}");
    }
    Ok(())
}

fn annotated(cluster: &mut Cluster) -> Result<()> {
    let script = "gpu-client --json mem > /dev/termination-log";
    let mut pod = pod_of("annotated", &[container("main", &json!({}), script)]);
    pod["metadata"]["annotations"] = json!({FRACTION: "0.5"});
    let said = said(&ended(cluster, &pod)?, "main");
    ensure!(said.contains(&shown(50)), "not half the memory: {said}");
    Ok(())
}

fn left_alone(cluster: &mut Cluster) -> Result<()> {
    let asked = workload("Pod", &json!({FRACTION: "0.5"}));
    let why = cluster.api.try_out(BARE, &asked).map(drop).err().context("it was rewritten")?;
    ensure!(why.to_string().contains("must be an integer"), "{why}");
    Ok(())
}
