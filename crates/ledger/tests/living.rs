//! Who is shown as holding memory.
#![cfg(not(loom))]

use std::ffi::CString;
use std::fs::OpenOptions;
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, LimitsPage, Seen, create, read_ledger};
use ledger::layout::{Geometry, LedgerHeader, SlotDevice};
use ledger::{Allotment, Holder, Kind};

const GPUS: [DeviceUuid; 2] = [DeviceUuid::gpu([7; 16]), DeviceUuid::gpu([8; 16])];

/// An allotment with two devices.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let spec = |uuid| DeviceSpec::new(uuid, Mib(64), Percent::new(50).unwrap());
        let spec = AllotmentSpec::new(AllotmentId(0xa1), GPUS.map(spec).to_vec());
        create(&root.path().join("a"), &spec).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    /// A slot of its own, as a process would have.
    fn open(&self) -> Allotment {
        Allotment::open(&CString::new(self.dir().as_os_str().as_bytes()).unwrap(), 1).unwrap()
    }

    fn scribble(&self, at: usize, word: u64) {
        let file = OpenOptions::new().write(true).open(self.dir().join("ledger")).unwrap();
        file.write_all_at(&word.to_ne_bytes(), at as u64).unwrap();
    }
}

fn holders(allotment: &Allotment, gpu: usize) -> Vec<Holder> {
    let mut holders = vec![];
    let device = allotment.device(&GPUS[gpu].bytes).unwrap();
    allotment.each_holder(device, |holder| holders.push(holder));
    holders
}

fn charge(allotment: &Allotment, gpu: usize, bytes: u64) {
    let device = allotment.device(&GPUS[gpu].bytes).unwrap();
    allotment.charge(device, Kind::Linear, bytes).unwrap();
}

#[test]
fn a_holder_has_its_pid_and_all_that_it_holds() {
    let made = Fixture::new();
    let own = made.open();
    charge(&own, 0, 4096);
    own.charge(own.device(&GPUS[0].bytes).unwrap(), Kind::Context, 1).unwrap();
    let found = holders(&made.open(), 0);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pid, found[0].bytes), (std::process::id(), 4097));
    assert!(found[0].is_near);
    assert!(found[0].age_ns < 60_000_000_000, "{found:?}");
}

#[test]
fn a_process_that_holds_nothing_of_a_device_is_not_there() {
    let made = Fixture::new();
    let (first, second) = (made.open(), made.open());
    charge(&first, 0, 1);
    charge(&second, 1, 2);
    assert_eq!(holders(&first, 0).iter().map(|holder| holder.bytes).collect::<Vec<_>>(), [1]);
    assert_eq!(holders(&first, 1).iter().map(|holder| holder.bytes).collect::<Vec<_>>(), [2]);
    first.release(first.device(&GPUS[0].bytes).unwrap(), Kind::Linear, 1);
    assert_eq!(holders(&second, 0), []);
}

#[test]
fn a_slot_that_nobody_keeps_alive_is_not_there() {
    let made = Fixture::new();
    let own = made.open();
    charge(&own, 0, 1);
    let layout = Geometry::new(2).unwrap();
    made.scribble(layout.slot(9), 5 << 32 | 1);
    made.scribble(layout.slot_device(9, 0) + offset_of!(SlotDevice, held), 4096);
    // As far as a reader looks: all slots, and more than there are.
    made.scribble(offset_of!(LedgerHeader, slots_used), u64::from(u32::MAX));
    assert_eq!(holders(&own, 0).len(), 1);
}

#[test]
fn a_pid_on_the_machine_is_believed_of_its_own_generation_alone() {
    let made = Fixture::new();
    let own = made.open();
    charge(&own, 0, 1);
    let page = LimitsPage::open(&made.dir()).unwrap();
    let mut slot = read_ledger(&made.dir().join("ledger")).unwrap().slots.remove(0);
    page.describe_slots(&[Seen { slot: &slot, host_pid: 4_000_000, measured: &[] }], &[]);
    assert_eq!(holders(&own, 0)[0].host_pid, 4_000_000);
    slot.generation += 1;
    page.describe_slots(&[Seen { slot: &slot, host_pid: 4_000_000, measured: &[] }], &[]);
    assert_ne!(holders(&own, 0)[0].host_pid, 4_000_000);
}
