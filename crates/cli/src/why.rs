//! `aliquot why POD`: why a pod is refused or waits, and which GPU had how much, by what the node's
//! agent has written down. It only reads, and needs neither the agent nor a kubelet to be alive.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aliquot_node::allotment::Holding;
use aliquot_node::layout::Layout;
use aliquot_node::refusals::{self, Refused};
use aliquot_node::status::{self, Allotment, Status};
use contract::Mib;

use crate::args::WhyArgs;

/// Refusals that are shown.
const SHOWN: usize = 5;

/// Prints why.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let status = status::read(&args.state_dir, &args.pages_dir)?;
    let refused = refusals::read(&Layout::new(&args.state_dir, &args.pages_dir).refusals());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    print!("{}", explain(&args.pod, &status, &refused, now));
    Ok(ExitCode::SUCCESS)
}

/// All that is known about the pod `name`, or `namespace/name`.
fn explain(pod: &str, status: &Status, refused: &[Refused], now: u64) -> String {
    let held: Vec<_> = status.allotments.iter().filter(|held| is_of(pod, held)).collect();
    let mut text = String::new();
    for held in &held {
        say_held(&mut text, status, held);
    }
    if held.is_empty() {
        let _ = writeln!(text, "pod {pod} holds nothing of this node's GPUs");
        say_refused(&mut text, refused, now);
    }
    say_left(&mut text, status);
    text
}

fn is_of(pod: &str, held: &Allotment) -> bool {
    held.record.holder.as_ref().is_some_and(|holder| {
        pod == holder.pod || pod == format!("{}/{}", holder.namespace, holder.pod)
    })
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

/// The kubelet tells nobody who asked, only the pod's own status does: all of them are shown.
fn say_refused(text: &mut String, refused: &[Refused], now: u64) {
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
        let _ = writeln!(text, "  {ago} ago, {} devices: {}", call.asked, call.why);
        for left in &call.left {
            let sick = left.sick.as_ref().map_or(String::new(), |why| format!(", sick: {why}"));
            let _ =
                writeln!(text, "    GPU {} had {} percent left{sick}", left.index, left.percent);
        }
    }
}

fn say_left(text: &mut String, status: &Status) {
    let _ = writeln!(text, "at this moment:");
    for gpu in &status.gpus {
        let on_it =
            status.allotments.iter().filter(|held| held.record.holding.gpus().contains(&gpu.uuid));
        let held: u32 = on_it.map(|held| percent(&held.record.holding)).sum();
        let state = gpu.sick.as_ref().map_or(String::new(), |why| format!(", out of order: {why}"));
        let mode = format!("{:?}", gpu.mode).to_lowercase();
        let left = 100_u32.saturating_sub(held);
        let _ = writeln!(text, "  GPU {} ({mode}) has {left} percent left{state}", gpu.index);
    }
}

fn percent(holding: &Holding) -> u32 {
    match holding {
        Holding::Share { percent, .. } => u32::from(*percent),
        _ => 100,
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
    use aliquot_node::refusals::Left;
    use contract::DeviceUuid;

    #[test]
    fn a_pod_that_holds_nothing_is_told_what_was_refused_and_what_each_gpu_had() {
        let gpu = DeviceUuid::gpu([1; 16]);
        let left = vec![Left { gpu, index: 0, percent: 30, sick: None }];
        let why = "no GPU of this node has 60 percent left".to_owned();
        let refused = [Refused { at: 1000, asked: 60, why, left }];
        let text = explain("a", &Status::default(), &refused, 1300);
        assert!(text.contains("pod a holds nothing"), "{text}");
        assert!(text.contains("5 min ago, 60 devices: no GPU of this node has 60"), "{text}");
        assert!(text.contains("GPU 0 had 30 percent left"), "{text}");
        let text = explain("a", &Status::default(), &[], 0);
        assert!(text.contains("the scheduler has not sent it"), "{text}");
    }
}
