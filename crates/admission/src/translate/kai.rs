//! KAI's and Run:ai's annotations of a pod (their documentation of GPU sharing).

use contract::parse_fraction;
use serde_json::Value;

use super::Untranslatable;
use super::share::{self, Share, containers, mib, part_of};
use crate::rules::{Rules, Translation};

const FRACTION: &str = "gpu-fraction";
/// MiB, or with a unit.
const MEMORY: &str = "gpu-memory";
/// For which container, of the init containers too; the first regular one where it is absent.
const CONTAINER: &str = "gpu-fraction-container-name";
const DEVICES: &str = "gpu-fraction-num-devices";
const ALL: [&str; 4] = [FRACTION, MEMORY, CONTAINER, DEVICES];

pub(super) fn of_kai(
    pod: &mut Value,
    how: Translation,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let read = |name: &str| {
        let annotations = pod.get("metadata")?.get("annotations")?;
        annotations.get(name)?.as_str().map(str::to_owned)
    };
    let Some(share) = share_of(read(FRACTION), read(MEMORY), how)? else { return Ok(Vec::new()) };
    if let Some(count) = read(DEVICES).filter(|count| count != "1") {
        return Err(Untranslatable::Several { name: DEVICES, count });
    }
    let chosen = read(CONTAINER);
    let Some(container) = target(pod, chosen.as_deref()) else {
        let value = chosen.unwrap_or_default();
        return Err(Untranslatable::Container { name: CONTAINER, value });
    };
    let mut notes = vec![share::give(container, &[], &share, "the annotations are", rules)];
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        ALL.iter().for_each(|name| drop(annotations.remove(*name)));
    }
    notes.extend(share::refine(pod, &[share], how.card, rules));
    Ok(notes)
}

fn share_of(
    fraction: Option<String>,
    amount: Option<String>,
    how: Translation,
) -> Result<Option<Share>, Untranslatable> {
    match (fraction, amount) {
        (Some(value), _) => {
            let percent = parse_fraction(&value).map_err(|error| Untranslatable::Fraction {
                name: FRACTION,
                value,
                error,
            })?;
            Ok(Some(Share { percent, memory: None, compute: None }))
        }
        (None, Some(value)) => {
            let memory = mib(MEMORY, &value)?;
            let percent = part_of(MEMORY, memory, how.card)?;
            Ok(Some(Share { percent, memory: Some(memory), compute: None }))
        }
        (None, None) => Ok(None),
    }
}

/// The container that the annotations are for.
fn target<'a>(pod: &'a mut Value, chosen: Option<&str>) -> Option<&'a mut Value> {
    let lists =
        if chosen.is_some() { &["containers", "initContainers"][..] } else { &["containers"] };
    let is_it = |container: &Value| chosen.is_none_or(|name| container["name"] == name);
    let list = lists.iter().find(|list| containers(pod, list).any(|one| is_it(one)))?;
    containers(pod, list).find(|one| is_it(one))
}
