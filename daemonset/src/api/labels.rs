//! The node's own object: labels that say what it has, and the GPU operator's word to let go of the driver.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tracing::warn;

use super::pools;
use crate::audit::lister::DriverVersions;
use crate::config::MigStrategy;
use crate::inventory::{Gpu, Inventory, Slice};
use crate::layout::Layout;
use crate::orders::Orders;

/// Labels by their names without the domain.
pub(super) type Labels = BTreeMap<String, String>;

/// The labels of a node with these GPUs, without their domain: what does not change with an
/// allocation. In the style of GPU feature discovery.
#[must_use]
pub(super) fn labels(
    inventory: &Inventory,
    strategy: MigStrategy,
    driver: Option<&DriverVersions>,
) -> Labels {
    let gpus = inventory.gpus();
    let mut labels = Labels::from([("gpu.count".to_owned(), gpus.len().to_string())]);
    let mut put = |name: &str, value: Option<String>| {
        labels.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("gpu.product", same(gpus, |gpu| gpu.name.clone()));
    put("gpu.mode", same(gpus, |gpu| format!("{:?}", gpu.mode).to_lowercase()));
    put("gpu.memory", gpus.iter().map(|gpu| gpu.usable_mib).min().map(|mib| mib.to_string()));
    put("gpu.family", same(gpus, |gpu| gpu.capability.map_or("unknown", family).to_owned()));
    let least = gpus.iter().filter_map(|gpu| gpu.capability).min();
    put("gpu.compute.major", least.map(|(major, _)| major.to_string()));
    put("gpu.compute.minor", least.map(|(_, minor)| minor.to_string()));
    put("gpu.driver", driver.map(|driver| value(&driver.driver)));
    let cuda = driver.and_then(|driver| driver.cuda);
    put("gpu.cuda.major", cuda.map(|(major, _)| major.to_string()));
    put("gpu.cuda.minor", cuda.map(|(_, minor)| minor.to_string()));
    put("mig.capable", Some(gpus.iter().any(|gpu| gpu.mig_capable).to_string()));
    put("mig.strategy", Some(format!("{strategy:?}").to_lowercase()));
    for slice in gpus.iter().flat_map(|gpu| gpu.slices.iter().flatten()) {
        let name = slice.resource();
        put(&format!("{name}.memory"), Some(slice.memory_mib.to_string()));
        let alike = |other: &&Slice| other.profile == slice.profile;
        let slices = gpus.iter().flat_map(|gpu| gpu.slices.iter().flatten());
        put(&format!("{name}.count"), Some(slices.filter(alike).count().to_string()));
    }
    labels.extend(pools::labels(inventory, driver.map(|driver| driver.driver.as_str())));
    labels
}

/// What all GPUs have; `mixed` where they differ, nothing where there are none.
fn same(gpus: &[Gpu], of: impl Fn(&Gpu) -> String) -> Option<String> {
    let all: BTreeSet<_> = gpus.iter().map(of).collect();
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Some(value(&one)),
        (one, _) => one.map(|_| "mixed".into()),
    }
}

/// NVIDIA's name for what has this compute capability.
fn family((major, minor): (u8, u8)) -> &'static str {
    match (major, minor) {
        (3, _) => "kepler",
        (5, _) => "maxwell",
        (6, _) => "pascal",
        (7, 0..=4) => "volta",
        (7, _) => "turing",
        (8, 9) => "ada-lovelace",
        (8, _) => "ampere",
        (9, _) => "hopper",
        (10..=12, _) => "blackwell",
        _ => "unknown",
    }
}

/// A text as a label's value may be: at most 63 letters, digits, `-`, `_` and `.`.
pub(super) fn value(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let value: String = text.chars().map(allowed).take(63).collect();
    value.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Whether a label without its domain is one that we set. The domain may be one that others write
/// under as well, such as `nvidia.com`.
fn is_ours(name: &str) -> bool {
    const ALONE: [&str; 12] = [
        "gpu.count",
        "gpu.product",
        "gpu.mode",
        "gpu.memory",
        "gpu.family",
        "gpu.compute.major",
        "gpu.compute.minor",
        "gpu.driver",
        "gpu.cuda.major",
        "gpu.cuda.minor",
        "mig.capable",
        "mig.strategy",
    ];
    let slices = || {
        let profile = name.strip_prefix("mig-")?;
        profile.strip_suffix(".count").or_else(|| profile.strip_suffix(".memory"))
    };
    ALONE.contains(&name) || pools::is_ours(name) || slices().is_some()
}

/// The merge patch that makes `has` what it should be; `None` where it is. Labels of ours that are
/// no longer true are taken away; nobody else's are touched.
#[must_use]
pub(super) fn patch(
    has: &BTreeMap<String, String>,
    wanted: &Labels,
    domain: &str,
) -> Option<Value> {
    let mut changes = serde_json::Map::new();
    for (name, value) in wanted {
        let name = format!("{domain}/{name}");
        if has.get(&name) != Some(value) {
            changes.insert(name, json!(value));
        }
    }
    let stale = |name: &&String| {
        let ours = name.strip_prefix(domain).and_then(|rest| rest.strip_prefix('/'));
        ours.is_some_and(|name| is_ours(name) && !wanted.contains_key(name))
    };
    changes.extend(has.keys().filter(stale).map(|name| (name.clone(), Value::Null)));
    (!changes.is_empty()).then(|| json!({"metadata": {"labels": changes}}))
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
    use crate::inventory::tests::{divided, gpu, slice};
    use crate::modes::Mode;

    fn all(gpus: Vec<Gpu>) -> Labels {
        let driver = DriverVersions { driver: "535.261.03".into(), cuda: Some((12, 2)) };
        labels(&Inventory::new(gpus), MigStrategy::Mixed, Some(&driver))
    }

    #[test]
    fn labels_say_what_all_gpus_share() {
        let all = all(vec![gpu(0, Mode::Shared), gpu(1, Mode::Shared)]);
        let words: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "gpu.compute.major=7",
            "gpu.compute.minor=0",
            "gpu.count=2",
            "gpu.cuda.major=12",
            "gpu.cuda.minor=2",
            "gpu.driver=535.261.03",
            "gpu.family=volta",
            "gpu.memory=32510",
            "gpu.mode=shared",
            "gpu.product=Tesla-V100-SXM2-32GB",
            "mig.capable=false",
            "mig.strategy=mixed",
        ];
        assert_eq!(words, expected);
        assert_eq!(value(" x/y (z) "), "x-y--z");
    }

    #[test]
    fn what_gpus_do_not_share_is_mixed_and_slices_are_counted_by_profile() {
        let slices = vec![slice(1, "1g.10gb"), slice(2, "1g.10gb"), slice(3, "1g.10gb+me")];
        let mig = Gpu { mig_capable: true, capability: Some((8, 0)), ..divided(1, slices) };
        let all = all(vec![gpu(0, Mode::Whole), mig]);
        for (name, value) in [
            ("gpu.mode", "mixed"),
            ("gpu.family", "mixed"),
            ("gpu.compute.major", "7"),
            ("mig.capable", "true"),
            ("mig-1g.10gb.count", "2"),
            ("mig-1g.10gb.memory", "9856"),
            ("mig-1g.10gb.me.count", "1"),
        ] {
            assert_eq!(all[name], value, "{name}");
        }
    }

    #[test]
    fn every_label_that_we_set_is_one_that_we_take_away() {
        let pool =
            Some(crate::inventory::Membership { name: "a".into(), resource: "gpu-a".into() });
        let pooled = Gpu { pool, ..gpu(0, Mode::Whole) };
        let all = all(vec![pooled, divided(1, vec![slice(1, "1g.10gb+me")])]);
        assert!(all.len() > 15, "{all:?}");
        for (name, value) in all {
            assert!(is_ours(&name), "{name}");
            assert!(value.len() <= 63 && name.len() <= 63, "{name}={value}");
        }
    }

    #[test]
    fn only_what_differs_is_patched_and_only_ours_is_taken_away() {
        let has = [
            ("a.com/gpu.count", "2"),
            ("a.com/gpu.family", "volta"),
            ("a.com/mig-1g.10gb.count", "1"),
            // Others write under the same domain where it is NVIDIA's.
            ("a.com/gpu.deploy.device-plugin", "true"),
            ("a.com/mig.config", "all-1g.10gb"),
            ("b.com/gpu.family", "volta"),
        ];
        let has = has.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let wanted = [("gpu.count", "2"), ("gpu.mode", "shared")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let change = patch(&has, &wanted, "a.com").unwrap();
        let expected = json!({
            "a.com/gpu.mode": "shared",
            "a.com/gpu.family": null,
            "a.com/mig-1g.10gb.count": null,
        });
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
