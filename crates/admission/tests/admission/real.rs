//! The same table and the same random pods through the admission plugins of a real API server, which
//! `tests/real` (Go) wraps. They run where `ALIQUOT_REAL_ADMISSION` names that program: `cargo xtask peers
//! admission` brings and builds it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aliquot_admission::policies::{limits, manifests};
use aliquot_admission::{Rules, Workload};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases::{self, Case};
use crate::chart::rendered;
use crate::policy::agreement::{full, pod};
use crate::policy::apiserver::{self, Asked, Cluster, Refused};
use crate::policy::by_webhook;
use crate::webhook::{self, Server};

/// An API server's plugins with these policies, in a process of their own.
struct Real {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it said of the manifests.
    said: Value,
    /// Namespaces by what they say of themselves: the process keeps each as it first saw it.
    namespaces: BTreeMap<String, String>,
}

impl Real {
    fn with(manifests: &[Value]) -> Self {
        let program = std::env::var_os("ALIQUOT_REAL_ADMISSION")
            .expect("ALIQUOT_REAL_ADMISSION names no program: run `cargo xtask peers admission`");
        let mut command = Command::new(program);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let asks = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        let namespaces = BTreeMap::new();
        let mut real = Self { process, asks, answers, said: Value::Null, namespaces };
        real.said = real.ask(&json!({ "manifests": manifests }));
        real
    }

    /// With everything that the chart installs. A policy that fails is an error here, whatever its own
    /// `failurePolicy` would make of it.
    fn of(rules: &Rules) -> Self {
        let mut all = manifests(rules);
        all.extend(limits(rules));
        all.push(rendered("ValidatingAdmissionPolicy", "aliquot-own-node"));
        for policy in &mut all {
            if policy["spec"].get("failurePolicy").is_some() {
                policy["spec"]["failurePolicy"] = json!("Fail");
            }
        }
        Self::with(&all)
    }

    fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.asks, "{what}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {what}"))
    }

    fn step(&mut self, step: &str, asked: Asked<'_>, namespace: &Value) -> Result<Value, String> {
        let known = self.namespaces.len();
        let name = self.namespaces.entry(format!("{} {namespace}", asked.namespace));
        // One that policies leave alone keeps its name.
        let plain = format!("{}-{known}", asked.namespace);
        let is_system = asked.namespace.starts_with("kube-");
        let name = name.or_insert(if is_system { asked.namespace.to_owned() } else { plain });
        let mut namespace = namespace.clone();
        namespace["apiVersion"] = json!("v1");
        namespace["kind"] = json!("Namespace");
        namespace["metadata"]["name"] = json!(name);
        let mut answer = self.ask(&json!({
            "step": step, "group": asked.kind.0, "kind": asked.kind.1,
            "namespace": namespace, "object": asked.object, "old": asked.old,
        }));
        match answer["refused"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(answer["object"].take()),
        }
    }

    /// The way of an object, with the API server's own validation between the two.
    fn admit(&mut self, asked: Asked<'_>, namespace: &Value) -> Result<Value, Refused> {
        let workload = Workload::of(asked.kind.0, asked.kind.1).expect("a known kind");
        let api = Refused::Api;
        let mut object = self.step("decode", asked, namespace).map_err(api)?;
        let mutated = self.step("mutate", Asked { object: &object, ..asked }, namespace);
        object = mutated.map_err(of_policy)?;
        apiserver::validate(&mut object, workload)?;
        let validated = self.step("validate", Asked { object: &object, ..asked }, namespace);
        validated.map(|_| object).map_err(of_policy)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A refusal without the API server's words around it.
fn of_policy(why: String) -> Refused {
    let said = ["denied request: ", "denied the request: "];
    let own = said.iter().find_map(|words| Some(why.split_once(words)?.1.to_owned()));
    Refused::Policy(own.unwrap_or(why))
}

fn create<'a>(kind: (&'a str, &'a str), object: &'a Value) -> Asked<'a> {
    Asked { kind, namespace: "team", object, old: None }
}

/// What of an object the policies can change: resources by container, tolerations and RuntimeClass.
fn essence(kind: (&str, &str), object: &Value) -> Value {
    let workload = Workload::of(kind.0, kind.1).expect("a known kind");
    let pod = workload.path().iter().fold(object, |value, name| &value[*name]);
    let full = |map: &Value| map.as_object().filter(|map| !map.is_empty()).cloned();
    let resources = |one: &Value| {
        let of = |name: &str| full(&one["resources"][name]);
        json!([one["name"], of("limits"), of("requests")])
    };
    let list = |name: &str| pod["spec"][name].as_array().cloned().unwrap_or_default();
    let all = |name: &str| list(name).iter().map(resources).collect::<Vec<_>>();
    json!([
        all("initContainers"),
        all("containers"),
        list("tolerations"),
        pod["spec"]["runtimeClassName"]
    ])
}

/// One decision in a form that both sides have. The API server's own words are its own.
fn comparable(kind: (&str, &str), decided: Result<Value, Refused>) -> Result<Value, String> {
    match decided {
        Ok(object) => Ok(essence(kind, &object)),
        Err(Refused::Policy(said)) => Err(said),
        Err(Refused::Api(_)) => Err("the API server".to_owned()),
    }
}

#[test]
fn the_real_compiler_takes_every_expression_and_its_type_check_warns_of_none() {
    let real = Real::of(&full());
    eprintln!("real admission: {}", real.said);
    assert_eq!(real.said["problems"], json!([]));
    assert_eq!(real.said["warnings"], json!([]));
}

#[test]
fn real_plugins_decide_every_case_of_the_table_as_the_evaluator_does() {
    let (mut real, cluster) = (Real::of(&full()), Cluster::with(&full()));
    let none = json!({ "metadata": {} });
    let mut differences = Vec::new();
    for Case { name, kind, object, .. } in cases::all() {
        let asked = create(kind, &object);
        let ours = comparable(kind, cluster.admit(asked));
        let theirs = comparable(kind, real.admit(asked, &none));
        if ours != theirs {
            differences.push(format!("{name}: {object}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn real_plugins_decide_random_pods_and_templates_as_the_evaluator_does(
        pod in pod(), before in prop::option::weighted(0.3, pod()), of in 0usize..12,
    ) {
        thread_local!(static PEERS: RefCell<(Real, Cluster)> =
            RefCell::new((Real::of(&full()), Cluster::with(&full()))));
        let kind = *cases::TEMPLATED.get(of).unwrap_or(&("", "Pod"));
        let made = |pod| if kind.1 == "Pod" { pod } else { cases::templated(kind.0, kind.1, &pod) };
        let (object, old) = (made(pod), before.map(made));
        let workload = Workload::of(kind.0, kind.1).expect("a known kind");
        let old = old.and_then(|old| apiserver::decoded(&old, workload).ok());
        let asked = Asked { old: old.as_ref(), ..create(kind, &object) };
        PEERS.with_borrow_mut(|(real, cluster)| {
            let ours = comparable(kind, cluster.admit(asked));
            let theirs = comparable(kind, real.admit(asked, &json!({ "metadata": {} })));
            prop_assert_eq!(ours, theirs, "{} after {:?}", object, old);
            Ok(())
        })?;
    }
}

/// A pod of so many containers, each of which has so many resources and variables.
fn large(containers: usize, resources: usize, variables: usize, share: Value) -> Value {
    let container = |index: usize| {
        let mut limits: serde_json::Map<_, _> = (0..resources)
            .map(|at| (format!("vendor.example/resource-{at}"), json!("1")))
            .collect();
        limits.insert("example.com/gpu-fraction".to_owned(), share.clone());
        let env = (0..variables)
            .map(|at| json!({ "name": format!("VARIABLE_{at}"), "value": "x".repeat(40) }));
        json!({ "name": format!("container-{index}"), "image": "registry.example/image:1",
                "resources": { "limits": limits }, "env": env.collect::<Vec<_>>() })
    };
    cases::pod_of((0..containers).map(container).collect())
}

#[test]
fn large_pods_stay_within_the_real_cost_limits() {
    let mut real = Real::of(&full());
    let none = json!({ "metadata": {} });
    for (containers, resources, variables) in
        [(30, 20, 100), (64, 10, 50), (64, 1, 0), (4, 5, 1000)]
    {
        let object = large(containers, resources, variables, json!("0.01"));
        let admitted = real.admit(create(("", "Pod"), &object), &none);
        let admitted = admitted.unwrap_or_else(|why| {
            panic!("{containers} containers, {resources} resources, {variables} variables: {why:?}")
        });
        let percents = crate::decision::percents(("", "Pod"), &admitted);
        assert_eq!(percents, vec![Some(1); containers]);
    }
}

#[test]
fn a_real_namespace_has_no_more_than_its_annotations_say() {
    let (mut real, mut cluster) = (Real::of(&full()), Cluster::with(&full()));
    let objects = [
        cases::fraction(json!("0.5")),
        cases::pod(json!({ "limits": { "example.com/gpu": "1" } })),
        cases::pod(json!({ "limits": { "example.com/gpu-chat-percent": "60" } })),
        cases::annotated(json!({ "example.com/compute-policy": "strict" }), &["a"]),
    ];
    let annotations = [
        json!({}),
        json!({ "example.com/largest-percent": "50" }),
        json!({ "example.com/largest-percent": "49" }),
        json!({ "example.com/largest-percent": "half" }),
        json!({ "example.com/allowed-resources": "example.com/gpu-percent" }),
        json!({ "example.com/allowed-compute-policies": "fair,strict" }),
        json!({ "example.com/allowed-compute-policies": "fair" }),
        json!({ "example.com/allowed-compute-policies": "strict" }),
    ];
    for (annotations, object) in
        annotations.iter().flat_map(|one| objects.iter().map(move |object| (one, object)))
    {
        cluster.namespace = json!({ "metadata": { "name": "team", "annotations": annotations } });
        let asked = create(("", "Pod"), object);
        let ours = comparable(asked.kind, cluster.admit(asked));
        let theirs = comparable(asked.kind, real.admit(asked, &cluster.namespace.clone()));
        assert_eq!(ours, theirs, "{annotations} and {object}");
    }
}

#[test]
fn real_plugins_leave_the_systems_namespaces_and_those_that_opted_out_alone() {
    let mut real = Real::of(&full());
    let object = cases::pod(json!({ "limits": { "example.com/gpu-percent": "101" } }));
    let out = json!({ "metadata": { "labels": { "example.com/gpu-admission": "disabled" } } });
    let none = json!({ "metadata": {} });
    let mut admits = |namespace, labels: &Value| {
        real.admit(Asked { namespace, ..create(("", "Pod"), &object) }, labels).is_ok()
    };
    assert!(admits("kube-system", &none) && admits("out", &out) && !admits("team", &none));
}

/// The chart's own webhook configurations, with this server's address in place of its Service's.
fn configurations(server: &Server) -> Vec<Value> {
    let kinds = [
        ("MutatingWebhookConfiguration", "/mutate"),
        ("ValidatingWebhookConfiguration", "/validate"),
    ];
    let made = kinds.map(|(kind, path)| {
        let mut one = rendered(kind, "aliquot-shares");
        let webhook = &mut one["webhooks"][0];
        webhook["clientConfig"] =
            json!({ "url": server.url(path), "caBundle": server.authority() });
        webhook["failurePolicy"] = json!("Fail");
        webhook["timeoutSeconds"] = json!(30);
        one
    });
    made.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_webhook_plugins_get_of_our_server_what_the_decision_says() {
    let server = Server::start().await;
    let manifests = configurations(&server);
    let compare = move || {
        let mut real = Real::with(&manifests);
        assert_eq!(real.said["problems"], json!([]));
        for Case { name, kind, object, .. } in cases::all() {
            let asked = create(kind, &object);
            let theirs = real.admit(asked, &json!({ "metadata": {} }));
            match (by_webhook(asked, &webhook::rules()), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(essence(kind, &ours), essence(kind, &theirs), "{name}: {object}");
                }
                (Err(()), Err(Refused::Policy(said))) => {
                    assert!(said.starts_with("aliquot: "), "{name}: {said}");
                }
                (Err(()), Err(Refused::Api(_))) => {}
                (ours, theirs) => panic!("{name}: {ours:?} and {theirs:?} of {object}"),
            }
        }
    };
    tokio::task::spawn_blocking(compare).await.expect("they agree");
}
