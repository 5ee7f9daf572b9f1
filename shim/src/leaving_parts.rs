//! What is given up in the order of streams and not let go of yet: charges of plain memory, and references to memory
//! that was made apart from addresses. Each is a part of a chain that one word begins. A table of atomics, without a
//! lock: a thread that ends anywhere takes with it what it has in hand, and that stays charged until its process ends.

use crate::held::Left;
use crate::references::Memory;
use crate::region::{Place, Region};
use core::sync::atomic::{AtomicU64, Ordering};

/// Parts that one process can have: of 2 MiB each, more than any machine's cards. What is more stays charged until the
/// process ends.
const MOST: usize = 1 << 20;
/// The bits of a part's number; 0 is none's.
pub(crate) const NUMBER: u64 = MOST as u64 - 1;
/// In the name of a reference. No address is so high.
const REFERENCE: u64 = 1 << 63;

static PARTS: Region<Part, MOST> = Region::new();

/// A part of a chain. The place of number 0 is none's: its next is the first of those that are free again, above it how
/// often that has changed, and its word how many have ever been in use.
struct Part {
    next: AtomicU64,
    name: AtomicU64,
    word: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Part {}

/// What is given up.
#[derive(Clone, Copy)]
pub(crate) enum Given {
    /// What an address was charged.
    Charge(Left),
    /// So many references to a piece of memory.
    References(&'static Memory, u64),
}

impl Given {
    /// The driver has it back.
    pub(crate) fn let_go(self) {
        match self {
            Self::Charge(left) => left.end(),
            Self::References(memory, references) => memory.let_go_of(references),
        }
    }
}

/// Parts that nobody else knows yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chain {
    /// The number of the first; 0: there are none.
    pub(crate) first: u64,
    last: u64,
    /// How many there are.
    pub(crate) count: u64,
}

impl Chain {
    /// One more. Where there is no place it stays charged until the process ends.
    pub(crate) fn add(&mut self, given: Given) {
        let Some((number, part)) = Part::claim() else { return };
        let (name, word) = match given {
            Given::Charge(left) => left.words(),
            Given::References(memory, count) => {
                (core::ptr::from_ref(memory).expose_provenance() as u64 | REFERENCE, count)
            }
        };
        part.name.store(name, Ordering::Relaxed);
        part.word.store(word, Ordering::Relaxed);
        part.next.store(self.first, Ordering::Relaxed);
        self.last = if self.first == 0 { number } else { self.last };
        self.first = number;
        self.count += 1;
    }

    /// The chain that begins with this number, of the caller's own.
    pub(crate) fn of(first: u64) -> Self {
        let mut chain = Self { first, ..Self::default() };
        let mut next = first;
        while let Some((_, part)) = Part::at(next) {
            (chain.last, chain.count) = (next, chain.count + 1);
            next = part.next.load(Ordering::Relaxed);
        }
        chain
    }

    /// The chain that begins with this number comes behind it.
    pub(crate) fn before(self, number: u64) {
        Part::at(self.last).inspect(|(_, part)| part.next.store(number, Ordering::Relaxed));
    }
}

/// Lets go of at most so many parts of a chain of the caller's own: how many it was, and the number of the next.
pub(crate) fn let_go(mut number: u64, most: u64) -> (u64, u64) {
    let mut count = 0;
    while let Some((head, part)) = Part::at(number).filter(|_| count < most) {
        let given = part.given();
        let next = part.next.load(Ordering::Relaxed);
        part.free(head, number);
        given.inspect(|given| given.let_go());
        (number, count) = (next, count + 1);
    }
    (count, number)
}

impl Part {
    /// The part of a number, and the place of number 0.
    fn at(number: u64) -> Option<(&'static Self, &'static Self)> {
        let places = PARTS.known();
        places.first().zip(places.get(number as usize).filter(|_| number > 0))
    }

    /// One that was free, and its number.
    fn claim() -> Option<(u64, &'static Self)> {
        let places = PARTS.places()?;
        let head = places.first()?;
        loop {
            let known = head.next.load(Ordering::Acquire);
            let number = known & NUMBER;
            if number == 0 {
                break;
            }
            let part = places.get(number as usize)?;
            if head.changes(known, part.next.load(Ordering::Relaxed)) {
                return Some((number, part));
            }
        }
        let more = |used: u64| (used < NUMBER).then(|| used + 1);
        let used = head.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some((used + 1, places.get(used as usize + 1)?))
    }

    /// Nobody has it any more.
    fn free(&self, head: &Self, number: u64) {
        loop {
            let known = head.next.load(Ordering::Acquire);
            self.next.store(known & NUMBER, Ordering::Relaxed);
            if head.changes(known, number) {
                return;
            }
        }
    }

    /// Another is the first that is free. The count above it keeps one that was taken and came back from being taken for
    /// one that never left.
    fn changes(&self, known: u64, number: u64) -> bool {
        let to = (known & !NUMBER).wrapping_add(NUMBER + 1) | number;
        self.next.compare_exchange(known, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn given(&self) -> Option<Given> {
        let (name, word) = (self.name.load(Ordering::Relaxed), self.word.load(Ordering::Relaxed));
        if name & REFERENCE == 0 {
            return Some(Given::Charge(Left::of(name, word)));
        }
        let memory = core::ptr::with_exposed_provenance::<Memory>((name & !REFERENCE) as usize);
        // SAFETY: a place of a region, which stays.
        unsafe { memory.as_ref() }.map(|memory| Given::References(memory, word))
    }
}
