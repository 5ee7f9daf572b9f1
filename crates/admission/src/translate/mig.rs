//! MIG slices by the names that NVIDIA's device plugin gives them with its strategy `mixed`: ours are the same under
//! our domain.

use serde_json::Value;

use super::share::{containers, name_of, replace};
use crate::quantity::text;
use crate::rules::Rules;

const THEIRS: &str = "nvidia.com/mig-";

pub(super) fn of_mig(pod: &mut Value, rules: &Rules) -> Vec<String> {
    let ours = rules.mig_prefix();
    if ours == THEIRS {
        return Vec::new();
    }
    let mut notes = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in containers(pod, list) {
            for (name, amount) in asked(container) {
                let slice = name.replacen(THEIRS, &ours, 1);
                replace(container, &[&name], &slice, &amount);
                notes.push(format!("container {:?}: {name} is {slice}", name_of(container)));
            }
        }
    }
    notes
}

/// The slices that a container's limits ask for: an extended resource always has a limit.
fn asked(container: &Value) -> Vec<(String, String)> {
    let limits = container.get("resources").and_then(|all| all.get("limits")?.as_object());
    let slices = limits.into_iter().flatten().filter(|(name, _)| name.starts_with(THEIRS));
    slices.map(|(name, amount)| (name.clone(), text(amount))).collect()
}
