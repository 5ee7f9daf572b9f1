//! Memory of one process that another has too: it is counted once while both have it, and where the one that
//! made it lets go of it, or ends, what the agent measures of the other is shown, and paid, until that lets
//! go as well.

use crate::container::Container;
use crate::harness::World;
use crate::measured::{Waiting, measure, near, used};

/// One way to share: what makes 1000 MiB and gives them away, what lets go of them, what has them in another
/// process, and what lets go there.
struct Way {
    makes: &'static str,
    lets_go: &'static str,
    has: &'static str,
    ends: &'static str,
}

const WAYS: [Way; 2] = [
    Way {
        makes: "alloc=6,1000 ipc-get=6",
        lets_go: "cuMemFree_v2=6",
        has: "ipc-open=7",
        ends: "cuIpcCloseMemHandle=7",
    },
    Way {
        makes: "create=6,1000 export=6",
        lets_go: "close cuMemRelease=6",
        has: "import=7",
        ends: "cuMemRelease=7",
    },
];

const CONTEXT: u64 = 308;

/// What the card holds of each process, in MiB.
fn held(world: &World, container: &Container, processes: [&Waiting; 2]) -> [u64; 2] {
    let measured = measure(world, container);
    processes.map(|process| {
        let of = measured.iter().find(|(pid, _)| *pid == process.pid());
        of.map_or(0, |(_, bytes)| bytes >> 20)
    })
}

/// Two processes that have the same memory, and the folder of what the one gave the other.
fn both(world: &World, way: &Way) -> (Container, Waiting, Waiting, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("handle");
    let container = world.half().env("HANDLE", path.to_str().expect("our paths are text"));
    let maker = Waiting::start(&container, way.makes, &format!("{} wait", way.lets_go));
    let after = format!("used wait used alloc=0,14950 {} used wait used", way.ends);
    let other = Waiting::start(&container, way.has, &after);
    (container, maker, other, folder)
}

/// The other process, once the first has let go: the agent measures twice, before and after it does too.
#[track_caller]
fn paid_by(world: &World, container: &Container, mut other: Waiting, contexts: u64, way: &Way) {
    let in_all = contexts * CONTEXT + 1000;
    let said = other.go_on();
    assert!(near(used(&said)[0], in_all << 20), "{}: {said:?}", way.makes);
    assert!(said.contains(&"alloc=0,14950 2".to_owned()), "{}: {said:?}", way.makes);
    let figures = measure(world, container);
    assert!(figures.iter().all(|(_, bytes)| *bytes == CONTEXT << 20), "{figures:?}");
    assert_eq!(used(&other.go_on()), [(contexts * CONTEXT) as f64], "{}", way.makes);
}

#[test]
fn what_two_processes_have_is_counted_once_and_is_the_others_when_its_maker_has_ended() {
    for way in &WAYS {
        let world = World::new();
        let (container, maker, mut other, _folder) = both(&world, way);
        let figures = held(&world, &container, [&maker, &other]);
        assert_eq!(figures, [CONTEXT + 1000, CONTEXT], "{}", way.makes);
        assert_eq!(used(&other.go_on()), [(2 * CONTEXT + 1000) as f64], "{}", way.makes);
        drop(maker);
        // Who asks again at once may be told what it was told before, and agents measure once a second.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let [(pid, bytes)] = measure(&world, &container)[..] else { panic!("one process is left") };
        assert_eq!((pid, bytes >> 20), (other.pid(), CONTEXT + 1000), "{}", way.makes);
        paid_by(&world, &container, other, 1, way);
    }
}

#[test]
fn what_its_maker_has_let_go_of_is_the_others() {
    for way in &WAYS {
        let world = World::new();
        let (container, mut maker, mut other, _folder) = both(&world, way);
        other.go_on();
        maker.go_on();
        // A driver has memory back at its next call, and the simulated one when it is asked.
        let figures = held(&world, &container, [&maker, &other]);
        assert_eq!(figures, [CONTEXT, CONTEXT + 1000], "{}", way.makes);
        paid_by(&world, &container, other, 2, way);
    }
}
