//! A process of a container, driven by lines on its standard input: it charges an allotment and then
//! takes the memory from a card.
//!
//! The card is a set of System V semaphores: the kernel refuses what it does not have, and knows what
//! each process has taken, at whatever instruction that is killed. So a charge that is admitted and
//! finds the card empty is a limit that was passed; nothing here could hide it.

#![expect(
    clippy::disallowed_methods,
    reason = "a tenant of the storm ends where it stands, in a forked child too: nothing may be dropped"
)]

use std::ffi::CString;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use std::{ptr, thread};

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, create};
use ledger::{Allotment, DeviceIndex, Kind};

/// Bytes of one unit of the card.
const UNIT: u64 = 1 << 20;
/// Kinds that a random charge is for.
const KINDS: [Kind; 3] = [Kind::Linear, Kind::Managed, Kind::Pool];

struct Tenant {
    allotment: Allotment,
    device: DeviceIndex,
    card: i32,
    /// Which semaphore counts what this process has taken.
    owner: AtomicU16,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (dir, card, owner) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir, "make"] => return make(Path::new(dir)),
        [dir, card, owner] => (dir, card, owner),
        _ => {
            eprintln!("usage: ledger-tenant ALLOTMENT CARD OWNER, or ledger-tenant ALLOTMENT make");
            exit(2)
        }
    };
    let dir = CString::new(dir).expect("a path without zeros");
    let allotment = Allotment::open(&dir, 1).unwrap_or_else(|error| {
        println!("broken: {error}");
        exit(3)
    });
    let device = allotment.device(&[7; 16]).expect("the test's device");
    let tenant = Tenant {
        allotment,
        device,
        card: card.parse().expect("a set of semaphores"),
        owner: AtomicU16::new(owner.parse().expect("one of them")),
    };
    say("ready");
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).map_or(0, |word| word.parse().expect("a number"));
        tenant.obey(words[0], number(1), number(2));
    }
}

/// Makes an allotment, as the agent does, and says how that went and what lies beside it then.
fn make(dir: &Path) {
    let device = DeviceSpec::new(DeviceUuid::gpu([7; 16]), Mib(1), Percent::WHOLE);
    let made = create(dir, &AllotmentSpec::new(AllotmentId(1), vec![device]));
    let beside = dir.parent().expect("a folder above").read_dir().expect("a folder").count();
    match made {
        Ok(()) => say(&format!("made, {beside} beside")),
        Err(error) => say(&format!("{error}, {beside} beside")),
    }
}

fn say(text: &str) {
    println!("{text}");
    stdout().flush().expect("the test listens");
}

impl Tenant {
    fn obey(&self, word: &str, one: u64, other: u64) {
        match word {
            "charge" => say(if self.charge(Kind::Linear, one) { "ok" } else { "refused" }),
            "release" => {
                self.release(Kind::Linear, one);
                say("ok");
            }
            "go" => {
                self.go(one, other);
                say("done");
            }
            "threads" => {
                thread::scope(|scope| {
                    for seed in 0..4 {
                        scope.spawn(move || self.go(one, other * 4 + seed));
                    }
                });
                say("done");
            }
            "slot" => say(&format!("{:?}", self.allotment.slot())),
            "used" => say(&format!("{}", self.allotment.usage(self.device).used / UNIT)),
            "refresh" => {
                self.allotment.refresh(self.device);
                say("ok");
            }
            "fork" => self.fork(one, other),
            "exec" => exec_again(),
            "daemon" => become_daemon(),
            other => panic!("no such command: {other}"),
        }
    }

    /// Charges, then takes what was admitted from the card.
    fn charge(&self, kind: Kind, units: u64) -> bool {
        let admitted = self.allotment.charge(self.device, kind, units * UNIT).is_ok();
        if admitted && !self.card(-(units as i16)) {
            say("VIOLATION: the card is empty");
            exit(99);
        }
        admitted
    }

    /// Gives back to the card, then to the books.
    fn release(&self, kind: Kind, units: u64) {
        assert!(self.card(units as i16));
        self.allotment.release(self.device, kind, units * UNIT);
    }

    /// Changes the card's free units, and what this process has of them by as much the other way.
    fn card(&self, change: i16) -> bool {
        let step =
            |sem_num, sem_op| libc::sembuf { sem_num, sem_op, sem_flg: libc::IPC_NOWAIT as i16 };
        let mut steps = [step(0, change), step(self.owner.load(Ordering::Relaxed), -change)];
        // SAFETY: two operations, which outlive the call.
        unsafe { libc::semop(self.card, steps.as_mut_ptr(), 2) == 0 }
    }

    /// `steps` random charges and releases. What is left stays held.
    fn go(&self, steps: u64, seed: u64) {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut held = Vec::new();
        for _ in 0..steps {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (kind, units) = (KINDS[random as usize % 3], 1 + (random >> 8) % 64);
            if random >> 40 & 1 == 0 {
                if self.charge(kind, units) {
                    held.push((kind, units));
                }
            } else if !held.is_empty() {
                let (kind, units) = held.swap_remove((random >> 16) as usize % held.len());
                self.release(kind, units);
            }
        }
        for (kind, units) in held.drain(held.len() / 2..) {
            self.release(kind, units);
        }
    }

    /// Forks `count` children that charge one unit each and then wait to be killed; `first` names the
    /// first of them at the card.
    fn fork(&self, count: u64, first: u64) {
        let mut pids = Vec::new();
        for owner in first..first + count {
            let mut ends = [0; 2];
            // SAFETY: two descriptors fit; this thread is the only one.
            let child = unsafe {
                assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
                libc::fork()
            };
            let [told, tells] = ends;
            if child == 0 {
                self.owner.store(owner as u16, Ordering::Relaxed);
                let before = self.allotment.slot().is_some();
                self.allotment.release(self.device, Kind::Linear, UNIT);
                let answer = [b'0' + u8::from(self.charge(Kind::Linear, 1)) + 2 * u8::from(before)];
                // SAFETY: one byte to a pipe of our own; then this process sleeps for ever.
                unsafe { libc::write(tells, answer.as_ptr().cast(), 1) };
                loop {
                    thread::sleep(Duration::from_secs(1000));
                }
            }
            let mut answer = [0u8];
            // SAFETY: one byte from a pipe of our own, then both ends are closed.
            unsafe {
                libc::read(told, answer.as_mut_ptr().cast(), 1);
                libc::close(told);
                libc::close(tells);
            }
            pids.push(format!("{child}:{}", answer[0] as char));
        }
        say(&pids.join(" "));
    }
}

/// Becomes itself again, in the same process.
fn exec_again() {
    let words = std::env::args().map(|word| CString::new(word).expect("no zeros"));
    let words: Vec<CString> = words.collect();
    let mut pointers: Vec<*const i8> = words.iter().map(|word| word.as_ptr().cast()).collect();
    pointers.push(ptr::null());
    // SAFETY: a null-terminated list of C strings that outlive the call.
    unsafe { libc::execv(c"/proc/self/exe".as_ptr(), pointers.as_ptr().cast()) };
    panic!("exec failed");
}

/// Closes every descriptor but the three that the test talks through, as daemons do.
fn become_daemon() {
    // SAFETY: this thread is the only one, and uses none of them.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    say("ok");
}
