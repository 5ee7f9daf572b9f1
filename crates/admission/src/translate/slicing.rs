//! NVIDIA's time-slicing: so many replicas of each GPU under the name of a whole one, or, with
//! `renameByDefault`, with `.shared` behind it (its device plugin's documentation). How many they are stands in
//! that plugin's configuration and in no pod, so who translates has to say it.

use contract::Percent;
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

/// What one of `text` replicas is of a GPU, rounded down so that all of them fit.
///
/// # Errors
/// What is no number from 2 to 100, in a sentence.
pub fn replica(text: &str) -> Result<Percent, String> {
    let count = text.parse().ok().filter(|count| (2..=100).contains(count));
    let percent = count.and_then(|count: u64| Percent::new(100 / count).ok());
    percent.ok_or_else(|| "write a number of replicas from 2 to 100".to_owned())
}

/// How many replicas a container asks for, and under which name; none where HAMi's words stand beside it.
fn asked(container: &Value) -> Option<(&'static str, String)> {
    let limits = container.get("resources")?.get("limits")?.as_object()?;
    if hami::SHARE.iter().any(|name| limits.contains_key(*name)) {
        return None;
    }
    ALL.into_iter().find_map(|name| limits.get(name).map(|value| (name, text(value))))
}

#[cfg(test)]
mod tests {
    use super::replica;

    #[test]
    fn replicas_of_a_gpu_are_equal_parts_that_all_fit() {
        let part = |count: &str| replica(count).map(|percent| percent.get());
        assert_eq!([part("4"), part("3"), part("100")], [Ok(25), Ok(33), Ok(1)]);
        for count in ["0", "1", "101", "-4", "four", ""] {
            assert!(part(count).is_err(), "{count}");
        }
    }
}
