//! What would let a container see more than its share. Looks at pods with a share only.

use serde_json::Value;

use crate::pod::{Container, Pod};
use crate::refusal::{Refusal, Why};

/// The variable by which the NVIDIA container toolkit is told what to show.
const VISIBLE: &str = "NVIDIA_VISIBLE_DEVICES";

/// Every container that would see more.
pub(crate) fn breaches(pod: Pod<'_>) -> Vec<Refusal> {
    let whys = |container: Container<'_>| {
        let privileged = is_privileged(container.value).then_some(Why::Privileged);
        let asks = visible_devices(container.value).map(Why::AsksForGpus);
        privileged.into_iter().chain(asks)
    };
    let refusals = |container: Container<'_>| {
        let place = container.place();
        whys(container).map(move |why| Refusal { place: place.clone(), why }).collect::<Vec<_>>()
    };
    pod.containers().flat_map(refusals).collect()
}

fn is_privileged(container: &Value) -> bool {
    let context = container.get("securityContext");
    context.and_then(|c| c.get("privileged")).and_then(Value::as_bool) == Some(true)
}

/// What the container's environment shows it, unless that is nothing. `void` and `none` are the
/// toolkit's words for nothing.
fn visible_devices(container: &Value) -> Option<String> {
    let env = container.get("env")?.as_array()?;
    // Of two with one name Kubernetes takes the last; neither may show more.
    env.iter()
        .filter(|one| one.get("name").and_then(Value::as_str) == Some(VISIBLE))
        .find_map(shown)
}

fn shown(variable: &Value) -> Option<String> {
    match variable.get("value").and_then(Value::as_str) {
        Some("" | "void" | "none") => None,
        Some(value) => Some(value.to_owned()),
        // Absent and empty are the same to Kubernetes; a reference can be anything.
        None => variable.get("valueFrom").map(|_| "a reference".to_owned()),
    }
}
