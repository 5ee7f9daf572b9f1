//! What the scheduler's extender has planned on this node and nobody has taken yet: from the pods'
//! annotations and the allotments. Pure, and only ever a hint: `Allocate` looks at no plan.
//!
//! The kubelet does not say for which pod it asks. It does not have to: of two pods with shares of one
//! size either may take what was planned for the other, and the GPUs come out the same.

use contract::{Annotation, DeviceUuid, Domain, Percent};
use published::Plan;

use crate::allotment::{Holding, Record};
use crate::api::{Meta, Pods, pod_of_record};

/// Shares by their GPUs: what was planned for the pods of late, less what they hold. A pod that was given
/// another's place leaves its own to that one.
#[must_use]
pub(crate) fn planned<'a>(
    pods: &Pods,
    records: impl IntoIterator<Item = &'a Record>,
    domain: Domain<'_>,
    now_unix_s: u64,
) -> Vec<(DeviceUuid, Percent)> {
    let annotation = domain.annotation(Annotation::GpuPlan).to_string();
    let plan = |pod: &Meta| pod.annotations.get(&annotation)?.parse::<Plan>().ok();
    let plans = pods.values().filter_map(|pod| Some((pod, plan(pod)?)));
    let plans: Vec<_> = plans.filter(|(_, plan)| plan.is_fresh(now_unix_s)).collect();
    let is_planned = |record: &Record| {
        let pod = pod_of_record(pods, record);
        pod.is_some_and(|it| plans.iter().any(|(pod, _)| pod.uid == it.uid))
    };
    let shares = plans.iter().flat_map(|(_, plan)| &plan.shares);
    let mut planned: Vec<_> =
        shares.filter_map(|part| Some((part.gpu.parse().ok()?, part.share))).collect();
    // One that has no name yet may be any pod's.
    if planned.is_empty() {
        return planned;
    }
    let counts = |record: &&Record| record.holder.is_none() || is_planned(record);
    for record in records.into_iter().filter(counts) {
        let Holding::Share { gpu, percent, .. } = record.holding else { continue };
        let its = |part: &(DeviceUuid, Percent)| part.0 == gpu && part.1.get() == percent;
        if let Some(index) = planned.iter().position(its) {
            planned.swap_remove(index);
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::{held_by, share};
    use crate::inventory::tests::uuid;
    use serde_json::json;

    const NOW: u64 = 1_000;

    fn pod(name: &str, plan: &str) -> (String, Meta) {
        let annotations = json!({ "example.com/gpu-plan": plan });
        let meta = json!({ "uid": name, "name": name, "namespace": "team",
                           "annotations": annotations });
        (name.to_owned(), serde_json::from_value(meta).unwrap())
    }

    fn held(gpu: u8, percent: u8, pod: Option<&str>) -> Record {
        held_by(pod, share(uuid(gpu), percent))
    }

    fn at(pods: &[(String, Meta)], records: &[Record]) -> Vec<(DeviceUuid, u8)> {
        let pods = pods.iter().cloned().collect();
        let planned = planned(&pods, records, Domain::default(), NOW);
        planned.into_iter().map(|(gpu, share)| (gpu, share.get())).collect()
    }

    #[test]
    fn a_plan_holds_until_its_pod_has_its_share() {
        let plan = format!("{}=50,{}=30@{NOW}", uuid(0), uuid(1));
        let pods = [pod("a", &plan)];
        assert_eq!(at(&pods, &[]), [(uuid(0), 50), (uuid(1), 30)]);
        assert_eq!(at(&pods, &[held(0, 50, None)]), [(uuid(1), 30)]);
        assert_eq!(at(&pods, &[held(0, 50, Some("a")), held(1, 30, Some("a"))]), []);
        assert_eq!(at(&pods, &[held(0, 50, Some("b")), held(0, 40, None)]).len(), 2);
    }

    #[test]
    fn of_two_pods_with_equal_shares_either_takes_what_was_planned_for_one() {
        let plan = format!("{}=50@{NOW}", uuid(0));
        let pods = [pod("a", &plan), pod("b", &plan)];
        assert_eq!(at(&pods, &[held(0, 50, None)]), [(uuid(0), 50)]);
        let elsewhere = format!("{}=50@{NOW}", uuid(1));
        let pods = [pod("a", &plan), pod("b", &elsewhere)];
        assert_eq!(at(&pods, &[held(0, 50, Some("b"))]), [(uuid(1), 50)], "the first has it");
    }

    #[test]
    fn what_is_old_or_no_plan_is_not_believed() {
        let old = format!("{}=50@{}", uuid(0), NOW - Plan::BELIEVED_S);
        assert_eq!(at(&[pod("a", &old), pod("b", "GPU-0=50"), pod("c", "GPU-0=50@1000")], &[]), []);
    }
}
