//! The decision: an object in, a patch or refusals out. Pure: the webhook and the tests of the policy
//! manifests ask the same question here.

use json_patch::Patch;
use serde_json::Value;

use crate::containers::{self, Asking};
use crate::patch::Draft;
use crate::pod::Pod;
use crate::refusal::{Refusal, Refusals};
use crate::rules::Rules;
use crate::workload::Workload;
use crate::{annotations, isolation};

/// What is being done to the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// It comes into being.
    Create,
    /// It is there already.
    Update,
}

/// What the API server asks about.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// What the object is.
    pub workload: Workload,
    /// Its namespace.
    pub namespace: &'a str,
    /// As its author wants it.
    pub object: &'a Value,
    /// As it stands, where it is there already.
    pub old: Option<&'a Value>,
}

impl Admission<'_> {
    fn operation(&self) -> Operation {
        if self.old.is_some() { Operation::Update } else { Operation::Create }
    }
}

/// The patch that turns fractions into percent; empty where nothing has to change.
///
/// An update that changes nothing we look at is let through as it is, whatever it says: controllers
/// must be able to finish what was admitted under other rules. A pod's resources cannot change any
/// more, so an update of a pod is checked and never patched.
///
/// # Errors
/// [`Refusals`]: everything that is wrong with it.
pub fn admit(asked: &Admission<'_>, rules: &Rules) -> Result<Patch, Refusals> {
    let nothing = Ok(Patch::default());
    let Some(pod) = Pod::find(asked.workload, asked.object) else { return nothing };
    let old = asked.old.and_then(|old| Pod::find(asked.workload, old));
    let is_same = old.is_some_and(|old| old.says_the_same_as(pod));
    if !rules.touch(asked.namespace) || pod.is_mirror() || is_same {
        return nothing;
    }
    let asking = asks(asked, pod, rules).map_err(Refusals)?;
    if asked.workload.is_pod() && asked.operation() == Operation::Update {
        return nothing;
    }
    Ok(patch(asked.workload, pod, &asking, rules))
}

/// What the containers ask for, once nothing is wrong with it.
fn asks<'a>(
    asked: &Admission<'_>,
    pod: Pod<'a>,
    rules: &Rules,
) -> Result<Vec<Asking<'a>>, Vec<Refusal>> {
    let mut asking = containers::read(pod, rules)?;
    let mut wrong = Vec::new();
    if asked.workload.is_pod() {
        wrong.extend(containers::annotate(pod, &mut asking, rules).err());
    }
    let contradicts = match asked.workload {
        Workload::Pod => Operation::Create,
        _ => asked.operation(),
    };
    wrong.extend(containers::contradictions(&asking, contradicts, rules));
    wrong.extend(containers::mixtures(&asking, rules));
    let largest = containers::largest_share(&asking);
    if largest.is_some() {
        wrong.extend(isolation::breaches(pod));
        wrong.extend(annotations::faults(pod, largest, rules));
    }
    if wrong.is_empty() { Ok(asking) } else { Err(wrong) }
}

fn patch(workload: Workload, pod: Pod<'_>, asking: &[Asking<'_>], rules: &Rules) -> Patch {
    let mut draft = Draft::new(pod, rules);
    asking.iter().for_each(|one| draft.share(one));
    let asks = asking.iter().any(|one| one.ask.is_some());
    if asks && workload.wants_tolerations() {
        draft.tolerations();
    }
    if asks && workload.is_pod() {
        draft.runtime_class();
    }
    draft.done()
}
