//! Memory of other interfaces that is imported, and what is mapped from it.

use contract::Mib;

use crate::stage::{ROOM, all_of, half, killed, run, run_in, used};

#[test]
fn imported_memory_is_charged_until_its_handle_is_destroyed() {
    assert_eq!(used("import=0,64 used import=1,32 used import-end=0 used"), [64.0, 96.0, 32.0]);
}

#[test]
fn what_is_mapped_takes_nothing_and_keeps_the_memory() {
    let buffer = "import=0,64 buffer-of=1,0 used import-end=0 used free=1 used";
    assert_eq!(used(buffer), [64.0, 64.0, 0.0]);
    let mipmap = "import=0,64 mipmap-of=1,0 import-end=0 used cuMipmappedArrayDestroy=1 used";
    assert_eq!(used(mipmap), [64.0, 0.0]);
    let both = "import=0,64 buffer-of=1,0 mipmap-of=2,0 free=1 import-end=0 used \
                cuMipmappedArrayDestroy=2 used";
    assert_eq!(used(both), [64.0, 0.0]);
    assert_eq!(used("import=0,64 buffer-of=1,0 free=1 used import-end=0 used"), [64.0, 0.0]);
}

#[test]
fn a_handle_that_is_given_out_again_is_other_memory() {
    let words = "import=0,64 buffer-of=1,0 import-end=0 free=1 import=0,32 used \
                 buffer-of=1,0 import-end=0 used free=1 used";
    assert_eq!(used(words), [32.0, 32.0, 0.0]);
}

#[test]
fn what_lives_is_what_is_charged() {
    let outcome = run("import=0,64 buffer-of=1,0 import-end=0 living free=1 living used");
    assert_eq!(all_of(&outcome, "living"), ["64", "0"]);
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn what_the_driver_does_not_end_stays_charged() {
    let outcome = run("import=0,64 import-end=0 import-end=0 used buffer-of=1,0 used");
    assert_eq!(all_of(&outcome, "import-end=0"), ["0", "400"]);
    assert_eq!(outcome.of("buffer-of=1,0"), "400");
    assert_eq!(all_of(&outcome, "used"), ["255.000", "255.000"]);
    let outcome = run("import=0,64 buffer-of=1,0,1 import-end=0 used");
    assert_eq!((outcome.of("buffer-of=1,0,1"), outcome.of("used")), ("1", "255.000"));
}

#[test]
fn an_import_above_the_share_is_out_of_memory_and_writes_nothing() {
    let outcome = run(&format!("import=0,{ROOM} import=1,1 used import-end=0 import=1,1"));
    assert_eq!(outcome.of(&format!("import=0,{ROOM}")), "0");
    assert_eq!(all_of(&outcome, "import=1,1"), ["2", "0"]);
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let outcome = run("import=0,0 import-nulls=1 used");
    assert_eq!((outcome.of("import=0,0"), outcome.of("import-nulls=1")), ("1", "11"));
    assert_eq!(outcome.of("used"), "255.000");
    let outcome = run_in(&half().env("STANDIN_REFUSES", "1"), "import=0,64 used");
    assert_eq!((outcome.of("import=0,64"), outcome.of("used")), ("2", "255.000"));
}

#[test]
fn imports_end_with_the_last_context() {
    assert_eq!(used("import=0,64 import=1,8 buffer-of=2,1 used stop start used"), [72.0, 0.0]);
}

#[test]
fn a_killed_process_gives_its_imports_back() {
    assert_eq!(killed("import=0,64 buffer-of=1,0 import-end=0"), (Mib(64).bytes(), 0));
}
