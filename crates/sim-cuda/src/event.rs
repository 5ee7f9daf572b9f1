//! Events: points on streams' lines, and the time between two of them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::arg::{Opaque, Out};
use crate::capture;
use crate::context;
use crate::front;
use crate::ipc_event::Shared;
use crate::line::Op;
use crate::mark::Mark;
use crate::pool;
use crate::registry::{Registry, handle_of};
use crate::rim::export;
use crate::status::{Res, Status};
use crate::stream::{Target, query};

/// All events.
pub(crate) static EVENTS: Registry<Event> = Registry::new();

/// An event.
pub(crate) struct Event {
    /// The handle of the context it was made in.
    pub(crate) context: usize,
    flags: u32,
    mark: Mutex<Option<Arc<Mark>>>,
    /// What other processes know of it.
    shared: Option<Arc<Shared>>,
}

impl Event {
    /// One that is not recorded.
    pub(crate) fn new(context: usize, flags: u32, shared: Option<Arc<Shared>>) -> Self {
        Self { context, flags, mark: Mutex::default(), shared }
    }

    /// What other processes know of it, if they may.
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// Its last recording, in whichever process.
    pub(crate) fn mark(&self) -> Option<Arc<Mark>> {
        let own = self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match self.shared.as_ref().map(|shared| (shared, shared.turn())) {
            Some((_, 0)) => None,
            Some((shared, turn)) if !own.as_ref().is_some_and(|mark| mark.is_turn(turn)) => {
                Some(Arc::new(Mark::shared(shared.clone(), turn)))
            }
            _ => own,
        }
    }

    /// A mark for its next recording, which is its last from here on.
    pub(crate) fn next(&self) -> Arc<Mark> {
        let mark = match &self.shared {
            Some(shared) => Arc::new(Mark::shared(shared.clone(), shared.begin())),
            None => Arc::default(),
        };
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark.clone());
        mark
    }

    /// When its last recording passed, if it has one, it has passed and the event keeps time.
    fn passed(&self) -> Res<u64> {
        let mark = self.mark().filter(|_| self.flags & DISABLE_TIMING == 0);
        let mark = mark.ok_or(Status::INVALID_HANDLE)?;
        query(&mark)?;
        mark.time().ok_or(Status::NOT_READY)
    }
}

/// Notes the present end of a stream in an event of the same context.
pub(crate) fn record(event: Opaque, target: &Target) -> Res {
    let event = EVENTS.get(event as usize).ok_or(Status::INVALID_HANDLE)?;
    if event.context != target.line.context {
        return Err(Status::INVALID_HANDLE);
    }
    front::submit(target.line, Op::Record(event.next()))
}

/// The event of this handle.
pub(crate) fn find(event: Opaque) -> Res<Arc<Event>> {
    EVENTS.get(event as usize).ok_or(Status::INVALID_HANDLE)
}

fn destroy(event: Opaque) -> Res {
    EVENTS.remove(event as usize).map(drop).ok_or(Status::INVALID_HANDLE)
}

fn elapsed(out: &Out<f32>, start: Opaque, end: Opaque) -> Res {
    let (start, end) = (find(start)?.passed()?, find(end)?.passed()?);
    out.put((end as i64 - start as i64) as f32 / 1e6)
}

/// CU_EVENT_DISABLE_TIMING.
pub(crate) const DISABLE_TIMING: u32 = 2;
/// CU_EVENT_INTERPROCESS, which goes with the other only.
pub(crate) const INTERPROCESS: u32 = 4;
/// CU_EVENT_BLOCKING_SYNC, _DISABLE_TIMING and _INTERPROCESS.
const KNOWN_FLAGS: u32 = 7;

export! {
    /// Makes an event.
    fn cuEventCreate(out: Out<usize>, flags: u32) {
        if out.is_null() || flags & !KNOWN_FLAGS != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let context = handle_of(&context::current()?);
        let shared = match flags & INTERPROCESS {
            0 => None,
            _ if flags & DISABLE_TIMING == 0 => return Err(Status::INVALID_VALUE),
            _ => Some(Arc::new(Shared::create()?)),
        };
        out.put(EVENTS.insert(Arc::new(Event::new(context, flags, shared))))
    }

    /// Ends an event.
    fn cuEventDestroy_v2(event: Opaque) {
        destroy(event)
    }

    /// The same in its first version.
    fn cuEventDestroy(event: Opaque) {
        destroy(event)
    }

    /// Whether the last recording has passed: 0 or 600. One never recorded has.
    fn cuEventQuery(event: Opaque) {
        let mark = find(event)?.mark();
        mark.as_ref().map_or(Ok(()), capture::refuse_event)?;
        capture::unsafe_call()?;
        mark.map_or(Ok(()), |mark| query(&mark))
    }

    /// Waits until the last recording has passed.
    fn cuEventSynchronize(event: Opaque) {
        let mark = find(event)?.mark();
        mark.as_ref().map_or(Ok(()), capture::refuse_event)?;
        capture::unsafe_call()?;
        mark.map_or(Ok(()), |mark| front::wait(&mark))?;
        pool::synchronised();
        Ok(())
    }

    /// Milliseconds of simulated GPU time between two recordings.
    fn cuEventElapsedTime(out: Out<f32>, start: Opaque, end: Opaque) {
        elapsed(&out, start, end)
    }

    /// The same in its second version.
    fn cuEventElapsedTime_v2(out: Out<f32>, start: Opaque, end: Opaque) {
        elapsed(&out, start, end)
    }
}
