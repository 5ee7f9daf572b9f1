//! HAMi's resources and annotations (its documentation of them, and its `pkg/device/nvidia`), version 2.

use contract::{Annotation, Percent, Resource};
use serde_json::{Map, Value};

use super::Untranslatable;
use super::share::{self, Share, containers, mib, name_of, part_of, percent_of};
use crate::quantity::text;
use crate::rules::{Rules, Translation};

/// Of a container's limits: how many GPUs.
const GPUS: &str = "nvidia.com/gpu";
/// MiB of each GPU's memory.
const MEMORY: &str = "nvidia.com/gpumem";
/// Percent of it.
const MEMORY_PERCENT: &str = "nvidia.com/gpumem-percentage";
/// Percent of each GPU's compute.
const CORES: &str = "nvidia.com/gpucores";
/// Who goes first, 0 before 1.
const PRIORITY: &str = "nvidia.com/priority";
/// What makes a share of a GPU.
pub(super) const SHARE: [&str; 3] = [MEMORY, MEMORY_PERCENT, CORES];
const ALL: [&str; 5] = [GPUS, MEMORY, MEMORY_PERCENT, CORES, PRIORITY];

/// An annotation of the pod: which GPU of a node.
const POLICY: &str = "hami.io/gpu-scheduler-policy";
/// Those that say where a pod may go in words that have no counterpart.
const PLACES: [&str; 6] = [
    "hami.io/node-scheduler-policy",
    "nvidia.com/use-gputype",
    "nvidia.com/nouse-gputype",
    "nvidia.com/use-gpuuuid",
    "nvidia.com/nouse-gpuuuid",
    "nvidia.com/vgpu-mode",
];

pub(super) fn of_hami(
    pod: &mut Value,
    how: Translation,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let (mut notes, mut shares) = (Vec::new(), Vec::new());
    for list in ["initContainers", "containers"] {
        for container in containers(pod, list) {
            let limits = container.get("resources").and_then(|all| all.get("limits")?.as_object());
            let Some(limits) = limits.filter(|limits| speaks(limits)) else { continue };
            let has_priority = limits.contains_key(PRIORITY);
            match share_of(limits, how)? {
                Some((share, unsaid)) => {
                    notes.push(share::give(container, &ALL, &share, "HAMi's resources are", rules));
                    notes.extend(unsaid.map(|part| too_much(container, part)));
                    shares.push(share);
                }
                None => {
                    let count = limits.get(GPUS).map(text).unwrap_or_default();
                    let ours = rules.resource(Resource::Gpu);
                    share::replace(container, &ALL, &ours, &count);
                    let name = name_of(container);
                    notes.push(format!("container {name:?}: HAMi's resources are {ours} {count}"));
                }
            }
            if has_priority {
                notes.push(format!(
                    "{PRIORITY} is gone: {} may say who goes first",
                    rules.annotation(Annotation::ComputeClass)
                ));
            }
        }
    }
    if notes.is_empty() {
        return Ok(notes);
    }
    notes.extend(share::refine(pod, &shares, how.card, rules));
    notes.extend(places(pod, rules));
    Ok(notes)
}

/// Whether a container asks HAMi for something: where it says what share but not of how many GPUs, of one.
fn speaks(limits: &Map<String, Value>) -> bool {
    limits.contains_key(GPUS) || SHARE.iter().any(|name| limits.contains_key(*name))
}

/// The share that HAMi's resources come to, and the part of the memory that only the size of the cards could
/// lower it to; `None` is whole GPUs.
fn share_of(
    limits: &Map<String, Value>,
    how: Translation,
) -> Result<Option<(Share, Option<Percent>)>, Untranslatable> {
    if !SHARE.iter().any(|name| limits.contains_key(*name)) {
        return Ok(None);
    }
    let count = limits.get(GPUS).map_or_else(|| "1".to_owned(), text);
    if count != "1" {
        return Err(Untranslatable::Several { name: GPUS, count });
    }
    let percent = |name: &'static str| percent_of(name, limits.get(name).map(text));
    // None of them is no bound to HAMi.
    let bounded = limits.get(CORES).map(text).filter(|cores| cores != "0");
    let cores = percent_of(CORES, bounded)?;
    let amount = limits.get(MEMORY).map(|value| mib(MEMORY, &text(value))).transpose()?;
    let (memory, part) = match (amount, percent(MEMORY_PERCENT)?) {
        (Some(amount), _) => (Some(amount), part_of(MEMORY, amount, how.card)?),
        // Without either the container has all of the memory.
        (None, part) => (None, part.unwrap_or(Percent::WHOLE)),
    };
    // Only the percent is scheduled, so it has to hold both; annotations lower the other.
    let whole = cores.map_or(part, |cores| cores.max(part));
    let less = (part < whole && memory.is_none()).then_some(part);
    let memory = memory.or_else(|| Some(less?.of(how.card?)));
    let share = Share { percent: whole, memory, compute: cores.filter(|cores| *cores < whole) };
    Ok(Some((share, less.filter(|_| how.card.is_none()))))
}

fn too_much(container: &Value, part: Percent) -> String {
    let name = name_of(container);
    format!(
        "container {name:?}: its memory is the share's; --card-memory lowers it to {part} of the card"
    )
}

/// Where the pod may go.
fn places(pod: &mut Value, rules: &Rules) -> Vec<String> {
    let Some(annotations) =
        pod.get_mut("metadata").and_then(|all| all.get_mut("annotations")?.as_object_mut())
    else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let placement = match annotations.get(POLICY).and_then(Value::as_str) {
        Some("binpack") => Some("pack"),
        Some("spread") => Some("spread"),
        _ => None,
    };
    if let Some(placement) = placement {
        annotations.remove(POLICY);
        let name = rules.annotation(Annotation::Placement);
        notes.push(format!("annotation {name}: {placement}"));
        annotations.insert(name, placement.into());
    }
    let left = PLACES.into_iter().filter(|name| annotations.contains_key(*name));
    notes.extend(left.map(|name| {
        format!("annotation {name} has no counterpart here and is kept: pools or a nodeSelector say where pods may go")
    }));
    notes
}
