//! Annotations, applied to the pages of a share while its container runs or before it starts.

use contract::paths::LIMITS_FILE;
use ledger::agent;
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
    let (mut devices, problems): (Vec<_>, Vec<_>) = refined.unzip();
    let folder = layout.pages_of(record.id);
    let changed = agent::read_limits(&folder.join(LIMITS_FILE))
        .map(|limits| {
            // The arbiter says so, and no annotation.
            let gangs = limits.devices.iter().map(|device| device.gang);
            devices.iter_mut().zip(gangs).for_each(|(device, gang)| device.gang = gang);
            limits.devices != devices
        })
        .and_then(|differs| {
            if differs { agent::update(&folder, &devices).map(|()| true) } else { Ok(false) }
        });
    let holder = record.holder.as_ref();
    let (namespace, pod) =
        (holder.map(|holder| holder.namespace.as_str()), holder.map(|holder| holder.pod.as_str()));
    match &changed {
        Ok(true) => info!(namespace, pod, allotment = %record.id, ?refinement, "refined"),
        Ok(false) => {}
        Err(error) => warn!(namespace, pod, allotment = %record.id, %error, "not refined"),
    }
    (changed.unwrap_or(false), problems.concat())
}
