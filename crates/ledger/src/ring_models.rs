//! The ring of intervals under every order of its steps: writers that meet in one entry, a reader that
//! looks at any moment, and a writer that dies before any of its stores.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32 as Plain, Ordering::SeqCst};

use loom::sync::Arc;
use loom::thread;

use crate::intervals::{self, Ring};
use crate::sync::{AtomicU64, Ordering};

/// A ring of one entry: every two writers meet.
struct One {
    cursor: AtomicU64,
    words: [AtomicU64; 4],
}

/// A writer that dies before step `dies_at`, if it gets there.
struct Writer {
    ring: Arc<One>,
    steps: Plain,
    dies_at: u32,
}

struct Killed;

impl Writer {
    fn step(&self) {
        if self.steps.fetch_add(1, SeqCst) == self.dies_at {
            resume_unwind(std::boxed::Box::new(Killed));
        }
    }

    fn publish(&self, name: u64) {
        let lived = catch_unwind(AssertUnwindSafe(|| intervals::publish(self, words(name))));
        if let Err(cause) = lived
            && !cause.is::<Killed>()
        {
            resume_unwind(cause);
        }
    }
}

impl Ring for Writer {
    fn cursor(&self) -> &AtomicU64 {
        self.step();
        &self.ring.cursor
    }

    fn entry(&self, _: u64) -> [&AtomicU64; 4] {
        self.step();
        self.ring.words.each_ref()
    }
}

fn words(name: u64) -> [u64; 3] {
    [10 * name, 10 * name + 5, name]
}

#[test]
fn what_a_reader_believes_was_written_whole_by_one_writer() {
    for dies_at in [u32::MAX, 0, 1] {
        loom::model(move || {
            let words_of = || [(); 4].map(|()| AtomicU64::new(0));
            let ring = Arc::new(One { cursor: AtomicU64::new(0), words: words_of() });
            let writer = |dies_at| Writer { ring: ring.clone(), steps: Plain::new(0), dies_at };
            let (first, second) = (writer(u32::MAX), writer(dies_at));
            let one = thread::spawn(move || first.publish(1));
            let other = thread::spawn(move || second.publish(2));
            let begun = ring.cursor.load(Ordering::Relaxed);
            let seen = ring.words.each_ref().map(|word| word.load(Ordering::Relaxed));
            for number in 0..begun {
                let believed = intervals::checked(number, seen);
                assert!(believed.is_none_or(|found| found == words(found[2])));
            }
            one.join().unwrap();
            other.join().unwrap();
        });
    }
}
