//! What others wrote, and what it becomes.

use super::*;
use contract::{Domain, Percent};

const CARD: Option<Mib> = Some(Mib(32510));

fn translated(mut pod: Value, card: Option<Mib>) -> Result<Value, String> {
    let rules = Rules::new(Domain::default());
    let how = Translation { card, ..Translation::default() };
    translate(Workload::Pod, &mut pod, how, &rules).map_err(|error| error.to_string())?;
    Ok(pod)
}

fn hami(limits: Value) -> Value {
    json!({ "metadata": {}, "spec": { "containers": [{ "name": "a", "resources": { "limits": limits } }] } })
}

fn kai(annotations: Value) -> Value {
    json!({ "metadata": { "annotations": annotations },
            "spec": { "schedulerName": "kai-scheduler", "containers": [{ "name": "a" }, { "name": "b" }] } })
}

#[test]
fn hamis_resources_become_a_percent_that_holds_both_and_what_is_less_is_annotated() {
    let table = [
        (json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 50 }), "50", json!(null)),
        (
            json!({ "nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000" }),
            "10",
            json!({ "example.com/gpu-memory": "3000Mi" }),
        ),
        (
            json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000, "nvidia.com/gpucores": 30 }),
            "30",
            json!({ "example.com/gpu-memory": "3000Mi" }),
        ),
        (
            json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 50, "nvidia.com/gpucores": 20 }),
            "50",
            json!({ "example.com/gpu-compute": "20" }),
        ),
        (
            json!({ "nvidia.com/gpu": 1, "nvidia.com/gpucores": 40 }),
            "100",
            json!({ "example.com/gpu-compute": "40" }),
        ),
    ];
    for (limits, percent, annotations) in table {
        let pod = translated(hami(limits.clone()), CARD).unwrap();
        let after = &pod["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(after, &json!({ "example.com/gpu-percent": percent }), "{limits}");
        assert_eq!(pod["metadata"]["annotations"], annotations, "{limits}");
    }
    let whole = translated(hami(json!({ "nvidia.com/gpu": 2 })), None).unwrap();
    assert_eq!(
        whole["spec"]["containers"][0]["resources"]["limits"],
        json!({ "example.com/gpu": "2" })
    );
}

#[test]
fn what_was_translated_is_admitted_as_it_stands() {
    let object = translated(
        hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000, "nvidia.com/gpucores": 5 })),
        CARD,
    );
    let object = object.unwrap();
    let asked =
        crate::Admission { workload: Workload::Pod, namespace: "n", object: &object, old: None };
    let patch = crate::admit(&asked, &Rules::new(Domain::default())).expect("admitted");
    assert!(patch.0.is_empty());
}

#[test]
fn annotations_of_kai_and_runai_go_to_their_container() {
    let pod = translated(
        kai(json!({ "gpu-fraction": "0.5", "gpu-fraction-container-name": "b", "mine": "x" })),
        None,
    )
    .unwrap();
    assert_eq!(
        pod["spec"]["containers"][1]["resources"]["limits"],
        json!({ "example.com/gpu-percent": "50" })
    );
    assert_eq!(pod["metadata"]["annotations"], json!({ "mine": "x" }));
    assert_eq!(pod["spec"]["schedulerName"], "aliquot");
    let pod = translated(kai(json!({ "gpu-memory": "2000" })), CARD).unwrap();
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["limits"],
        json!({ "example.com/gpu-percent": "7" })
    );
    assert_eq!(pod["metadata"]["annotations"], json!({ "example.com/gpu-memory": "2000Mi" }));
}

#[test]
fn what_has_no_counterpart_is_refused_with_what_to_do() {
    let table = [
        (
            hami(json!({ "nvidia.com/gpu": 2, "nvidia.com/gpumem": 3000 })),
            CARD,
            "one container for each",
        ),
        (hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000 })), None, "--card-memory"),
        (
            hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 99999 })),
            CARD,
            "more than a card of 32510MiB",
        ),
        (hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpucores": 101 })), CARD, "1 to 100"),
        (kai(json!({ "gpu-fraction": "1.5" })), None, "more than one GPU"),
        (
            kai(json!({ "gpu-fraction": "0.5", "gpu-fraction-num-devices": "2" })),
            None,
            "gpu-fraction-num-devices: 2",
        ),
        (
            kai(json!({ "gpu-fraction": "0.5", "gpu-fraction-container-name": "x" })),
            None,
            "no container \"x\"",
        ),
        (kai(json!({ "gpu-memory": "much" })), CARD, "amount of memory"),
    ];
    for (pod, card, words) in table {
        let said = translated(pod.clone(), card).unwrap_err();
        assert!(said.contains(words), "{pod}: {said}");
    }
}

#[test]
fn a_stream_is_translated_object_by_object_and_the_rest_is_kept_as_it_was() {
    let stream = "# first\nkind: Service\nmetadata: {name: s} # kept\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        resources:\n          limits:\n            nvidia.com/gpu: 1\n            nvidia.com/gpumem-percentage: 25\n";
    let rules = Rules::new(Domain::default());
    let (out, notes) = translate_yaml(stream, Translation::default(), &rules).unwrap();
    assert!(out.contains("metadata: {name: s} # kept"), "{out}");
    assert!(out.contains("example.com/gpu-percent: \"25\"") && !out.contains("gpumem"), "{out}");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("Deployment d: container \"a\""), "{notes:?}");
    assert_eq!(translate_yaml(&out, Translation::default(), &rules).unwrap(), (out, Vec::new()));
    assert!(translate_yaml("kind: [", Translation::default(), &rules).is_err());
}

#[test]
fn what_is_wrong_in_a_stream_is_told_by_its_line_there() {
    let rules = Rules::new(Domain::default());
    let why = |stream: &str| {
        translate_yaml(stream, Translation::default(), &rules).unwrap_err().to_string()
    };
    let good = "# one\nkind: Service\nmetadata: {name: s}\n";
    let broken = why(&format!("{good}---\nkind: Pod\nspec: [\n"));
    assert!(broken.contains("line 7") || broken.contains("line 6"), "{broken}");
    let pod = "kind: Pod\napiVersion: v1\nmetadata:\n  name: p\n  annotations:\n    gpu-memory: \"2000\"\nspec:\n  containers:\n  - name: a\n";
    let told = why(&format!("{good}---\n# two\n\n{pod}"));
    assert!(told.starts_with("line 7: Pod p: ") && told.contains("--card-memory"), "{told}");
    // A mark may have something behind it, and is none in the middle of a line.
    let (out, _) = translate_yaml(
        "--- # a\nkind: A\n---\nkind: B\ntext: x---y\n",
        Translation::default(),
        &rules,
    )
    .unwrap();
    assert_eq!(out, "---\n# a\nkind: A\n---\nkind: B\ntext: x---y\n");
}

#[test]
fn each_object_of_a_list_is_translated() {
    let pod = |name: &str| {
        let mut pod = hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 25 }));
        (pod["kind"], pod["apiVersion"]) = ("Pod".into(), "v1".into());
        pod["metadata"]["name"] = name.into();
        pod
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")] });
    let (out, notes) =
        translate_yaml(&list.to_string(), Translation::default(), &Rules::new(Domain::default()))
            .unwrap();
    assert_eq!(out.matches("example.com/gpu-percent").count(), 2, "{out}");
    assert!(
        notes[0].starts_with("Pod a: ") && notes.iter().any(|note| note.starts_with("Pod b: ")),
        "{notes:?}"
    );
}

#[test]
fn what_speaks_nobody_elses_words_is_not_touched() {
    for pod in [hami(json!({ "example.com/gpu-percent": "50" })), json!({}), json!({ "spec": 1 })] {
        assert_eq!(translated(pod.clone(), None), Ok(pod));
    }
}

#[test]
fn annotations_of_kai_go_to_an_init_container_too() {
    let mut pod = kai(json!({ "gpu-fraction": "0.5", "gpu-fraction-container-name": "warm" }));
    pod["spec"]["initContainers"] = json!([{ "name": "warm" }]);
    let pod = translated(pod, None).unwrap();
    assert_eq!(
        pod["spec"]["initContainers"][0]["resources"]["limits"],
        json!({ "example.com/gpu-percent": "50" })
    );
    assert_eq!(pod["spec"]["containers"], json!([{ "name": "a" }, { "name": "b" }]));
}

#[test]
fn a_share_of_hami_that_names_no_gpu_is_one_of_one() {
    for (limits, percent) in [
        (json!({ "nvidia.com/gpumem": 3000 }), "10"),
        (json!({ "nvidia.com/gpumem-percentage": 30 }), "30"),
        (json!({ "nvidia.com/gpumem-percentage": 30, "nvidia.com/gpucores": 0 }), "30"),
    ] {
        let pod = translated(hami(limits), CARD).unwrap();
        let after = &pod["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(after, &json!({ "example.com/gpu-percent": percent }));
    }
}

#[test]
fn what_hami_says_of_places_and_turns_is_ours_where_we_have_it_and_told_where_not() {
    let mut pod = hami(
        json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 50, "nvidia.com/priority": 0 }),
    );
    pod["spec"]["schedulerName"] = "hami-scheduler".into();
    pod["metadata"]["annotations"] = json!({
        "hami.io/gpu-scheduler-policy": "binpack", "nvidia.com/use-gputype": "A100",
    });
    let rules = Rules::new(Domain::default());
    let notes =
        translate(Workload::Pod, &mut pod, Translation::default(), &rules).unwrap().join("\n");
    assert_eq!(pod["spec"]["schedulerName"], "aliquot");
    assert_eq!(
        pod["metadata"]["annotations"],
        json!({ "nvidia.com/use-gputype": "A100", "example.com/placement": "pack" })
    );
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["limits"],
        json!({ "example.com/gpu-percent": "50" })
    );
    for word in ["nvidia.com/priority", "nvidia.com/use-gputype", "schedulerName"] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
}

#[test]
fn of_two_containers_neither_gets_less_than_it_asked_for() {
    let mut pod =
        hami(json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000, "nvidia.com/gpucores": 40 }));
    let more = json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem": 6000, "nvidia.com/gpucores": 20 });
    let second = json!({ "name": "b", "resources": { "limits": more } });
    pod["spec"]["containers"].as_array_mut().unwrap().push(second);
    let pod = translated(pod, CARD).unwrap();
    assert_eq!(
        pod["metadata"]["annotations"],
        json!({ "example.com/gpu-memory": "6000Mi" }),
        "3000Mi would be too little for b, and 40 percent of compute is what a has"
    );
}

#[test]
fn one_of_several_replicas_is_its_part_of_a_gpu_and_hamis_words_stay_hamis() {
    let rules = Rules::new(Domain::default());
    let replica = Percent::new(25).ok();
    let translated = |limits: Value| {
        let mut pod = hami(limits);
        let how = Translation { replica, ..Translation::default() };
        translate(Workload::Pod, &mut pod, how, &rules).map_err(|error| error.to_string())?;
        Ok::<Value, String>(pod["spec"]["containers"][0]["resources"]["limits"].take())
    };
    for name in ["nvidia.com/gpu", "nvidia.com/gpu.shared"] {
        let limits = translated(json!({ name: 1 }));
        assert_eq!(limits, Ok(json!({ "example.com/gpu-percent": "25" })));
        let said = translated(json!({ name: 2 })).unwrap_err();
        assert!(said.contains(name) && said.contains("one container for each"), "{said}");
    }
    let hami = json!({ "nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 40 });
    assert_eq!(translated(hami), Ok(json!({ "example.com/gpu-percent": "40" })));
}

#[test]
fn slices_of_nvidias_plugin_change_their_domain_and_nothing_else() {
    let slices = json!({ "nvidia.com/mig-1g.10gb": 2, "nvidia.com/mig-3g.40gb": "1", "cpu": "1" });
    let ours =
        json!({ "example.com/mig-1g.10gb": "2", "example.com/mig-3g.40gb": "1", "cpu": "1" });
    let mut pod = hami(slices);
    pod["spec"]["containers"][0]["resources"]["requests"] =
        json!({ "nvidia.com/mig-1g.10gb": "2" });
    let once = translated(pod.clone(), None).unwrap();
    let resources = &once["spec"]["containers"][0]["resources"];
    assert_eq!(resources["limits"], ours);
    assert_eq!(resources["requests"]["example.com/mig-1g.10gb"], "2");
    assert!(resources["requests"].get("nvidia.com/mig-1g.10gb").is_none(), "{resources}");
    assert_eq!(translated(once.clone(), None), Ok(once), "ours already");
    let same = Rules::new(Domain::parse("nvidia.com").unwrap());
    let mut kept = pod.clone();
    let notes = translate(Workload::Pod, &mut kept, Translation::default(), &same).unwrap();
    assert!(notes.is_empty() && kept == pod, "under NVIDIA's own domain they have their names");
}
