//! The memory of graphs. A node that allocates has its address from the beginning; the card is charged
//! when a graph that needs the memory is launched, and keeps it for the next launch until it is trimmed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sim_world::Kind;

use crate::arena::PAGE;
use crate::mapping;
use crate::outside::{self, Piece, What};
use crate::process;
use crate::status::{Res, Status};

/// Memory that a node allocates: its address, and what it takes of the card while it lives. It ends with
/// the last of its graphs, unless it lives.
pub(crate) struct Allocation {
    /// Where it begins.
    pub(crate) start: usize,
    /// The ordinal of its device.
    pub(crate) device: usize,
    /// The bytes asked for.
    pub(crate) size: usize,
    bytes: usize,
}

impl Allocation {
    /// Finds addresses for `size` bytes on a device. Takes nothing of the card.
    pub(crate) fn new(device: usize, size: usize) -> Res<Arc<Self>> {
        if size == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let bytes = size.checked_next_multiple_of(PAGE).ok_or(Status::OUT_OF_MEMORY)?;
        let file = mapping::memory_file(c"simulated-gpu-graph", bytes)?;
        let start = mapping::reserve(0, bytes, PAGE)?;
        mapping::place(start, bytes, std::os::fd::AsFd::as_fd(&file), 0)?;
        let what = What::Graph;
        outside::insert(Piece { start, size, context: 0, device: Some(device), what, access: 3 });
        let allocation = Arc::new(Self { start, device, size, bytes });
        state().known.insert(start, Arc::downgrade(&allocation));
        Ok(allocation)
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        outside::remove(self.start);
        mapping::release(self.start, self.bytes);
    }
}

/// A step of a graph as far as its memory goes.
#[derive(Clone)]
pub(crate) enum Step {
    /// Memory begins to live.
    Take(Arc<Allocation>),
    /// Memory ends.
    Give(Arc<Allocation>),
}

/// Bytes used now and at most, taken from the card now and at most.
pub(crate) type Numbers = [u64; 4];

/// The memory that begins at `start`, if a node allocates it.
pub(crate) fn known(start: usize) -> Option<Arc<Allocation>> {
    state().known.get(&start).and_then(Weak::upgrade)
}

/// Carries out the steps of a launch, or none of them: memory that lives already cannot be taken again,
/// and memory that does not live cannot be given.
pub(crate) fn run(steps: &[Step]) -> Res {
    let mut state = state();
    let peaks = state.peaks(steps)?;
    for (device, (_, peak)) in &peaks {
        state.reserve(*device, *peak)?;
    }
    for (device, (now, peak)) in peaks {
        let numbers = state.numbers.entry(device).or_default();
        (numbers[0], numbers[1]) = (now, numbers[1].max(peak));
    }
    steps.iter().for_each(|step| state.settle(step));
    Ok(())
}

/// Takes what the steps of a launch will need, and carries none of them out.
pub(crate) fn upload(steps: &[Step]) -> Res {
    let mut state = state();
    for (device, (_, peak)) in state.peaks(steps)? {
        state.reserve(device, peak)?;
    }
    Ok(())
}

/// The memory among these that lives.
pub(crate) fn living(steps: &[Step]) -> Vec<Step> {
    let state = state();
    let taken = steps.iter().filter_map(|step| match step {
        Step::Take(allocation) if state.live.contains_key(&allocation.start) => {
            Some(Step::Give(allocation.clone()))
        }
        _ => None,
    });
    taken.collect()
}

/// Frees living memory; answers whether there was any at this address.
pub(crate) fn free(start: usize) -> Res<bool> {
    let living = state().live.get(&start).cloned();
    match living {
        Some(allocation) => run(&[Step::Give(allocation)]).map(|()| true),
        None => Ok(false),
    }
}

/// Gives back what a device's graphs keep and do not use; answers whether that was anything.
pub(crate) fn trim(device: usize) -> bool {
    state().trim(device)
}

/// The last context of a device has ended, and with it all memory of its graphs.
pub(crate) fn device_ended(device: usize) {
    let mut state = state();
    let ended: Vec<_> = state.live.extract_if(.., |_, a| a.device == device).collect();
    if let Some(numbers) = state.numbers.get_mut(&device) {
        numbers[0] = 0;
    }
    state.trim(device);
    drop(state);
    drop(ended);
}

/// A device's numbers.
pub(crate) fn numbers(device: usize) -> Numbers {
    state().numbers.get(&device).copied().unwrap_or_default()
}

/// Sets a high-water mark to the present value.
pub(crate) fn reset(device: usize, which: usize) {
    if let Some(numbers) = state().numbers.get_mut(&device) {
        numbers[which] = numbers[which - 1];
    }
}

impl Step {
    fn start(&self) -> usize {
        let (Self::Take(allocation) | Self::Give(allocation)) = self;
        allocation.start
    }
}

struct State {
    known: BTreeMap<usize, Weak<Allocation>>,
    live: BTreeMap<usize, Arc<Allocation>>,
    numbers: BTreeMap<usize, Numbers>,
}

/// What is used after some steps, and the most on the way, by device.
type Peaks = BTreeMap<usize, (u64, u64)>;

impl State {
    fn peaks(&self, steps: &[Step]) -> Res<Peaks> {
        let lives = |step: &Step| (step.start(), self.live.contains_key(&step.start()));
        let mut living: BTreeMap<usize, bool> = steps.iter().map(lives).collect();
        let mut peaks = Peaks::new();
        for step in steps {
            let (Step::Take(allocation) | Step::Give(allocation)) = step;
            let takes = matches!(step, Step::Take(_));
            if living.insert(allocation.start, takes) == Some(takes) {
                return Err(Status::INVALID_VALUE);
            }
            let (device, bytes) = (allocation.device, allocation.bytes as u64);
            let used = self.numbers.get(&device).map_or(0, |numbers| numbers[0]);
            let (now, peak) = peaks.entry(device).or_insert((used, used));
            *now = if takes { *now + bytes } else { *now - bytes };
            *peak = (*peak).max(*now);
        }
        Ok(peaks)
    }

    fn reserve(&mut self, device: usize, bytes: u64) -> Res {
        let numbers = self.numbers.entry(device).or_default();
        let more = bytes.saturating_sub(numbers[2]);
        if more > 0 {
            process::device(device)?.charge(Kind::Allocation, more)?;
            numbers[2] += more;
            numbers[3] = numbers[3].max(numbers[2]);
        }
        Ok(())
    }

    fn trim(&mut self, device: usize) -> bool {
        let Some(numbers) = self.numbers.get_mut(&device) else { return false };
        let idle = numbers[2] - numbers[0];
        numbers[2] = numbers[0];
        if let Ok(device) = process::device(device)
            && idle > 0
        {
            device.refund(Kind::Allocation, idle);
        }
        idle > 0
    }

    fn settle(&mut self, step: &Step) {
        match step {
            Step::Take(allocation) => self.live.insert(allocation.start, allocation.clone()),
            Step::Give(allocation) => self.live.remove(&allocation.start),
        };
    }
}

fn state() -> MutexGuard<'static, State> {
    static STATE: Mutex<State> = Mutex::new(State {
        known: BTreeMap::new(),
        live: BTreeMap::new(),
        numbers: BTreeMap::new(),
    });
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
