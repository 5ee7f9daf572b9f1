//! Files that a tenant has cut, grown, flipped and scribbled: whoever reads them answers bounded figures
//! or an error, and a process that has them mapped goes on.
//!
//! `ALIQUOT_FUZZ_CASES` says how many ruined files each test tries.
#![cfg(not(loom))]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::abi::{MAX_BYTES, SLOTS};
use ledger::agent::{
    AllotmentSpec, DeviceSpec, LedgerSnapshot, LimitsPage, Seen, TimeReader, create, read_ledger,
    read_limits,
};
use ledger::{Allotment, DeviceIndex, Engine, Kind};
use proptest::prelude::*;
use proptest::sample::select;

const GPUS: [DeviceUuid; 2] = [DeviceUuid::gpu([7; 16]), DeviceUuid::gpu([8; 16])];
const LIMIT: Mib = Mib(4096);

/// An allotment whose ledger somebody may ruin.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let spec = |uuid| DeviceSpec::new(uuid, LIMIT, Percent::new(50).unwrap());
        let spec = AllotmentSpec::new(AllotmentId(0xa1), GPUS.map(spec).to_vec());
        create(&root.path().join("a"), &spec).unwrap();
        Self(root)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("a")
    }

    fn file(&self, name: &str) -> File {
        OpenOptions::new().read(true).write(true).open(self.dir().join(name)).unwrap()
    }

    /// A slot of its own, as a process would have.
    fn open(&self) -> Option<Allotment> {
        Allotment::open(&CString::new(self.dir().as_os_str().as_bytes()).unwrap(), 1).ok()
    }
}

/// One thing that a tenant does to a file. Places are fractions of its length.
#[derive(Clone, Debug)]
enum Ruin {
    Flip(f64, u8),
    Word(f64, u64),
    /// In the head and the first slots, where most words mean something.
    Early(u64, u64),
    Fill(f64, usize, u8),
    Cut(f64),
    Grow(u64),
}

/// Words that mean something to somebody.
fn word() -> impl Strategy<Value = u64> {
    let edges = vec![0, 1, 2, 3, 1 << 32, 1 << 32 | 1, MAX_BYTES, MAX_BYTES + 1, 1 << 63, u64::MAX];
    prop_oneof![select(edges), any::<u64>(), any::<u32>().prop_map(u64::from)]
}

/// What leaves the file as long as it is.
fn scribble() -> impl Strategy<Value = Ruin> {
    prop_oneof![
        (0.0..1.0, 0..8u8).prop_map(|(at, bit)| Ruin::Flip(at, bit)),
        (0.0..1.0, word()).prop_map(|(at, word)| Ruin::Word(at, word)),
        (0..4096u64, word()).prop_map(|(at, word)| Ruin::Early(at, word)),
        (0.0..1.0, 1..70_000usize, any::<u8>()).prop_map(|(at, n, b)| Ruin::Fill(at, n, b)),
    ]
}

fn ruin() -> impl Strategy<Value = Ruin> {
    prop_oneof![
        8 => scribble(),
        1 => (0.0..1.0).prop_map(Ruin::Cut),
        1 => select(vec![1, 4096, 1 << 32, 1 << 40]).prop_map(Ruin::Grow),
    ]
}

impl Ruin {
    fn apply(&self, file: &File) {
        let len = file.metadata().unwrap().len();
        let place = |at: f64| (at * len as f64) as u64;
        match *self {
            Self::Flip(at, bit) => {
                let mut byte = [0];
                if file.read_at(&mut byte, place(at)).unwrap() == 1 {
                    file.write_all_at(&[byte[0] ^ 1 << bit], place(at)).unwrap();
                }
            }
            Self::Word(at, word) => put(file, len, place(at) & !7, &word.to_ne_bytes()),
            Self::Early(at, word) => put(file, len, at & !3, &word.to_ne_bytes()),
            Self::Fill(at, bytes, byte) => put(file, len, place(at), &vec![byte; bytes]),
            Self::Cut(at) => file.set_len(place(at)).unwrap(),
            Self::Grow(by) => file.set_len(len.saturating_add(by)).unwrap(),
        }
    }
}

/// Writes without making the file longer.
fn put(file: &File, len: u64, at: u64, bytes: &[u8]) {
    let room = len.saturating_sub(at).min(bytes.len() as u64) as usize;
    file.write_all_at(&bytes[..room], at).unwrap();
}

fn cases() -> ProptestConfig {
    let asked = std::env::var("ALIQUOT_FUZZ_CASES").ok();
    let cases = asked.map_or(96, |text| text.parse().expect("ALIQUOT_FUZZ_CASES is a number"));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn is_bounded(seen: &LedgerSnapshot) -> bool {
    let slots = seen.slots.iter().flat_map(|slot| &slot.devices);
    let mut held = slots.flat_map(|device| device.held);
    seen.slots.len() <= SLOTS
        && seen.devices.len() <= GPUS.len()
        && seen.devices.iter().all(|device| device.total <= MAX_BYTES)
        && held.all(|bytes| bytes <= MAX_BYTES)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_agent_reads_bounded_figures_or_an_error(ruins in prop::collection::vec(ruin(), 1..8)) {
        let made = Fixture::new();
        let own = made.open().unwrap();
        let device = own.device(&GPUS[0].bytes).unwrap();
        own.charge(device, Kind::Linear, 1 << 30).unwrap();
        let file = made.file("ledger");
        let page = LimitsPage::open(&made.dir()).unwrap();
        for ruin in &ruins {
            ruin.apply(&file);
            let Ok(seen) = read_ledger(&made.dir().join("ledger")) else { continue };
            prop_assert!(is_bounded(&seen), "{seen:?}");
            // What was read goes back into the page that the container reads.
            let measured = [Some(1 << 20), None];
            let behind = |slot| Seen { slot, host_pid: 7, measured: &measured };
            page.describe_slots(&seen.slots.iter().map(behind).collect::<Vec<_>>(), &[1 << 20]);
            prop_assert!(read_limits(&made.dir().join("limits")).is_ok());
        }
    }

    #[test]
    fn the_agent_reads_times_that_are_bounded_or_an_error(
        ruins in prop::collection::vec((ruin(), [word(), word()]), 1..16),
    ) {
        let made = Fixture::new();
        let own = made.open().unwrap();
        let device = own.device(&GPUS[0].bytes).unwrap();
        own.take_slot().unwrap();
        let file = made.file("ledger");
        let whole = file.metadata().unwrap().len();
        let mut kept = TimeReader::open(&made.dir().join("ledger")).unwrap();
        for (ruin, [start_ns, end_ns]) in &ruins {
            // Whatever it claims, its entry is whole. Of a file that it has cut it would die.
            if file.metadata().unwrap().len() >= whole {
                own.publish(device, Engine::Compute, *start_ns, *end_ns);
            }
            are_bounded(&mut kept)?;
            ruin.apply(&file);
            are_bounded(&mut kept)?;
            if let Ok(mut anew) = TimeReader::open(&made.dir().join("ledger")) {
                are_bounded(&mut anew)?;
            }
        }
    }

    #[test]
    fn a_process_that_opens_ruined_limits_is_refused_or_has_bounded_ones(
        ruins in prop::collection::vec(ruin(), 1..8),
    ) {
        let made = Fixture::new();
        ruins.iter().for_each(|ruin| ruin.apply(&made.file("limits")));
        if let Some(own) = made.open() {
            use_it(&own);
        }
    }

    #[test]
    fn a_process_whose_limits_are_scribbled_goes_on(
        ruins in prop::collection::vec(scribble(), 1..40),
    ) {
        let made = Fixture::new();
        let own = made.open().unwrap();
        let file = made.file("limits");
        for ruin in &ruins {
            ruin.apply(&file);
            use_it(&own);
        }
    }

    #[test]
    fn a_ruined_limits_page_is_read_as_bounded_figures_or_an_error(
        ruins in prop::collection::vec(ruin(), 1..8),
    ) {
        let made = Fixture::new();
        let file = made.file("limits");
        for ruin in &ruins {
            ruin.apply(&file);
            if let Ok(seen) = read_limits(&made.dir().join("limits")) {
                prop_assert!(seen.devices.iter().all(|device| device.check().is_ok()));
            }
        }
    }

    #[test]
    fn a_process_that_opens_a_ruined_ledger_is_refused_or_keeps_to_its_limit(
        ruins in prop::collection::vec(ruin(), 1..8),
    ) {
        let made = Fixture::new();
        ruins.iter().for_each(|ruin| ruin.apply(&made.file("ledger")));
        let Some(own) = made.open() else { return Ok(()) };
        let device = own.device(&GPUS[1].bytes).unwrap();
        prop_assert!(own.charge(device, Kind::Linear, LIMIT.bytes() + 1).is_err());
        use_it(&own);
    }

    #[test]
    fn a_process_whose_ledger_is_scribbled_goes_on(
        ruins in prop::collection::vec(scribble(), 1..40),
    ) {
        let made = Fixture::new();
        let own = made.open().unwrap();
        let file = made.file("ledger");
        for ruin in &ruins {
            ruin.apply(&file);
            use_it(&own);
        }
    }
}

/// All that a process does with its pages. What it is told is its own container's word: only that it
/// comes to an end, and states no nonsense, matters here.
fn use_it(own: &Allotment) {
    for device in own.devices() {
        let _ = own.take_slot();
        if own.charge(device, Kind::Pool, 1 << 30).is_ok() {
            own.release(device, Kind::Pool, 1 << 30);
        }
        own.refresh(device);
        let usage = own.usage(device);
        assert!(usage.free() <= usage.limit && usage.limit <= MAX_BYTES);
        own.each_holder(device, |holder| assert!(holder.bytes > 0));
        own.release(device, Kind::Array, u64::MAX);
        use_its_time(own, device);
    }
}

fn use_its_time(own: &Allotment, device: DeviceIndex) {
    let _ = (own.terms(device), own.pace(device), own.credit(device));
    for now_ns in [0, 1 << 40, u64::MAX] {
        let _ = own.own_credit(device, now_ns);
    }
    if own.commit(device, 1 << 20, 3) {
        own.settle(device, 1 << 20, u64::MAX);
    }
    own.copied(device, 7);
    own.publish(device, Engine::Copy, 5, 9);
    if own.wait_begins(device) {
        own.wait_ends(device, 11);
    }
    let _ = own.own_in_flight_ns(device);
}

/// What the agent reads of the times, as often as an arbiter looks.
fn are_bounded(reader: &mut TimeReader) -> Result<(), TestCaseError> {
    const LONGEST_NS: u64 = 60_000_000_000;
    if reader.read().is_err() {
        return Ok(());
    }
    for index in 0..=reader.devices() {
        let _ = reader.device(index).in_flight_ns();
        let mut claims = Vec::new();
        if reader.intervals(index, |claim| claims.push(claim)).is_err() {
            continue;
        }
        for claim in claims {
            let long = claim.end_ns.checked_sub(claim.start_ns);
            prop_assert!(long.is_some_and(|ns| ns <= LONGEST_NS), "{claim:?}");
            prop_assert!((claim.slot as usize) < SLOTS, "{claim:?}");
        }
    }
    Ok(())
}
