//! A share of nothing, as its limit may become while a process holds some of it: everything is refused, what is held is
//! given back, and nowhere is a total of 0 shown, because somebody would divide by it.

use contract::Mib;

use crate::container::card;
use crate::graph_stage::{self, World};
use crate::stage::{client, half};

/// Each way to take memory.
const TAKES: [&str; 18] = [
    "alloc=0,1",
    "managed=0,2",
    "pitch=0,1",
    "create=0,2",
    "create-at=0,2,6",
    "create-at=0,2,77",
    "create-tiles=0,2",
    "create-shared=0,2",
    "lend=0,1",
    "lend-ptsz=0,1",
    "lend-of=0,1,9",
    "cuArrayCreate_v2=0,1024,1024",
    "cuArray3DCreate_v2=0,1024,1024,4",
    "cuMipmappedArrayCreate=0,1024,1024,0,1,0,3",
    "import=0,8",
    "limit=2,64",
    "limit=1,64",
    "context=0",
];

#[test]
fn a_share_of_nothing_refuses_everything_and_shows_the_size_of_the_card() {
    let container = half();
    let words = format!("start alloc=8,4 pool=9,0 wait {} shown free=8 shown", TAKES.join(" "));
    let lower = || container.limit(card(1), Mib(0));
    let ((), lines) = container.around(client(), &words, lower);
    let refused = TAKES.map(|take| format!("{take} 2"));
    assert_eq!(lines[..TAKES.len()], refused);
    // The stand-in's card has 32510 MiB; forms of 32 bits say 4096 where it is more.
    let shown = "shown 0 32510 32510 0 4096 4096";
    assert_eq!(lines[TAKES.len()..], [shown, "free=8 0", shown, "end"]);
    assert_eq!(container.held(), 0, "the process has ended");
}

#[test]
fn a_share_of_nothing_has_no_room_for_a_context() {
    let container = half();
    container.limit(card(1), Mib(0));
    let outcome = container.run(client(), "start primary context=0 cuVDPAUCtxCreate=1 shown");
    for word in ["start", "primary", "context=0", "cuVDPAUCtxCreate=1"] {
        assert_eq!(outcome.of(word), "2", "{outcome:?}");
    }
    assert!(outcome.of("shown").ends_with(" 32510 0 0 4096"), "{outcome:?}");
}

#[test]
fn a_share_of_nothing_launches_no_graph_that_allocates() {
    let world = World::new();
    let words = "start graph=0 take=0,0,2 give=0,0 make=0,0 wait launch=0 upload=0 graph=1 take=1,1,2 make-with=1,1,2 reserved";
    let lower = || world.lower(Mib(0));
    let ((), lines) = world.container.around(graph_stage::client(), words, lower);
    assert_eq!(lines[..2], ["launch=0 2", "upload=0 2"]);
    assert_eq!(lines[4..6], ["make-with=1,1,2 2", "reserved 0"]);
}
