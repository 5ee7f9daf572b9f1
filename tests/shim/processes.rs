//! Several processes, and processes that end or fork at bad moments.

use std::path::Path;

use contract::Mib;

use crate::container::{CONTEXT, Container, HALF, built, card, compile};
use crate::talk::Talk;

const START: &str = "proc2 init retain current";

#[test]
fn processes_of_a_container_share_its_limit() {
    let container = Container::half();
    let but_one = HALF.bytes() - 2 * CONTEXT.bytes() - Mib(3).bytes();
    let words = format!("{START} alloc/0={but_one} wait");
    let next = || container.client(&format!("{START} alloc/0=2097153 alloc/1=2097152"));
    let other = container.while_waiting(&words, next);
    assert_eq!(other.of("retain"), "0");
    assert_eq!(other.of("alloc/0=2097153"), "2");
    assert_eq!(other.of("alloc/1=2097152"), "0");
}

#[test]
fn before_main_and_after_exit_handlers_began_memory_is_charged_refused_and_given_back() {
    let program = built().folder.path().join("early");
    compile("early.c", &program, &["-ldl"]);
    let container = Container::half();
    let outcome = container.run(&program, "");
    let lines = ["before 0 2 0", "main 0 2 0", "exit 0 2 0", "behind 0 2 0"];
    assert_eq!((outcome.lines, outcome.code), (lines.map(str::to_owned).to_vec(), Some(7)));
    assert_eq!(container.held(), 0);
}

#[test]
fn what_a_process_has_of_its_own_is_as_it_was_after_its_first_use() {
    let program = built().folder.path().join("untouched");
    compile("untouched.c", &program, &["-ldl", "-lpthread"]);
    let outcome = Container::half().run(&program, "");
    assert_eq!((outcome.lines, outcome.code), (vec!["begin".into(), "2 0".into()], Some(5)));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn processes_of_several_pid_namespaces_share_the_limit_though_they_have_the_same_pid() {
    let (container, unshare) = (Container::half(), Path::new("/usr/bin/unshare"));
    // Whole pages, so that less than one is left beside two contexts.
    let room = HALF.bytes() - 2 * CONTEXT.bytes() - Mib(1).bytes();
    let inside = |words: &str| {
        format!("--pid --fork --kill-child {} {START} {words}", built().client.display())
    };
    let ((other, slots), _) =
        container.around(unshare, &inside(&format!("alloc/0={room} wait")), || {
            (container.run(unshare, &inside("alloc/0=1")), container.slots())
        });
    assert_eq!((other.of("retain"), other.of("alloc/0=1")), ("0", "2"));
    assert_eq!(slots, 1);
    let next = container.run(unshare, &inside(&format!("alloc/0={room}")));
    assert_eq!(next.of(&format!("alloc/0={room}")), "0");
}

#[test]
fn what_a_killed_process_held_can_be_allocated() {
    let container = Container::half();
    let room = HALF.bytes() - CONTEXT.bytes();
    let killed = container.client(&format!("{START} alloc/0={room} die"));
    assert_eq!(killed.code, None);
    let next = container.client(&format!("{START} alloc/0={room}"));
    assert_eq!(next.of(&format!("alloc/0={room}")), "0");
}

#[test]
fn a_forked_child_gives_back_nothing_of_its_parents() {
    let container = Container::half();
    let held = Mib(2).bytes() + CONTEXT.bytes();
    let seen = container
        .while_waiting(&format!("{START} alloc/0=2097152 fork=free/0 wait"), || {
            container.charged()
        });
    assert_eq!(seen, held);
}

#[test]
fn a_forked_child_asks_nvml_like_anybody() {
    let container = Container::half();
    let words = format!("{START} alloc/0=2097152 fork=nvml2");
    let outcome = container.client(&words);
    let used = CONTEXT.bytes() + Mib(2).bytes();
    assert!(outcome.of("nvml2").ends_with(&format!("used {used}")), "{outcome:?}");
}

#[test]
fn a_program_that_becomes_another_holds_nothing_more_of_what_it_took() {
    let container = Container::half();
    let room = HALF.bytes() - CONTEXT.bytes();
    let words = format!("{START} alloc/0={room} exec {START} alloc/1={room} wait");
    let seen = container.while_waiting(&words, || (container.held(), container.slots()));
    assert_eq!(seen, (HALF.bytes(), 1));
    let outcome = container.client(&words.replace(" wait", " alloc/2=1"));
    assert_eq!((outcome.of(&format!("alloc/1={room}")), outcome.of("alloc/2=1")), ("0", "2"));
}

#[test]
fn a_daemon_that_closed_every_descriptor_keeps_what_it_holds_and_is_held_to_the_limit() {
    let container = Container::half();
    let most = HALF.bytes() - 2 * CONTEXT.bytes() - Mib(4).bytes();
    // The other has ended by then and given its context back: a page less than that is left.
    let [more, page, too_much] = [4, 2, CONTEXT.0 + 1].map(|mib| Mib(mib).bytes());
    let words = format!(
        "{START} alloc/0={most} close-all wait alloc/1={more} alloc/2={too_much} alloc/3={page} free/0 info"
    );
    let other =
        || (container.client(&format!("{START} alloc/0={}", more + page)).lines, container.slots());
    let ((other, slots), after) = container.around_waiting(&words, other);
    assert_eq!((other[3].as_str(), slots), (&*format!("alloc/0={} 2", more + page), 1));
    let free = HALF.bytes() - CONTEXT.bytes() - more - page;
    let said = [
        format!("alloc/1={more} 0"),
        format!("alloc/2={too_much} 2"),
        format!("alloc/3={page} 0"),
        "free/0 0".to_owned(),
        format!("info 0 free {free} total {}", HALF.bytes()),
        "end".to_owned(),
    ];
    assert_eq!(after, said);
}

#[test]
fn who_can_open_nothing_more_is_held_to_the_limit_and_sees_the_dead_when_it_can() {
    let container = Container::half();
    let [own, dead] = [2, 4].map(|mib| Mib(mib).bytes());
    let room = HALF.bytes() - CONTEXT.bytes() - own - Mib(1).bytes();
    let words = format!(
        "{START} alloc/0={own} no-descriptors wait alloc/1={room} free/0 alloc/0={own} descriptors alloc/2={room} \
         alloc/3={own}"
    );
    let die = || container.client(&format!("{START} alloc/0={dead} die")).code;
    let (code, after) = container.around_waiting(&words, die);
    assert_eq!(code, None);
    let said = [
        format!("alloc/1={room} 2"),
        "free/0 0".to_owned(),
        format!("alloc/0={own} 0"),
        "descriptors 0".to_owned(),
        format!("alloc/2={room} 0"),
        format!("alloc/3={own} 2"),
        "end".to_owned(),
    ];
    assert_eq!(after, said);
}

#[test]
fn a_thousand_processes_share_the_limit_and_the_one_too_many_is_out_of_memory_until_one_ends() {
    // Contexts of nothing, because of others not so many fit.
    let container = Container::empty();
    container.allot_with(1, &[(card(1), HALF)], Mib(0));
    let page = Mib(2).bytes();
    let words = format!("{START} alloc/0={page} children/1023={page} wait child-ends wait");
    let mut first = Talk::with(&container, &built().client, &words);
    assert_eq!(first.says("children/1023=2097152"), "1023");
    assert_eq!((container.slots(), container.held()), (1024, 1024 * page));
    let one_more = format!("{START} alloc/0={page} info");
    assert_eq!(container.client(&one_more).of(&format!("alloc/0={page}")), "2");
    first.goes_on();
    assert_eq!(first.says("child-ends"), "0");
    let next = container.client(&one_more);
    assert_eq!(next.of(&format!("alloc/0={page}")), "0");
    let free = HALF.bytes() - 1024 * page;
    assert_eq!(next.of("info"), format!("0 free {free} total {}", HALF.bytes()));
    first.goes_on();
    first.ends();
}

#[test]
fn a_call_that_is_cancelled_in_the_driver_ends_its_thread_alone() {
    let container = Container::half().env("STANDIN_SLEEPS", "1");
    let outcome = container.client(&format!("{START} cancel info"));
    outcome.assert_lived();
    assert_eq!(outcome.of("cancel"), "cancelled");
    let free = HALF.bytes() - CONTEXT.bytes() - Mib(2).bytes();
    assert_eq!(outcome.of("info"), format!("0 free {free} total {}", HALF.bytes()));
}

#[test]
fn a_process_that_ends_leaves_nothing_behind() {
    let container = Container::half();
    container.client(&format!("{START} alloc/0=2097152")).assert_lived();
    assert_eq!(container.held(), 0);
}

#[test]
fn threads_that_begin_together_share_one_slot_and_give_all_back() {
    let container = Container::half();
    let words = "proc2 threads=32 retain current info wait";
    let (held, slots) = container.while_waiting(words, || (container.held(), container.slots()));
    assert_eq!((held, slots), (CONTEXT.bytes(), 1));
}
