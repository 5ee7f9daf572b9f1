//! The table against a model, against threads, and under every order of its steps.

use std::vec::Vec;

use super::marks::WORDS;
use super::*;
use crate::abi::Kind;
#[cfg(not(loom))]
use crate::abi::MAX_BYTES;

/// So many buckets, the marks of all, and how often a bucket was asked for.
struct Row {
    buckets: Vec<Bucket>,
    marks: Vec<AtomicU64>,
    asked: core::sync::atomic::AtomicUsize,
}

impl Buckets for Row {
    fn bucket(&self, index: usize) -> Option<&Bucket> {
        self.asked.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        self.buckets.get(index)
    }

    fn mark(&self, tag: u8, word: usize) -> Option<&AtomicU64> {
        self.marks.get(usize::from(tag) * WORDS + word)
    }
}

fn table(buckets: usize) -> Table<Row> {
    let words = || std::array::from_fn(|_| AtomicU64::new(FREE));
    let bucket = |_| Bucket { keys: words(), values: words() };
    let marks = (0..TAGS * WORDS).map(|_| AtomicU64::new(0)).collect();
    let asked = core::sync::atomic::AtomicUsize::new(0);
    Table::new(Row { buckets: (0..buckets).map(bucket).collect(), marks, asked })
}

fn linear(bytes: u64) -> Charged {
    Charged::new(bytes, 3, Kind::Linear, 5)
}

#[cfg(loom)]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A pointer that is freed by two threads at once is forgotten once.
    #[test]
    fn of_two_that_free_one_pointer_one_gets_it() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            table.insert(0x100, linear(1)).unwrap();
            let other = table.clone();
            let thread = thread::spawn(move || other.remove(0x100).is_some());
            let mine = table.remove(0x100).is_some();
            assert!(mine ^ thread.join().unwrap());
        });
    }

    #[test]
    fn an_address_that_the_driver_gives_out_again_at_once_keeps_its_new_charge() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            table.insert(0x100, linear(1)).unwrap();
            let other = table.clone();
            // The free and, in the driver, the next allocation of the same address.
            let thread = thread::spawn(move || {
                assert_eq!(other.remove(0x100), Some(linear(1)));
                assert_eq!(other.insert(0x100, linear(2)), Ok(None));
            });
            assert_eq!(table.insert(0x200, linear(3)), Ok(None));
            thread.join().unwrap();
            assert_eq!(table.remove(0x100), Some(linear(2)));
            assert_eq!(table.remove(0x200), Some(linear(3)));
        });
    }

    /// A look takes nothing out, so that a free meanwhile would find nothing.
    #[test]
    fn a_pointer_that_is_looked_at_is_there_for_a_free() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            table.insert(0x100, linear(1)).unwrap();
            let other = table.clone();
            let thread = thread::spawn(move || other.find(0x100));
            assert_eq!(table.remove(0x100), Some(linear(1)));
            let found = thread.join().unwrap();
            assert!(found.is_none() || found == Some(linear(1)));
            assert_eq!(table.remove(0x100), None);
        });
    }

    /// A place that goes from pointer to pointer is read as one of them.
    #[test]
    fn what_is_found_is_what_was_charged_for_that_pointer() {
        loom::model(|| {
            let table = Arc::new(table(1));
            table.insert(0x100, linear(1)).unwrap();
            let other = table.clone();
            let thread = thread::spawn(move || other.find(0x100));
            for (pointer, bytes) in [(0x200, 2), (0x100, 3)] {
                table.remove(if bytes == 2 { 0x100 } else { 0x200 });
                table.insert(pointer, linear(bytes)).unwrap();
            }
            let found = thread.join().unwrap();
            assert!([None, Some(linear(1)), Some(linear(3))].contains(&found), "{found:?}");
        });
    }

    /// Each charge is answered to somebody once, or lies in the table.
    #[test]
    fn a_name_that_two_insert_at_once_lies_there_once() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            let other = table.clone();
            let thread = thread::spawn(move || other.insert_shared(0x100, linear(1)).unwrap());
            let mine = table.insert_shared(0x100, linear(2)).unwrap();
            let theirs = thread.join().unwrap();
            let lies = table.remove(0x100);
            assert_eq!(table.remove(0x100), None, "it lies there twice");
            let all = [mine, theirs, lies].map(|one| one.map_or(0, Charged::bytes));
            assert_eq!(all.iter().sum::<u64>(), 3, "{all:?}");
        });
    }

    #[test]
    fn a_name_that_is_forgotten_while_two_insert_it_is_answered_once() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            let (first, second) = (table.clone(), table.clone());
            let first = thread::spawn(move || first.insert_shared(0x100, linear(1)).unwrap());
            let second = thread::spawn(move || second.remove(0x100));
            let mine = table.insert_shared(0x100, linear(2)).unwrap();
            let others = [first.join().unwrap(), second.join().unwrap()];
            let all = [mine, others[0], others[1], table.remove(0x100)];
            assert_eq!(table.remove(0x100), None, "it lies there twice");
            let bytes = all.map(|one| one.map_or(0, Charged::bytes));
            assert_eq!(bytes.iter().sum::<u64>(), 3, "{bytes:?}");
        });
    }

    /// Two find a bucket that nobody has marked, and one of them another's mark half made.
    #[test]
    fn what_two_insert_at_once_ends_with_its_context() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            // The first level is full: what comes now is marked.
            table.insert(0x300, Charged::new(1, 3, Kind::Linear, 2)).unwrap();
            let other = table.clone();
            let thread = thread::spawn(move || other.insert(0x200, linear(2)).unwrap());
            table.insert(0x100, linear(1)).unwrap();
            thread.join().unwrap();
            let mut ended = 0;
            table.remove_all(5, &mut |_, charged| ended += charged.bytes());
            assert_eq!(ended, 3);
        });
    }

    /// A thread that is late, in a context that another ends, leaves no mark that hides what comes later.
    #[test]
    fn the_next_of_a_number_finds_all_its_own_whoever_was_late_for_the_last() {
        loom::model(|| {
            let table = Arc::new(table(BUCKETS));
            // The first level is full, and the second in use: what comes now is marked there, and looked for.
            for other in [0x300, 0x400] {
                table.insert(other, Charged::new(1, 3, Kind::Linear, 2)).unwrap();
            }
            let other = table.clone();
            let thread = thread::spawn(move || other.insert(0x200, linear(2)).unwrap());
            table.remove_all(5, &mut |_, _| ());
            thread.join().unwrap();
            table.remove(0x200);
            table.insert(0x200, linear(4)).unwrap();
            let mut ended = 0;
            table.remove_all(5, &mut |_, charged| ended += charged.bytes());
            assert_eq!(ended, 4);
        });
    }

    #[test]
    fn two_that_insert_into_the_last_place_do_not_share_it() {
        loom::model(|| {
            let table = Arc::new(table(1));
            let other = table.clone();
            let thread = thread::spawn(move || other.insert(0x200, linear(2)).is_ok());
            let mine = table.insert(0x100, linear(1)).is_ok();
            assert!(mine ^ thread.join().unwrap());
            assert!(table.remove(0x100).is_some() ^ table.remove(0x200).is_some());
        });
    }
}

#[cfg(not(loom))]
mod whole {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::thread;

    /// A device address: 512-byte steps inside 2 MiB blocks, as drivers give them out.
    fn address(index: u64) -> u64 {
        0x7f00_0000_0000 + index * 512
    }

    proptest! {
        #[test]
        fn it_answers_as_a_map_does(steps in prop::collection::vec((0u64..64, any::<bool>(), 1..1u64 << 48), 1..400)) {
            let (table, mut model) = (Pointers::new().unwrap(), HashMap::new());
            for (index, insert, bytes) in steps {
                let pointer = address(index);
                if insert {
                    prop_assert_eq!(table.insert(pointer, linear(bytes)), Ok(model.insert(pointer, linear(bytes))));
                } else {
                    prop_assert_eq!(table.remove(pointer), model.remove(&pointer));
                }
            }
            let mut left = HashMap::new();
            table.remove_all(5, &mut |pointer, charged| {
                left.insert(pointer, charged);
            });
            prop_assert_eq!(left, model);
        }

        #[test]
        fn a_charge_survives_its_place(bytes in 0..=MAX_BYTES, device: u8, kind in 0u32..12, tag in 0u8..16) {
            let kind = Kind::from_raw(kind).unwrap();
            let charged = Charged::new(bytes, device, kind, tag);
            let parts = (charged.bytes(), charged.device(), charged.kind(), charged.tag());
            prop_assert_eq!(parts, (bytes, device, kind, tag));
        }
    }

    #[test]
    fn what_is_full_says_so_and_keeps_what_it_has() {
        let first = level_start(1);
        let table = table(first);
        let full = (1..).map(address).take_while(|&at| table.insert(at, linear(at)) == Ok(None));
        let kept: Vec<u64> = full.collect();
        assert!((first / 4..=first * BUCKET).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().all(|&at| table.remove(at).is_some()));
        assert_eq!(table.insert(0, linear(1)), Err(Full));
        assert_eq!(table.insert(1, linear(1)), Err(Full));
    }

    #[test]
    fn two_hundred_thousand_allocations_fit() {
        let table = Pointers::new().unwrap();
        for index in 0..200_000 {
            assert_eq!(table.insert(address(index), linear(index)), Ok(None), "{index}");
        }
        for index in 0..200_000 {
            assert_eq!(table.remove(address(index)), Some(linear(index)));
        }
        assert_eq!(table.remove(address(5)), None);
    }

    #[test]
    fn churn_leaves_nothing_behind() {
        let table = Pointers::new().unwrap();
        for index in 0..300_000 {
            assert_eq!(table.insert(address(index), linear(1)), Ok(None));
            assert_eq!(table.remove(address(index)), Some(linear(1)));
        }
        // Nothing ever reached beyond the first level.
        assert_eq!(table.deepest(), 0);
    }

    #[test]
    fn the_end_of_a_context_forgets_its_pointers_alone() {
        let table = Pointers::new().unwrap();
        for index in 1..=100 {
            let tag = (index % 2) as u8;
            table.insert(address(index), Charged::new(index, 3, Kind::Linear, tag)).unwrap();
        }
        let mut sum = 0;
        table.remove_all(1, &mut |_, charged| sum += charged.bytes());
        assert_eq!(sum, 2500);
        assert_eq!(table.remove(address(1)), None);
        assert_eq!(table.remove(address(2)).unwrap().bytes(), 2);
    }

    #[test]
    fn the_end_of_a_context_looks_at_what_it_had_itself_and_at_nothing_else() {
        const OWN: usize = 10;
        let table = table(level_start(3));
        let asked = || table.buckets.asked.load(core::sync::atomic::Ordering::Relaxed);
        let of = |tag| Charged::new(512, 3, Kind::Linear, tag);
        for index in 0..20_000 {
            table.insert(address(index), of(2)).unwrap();
        }
        // A number is given to one context after another.
        for round in 0..3 {
            for index in 0..OWN as u64 {
                table.insert(address(30_000 + 100 * round + index), of(3)).unwrap();
            }
            let (before, mut ended) = (asked(), 0);
            table.remove_all(3, &mut |_, _| ended += 1);
            assert_eq!(ended, OWN);
            let looked = asked() - before;
            assert!(looked <= level_start(1) + OWN, "at {looked} buckets");
        }
        assert_eq!(table.find(address(5)), Some(of(2)));
    }

    /// Others' entries of a tag stay to be found.
    #[test]
    fn what_is_not_wanted_is_found_by_its_tag_again() {
        let table = Pointers::new().unwrap();
        for index in 0..5_000u64 {
            table
                .insert(address(index), Charged::new(1, index as u8 % 2, Kind::Linear, 0))
                .unwrap();
        }
        for device in 0..2 {
            let mut ended = 0;
            table.remove_where(0, &|charged| charged.device() == device, &mut |_, _| ended += 1);
            assert_eq!(ended, 2_500);
        }
    }

    #[test]
    fn threads_that_churn_never_lose_or_mix_up_a_charge() {
        let table = Pointers::new().unwrap();
        thread::scope(|scope| {
            for thread in 0..4u64 {
                let table = &table;
                scope.spawn(move || churn(table, thread));
            }
        });
        table.remove_all(5, &mut |pointer, _| panic!("{pointer:#x} was left"));
    }

    /// Inserts and removes in a window that slides over addresses of this thread's own.
    fn churn(table: &Pointers, thread: u64) {
        const WINDOW: u64 = 3000;
        let own = |index| address(index * 4 + thread);
        for index in 0..15_000 {
            assert_eq!(table.insert(own(index), linear(index * 7 + thread)), Ok(None));
            if let Some(old) = index.checked_sub(WINDOW) {
                assert_eq!(table.remove(own(old)), Some(linear(old * 7 + thread)));
            }
        }
        for old in 15_000 - WINDOW..15_000 {
            assert_eq!(table.remove(own(old)), Some(linear(old * 7 + thread)));
        }
    }
}
