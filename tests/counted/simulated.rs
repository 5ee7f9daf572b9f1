//! The same client over the simulated driver, which keeps its own account of the card.

use std::process::Command;

use crate::container::dist;
use crate::stage::client;

/// What the client says with half of a simulated V100.
pub(crate) fn lines(words: &str) -> Vec<String> {
    lines_on("v100-32gb", words)
}

/// What it says of one of its commands, in order.
pub(crate) fn said(command: &str, words: &str) -> Vec<String> {
    said_on("v100-32gb", command, words)
}

/// The same with half of another card.
pub(crate) fn said_on(card: &str, command: &str, words: &str) -> Vec<String> {
    let lines = lines_on(card, words);
    let of = lines.iter().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' '));
    of.map(str::to_owned).collect()
}

fn lines_on(card: &str, words: &str) -> Vec<String> {
    lines_of(&["--sim", card], words)
}

/// What it says with half of the first card that these options of `aliquot run` name.
pub(crate) fn lines_of(options: &[&str], words: &str) -> Vec<String> {
    let mut run = Command::new(dist("x86_64/aliquot"));
    run.arg("run").args(options).args(["--fraction", "0.5", "--"]).arg(client()).arg("start");
    let output = run.args(words.split_whitespace()).output().expect("aliquot starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.ends_with("end\n"), "{output:?}");
    text.lines().map(str::to_owned).collect()
}

/// What is used at each `used`, in MiB beyond the first.
pub(crate) fn used(words: &str) -> Vec<f64> {
    used_on("v100-32gb", words)
}

/// The same with half of another card.
pub(crate) fn used_on(card: &str, words: &str) -> Vec<f64> {
    beyond_first(&lines_on(card, &format!("used {words}")))
}

/// What is used at each `used` beyond the first.
pub(crate) fn beyond_first(lines: &[String]) -> Vec<f64> {
    let said = lines.iter().filter_map(|line| line.strip_prefix("used "));
    let numbers: Vec<f64> = said.map(|text| text.parse().expect("a number")).collect();
    numbers.iter().map(|used| used - numbers[0]).skip(1).collect()
}

#[test]
fn each_family_of_memory_is_charged_and_given_back() {
    for (words, bytes) in [
        ("create=0,64 used release=0 used", 64.0),
        ("cuArray3DCreate_v2=0,1024,1024 used cuArrayDestroy=0 used", 4.0),
        ("cuMipmappedArrayCreate=0,1024,1024,0,1,0,2 used cuMipmappedArrayDestroy=0 used", 6.0),
        ("lend=0,100 used give=0 default-pool=9 trim=9,0 used", 128.0),
        ("pool=9,0 lend-of=0,100,9 used give=0 pool-end=9 used", 128.0),
    ] {
        assert_eq!(used(words), [bytes, 0.0], "{words}");
    }
}

#[test]
fn nothing_passes_the_share_that_the_card_would_have_room_for() {
    let words = "create=0,20000 lend=0,20000 cuArray3DCreate_v2=0,16384,16384,20 used";
    assert_eq!(used(words), [0.0]);
    assert_eq!(said("create=0,20000", words), ["2"]);
    assert_eq!(said("lend=0,20000", words), ["2"]);
    assert_eq!(said("cuArray3DCreate_v2=0,16384,16384,20", words), ["2"]);
}

#[test]
fn imported_memory_lives_as_long_as_its_handle_or_what_is_mapped_of_it() {
    let words = "import=0,64 used buffer-of=1,0 import-end=0 used free=1 used";
    assert_eq!(used(words), [64.0, 64.0, 0.0]);
    assert_eq!(used("import=0,64 buffer-of=1,0 used stop start used"), [64.0, 0.0]);
    let words = "import=0,64 mipmap-of=1,0 buffer-of=2,0 import-end=0 free=2 used \
                 cuMipmappedArrayDestroy=1 used";
    assert_eq!(used(words), [64.0, 0.0]);
    assert_eq!(used("import=0,64 mipmap-of=1,0 import-end=0 used stop start used"), [64.0, 0.0]);
}

#[test]
fn a_managed_pool_is_charged_to_its_device_or_to_the_current_one() {
    for made in ["pool-managed=9", "get-pool-of=9,2,0", "default-pool-of=9,2,1"] {
        let words = format!("{made} lend-of=0,40,9 used give=0 trim=9,0 used");
        assert_eq!(used(&words), [64.0, 0.0], "{made}");
    }
    let words = "pool-managed=9 lend-of=0,20000,9 used";
    assert_eq!(used(words), [0.0]);
    assert_eq!(said("lend-of=0,20000,9", words), ["2"]);
}

#[test]
fn what_lies_idle_in_a_pool_makes_room() {
    assert_eq!(used("lend=0,15000 give=0 alloc=1,15000 used"), [15000.0]);
}

#[test]
fn the_pool_that_a_program_has_set_is_charged() {
    for set in ["set-pool=9", "set-pool-of=9"] {
        let words =
            format!("lend=5,1 pool=9,0 {set} lend=0,40 used get-pool-of=8,1,1 lend-of=1,60,8 used");
        assert_eq!(used(&words), [96.0, 160.0], "{set}");
    }
}

#[test]
fn a_destroyed_pool_is_not_the_current_one_and_keeps_what_it_lends() {
    let words = "pool=9,0 set-pool=9 lend=0,40 pool-end=9 used lend=1,1 used give=0 used";
    assert_eq!(used(words), [64.0, 96.0, 32.0]);
    let again = "pool=9,0 set-pool=9 lend=0,40 give=0 pool-end=9 used lend=1,1 used";
    assert_eq!(used(again), [0.0, 32.0]);
}

#[test]
fn threads_of_a_pool_and_of_mapped_memory_leave_nothing_charged() {
    let words = "threads=4 used pool-threads=4 default-pool=9 trim=9,0 used";
    assert_eq!(used(words), [0.0, 0.0]);
}

#[test]
fn no_context_is_charged_for_what_is_asked_in_one_that_has_ended() {
    for take in ["alloc=0,2", "lend=0,2", "cuArray3DCreate_v2=0,64,64", "limit=2,64", "import=0,8"]
    {
        let words = format!("stop {take} start used");
        assert_eq!((&*said(take, &words)[0] != "0", used(&words)), (true, vec![0.0]), "{take}");
    }
}

#[test]
fn what_no_known_context_owns_ends_with_the_last_also_after_one_that_had_ended_was_asked() {
    // Of more contexts than are known one by one.
    let many: String = (100..116).map(|at| format!("context={at} ")).collect();
    let ends: String = (100..116).map(|at| format!("context-end={at} ")).collect();
    let words = format!("stop alloc=0,2 {many} alloc=1,8 {ends} start used");
    assert_eq!(used(&words), [0.0]);
}
