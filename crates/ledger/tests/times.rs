//! GPU time in one process, from both sides: what the container writes, the agent reads, and what the
//! agent grants, the container finds.
#![cfg(not(loom))]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{
    AllotmentSpec, DeviceSpec, IntervalClaim, LimitsPage, TimeReader, create, read_ledger,
};
use ledger::{Allotment, DeviceIndex, Engine, Pace, PageError, Policy, Terms};

const GPU: DeviceUuid = DeviceUuid::gpu([7; 16]);
const OTHER: DeviceUuid = DeviceUuid::gpu([8; 16]);

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let device = |uuid| DeviceSpec::new(uuid, Mib(1024), Percent::new(50).unwrap());
        let spec = AllotmentSpec::new(AllotmentId(9), vec![device(GPU), device(OTHER)]);
        create(&root.path().join("a"), &spec).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    fn open(&self) -> (Allotment, DeviceIndex) {
        let dir = CString::new(self.dir().as_os_str().as_bytes()).unwrap();
        let allotment = Allotment::open(&dir, 1).unwrap();
        let device = allotment.device(&OTHER.bytes).unwrap();
        (allotment, device)
    }

    fn reader(&self) -> TimeReader {
        TimeReader::open(&self.dir().join("ledger")).unwrap()
    }

    fn page(&self) -> LimitsPage {
        LimitsPage::open(&self.dir()).unwrap()
    }
}

fn claims(reader: &mut TimeReader) -> (Vec<IntervalClaim>, u64) {
    let mut found = Vec::new();
    let lost = reader.intervals(1, |claim| found.push(claim)).unwrap();
    (found, lost)
}

#[test]
fn what_is_committed_and_settled_the_agent_reads() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    assert!(!allotment.commit(device, 1, 1), "without a slot nothing is counted");
    allotment.take_slot().unwrap();
    assert!(allotment.commit(device, 500, 3));
    let mut reader = made.reader();
    assert_eq!(reader.device(1).in_flight_ns(), 500);
    allotment.settle(device, 500, 420);
    allotment.copied(device, 70);
    reader.read().unwrap();
    let time = reader.device(1);
    assert_eq!((time.spent_compute_ns, time.committed_ns, time.launches), (420, 420, 3));
    assert_eq!((time.spent_copy_ns, time.in_flight_ns()), (70, 0));
    assert_eq!(reader.device(0).launches, 0);
    let ledger = read_ledger(&made.dir().join("ledger")).unwrap();
    assert_eq!(ledger.devices[1].spent_compute_ns, 420);
    assert_eq!(ledger.slots[0].devices[1].spent_compute_ns, 420);
    assert_eq!(ledger.slots[0].devices[1].launches, 3);
}

#[test]
fn credit_is_what_was_granted_less_what_is_committed() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let page = made.page();
    page.grant(1, 1_000, Pace::Metered);
    assert_eq!(allotment.pace(device), Pace::Metered);
    allotment.commit(device, 1_500, 1);
    let credit = allotment.credit(device);
    assert_eq!((credit.left_ns, credit.in_flight_ns), (-500, 1_500));
    allotment.settle(device, 1_500, 900);
    let credit = allotment.credit(device);
    assert_eq!((credit.left_ns, credit.in_flight_ns), (100, 0));
    let told = page.granted(1).unwrap();
    assert_eq!((told.granted_ns, told.pace), (1_000, Pace::Metered));
    assert_eq!(allotment.beat(device), told.beat);
    page.beat(1);
    assert_eq!(allotment.beat(device), told.beat + 1);
}

#[test]
fn a_grant_ends_a_wait_and_a_wait_ends_by_itself() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    let page = made.page();
    let seen = allotment.grant_word(device);
    let start = Instant::now();
    allotment.await_grant(device, seen, 20_000_000);
    assert!(start.elapsed() >= Duration::from_millis(20), "nothing was granted");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| allotment.await_grant(device, seen, 60_000_000_000));
        page.grant(1, 5, Pace::Metered);
        waiter.join().unwrap();
    });
    allotment.await_grant(device, seen, 60_000_000_000);
    assert_eq!(allotment.credit(device).left_ns, 5);
}

#[test]
fn since_when_it_has_work_moves_only_while_nothing_is_in_flight() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let since_ns = || {
        let mut reader = made.reader();
        reader.read().unwrap();
        reader.device(1).since_ns
    };
    assert_eq!(since_ns(), 0);
    allotment.comes(device, 70);
    allotment.commit(device, 400, 1);
    allotment.comes(device, 80);
    assert_eq!(since_ns(), 70);
    allotment.settle(device, 400, 420);
    allotment.comes(device, 90);
    assert_eq!(since_ns(), 90);
}

#[test]
fn waits_are_counted_while_they_last_and_after() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    allotment.wait_begins(device);
    let mut reader = made.reader();
    assert_eq!(reader.device(1).waiting, 1);
    allotment.wait_ends(device, 250);
    reader.read().unwrap();
    let time = reader.device(1);
    assert_eq!((time.waiting, time.waits, time.waited_ns), (0, 1, 250));
}

#[test]
fn intervals_are_given_out_once_in_order_and_the_overwritten_are_counted() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    allotment.publish(device, Engine::Compute, 1, 2);
    let mut reader = made.reader();
    assert_eq!(claims(&mut reader), (vec![], 0), "what was before is history");
    for at in 0..3 {
        allotment.publish(device, Engine::Copy, 10 * at, 10 * at + 4);
    }
    reader.read().unwrap();
    let claim =
        |start_ns, engine| IntervalClaim { start_ns, end_ns: start_ns + 4, slot: 0, engine };
    let expected = vec![claim(0, Engine::Copy), claim(10, Engine::Copy), claim(20, Engine::Copy)];
    assert_eq!(claims(&mut reader), (expected, 0));
    assert_eq!(claims(&mut reader), (vec![], 0));
    for at in 0..600 {
        allotment.publish(device, Engine::Compute, at, at + 4);
    }
    reader.read().unwrap();
    let (found, lost) = claims(&mut reader);
    assert_eq!((found.len(), lost), (512, 88));
    assert_eq!(found.first(), Some(&claim(88, Engine::Compute)));
}

#[test]
fn an_interval_that_is_not_whole_is_waited_for_once_and_then_left_out() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let mut reader = made.reader();
    for at in 0..3 {
        allotment.publish(device, Engine::Compute, at, at + 4);
    }
    let geometry = ledger::layout::Geometry::new(2).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(made.dir().join("ledger")).unwrap();
    file.write_all_at(&[0xff], geometry.interval(1, 1) as u64).unwrap();
    reader.read().unwrap();
    assert_eq!(claims(&mut reader).0.len(), 1);
    let (found, lost) = claims(&mut reader);
    assert_eq!((found.len(), lost), (1, 1));
}

#[test]
fn a_scribbled_cursor_or_a_cut_file_is_no_fault() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let mut reader = made.reader();
    let path = made.dir().join("ledger");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let geometry = ledger::layout::Geometry::new(2).unwrap();
    let cursor = geometry.ledger_device(1) as u64 + 80;
    for value in [u64::MAX, 5, 1 << 60, 0] {
        file.write_all_at(&u64::to_ne_bytes(value), cursor).unwrap();
        reader.read().unwrap();
        for _ in 0..600 {
            claims(&mut reader);
        }
        assert_eq!(claims(&mut reader).0, vec![]);
    }
    allotment.publish(device, Engine::Compute, 7, 8);
    reader.read().unwrap();
    assert_eq!(claims(&mut reader).0.len(), 1);
    file.set_len(100).unwrap();
    assert!(matches!(reader.read(), Err(PageError::Size(_, 100))));
}

#[test]
fn terms_change_while_a_container_runs_and_are_checked() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    let page = made.page();
    let terms = allotment.terms(device);
    assert_eq!((terms.policy, terms.share(), terms.quantum_us), (Policy::Fair, 50, 5_000));
    let strict = Terms { policy: Policy::Strict, cap: 30, quantum_us: 2_000, ..terms };
    page.set_terms(1, &strict).unwrap();
    assert_eq!(allotment.terms(device), strict);
    assert_eq!(page.terms(1), Some(strict));
    let bad = [
        (Terms { weight: 0, ..terms }, "weight"),
        (Terms { cap: 101, ..terms }, "cap"),
        (Terms { quantum_us: 1, ..terms }, "quantum"),
    ];
    for (terms, word) in bad {
        assert_eq!(page.set_terms(1, &terms), Err(PageError::Value(word)));
    }
    assert_eq!(page.set_terms(2, &terms), Err(PageError::Uuid));
    assert_eq!(allotment.terms(device), strict);
}

#[test]
fn a_container_without_an_arbiter_grants_itself_its_share() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let second = 1_000_000_000;
    let at = |ms: u64| 100 * second + ms * 1_000_000;
    assert_eq!(allotment.own_credit(device, at(0)).left_ns, 5_000_000, "a quantum to begin with");
    allotment.commit(device, 25_000_000, 1);
    assert_eq!(allotment.own_credit(device, at(10)).left_ns, -15_000_000);
    assert_eq!(allotment.own_credit(device, at(40)).left_ns, 0);
    assert_eq!(allotment.own_credit(device, at(900)).left_ns, 5_000_000);
}

#[test]
fn who_read_the_clock_before_another_grants_itself_nothing_and_no_silence_pays_a_debt() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let at = |us: u64| 100_000_000_000 + us * 1000;
    let left_ns = |us| allotment.own_credit(device, at(us)).left_ns;
    assert_eq!(left_ns(0), 5_000_000);
    allotment.commit(device, 305_000_000, 1);
    assert_eq!(left_ns(100_000), -250_000_000);
    for earlier_us in [99_999, 50_000, 0] {
        assert_eq!(left_ns(earlier_us), -250_000_000);
    }
    assert_eq!(left_ns(200_000), -200_000_000);
    allotment.commit(device, 2_000_000_000, 1);
    assert_eq!(left_ns(1_201_000), -500_000_000 + 500_500_000, "half a second is owed at most");
}

#[test]
fn a_moment_to_come_that_somebody_wrote_stops_nobody_for_ever() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let (soon, second) = (100_000_000_000, 1_000_000_000);
    let _ = allotment.own_credit(device, u64::MAX);
    allotment.commit(device, 105_000_000, 1);
    assert_eq!(allotment.own_credit(device, soon).left_ns, -100_000_000);
    assert_eq!(allotment.own_credit(device, soon + second / 10).left_ns, -50_000_000);
}

#[test]
fn what_an_arbiter_granted_is_no_debt_when_it_has_gone() {
    let made = Fixture::new();
    let (allotment, device) = made.open();
    allotment.take_slot().unwrap();
    let at = |ms: u64| 100_000_000_000 + ms * 1_000_000;
    let _ = allotment.own_credit(device, at(0));
    allotment.commit(device, 400_000_000, 1);
    allotment.begins_alone(device, at(500));
    assert_eq!(allotment.own_credit(device, at(500)).left_ns, 5_000_000);
}
