//! Which containers have shares of which GPUs, and which of them are gangs: from the records.

use std::collections::BTreeMap;

use contract::{AllotmentId, DeviceUuid};

use super::keeper::Share;
use crate::allotment::{Holding, Record};
use crate::node::Node;

/// The shares of each GPU.
pub type Shares = BTreeMap<DeviceUuid, BTreeMap<AllotmentId, Share>>;

/// All that the node has given out.
pub(super) fn of(node: &Node) -> Shares {
    let records = node.records();
    let mut shares = Shares::new();
    for record in &records {
        let Holding::Share { gpu, .. } = record.holding else { continue };
        let folder = node.layout().pages_of(record.id);
        let gang = gang(record, &records);
        let (class, holder) = (node.class_of(record.id), record.holder.clone());
        let share = Share { folder, class, gang, holder };
        shares.entry(gpu).or_default().insert(record.id, share);
    }
    shares
}

/// The number of the gang of a container with shares of several GPUs: that of the first of them.
fn gang(record: &Record, all: &[Record]) -> Option<u64> {
    let holder = record.holder.as_ref().filter(|holder| holder.container.is_some())?;
    let is_share = |record: &&Record| matches!(record.holding, Holding::Share { .. });
    // One that was removed by force may live on beside its successor of the same name.
    let is_another = |other: &Record| match (&other.pod_uid, &record.pod_uid) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    };
    let is_its = |it: &&Record| it.holder.as_ref() == Some(holder) && !is_another(it);
    let its = || all.iter().filter(is_share).filter(is_its);
    let is_elsewhere = |other: &Record| other.holding.gpus() != record.holding.gpus();
    its().any(is_elsewhere).then(|| its().map(|one| one.id.0).min()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::Holder;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use contract::{DeviceId, Mib, Percent};

    fn share(gpu: u8, pod: &str, container: Option<&str>) -> Record {
        let percent = Percent::new(50).unwrap();
        let grant = Grant::Share { gpu: uuid(gpu), percent, memory: Mib(9000), context: Mib(300) };
        let devices = [DeviceId::Percent(uuid(gpu), pod.as_bytes()[0] % 50)];
        let mut record = Record::new(&devices.into(), &grant, 0);
        let (namespace, pod) = ("default".to_owned(), pod.to_owned());
        let container = container.map(str::to_owned);
        record.holder = Some(Holder { namespace, pod, container });
        record
    }

    #[test]
    fn the_shares_of_one_container_on_several_gpus_are_a_gang() {
        let all =
            [share(0, "a", Some("main")), share(1, "a", Some("main")), share(1, "b", Some("main"))];
        let found = all.each_ref().map(|record| gang(record, &all));
        assert!(found[0].is_some() && found[0] == found[1], "{found:?}");
        assert_eq!(found[2], None);
    }

    #[test]
    fn shares_of_another_pod_of_that_name_are_no_gang_with_them() {
        let of = |gpu, uid: Option<&str>| Record {
            pod_uid: uid.map(str::to_owned),
            ..share(gpu, "a", Some("main"))
        };
        for (uids, expected) in [
            ([Some("old"), Some("new")], false),
            ([Some("old"), Some("old")], true),
            // The checkpoint has not told yet.
            ([Some("old"), None], true),
        ] {
            let all = [of(0, uids[0]), of(1, uids[1])];
            let found = all.each_ref().map(|record| gang(record, &all).is_some());
            assert_eq!(found, [expected; 2], "{uids:?}");
        }
    }

    #[test]
    fn containers_of_a_pod_and_who_is_not_known_are_no_gang() {
        let all = [share(0, "a", Some("one")), share(1, "a", Some("two"))];
        assert_eq!(all.each_ref().map(|record| gang(record, &all)), [None; 2]);
        let all = [share(0, "a", None), share(1, "a", None)];
        assert_eq!(all.each_ref().map(|record| gang(record, &all)), [None; 2]);
    }
}
