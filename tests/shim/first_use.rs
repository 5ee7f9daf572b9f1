//! What a process's first use of the driver costs, in system calls and page faults: bounds that no busy
//! machine can break. What they are worth in time, `cargo xtask bench` tells.

use crate::container::{Container, built, compile};

/// Beyond what the same work costs without the shim. Measured: 23 and 9.
const MOST_CALLS: u64 = 26;
const MOST_FAULTS: u64 = 13;

/// System calls and page faults of a first use in a container.
fn counts(with_shim: bool) -> [u64; 2] {
    let program = built().folder.path().join(format!("first_use{}", u8::from(with_shim)));
    compile("first_use.c", &program, &["-ldl"]);
    let container = Container::half();
    let mut command = container.command(&program, "");
    if !with_shim {
        command.env_remove("LD_PRELOAD");
    }
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.ends_with("end\n"), "{output:?}");
    ["calls ", "faults "].map(|what| {
        let line = text.lines().find_map(|line| line.strip_prefix(what)).expect("it counts");
        line.parse().expect("a number")
    })
}

#[test]
fn first_use_makes_few_system_calls_and_touches_few_pages() {
    let ([bare_calls, bare_faults], [calls, faults]) = (counts(false), counts(true));
    let more = [calls - bare_calls, faults.saturating_sub(bare_faults)];
    println!("{} system calls and {} page faults more than without the shim", more[0], more[1]);
    assert!(more[0] <= MOST_CALLS, "{calls} system calls, {bare_calls} without the shim");
    assert!(more[1] <= MOST_FAULTS, "{faults} page faults, {bare_faults} without the shim");
}
