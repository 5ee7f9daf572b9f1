//! What the kubelet keeps for containers that it does not list. Its podresources leave ordinary init containers
//! out, and what one was given is its pod's for as long as that lives, whoever of the pod uses it: it stands in
//! the kubelet's checkpoint alone. No I/O.

use std::collections::BTreeSet;

use contract::{DeviceId, DeviceUuid};

use super::record::{Holder, Holding, Record};
use crate::decide::Grant;

/// What one container of a pod was given of one resource, by the kubelet's checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Which container; `None` while nobody has told the name of its pod.
    pub holder: Option<Holder>,
    /// The pod's uid.
    pub pod_uid: String,
    /// The resource, without the domain.
    pub resource: String,
    /// Its devices.
    pub devices: BTreeSet<DeviceId>,
    /// Its pod, which is not known to be gone.
    pub life: Life,
}

/// What is known of a pod.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Life {
    /// No container of it runs.
    Gone,
    /// Nobody can tell.
    Unknown,
    /// It is there.
    Lives,
    /// A process of it is there.
    Runs,
}

/// The entry of just the devices of a record.
pub(crate) fn kept_of<'a>(record: &Record, kept: &'a [Kept]) -> Option<&'a Kept> {
    kept.iter().find(|kept| kept.devices.iter().eq(&record.devices))
}

/// What of `kept` no container has that is listed or written down: an init container's devices that those after
/// it did not all take. The kubelet gives them to no other pod.
pub(crate) fn idle(kept: &[Kept], is_held: impl Fn(DeviceId) -> bool) -> Vec<Kept> {
    let mut seen = BTreeSet::new();
    let mut idle = Vec::new();
    for one in kept.iter().filter(|kept| kept.lives()) {
        let left = one.devices.iter().copied().filter(|id| !is_held(*id) && seen.insert(*id));
        let devices: BTreeSet<_> = left.collect();
        if !devices.is_empty() {
            idle.push(Kept { devices, ..one.clone() });
        }
    }
    idle
}

impl Kept {
    /// Whether its pod is known to live. Where nobody can tell, it may live all the same.
    pub(crate) fn lives(&self) -> bool {
        self.life >= Life::Lives
    }

    /// What it comes to, as if it were an allotment for each GPU: for those who count what is held.
    pub(crate) fn records(&self) -> Vec<Record> {
        let of = |gpu: &DeviceUuid| {
            let its = self.devices.iter().filter(|id| card(**id) == *gpu).copied();
            let devices: BTreeSet<_> = its.collect();
            let holding = match devices.first()? {
                DeviceId::Whole(_) => Holding::Whole { gpus: vec![*gpu] },
                DeviceId::Mig(slice) => Holding::Slices { slices: vec![*slice], gpus: Vec::new() },
                DeviceId::Percent(..) => Holding::Share {
                    gpu: *gpu,
                    percent: u8::try_from(devices.len()).unwrap_or(u8::MAX),
                    memory_mib: 0,
                    context_mib: 0,
                },
            };
            Some(Record {
                holding,
                holder: self.holder.clone(),
                pod_uid: (!self.pod_uid.is_empty()).then(|| self.pod_uid.clone()),
                resource: Some(self.resource.clone()),
                ..Record::new(&devices, &Grant::Whole(Vec::new()), 0)
            })
        };
        let gpus: BTreeSet<_> = self.devices.iter().map(|id| card(*id)).collect();
        gpus.iter().filter_map(of).collect()
    }
}

/// What the device lies on: its GPU, or for a slice itself.
const fn card(device: DeviceId) -> DeviceUuid {
    match device {
        DeviceId::Whole(uuid) | DeviceId::Percent(uuid, _) | DeviceId::Mig(uuid) => uuid,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::holders::tests::parts;
    use super::*;
    use crate::inventory::tests::uuid;

    /// What pod `u` was given for its init container `load`.
    pub(crate) fn kept(devices: BTreeSet<DeviceId>) -> Kept {
        let container = Some("load".into());
        let holder = Holder { namespace: "default".into(), pod: "a".into(), container };
        let (pod_uid, resource) = ("u".into(), "gpu-percent".into());
        Kept { holder: Some(holder), pod_uid, resource, devices, life: Life::Lives }
    }

    #[test]
    fn what_no_container_has_any_more_is_counted_once_and_only_for_pods_that_live() {
        let all = [kept(parts(0, 0..60)), kept(parts(0, 20..70))];
        let has = |id: DeviceId| parts(0, 0..30).contains(&id);
        let left: Vec<_> = idle(&all, has).into_iter().map(|kept| kept.devices).collect();
        assert_eq!(left, [parts(0, 30..60), parts(0, 60..70)]);
        let unknown = Kept { life: Life::Unknown, ..kept(parts(0, 0..60)) };
        assert_eq!(idle(&[unknown], |_| false), []);
    }

    #[test]
    fn what_is_kept_of_several_gpus_counts_on_each() {
        let mut devices = parts(0, 0..20);
        devices.extend([DeviceId::Whole(uuid(1)), DeviceId::Whole(uuid(2))]);
        let records = kept(devices).records();
        let gpus: Vec<_> = records.iter().flat_map(|it| it.holding.gpus().to_vec()).collect();
        assert_eq!(gpus, [uuid(0), uuid(1), uuid(2)]);
        assert!(matches!(records[0].holding, Holding::Share { percent: 20, .. }));
    }
}
