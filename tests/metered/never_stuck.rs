//! Nothing waits for ever, and nothing that a program does while it waits goes wrong.

use std::io::Write;
use std::time::{Duration, Instant};

use ledger::{Pace, Terms};

use crate::stage::{Stage, keeps_up, number, until};

/// Whoever has not ended by then never will.
const A_WHILE: Duration = Duration::from_secs(30);

/// No credit at all, from an arbiter that lives.
fn starving() -> Stage {
    Stage::new().with(|terms| Terms { weight: 10, ..terms })
}

fn starved<T>(stage: &Stage, work: impl FnOnce() -> T) -> T {
    let page = stage.page();
    let ends = std::sync::atomic::AtomicBool::new(false);
    page.grant(0, 0, Pace::Metered);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                page.beat(0);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        done.unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    })
}

#[test]
fn a_kernel_that_spins_until_another_is_launched_gets_it() {
    let stage = starving();
    let outcome =
        starved(&stage, || stage.run("launch=kernel,-1,-1,1 launch=kernel,100,-1,1 sync"));
    assert_eq!(number(&outcome.lines, "sync"), 0);
}

/// Both sides of what may be in flight of time that is lent: with credit, as who has the GPU alone, and beside others.
#[test]
fn a_kernel_that_spins_for_another_gets_it_with_credit_too() {
    for credit_ns in [200_000_000, 10_000_000, 0] {
        let stage = Stage::new();
        stage.granting(credit_ns, Pace::Free, || {
            // 110 is measured, and the others are not.
            let words =
                "launch=kernel,110,-1,1 sync launch=kernel,-1,-1,1 launch=kernel,100,-1,1 sync";
            stage.start(words).finish_within(A_WHILE);
        });
    }
}

#[test]
fn a_program_without_any_credit_still_moves() {
    let stage = starving();
    let start = Instant::now();
    starved(&stage, || stage.run("launch=kernel,1000,-1,5 sync"));
    let used = stage.used();
    assert!(used.waits > 0, "{used:?}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn launches_under_a_lock_of_the_program_all_move() {
    let stage = starving();
    let lines = stage.run("locked=1200").lines;
    assert_eq!(number(&lines, "locked=1200"), 4, "each thread has launched");
}

#[test]
fn a_launch_in_a_callback_is_answered_by_the_driver_at_once() {
    let stage = starving();
    let lines = starved(&stage, || stage.run("launch=kernel,100,-1,1 callback=100")).lines;
    assert_eq!(number(&lines, "callback=100"), 800);
}

#[test]
fn a_launch_that_is_captured_never_waits() {
    let stage = starving();
    let words = "stream=0 begin=0,0 launch=kernel,100000,0,100 end=0,0";
    let lines = starved(&stage, || stage.run(words)).lines;
    assert_eq!(number(&lines, "captured"), 100);
    assert_eq!((stage.used().waits, stage.used().launches), (0, 0));
}

#[test]
fn signals_do_not_end_a_wait_too_early_or_make_it_endless() {
    let stage = Stage::new().with(|terms| Terms { weight: 20, ..terms });
    let words = "alarms=3 saturate=kernel,500,1000";
    let got = number(&stage.run(words).lines, "saturate=kernel,500,1000") as f64 / 1e4;
    assert!(got < 25.0, "{got} percent");
    assert!(stage.used().waits > 0, "{:?}", stage.used());
}

#[test]
fn a_thread_can_be_cancelled_while_it_waits() {
    let stage = starving();
    let lines = starved(&stage, || {
        let mut running = stage.start("without-end wait cancel launch=kernel,100,-1,1");
        let mut reader = stage.reader();
        until("it waits", || {
            reader.read().unwrap();
            reader.device(0).waiting == 1
        });
        running.0.stdin.take().expect("it is a pipe").write_all(b"\n").expect("it reads");
        running.finish_within(A_WHILE)
    });
    assert_eq!(number(&lines, "cancel"), 1);
    assert!(stage.used().waits > 0, "{:?}", stage.used());
}

#[test]
fn a_forked_child_does_not_wait_and_counts_nothing() {
    let stage = starving();
    let lines = starved(&stage, || stage.run("launch=kernel,100,-1,1 sync fork")).lines;
    assert_eq!(number(&lines, "fork"), 5);
    assert_eq!(stage.used().launches, 1);
}

#[test]
fn who_dies_waiting_leaves_the_others_their_credit() {
    let stage = starving();
    let mut running = starved(&stage, || {
        let running = stage.start("saturate=kernel,3000,60000");
        std::thread::sleep(Duration::from_millis(400));
        running
    });
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    // The next process takes the slot, and what the dead had in flight counts as spent.
    stage.run("launch=kernel,100,-1,1 sync");
    let mut reader = stage.reader();
    reader.read().unwrap();
    let time = reader.device(0);
    assert_eq!((time.waiting, time.in_flight_ns()), (0, 0), "{time:?}");
}

#[test]
fn a_stopped_process_holds_up_nobody() {
    keeps_up([15.0], || {
        let stage = Stage::new();
        // One of its kernels is more than a quantum.
        let mut stopped = stage.start("saturate=kernel,6000,60000").0;
        stop_with_a_full_flight(&stage, stopped.id() as i32);
        let words = "saturate=kernel,500,2000";
        let got = number(&stage.run(words).lines, words) as f64 / 2e4;
        stopped.kill().unwrap();
        stopped.wait().unwrap();
        [got]
    });
}

#[test]
fn a_stopped_process_holds_up_nobody_who_has_credit() {
    for credit_ns in [200_000_000, 10_000_000] {
        let stage = Stage::new();
        stage.granting(credit_ns, Pace::Free, || {
            let mut stopped = stage.start("saturate=kernel,6000,60000").0;
            stop_with_a_full_flight(&stage, stopped.id() as i32);
            let words = "launch=kernel,300,-1,1 launch=kernel,400,-1,1 sync";
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                stage.start(words).finish_within(A_WHILE)
            }));
            stopped.kill().unwrap();
            stopped.wait().unwrap();
            done.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        });
    }
}

/// Stops the process at a moment in which it has all in flight that its container may have.
fn stop_with_a_full_flight(stage: &Stage, pid: i32) {
    let mut reader = stage.reader();
    for _ in 0..1_000 {
        std::thread::sleep(Duration::from_millis(7));
        signal(pid, libc::SIGSTOP);
        // It ends the call in which it is, and stops.
        std::thread::sleep(Duration::from_millis(5));
        reader.read().unwrap();
        if reader.device(0).in_flight_ns() >= 5_000_000 {
            return;
        }
        signal(pid, libc::SIGCONT);
    }
    panic!("it never had a quantum in flight");
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: a signal for our own child.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}
