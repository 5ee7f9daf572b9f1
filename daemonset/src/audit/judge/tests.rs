//! Scenes, and what is made of them.

use super::stage::{MIB, NAMESPACE, Stage};
use super::*;
use crate::allotment::Holder;
use crate::decide::Grant;
use crate::inventory::tests::uuid;
use contract::DeviceId;

#[test]
fn a_process_with_a_slot_is_measured_behind_it() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[11, 12]);
    stage.process(100, 12, Some(id));
    stage.on(0, 100, 700);
    let verdict = stage.judge();
    assert!(verdict.findings.is_empty());
    let measured = &verdict.measured[&id];
    let behind = Behind { host_pid: 100, bytes: vec![Some(700 * MIB)] };
    assert_eq!(measured.slots, [((1, 7), behind)].into());
    assert_eq!((&measured.uncounted, &measured.all), (&vec![0], &vec![700 * MIB]));
}

#[test]
fn a_process_without_a_slot_is_found_and_its_container_pays() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[11]);
    stage.process(100, 11, Some(id));
    stage.process(101, 13, Some(id));
    stage.on(0, 100, 300);
    stage.on(0, 101, 200);
    let (kind, sentence) = stage.one();
    assert_eq!(kind, Kind::Uncounted);
    assert!(sentence.contains("container main of pod default/a uses 200MiB"), "{sentence}");
    assert!(sentence.contains("(python 101)"), "{sentence}");
    let measured = &stage.judge().measured[&id];
    assert_eq!((&measured.uncounted, &measured.all), (&vec![200 * MIB], &vec![500 * MIB]));
}

#[test]
fn a_slot_stands_for_one_process_and_for_no_namesake_in_another_namespace() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[11]);
    stage.process(100, 11, Some(id));
    stage.process(101, 11, Some(id)).namespace = NAMESPACE + 1;
    stage.on(0, 101, 1);
    stage.on(0, 100, 1);
    let measured = &stage.judge().measured[&id];
    assert_eq!(measured.slots[&(0, 7)].host_pid, 100);
    assert_eq!(stage.one().0, Kind::Uncounted);
}

#[test]
fn a_slot_that_has_not_looked_for_its_namespace_goes_by_its_pid() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[11]);
    stage.allotments.get_mut(&id).unwrap().slots[0].pid_namespace = 0;
    stage.process(100, 11, Some(id));
    stage.process(101, 11, Some(id)).namespace = NAMESPACE + 1;
    stage.on(0, 100, 1);
    stage.on(0, 101, 1);
    assert_eq!(stage.judge().measured[&id].slots[&(0, 7)].host_pid, 100);
    assert_eq!(stage.one().0, Kind::Uncounted);
}

#[test]
fn a_container_on_a_gpu_that_it_was_not_given_is_found() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[11]);
    stage.process(100, 11, Some(id));
    stage.on(0, 100, 10);
    stage.on(1, 100, 20);
    let (kind, sentence) = stage.one();
    assert_eq!(kind, Kind::NotGiven);
    assert!(sentence.contains(&format!("20MiB of {}, which it was not", uuid(1))), "{sentence}");
}

#[test]
fn a_pod_without_any_allotment_is_found_on_a_shared_gpu_and_on_a_free_whole_one() {
    for n in [0, 2] {
        let mut stage = Stage::new();
        stage.process(100, 11, None);
        stage.on(n, 100, 10);
        let (kind, sentence) = stage.one();
        assert_eq!(kind, Kind::NotGiven);
        assert!(sentence.contains("the pod with uid 6f1b1c0e-"), "{sentence}");
    }
}

#[test]
fn a_pod_that_nobody_knows_on_a_whole_gpu_that_is_held_may_be_its_holder() {
    let mut stage = Stage::new();
    stage.whole(2, "a");
    stage.process(100, 11, None);
    stage.on(2, 100, 10);
    let verdict = stage.judge();
    assert_eq!((verdict.findings.len(), verdict.unknown), (0, 1));
}

#[test]
fn a_pod_whose_name_is_known_is_not_the_holder_of_a_whole_gpu() {
    let mut stage = Stage::new();
    stage.whole(2, "a");
    stage.process(100, 11, None);
    let name = Holder { namespace: "x".into(), pod: "thief".into(), container: None };
    stage.names.insert(100, name);
    stage.on(2, 100, 10);
    let (kind, sentence) = stage.one();
    assert_eq!(kind, Kind::NotGiven);
    assert!(sentence.starts_with("pod x/thief uses 10MiB"), "{sentence}");
}

#[test]
fn the_holder_of_a_whole_gpu_may_do_with_it_what_it_likes() {
    let mut stage = Stage::new();
    let id = stage.whole(2, "a");
    stage.process(100, 11, Some(id));
    stage.on(2, 100, 30_000);
    assert!(stage.found().is_empty());
    assert_eq!(stage.judge().measured[&id].all, [30_000 * MIB]);
}

#[test]
fn what_is_in_no_pod_is_outside() {
    let mut stage = Stage::new();
    stage.process(100, 100, None).place.pod = None;
    stage.on(0, 100, 10);
    let (kind, sentence) = stage.one();
    assert_eq!(kind, Kind::Outside);
    assert!(sentence.starts_with("a process in no container uses 10MiB"), "{sentence}");
}

#[test]
fn a_process_behind_an_allotment_that_has_ended_is_found() {
    let mut stage = Stage::new();
    stage.process(100, 11, None).mounted = BTreeSet::from([AllotmentId(9)]);
    stage.on(0, 100, 10);
    assert_eq!(stage.one().0, Kind::Outlived);
}

#[test]
fn a_share_is_passed_where_the_driver_counts_more_than_the_slack_beyond_it() {
    for (mib, found) in [(1000, 0), (1010, 0), (1011, 1)] {
        let mut stage = Stage::new();
        let id = stage.share(0, "a", &[11, 12]);
        stage.process(100, 11, Some(id));
        stage.process(101, 12, Some(id));
        stage.on(0, 100, 500);
        stage.on(0, 101, mib - 500);
        let findings = stage.found();
        assert_eq!(findings.len(), found, "{mib}: {findings:?}");
        if let Some((kind, sentence)) = findings.first() {
            assert_eq!(*kind, Kind::Above);
            assert!(sentence.contains("holds 1011MiB"), "{sentence}");
            assert!(sentence.ends_with("of 1000MiB (python 100, python 101)"), "{sentence}");
        }
    }
}

#[test]
fn above_its_share_is_who_holds_more_than_its_pages_let_it_and_nobody_who_is_observed() {
    let table = [
        (None, 1100, true),
        (None, 900, false),
        // Lowered, while it ran or by an annotation.
        (Some((500, AtLimit::Refuse)), 900, true),
        (Some((1000, AtLimit::Observe)), 1100, false),
    ];
    for (limit, held, found) in table {
        let mut stage = Stage::new();
        let id = stage.share(0, "a", &[11]);
        stage.process(100, 11, Some(id));
        stage.on(0, 100, held);
        let limit: Option<(u64, AtLimit)> = limit.map(|(mib, at)| (mib * MIB, at));
        stage.allotments.get_mut(&id).unwrap().limit = limit;
        let findings = stage.found();
        assert_eq!(!findings.is_empty(), found, "{limit:?} {held}: {findings:?}");
    }
}

#[test]
fn the_server_of_the_nodes_own_mps_daemon_is_no_stranger_wherever_it_lives() {
    for pod in [None, Some("6f1b1c0e-9f4d-4f0a-8a53-0d6a3c1e7b21".to_owned())] {
        let mut stage = Stage::new();
        let process = stage.process(100, 100, None);
        process.place.pod = pod;
        process.parent = 50;
        stage.on(0, 100, 30);
        assert_eq!(stage.found().len(), 1);
        stage.daemons.insert(50);
        assert_eq!(stage.found(), []);
        assert_eq!(stage.judge().unknown, 0);
    }
}

/// The pipes are mounted into the container of a share, which may lock a file there as if it were a daemon.
#[test]
fn a_container_of_a_share_that_plays_the_mps_daemon_is_passed_over_in_nothing() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[]);
    stage.process(100, 12, Some(id)).parent = 50;
    stage.on(0, 100, 1500);
    stage.daemons.insert(50);
    let kinds: Vec<_> = stage.found().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Uncounted, Kind::Above]);
    assert_eq!(stage.judge().measured[&id].all, [1500 * MIB]);
    // The same where its allotment has ended.
    let mut stage = Stage::new();
    let process = stage.process(100, 12, None);
    (process.parent, process.mounted) = (50, BTreeSet::from([id]));
    stage.on(0, 100, 30);
    stage.daemons.insert(50);
    assert_eq!(stage.one().0, Kind::Outlived);
}

#[test]
fn a_process_on_another_slice_of_its_card_than_its_own_is_found() {
    let slice = |n: u8| DeviceUuid { kind: contract::UuidKind::Mig, bytes: [n; 16] };
    let mut stage = Stage::new();
    let devices = BTreeSet::from([DeviceId::Mig(slice(1))]);
    let grant = Grant::Slices(vec![(slice(1), uuid(2))]);
    let id = stage.enter(Record::new(&devices, &grant, 0), "a", &[]);
    stage.process(100, 11, Some(id));
    let on = |instance, mib| OnGpu {
        pid: 100,
        instance: Some(instance),
        bytes: Some(mib * MIB),
        busy_percent: 0,
        is_there: true,
    };
    stage.looks.insert(uuid(2), vec![on((1, 0), 30), on((2, 0), 20), on((3, 0), 10)]);
    assert_eq!(stage.found(), [], "of a slice that is not known nobody is accused");
    stage.allotments.get_mut(&id).unwrap().instances = [(uuid(2), [(1, 0)].into())].into();
    let (kind, sentence) = stage.one();
    assert_eq!(kind, Kind::NotGiven);
    assert!(sentence.contains("uses 30MiB") && sentence.ends_with("(python 100)"), "{sentence}");
    assert_eq!(stage.judge().measured[&id].all, [30 * MIB]);
    // Its slice is gone, and the card is in MIG mode no more, or divided otherwise.
    for (instance, here) in [(None, vec![]), (Some((1, 0)), vec![]), (Some((1, 0)), vec![(2, 0)])] {
        stage.looks.insert(uuid(2), vec![OnGpu { instance, ..on((1, 0), 30) }]);
        let here = here.into_iter().collect();
        stage.allotments.get_mut(&id).unwrap().instances = [(uuid(2), here)].into();
        assert_eq!(stage.one().0, Kind::NotGiven, "{instance:?}");
    }
    stage.allotments.get_mut(&id).unwrap().instances = [(uuid(2), [(1, 0)].into())].into();
    stage.looks.insert(uuid(2), vec![OnGpu { instance: None, ..on((1, 0), 30) }]);
    assert_eq!(stage.found(), [], "of a driver that names no instance nothing is known");
}

#[test]
fn who_keeps_a_gpu_busy_has_to_tell_of_it() {
    let untold = |busy_percent, told_percent| {
        let mut stage = Stage::new();
        let id = stage.share(0, "a", &[11]);
        stage.process(100, 11, Some(id));
        stage.looks.insert(
            uuid(0),
            vec![OnGpu {
                pid: 100,
                instance: None,
                bytes: Some(MIB),
                busy_percent,
                is_there: true,
            }],
        );
        stage.allotments.get_mut(&id).unwrap().told_percent = told_percent;
        stage.found().into_iter().any(|(kind, _)| kind == Kind::Untold)
    };
    let table = [
        (90, Some(0), true),
        (90, Some(10), true),
        (90, Some(40), false),
        (10, Some(0), false),
        // The first look, or work that is still on the card.
        (90, None, false),
    ];
    for (busy, told, expected) in table {
        assert_eq!(untold(busy, told), expected, "{busy} {told:?}");
    }
}

#[test]
fn a_finding_names_a_few_of_many_processes() {
    let mut stage = Stage::new();
    for pid in 100..110 {
        stage.process(pid, pid, None);
        stage.on(0, pid, 1);
    }
    let sentence = stage.one().1;
    assert!(sentence.contains("uses 10MiB"), "{sentence}");
    assert!(sentence.ends_with("python 103 and 6 more)"), "{sentence}");
}

#[test]
fn memory_that_the_driver_does_not_tell_is_no_reason_to_pass_a_process_by() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[]);
    stage.process(100, 11, Some(id));
    let on = OnGpu { pid: 100, instance: None, bytes: None, busy_percent: 0, is_there: true };
    stage.looks.entry(uuid(0)).or_default().push(on);
    assert_eq!(stage.one().0, Kind::Uncounted);
    assert_eq!(stage.judge().measured[&id].uncounted, [0]);
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_of_whether_its_container_uses_the_gpu_or_not() {
    let mut stage = Stage::new();
    let id = stage.share(0, "a", &[]);
    assert_eq!(stage.found(), []);
    stage.allotments.get_mut(&id).unwrap().unreadable = Some("it has 7 bytes".into());
    let (kind, text) = stage.one();
    assert_eq!(kind, Kind::Unreadable);
    for part in ["container main of pod default/a", "it has 7 bytes"] {
        assert!(text.contains(part), "{text}");
    }
    stage.process(100, 12, Some(id));
    stage.on(0, 100, 700);
    let kinds: Vec<_> = stage.found().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Uncounted, Kind::Unreadable]);
}
