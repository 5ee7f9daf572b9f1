//! The node's own object: labels that say what it has, a start-up taint that keeps pods away until
//! the agent is registered, and the GPU operator's word to let go of the driver.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Value, json};
use tracing::warn;

use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::orders::Orders;
use kube_api::{ApiError, Body, Client};

/// The labels of a node with these GPUs, without their domain: what does not change with an
/// allocation. In the style of GPU feature discovery.
#[must_use]
pub(super) fn labels(
    inventory: &Inventory,
    driver: Option<&str>,
) -> BTreeMap<&'static str, String> {
    let gpus = inventory.gpus();
    let mut labels = BTreeMap::from([("gpu.count", gpus.len().to_string())]);
    let products: BTreeSet<_> = gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    let modes: BTreeSet<_> =
        gpus.iter().map(|gpu| format!("{:?}", gpu.mode).to_lowercase()).collect();
    labels.insert("gpu.product", one_of(products.iter().copied()));
    labels.insert("gpu.mode", one_of(modes.iter().map(String::as_str)));
    if let Some(least) = gpus.iter().map(|gpu| gpu.usable_mib).min() {
        labels.insert("gpu.memory", least.to_string());
    }
    if let Some(driver) = driver {
        labels.insert("gpu.driver", value(driver));
    }
    labels
}

fn one_of<'a>(mut all: impl ExactSizeIterator<Item = &'a str>) -> String {
    match (all.len(), all.next()) {
        (1, Some(one)) => value(one),
        _ => "mixed".into(),
    }
}

/// A text as a label's value may be: at most 63 letters, digits, `-`, `_` and `.`.
fn value(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let value: String = text.chars().map(allowed).take(63).collect();
    value.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// The merge patch that makes `has` what it should be; `None` where it is. Labels of ours that are
/// no longer true are taken away; nobody else's are touched.
#[must_use]
pub(super) fn patch(
    has: &BTreeMap<String, String>,
    wanted: &BTreeMap<&'static str, String>,
    domain: &str,
) -> Option<Value> {
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|(name, value)| (format!("{domain}/{name}"), value)).collect();
    let ours = format!("{domain}/gpu.");
    let mut changes = serde_json::Map::new();
    for (name, value) in &wanted {
        if has.get(name) != Some(value) {
            changes.insert(name.clone(), json!(value));
        }
    }
    for name in has.keys().filter(|name| name.starts_with(&ours) && !wanted.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    (!changes.is_empty()).then(|| json!({"metadata": {"labels": changes}}))
}

/// Takes away the taints with these keys. The version that was read goes along, so that a taint that
/// somebody sets meanwhile is not lost.
///
/// # Errors
/// [`ApiError`]; with 409 somebody was faster.
pub(super) async fn remove_taints(
    client: &Client,
    node: &str,
    keys: &[String],
) -> Result<bool, ApiError> {
    let path = format!("/api/v1/nodes/{node}");
    let found = client.call(Method::GET, &path, Body::None).await?;
    let taints = found["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let is_ours = |taint: &Value| keys.iter().any(|key| taint["key"] == key.as_str());
    let left: Vec<_> = taints.iter().filter(|taint| !is_ours(taint)).cloned().collect();
    if left.len() == taints.len() {
        return Ok(false);
    }
    let version = &found["metadata"]["resourceVersion"];
    let body = json!({"metadata": {"resourceVersion": version}, "spec": {"taints": left}});
    client.call(Method::PATCH, &path, Body::Merge(&body)).await.map(|_| true)
}

/// The GPU operator's word for the plugins of a node.
const LABEL: &str = "nvidia.com/gpu.deploy.device-plugin";

/// Orders the driver let go of, or takes back such an order; a person's stays. Answers whether it is
/// done.
pub(super) fn order(layout: &Layout, paused: Option<&str>) -> bool {
    let changed = Orders::change(layout, |orders| {
        let is_ours = orders.driver_released.as_ref().is_none_or(|why| why.starts_with(LABEL));
        if is_ours {
            orders.driver_released = paused.map(str::to_owned);
        }
    });
    changed.inspect_err(|error| warn!(%error, "the GPU operator's word is not followed")).is_ok()
}

/// Why the GPU operator wants the driver let go of, if it does: it pauses the plugins before it
/// exchanges the driver.
#[must_use]
pub(super) fn paused(labels: &BTreeMap<String, String>) -> Option<String> {
    let word = labels.get(LABEL)?;
    word.starts_with("paused-for-").then(|| format!("{LABEL}={word}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::gpu;
    use crate::modes::Mode;

    #[test]
    fn labels_say_what_all_gpus_share() {
        let same = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Shared)]);
        let all = labels(&same, Some("535.261.03"));
        let words: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "gpu.count=2",
            "gpu.driver=535.261.03",
            "gpu.memory=32510",
            "gpu.mode=shared",
            "gpu.product=Tesla-V100-SXM2-32GB",
        ];
        assert_eq!(words, expected);
        let mixed = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Whole)]);
        assert_eq!(labels(&mixed, None)["gpu.mode"], "mixed");
        assert_eq!(value(" x/y (z) "), "x-y--z");
    }

    #[test]
    fn only_what_differs_is_patched_and_only_ours_is_taken_away() {
        let has = [("a.com/gpu.count", "2"), ("a.com/gpu.old", "x"), ("b.com/gpu.count", "9")];
        let has = has.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let wanted = BTreeMap::from([("gpu.count", "2".to_owned()), ("gpu.mode", "shared".into())]);
        let change = patch(&has, &wanted, "a.com").unwrap();
        let expected = json!({"a.com/gpu.mode": "shared", "a.com/gpu.old": null});
        assert_eq!(change["metadata"]["labels"], expected);
        let has = [("a.com/gpu.count", "2"), ("a.com/gpu.mode", "shared")];
        let has = has.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(patch(&has, &wanted, "a.com"), None);
    }

    #[test]
    fn the_operators_pause_is_understood_and_nothing_else_is() {
        let of = |word: &str| {
            let name = "nvidia.com/gpu.deploy.device-plugin".to_owned();
            paused(&[(name, word.to_owned())].into())
        };
        assert!(of("paused-for-driver-upgrade").is_some());
        assert_eq!((of("true"), of("false")), (None, None));
    }
}
