//! A container with shares of two GPUs: each is counted and paced by itself.

use ledger::{Policy, Terms};

use crate::stage::{Stage, keeps_up, number};

/// A context on the second card, beside the primary one on the first.
const BOTH: &str = "context=1,1 use=0";

/// With these terms on every device, in one allotment and in two.
fn stages(change: fn(Terms) -> Terms) -> [Stage; 2] {
    [false, true].map(|apart| {
        let stage = Stage::of_two(apart);
        for (page, device) in stage.pages() {
            let terms = page.terms(device).expect("it has such a device");
            page.set_terms(device, &change(terms)).expect("they are good");
        }
        stage
    })
}

#[test]
fn a_launch_is_counted_on_the_device_of_its_stream() {
    for stage in stages(|terms| Terms { policy: Policy::Unlimited, ..terms }) {
        let words = format!(
            "{BOTH} launch=kernel,2000,-1,7 use=1 stream=0 launch=kernel,2000,-1,3 sync \
             launch=kernel,2000,0,2 sync-stream=0 use=0 launch=kernel,2000,-1,1 sync"
        );
        stage.run(&words);
        let launches: Vec<_> = stage.used_of_each().iter().map(|used| used.launches).collect();
        assert_eq!(launches, [8, 5]);
        assert!(stage.used_of_each().iter().all(|used| used.spent_compute_ns > 5_000_000));
    }
}

#[test]
fn default_streams_are_told_apart_after_a_green_context_has_ended() {
    for stage in stages(|terms| Terms { policy: Policy::Unlimited, ..terms }) {
        let words = format!(
            "green {BOTH} launch=kernel,2000,-1,7 use=1 launch=kernel,2000,-1,3 sync use=0 sync"
        );
        let outcome = stage.run(&words);
        assert_eq!(number(&outcome.lines, "green"), 0);
        let launches: Vec<_> = stage.used_of_each().iter().map(|used| used.launches).collect();
        assert_eq!(launches, [7, 3]);
    }
}

#[test]
fn a_stream_of_one_device_is_counted_there_whatever_context_is_current() {
    for stage in stages(|terms| Terms { policy: Policy::Unlimited, ..terms }) {
        let words = format!("{BOTH} use=1 stream=0 use=0 launch=kernel,2000,0,4 sync-stream=0");
        stage.run(&words);
        let launches: Vec<_> = stage.used_of_each().iter().map(|used| used.launches).collect();
        assert_eq!(launches, [0, 4]);
    }
}

#[test]
fn each_device_is_paced_to_its_own_share() {
    let words = format!("{BOTH} saturate=kernel,500,1000 use=1 saturate=kernel,500,1001");
    for apart in [false, true] {
        keeps_up([25.0, 8.0], || {
            let stage = Stage::of_two(apart);
            let (page, device) = stage.pages().pop().expect("a second device");
            let terms = page.terms(device).expect("it has such a device");
            page.set_terms(device, &Terms { weight: 20, ..terms }).expect("they are good");
            let lines = stage.run(&words).lines;
            let percent = |word: &str| number(&lines, word) as f64 / 1e4;
            let got = [percent("saturate=kernel,500,1000"), percent("saturate=kernel,500,1001")];
            assert!(got[0] < 54.0 && got[1] < 24.0, "{got:?} percent of shares of 50 and 20");
            got
        });
    }
}
