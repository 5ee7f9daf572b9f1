//! What was written for other systems becomes what is written here: HAMi's resources, KAI's and Run:ai's
//! annotations, NVIDIA's time-slicing and MIG slices. Pure: a pod in, the pod rewritten and what a person should know about it
//! out. What has no counterpart is refused or told, never dropped in silence.

mod hami;
mod kai;
mod mig;
mod share;
mod slicing;
mod stream;
#[cfg(test)]
mod tests;

pub use slicing::replica;
pub use stream::{BadStream, translate_yaml};

use contract::{FractionError, Mib};
use serde_json::{Value, json};

use crate::rules::{Rules, Translation};
use crate::workload::Workload;

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

/// Rewrites the pod in `object`, where it speaks another system's words. `how` is what its author's cluster
/// knew and the pod does not say. Answers what a person should know; empty where nothing was there to
/// translate.
///
/// # Errors
/// [`Untranslatable`]; the object is then as it was.
pub fn translate(
    workload: Workload,
    object: &mut Value,
    how: Translation,
    rules: &Rules,
) -> Result<Vec<String>, Untranslatable> {
    let mut fresh = object.clone();
    let pod = workload.path().iter().try_fold(&mut fresh, |value, name| value.get_mut(*name));
    let Some(pod) = pod.filter(|pod| pod.get("spec").is_some_and(Value::is_object)) else {
        return Ok(Vec::new());
    };
    // Slices first: to HAMi the same word is a whole GPU.
    let mut notes = slicing::of_slices(pod, how, rules)?;
    notes.extend(hami::of_hami(pod, how, rules)?);
    notes.extend(kai::of_kai(pod, how, rules)?);
    notes.extend(mig::of_mig(pod, rules));
    if !notes.is_empty() {
        notes.extend(placed(pod));
        *object = fresh;
    }
    Ok(notes)
}

/// Their schedulers.
const SCHEDULERS: [&str; 3] = ["hami-scheduler", "kai-scheduler", "runai-scheduler"];

/// Who places the pod: another system's scheduler will not be there.
fn placed(pod: &mut Value) -> Option<String> {
    let name = pod["spec"].get("schedulerName")?.as_str()?.to_owned();
    SCHEDULERS.contains(&&*name).then(|| {
        pod["spec"]["schedulerName"] = json!("aliquot");
        format!("schedulerName {name} is aliquot; queues have no counterpart here (Kueue has)")
    })
}
