//! Neighbours share out their GPUs' time: one of the runs of a user is the arbiter for all of them, by
//! a file lock. When it ends the kernel frees the lock and another takes over; meanwhile each paces
//! itself. A run without neighbours is its own arbiter.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aliquot_node::arbiter::{Arbiter, Class, Share, Shares, View};
use ledger::agent::LimitsPage;

use super::Registry;

/// How soon a run that comes or goes is noticed, and an arbiter that has ended is replaced.
const LOOK: Duration = Duration::from_millis(100);
/// For how long a command waits at most until an arbiter has seen its run: then it begins without.
const FIRST_BEAT: Duration = Duration::from_millis(250);
/// How often it is written down what is known.
const TELL: Duration = Duration::from_secs(1);
const LOCK: &str = "arbiter.lock";

/// Arbitrates, or waits to, for as long as this lives.
pub(crate) struct Turn {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Turn {
    /// Takes part in choosing who is the arbiter.
    pub(crate) fn begin(registry: Registry) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let thread = thread::Builder::new().name("arbiter-turn".into());
        let thread = thread.spawn(move || keep(&registry, &told)).ok();
        Self { over, thread }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Waits until an arbiter has seen the run of these pages, so that its command has its share from its first launch on and
/// its neighbours know that they are not alone.
pub(crate) fn await_first_beat(pages: &Path) {
    let Ok(page) = LimitsPage::open(pages) else { return };
    let begun = Instant::now();
    let is_unseen = || page.granted(0).is_some_and(|granted| granted.beat == 0);
    while is_unseen() && begun.elapsed() < FIRST_BEAT {
        thread::sleep(Duration::from_millis(2));
    }
}

fn keep(registry: &Registry, over: &AtomicBool) {
    let mut lock = None;
    while !over.load(Relaxed) {
        lock = lock.or_else(|| take(registry));
        if lock.is_some() {
            arbitrate(registry, over);
        }
        thread::park_timeout(LOOK);
    }
}

/// The lock, if nobody has it.
fn take(registry: &Registry) -> Option<File> {
    let file = registry.lock_file(LOCK).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

fn arbitrate(registry: &Registry, over: &AtomicBool) {
    let mut arbiter = Arbiter::default();
    let (mut known, mut told) = (Shares::new(), None::<Instant>);
    let file = View::file(registry.base());
    while !over.load(Relaxed) {
        let shares = shares(registry);
        if shares != known {
            known.clone_from(&shares);
            arbiter.follow(shares);
        }
        if told.is_none_or(|told| told.elapsed() >= TELL) {
            // For people: what is not written now is in a second.
            let _ = arbiter.view().write(&file);
            told = Some(Instant::now());
        }
        thread::park_timeout(LOOK);
    }
}

fn shares(registry: &Registry) -> Shares {
    let mut shares = Shares::new();
    for (id, card) in registry.live() {
        if let Some((gpu, ..)) = card.share() {
            let folder = registry.pages(id);
            let share = Share { folder, class: Class::Batch, gang: None, holder: None };
            shares.entry(gpu).or_default().insert(id, share);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{AllotmentId, DeviceUuid, Mib, Percent};
    use ledger::agent::{AllotmentSpec, DeviceSpec, create};

    #[test]
    fn a_command_waits_for_an_arbiter_to_see_its_run_and_not_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let pages = root.path().join("a");
        let share = Percent::new(50).unwrap();
        let device = DeviceSpec::new(DeviceUuid::gpu([7; 16]), Mib(1024), share);
        create(&pages, &AllotmentSpec::new(AllotmentId(1), vec![device])).unwrap();
        let begun = Instant::now();
        await_first_beat(&pages);
        assert!(begun.elapsed() >= FIRST_BEAT, "nobody beats");
        let page = LimitsPage::open(&pages).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| await_first_beat(&pages));
            page.beat(0);
            waits.join().unwrap();
        });
        await_first_beat(&root.path().join("none"));
    }
}
