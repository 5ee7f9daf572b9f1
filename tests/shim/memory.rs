//! Memory and contexts: what is charged, refused, given back and shown.

use contract::Mib;

use crate::container::{CONTEXT, Container, HALF, card};

const START: &str = "proc2 init retain current";

fn mib(count: u64) -> u64 {
    Mib(count).bytes()
}

/// What cuMemGetInfo says in a container that holds so many MiB beside the context.
fn info(held: u64) -> String {
    format!("0 free {} total {}", HALF.bytes() - CONTEXT.bytes() - mib(held), HALF.bytes())
}

#[test]
fn the_share_is_shown_as_the_card() {
    let outcome = Container::half().client(&format!("{START} total info"));
    outcome.assert_lived();
    assert_eq!(outcome.of("total"), format!("0 total {}", HALF.bytes()));
    assert_eq!(outcome.of("info"), info(0));
}

#[test]
fn a_share_that_is_lowered_below_what_is_held_has_nothing_free_and_refuses() {
    let (container, most) = (Container::half(), Mib(4096));
    let held = mib(8000);
    let words = format!("{START} alloc/0={held} wait info alloc/1=1 free/0 total alloc/1=1");
    let (_, lines) = container.around_waiting(&words, || container.limit(card(1), most));
    let all = most.bytes();
    let said = [
        format!("info 0 free 0 total {all}"),
        "alloc/1=1 2".to_owned(),
        "free/0 0".to_owned(),
        format!("total 0 total {all}"),
        "alloc/1=1 0".to_owned(),
        "end".to_owned(),
    ];
    assert_eq!(lines, said);
}

#[test]
fn each_way_to_allocate_is_charged_and_given_back() {
    for allocate in ["alloc/0=2097152", "managed/0=2097152", "pitch/0=1000"] {
        let outcome = Container::half().client(&format!("{START} {allocate} info free/0 total"));
        outcome.assert_lived();
        assert_eq!(outcome.of("info"), info(2), "{allocate}");
    }
    let outcome = Container::half().client(&format!("{START} pitch/0=1000 free/0 info"));
    assert_eq!(outcome.of("pitch/0=1000"), "0 pitch 1024");
    assert_eq!(outcome.of("info"), info(0));
}

#[test]
fn a_request_above_the_share_is_out_of_memory_and_writes_nothing() {
    let room = HALF.0 - CONTEXT.0;
    let (too_much, all) = (mib(room) + 1, mib(room));
    let words = format!("{START} alloc/0={too_much} calls alloc/1={all} alloc/2=1 info");
    let outcome = Container::half().client(&words);
    outcome.assert_lived();
    assert_eq!(outcome.of(&format!("alloc/0={too_much}")), "2");
    assert_eq!(outcome.of("calls"), "0", "the driver was asked");
    assert_eq!(outcome.of(&format!("alloc/1={all}")), "0");
    assert_eq!(outcome.of("alloc/2=1"), "2");
    assert_eq!(outcome.of("info"), info(room));
}

#[test]
fn what_the_driver_rounds_up_is_charged_so() {
    for (asked, taken) in [(1, 2), (1000, 2), (mib(1), 2), (mib(1) + 1, 2), (mib(2) + 1, 4)] {
        let container = Container::half();
        let words = format!("{START} alloc/0={asked} wait");
        let held = container.while_waiting(&words, || container.held());
        assert_eq!(held, CONTEXT.bytes() + mib(taken), "{asked}");
    }
}

#[test]
fn a_size_that_no_card_has_is_out_of_memory() {
    let words = format!("{START} alloc/0={} managed/1={} pitch/2={}", u64::MAX, u64::MAX, u64::MAX);
    let outcome = Container::half().client(&words);
    outcome.assert_lived();
    assert_eq!(outcome.of(&format!("alloc/0={}", u64::MAX)), "2");
    assert_eq!(outcome.of(&format!("managed/1={}", u64::MAX)), "2");
    assert!(outcome.of(&format!("pitch/2={}", u64::MAX)).starts_with("2 "));
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let container = Container::half().env("STANDIN_REFUSES", "1");
    let words = format!("{START} alloc/0=2097152 managed/1=2097152 pitch/2=1024 info");
    let outcome = container.client(&words);
    assert_eq!(outcome.of("alloc/0=2097152"), "2");
    assert_eq!(outcome.of("info"), info(0));
}

#[test]
fn null_pointers_reach_the_driver() {
    let outcome = Container::half().client(&format!("{START} nulls info"));
    outcome.assert_lived();
    assert_eq!(outcome.of("nulls"), "1 1 1 0 1 1 1 201");
    assert_eq!(outcome.of("info"), info(0));
}

#[test]
fn a_size_of_zero_reaches_the_driver() {
    let outcome = Container::half().client(&format!("{START} alloc/0=0 calls"));
    assert_eq!((outcome.of("alloc/0=0"), outcome.of("calls")), ("1", "1"));
}

#[test]
fn an_unknown_pointer_is_freed_untouched() {
    let outcome = Container::half().client(&format!("{START} free-at=81920 calls info"));
    assert_eq!(outcome.of("free-at=81920"), "0");
    assert_eq!(outcome.of("calls"), "1");
    assert_eq!(outcome.of("info"), info(0));
}

#[test]
fn a_pointer_freed_twice_is_given_back_once() {
    let words = format!("{START} alloc/0=2097152 alloc/1=2097152 free/0 free/0 info");
    let outcome = Container::half().client(&words);
    assert_eq!(outcome.of("info"), info(2));
}

#[test]
fn a_call_without_a_context_gets_the_drivers_own_error() {
    let outcome = Container::half().client("proc2 init alloc/0=2097152 info");
    outcome.assert_lived();
    assert_eq!(outcome.of("alloc/0=2097152"), "201");
    assert_eq!(outcome.of("info"), "201 free 7 total 7");
}

#[test]
fn a_call_before_cu_init_gets_the_drivers_own_error() {
    let outcome = Container::half().client("proc2 alloc/0=2097152 total info init");
    outcome.assert_lived();
    assert_eq!(outcome.of("alloc/0=2097152"), "3");
    assert_eq!(outcome.of("total"), "3 total 7");
    assert_eq!(outcome.of("init"), "0");
}

#[test]
fn a_wrong_flag_of_cu_init_is_the_drivers_to_refuse() {
    assert_eq!(Container::half().client("dlsym init-wrong").of("init-wrong"), "1");
}

#[test]
fn each_context_is_charged_from_its_beginning_to_its_end() {
    let container = Container::half();
    let begun = || container.held();
    for (words, charged) in [
        ("dlsym init wait", 0),
        ("dlsym init retain wait release", CONTEXT.bytes()),
        ("dlsym init retain retain create/1=0 wait", 2 * CONTEXT.bytes()),
        ("dlsym init retain create/1=0 release wait", CONTEXT.bytes()),
        ("dlsym init retain create/1=0 release destroy/1 wait", 0),
        ("dlsym init retain retain release wait", CONTEXT.bytes()),
        ("dlsym init retain release wait", 0),
        ("dlsym init create/1=0 create/2=0 destroy/1 wait", CONTEXT.bytes()),
        ("dlsym init create/1=0 create/2=0 destroy/1 destroy/2 wait", 0),
    ] {
        assert_eq!(container.while_waiting(words, begun), charged, "{words}");
    }
}

#[test]
fn memory_that_ends_with_its_context_is_given_back() {
    let container = Container::half();
    let words = format!("{START} alloc/0=2097152 alloc/1=2097152 release wait");
    assert_eq!(container.while_waiting(&words, || container.charged()), 0);
}

#[test]
fn a_context_that_does_not_fit_is_out_of_memory() {
    let container = Container::empty();
    container.allot(1, &[(card(1), Mib(CONTEXT.0 - 1))]);
    let outcome = container.client("dlsym init retain create/1=0");
    outcome.assert_lived();
    assert_eq!((outcome.of("retain"), outcome.of("create/1=0")), ("2", "2"));
    assert_eq!(container.charged(), 0);
}

#[test]
fn memory_is_charged_where_it_lives() {
    let container = Container::empty();
    container.allot(1, &[(card(1), HALF)]);
    container.allot(2, &[(card(2), Mib(1000))]);
    let (fits, is_too_much) = (mib(744), mib(2));
    let words = format!("proc2 init retain/1 current/1 alloc/0={fits} alloc/1={is_too_much} info");
    let outcome = container.client(&words);
    outcome.assert_lived();
    assert_eq!(outcome.of(&format!("alloc/0={fits}")), "0", "744 MiB and a context fit 1000");
    assert_eq!(outcome.of(&format!("alloc/1={is_too_much}")), "2");
    assert_eq!(outcome.of("info"), format!("0 free {} total {}", mib(1), mib(1000)));
    assert_eq!(container.charged(), 0, "the other card was charged");
}

#[test]
fn one_allotment_may_hold_several_cards() {
    let container = Container::empty();
    container.allot(1, &[(card(2), Mib(1000)), (card(1), Mib(2000))]);
    let outcome = container.client("proc2 init total/0 total/1");
    assert_eq!(outcome.of("total/0"), format!("0 total {}", mib(2000)));
    assert_eq!(outcome.of("total/1"), format!("0 total {}", mib(1000)));
}

#[test]
fn a_card_that_was_not_allotted_is_like_a_full_one_and_said_once() {
    let words = "proc2 init retain/1 retain/1 current/1 alloc/0=1 total/1 create/2=1";
    let outcome = Container::half().client(words);
    outcome.assert_lived();
    assert_eq!(outcome.of("retain/1"), "2");
    assert_eq!(outcome.of("create/2=1"), "2");
    assert_eq!(outcome.of("total/1"), format!("0 total {}", mib(32510)));
    assert_eq!(outcome.stderr.matches("not allotted").count(), 1, "{outcome:?}");
}

#[test]
fn errno_stays_as_it_was() {
    let words =
        format!("{START} alloc/0=2097152 info free/0 alloc/1=99999999999 nvml look=cuda:cuInit");
    let outcome = Container::half().client(&words);
    outcome.assert_lived();
    assert!(outcome.lines.iter().all(|line| !line.contains("errno-changed")), "{outcome:?}");
}

#[test]
fn the_first_forms_of_32_bits_are_charged_refused_and_told_the_share() {
    let container = Container::empty();
    let share = Mib(2999);
    container.allot(1, &[(card(1), share)]);
    let page = Mib(2).bytes();
    let left = share.bytes() - CONTEXT.bytes();
    // The first address of the stand-in driver has no low bits.
    let words = format!(
        "proc2 init retain current alloc/9={page} v1-total v1-alloc/0={page} v1-info/1 v1-pitch/1={page} v1-info/2 \
         v1-free/0 v1-free/1 v1-info/3 alloc/2={} v1-alloc/3={page} v1-pitch/3={page}",
        left - page
    );
    let outcome = container.client(&words);
    outcome.assert_lived();
    assert_eq!(outcome.of("v1-total"), format!("0 {} 7", share.bytes()));
    for (word, held) in [("v1-info/1", 2), ("v1-info/2", 3), ("v1-info/3", 1)] {
        let free = left - held * page;
        assert_eq!(outcome.of(word), format!("0 {free} {}", share.bytes()), "{word}");
    }
    for word in ["v1-alloc/3", "v1-pitch/3"] {
        assert_eq!(outcome.of(&format!("{word}={page}")), "2", "{outcome:?}");
    }
}
