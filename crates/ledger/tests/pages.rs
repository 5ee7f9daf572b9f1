//! Both sides of an allotment in one process: what the agent makes, the shim opens; what the shim
//! charges, the agent reads.
#![cfg(not(loom))]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::{AllotmentId, DeviceUuid, Mib, Percent, UuidKind};
use ledger::agent::{
    AllotmentSpec, DeviceSpec, Draft, Files, LimitsPage, Room, create, read_ledger, read_limits,
    recreate, update,
};
use ledger::{Allotment, AtLimit, Command, Kind, PageError, Refused};

const GPU: DeviceUuid = DeviceUuid::gpu([7; 16]);
const MIB: u64 = Mib::BYTES;

fn spec(mib: u64) -> AllotmentSpec {
    let device = DeviceSpec::new(GPU, Mib(mib), Percent::new(50).unwrap());
    AllotmentSpec::new(AllotmentId(0xa1), vec![device.with_context_estimate(300 * MIB)])
}

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new(spec: &AllotmentSpec) -> Self {
        let root = tempfile::tempdir().unwrap();
        create(&root.path().join("a"), spec).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    fn ledger(&self) -> PathBuf {
        self.dir().join("ledger")
    }

    fn open(&self) -> Result<Allotment, PageError> {
        open(&self.dir())
    }

    fn scribble(&self, file: &str, at: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(self.dir().join(file)).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }
}

fn open(dir: &Path) -> Result<Allotment, PageError> {
    Allotment::open(&CString::new(dir.as_os_str().as_bytes()).unwrap(), 1)
}

#[test]
fn what_the_agent_makes_the_shim_opens() {
    let made = Fixture::new(&spec(1024));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    assert_eq!(allotment.id(), 0xa1);
    assert_eq!(allotment.device(&[8; 16]), None);
    assert_eq!(allotment.usage(device).limit, 1024 * MIB);
    assert_eq!(allotment.context_estimate(device), 300 * MIB);
    assert_eq!(read_limits(&made.dir().join("limits")).unwrap().devices, spec(1024).devices);
}

#[test]
fn what_the_shim_charges_the_agent_reads() {
    let made = Fixture::new(&spec(1024));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    allotment.charge(device, Kind::Linear, 100).unwrap();
    allotment.charge(device, Kind::Context, 10).unwrap();
    allotment.set_driver_version(12090);
    let seen = read_ledger(&made.ledger()).unwrap();
    assert_eq!((seen.devices[0].total, seen.devices[0].held_in_all()), (110, 110));
    assert_eq!(seen.devices[0].held_for(Kind::Context), 10);
    let slot = &seen.slots[0];
    assert_eq!((slot.pid, slot.driver_version), (std::process::id(), 12090));
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!((seconds - slot.start_time as f64 / 1e9).abs() < 60.0, "{}", slot.start_time);
    allotment.refresh(device);
    let namespace =
        std::os::unix::fs::MetadataExt::ino(&fs::metadata("/proc/self/ns/pid").unwrap());
    assert_eq!(read_ledger(&made.ledger()).unwrap().slots[0].pid_namespace, namespace);
    allotment.release(device, Kind::Linear, 100);
    assert_eq!(read_ledger(&made.ledger()).unwrap().devices[0].total, 10);
}

#[test]
fn the_last_byte_is_given_and_not_one_more() {
    let made = Fixture::new(&spec(1));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    allotment.charge(device, Kind::Linear, MIB - 1).unwrap();
    let refused = Refused::OverLimit { limit: MIB, used: MIB - 1 };
    assert_eq!(allotment.charge(device, Kind::Linear, 2), Err(refused));
    allotment.charge(device, Kind::Managed, 1).unwrap();
    assert!(allotment.charge(device, Kind::Linear, 1).is_err());
    assert!(allotment.charge(device, Kind::Linear, u64::MAX).is_err());
    let seen = read_ledger(&made.ledger()).unwrap();
    assert_eq!((seen.devices[0].total, seen.devices[0].held_in_all()), (MIB, MIB));
    assert_eq!((seen.devices[0].refusals, seen.slots[0].devices[0].refusals), (3, 3));
}

#[test]
fn nobody_gives_back_more_than_was_charged() {
    let made = Fixture::new(&spec(1024));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    allotment.release(device, Kind::Linear, 5);
    allotment.charge(device, Kind::Linear, 100).unwrap();
    allotment.charge(device, Kind::Pool, 7).unwrap();
    allotment.release(device, Kind::Linear, u64::MAX);
    allotment.release(device, Kind::Linear, 1);
    assert_eq!(allotment.usage(device).used, 7);
    assert_eq!(allotment.held(device, Kind::Pool), 7);
}

#[test]
fn limits_change_while_a_container_runs() {
    let made = Fixture::new(&spec(1024));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    allotment.charge(device, Kind::Linear, 512 * MIB).unwrap();
    update(&made.dir(), &spec(256).devices).unwrap();
    assert_eq!(allotment.usage(device).free(), 0);
    assert!(allotment.charge(device, Kind::Linear, 1).is_err());
    update(&made.dir(), &spec(1024).devices).unwrap();
    allotment.charge(device, Kind::Linear, 512 * MIB).unwrap();
}

#[test]
fn observe_counts_what_it_would_have_refused() {
    let mut observed = spec(1);
    observed.devices[0].at_limit = AtLimit::Observe;
    let made = Fixture::new(&observed);
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    allotment.charge(device, Kind::Linear, 3 * MIB).unwrap();
    let seen = read_ledger(&made.ledger()).unwrap().devices[0];
    assert_eq!((seen.total, seen.refusals, seen.observed), (3 * MIB, 0, 1));
    assert_eq!(allotment.charge(device, Kind::Linear, u64::MAX), Err(Refused::TooLarge));
}

#[test]
fn a_command_and_a_change_are_seen_by_the_reader() {
    let made = Fixture::new(&spec(1024));
    let page = LimitsPage::open(&made.dir()).unwrap();
    assert_eq!(page.command(Command::Drain), 1);
    assert_eq!(page.index_of(GPU), Some(0));
    assert_eq!(page.index_of(DeviceUuid { kind: UuidKind::Mig, ..GPU }), None);
    let stranger = DeviceSpec::new(DeviceUuid::gpu([9; 16]), Mib(1), Percent::WHOLE);
    assert_eq!(page.set(&[stranger]), Err(PageError::Uuid));
    let seen = read_limits(&made.dir().join("limits")).unwrap();
    assert_eq!((seen.command, seen.id), ((Command::Drain, 1), AllotmentId(0xa1)));
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let made = Fixture::new(&spec(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&made.dir()), 0o755);
    assert_eq!(mode(&made.dir().join("limits")), 0o644);
    assert_eq!(mode(&made.ledger()), 0o666);
}

#[test]
fn an_allotment_that_exists_is_not_overwritten_but_can_be_made_anew() {
    let made = Fixture::new(&spec(1));
    assert_eq!(create(&made.dir(), &spec(2)), Err(PageError::Exists));
    let old = made.open().unwrap();
    let device = old.device(&GPU.bytes).unwrap();
    recreate(&made.dir(), &spec(2)).unwrap();
    // Who mapped the old files keeps them, and takes no slot in the new ones.
    assert_eq!(old.usage(device).limit, MIB);
    assert_eq!(old.charge(device, Kind::Linear, 1), Err(Refused::Slot("open", libc::ESTALE)));
    assert_eq!(made.open().unwrap().usage(device).limit, 2 * MIB);
    assert_eq!(fs::read_dir(made.0.path()).unwrap().count(), 1);
}

#[test]
fn pages_made_ahead_become_an_allotment_and_are_gone_if_nobody_takes_them() {
    let root = tempfile::tempdir().unwrap();
    let (dir, ahead) = (root.path().join("a"), root.path().join(".ahead"));
    let names = || {
        let entries = fs::read_dir(root.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(Draft::make(&ahead, 1).unwrap().devices(), 1);
    assert!(names().is_empty());
    for limit in [1, 2] {
        let draft = Draft::make(&ahead, 1).unwrap();
        assert_eq!(draft.path(), ahead);
        let old = draft.place(&dir, &spec(limit)).unwrap();
        assert_eq!(old.is_some(), limit == 2);
        assert_eq!(names().len(), limit as usize, "what was there lies under the passing name");
        let seen = read_limits(&dir.join("limits")).unwrap();
        assert_eq!((seen.id, &seen.devices), (AllotmentId(0xa1), &spec(limit).devices));
        assert!(read_ledger(&dir.join("ledger")).unwrap().slots.is_empty());
        drop(old);
        assert_eq!(names(), ["a"]);
    }
    let two = AllotmentSpec::new(AllotmentId(1), vec![spec(1).devices[0].clone(); 2]);
    let refused = Draft::make(&ahead, 3).unwrap().place(&dir, &two).map(drop);
    assert_eq!(refused, Err(PageError::Uuid));
    let refused = Draft::make(&ahead, 3).unwrap().place(&dir, &spec(1)).map(drop);
    assert_eq!(refused, Err(PageError::Devices(1)));
    assert_eq!(names(), ["a"]);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing/a");
    assert_eq!(create(&missing, &spec(1)), Err(PageError::Io("mkdir", libc::ENOENT)));
    assert_eq!(
        create(&root.path().join("a"), &spec(u64::MAX)),
        Err(PageError::Value("hard limit"))
    );
    let twice = AllotmentSpec::new(AllotmentId(1), vec![spec(1).devices[0].clone(); 2]);
    assert_eq!(create(&root.path().join("a"), &twice), Err(PageError::Uuid));
    let none = AllotmentSpec::new(AllotmentId(1), Vec::new());
    assert_eq!(create(&root.path().join("a"), &none), Err(PageError::Devices(0)));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_page_cut_or_grown_is_refused_by_both_sides() {
    for size in [0, 1, 255, 256, 4096, 328_063, 328_065, 1 << 40] {
        let made = Fixture::new(&spec(1));
        File::options().write(true).open(made.ledger()).unwrap().set_len(size).unwrap();
        assert!(matches!(made.open(), Err(PageError::Size(..))), "{size}");
        let read = read_ledger(&made.ledger());
        assert!(matches!(read, Err(PageError::Size(..) | PageError::Magic)), "{size} {read:?}");
    }
}

#[test]
fn a_page_of_an_unknown_abi_or_scribbled_is_refused_by_both_sides() {
    let far = 99u32.to_ne_bytes();
    let cases: [(u64, &[u8], PageError); 8] = [
        (0, b"scribble", PageError::Magic),
        (8, &2u16.to_ne_bytes(), PageError::Major(2)),
        (32, &[4], PageError::Required(4)),
        (12, &far, PageError::Geometry("header length")),
        (16, &far, PageError::Geometry("device stride")),
        (20, &far, PageError::Geometry("device count")),
        (24, &far, PageError::Geometry("slot stride")),
        (28, &far, PageError::Geometry("slot count")),
    ];
    for (at, bytes, error) in cases {
        let made = Fixture::new(&spec(1));
        made.scribble("ledger", at, bytes);
        assert_eq!(made.open().err(), Some(error));
        assert_eq!(read_ledger(&made.ledger()), Err(error));
        let made = Fixture::new(&spec(1));
        made.scribble("limits", at, bytes);
        assert_eq!(made.open().err(), Some(error));
        assert_eq!(read_limits(&made.dir().join("limits")), Err(error));
    }
}

#[test]
fn files_of_two_allotments_do_not_go_together() {
    let made = Fixture::new(&spec(1));
    made.scribble("ledger", 64, &[1]);
    assert_eq!(made.open().err(), Some(PageError::Mismatch));
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let made = Fixture::new(&spec(1));
    fs::remove_file(made.ledger()).unwrap();
    assert_eq!(made.open().err(), Some(PageError::Io("open", libc::ENOENT)));
    std::os::unix::fs::symlink(made.dir().join("limits"), made.ledger()).unwrap();
    assert_eq!(made.open().err(), Some(PageError::Io("open", libc::ELOOP)));
    assert_eq!(read_ledger(&made.ledger()), Err(PageError::Io("open", libc::ELOOP)));
    fs::remove_file(made.ledger()).unwrap();
    let fifo = CString::new(made.ledger().as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o666) }, 0);
    assert_eq!(made.open().err(), Some(PageError::NotRegular));
    assert_eq!(read_ledger(&made.ledger()), Err(PageError::NotRegular));
}

#[test]
fn a_path_too_long_for_the_shim_is_refused() {
    let long = PathBuf::from(format!("/{}", "a".repeat(300)));
    assert_eq!(open(&long).err(), Some(PageError::LongPath));
}

#[test]
fn who_holds_memory_is_shown_with_its_pid_and_bytes() {
    let made = Fixture::new(&spec(1024));
    let allotment = made.open().unwrap();
    let device = allotment.device(&GPU.bytes).unwrap();
    let holders = |allotment: &Allotment| {
        let mut found = Vec::new();
        allotment.each_holder(device, |holder| found.push(holder));
        found
    };
    allotment.take_slot().unwrap();
    assert!(holders(&allotment).is_empty());
    allotment.charge(device, Kind::Linear, 42).unwrap();
    let found = holders(&allotment);
    assert_eq!((found.len(), found[0].pid, found[0].bytes), (1, std::process::id(), 42));
    assert!(found[0].is_near);
}

#[test]
fn only_what_has_room_of_its_own_leaves_its_ledger_to_be_written_when_it_is_used() {
    let root = tempfile::tempdir().unwrap();
    for (room, is_whole) in [(Room::Shared, true), (Room::Own, false)] {
        let folder = root.path().join(format!("{room:?}"));
        fs::create_dir(&folder).unwrap();
        Files::make(&folder, 1, room).unwrap().fill(&spec(1024)).unwrap();
        let has = |file: &str| {
            let metadata = fs::metadata(folder.join(file)).unwrap();
            metadata.blocks() * 512 >= metadata.len()
        };
        assert_eq!([has("limits"), has("ledger")], [true, is_whole], "{room:?}");
        let allotment = open(&folder).unwrap();
        let device = allotment.device(&GPU.bytes).unwrap();
        assert!(read_ledger(&folder.join("ledger")).unwrap().slots.is_empty());
        allotment.charge(device, Kind::Linear, 100).unwrap();
        assert_eq!(read_ledger(&folder.join("ledger")).unwrap().devices[0].total, 100);
    }
}
