//! What the agent measures corrects what is charged by estimates, and nothing else.
#![cfg(not(loom))]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{
    AllotmentSpec, Corrections, DeviceSpec, LimitsPage, Seen, SlotUse, create, read_ledger,
    read_limits,
};
use ledger::{Allotment, DeviceIndex, Kind};

const GPU: DeviceUuid = DeviceUuid::gpu([7; 16]);
const MIB: u64 = Mib::BYTES;

/// An allotment of 1,000 MiB.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let device = DeviceSpec::new(GPU, Mib(1000), Percent::new(50).unwrap());
        let spec = AllotmentSpec::new(AllotmentId(0xa1), vec![device]);
        create(&root.path().join("a"), &spec).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    /// A slot of its own, as a process would have.
    fn open(&self) -> (Allotment, DeviceIndex) {
        let dir = CString::new(self.dir().as_os_str().as_bytes()).unwrap();
        let allotment = Allotment::open(&dir, 1).unwrap();
        let device = allotment.device(&GPU.bytes).unwrap();
        (allotment, device)
    }

    fn slots(&self) -> Vec<SlotUse> {
        read_ledger(&self.dir().join("ledger")).unwrap().slots
    }

    /// One period of the agent, in which NVML says so many MiB of each slot.
    fn measure(&self, mib: &[Option<u64>]) {
        self.describe(&self.slots(), mib);
    }

    fn describe(&self, slots: &[SlotUse], mib: &[Option<u64>]) {
        let bytes: Vec<_> = mib.iter().map(|mib| [mib.map(|mib| mib * MIB)]).collect();
        let seen =
            slots.iter().zip(&bytes).map(|(slot, measured)| Seen { slot, host_pid: 0, measured });
        LimitsPage::open(&self.dir()).unwrap().describe_slots(&seen.collect::<Vec<_>>(), &[]);
    }
}

fn used(allotment: &Allotment, device: DeviceIndex) -> u64 {
    allotment.usage(device).used / MIB
}

fn shown(allotment: &Allotment, device: DeviceIndex) -> Vec<u64> {
    let mut shown = vec![];
    allotment.each_holder(device, |holder| shown.push(holder.bytes / MIB));
    shown
}

#[test]
fn what_is_measured_beyond_is_used_and_the_next_request_pays() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, 100 * MIB).unwrap();
    made.measure(&[Some(350)]);
    assert_eq!((used(&own, device), shown(&own, device)), (350, vec![350]));
    assert!(own.charge(device, Kind::Linear, 650 * MIB + 1).is_err());
    own.charge(device, Kind::Linear, 650 * MIB).unwrap();
    assert_eq!(own.usage(device).free(), 0);
}

#[test]
fn what_is_charged_and_released_after_a_measurement_counts_at_once() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, 100 * MIB).unwrap();
    made.measure(&[Some(350)]);
    own.charge(device, Kind::Linear, 50 * MIB).unwrap();
    assert_eq!(used(&own, device), 400);
    own.release(device, Kind::Linear, 150 * MIB);
    assert_eq!(used(&own, device), 250);
}

#[test]
fn an_estimate_above_what_is_measured_counts_less() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Context, 300 * MIB).unwrap();
    own.charge(device, Kind::Linear, 100 * MIB).unwrap();
    made.measure(&[Some(350)]);
    assert_eq!((used(&own, device), shown(&own, device)), (350, vec![350]));
    own.charge(device, Kind::Linear, 650 * MIB).unwrap();
    assert!(own.charge(device, Kind::Linear, 1).is_err());
}

#[test]
fn nothing_but_estimates_counts_less() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Module, 30 * MIB).unwrap();
    own.charge(device, Kind::Linear, 100 * MIB).unwrap();
    made.measure(&[Some(0)]);
    assert_eq!(used(&own, device), 100);
    own.release(device, Kind::Module, 30 * MIB);
    assert_eq!(used(&own, device), 100);
    own.charge(device, Kind::Context, 300 * MIB).unwrap();
    own.charge(device, Kind::Managed, 100 * MIB).unwrap();
    made.measure(&[Some(300)]);
    // Managed memory need not lie on the card; but 100 of the 300 are not the context's.
    assert_eq!(used(&own, device), 400);
}

#[test]
fn what_may_not_lie_on_the_card_is_not_taken_for_an_estimate() {
    // A pool that the driver has emptied and the process has not read again, graphs' memory likewise, a
    // heap that no kernel has needed yet, managed memory, and what lies on the host.
    for kind in [Kind::Pool, Kind::Graph, Kind::Local, Kind::Managed, Kind::Imported] {
        let made = Fixture::new();
        let (own, device) = made.open();
        own.charge(device, Kind::Context, 300 * MIB).unwrap();
        own.charge(device, kind, 400 * MIB).unwrap();
        made.measure(&[Some(300)]);
        assert_eq!(used(&own, device), 700, "{kind:?}");
        own.release(device, kind, 400 * MIB);
        assert_eq!(used(&own, device), 300, "{kind:?}");
        assert!(own.charge(device, Kind::Linear, 700 * MIB + 1).is_err(), "{kind:?}");
        own.charge(device, Kind::Linear, 700 * MIB).unwrap();
    }
    // What is missing beyond all of that is the estimate's.
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Context, 300 * MIB).unwrap();
    own.charge(device, Kind::Pool, 32 * MIB).unwrap();
    made.measure(&[Some(200)]);
    assert_eq!(used(&own, device), 232);
}

#[test]
fn an_estimate_stays_corrected_beside_what_need_not_lie_on_the_card() {
    for kind in [Kind::Managed, Kind::Imported] {
        let made = Fixture::new();
        let (own, device) = made.open();
        own.charge(device, Kind::Context, 300 * MIB).unwrap();
        made.measure(&[Some(200)]);
        own.charge(device, kind, 2 * MIB).unwrap();
        assert_eq!(used(&own, device), 202, "{kind:?}");
        made.measure(&[Some(200)]);
        assert_eq!(used(&own, device), 202, "{kind:?}");
    }
}

#[test]
fn a_figure_of_a_process_that_has_ended_counts_no_more() {
    let made = Fixture::new();
    let (own, device) = made.open();
    let (other, its) = made.open();
    own.charge(device, Kind::Linear, MIB).unwrap();
    other.charge(its, Kind::Linear, MIB).unwrap();
    let slots = made.slots();
    made.describe(&slots, &[Some(1), Some(501)]);
    assert_eq!(used(&own, device), 502);
    // A slot that another process has by now: the generation differs.
    let mut stale = slots.clone();
    stale[1].generation += 1;
    made.describe(&stale, &[Some(1), Some(501)]);
    assert_eq!(used(&own, device), 2);
    own.charge(device, Kind::Linear, 998 * MIB).unwrap();
}

#[test]
fn a_slot_that_is_described_no_more_is_forgotten() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, MIB).unwrap();
    made.measure(&[Some(501)]);
    LimitsPage::open(&made.dir()).unwrap().describe_slots(&[], &[]);
    assert_eq!(used(&own, device), 1);
    assert_eq!(
        read_limits(&made.dir().join("limits")).unwrap().corrections,
        [Corrections::default()]
    );
}

#[test]
fn without_an_answer_the_last_one_holds_for_the_same_process() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, MIB).unwrap();
    made.measure(&[Some(501)]);
    made.measure(&[None]);
    assert_eq!(used(&own, device), 501);
    let mut next = made.slots();
    next[0].generation += 1;
    made.describe(&next, &[None]);
    assert_eq!(
        read_limits(&made.dir().join("limits")).unwrap().corrections,
        [Corrections::default()]
    );
}

#[test]
fn what_processes_without_a_slot_use_is_used() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, MIB).unwrap();
    LimitsPage::open(&made.dir()).unwrap().describe_slots(&[], &[400 * MIB]);
    assert_eq!(used(&own, device), 401);
    assert!(own.charge(device, Kind::Linear, 599 * MIB + 1).is_err());
    own.charge(device, Kind::Linear, 599 * MIB).unwrap();
}

#[test]
fn what_the_driver_takes_unasked_passes_the_limit_and_leaves_nothing_free() {
    let made = Fixture::new();
    let (own, device) = made.open();
    own.charge(device, Kind::Linear, 900 * MIB).unwrap();
    own.charge_unasked(device, Kind::Module, 200 * MIB).unwrap();
    assert_eq!((used(&own, device), own.usage(device).free()), (1100, 0));
    assert!(own.charge(device, Kind::Linear, 1).is_err());
}

#[test]
fn a_request_that_may_still_find_room_is_no_refusal() {
    let made = Fixture::new();
    let (own, device) = made.open();
    assert!(own.try_charge(device, Kind::Linear, 1001 * MIB).is_err());
    let ledger = read_ledger(&made.dir().join("ledger")).unwrap();
    assert_eq!((ledger.devices[0].refusals, ledger.slots[0].devices[0].refusals), (0, 0));
}
