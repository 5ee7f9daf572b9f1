//! Annotations, applied to the pages of a share while its container runs or before it starts.

use contract::paths::LIMITS_FILE;
use ledger::agent::{self, DeviceSpec};
use ledger::{AtLimit, PageError};
use tracing::{info, warn};

use super::pages::{self, Rules};
use super::record::Record;
use crate::api::Refinement;
use crate::layout::Layout;

/// Makes the share what `refinement` makes of it. Answers whether it is another one now, and what does not count, in
/// sentences.
pub(crate) fn refine(
    layout: &Layout,
    record: &Record,
    rules: Rules,
    refinement: &Refinement,
) -> (bool, Vec<String>) {
    let Ok(Some(spec)) = pages::spec(record, rules) else { return (false, Vec::new()) };
    let refined = spec.devices.iter().map(|device| refinement.apply(device));
    let (devices, problems): (Vec<_>, Vec<_>) = refined.unzip();
    let changed = change(layout, record, |known| {
        // The arbiter says so, and no annotation.
        let gangs = known.iter().map(|device| device.gang);
        let refined = devices.into_iter().zip(gangs);
        refined.map(|(device, gang)| DeviceSpec { gang, ..device }).collect()
    });
    (said(record, changed, refinement), problems.concat())
}

/// Observes a share no longer, and leaves it else as it is: what annotations make of it nobody has told yet. Answers
/// whether it is another one now.
pub(crate) fn observe_no_longer(layout: &Layout, record: &Record, rules: Rules) -> bool {
    undo(layout, record, rules, |known, spec| match known.at_limit {
        AtLimit::Observe => {
            DeviceSpec { policy: spec.policy, at_limit: spec.at_limit, ..known.clone() }
        }
        _ => known.clone(),
    })
}

/// Gives a share all that its record says again, and leaves it else as it is: the rules that it started by need not be
/// those of now. Answers whether it is another one now.
pub(crate) fn lower_no_longer(layout: &Layout, record: &Record, rules: Rules) -> bool {
    undo(layout, record, rules, |known, spec| {
        let (hard, weight, cap) = (spec.hard, spec.weight, spec.cap);
        DeviceSpec { hard, weight, cap, ..known.clone() }
    })
}

/// Makes each device what `of` makes of it and of what the record comes to by `rules`.
fn undo(
    layout: &Layout,
    record: &Record,
    rules: Rules,
    of: impl Fn(&DeviceSpec, &DeviceSpec) -> DeviceSpec,
) -> bool {
    let Ok(Some(spec)) = pages::spec(record, rules) else { return false };
    let changed = change(layout, record, |known| {
        known.iter().zip(&spec.devices).map(|(known, spec)| of(known, spec)).collect()
    });
    said(record, changed, &Refinement::default())
}

/// Whether the pages say something else now.
fn change(
    layout: &Layout,
    record: &Record,
    wanted: impl FnOnce(&[DeviceSpec]) -> Vec<DeviceSpec>,
) -> Result<bool, PageError> {
    let folder = layout.pages_of(record.id);
    let known = agent::read_limits(&folder.join(LIMITS_FILE))?.devices;
    let wanted = wanted(&known);
    let differs = known != wanted;
    if differs {
        agent::update(&folder, &wanted)?;
    }
    Ok(differs)
}

fn said(record: &Record, changed: Result<bool, PageError>, refinement: &Refinement) -> bool {
    let holder = record.holder.as_ref();
    let (namespace, pod) =
        (holder.map(|holder| holder.namespace.as_str()), holder.map(|holder| holder.pod.as_str()));
    match &changed {
        Ok(true) => info!(namespace, pod, allotment = %record.id, ?refinement, "refined"),
        Ok(false) => {}
        Err(error) => warn!(namespace, pod, allotment = %record.id, %error, "not refined"),
    }
    changed.unwrap_or(false)
}
