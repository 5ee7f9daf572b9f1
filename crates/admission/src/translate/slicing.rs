//! NVIDIA's time-slicing: so many replicas of each GPU under the name of a whole one, or, with
//! `renameByDefault`, with `.shared` behind it (its device plugin's documentation). How many they are stands in
//! that plugin's configuration and in no pod, so who translates has to say it.

use serde_json::Value;

use super::share::{self, Share, containers};
use super::{Untranslatable, hami};
use crate::quantity::text;
use crate::rules::{Rules, Translation};

const WHOLE: &str = "nvidia.com/gpu";
const SHARED: &str = "nvidia.com/gpu.shared";
const ALL: [&str; 2] = [WHOLE, SHARED];

pub(super) fn of_slices(
    pod: &mut Value,
    how: Translation,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let Some(percent) = how.replica else { return Ok(Vec::new()) };
    let mut notes = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in containers(pod, list) {
            let Some((name, count)) = asked(container) else { continue };
            if count != "1" {
                return Err(Untranslatable::Several { name, count });
            }
            let share = Share { percent, memory: None, compute: None };
            notes.push(share::give(container, &ALL, &share, "one replica is", rules));
        }
    }
    Ok(notes)
}

/// How many replicas a container asks for, and under which name; none where HAMi's words stand beside it.
fn asked(container: &Value) -> Option<(&'static str, String)> {
    let limits = container.get("resources")?.get("limits")?.as_object()?;
    if hami::SHARE.iter().any(|name| limits.contains_key(*name)) {
        return None;
    }
    ALL.into_iter().find_map(|name| limits.get(name).map(|value| (name, text(value))))
}
