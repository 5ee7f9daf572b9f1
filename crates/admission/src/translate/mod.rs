//! What was written for other systems becomes what is written here: HAMi's resources, KAI's and Run:ai's
//! annotations. Pure: a pod in, the pod rewritten and what a person should know about it out. What has no
//! counterpart is refused, never dropped in silence.

mod stream;
#[cfg(test)]
mod tests;

pub use stream::{BadStream, translate_yaml};

use contract::{Annotation, FractionError, Mib, Percent, Resource, parse_fraction, parse_memory};
use serde_json::{Map, Value, json};

use crate::quantity::text;
use crate::rules::Rules;
use crate::workload::Workload;

/// HAMi's words (its documentation of resources), all of a container's limits.
mod hami {
    pub(super) const GPUS: &str = "nvidia.com/gpu";
    /// MiB of each GPU's memory.
    pub(super) const MEMORY: &str = "nvidia.com/gpumem";
    /// Percent of it.
    pub(super) const MEMORY_PERCENT: &str = "nvidia.com/gpumem-percentage";
    /// Percent of each GPU's compute.
    pub(super) const CORES: &str = "nvidia.com/gpucores";
    pub(super) const ALL: [&str; 3] = [MEMORY, MEMORY_PERCENT, CORES];
}

/// KAI's and Run:ai's words (their documentation of GPU sharing), annotations of a pod.
mod kai {
    pub(super) const FRACTION: &str = "gpu-fraction";
    /// MiB, or with a unit.
    pub(super) const MEMORY: &str = "gpu-memory";
    pub(super) const CONTAINER: &str = "gpu-fraction-container-name";
    pub(super) const DEVICES: &str = "gpu-fraction-num-devices";
    /// Their schedulers.
    pub(super) const SCHEDULERS: [&str; 2] = ["kai-scheduler", "runai-scheduler"];
}

/// Why something cannot be translated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untranslatable {
    /// A share of several GPUs.
    #[error(
        "{name}: {count} with a share of each: a share lies on one GPU here, so write one container for each"
    )]
    Several {
        /// What asks.
        name: &'static str,
        /// For how many.
        count: String,
    },
    /// An amount of memory, and no size to hold it against.
    #[error(
        "{name}: {value} is an amount, and a share is a part of a card: say how much the cards have to divide, with --card-memory such as 32510Mi"
    )]
    NoCard {
        /// What asks.
        name: &'static str,
        /// For how much.
        value: String,
    },
    /// More than the card.
    #[error("{name}: {value} is more than a card of {card} has")]
    TooLarge {
        /// What asks.
        name: &'static str,
        /// For how much.
        value: String,
        /// What there is.
        card: Mib,
    },
    /// No number of its kind.
    #[error("{name}: {value:?} is no {expected}")]
    Number {
        /// What asks.
        name: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A fraction that is none.
    #[error("{name}: {value:?} is {error}")]
    Fraction {
        /// What asks.
        name: &'static str,
        /// What stands there.
        value: String,
        /// Why it is none.
        error: FractionError,
    },
    /// The named container is not there.
    #[error("{name}: there is no container {value:?}")]
    Container {
        /// What names it.
        name: &'static str,
        /// The name.
        value: String,
    },
}

/// What a container asked for in other words.
struct Share {
    percent: Percent,
    /// A lower bound of memory than the percent's.
    memory: Option<Mib>,
    /// A lower bound of compute.
    compute: Option<Percent>,
}

/// Rewrites the pod in `object`, where it speaks another system's words. `card` is what the cards have to
/// divide (NVML's `total - reserved`), for amounts of memory. Answers what a person should know; empty
/// where nothing was there to translate.
///
/// # Errors
/// [`Untranslatable`]; the object is then as it was.
pub fn translate(
    workload: Workload,
    object: &mut Value,
    card: Option<Mib>,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let mut fresh = object.clone();
    let pod = workload.path().iter().try_fold(&mut fresh, |value, name| value.get_mut(*name));
    let Some(pod) = pod else { return Ok(Vec::new()) };
    let mut notes = of_hami(pod, card, rules)?;
    notes.extend(of_kai(pod, card, rules)?);
    if !notes.is_empty() {
        *object = fresh;
    }
    Ok(notes)
}

fn of_hami(
    pod: &mut Value,
    card: Option<Mib>,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let (mut notes, mut refined) = (Vec::new(), None);
    for list in ["initContainers", "containers"] {
        for container in containers(pod, list) {
            let limits = container.get("resources").and_then(|all| all.get("limits")?.as_object());
            let Some(limits) = limits.filter(|limits| limits.contains_key(hami::GPUS)) else {
                continue;
            };
            let share = hami_share(limits, card)?;
            let count = limits.get(hami::GPUS).map(text).unwrap_or_default();
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            let (resource, amount) = match &share {
                Some(share) => (Resource::GpuPercent, share.percent.get().to_string()),
                None => (Resource::Gpu, count),
            };
            replace(container, &rules.resource(resource), &amount);
            notes.push(format!(
                "container {name:?}: HAMi's resources are {} {amount}",
                rules.resource(resource)
            ));
            refined = refined.or(share);
        }
    }
    refine(pod, refined.as_ref(), rules, &mut notes);
    Ok(notes)
}

/// The share that HAMi's resources come to; `None` is whole GPUs.
fn hami_share(
    limits: &Map<String, Value>,
    card: Option<Mib>,
) -> Result<Option<Share>, Untranslatable> {
    if !hami::ALL.iter().any(|name| limits.contains_key(*name)) {
        return Ok(None);
    }
    let count = limits.get(hami::GPUS).map(text).unwrap_or_default();
    if count != "1" {
        return Err(Untranslatable::Several { name: hami::GPUS, count });
    }
    let percent = |name: &'static str| percent_of(name, limits.get(name).map(text));
    let cores = percent(hami::CORES)?;
    let amount =
        limits.get(hami::MEMORY).map(|value| mib(hami::MEMORY, &text(value))).transpose()?;
    let (memory, part) = match (amount, percent(hami::MEMORY_PERCENT)?) {
        (Some(amount), _) => (Some(amount), part_of(hami::MEMORY, amount, card)?),
        // Without either the container has all of the memory.
        (None, part) => (None, part.unwrap_or(Percent::WHOLE)),
    };
    // Only the percent is scheduled, so it has to hold both; annotations lower the other.
    let whole = cores.map_or(part, |cores| cores.max(part));
    let memory =
        memory.or_else(|| Some(part.of(card?))).filter(|_| memory.is_some() || part < whole);
    Ok(Some(Share { percent: whole, memory, compute: cores.filter(|cores| *cores < whole) }))
}

fn of_kai(
    pod: &mut Value,
    card: Option<Mib>,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let read = |name: &str| {
        let annotations = pod.get("metadata")?.get("annotations")?;
        annotations.get(name)?.as_str().map(str::to_owned)
    };
    let (fraction, amount) = (read(kai::FRACTION), read(kai::MEMORY));
    if let Some(count) = read(kai::DEVICES).filter(|count| count != "1") {
        return Err(Untranslatable::Several { name: kai::DEVICES, count });
    }
    let share = match (&fraction, &amount) {
        (Some(value), _) => {
            let error = |error| Untranslatable::Fraction {
                name: kai::FRACTION,
                value: value.clone(),
                error,
            };
            Share { percent: parse_fraction(value).map_err(error)?, memory: None, compute: None }
        }
        (None, Some(value)) => {
            let memory = mib(kai::MEMORY, value)?;
            let percent = part_of(kai::MEMORY, memory, card)?;
            Share { percent, memory: Some(memory), compute: None }
        }
        (None, None) => return Ok(Vec::new()),
    };
    let chosen = read(kai::CONTAINER);
    let is_chosen =
        |container: &Value| chosen.as_deref().is_none_or(|name| container["name"] == name);
    let Some(container) = containers(pod, "containers").find(|one| is_chosen(one)) else {
        let value = chosen.clone().unwrap_or_default();
        return Err(Untranslatable::Container { name: kai::CONTAINER, value });
    };
    let (name, amount) = (container["name"].to_string(), share.percent.get().to_string());
    replace(container, &rules.resource(Resource::GpuPercent), &amount);
    let mut notes = vec![format!(
        "container {name}: the annotations are {} {amount}",
        rules.resource(Resource::GpuPercent)
    )];
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        [kai::FRACTION, kai::MEMORY, kai::CONTAINER, kai::DEVICES]
            .iter()
            .for_each(|name| drop(annotations.remove(*name)));
    }
    refine(pod, Some(&share), rules, &mut notes);
    let scheduler = pod["spec"].get("schedulerName").and_then(Value::as_str).map(str::to_owned);
    if scheduler.as_deref().is_some_and(|name| kai::SCHEDULERS.contains(&name)) {
        pod["spec"]["schedulerName"] = json!("aliquot");
        notes.push(format!(
            "schedulerName {} is aliquot; queues have no counterpart here (Kueue has)",
            scheduler.unwrap_or_default()
        ));
    }
    Ok(notes)
}

fn containers<'a>(pod: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let all = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)?.as_array_mut());
    all.into_iter().flatten().filter(|container| container.is_object())
}

/// Puts one resource of ours in place of HAMi's, in limits and requests.
fn replace(container: &mut Value, name: &str, amount: &str) {
    if !container["resources"].is_object() {
        container["resources"] = json!({});
    }
    if !container["resources"]["limits"].is_object() {
        container["resources"]["limits"] = json!({});
    }
    for map in ["limits", "requests"] {
        let list = container["resources"].get_mut(map).and_then(Value::as_object_mut);
        if let Some(list) = list {
            [hami::GPUS].iter().chain(&hami::ALL).for_each(|name| drop(list.remove(*name)));
            if map == "requests" {
                list.insert(name.to_owned(), json!(amount));
            }
        }
    }
    container["resources"]["limits"][name] = json!(amount);
}

/// The annotations that lower a share.
fn refine(pod: &mut Value, share: Option<&Share>, rules: &Rules, notes: &mut Vec<String>) {
    let Some(share) = share else { return };
    let memory = share.memory.map(|Mib(mib)| (Annotation::GpuMemory, format!("{mib}Mi")));
    let compute = share.compute.map(|part| (Annotation::GpuCompute, part.get().to_string()));
    for (annotation, value) in [memory, compute].into_iter().flatten() {
        let name = rules.annotation(annotation);
        notes.push(format!("annotation {name}: {value}"));
        pod["metadata"]["annotations"][name] = json!(value);
    }
}

fn percent_of(
    name: &'static str,
    value: Option<String>,
) -> Result<Option<Percent>, Untranslatable> {
    let Some(value) = value else { return Ok(None) };
    let percent = contract::parse_whole_percent(&value);
    let expected = "percentage of 1 to 100";
    percent.map(Some).map_err(|_| Untranslatable::Number { name, value, expected })
}

/// A number alone is MiB in these systems.
fn mib(name: &'static str, value: &str) -> Result<Mib, Untranslatable> {
    let alone = value.parse().ok().filter(|mib| *mib > 0).map(Mib);
    let expected = "amount of memory, such as 3000 (MiB) or 3000Mi";
    alone.or_else(|| parse_memory(value).ok()).ok_or_else(|| Untranslatable::Number {
        name,
        value: value.to_owned(),
        expected,
    })
}

/// The smallest part of a card that holds `amount`.
fn part_of(name: &'static str, amount: Mib, card: Option<Mib>) -> Result<Percent, Untranslatable> {
    let value = format!("{}Mi", amount.0);
    let Some(card) = card else { return Err(Untranslatable::NoCard { name, value }) };
    let holds = |percent: &Percent| percent.of(card) >= amount;
    let all = (1..=100).filter_map(|percent| Percent::new(percent).ok());
    all.into_iter().find(holds).ok_or(Untranslatable::TooLarge { name, value, card })
}
