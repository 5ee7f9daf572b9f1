//! The state of a card's processors in shared memory: what `slices.rs` reckons with, for all processes.
//!
//! A process may be killed or stopped at any instant, so the state is never changed in place: a writer
//! writes it anew into another place and then makes that the valid one, in one step. A lock keeps writers
//! from working in vain, and readers take none. Everything is an atomic word and every value is checked when it is read: who
//! scribbles here makes the simulation wrong and nothing worse.

use std::sync::atomic::{AtomicU64, Ordering::*, fence};

use crate::lock::TimedLock;
use crate::page::now_ns;
use crate::slices::{Account, OWNERS, Owner, RUNS, Run, Slices};

/// Places for the state. A writer that lost its lock and goes on writes where the state was, and will not
/// be again before so many others have written.
const IMAGES: usize = 4;

/// What an account takes: owner, due, ran, how many runs; then the runs.
const HEAD: usize = 4;
const WORDS: usize = HEAD + 3 * RUNS;

/// Processors in shared memory. All zeros is an idle card that nobody has used.
#[repr(C)]
pub(crate) struct Processors {
    pub(crate) lock: TimedLock,
    /// How often the state was written; by its remainder, where it lies.
    version: AtomicU64,
    images: [Image; IMAGES],
}

#[repr(C)]
struct Image {
    clock_ns: AtomicU64,
    resident: AtomicU64,
    slice_left_ns: AtomicU64,
    switch_left_ns: AtomicU64,
    count: AtomicU64,
    accounts: [[AtomicU64; WORDS]; OWNERS],
}

impl Processors {
    /// The state as it was last written.
    pub(crate) fn read(&self) -> Slices {
        loop {
            let version = self.version.load(Acquire);
            let slices = self.image(version).read();
            fence(Acquire);
            if self.version.load(Relaxed) == version {
                return slices;
            }
        }
    }

    /// Changes the state by `change`, which starts anew where another writer was faster.
    pub(crate) fn update<T>(&self, mut change: impl FnMut(&mut Slices) -> T) -> T {
        loop {
            let answer = self.lock.hold(|| {
                let version = self.version.load(Acquire);
                let mut slices = self.image(version).read();
                let answer = change(&mut slices);
                let next = version.wrapping_add(1);
                self.image(next).write(&slices);
                self.version.compare_exchange(version, next, AcqRel, Relaxed).map(|_| answer)
            });
            if let Ok(answer) = answer {
                return answer;
            }
        }
    }

    /// Whether anything was ever written.
    pub(crate) fn is_used(&self) -> bool {
        self.version.load(Relaxed) != 0
    }

    fn image(&self, version: u64) -> &Image {
        &self.images[version as usize % IMAGES]
    }
}

impl Image {
    fn read(&self) -> Slices {
        let count = (self.count.load(Relaxed) as usize).min(OWNERS);
        Slices {
            clock_ns: self.clock_ns.load(Relaxed).min(now_ns()),
            resident: self.resident.load(Relaxed),
            slice_left_ns: self.slice_left_ns.load(Relaxed),
            switch_left_ns: self.switch_left_ns.load(Relaxed),
            accounts: self.accounts[..count].iter().map(account).collect(),
        }
    }

    fn write(&self, slices: &Slices) {
        self.clock_ns.store(slices.clock_ns, Relaxed);
        self.resident.store(slices.resident, Relaxed);
        self.slice_left_ns.store(slices.slice_left_ns, Relaxed);
        self.switch_left_ns.store(slices.switch_left_ns, Relaxed);
        self.count.store(slices.accounts.len() as u64, Relaxed);
        self.accounts.iter().zip(&slices.accounts).for_each(|(to, from)| note(to, from));
    }
}

/// An account as its words say; nonsense becomes another account.
fn account(words: &[AtomicU64; WORDS]) -> Account {
    let [who, due_ns, ran_ns, count] = [0, 1, 2, 3].map(|i| words[i].load(Relaxed) & MOST);
    let owner = Owner { slot: who as u32, level: (who >> 32) as u32 & 0xff };
    let mut account = Account::restored(owner, who & OPEN != 0, due_ns, ran_ns);
    for run in words[HEAD..].chunks_exact(3).take(count as usize) {
        let [from_ns, to_ns, work_ns] = [0, 1, 2].map(|i| run[i].load(Relaxed) & MOST);
        account.push(Run { from_ns, to_ns: to_ns.max(from_ns), work_ns });
    }
    account
}

fn note(words: &[AtomicU64; WORDS], account: &Account) {
    let open = if account.open { OPEN } else { 0 };
    let who = u64::from(account.owner.slot) | u64::from(account.owner.level) << 32 | open;
    let runs = account.runs();
    let head = [who, account.due_ns, account.ran_ns, runs.len() as u64];
    let runs = runs.iter().flat_map(|run| [run.from_ns, run.to_ns, run.work_ns]);
    words.iter().zip(head.into_iter().chain(runs)).for_each(|(to, from)| to.store(from, Relaxed));
}

/// Times up to 146 years, so that sums of them stay in range.
const MOST: u64 = (1 << 62) - 1;
/// In an owner's word: a kernel of it runs until something happens.
const OPEN: u64 = 1 << 61;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slices::{Ask, Policy};

    const POLICY: Policy = Policy { slice_ns: 2_000, switch_ns: 10 };

    fn processors() -> Box<Processors> {
        // SAFETY: made of atomic integers alone, of which zero is a value.
        unsafe { Box::new(std::mem::zeroed()) }
    }

    fn ask(slot: u32, due_ns: u64, now_ns: u64) -> Ask {
        let owner = Owner { slot, level: 5 };
        Ask { owner, ran_ns: 0, due_ns, open: slot == 3, since_ns: now_ns }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let shared = processors();
        let now = now_ns() - 1_000_000;
        let written = shared.update(|slices| {
            (1..4).for_each(|slot| assert!(slices.ask(ask(slot, 90_000, now), POLICY)));
            slices.advance(now + 100_000, POLICY, |_, _| ());
            slices.clone()
        });
        let read = shared.read();
        assert_eq!((read.clock_ns, read.resident), (written.clock_ns, written.resident));
        assert_eq!(read.accounts, written.accounts);
        assert!(read.accounts[2].open && !read.accounts[1].open);
    }

    #[test]
    fn a_writer_that_dies_in_the_middle_changes_nothing() {
        let shared = processors();
        let now = now_ns();
        shared.update(|slices| slices.ask(ask(1, 500, now), POLICY));
        let before = shared.read();
        shared.lock.abandon();
        shared.image(shared.version.load(Relaxed) + 1).count.store(77, Relaxed);
        assert_eq!(shared.read().accounts, before.accounts);
        shared.update(|slices| assert_eq!(slices.accounts, before.accounts));
        assert!(shared.lock.is_free());
    }

    #[test]
    fn scribbles_are_only_wrong() {
        let shared = processors();
        for image in &shared.images {
            image.count.store(u64::MAX, Relaxed);
            image.clock_ns.store(u64::MAX, Relaxed);
            image.slice_left_ns.store(u64::MAX, Relaxed);
            image.accounts.iter().flatten().for_each(|word| word.store(u64::MAX, Relaxed));
        }
        shared.update(|slices| {
            slices.advance(now_ns() + 1_000_000, POLICY, |_, _| ());
            slices.remove(5);
        });
    }

    #[test]
    fn threads_that_write_at_once_lose_nothing() {
        let shared = processors();
        std::thread::scope(|scope| {
            for slot in 10..14 {
                let shared = &shared;
                scope.spawn(move || {
                    (1..200).for_each(|due| {
                        shared.update(|slices| slices.ask(ask(slot, due, 0), POLICY));
                    });
                });
            }
        });
        let mut due: Vec<u64> = shared.read().accounts.iter().map(|one| one.due_ns).collect();
        due.sort_unstable();
        assert_eq!(due, [199; 4]);
    }
}
