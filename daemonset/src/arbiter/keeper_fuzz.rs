//! Looks at ledgers that their containers scribble over, cut and grow: whatever one writes, the thread goes
//! on, and a neighbour that has used nothing may go on too.

use super::*;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

/// What a container does to its ledger.
#[derive(Clone, Debug)]
enum Deed {
    /// Writes a word: in the head and the totals, or anywhere.
    Word(u64, u64),
    /// Writes an entry of its ring that is whole.
    Claim(u64, u64),
    /// Cuts or grows the file.
    Size(u64),
    /// Makes it as long as it was.
    Mend,
    /// Nothing; the next look comes later.
    Wait,
}

fn deed() -> impl Strategy<Value = Deed> {
    let edges = prop::sample::select(vec![0, 1, 1 << 32, 1 << 48, i64::MAX as u64, u64::MAX]);
    let word = || prop_oneof![edges.clone(), any::<u64>(), any::<u32>().prop_map(u64::from)];
    let place = prop_oneof![4 => 0..640_u64, 1 => any::<u64>()];
    let near = || (0..200_000_000_u64).prop_map(|ago_ns| clock::own_ns() - ago_ns);
    let time = || prop_oneof![word(), near(), near()];
    prop_oneof![
        6 => (place, word()).prop_map(|(at, word)| Deed::Word(at, word)),
        4 => (time(), time()).prop_map(|(start_ns, end_ns)| Deed::Claim(start_ns, end_ns)),
        1 => prop::sample::select(vec![0, 100, 4096, 1 << 30]).prop_map(Deed::Size),
        2 => Just(Deed::Mend),
        1 => Just(Deed::Wait),
    ]
}

/// A container that may do anything, and its ledger as it was made.
struct Hostile {
    container: Container,
    file: File,
    bytes: u64,
}

impl Hostile {
    fn make(root: &Path, id: u64) -> Self {
        let container = Container::make(root, id, 33);
        let ledger = root.join(id.to_string()).join("ledger");
        let file = OpenOptions::new().write(true).open(ledger).unwrap();
        let bytes = file.metadata().unwrap().len();
        Self { container, file, bytes }
    }

    fn does(&self, deed: &Deed) {
        let is_whole = || self.file.metadata().unwrap().len() >= self.bytes;
        match *deed {
            Deed::Word(at, word) if is_whole() => {
                self.file.write_all_at(&word.to_ne_bytes(), at % (self.bytes / 8) * 8).unwrap();
            }
            // Of a file that it has cut it would die.
            Deed::Claim(start_ns, end_ns) if is_whole() => {
                let Container { allotment, device } = &self.container;
                allotment.publish(*device, Engine::Compute, start_ns, end_ns);
            }
            Deed::Word(..) | Deed::Claim(..) => {}
            Deed::Size(bytes) => self.file.set_len(bytes).unwrap(),
            Deed::Mend => self.file.set_len(self.bytes).unwrap(),
            Deed::Wait => sleep(Duration::from_micros(300)),
        }
    }
}

proptest! {
    #[test]
    fn whatever_containers_write_one_that_has_used_nothing_may_go_on(
        deeds in prop::collection::vec((0..2_usize, deed()), 1..120),
    ) {
        let root = tempfile::tempdir().unwrap();
        let honest = Container::make(root.path(), 1, 33);
        let hostile = [2, 3].map(|id| Hostile::make(root.path(), id));
        let seat = Seat::new(Arc::default(), DeviceUuid::gpu(GPU));
        let mut keeper = Keeper::new(DeviceUuid::gpu(GPU), seat, Duration::MAX);
        keeper.shares = [1, 2, 3].map(|id| share(root.path(), id)).into();
        keeper.look_after();
        prop_assert!(honest.allotment.wait_begins(honest.device));
        for (turn, (whose, deed)) in deeds.iter().enumerate() {
            hostile[*whose].does(deed);
            if turn % 16 == 15 {
                keeper.look_after();
            }
            let next = keeper.look();
            prop_assert!(next <= BEAT, "{turn}: {next:?}");
            let left_ns = honest.allotment.credit(honest.device).left_ns;
            prop_assert!(left_ns > 0, "{turn}: {left_ns}");
        }
    }
}
