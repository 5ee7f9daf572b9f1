//! What is told of a node, and that the documents speak of nothing else.

use std::sync::Arc;
use std::time::Duration;

use contract::{DeviceId, Percent};
use ledger::abi::Command;
use ledger::agent::SlotUse;

use super::super::parts::tests::sevenths;
use super::super::state::tests::state;
use super::*;
use crate::allotment::Record;
use crate::arbiter::{GpuView, Work};
use crate::audit::Audited;
use crate::decide::Grant;
use crate::inventory::Inventory;
use crate::inventory::tests::uuid;
use crate::registrations::Registration;

fn lines() -> Vec<String> {
    render(&state()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_containers_share_limit_and_use_are_told_with_its_pod() {
    let all = lines();
    let find = |name: &str| {
        let line = all.iter().find(|line| line.starts_with(&format!("{name}{{")));
        line.unwrap_or_else(|| panic!("no {name} in {all:#?}")).clone()
    };
    let share = find("aliquot_container_share_ratios");
    assert!(share.contains("namespace=\"default\",pod=\"a\",container=\"main\""), "{share}");
    assert!(share.ends_with("} 0.5"), "{share}");
    assert!(find("aliquot_container_memory_limit_bytes").ends_with("} 1048576000.0"));
    assert!(find("aliquot_container_memory_used_bytes").ends_with("} 4096.0"));
    assert!(find("aliquot_container_memory_measured_bytes").ends_with("} 5000.0"));
    let spent = find("aliquot_container_gpu_seconds_total");
    assert!(spent.contains("engine=\"co"), "{spent}");
    // Of two GPUs, in an order that changes.
    let measured = "aliquot_gpu_memory_measured_bytes{";
    assert!(all.iter().any(|line| line.starts_with(measured) && line.ends_with("} 5000.0")));
    assert!(find("aliquot_gpu_sick_info").contains("reason=\"XID 79\""));
    let xids = find("aliquot_gpu_xids_total");
    assert!(xids.contains("xid=\"79\"") && xids.ends_with("} 2.0"), "{xids}");
    let refused = all.iter().find(|line| line.starts_with("aliquot_config_refused"));
    assert!(refused.unwrap().ends_with(" 0.0"));
    assert!(all.contains(&"aliquot_audit_found_total{kind=\"uncounted\"} 0.0".to_owned()));
    assert!(all.contains(&"aliquot_events_total{reason=\"GPUUnhealthy\"} 2.0".to_owned()));
    assert!(all.contains(&"aliquot_events_lost_total{reason=\"burst\"} 3.0".to_owned()));
    assert_eq!(all.last().unwrap(), "# EOF");
}

#[test]
fn all_slices_of_a_card_are_told_as_no_more_than_the_card() {
    let ((cards, grants), mut state) = (sevenths(), state());
    let held = |grant: &Grant| {
        let Grant::Slices(slices) = grant else { unreachable!("a card in slices") };
        let record = Record::new(&[DeviceId::Mig(slices[0].0)].into(), grant, 0);
        Held { record, ledger: None, limit: None }
    };
    state.held = grants.iter().map(held).collect();
    state.gpus = Arc::new(cards);
    let text = render(&state).unwrap();
    let told = |name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(&format!("aliquot_{name}{{")));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect::<Vec<f64>>()
    };
    let allotted = told("gpu_allotted_ratios");
    assert!(allotted.len() == 1 && (0.8..=1.0).contains(&allotted[0]), "{allotted:?}");
    let shares = told("container_share_ratios");
    assert!(shares.len() == 7 && shares.iter().all(|share| *share < 0.15), "{shares:?}");
}

/// What is told where the arbiter knows this of the only container, by the series' name.
fn with(seen: Seen) -> impl Fn(&str) -> String {
    let mut state = state();
    let [gpu, id] = [uuid(0).to_string(), state.held[0].record.id.to_string()];
    let containers = [(id, seen)].into();
    state.times.gpus.insert(gpu, GpuView { containers, ..GpuView::default() });
    let text = render(&state).unwrap();
    move |name| {
        let told = text.lines().find(|line| line.starts_with(&format!("aliquot_{name}{{")));
        told.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    }
}

#[test]
fn the_turns_of_a_gang_are_told_with_its_number() {
    let told = with(Seen { gang: Some(7), turns: 12, ..Seen::default() });
    let told = told("container_gang_turns_total");
    assert!(told.contains("gang=\"0000000000000007\"") && told.ends_with("} 12.0"), "{told}");
}

#[test]
fn what_the_arbiter_knows_of_a_container_is_told_in_seconds_with_its_pod() {
    let told = with(Seen {
        charged_ns: 1_500_000_000,
        launches: 40,
        waiting: 3,
        policy: "strict".into(),
        class: "latency".into(),
        ..Seen::default()
    });
    for (name, due) in [
        ("container_gpu_charged_seconds_total", "1.5"),
        ("container_launches_total", "40.0"),
        ("container_waiting", "3.0"),
    ] {
        let told = told(name);
        assert!(told.contains("pod=\"a\"") && told.ends_with(&format!("}} {due}")), "{told}");
    }
    let how = told("container_compute_info");
    assert!(how.contains("policy=\"strict\"") && how.contains("class=\"latency\""), "{how}");
}

fn process() -> SlotUse {
    SlotUse {
        index: 0,
        generation: 1,
        pid: 1,
        start_time: 0,
        pid_namespace: 0,
        shim_version: 0,
        driver_version: 0,
        flags: 0,
        acknowledged: (Command::Run, 0),
        devices: Vec::new(),
    }
}

/// A node of which something is known under every name.
fn full() -> State {
    let mut state = state();
    let id = state.held[0].record.id;
    let ledger = state.held[0].ledger.as_mut().unwrap();
    ledger.slots = vec![process(); 19];
    let used = &mut ledger.devices[0];
    (used.refusals, used.observed, used.waited_ns) = (3, 4, 5_000_000_000);
    let [shared, sick] = [0, 1].map(|n| uuid(n).to_string());
    let seen = Seen {
        charged_ns: 6_000_000_000,
        launches: 7,
        waiting: 2,
        is_active: true,
        oddities: 8,
        policy: "fair".into(),
        gang: Some(1),
        turns: 9,
        ..Seen::default()
    };
    let work = Work { ticks: 10, busy_ns: 11_000_000_000, latest_ns: 12_000_000_000 };
    let containers = [(id.to_string(), seen)].into();
    state.times.gpus.insert(shared, GpuView { work, containers });
    let mut gpus = state.gpus.gpus().to_vec();
    gpus[0].no_shares = Some("noexec".into());
    gpus[0].cordon = Some("fan".into());
    state.gpus = Arc::new(Inventory::new(gpus).and_nameless(2, "it is lost"));
    state.troubles = vec![(id, "no pages".into())];
    let records = [state.held[0].record.clone()];
    state.chargeback.add(&records, &state.gpus, Duration::from_secs(26));
    state.chargeback.used(&records, &state.times);
    state.planned = vec![(uuid(0), Percent::new(30).unwrap())];
    state.registrations.insert("a/b".into(), Registration { holds: true, times: 14 });
    state.denials.insert("refused", 15);
    let mut pool = PoolState::default();
    pool.differ = [("count", ["n1", "n2"].map(str::to_owned).into())].into();
    state.pools = Arc::new([("p".to_owned(), pool)].into());
    state.daemons = Arc::new([("/run/mps".into(), true)].into());
    state.xids = [((sick, 79), 2)].into();
    state.refused = Some("line 3".into());
    state.unknown_runtimes = 16;
    state.handed_on = 20;
    state.audited = Arc::new(Audited { hidden: 17, unknown: 18, ..(*state.audited).clone() });
    state
}

#[test]
fn every_family_says_what_is_known_of_it() {
    let text = render(&full()).unwrap();
    let of = |name: &str| -> Vec<&str> {
        let its = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        text.lines().filter(its).collect()
    };
    let silent: Vec<_> = names().into_iter().filter(|name| of(name).is_empty()).collect();
    assert!(silent.is_empty(), "{silent:?} are never told");
    let table = [
        ("build_info", "1.0"),
        ("gpu_memory_usable_bytes", " 34089205760.0"),
        ("gpu_allotted_ratios", "0.5"),
        ("gpu_allotments", " 1.0"),
        ("gpu_planned_ratios", " 0.3"),
        ("gpu_healthy", " 1.0"),
        ("gpu_blocked_info", " 1.0"),
        ("gpu_no_shares_info", " 1.0"),
        ("gpu_audited", " 1.0"),
        ("container_processes", " 19.0"),
        ("container_memory_refusals_total", " 3.0"),
        ("container_memory_observed_total", " 4.0"),
        ("container_waited_seconds_total", " 5.0"),
        ("container_gpu_charged_seconds_total", " 6.0"),
        ("container_launches_total", " 7.0"),
        ("container_waiting", " 2.0"),
        ("container_active", " 1.0"),
        ("container_time_oddities_total", " 8.0"),
        ("container_gang_turns_total", " 9.0"),
        ("container_compute_info", " 1.0"),
        ("arbiter_looks_total", " 10.0"),
        ("arbiter_busy_seconds_total", " 11.0"),
        ("arbiter_latest_seconds", " 12.0"),
        ("namespace_share_seconds_total", " 13.0"),
        ("namespace_gpu_seconds_total", " 6.0"),
        ("mps_daemon", " 1.0"),
        ("config_refused", " 1.0"),
        ("allotments", " 1.0"),
        ("allotment_trouble_info", " 1.0"),
        ("registered", " 1.0"),
        ("registrations_total", " 14.0"),
        ("allocate_refusals_total", " 15.0"),
        ("pool_nodes_differing", " 2.0"),
        ("starts_in_unknown_runtimes_total", " 16.0"),
        ("allotments_handed_on_total", " 20.0"),
        ("audit_hidden_processes", " 17.0"),
        ("audit_unknown_processes", " 18.0"),
    ];
    for (name, value) in table {
        let lines = of(&format!("aliquot_{name}"));
        assert!(lines.iter().any(|line| line.ends_with(value)), "{name} {value}: {lines:?}");
    }
    let trouble = of("aliquot_allotment_trouble_info")[0];
    assert!(trouble.contains("reason=\"no pages\""), "{trouble}");
}

/// Every series that can be scraped, by name.
fn names() -> Vec<String> {
    let name = |(kind, name, unit): &(&str, &str, Option<Unit>)| {
        let unit = unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let total = if *kind == "Counters" { "_total" } else { "" };
        format!("aliquot_{name}{unit}{total}")
    };
    Families::NAMES.iter().map(name).collect()
}

/// Words that begin as metrics of ours do.
fn told(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    words.filter(|word| word.starts_with("aliquot_")).collect()
}

#[test]
fn dashboard_and_docs_speak_of_metrics_and_labels_that_there_are() {
    let (names, root) = (names(), concat!(env!("CARGO_MANIFEST_DIR"), "/"));
    let scraped = lines();
    for line in scraped.iter().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap().to_owned();
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let board = std::fs::read_to_string(format!("{root}chart/files/dashboard.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&board).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets: Vec<_> =
        panels.iter().filter_map(|one| one["targets"].as_array()).flatten().collect();
    assert!(targets.len() > 5, "{targets:?}");
    for target in targets {
        let expression = target["expr"].as_str().unwrap();
        let spoken = told(expression);
        assert!(!spoken.is_empty(), "{expression}");
        assert!(spoken.iter().all(|name| names.iter().any(|known| known == name)), "{expression}");
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let labels = legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap());
        let series = scraped.iter().filter(|line| line.starts_with(spoken[0]));
        let sampled: Vec<_> = series.collect();
        // Prometheus adds `instance` itself; what the sample does not have is not looked at.
        for label in labels.filter(|label| *label != "instance" && !sampled.is_empty()) {
            let has = sampled.iter().any(|line| line.contains(&format!("{label}=\"")));
            assert!(has, "{label}: {expression}");
        }
    }
    for entry in std::fs::read_dir(format!("{root}../docs")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The extender says its own, and its tests hold them.
        for name in told(&text).iter().filter(|name| !name.starts_with("aliquot_scheduler_")) {
            assert!(names.iter().any(|known| known == *name), "{name} in {}", path.display());
        }
    }
}

#[test]
fn every_name_has_a_help_and_begins_with_the_projects() {
    let all = lines();
    let helped = |name: &str| all.iter().any(|line| line.starts_with(&format!("# HELP {name} ")));
    for line in all.iter().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(name.starts_with("aliquot_") && helped(family), "{line}");
    }
}
