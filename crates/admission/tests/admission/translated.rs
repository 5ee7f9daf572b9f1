//! What was written for other systems, translated: it is admitted as it stands, and means what it meant.

use aliquot_admission::review::{Phase, Question};
use aliquot_admission::translate::{translate, translate_yaml};
use aliquot_admission::{Rules, Translation, Workload};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::{Domain, Mib, Percent, parse_memory};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases;
use crate::webhook::review;

/// What one container asked for: parts of one card's memory and compute, in the smallest unit of each.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Meant {
    memory: Mib,
    compute: u8,
}

/// A container in another system's words, and what it means there.
type Asked = (Value, Option<Meant>);

/// What a percent of `card` comes with.
fn of(card: Mib, percent: u8) -> Meant {
    let memory = Percent::new(percent.into()).expect("1 to 100").of(card);
    Meant { memory, compute: percent }
}

fn hami(name: &'static str, card: Mib) -> impl Strategy<Value = Asked> {
    let memory = prop_oneof![
        Just(None),
        (1..=card.0).prop_map(|mib| Some(("nvidia.com/gpumem", mib))),
        (1u64..=100).prop_map(|part| Some(("nvidia.com/gpumem-percentage", part))),
    ];
    let cores = prop::option::of(1u8..=100);
    (memory, cores, any::<bool>(), any::<bool>()).prop_filter_map(
        "a share",
        move |(memory, cores, counts, as_number)| {
            let quantity =
                |number: u64| if as_number { json!(number) } else { json!(number.to_string()) };
            let mut limits = json!({});
            if counts {
                limits["nvidia.com/gpu"] = quantity(1);
            }
            let held = match memory {
                Some((name, amount)) => {
                    limits[name] = quantity(amount);
                    let part = |part| of(card, part).memory;
                    if name == "nvidia.com/gpumem" { Mib(amount) } else { part(amount as u8) }
                }
                None => card,
            };
            if let Some(cores) = cores {
                limits["nvidia.com/gpucores"] = quantity(cores.into());
            }
            memory.or(cores.map(|cores| ("", cores.into())))?;
            // Who says nothing of cores is not bound there: what the memory brings is right.
            let meant = Meant { memory: held, compute: cores.unwrap_or(1) };
            Some((
                json!({ "name": name, "image": "i", "resources": { "limits": limits } }),
                Some(meant),
            ))
        },
    )
}

/// In our own words, or without a GPU.
fn ours(name: &'static str, card: Mib) -> impl Strategy<Value = Asked> {
    prop_oneof![
        Just((json!({ "name": name, "image": "i" }), None)),
        (1u8..=100, any::<bool>()).prop_map(move |(percent, fraction)| {
            let limits = match fraction {
                true => json!({ "example.com/gpu-fraction": format!("{percent}e-2") }),
                false => json!({ "example.com/gpu-percent": percent.to_string() }),
            };
            let container =
                json!({ "name": name, "image": "i", "resources": { "limits": limits } });
            (container, Some(of(card, percent)))
        }),
    ]
}

fn pods_of_hami(card: Mib) -> impl Strategy<Value = (Value, Vec<Option<Meant>>)> {
    let other = prop_oneof![hami("b", card), Just((json!({ "name": "b", "image": "i" }), None))];
    (hami("a", card), other, prop::option::of(hami("init", card))).prop_map(|(a, b, init)| {
        let mut pod = cases::pod_of(json!([a.0, b.0]));
        let mut meant = vec![a.1, b.1];
        if let Some((container, of)) = init {
            pod["spec"]["initContainers"] = json!([container]);
            meant.insert(0, of);
        }
        (pod, meant)
    })
}

/// KAI's and Run:ai's forms: one share, for one container.
fn pods_of_kai(card: Mib) -> impl Strategy<Value = (Value, Vec<Option<Meant>>)> {
    let ask = prop_oneof![
        (1u8..=100).prop_map(move |part| (
            json!({ "gpu-fraction": format!("{}.{:02}", part / 100, part % 100) }),
            of(card, part)
        )),
        (1..=card.0, any::<bool>()).prop_map(|(mib, unit)| (
            json!({ "gpu-memory": if unit { format!("{mib}Mi") } else { mib.to_string() } }),
            Meant { memory: Mib(mib), compute: 1 }
        )),
    ];
    let chosen = prop::sample::select(vec![None, Some(0), Some(1), Some(2)]);
    let scheduler = prop::sample::select(vec!["kai-scheduler", "runai-scheduler"]);
    (ask, chosen, scheduler).prop_map(|((annotations, meant), chosen, scheduler)| {
        let names = ["init", "a", "b"];
        let mut pod = cases::annotated(annotations, &["a", "b"]);
        pod["spec"]["initContainers"] = json!([{ "name": "init", "image": "i" }]);
        pod["spec"]["schedulerName"] = scheduler.into();
        if let Some(index) = chosen {
            pod["metadata"]["annotations"]["gpu-fraction-container-name"] = names[index].into();
        }
        let target = chosen.unwrap_or(1);
        (pod, (0..3).map(|index| (index == target).then_some(meant)).collect())
    })
}

/// Pods in our own words, which stay as they are.
fn pods_of_ours(card: Mib) -> impl Strategy<Value = (Value, Vec<Option<Meant>>)> {
    (ours("a", card), ours("b", card))
        .prop_map(|(a, b)| (cases::pod_of(json!([a.0, b.0])), vec![a.1, b.1]))
}

fn any_pod(card: Mib) -> impl Strategy<Value = (Value, Vec<Option<Meant>>)> {
    prop_oneof![pods_of_hami(card), pods_of_kai(card), pods_of_ours(card)]
}

/// What each container of a pod in our words gets from a node: the percent, and what annotations make less of it,
/// as the node agent applies them (one that would make more does not count).
fn given(pod: &Value, card: Mib) -> Vec<Option<Meant>> {
    let annotation = |name: &str| pod["metadata"]["annotations"].get(name)?.as_str();
    let memory =
        annotation("example.com/gpu-memory").map(|text| parse_memory(text).expect("memory"));
    let compute =
        annotation("example.com/gpu-compute").map(|text| text.parse().expect("a percent"));
    let percents = crate::decision::percents(("", "Pod"), pod);
    let lowered = |percent: u8| {
        let share = of(card, percent);
        Meant {
            memory: memory.filter(|memory| *memory <= share.memory).unwrap_or(share.memory),
            compute: compute.filter(|compute| *compute <= share.compute).unwrap_or(share.compute),
        }
    };
    percents.into_iter().map(|percent| percent.map(lowered)).collect()
}

/// The pod as the webhook leaves it, with translation or without, or what it says.
fn through_the_webhook(pod: &Value, translation: Option<Translation>) -> Result<Value, String> {
    let rules = Rules::new(Domain::default()).translating(translation);
    let ask = |phase, pod: &Value| -> Value {
        let body = serde_json::to_vec(&review(("", "Pod"), pod)).expect("JSON");
        let answer = Question::read(&body).expect("a review").answer(phase, &rules);
        serde_json::to_value(answer).expect("JSON")["response"].take()
    };
    let said = |answer: &Value| answer["status"]["message"].as_str().unwrap_or_default().to_owned();
    let answer = ask(Phase::Mutate, pod);
    if answer["allowed"] != true {
        return Err(said(&answer));
    }
    let mut pod = pod.clone();
    if let Some(patch) = answer["patch"].as_str() {
        let patch: json_patch::Patch =
            serde_json::from_slice(&STANDARD.decode(patch).expect("base64")).expect("a patch");
        json_patch::patch(&mut pod, &patch).expect("it fits");
    }
    let answer = ask(Phase::Validate, &pod);
    if answer["allowed"] == true { Ok(pod) } else { Err(said(&answer)) }
}

proptest! {
    #[test]
    fn what_is_translated_is_admitted_as_it_stands_and_means_what_it_meant(
        (card, (pod, meant)) in (1000u64..200_000).prop_flat_map(|mib| (Just(Mib(mib)), any_pod(Mib(mib)))),
    ) {
        let rules = Rules::new(Domain::default());
        let how = Translation { card: Some(card), ..Translation::default() };
        let mut by_hand = pod.clone();
        let notes = translate(Workload::Pod, &mut by_hand, how, &rules).expect("it has a counterpart");
        let speaks_ours = notes.is_empty();
        prop_assert_eq!(by_hand == pod, speaks_ours, "what changed is told");
        let admitted = through_the_webhook(&by_hand, None).expect("it is admitted");
        prop_assert!(speaks_ours || admitted == by_hand, "{admitted} is not {by_hand}");
        let by_webhook = through_the_webhook(&pod, Some(how));
        prop_assert_eq!(by_webhook.as_ref(), Ok(&admitted));

        let given = given(&admitted, card);
        prop_assert_eq!(given.len(), meant.len());
        let alone = meant.iter().flatten().count() == 1;
        for (given, meant) in given.iter().zip(&meant) {
            prop_assert_eq!(given.is_some(), meant.is_some());
            let (Some(given), Some(meant)) = (given, meant) else { continue };
            prop_assert!(given.memory >= meant.memory && given.compute >= meant.compute, "{given:?} {meant:?}");
            if alone {
                prop_assert_eq!(given.memory, meant.memory);
            }
        }

        let mut again = admitted.clone();
        prop_assert!(translate(Workload::Pod, &mut again, how, &rules).expect("ours").is_empty());
        prop_assert_eq!(again, admitted);
    }
}

/// The fenced YAML of docs/migrate.md: for each section, its command line, the manifest before and the one after.
fn documented() -> Vec<(String, Translation, String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/migrate.md");
    let text = std::fs::read_to_string(path).expect("docs/migrate.md");
    let sections = text.split("\n## ").skip(1).filter(|section| section.contains("```yaml"));
    let of = |section: &str| {
        let title = section.lines().next().unwrap_or_default().to_owned();
        let mut blocks = section.split("```yaml\n").skip(1);
        let mut block = |mark: &str| {
            let block = blocks.next().and_then(|rest| rest.split("\n```").next()).expect("a block");
            assert!(block.starts_with(&format!("# {mark}\n")), "{title}: {block}");
            block.to_owned()
        };
        let (before, after) = (block("before"), block("after"));
        let command = section.lines().find(|line| line.starts_with("    aliquot translate "));
        let words: Vec<&str> = command.expect("a command line").split_whitespace().collect();
        let flag = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        let card = flag("--card-memory").map(|text| parse_memory(text).expect("memory"));
        let replicas = flag("--replicas").map(|text| text.parse::<u64>().expect("a number"));
        let replica = replicas.and_then(|replicas| Percent::new(100 / replicas).ok());
        (title, Translation { card, replica }, before, after)
    };
    sections.map(of).collect()
}

#[test]
fn what_the_document_shows_before_becomes_what_it_shows_after() {
    let all = documented();
    assert_eq!(all.len(), 4, "HAMi, KAI, Run:ai and time-slicing");
    let rules = Rules::new(Domain::default());
    for (title, how, before, after) in all {
        let (made, _) =
            translate_yaml(&before, how, &rules).unwrap_or_else(|why| panic!("{title}: {why}"));
        let read = |text: &str| -> Value {
            serde_saphyr::from_str(text.trim_start_matches("---\n")).expect("YAML")
        };
        let (before, made, after) = (read(&before), read(&made), read(&after));
        assert_eq!(made, after, "{title}: translate makes\n{made:#}");
        // What admission makes of a pod of the first is what it makes of one of the second.
        let pod = |object: &Value| match object["kind"].as_str() {
            Some("Pod") => object.clone(),
            _ => {
                let mut pod = object["spec"]["template"].clone();
                pod["metadata"]["name"] = "p".into();
                pod
            }
        };
        let as_written = through_the_webhook(&pod(&after), None);
        assert_eq!(as_written.as_ref(), Ok(&pod(&after)), "{title}: it is admitted as it stands");
        assert_eq!(through_the_webhook(&pod(&before), Some(how)), as_written, "{title}");
    }
}
