//! Graphs that can be launched and allocate: what each needs of each device. Others are not here,
//! and in a process that has none a launch looks at one word.

use crate::graph_nodes::Needs;
use crate::region::{Place, Region, Within, change, reach};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use nvidia_sys::cuda::{CUdevice, CUgraphExec};

/// Pairs of a graph and a device that one process can have.
const MOST: usize = 1 << 15;
/// A place that nobody has used, where a search ends; one that is being filled; one that is empty
/// again. Handles lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const GONE: u64 = 2;

static KNOWN: Region<Exec, MOST> = Region::new();
/// Places that were used stay marked, so a search seldom ends at a free one where many graphs have come and gone.
static WITHIN: Within = Within::new();

/// What a graph needs of a device.
struct Exec {
    handle: AtomicU64,
    bytes: AtomicU64,
    device: AtomicI32,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Exec {}

/// What a graph needs of a device.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    pub(crate) device: CUdevice,
    /// The sum of its allocations, in whole pages.
    pub(crate) bytes: u64,
}

/// Whether any graph of this process ever allocated.
#[inline]
pub(crate) fn any() -> bool {
    !KNOWN.known().is_empty()
}

/// Remembers a need of a graph; false where there is no room.
fn remember(exec: CUgraphExec, need: Need) -> bool {
    let key = exec as u64;
    let claim = |exec: &&Exec| change(&exec.handle, FREE, BUSY) || change(&exec.handle, GONE, BUSY);
    let place = reach(&KNOWN, key).enumerate().find(|(_, exec)| claim(exec));
    let Some((far, place)) = place else { return false };
    WITHIN.reaches(far);
    place.bytes.store(need.bytes, Ordering::Relaxed);
    place.device.store(need.device, Ordering::Relaxed);
    place.handle.store(key, Ordering::Release);
    true
}

/// Remembers what a graph needs of each device; false, and nothing, where there is no room.
pub(crate) fn remember_all(exec: CUgraphExec, needs: &Needs) -> bool {
    let all = needs.each().all(|(device, bytes)| remember(exec, Need { device, bytes }));
    if !all {
        take(exec);
    }
    all
}

/// What a graph needs; nothing where it does not allocate.
pub(crate) fn of(exec: CUgraphExec) -> impl Iterator<Item = Need> {
    places(exec).map(Exec::need)
}

/// Forgets a graph, before the driver ends it: another may be given its handle.
pub(crate) fn take(exec: CUgraphExec) -> Needs {
    let mut needs = Needs::none();
    for place in places(exec) {
        needs.add(place.need());
        place.handle.store(GONE, Ordering::Release);
    }
    needs
}

impl Exec {
    fn need(&self) -> Need {
        let (device, bytes) = (&self.device, &self.bytes);
        Need { device: device.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }
}

fn places(exec: CUgraphExec) -> impl Iterator<Item = &'static Exec> {
    let key = exec as u64;
    let places = (any() && key > GONE).then(|| reach(&KNOWN, key).take(WITHIN.places()));
    places
        .into_iter()
        .flatten()
        .map(|exec| (exec, exec.handle.load(Ordering::Acquire)))
        .take_while(|(_, handle)| *handle != FREE)
        .filter(move |(_, handle)| *handle == key)
        .map(|(exec, _)| exec)
}
