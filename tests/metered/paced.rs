//! Who has no credit waits: alone by the share, under an arbiter by what it grants.

use std::time::{Duration, Instant};

use ledger::{BackEnd, Pace, Policy, Terms};

use crate::stage::{Stage, keeps_up, number, until};

/// GPU time in percent of so many milliseconds.
fn percent(us: i64, ms: i64) -> f64 {
    us as f64 / 10.0 / ms as f64
}

#[test]
fn without_an_arbiter_a_container_paces_itself_to_its_share() {
    for (weight, us) in [(50, 100), (25, 5), (25, 3_000)] {
        keeps_up([f64::from(weight) * 0.5], || {
            let stage = Stage::new().with(|terms| Terms { weight, ..terms });
            let words = format!("saturate=kernel,{us},1200");
            let got = percent(number(&stage.run(&words).lines, &words), 1200);
            let used = stage.used();
            assert!(
                got < f64::from(weight) + 4.0,
                "{got} of {weight} percent in kernels of {us} us: {used:?}"
            );
            [got]
        });
    }
}

#[test]
fn graphs_are_paced_like_kernels() {
    let words =
        "stream=0 begin=0,2 launch=kernel,300,0,10 end=0,0 instantiate=0 graph-saturate=0,1200";
    keeps_up([12.0], || {
        let stage = Stage::new().with(|terms| Terms { weight: 25, ..terms });
        let got = percent(number(&stage.run(words).lines, "graph-saturate=0,1200"), 1200);
        assert!(got < 29.0, "{got} percent");
        [got]
    });
}

#[test]
fn what_the_administrator_exempts_counts_and_never_waits() {
    let exempt: [fn(Terms) -> Terms; 3] = [
        |terms| Terms { policy: Policy::Observe, ..terms },
        |terms| Terms { policy: Policy::Unlimited, ..terms },
        |terms| Terms { back_end: BackEnd::Mps, ..terms },
    ];
    for change in exempt {
        let stage = Stage::new().with(|terms| Terms { weight: 5, ..change(terms) });
        stage.run("saturate=kernel,500,300");
        let used = stage.used();
        assert_eq!(used.waits, 0);
        assert!(used.spent_compute_ns > 15_000_000 * 2, "{used:?}");
    }
}

#[test]
fn credit_is_spent_and_no_more() {
    let stage = Stage::new();
    let page = stage.page();
    let mut reader = stage.reader();
    page.grant(0, 30_000_000, Pace::Metered);
    let running = stage.start("saturate=kernel,1000,4000");
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        page.beat(0);
    }
    // It is not for a moment after each that it launches for having starved.
    let mut time = reader.device(0);
    until("it waits", || {
        page.beat(0);
        reader.read().unwrap();
        time = reader.device(0);
        time.waiting == 1
    });
    // A batch beyond the last credit, and one for each tenth of a second that it starved.
    let starved = 20 * 2_000_000;
    assert!(time.committed_ns < 30_000_000 + 6_000_000 + starved, "{time:?}");
    assert!(time.spent_compute_ns >= 25_000_000, "{time:?}");
    let mut child = running.0;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn idle_time_that_is_lent_needs_no_credit() {
    let words = "saturate=kernel,500,600";
    keeps_up([30.0], || {
        let stage = Stage::new().with(|terms| Terms { weight: 5, ..terms });
        let lines = stage.granting(0, Pace::Free, || stage.run(words)).lines;
        assert_eq!(stage.used().waits, 0);
        [percent(number(&lines, words), 600)]
    });
}

#[test]
fn an_arbiter_that_falls_silent_is_not_waited_for() {
    let words = "saturate=kernel,500,2000";
    keeps_up([20.0], || {
        let stage = Stage::new();
        stage.page().grant(0, 0, Pace::Metered);
        let got = percent(number(&stage.run(words).lines, words), 2000);
        assert!(got < 54.0, "{got} percent");
        [got]
    });
}

#[test]
fn one_that_looks_rarely_notices_that_its_arbiter_is_gone() {
    let stage = Stage::new().with(|terms| Terms { weight: 20, ..terms });
    stage.page().grant(0, 0, Pace::Free);
    let begun = Instant::now();
    stage.run(&"launch=kernel,120000,-1,1 sync ".repeat(10));
    // Of 1.2 s of work what was launched in the first quarter of a second needed no credit.
    let (took, used) = (begun.elapsed(), stage.used());
    assert!(used.waits > 0 && took > Duration::from_secs(3), "{took:?}: {used:?}");
}

#[test]
fn work_in_flight_is_bounded_by_about_a_quantum() {
    let stage = Stage::new();
    let mut reader = stage.reader();
    let most = stage.granting(1_000_000_000, Pace::Metered, || {
        let running = stage.start("saturate=kernel,400,800");
        let mut most = 0;
        for _ in 0..200 {
            reader.read().unwrap();
            most = most.max(reader.device(0).in_flight_ns());
            std::thread::sleep(Duration::from_millis(3));
        }
        running.finish();
        most
    });
    assert!(most > 0 && most < 8_000_000, "{most} ns in flight");
}

#[test]
fn a_rank_has_as_much_in_flight_as_others_where_no_arbiter_gives_it_turns() {
    let stage = Stage::new().with(|terms| Terms { gang: 7, ..terms });
    let mut reader = stage.reader();
    let running = stage.start(&"launch=kernel,400,-1,12 sync sleep=30 ".repeat(50));
    // An arbiter has its chance to beat, and what was never measured is taken to be long.
    std::thread::sleep(Duration::from_millis(600));
    let mut most = 0;
    for _ in 0..3000 {
        reader.read().unwrap();
        most = most.max(reader.device(0).in_flight_ns());
        std::thread::sleep(Duration::from_micros(200));
    }
    running.finish();
    assert!((3_000_000..8_000_000).contains(&most), "{most} ns in flight");
}

#[test]
fn long_kernels_of_lent_time_do_not_pile_up() {
    let stage = Stage::new();
    let mut reader = stage.reader();
    let most = stage.granting(0, Pace::Free, || {
        let running = stage.start("saturate=kernel,20000,900");
        let mut most = 0;
        for _ in 0..200 {
            reader.read().unwrap();
            most = most.max(reader.device(0).in_flight_ns());
            std::thread::sleep(Duration::from_millis(4));
        }
        running.finish();
        most
    });
    // One runs, and one is launched when it is done.
    assert!(most > 0 && most < 45_000_000, "{most} ns in flight");
}

#[test]
fn a_stream_that_has_all_its_batches_in_flight_queues_no_more_than_is_lent() {
    // Kernels that are a batch each, and kernels behind copies, none of which waits.
    for (before, us, count) in [("", 255, 400), ("copy=to-async,16777216,70", 100, 1000)] {
        let stage = Stage::new().with(|terms| Terms { quantum_us: 10_000, ..terms });
        let words = format!(
            "launch=kernel,{us},-1,40 sync {before} book=ahead_ns launch=kernel,{us},-1,{count} book=ahead_ns"
        );
        let lines = stage.granting(0, Pace::Free, || stage.run(&words)).lines;
        let ahead = lines.iter().filter_map(|line| line.strip_prefix("book=ahead_ns "));
        let ahead: Vec<i64> = ahead.map(|ns| ns.parse().expect("a number")).collect();
        let queued_ms = (ahead[1] - ahead[0]) / 1_000_000;
        assert!(queued_ms < 25, "{before}: {queued_ms} ms of kernels in the queue: {lines:?}");
    }
}

#[test]
fn several_processes_share_the_credit_of_their_container() {
    let words = "saturate=kernel,500,1500";
    keeps_up([10.0], || {
        let stage = Stage::new().with(|terms| Terms { weight: 20, ..terms });
        let running = [stage.start(words), stage.start(words), stage.start(words)];
        let got = running.map(|running| percent(number(&running.finish(), words), 1500));
        let sum: f64 = got.iter().sum();
        assert!(sum < 26.0, "{got:?} percent");
        [sum]
    });
}
