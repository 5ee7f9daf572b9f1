//! Events: points on streams' lines, and the time between two of them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::arg::{Opaque, Out};
use crate::capture;
use crate::context;
use crate::front;
use crate::line::{Mark, Op};
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
}

impl Event {
    /// Its last recording.
    pub(crate) fn mark(&self) -> Option<Arc<Mark>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    let mark = Arc::new(Mark::default());
    *event.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark.clone());
    front::submit(target.line, Op::Record(mark))
}

fn find(event: Opaque) -> Res<Arc<Event>> {
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
const DISABLE_TIMING: u32 = 2;
/// CU_EVENT_BLOCKING_SYNC, _DISABLE_TIMING and _INTERPROCESS.
const KNOWN_FLAGS: u32 = 7;

export! {
    /// Makes an event.
    fn cuEventCreate(out: Out<usize>, flags: u32) {
        if out.is_null() || flags & !KNOWN_FLAGS != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let context = handle_of(&context::current()?);
        out.put(EVENTS.insert(Arc::new(Event { context, flags, mark: Mutex::default() })))
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
