//! NVML's memory queries state the share, in both their forms.

use contract::Mib;

use crate::container::{CONTEXT, Container, HALF, card};

#[test]
fn the_share_is_the_card() {
    let outcome = Container::half().client("none nvml nvml2");
    outcome.assert_lived();
    let bytes = HALF.bytes();
    assert_eq!(outcome.of("nvml"), format!("0 total {bytes} free {bytes} used 0"));
    let second = format!("0 version 2000028 total {bytes} reserved 0 free {bytes} used 0");
    assert_eq!(outcome.of("nvml2"), second);
}

#[test]
fn what_another_process_of_the_container_holds_is_used() {
    let container = Container::half();
    let words = "proc2 init retain current alloc/0=2097152 wait";
    let outcome = container.while_waiting(words, || container.client("none nvml"));
    let (total, used) = (HALF.bytes(), CONTEXT.bytes() + Mib(2).bytes());
    assert_eq!(outcome.of("nvml"), format!("0 total {total} free {} used {used}", total - used));
}

#[test]
fn what_a_killed_process_held_is_free() {
    let container = Container::half();
    let words = "proc2 init retain current alloc/0=2097152 die";
    assert_eq!(container.client(words).code, None);
    assert!(container.charged() > 0);
    let total = HALF.bytes();
    let outcome = container.client("none nvml");
    assert_eq!(outcome.of("nvml"), format!("0 total {total} free {total} used 0"));
}

#[test]
fn a_card_that_was_not_allotted_has_nothing_free() {
    let outcome = Container::half().client("none nvml/1 nvml2/1");
    let all = Mib(32768).bytes();
    assert_eq!(outcome.of("nvml"), format!("0 total {all} free 0 used {all}"));
}

#[test]
fn a_share_of_nothing_is_shown_as_a_full_card() {
    let container = Container::half();
    let lower = || {
        container.limit(card(1), Mib(0));
        container.client("none nvml nvml2 nvml-protected")
    };
    // Whether anybody holds some of it or not.
    for words in ["proc2 init retain current alloc/0=2097152 wait", "proc2 init wait"] {
        let outcome = container.while_waiting(words, lower);
        let all = Mib(32768).bytes();
        let full = format!("total {all} free 0 used {all}");
        assert_eq!(outcome.of("nvml"), format!("0 {full}"), "{words}");
        assert_eq!(outcome.of("nvml-protected"), format!("0 {full}"), "{words}");
        let second = format!("0 version 2000028 total {all} reserved 0 free 0 used {all}");
        assert_eq!(outcome.of("nvml2"), second, "{words}");
        container.limit(card(1), HALF);
    }
}

#[test]
fn protected_memory_is_the_shares_where_there_is_any() {
    let (container, total) = (Container::half(), HALF.bytes());
    let words = "proc2 init retain current alloc/0=2097152 nvml-protected nvml-protected/1";
    let used = CONTEXT.bytes() + Mib(2).bytes();
    let outcome = container.client(words);
    let said = outcome.lines.iter().filter_map(|line| line.strip_prefix("nvml-protected "));
    let share = format!("0 total {total} free {} used {used}", total - used);
    assert_eq!(said.collect::<Vec<_>>(), [&*share, "0 total 0 free 0 used 0"]);
    let nowhere = Container::half().nowhere().client("none nvml-protected");
    assert!(nowhere.of("nvml-protected").starts_with("4 "), "{nowhere:?}");
}

#[test]
fn the_librarys_own_errors_stay() {
    let outcome = Container::half().client("none nvml-null nvml-wrong");
    outcome.assert_lived();
    assert_eq!(outcome.of("nvml-null"), "2 2 2 2");
    assert!(outcome.of("nvml-wrong").starts_with("25 version 1 total 7"), "{outcome:?}");
    let broken = Container::half().env("STANDIN_BROKEN", "1").client("none nvml nvml2");
    assert!(broken.of("nvml").starts_with("999 total 7"), "{broken:?}");
    assert!(broken.of("nvml2").starts_with("999 version 2000028 total 7"), "{broken:?}");
}

#[test]
fn a_library_that_was_unloaded_and_loaded_elsewhere_is_found_again() {
    let outcome = Container::half().client("none nvml nvml-reload nvml2");
    outcome.assert_lived();
    assert_eq!(outcome.of("nvml-reload"), "gone");
    assert!(outcome.of("nvml2").contains(&format!("total {}", HALF.bytes())), "{outcome:?}");
}
