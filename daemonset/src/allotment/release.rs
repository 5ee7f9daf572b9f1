//! Which allotments have ended: decided by what the kubelet lists, never by guess.

use std::time::Duration;

use super::holders::{Held, holder_of};
use super::kept::{Life, kept_of};
use super::lists::{Look, is_forgotten};
use super::record::Record;

/// How long after Allocate a pod may take to appear in podresources. One whose admission failed
/// after Allocate, or where the answer was lost, never does. Should a container start later all the
/// same, PreStartContainer makes its allotment again.
pub(crate) const ADMISSION: Duration = Duration::from_secs(15);

/// What is known about an allotment beside its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signs {
    /// The allotment changed after the list was asked for: the list says nothing about it.
    pub(crate) newer_than_list: bool,
    /// Its pod is gone, although another has its name.
    pub(crate) replaced: bool,
    /// The kubelet keeps its devices for an init container, as far as anybody can tell.
    pub(crate) is_kept: bool,
    /// How long ago it was allocated.
    pub(crate) age: Duration,
}

/// Whether the kubelet keeps the devices of an allotment although it lists no container that has them. What it
/// lists and then lists no more stands in its checkpoint until that is written again: there a process has to be
/// seen.
pub(crate) fn is_kept(record: &Record, look: &Look<'_>) -> bool {
    let kept = look.kept.as_deref().map(|kept| kept_of(record, kept).map(|kept| kept.life));
    if record.is_listed() {
        return kept.flatten() == Some(Life::Runs);
    }
    let same_pod = |held: &Held| {
        let holder = record.holder.as_ref();
        holder.is_some_and(|it| {
            (&it.namespace, &it.pod) == (&held.holder.namespace, &held.holder.pod)
        })
    };
    match kept {
        Some(life) => life.is_some(),
        // Nobody can tell of more than the pod; one that has no name yet has ADMISSION to get one.
        None => look.held.iter().any(same_pod),
    }
}

/// Whether an allotment has ended. Whether some process has a slot in its ledger is asked last, because that
/// is to read the whole of it.
pub(crate) fn has_ended(
    record: &Record,
    signs: Signs,
    held: &[Held],
    is_lived_in: impl FnOnce() -> bool,
) -> bool {
    // Its pod is there, and the kubelet remembers nothing of what it holds: the folder of its checkpoint was removed.
    let is_forgotten = || !signs.replaced && is_forgotten(record, held);
    let is_listed = holder_of(record, held).is_some() || is_forgotten();
    let kept = signs.newer_than_list || signs.is_kept || is_listed;
    let was_seen = record.holder.is_some();
    !kept && (was_seen || signs.age > ADMISSION) && !is_lived_in()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use super::super::holders::tests::parts;
    use super::super::kept::tests::kept;
    use super::super::record::Holder;
    use super::*;
    use crate::decide::Grant;

    const QUIET: Signs = Signs {
        newer_than_list: false,
        replaced: false,
        is_kept: false,
        age: Duration::from_secs(3600),
    };

    /// Where nobody lives in the ledger.
    fn has_ended(record: &Record, signs: Signs, held: &[Held]) -> bool {
        super::has_ended(record, signs, held, || false)
    }

    fn holder() -> Holder {
        Holder { namespace: "default".into(), pod: "a".into(), container: Some("main".into()) }
    }

    fn record(range: std::ops::Range<u8>) -> Record {
        Record::new(&parts(0, range), &Grant::Whole(vec![]), 0)
    }

    fn held(range: std::ops::Range<u8>) -> [Held; 1] {
        [Held { holder: holder(), devices: parts(0, range), ..Held::default() }]
    }

    #[test]
    fn what_the_kubelet_lists_stays() {
        assert!(!has_ended(&record(0..50), QUIET, &held(0..50)));
        assert!(has_ended(&record(0..50), QUIET, &held(50..90)));
    }

    #[test]
    fn what_the_kubelet_has_forgotten_stays_while_it_lists_the_container() {
        let of = |container: &str| {
            [Held {
                holder: Holder { container: Some(container.into()), ..holder() },
                ..Held::default()
            }]
        };
        let record = Record { holder: Some(holder()), ..record(0..50) };
        assert!(!has_ended(&record, QUIET, &of("main")));
        assert!(has_ended(&record, QUIET, &of("other")));
        assert!(has_ended(&record, QUIET, &[]));
        // Another pod of that name holds nothing.
        assert!(has_ended(&record, Signs { replaced: true, ..QUIET }, &of("main")));
    }

    #[test]
    fn an_init_containers_allotment_stays_while_its_pod_holds_the_devices() {
        assert!(!has_ended(&record(0..50), QUIET, &held(0..20)));
    }

    #[test]
    fn what_the_kubelet_keeps_for_an_init_container_stays_and_of_others_its_lists_decide() {
        let held = [Held { holder: holder(), ..Held::default() }];
        let look = |devices: Option<BTreeSet<_>>| Look {
            kept: devices.map(|devices| vec![kept(devices)]),
            ..Look::whole(&held, Instant::now())
        };
        let (stored, others) = (look(Some(parts(0, 0..50))), look(Some(parts(0, 50..90))));
        let init = Holder { container: Some("load".into()), ..holder() };
        let unlisted = Record { holder: Some(init.clone()), unlisted: true, ..record(0..50) };
        let listed = Record { holder: Some(init), ..record(0..50) };
        let mut runs = look(Some(parts(0, 0..50)));
        runs.kept.iter_mut().flatten().for_each(|kept| kept.life = Life::Runs);
        for (record, look, stays) in [
            (&record(0..50), &stored, true),
            (&unlisted, &stored, true),
            (&listed, &stored, false),
            (&listed, &runs, true),
            (&unlisted, &others, false),
            // The checkpoint cannot be read, and its pod is listed.
            (&unlisted, &look(None), true),
            // Nobody knows whose it is: any pod of the list would keep it for ever.
            (&record(0..50), &look(None), false),
        ] {
            assert_eq!(is_kept(record, look), stays, "{record:?} {look:?}");
        }
        let gone = Holder { pod: "gone".into(), ..holder() };
        let gone = Record { holder: Some(gone), ..unlisted };
        assert!(!is_kept(&gone, &look(None)));
        assert!(!has_ended(&gone, Signs { is_kept: true, ..QUIET }, &[]));
    }

    #[test]
    fn what_is_newer_than_the_list_or_lived_in_stays() {
        assert!(!has_ended(&record(0..50), Signs { newer_than_list: true, ..QUIET }, &[]));
        assert!(!super::has_ended(&record(0..50), QUIET, &[], || true));
    }

    #[test]
    fn the_ledger_of_what_stays_is_not_read() {
        let unread = || panic!("the ledger is read");
        assert!(!super::has_ended(&record(0..50), QUIET, &held(0..50), unread));
    }

    #[test]
    fn what_was_never_listed_has_a_while_to_appear() {
        let young = Signs { age: ADMISSION, ..QUIET };
        assert!(!has_ended(&record(0..50), young, &[]));
        let seen = Record { holder: Some(holder()), ..record(0..50) };
        assert!(has_ended(&seen, young, &[]));
    }
}
