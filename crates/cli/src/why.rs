//! `aliquot why POD`: why a pod is refused or waits, and which GPU had how much, by what the node's
//! agent has written down. It only reads, and needs neither the agent nor a kubelet to be alive.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aliquot_node::allotment::Holding;
use aliquot_node::arbiter::View;
use aliquot_node::decide::{Taken, blocked};
use aliquot_node::inventory::{Gpu, Kind, PARTS, Slice};
use aliquot_node::layout::Layout;
use aliquot_node::modes::Mode;
use aliquot_node::refusals::{self, Refused};
use aliquot_node::status::{self, Allotment, Status};
use contract::{DeviceId, Mib};

use crate::args::WhyArgs;

/// Refusals that are shown.
const SHOWN: usize = 5;

/// Prints why.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let status = status::read(&args.state_dir, &args.pages_dir)?;
    let refused = refusals::read(&Layout::new(&args.state_dir, &args.pages_dir).refusals());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let lives = View::read(&View::file(&args.pages_dir)).is_some();
    print!("{}", explain(&args.pod, &status, &refused, lives, now));
    Ok(ExitCode::SUCCESS)
}

/// All that is known about the pod `name`, or `namespace/name`; and whether an agent has written lately, which
/// would know more.
fn explain(pod: &str, status: &Status, refused: &[Refused], lives: bool, now: u64) -> String {
    let mut text = String::new();
    if !lives {
        say_no_agent(&mut text, status);
    }
    let held: Vec<_> = status.allotments.iter().filter(|held| is_of(pod, held)).collect();
    for held in &held {
        say_held(&mut text, status, held);
    }
    let (its, anybodys) = refused_to(pod, refused);
    if held.is_empty() {
        let _ = writeln!(text, "pod {pod} holds nothing of this node's GPUs");
        say_refused(&mut text, its.into_iter().chain(anybodys).collect(), now);
    } else if !its.is_empty() {
        // What was given to it and does not start is held meanwhile.
        say_refused(&mut text, its, now);
    }
    if !status.gpus.is_empty() {
        say_left(&mut text, status);
    }
    text
}

fn say_no_agent(text: &mut String, status: &Status) {
    let _ = match status.gpus.is_empty() {
        true => writeln!(text, "no agent has left a list of GPUs here: ask on the pod's node"),
        // That is all that a file tells that is not renewed.
        false => writeln!(
            text,
            "no agent has written here for {} s (none runs, or the folder of the pages is full, or not its \
             own): what follows is what the last one wrote down",
            View::STALE.as_secs()
        ),
    };
}

fn is_of(pod: &str, held: &Allotment) -> bool {
    let holder = held.record.holder.as_ref();
    holder.is_some_and(|holder| is_named(pod, &format!("{}/{}", holder.namespace, holder.pod)))
}

fn say_held(text: &mut String, status: &Status, held: &Allotment) {
    let container = held.record.holder.as_ref().and_then(|holder| holder.container.as_deref());
    let what = match &held.record.holding {
        Holding::Share { percent, memory_mib, .. } => format!("{percent}% ({})", Mib(*memory_mib)),
        _ => "all".to_owned(),
    };
    for gpu in held.record.holding.gpus() {
        let _ = writeln!(text, "container {} holds {what} of {gpu}", container.unwrap_or("(init)"));
        let sick =
            status.gpus.iter().find(|known| known.uuid == *gpu).and_then(|gpu| gpu.sick.as_ref());
        if let Some(why) = sick {
            let _ = writeln!(text, "  that GPU is out of order: {why}");
        }
    }
    if let Some(used) = held.used_mib {
        let _ = writeln!(text, "  {} used by {} processes", Mib(used), held.processes.len());
    }
    if let Some(problem) = &held.problem {
        let _ = writeln!(text, "  its use cannot be told: {problem}");
    }
}

/// What was refused to this pod, and of what nobody knows to whom: the kubelet says only in the pod's own status
/// who asked for devices.
fn refused_to<'a>(pod: &str, refused: &'a [Refused]) -> (Vec<&'a Refused>, Vec<&'a Refused>) {
    let named = |call: &&Refused| call.pod.as_deref().is_some_and(|its| is_named(pod, its));
    let its = refused.iter().filter(named).collect();
    (its, refused.iter().filter(|call| call.pod.is_none()).collect())
}

/// Whether `pod`, a name or `namespace/name`, is what `full` names.
fn is_named(pod: &str, full: &str) -> bool {
    full == pod || full.split_once('/').is_some_and(|(_, name)| name == pod)
}

/// The last of them, whoever they were refused to.
fn say_refused(text: &mut String, mut refused: Vec<&Refused>, now: u64) {
    refused.sort_by_key(|call| call.at);
    if refused.is_empty() {
        let _ = writeln!(
            text,
            "nothing was refused here: if the pod waits, the scheduler has not sent it to this node"
        );
        return;
    }
    let _ = writeln!(text, "refused here, the last one first (the pod's status carries its own):");
    for call in refused.iter().rev().take(SHOWN) {
        let ago = ago(now.saturating_sub(call.at));
        let who = call.pod.as_ref().map_or(String::new(), |pod| format!(", a start of {pod}"));
        let _ = writeln!(text, "  {ago} ago{who}, {} devices: {}", call.asked, call.why);
        for left in &call.left {
            let sick = left.sick.as_ref().map_or(String::new(), |why| format!(", sick: {why}"));
            let _ =
                writeln!(text, "    GPU {} had {} percent left{sick}", left.index, left.percent);
        }
    }
}

fn say_left(text: &mut String, status: &Status) {
    let mut taken = Taken::default();
    for held in &status.allotments {
        held.record.take(&mut taken, status.domain.as_deref());
    }
    let _ = writeln!(text, "at this moment:");
    for gpu in &status.gpus {
        let _ = writeln!(text, "  GPU {} {}", gpu.index, left(gpu, &taken));
    }
}

/// What somebody new could have of a GPU, and what keeps them from it.
fn left(gpu: &Gpu, taken: &Taken) -> String {
    let (kind, what) = match (&gpu.slices, gpu.mode, taken.kind(gpu.uuid)) {
        (Some(slices), ..) => {
            let is_free = |slice: &&Slice| !taken.has(DeviceId::Mig(slice.uuid));
            let free = slices.iter().filter(is_free).count();
            (Kind::Slice, format!("(MIG) has {free} of {} slices left", slices.len()))
        }
        (None, _, Some(Kind::Whole)) => (Kind::Whole, "is held whole".to_owned()),
        (None, Mode::Whole, None | Some(Kind::Slice)) => {
            (Kind::Whole, "(whole) is free".to_owned())
        }
        (None, Mode::Auto, None) => (Kind::Percent, "(auto) is free, whole or in parts".to_owned()),
        (None, ..) => {
            let left = usize::from(PARTS).saturating_sub(taken.percent(gpu.uuid));
            (Kind::Percent, format!("(shared) has {left} percent left"))
        }
    };
    let can_be_whole = kind == Kind::Percent && blocked(gpu, Kind::Whole, taken).is_none();
    match blocked(gpu, kind, taken) {
        None => what,
        Some(why) if can_be_whole => format!("(auto) is free as a whole; not in parts: {why}"),
        Some(why) => format!("{what}, but nobody new can have it: {why}"),
    }
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aliquot_node::allotment::{Holder, Record};
    use aliquot_node::decide::Grant;
    use aliquot_node::refusals::Left;
    use contract::{DeviceUuid, Percent};

    /// A node of GPUs as the agent writes them down, and a quarter of the first held by `team/a`.
    fn node(gpus: serde_json::Value) -> Status {
        let mut gpus = gpus;
        for (index, gpu) in gpus.as_array_mut().unwrap().iter_mut().enumerate() {
            let usual = serde_json::json!({
                "uuid": uuid(index as u8).to_string(), "index": index, "minor": index, "name": "V100",
                "pci": "0", "usable_mib": 32510, "context_mib": 310, "numa": null, "sick": null,
                "mode": "shared",
            });
            for (key, value) in usual.as_object().unwrap() {
                gpu.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
            }
        }
        let devices = (0..25).map(|part| DeviceId::Percent(uuid(0), part)).collect();
        let grant = Grant::Share {
            gpu: uuid(0),
            percent: Percent::new(25).unwrap(),
            memory: Mib(8127),
            context: Mib(310),
        };
        let (namespace, pod, container) = ("team".into(), "a".into(), Some("main".into()));
        let holder = Some(Holder { namespace, pod, container });
        let record = Record { holder, ..Record::new(&devices, &grant, 0) };
        let held = Allotment {
            record,
            used_mib: Some(4096),
            refusals: 0,
            would_be_refusals: 0,
            problem: None,
            processes: Vec::new(),
        };
        let gpus = serde_json::from_value(gpus).unwrap();
        Status { gpus, allotments: vec![held], ..Status::default() }
    }

    fn uuid(n: u8) -> DeviceUuid {
        DeviceUuid::gpu([n; 16])
    }

    fn expect(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn a_pod_that_holds_nothing_is_told_what_was_refused_and_what_each_gpu_had() {
        let left = vec![Left { gpu: uuid(1), index: 0, percent: 30, sick: None }];
        let why = "no GPU of this node has 60 percent left".to_owned();
        let refused = [Refused { at: 1000, asked: 60, pod: None, why, left }];
        let text = explain("a", &Status::default(), &refused, true, 1300);
        expect(&text, &["pod a holds nothing", "GPU 0 had 30 percent left"]);
        expect(&text, &["5 min ago, 60 devices: no GPU of this node has 60"]);
    }

    #[test]
    fn a_start_that_was_refused_is_told_of_its_own_pod_and_of_no_other() {
        let why = || "a share cannot be held in the runtime runsc".to_owned();
        let start = |pod: &str| Refused {
            at: 1000,
            asked: 25,
            pod: Some(pod.to_owned()),
            why: why(),
            left: Vec::new(),
        };
        let refused = [start("team/a"), start("team/c")];
        let told = |pod: &str| explain(pod, &node(serde_json::json!([{}])), &refused, true, 1001);
        // It holds what it was given all the same.
        expect(
            &told("a"),
            &["a start of team/a, 25 devices: a share cannot be held in the runtime"],
        );
        expect(&told("team/c"), &["holds nothing", "a start of team/c"]);
        for other in ["b", "other/a"] {
            let text = told(other);
            assert!(text.contains("nothing was refused here"), "{text}");
        }
    }

    #[test]
    fn a_pod_that_waits_or_that_nobody_knows_is_told_what_the_node_could_give() {
        let slices = [7, 8].map(|n| {
            let uuid = DeviceUuid { kind: contract::UuidKind::Mig, bytes: [n; 16] }.to_string();
            serde_json::json!({ "uuid": uuid, "profile": "1g.10gb", "gpu_instance": n,
                                "compute_instance": 0, "memory_mib": 9856 })
        });
        let status = node(serde_json::json!([
            {}, { "mode": "whole" }, { "mode": "auto" }, { "cordon": "fan" },
            { "foreign": "mps" }, { "sick": "XID 79", "mode": "whole" },
            { "slices": slices },
            { "mode": "auto", "foreign": "others share it by MPS" },
            { "mode": "auto", "no_shares": "no driver for it" },
            { "mode": "auto", "cordon": "fan", "no_shares": "no driver for it" },
        ]));
        let text = explain("b", &status, &[], true, 0);
        expect(
            &text,
            &["pod b holds nothing of this node's GPUs", "the scheduler has not sent it"],
        );
        let gpus = [
            "GPU 0 (shared) has 75 percent left\n",
            "GPU 1 (whole) is free\n",
            "GPU 2 (auto) is free, whole or in parts\n",
            "GPU 3 (shared) has 100 percent left, but nobody new can have it: cordoned (fan)\n",
            "GPU 4 (shared) has 100 percent left, but nobody new can have it: shared by others",
            "GPU 5 (whole) is free, but nobody new can have it: out of order (XID 79)\n",
            "GPU 6 (MIG) has 2 of 2 slices left\n",
            "GPU 7 (auto) is free as a whole; not in parts: shared by others (others share it by MPS)\n",
            "GPU 8 (auto) is free as a whole; not in parts: not for shares (no driver for it)\n",
            "GPU 9 (auto) is free, whole or in parts, but nobody new can have it: cordoned (fan)\n",
        ];
        expect(&text, &gpus);
        assert!(!text.contains("no agent"), "{text}");
    }

    #[test]
    fn what_nobody_new_can_have_because_of_how_it_is_held_is_said_as_the_agent_decides_it() {
        let slice = |n| DeviceUuid { kind: contract::UuidKind::Mig, bytes: [n; 16] };
        let slices = serde_json::json!([{ "uuid": slice(7).to_string(), "profile": "1g.10gb",
            "gpu_instance": 7, "compute_instance": 0, "memory_mib": 9856 }]);
        let mut status = node(serde_json::json!([
            { "pool": { "name": "training", "resource": "gpu-training" } }, { "slices": slices }, { "mode": "whole" },
        ]));
        status.allotments[0].record.resource = Some("gpu-percent".into());
        for (gpu, gone) in [(1, slice(8)), (2, slice(9))] {
            let held = status.allotments[0].clone();
            let record = Record {
                devices: vec![DeviceId::Mig(gone)],
                holding: Holding::Slices { slices: vec![gone], gpus: vec![uuid(gpu)] },
                resource: Some("mig-1g.10gb".into()),
                ..held.record
            };
            status.allotments.push(Allotment { record, ..held });
        }
        let text = explain("b", &status, &[], true, 0);
        let gpus = [
            "GPU 0 (shared) has 75 percent left, but nobody new can have it: held under another resource's name",
            "GPU 1 (MIG) has 1 of 1 slices left, but nobody new can have it: divided anew",
            "GPU 2 (whole) is free, but nobody new can have it: in use as MIG slices",
        ];
        expect(&text, &gpus);
        // So it is with what was given out under another domain.
        let record = &mut status.allotments[0].record;
        (record.domain, status.gpus[0].pool) = (Some("old.example.com".into()), None);
        status.domain = Some("example.com".into());
        let text = explain("b", &status, &[], true, 0);
        expect(&text, &["GPU 0 (shared) has 75 percent left, but nobody new can have it: held"]);
        status.domain = Some("old.example.com".into());
        let text = explain("b", &status, &[], true, 0);
        expect(&text, &["GPU 0 (shared) has 75 percent left\n"]);
    }

    #[test]
    fn a_pod_that_was_placed_is_told_what_it_holds_and_what_is_wrong_with_its_gpu() {
        let status = node(serde_json::json!([{ "sick": "fallen off the bus" }]));
        for name in ["a", "team/a"] {
            let text = explain(name, &status, &[], true, 0);
            expect(&text, &["container main holds 25% (8127MiB) of GPU-", "4096MiB used by 0"]);
            expect(&text, &["that GPU is out of order: fallen off the bus"]);
            assert!(!text.contains("holds nothing"), "{text}");
        }
        assert!(explain("other/a", &status, &[], true, 0).contains("holds nothing"));
    }

    #[test]
    fn where_no_agent_has_written_that_is_said_first_and_no_more_than_that() {
        let text = explain("a", &node(serde_json::json!([{}])), &[], false, 0);
        assert!(
            text.starts_with("no agent has written here for 5 s (none runs, or the folder"),
            "{text}"
        );
        let text = explain("a", &Status::default(), &[], false, 0);
        expect(&text, &["no agent has left a list of GPUs here: ask on", "pod a holds nothing"]);
        assert!(!text.contains("at this moment:"), "{text}");
    }
}
