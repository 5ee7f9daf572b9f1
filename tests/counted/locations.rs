//! Where memory is made: on a device by every kind of location that lies there, those among them that no header has
//! yet. What a driver does not know it refuses by itself.

use crate::container::{Container, HALF, card};
use crate::stage::{ROOM, all_of, half, run, run_in, used};

/// CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN, of which the number's first byte is the device, the next the domain; and
/// a kind that the stand-in driver alone knows, for the current device.
const DOMAIN: u32 = 6;
const LATER: u32 = 77;
/// The third domain of the first device, and of the second.
const OF_FIRST: u32 = 3 << 8;
const OF_SECOND: u32 = 3 << 8 | 1;
/// CU_MEM_LOCATION_TYPE_NONE and _INVISIBLE, in which no driver makes memory, and the kinds that are the host's.
const NOWHERE: [u32; 2] = [0, 5];
const HOST: [u32; 3] = [2, 3, 4];

#[test]
fn memory_of_a_domain_is_charged_to_its_device() {
    let words = format!("create-at=0,64,{DOMAIN},{OF_FIRST} used release=0 used");
    assert_eq!(used(&words), [64.0, 0.0]);
    let bound = format!(
        "create-at=0,8,{DOMAIN},{OF_FIRST} bind=0,0,8 release=0 used living unbind=0,8 used living"
    );
    let outcome = run(&bound);
    assert_eq!(all_of(&outcome, "used"), ["263.000", "255.000"]);
    assert_eq!(all_of(&outcome, "living"), ["8", "0"]);
}

#[test]
fn memory_of_a_domain_passes_neither_the_limit_nor_a_device_that_is_not_allotted() {
    let much = format!("create-at=0,{},{DOMAIN},{OF_FIRST}", ROOM + 2);
    let elsewhere = format!("create-at=1,2,{DOMAIN},{OF_SECOND}");
    let outcome = run(&format!("{much} {elsewhere} living used"));
    assert_eq!((outcome.of(&much), outcome.of(&elsewhere)), ("2", "2"));
    assert_eq!((outcome.of("living"), outcome.of("used")), ("0", "255.000"));
}

#[test]
fn memory_of_another_devices_domain_is_charged_there() {
    let container = half();
    container.allot(2, &[(card(2), HALF)]);
    let words = format!("used create-at=0,64,{DOMAIN},{OF_SECOND} used start-there used");
    assert_eq!(all_of(&run_in(&container, &words), "used"), ["255.000", "255.000", "319.000"]);
}

#[test]
fn a_pool_of_a_domain_is_charged_to_its_device() {
    for kind in [1, 2] {
        let words = format!(
            "pool-at=9,{kind},{DOMAIN},{OF_FIRST} lend-of=0,40,9 used give=0 pool-end=9 used"
        );
        assert_eq!(used(&words), [64.0, 0.0], "{words}");
    }
}

#[test]
fn what_lies_where_nobody_knows_is_charged_to_the_current_device() {
    // Beside a context of the device, and without any.
    for before in ["", "no-current"] {
        let words = format!("{before} create-at=0,64,{LATER} living current used release=0 used");
        let outcome = run(words.trim());
        assert_eq!(outcome.of("living"), "64", "{words}");
        assert_eq!(all_of(&outcome, "used"), ["319.000", "255.000"], "{words}");
    }
    let pool = format!("pool-at=9,1,{LATER} lend-of=0,40,9 used give=0 pool-end=9 used");
    assert_eq!(used(&pool), [64.0, 0.0]);
}

#[test]
fn what_lies_where_nobody_knows_passes_neither_the_limit_nor_a_share_of_nothing() {
    let much = format!("create-at=0,{},{LATER}", ROOM + 2);
    let outcome = run(&format!("{much} living"));
    assert_eq!((outcome.of(&much), outcome.of("living")), ("2", "0"));
    let stranger = Container::empty().driver(crate::stage::driver());
    let outcome = stranger.run(crate::stage::client(), &format!("create-at=0,2,{LATER} living"));
    assert_eq!(outcome.of("living"), "0", "{outcome:?}");
}

#[test]
fn kinds_in_which_no_driver_makes_memory_are_its_own_to_refuse() {
    for kind in NOWHERE {
        let word = format!("create-at=0,64,{kind}");
        let outcome = run(&format!("{word} used"));
        assert_eq!((outcome.of(&word), outcome.of("used")), ("1", "255.000"), "{word}");
    }
}

#[test]
fn memory_of_the_host_is_not_charged() {
    for kind in HOST {
        let words = format!("create-at=0,64,{kind} used create-at=1,{},{kind} used", ROOM + 2);
        assert_eq!(used(&words), [0.0, 0.0], "{words}");
    }
}
