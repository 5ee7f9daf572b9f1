//! Launches of graphs that wait for GPU time, fail, or meet others: what is charged for them is neither held
//! over a wait nor kept after it, and of two that want the last of a share one gets it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ledger::agent::{LimitsPage, TimeReader};
use ledger::{Pace, Terms};

use crate::container::{CONTEXT, Container, Outcome};
use crate::graph_stage::{self, World, client};
use crate::stage::{ROOM, half};
use crate::talk::Talk;

/// The client's words for a launch in a thread of its own, into a stream of either kind.
const FORMS: [&str; 2] = ["beside", "beside-ptsz"];

/// An arbiter that grants nothing unless it is told to, and beats, so that nobody takes it for gone. What it
/// lets wait would go on by itself after ten seconds.
struct Arbiter {
    container: Container,
    page: LimitsPage,
}

impl Arbiter {
    fn new() -> Self {
        let container = half();
        let page = LimitsPage::open(&container.allotment(1)).expect("it can be opened");
        let terms = page.terms(0).expect("it has a device");
        let slow = Terms { weight: 1, quantum_us: 100_000, ..terms };
        page.set_terms(0, &slow).expect("they are good");
        Self { container, page }
    }

    fn grants(&self, granted_ns: u64) {
        self.page.grant(0, granted_ns, Pace::Metered);
    }

    /// How many threads wait for credit.
    fn waiting(&self) -> u32 {
        let ledger = self.container.allotment(1).join("ledger");
        let mut reader = TimeReader::open(&ledger).expect("it can be opened");
        reader.read().expect("it can be read");
        reader.device(0).waiting
    }

    /// Returns when a thread waits.
    fn sees_somebody_wait(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.waiting() == 0 {
            assert!(Instant::now() < until, "nobody waits");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the client run these words while the arbiter beats, and `plays` with it.
    fn plays(&self, words: &str, plays: impl FnOnce(&mut Talk)) {
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    self.page.beat(0);
                    thread::sleep(Duration::from_millis(20));
                }
            });
            let play = std::panic::AssertUnwindSafe(|| {
                let words = format!("start {words}");
                let mut client = Talk::with(&self.container, client(), &words);
                plays(&mut client);
                client.ends();
            });
            let done = std::panic::catch_unwind(play);
            ends.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        });
    }
}

#[test]
fn nothing_is_charged_for_a_graph_that_waits_for_its_gpu_time() {
    FORMS.into_iter().for_each(charges_nothing_while_it_waits);
}

fn charges_nothing_while_it_waits(form: &str) {
    let arbiter = Arbiter::new();
    arbiter.grants(0);
    let words = format!(
        "graph=0 take=0,0,100 make=0,0 {form}=0 wait alloc=1,{ROOM} joined free=1 launch=0"
    );
    arbiter.plays(&words, |client| {
        client.says("waiting");
        arbiter.sees_somebody_wait();
        let held = arbiter.container.held();
        assert_eq!((held, arbiter.waiting()), (CONTEXT.bytes(), 1));
        client.goes_on();
        // All of the share, while the graph waits; when its turn comes there is no room for it.
        assert_eq!(client.says(&format!("alloc=1,{ROOM}")), "0");
        assert_eq!(arbiter.waiting(), 1);
        arbiter.grants(u64::MAX / 4);
        assert_eq!((client.says("joined"), client.says("launch=0")), ("2".into(), "0".into()));
    });
}

#[test]
fn what_lies_idle_is_not_claimed_by_a_graph_that_waits_for_its_gpu_time() {
    FORMS.into_iter().for_each(claims_nothing_while_it_waits);
}

fn claims_nothing_while_it_waits(form: &str) {
    let arbiter = Arbiter::new();
    arbiter.grants(u64::MAX / 4);
    let words = format!(
        "graph=0 take=0,0,{ROOM} make=0,0 launch=0 wait {form}=0 wait alloc=1,{ROOM} \
         joined used free=1 launch=0"
    );
    arbiter.plays(&words, |client| {
        assert_eq!(client.says("launch=0"), "0");
        client.says("waiting");
        assert_eq!(arbiter.container.held(), CONTEXT.bytes() + (ROOM << 20));
        arbiter.grants(0);
        client.goes_on();
        client.says("waiting");
        arbiter.sees_somebody_wait();
        client.goes_on();
        // What the first launch left is trimmed for it.
        assert_eq!(client.says(&format!("alloc=1,{ROOM}")), "0");
        assert_eq!(arbiter.waiting(), 1);
        arbiter.grants(u64::MAX / 4);
        assert_eq!((client.says("joined"), client.says("launch=0")), ("2".into(), "0".into()));
    });
}

/// What the client says over the stand-in driver with this in its environment.
fn with(variable: &str, value: &str, words: &str) -> Outcome {
    lived(&half().env(variable, value), words)
}

fn lived(container: &Container, words: &str) -> Outcome {
    let outcome = container.run(client(), &format!("start {words}"));
    outcome.assert_lived();
    outcome
}

#[test]
fn a_launch_that_fails_gives_back_what_it_was_charged_and_tells_why() {
    // What the driver has reserved stays charged until it is trimmed; what a launch was charged beyond, or
    // claimed of it, does not.
    let cases = [
        ("1", "graph=0 take=0,0,100 make=0,0 launch=0", 100),
        ("2", "graph=0 take=0,0,100 make=0,0 launch=0 launch=0", 100),
        ("2", &format!("graph=0 take=0,0,{ROOM} make=0,0 launch=0 launch=0"), ROOM),
    ];
    for (which, words, reserved) in cases {
        let words = format!("{words} used living trim used living alloc=1,{ROOM}");
        let outcome = with("STANDIN_FAILS", which, &words);
        let all = |word: &str| {
            let lines = outcome.lines.iter().filter_map(|line| line.strip_prefix(word));
            lines.map(|rest| rest.trim().parse::<f64>().expect("a number")).collect::<Vec<_>>()
        };
        assert_eq!(all("launch=0").last(), Some(&719.0), "{words}: {outcome:?}");
        let context = CONTEXT.0 as f64;
        assert_eq!(all("living"), [reserved as f64, 0.0], "{words}");
        assert_eq!(all("used"), [context + reserved as f64, context], "{words}");
        assert_eq!(outcome.of(&format!("alloc=1,{ROOM}")), "0", "{words}");
    }
}

#[test]
fn of_two_launches_at_once_into_what_lies_idle_one_gets_it() {
    let words = format!(
        "graph=0 take=0,0,{ROOM} graph=1 take=1,1,{ROOM} make=0,0 make=1,1 launch=0 launch=0 rival used"
    );
    // Behind the first upload, of new memory, and behind that of the second launch.
    for which in ["1", "2"] {
        let outcome = with("STANDIN_RIVAL", which, &words);
        assert_eq!((outcome.of("launch=0"), outcome.of("rival")), ("0", "2"), "{outcome:?}");
        assert!(!outcome.lines.contains(&"launch=0 2".to_owned()), "{outcome:?}");
        assert_eq!(outcome.of("used"), format!("{}.000", CONTEXT.0 + ROOM));
    }
}

#[test]
fn small_launches_do_not_fill_the_share_while_a_large_one_is_under_way() {
    // Behind an upload of new memory, also of more than has room twice, and of what lies idle because there is
    // no room for so much again.
    for (which, large) in [("1", 7000), ("1", 12000), ("2", 9000)] {
        let container = half().env("STANDIN_RIVAL", which).env("STANDIN_TIMES", "600");
        let words = format!(
            "graph=0 take=0,0,{large} graph=1 take=1,1,2 make=0,0 make=1,1 launch=0 launch=0 rival used"
        );
        let outcome = lived(&container, &words);
        assert_eq!((outcome.of("launch=0"), outcome.of("rival")), ("0", "0"), "{outcome:?}");
        assert_eq!(outcome.of("used"), format!("{}.000", CONTEXT.0 + large));
    }
}

#[test]
fn of_two_threads_that_launch_at_once_near_the_limit_one_gets_it() {
    let each = graph_stage::ROOM / 4 * 2 + 2;
    let words =
        format!("graph=0 take=0,0,{each} graph=1 take=1,1,{each} make=0,0 make=1,1 race=200 used");
    let outcome = World::new().run(&words);
    assert_eq!((outcome.of("race=200"), outcome.of("used")), ("200", "308.000"));
}
