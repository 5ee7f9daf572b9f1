//! What the driver takes unasked is shown as used, and paid by the next request, once the agent has
//! measured it. The test is the agent: it reads the ledger as it does, asks the world what each process
//! holds, as NVML would say it, and writes both into the limits page.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::OnceLock;

use contract::Mib;
use ledger::agent::{LimitsPage, Seen, SlotUse, read_ledger};
use sim_world::admin;

use crate::container::{Container, HALF, compile};
use crate::harness::{World, smi};

fn coder() -> &'static PathBuf {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, client) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = folder.path().join("code");
        compile("../counted/code.c", &client, &["-w", "-ldl"]);
        (folder, client)
    });
    client
}

/// A process that stands at a `wait`.
pub(crate) struct Waiting {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Waiting {
    /// One that has done what `before` says, and will do what `after` says.
    pub(crate) fn start(container: &Container, before: &str, after: &str) -> Self {
        let words = format!("init primary=9 cuCtxSetCurrent=9 {before} wait {after}");
        let mut command = container.command(coder(), &words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let mut waiting = Self { child, stdin, lines };
        waiting.until_it_waits();
        waiting
    }

    fn until_it_waits(&mut self) -> Vec<String> {
        let said = self.lines.by_ref().map(|line| line.expect("it is text"));
        said.take_while(|line| line != "waiting" && line != "end").collect()
    }

    /// Its pid, on the machine as in these containers.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on to its next `wait`, or its end; what it says.
    pub(crate) fn go_on(&mut self) -> Vec<String> {
        let stdin = self.stdin.as_mut().expect("it is a pipe");
        stdin.write_all(b"x").expect("it reads");
        self.until_it_waits()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn used(said: &[String]) -> Vec<f64> {
    let lines = said.iter().filter_map(|line| line.strip_prefix("used "));
    lines.map(|used| used.parse().expect("a number")).collect()
}

/// One period of the agent: what NVML says of each process, in bytes, by its pid on the machine.
pub(crate) fn measure(world: &World, container: &Container) -> Vec<(u32, u64)> {
    let folder = container.allotment(1);
    let ledger = read_ledger(&folder.join("ledger")).expect("it can be read");
    let report = admin::inspect(&world.root()).expect("the world answers");
    let measured: Vec<_> =
        report.cards[0].processes.iter().map(|p| (p.host_pid, p.used_bytes)).collect();
    // These containers have the machine's pid namespace: a slot's pid is the pid on the machine.
    let of =
        |slot: &SlotUse| measured.iter().find(|(pid, _)| *pid == slot.pid).map(|(_, bytes)| *bytes);
    let figures: Vec<_> = ledger.slots.iter().map(|slot| (slot, [of(slot)])).collect();
    let seen =
        figures.iter().map(|(slot, bytes)| Seen { slot, host_pid: slot.pid, measured: bytes });
    let page = LimitsPage::open(&folder).expect("it is good");
    page.describe_slots(&seen.collect::<Vec<_>>(), &[]);
    measured
}

pub(crate) fn near(shown: f64, bytes: u64) -> bool {
    let measured = bytes as f64 / Mib::BYTES as f64;
    (shown - measured).abs() <= f64::max(measured / 100.0, 4.0)
}

#[test]
fn one_period_later_the_driver_s_figure_is_shown_and_the_next_request_pays() {
    let world = World::new();
    let mine = world.half();
    // Four green contexts and a launch take memory that nobody asks for by its size.
    let before = "green=0 green=1 green=2 green=3 cuModuleLoadData=4,3000 cuModuleGetFunction=5,4 \
                  launch=5 alloc=6,100";
    let after = "used alloc=7,15830 used alloc=7,13000 used cuMemFree_v2=7 used";
    let mut process = Waiting::start(&mine, before, after);
    let measured = measure(&world, &mine);
    let [(_, bytes)] = measured[..] else { panic!("{measured:?}") };
    let counted = read_ledger(&mine.allotment(1).join("ledger")).expect("it can be read");
    let counted = counted.slots[0].devices[0].held_in_all();
    assert!(
        bytes > counted + (24 << 20),
        "the driver took {bytes}, of which {counted} was counted"
    );
    let list = smi(&mine, "--query-compute-apps=used_memory --format=csv,noheader,nounits");
    assert!(near(list.trim().parse().expect("a number"), bytes), "{list} of {bytes}");
    let total = smi(&mine, "-i 0 --query-gpu=memory.used --format=csv,noheader,nounits");
    assert!(near(total.trim().parse().expect("a number"), bytes), "{total} of {bytes}");
    let said = process.go_on();
    assert_eq!(said[1], "alloc=7,15830 2", "{said:?}");
    assert_eq!(said[3], "alloc=7,13000 0", "{said:?}");
    let used = used(&said);
    assert!(near(used[0], bytes) && near(used[1], bytes), "{used:?} of {bytes}");
    assert!(near(used[2], bytes + (13000 << 20)) && near(used[3], bytes), "{used:?} of {bytes}");
}

#[test]
fn what_was_measured_of_a_process_that_has_ended_is_free_for_the_next() {
    let world = World::new();
    let mine = world.half();
    let green = "green=0 green=1 green=2 green=3";
    let gone = Waiting::start(&mine, green, "");
    let mut other = Waiting::start(&mine, "", "used alloc=0,15640 used");
    measure(&world, &mine);
    drop(gone);
    let said = other.go_on();
    assert_eq!(said[1], "alloc=0,15640 0", "{said:?}");
    assert_eq!(used(&said)[1], 308.0 + 15640.0, "{said:?}");
}

#[test]
fn what_a_process_held_that_has_ended_is_shown_no_longer_to_one_that_asks_again() {
    let world = World::new();
    let mine = world.half();
    let gone = Waiting::start(&mine, "alloc=0,5000", "");
    let mut other = Waiting::start(&mine, "used", "used");
    drop(gone);
    // Who asks again at once may be told what it was told before.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(used(&other.go_on()), [308.0]);
}

#[test]
fn an_estimate_above_the_driver_s_figure_is_shown_no_longer() {
    let world = World::new();
    let mine = world.empty();
    mine.allot_with(1, &[(world.card(0), HALF)], Mib(600));
    let mut process =
        Waiting::start(&mine, "alloc=0,100", "used alloc=1,15840 used alloc=2,15 used");
    let measured = measure(&world, &mine);
    let list = smi(&mine, "--query-compute-apps=used_memory --format=csv,noheader,nounits");
    assert!(near(list.trim().parse().expect("a number"), measured[0].1), "{list} {measured:?}");
    let said = process.go_on();
    assert_eq!((&*said[1], &*said[3]), ("alloc=1,15840 0", "alloc=2,15 2"), "{said:?}");
    assert_eq!(used(&said)[0], 408.0, "{said:?}");
}

#[test]
fn managed_memory_leaves_the_estimate_as_it_was_corrected() {
    let world = World::new();
    let mine = world.empty();
    mine.allot_with(1, &[(world.card(0), HALF)], Mib(600));
    let mut process = Waiting::start(&mine, "alloc=0,100", "managed=1,2 used wait used");
    measure(&world, &mine);
    assert_eq!(used(&process.go_on())[0], 410.0);
    measure(&world, &mine);
    assert!((408.0..=410.0).contains(&used(&process.go_on())[0]));
}

#[test]
fn a_heap_that_no_kernel_has_needed_yet_is_paid_for_since_it_was_set() {
    let world = World::new();
    let mine = world.half();
    // 1000 MiB beyond the usual heap; the driver takes it with the first kernel.
    let before = "cuModuleLoadData=4,4096 cuModuleGetFunction=5,4 limit=2,1032192";
    let mut process =
        Waiting::start(&mine, before, "used alloc=0,14942 alloc=1,1 launch=5 wait used");
    assert_eq!(measure(&world, &mine)[0].1, 312 << 20);
    let said = process.go_on();
    assert_eq!(used(&said), [1312.0]);
    assert_eq!(said[1..], ["alloc=0,14942 0", "alloc=1,1 2", "launch=5 0"], "{said:?}");
    assert_eq!(measure(&world, &mine)[0].1, 16254 << 20);
    assert_eq!(used(&process.go_on()), [16254.0]);
}
