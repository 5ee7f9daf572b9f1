//! What a process gives back and keeps for its next request is everybody's: shown as free, and had by
//! whoever is short.
#![cfg(not(loom))]

use std::ffi::CString;
use std::fs::File;
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::abi::{SlotState, state_word};
use ledger::agent::{AllotmentSpec, DeviceSpec, create, read_ledger, update};
use ledger::layout::{Geometry, LedgerHeader, SlotHeader};
use ledger::{Allotment, DeviceIndex, Kind};

const GPU: DeviceUuid = DeviceUuid::gpu([7; 16]);
const MIB: u64 = Mib::BYTES;
const LIMIT: u64 = 1024 * MIB;

struct Container(tempfile::TempDir);

impl Container {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let devices = devices(LIMIT);
        create(&root.path().join("a"), &AllotmentSpec::new(AllotmentId(1), devices)).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    fn scribble(&self, at: usize, bytes: &[u8]) {
        let ledger = File::options().write(true).open(self.dir().join("ledger")).unwrap();
        ledger.write_all_at(bytes, at as u64).unwrap();
    }

    /// As another process would: with a slot of its own.
    fn process(&self) -> Process {
        let dir = CString::new(self.dir().as_os_str().as_bytes()).unwrap();
        let allotment = Allotment::open(&dir, 1).unwrap();
        let device = allotment.device(&GPU.bytes).unwrap();
        Process { allotment, device }
    }
}

fn devices(limit: u64) -> Vec<DeviceSpec> {
    vec![DeviceSpec::new(GPU, Mib(limit / MIB), Percent::new(50).unwrap())]
}

struct Process {
    allotment: Allotment,
    device: DeviceIndex,
}

impl Process {
    fn charge(&self, bytes: u64) -> bool {
        self.allotment.charge(self.device, Kind::Linear, bytes).is_ok()
    }

    fn release(&self, bytes: u64) {
        self.allotment.release(self.device, Kind::Linear, bytes);
    }

    fn used(&self) -> u64 {
        self.allotment.usage(self.device).used
    }
}

#[test]
fn what_is_kept_is_shown_as_free_on_both_sides() {
    let container = Container::new();
    let (one, other) = (container.process(), container.process());
    assert!(one.charge(6 * MIB) && other.charge(2 * MIB));
    one.release(4 * MIB);
    let seen = read_ledger(&container.dir().join("ledger")).unwrap();
    let device = &seen.devices[0];
    assert_eq!((device.total, device.held_in_all(), device.spare), (4 * MIB, 4 * MIB, 4 * MIB));
    assert_eq!(seen.oddities, 0);
    assert_eq!((one.used(), other.used()), (4 * MIB, 4 * MIB));
    assert_eq!(one.allotment.held(one.device, Kind::Linear), 2 * MIB);
    one.allotment.refresh(one.device);
    assert_eq!(other.used(), 4 * MIB);
    let mut held = Vec::new();
    other.allotment.each_holder(other.device, |holder| held.push(holder.bytes));
    assert_eq!(held, [2 * MIB, 2 * MIB]);
}

#[test]
fn what_is_smaller_than_a_page_is_kept_too_and_read_by_who_counts_so() {
    let container = Container::new();
    let process = container.process();
    for (kind, bytes) in [(Kind::Managed, 512), (Kind::Array, 64 << 10)] {
        process.allotment.charge(process.device, kind, 4 * bytes).unwrap();
        process.allotment.release(process.device, kind, 3 * bytes);
        assert_eq!(process.allotment.held(process.device, kind), bytes);
    }
    let read = || read_ledger(&container.dir().join("ledger")).unwrap();
    let seen = &read().devices[0];
    let held = 512 + (64 << 10);
    assert_eq!((process.used(), seen.total, seen.held_in_all()), (held, held, held));
    assert_eq!((seen.spare, read().oddities), (3 * held, 0));
    // A shim that counts pages alone says of no kind that it was ever spare.
    container.scribble(offset_of!(LedgerHeader, ever_spare), &0_u32.to_ne_bytes());
    assert_eq!(read().devices[0].held_in_all(), 0);
}

#[test]
fn what_one_who_has_ended_kept_is_free_once() {
    let container = Container::new();
    let (one, other) = (container.process(), container.process());
    assert!(one.charge(4 * MIB) && other.charge(2 * MIB));
    one.release(4 * MIB);
    // A generation that nobody has locked.
    let ended = state_word(u32::MAX, SlotState::Live).to_ne_bytes();
    let at = Geometry::ONE.slot(0) + offset_of!(SlotHeader, state);
    container.scribble(at, &ended);
    other.allotment.refresh(other.device);
    assert_eq!(other.used(), 2 * MIB);
}

#[test]
fn nobody_is_refused_what_another_keeps() {
    let container = Container::new();
    let (one, other) = (container.process(), container.process());
    assert!(one.charge(20 * MIB));
    one.release(20 * MIB);
    assert!(other.charge(LIMIT));
    assert_eq!(other.used(), LIMIT);
    assert!(!one.charge(2 * MIB), "it was taken away");
    other.release(2 * MIB);
    assert!(one.charge(2 * MIB));
    assert_eq!(one.used(), LIMIT);
}

#[test]
fn of_what_is_kept_nothing_is_admitted_above_a_limit_that_was_lowered() {
    let container = Container::new();
    let process = container.process();
    assert!(process.charge(512 * MIB));
    process.release(2 * MIB);
    update(&container.dir(), &devices(256 * MIB)).unwrap();
    assert!(!process.charge(2 * MIB));
    assert_eq!(process.used(), 510 * MIB);
}

#[test]
fn what_is_taken_whatever_the_limit_says_is_counted_once() {
    let container = Container::new();
    let process = container.process();
    assert!(process.charge(8 * MIB));
    process.release(4 * MIB);
    process.allotment.charge_taken(process.device, Kind::Linear, 2 * MIB);
    assert_eq!(process.used(), 6 * MIB);
    process.release(6 * MIB);
    assert_eq!(process.used(), 0);
}

#[test]
fn threads_that_take_and_give_back_leave_nothing_charged() {
    let container = Container::new();
    let (one, other) = (container.process(), container.process());
    let go_round = |process: &Process, pages: u64| {
        for _ in 0..2000 {
            if process.charge(pages * 2 * MIB) {
                process.release(pages * 2 * MIB);
            }
        }
    };
    std::thread::scope(|scope| {
        for pages in [1, 2, 3] {
            let (one, other) = (&one, &other);
            scope.spawn(move || go_round(one, pages));
            // Near the limit now and then, so that it is recalled.
            scope.spawn(move || go_round(other, 150 * pages));
        }
    });
    // Who was summed up between both halves of a release is shown with it until the next sum, which this is.
    assert!(one.charge(LIMIT));
    one.release(LIMIT);
    assert_eq!(one.used(), 0);
}

#[test]
fn what_is_kept_is_not_shown_as_used_while_another_takes_and_gives_back() {
    let container = Container::new();
    let (one, other, looks) = (container.process(), container.process(), container.process());
    assert!(one.charge(200 * MIB));
    one.release(200 * MIB);
    // The more there are, the longer a look takes.
    let others: Vec<_> = (0..60).map(|_| container.process()).collect();
    others.iter().for_each(|other| assert!(other.charge(64 << 10)));
    let held = 60 * (64 << 10);
    let ends = std::sync::atomic::AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                // Of a size that nobody keeps.
                assert!(other.charge(64 << 10));
                other.release(64 << 10);
            }
        });
        let most = (0..10_000).map(|_| looks.used()).max().unwrap();
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        most
    });
    assert!(most <= held + MIB, "{most} bytes were shown as used");
}
