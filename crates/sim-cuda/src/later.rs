//! Plain memory that was freed in the order of a stream (cuMemFreeAsync): the card has it back when the stream has come
//! so far and somebody asks next. That a real driver keeps it as long is what its header says of memory of pools; of other
//! memory it says nothing, and this is a guess.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::device::Device;
use crate::front;
use crate::mark::Mark;
use crate::process;
use crate::status::{Res, Status};

/// An allocation of a device, by its number, and what has to pass before it is free.
struct Later {
    device: usize,
    start: usize,
    id: u64,
    mark: Arc<Mark>,
}

/// Has the allocation that begins at an address free when a mark has passed.
pub(crate) fn free(device: &Device, start: usize, mark: Arc<Mark>) -> Res {
    let block = device.find(start).filter(|block| block.start == start);
    let id = block.ok_or(Status::INVALID_VALUE)?.id;
    all().push(Later { device: device.ordinal, start, id, mark });
    sweep();
    Ok(())
}

/// Whether the allocation at an address was freed so.
pub(crate) fn is_freed(start: usize) -> bool {
    sweep();
    all().iter().any(|later| later.start == start)
}

/// Gives back what streams have come past, and forgets what has ended with its context.
pub(crate) fn sweep() {
    let mut all = all();
    if all.is_empty() {
        return;
    }
    let (over, rest) =
        std::mem::take(&mut *all).into_iter().partition(|later| front::has_passed(&later.mark));
    *all = rest;
    let over: Vec<Later> = over;
    let living = |later: &Later| {
        let device = process::device(later.device).ok()?;
        let block = device.find(later.start)?;
        (block.start == later.start && block.id == later.id).then_some(device)
    };
    all.retain(|later| living(later).is_some());
    for later in over {
        let _ = living(&later).map(|device| device.free(later.start));
    }
}

fn all() -> MutexGuard<'static, Vec<Later>> {
    static ALL: Mutex<Vec<Later>> = Mutex::new(Vec::new());
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}
