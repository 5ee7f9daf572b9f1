//! A container with half a card on which time passes, the client of this folder, and an arbiter that a
//! test plays by writing the limits page.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ledger::agent::{DeviceUse, LimitsPage, TimeReader, read_ledger};
use ledger::{Pace, Policy, Terms};

use crate::container::{Container, HALF, Outcome, card, compile};

struct Built {
    folder: tempfile::TempDir,
    client: PathBuf,
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let library =
            ["-w", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wl,-soname,libcuda.so.1", "-lpthread"];
        compile("../metered/driver.c", &folder.path().join("libcuda.so.1"), &library);
        let client = folder.path().join("client");
        compile("../metered/client.c", &client, &["-w", "-ldl", "-lpthread"]);
        Built { folder, client }
    })
}

/// A container and its card, or both.
pub(crate) struct Stage(pub(crate) Container);

impl Stage {
    /// Half a card, and no arbiter.
    pub(crate) fn new() -> Self {
        Self(Container::half().driver(built().folder.path()))
    }

    /// Halves of both cards, in one allotment or, apart, in two.
    pub(crate) fn of_two(apart: bool) -> Self {
        let container = Container::empty().driver(built().folder.path());
        if apart {
            container.allot(1, &[(card(1), HALF)]);
            container.allot(2, &[(card(2), HALF)]);
        } else {
            container.allot(1, &[(card(1), HALF), (card(2), HALF)]);
        }
        Self(container)
    }

    /// The same where launches are counted and never wait.
    pub(crate) fn free() -> Self {
        Self::new().with(|terms| Terms { policy: Policy::Unlimited, ..terms })
    }

    /// The same with other terms.
    pub(crate) fn with(self, change: impl FnOnce(Terms) -> Terms) -> Self {
        let page = self.page();
        let terms = page.terms(0).expect("it has a device");
        page.set_terms(0, &change(terms)).expect("they are good");
        self
    }

    /// The limits page, as its arbiter has it.
    pub(crate) fn page(&self) -> LimitsPage {
        LimitsPage::open(&self.0.allotment(1)).expect("it can be opened")
    }

    /// The limits page and the place there of each device.
    pub(crate) fn pages(&self) -> Vec<(LimitsPage, usize)> {
        let open = |id| LimitsPage::open(&self.0.allotment(id)).expect("it can be opened");
        match self.0.allotment(2).exists() {
            true => vec![(open(1), 0), (open(2), 0)],
            false => vec![(open(1), 0), (open(1), 1)],
        }
    }

    /// The ledger, as an arbiter reads it.
    pub(crate) fn reader(&self) -> TimeReader {
        TimeReader::open(&self.0.allotment(1).join("ledger")).expect("it can be opened")
    }

    /// What the ledger says of the device.
    pub(crate) fn used(&self) -> DeviceUse {
        read_ledger(&self.0.allotment(1).join("ledger")).expect("it can be read").devices[0]
    }

    /// The same of each device, in the order of the allotments.
    pub(crate) fn used_of_each(&self) -> Vec<DeviceUse> {
        let ledgers = [1, 2].map(|id| self.0.allotment(id).join("ledger"));
        let there = ledgers.iter().filter(|ledger| ledger.exists());
        there.flat_map(|ledger| read_ledger(ledger).expect("it can be read").devices).collect()
    }

    /// Runs the client with these words to its end.
    #[track_caller]
    pub(crate) fn run(&self, words: &str) -> Outcome {
        let outcome = self.0.run(&built().client, words);
        outcome.assert_lived();
        let strange = |line: &&String| line.contains("errno-changed");
        assert_eq!(outcome.lines.iter().find(strange), None, "{outcome:?}");
        outcome
    }

    /// Starts the client and lets it run.
    pub(crate) fn start(&self, words: &str) -> Running {
        self.start_as(&built().client, words)
    }

    /// Starts another program.
    pub(crate) fn start_as(&self, program: &Path, words: &str) -> Running {
        let mut command = self.0.command(program, words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Running(command.spawn().expect("it starts"))
    }

    /// Runs `work` while an arbiter keeps this much credit granted, all the time.
    pub(crate) fn granting<T>(&self, credit_ns: u64, pace: Pace, work: impl FnOnce() -> T) -> T {
        let (page, mut reader) = (self.page(), self.reader());
        page.grant(0, credit_ns, pace);
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    reader.read().expect("it can be read");
                    let committed = reader.device(0).committed_ns;
                    page.grant(0, committed.wrapping_add(credit_ns), pace);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            ends.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }
}

/// A client that runs.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// As [`Self::finish`]; one that has not ended in time never will.
    #[track_caller]
    pub(crate) fn finish_within(self, most: Duration) -> Vec<String> {
        let (pid, ended) = (self.0.id() as i32, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let until = Instant::now() + most;
                while !ended.load(Ordering::Relaxed) && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(20));
                }
                if !ended.load(Ordering::Relaxed) {
                    // SAFETY: a signal for our own child, which nobody has waited for.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                }
            });
            let lines = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.finish()));
            ended.store(true, Ordering::Relaxed);
            waiter.join().expect("it only waits");
            lines.unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }

    /// What it says until its end, which must be a good one.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<String> {
        let stdout = BufReader::new(self.0.stdout.take().expect("it is a pipe"));
        let lines: Vec<String> = stdout.lines().map_while(Result::ok).collect();
        assert!(self.0.wait().expect("it is our child").success(), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("end"), "{lines:?}");
        lines
    }
}

/// The percents that `play` answers, once each is more than its `least`: who launches gets less than its share while the
/// machine has no time for it, so this plays up to four times. What must never be `play` asserts.
#[track_caller]
pub(crate) fn keeps_up<const N: usize>(least: [f64; N], mut play: impl FnMut() -> [f64; N]) {
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(play());
        if all.last().is_some_and(|got| got.iter().zip(&least).all(|(got, least)| got > least)) {
            return;
        }
    }
    panic!("{all:?} percent, never more than {least:?}");
}

/// Asks until `is_so`, for a minute.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The number that the client said behind a word.
#[track_caller]
pub(crate) fn number(lines: &[String], word: &str) -> i64 {
    let line = lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("nothing of {word}: {lines:?}"));
    line.parse().unwrap_or_else(|_| panic!("no number of {word}: {line}"))
}
