//! What a container asked for elsewhere, as a share here: the percent that is scheduled, and the annotations that
//! lower what it comes with. They stand at the pod and hold for each of its shares.

use contract::{Annotation, Mib, Percent, Resource, parse_memory};
use serde_json::{Value, json};

use super::Untranslatable;
use crate::rules::Rules;

/// What a container asked for in other words.
pub(super) struct Share {
    pub(super) percent: Percent,
    /// A lower bound of memory than the percent's.
    pub(super) memory: Option<Mib>,
    /// A lower bound of compute.
    pub(super) compute: Option<Percent>,
}

/// Every container of a list that is one.
pub(super) fn containers<'a>(
    pod: &'a mut Value,
    list: &str,
) -> impl Iterator<Item = &'a mut Value> {
    let all = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)?.as_array_mut());
    all.into_iter().flatten().filter(|container| container.is_object())
}

/// A container's name, for people.
pub(super) fn name_of(container: &Value) -> String {
    container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Puts one resource of ours in place of theirs, in limits and requests.
pub(super) fn replace(container: &mut Value, theirs: &[&str], ours: &str, amount: &str) {
    for map in ["limits", "requests"] {
        let list = container.get_mut("resources").and_then(|all| all.get_mut(map)?.as_object_mut());
        if let Some(list) = list {
            theirs.iter().for_each(|name| drop(list.remove(*name)));
            if map == "requests" {
                list.insert(ours.to_owned(), json!(amount));
            }
        }
    }
    member(member(container, "resources"), "limits")[ours] = json!(amount);
}

/// The container's share, written as percent, and a sentence about it.
pub(super) fn give(
    container: &mut Value,
    theirs: &[&str],
    share: &Share,
    what: &str,
    rules: &Rules,
) -> String {
    let (ours, amount) = (rules.resource(Resource::GpuPercent), share.percent.get().to_string());
    replace(container, theirs, &ours, &amount);
    format!("container {:?}: {what} {ours} {amount}", name_of(container))
}

/// The annotations that lower the pod's shares, as far as they lower none of them below what it asked for.
pub(super) fn refine(
    pod: &mut Value,
    shares: &[Share],
    card: Option<Mib>,
    rules: &Rules,
) -> Vec<String> {
    let all_of = |share: &Share| card.map(|card| share.percent.of(card));
    let memory = common(shares, |share| share.memory.or_else(|| all_of(share)));
    let lowers = |share: &Share| all_of(share) > memory;
    let memory = memory.filter(|_| shares.iter().any(lowers));
    let compute = common(shares, |share| Some(share.compute.unwrap_or(share.percent)));
    let largest = shares.iter().map(|share| share.percent).max();
    let compute = compute.filter(|compute| largest.is_some_and(|largest| *compute < largest));
    let mut notes = Vec::new();
    let all = [
        (Annotation::GpuMemory, memory.map(|Mib(mib)| format!("{mib}Mi"))),
        (Annotation::GpuCompute, compute.map(|part| part.get().to_string())),
    ];
    for (annotation, value) in all {
        let Some(value) = value else { continue };
        let name = rules.annotation(annotation);
        notes.push(format!("annotation {name}: {value}"));
        annotate(pod, &name, &value);
    }
    notes.extend(loose(shares, memory, compute));
    notes
}

/// The largest of what shares ask for; none where one of them is not known.
fn common<T: Ord>(shares: &[Share], of: impl Fn(&Share) -> Option<T>) -> Option<T> {
    shares.iter().map(of).collect::<Option<Vec<T>>>()?.into_iter().max()
}

/// What an annotation of the whole pod cannot say of one container.
fn loose(shares: &[Share], memory: Option<Mib>, compute: Option<Percent>) -> Option<String> {
    let is_loose = |share: &Share| {
        share.memory.is_some_and(|asked| memory != Some(asked))
            || share.compute.is_some_and(|asked| compute != Some(asked))
    };
    shares.iter().any(is_loose).then(|| {
        "one annotation holds for all containers: some get more than they asked for, at most their percent"
            .to_owned()
    })
}

/// Writes an annotation.
pub(super) fn annotate(pod: &mut Value, name: &str, value: &str) {
    member(member(pod, "metadata"), "annotations")[name] = json!(value);
}

/// A member that is an object.
fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    let member = &mut value[name];
    if !member.is_object() {
        *member = json!({});
    }
    member
}

/// A whole percentage.
pub(super) fn percent_of(
    name: &'static str,
    value: Option<String>,
) -> Result<Option<Percent>, Untranslatable> {
    let Some(value) = value else { return Ok(None) };
    let percent = contract::parse_whole_percent(&value);
    let expected = "percentage of 1 to 100";
    percent.map(Some).map_err(|_| Untranslatable::Number { name, value, expected })
}

/// A number alone is MiB in these systems.
pub(super) fn mib(name: &'static str, value: &str) -> Result<Mib, Untranslatable> {
    let alone = value.parse().ok().filter(|mib| *mib > 0).map(Mib);
    let expected = "amount of memory, such as 3000 (MiB) or 3000Mi";
    alone.or_else(|| parse_memory(value).ok()).ok_or_else(|| Untranslatable::Number {
        name,
        value: value.to_owned(),
        expected,
    })
}

/// The smallest part of a card that holds `amount`.
pub(super) fn part_of(
    name: &'static str,
    amount: Mib,
    card: Option<Mib>,
) -> Result<Percent, Untranslatable> {
    let value = format!("{}Mi", amount.0);
    let Some(card) = card else { return Err(Untranslatable::NoCard { name, value }) };
    let holds = |percent: &Percent| percent.of(card) >= amount;
    let all = (1..=100).filter_map(|percent| Percent::new(percent).ok());
    all.into_iter().find(holds).ok_or(Untranslatable::TooLarge { name, value, card })
}
