use super::*;
use crate::inventory::tests::{facts, uuid};
use proptest::prelude::*;

#[test]
fn a_fault_of_the_memory_asks_for_a_reset_and_one_of_an_application_for_nothing() {
    let health = Health::default();
    let actions = [13, 31, 48, 79, 95, 4711].map(|xid| action_of(xid, &health));
    use Action::{Ignore, Reboot, ResetGpu, RestartApp};
    assert_eq!(actions, [RestartApp, RestartApp, ResetGpu, Reboot, ResetGpu, Ignore]);
    let strict = Health { xids: [(31, ResetGpu)].into(), unknown_xid: Reboot };
    assert_eq!([31, 4711, 48].map(|xid| action_of(xid, &strict)), [ResetGpu, Reboot, ResetGpu]);
}

#[test]
fn a_fault_is_over_when_the_gpu_was_away_and_is_back() {
    let mut faults = Faults::default();
    faults.xid(uuid(0), 48, &Health::default());
    faults.seen(&facts(0));
    assert!(faults.of(uuid(0)).unwrap().contains("XID 48: it has to be reset"));
    assert_eq!(faults.of(uuid(1)), None);
    faults.lost(uuid(0));
    faults.seen(&facts(0));
    assert_eq!(faults.of(uuid(0)), None);
}

#[test]
fn a_driver_that_says_what_is_needed_is_believed() {
    let mut faults = Faults::default();
    faults.xid(uuid(0), 95, &Health::default());
    let said = |recovery| Facts { recovery: Some(recovery), ..facts(0) };
    // It may not have noticed yet: nothing needed is believed after something was.
    faults.seen(&said(0));
    assert!(faults.of(uuid(0)).is_some());
    faults.seen(&said(1));
    faults.seen(&said(0));
    assert_eq!(faults.of(uuid(0)), None);
}

#[test]
fn what_the_driver_says_has_to_be_done_is_a_fault_without_any_xid() {
    let said = |recovery| Facts { recovery: Some(recovery), ..facts(0) };
    let table = [
        (0, None),
        (1, Some("it has to be reset")),
        (2, Some("the node has to be rebooted")),
        (3, None),
        (4, Some("it has to be reset")),
        (5, None),
        (6, Some("it has to be reset")),
        (7, Some("the node has to be rebooted")),
        (8, None),
    ];
    for (recovery, needs) in table {
        let mut faults = Faults::default();
        faults.seen(&said(recovery));
        let why = faults.of(uuid(0));
        assert_eq!(why.is_some(), needs.is_some(), "{recovery}: {why:?}");
        if let Some((why, needs)) = why.zip(needs) {
            assert!(why.ends_with(needs) && is_of_a_fault(&why), "{why}");
        }
        faults.seen(&said(0));
        assert_eq!(faults.of(uuid(0)), None);
    }
    // An unlisted XID before it changes nothing.
    let mut faults = Faults::default();
    faults.xid(uuid(0), 4711, &Health::default());
    faults.seen(&said(1));
    assert!(faults.of(uuid(0)).unwrap().contains("it has to be reset"));
}

#[test]
fn a_driver_that_was_loaded_anew_has_reset_every_card_and_rebooted_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let mut faults = Faults::open(file.clone());
    faults.xid(uuid(0), 48, &Health::default());
    faults.xid(uuid(1), 79, &Health::default());
    // Of an agent that did not write it down, the same, and one that nobody can see.
    for module in [Some(7), Some(7), None] {
        faults.of_module(module);
        assert!(faults.of(uuid(0)).is_some(), "{module:?}");
    }
    let mut faults = Faults::open(file.clone());
    faults.of_module(Some(8));
    assert_eq!(faults.of(uuid(0)), None);
    assert!(faults.of(uuid(1)).is_some(), "it needs a reboot still");
    faults.xid(uuid(0), 48, &Health::default());
    let mut faults = Faults::open(file);
    faults.of_module(Some(8));
    assert!(faults.of(uuid(0)).is_some(), "it came under that one");
}

#[test]
fn a_fault_outlives_the_agent_and_ends_when_a_person_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    Faults::open(file.clone()).xid(uuid(0), 48, &Health::default());
    let mut faults = Faults::open(file.clone());
    assert!(faults.of(uuid(0)).is_some());
    let healed = [(uuid(0).to_string(), now() + 1)].into();
    faults.follow(&Orders { healed, ..Orders::default() });
    assert_eq!(faults.of(uuid(0)), None);
    assert_eq!(Faults::open(file).of(uuid(0)), None);
}

#[test]
fn an_order_ends_what_was_known_when_it_came_and_no_later_fault_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let mut faults = Faults::open(file.clone());
    faults.follow(&Orders::default());
    let order = |at| {
        let healed = [(uuid(0).to_string(), at)].into();
        Orders { healed, ..Orders::default() }
    };
    let faulty = |faults: &mut Faults| faults.xid(uuid(0), 48, &Health::default());
    for at in [now() - 3600, now() + 3600] {
        faulty(&mut faults);
        faults.follow(&order(at));
        assert_eq!(faults.of(uuid(0)), None);
        faulty(&mut faults);
        faults.follow(&order(at));
        assert!(faults.of(uuid(0)).is_some(), "an old order");
        // Nor is it one for an agent that starts.
        faults = Faults::open(file.clone());
        faults.follow(&order(at));
        assert!(faults.of(uuid(0)).is_some(), "an old order");
    }
}

#[test]
fn an_order_that_could_not_be_read_for_a_while_is_no_new_one() {
    let mut faults = Faults::default();
    let healed = [(uuid(0).to_string(), now() + 1)].into();
    let order = Orders { healed, ..Orders::default() };
    faults.follow(&order);
    faults.xid(uuid(0), 48, &Health::default());
    for orders in [&Orders::default(), &order] {
        faults.follow(orders);
        assert!(faults.of(uuid(0)).is_some(), "{orders:?}");
    }
}

#[test]
fn an_order_of_an_earlier_boot_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let healed = [(uuid(0).to_string(), now() + 3600)].into();
    let orders = Orders { healed, ..Orders::default() };
    let mut faults = Faults::open(file.clone());
    faults.follow(&Orders::default());
    faults.xid(uuid(0), 48, &Health::default());
    faults.follow(&orders);
    faults.kept.boot = "another".to_owned();
    faults.xid(uuid(0), 48, &Health::default());
    let mut faults = Faults::open(file);
    assert_eq!(faults.of(uuid(0)), None, "a reboot ends every fault");
    faults.xid(uuid(0), 48, &Health::default());
    faults.follow(&orders);
    assert!(faults.of(uuid(0)).is_some());
}

#[test]
fn a_person_is_believed_although_the_driver_goes_on_asking_for_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let said = |recovery| Facts { recovery: Some(recovery), ..facts(0) };
    let healed = [(uuid(0).to_string(), now() + 1)].into();
    let orders = Orders { healed, ..Orders::default() };
    let mut faults = Faults::open(file.clone());
    faults.seen(&said(1));
    faults.follow(&orders);
    faults.seen(&said(1));
    assert_eq!(faults.of(uuid(0)), None);
    // Nor is it news to an agent that starts.
    let mut faults = Faults::open(file);
    faults.seen(&facts(0));
    faults.seen(&said(1));
    assert_eq!(faults.of(uuid(0)), None);
    // What it asks for besides is, and so is the same after it has asked for nothing.
    for news in [&[2][..], &[0, 1]] {
        let mut faults = Faults { file: None, kept: faults.kept.clone() };
        news.iter().for_each(|it| faults.seen(&said(*it)));
        assert!(faults.of(uuid(0)).is_some(), "{news:?}");
    }
}

#[test]
fn a_driver_that_does_not_answer_once_takes_nothing_back() {
    for xid in [None, Some(48)] {
        let mut faults = Faults::default();
        xid.into_iter().for_each(|xid| faults.xid(uuid(0), xid, &Health::default()));
        for (recovery, is_sick) in [(Some(1), true), (None, true), (Some(0), false)] {
            faults.seen(&Facts { recovery, ..facts(0) });
            assert_eq!(faults.of(uuid(0)).is_some(), is_sick, "{xid:?}, {recovery:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_gpu_is_marked_by_its_own_faults_alone_until_it_was_down_since_and_is_back(
        happens in proptest::collection::vec((0u8..2, 0usize..7), 0..40)
    ) {
        let mut faults = Faults::default();
        // Whether each was down since its last fault, whether one asked for a reboot, and whether the driver
        // has said so since.
        let mut known = [(false, false, false); 2];
        for (n, what) in happens {
            let (gpu, other) = (uuid(n), uuid(1 - n));
            let before = [gpu, other].map(|gpu| faults.of(gpu));
            let (was_down, needs_reboot, is_told) = &mut known[usize::from(n)];
            let said = |recovery| Facts { recovery, ..facts(n) };
            match what {
                0..3 => faults.xid(gpu, [13, 48, 79][what], &Health::default()),
                3 => faults.lost(gpu),
                _ => faults.seen(&said([None, Some(0), Some(2)][what - 4])),
            }
            let after = faults.of(gpu);
            prop_assert_eq!(&faults.of(other), &before[1]);
            let is_well = before[0].is_none();
            match what {
                0 => prop_assert_eq!(&after, &before[0]),
                1 | 2 => {
                    prop_assert!(after.is_some());
                    *needs_reboot = what == 2 || *needs_reboot && !is_well;
                    (*was_down, *is_told) = (false, false);
                }
                3 => {
                    prop_assert_eq!(after.is_none(), is_well);
                    *was_down = true;
                }
                // The driver says that the node has to be rebooted, which is a fault by itself.
                6 => {
                    prop_assert!(after.is_some());
                    *needs_reboot |= is_well;
                    (*was_down, *is_told) = (true, true);
                }
                4 => prop_assert_eq!(after.is_none(), is_well || *was_down && !*is_told),
                _ => prop_assert_eq!(after.is_none(), is_well || *was_down),
            }
            *is_told &= faults.of(gpu).is_some();
            if let Some(why) = faults.of(gpu) {
                prop_assert_eq!(why.contains("rebooted"), *needs_reboot, "{}", why);
            }
        }
    }
}

#[test]
fn faults_of_an_earlier_boot_are_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let (xid, action) = (Some(79), Action::Reboot);
    let fault = Fault { xid, action, at: 0, was_down: true, is_told: false };
    let faults = [(uuid(0).to_string(), fault)].into();
    let kept = Kept { boot: "before".into(), faults, ..Kept::default() };
    std::fs::write(&file, serde_json::to_vec(&kept).unwrap()).unwrap();
    assert_eq!(Faults::open(file).of(uuid(0)), None);
}
