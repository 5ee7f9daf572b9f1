//! Threads that are cancelled inside the driver while they launch, in whichever of the calls that a hook makes
//! there: the process lives on and goes on launching, and all is counted but the launch in which a thread ended.

use crate::stage::{Stage, number};

/// One of each way through the meter.
const KINDS: [&str; 6] = ["kernel", "kernel-ptsz", "cooperative", "ex", "multi", "graph"];
/// More calls than the twelve launches of a thread make.
const MOST: usize = 60;
const STEP: usize = 3;

#[test]
fn a_thread_cancelled_in_any_call_of_a_launch_leaves_nobody_stuck_and_all_else_counted() {
    for kind in KINDS {
        let mut words =
            "stream=0 stream=15 begin=0,0 launch=kernel,200,0,1 end=0,0 instantiate=0".to_owned();
        let calls = (1..=MOST).filter(|call| *call <= 12 || call % STEP == 0);
        let tries: Vec<_> = calls
            .flat_map(|call| [0, 1].map(|late| format!("cancelled={kind},{call},{late}")))
            .collect();
        for one in &tries {
            words.push_str(&format!(" {one} launch=kernel,50,0,2"));
        }
        words.push_str(" sync-stream=0 sync book=kernels");
        let stage = Stage::new();
        let lines = stage.run(&words).lines;
        let cancelled = tries.iter().filter(|one| number(&lines, one) == 1).count();
        assert!(cancelled > 20, "{kind}: {cancelled} of {} were cancelled", tries.len());
        let refused =
            lines.iter().filter(|line| line.starts_with("launch") && !line.ends_with(" 0"));
        assert_eq!(refused.collect::<Vec<_>>(), [""; 0], "{kind}");
        let (ran, counted) = (number(&lines, "book=kernels"), stage.used().launches);
        println!("{kind}: {cancelled} of {} cancelled, {ran} ran, {counted} counted", tries.len());
        let least = ran as u64 - cancelled as u64;
        assert!(
            counted >= least,
            "{kind}: {ran} ran, {counted} were counted, {cancelled} cancelled"
        );
    }
}
