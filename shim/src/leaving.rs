//! References to memory that the program gives up in the order of a stream: the driver keeps the memory
//! until the stream has come so far, and it stays charged as long. An event says when; nothing waits
//! for it.
//!
//! The events are looked at when somebody asks what is used, before a refusal, and at the next call of
//! the kind. A stream has few of them, of which the last is recorded anew while it has not come past the
//! others. Where the driver makes none the references stay until their context ends. What finds no place,
//! or is of a context whose end nobody sees, is let go of at once: it is not counted for a while, and the
//! agent's measurement has it, which is better than charged for good.

use crate::allotments::Share;
use crate::capture::relaxed;
use crate::contexts::{self, Current, UNKNOWN};
use crate::device::{self, Device};
use crate::hooks::real;
use crate::meter::askers::Askers;
use crate::meter::stream::Stream;
use crate::references::Memory;
use crate::region::{Place, Region, change, change_where_seen};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use nvidia_sys::cuda::{CUcontext, CUdevice, CUevent, CUresult, CUstream};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// CU_EVENT_DISABLE_TIMING: the cheapest.
const UNTIMED: u32 = 2;
/// Events, and pieces of memory behind them, that can be waited for at a time.
const EVENTS: usize = 1 << 10;
const PIECES: usize = 1 << 13;
/// Events of one stream: with one it would never come past it where something is freed again and again.
const BEHIND: usize = 4;
/// States of an event's place and numbers of a piece's: nobody's, being filled or emptied, in use.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const USED: u64 = 2;
/// Whose an event is whose context has ended.
const NOBODYS: u64 = u64::MAX;

/// By context, as an owner: who asks about its events, and who may be ending it.
static ASKERS: [Askers; contexts::OWNERS_END] = [const { Askers::new() }; contexts::OWNERS_END];

/// Places of events that are not free: mostly none, and then nothing is looked at.
static COUNT: AtomicU64 = AtomicU64::new(0);
static AWAITED: Region<Awaited, EVENTS> = Region::new();
static PARTS: Region<Part, PIECES> = Region::new();

/// An event behind which references wait, and the context that it ends with. It is its stream's last as long as no
/// other of that stream has a higher turn. Stream 0 has ended.
struct Awaited {
    state: AtomicU64,
    event: AtomicU64,
    whose: AtomicU64,
    stream: AtomicU64,
    turn: AtomicU64,
}

/// References to one piece of memory, behind the event whose place has this number above [`BUSY`].
struct Part {
    behind: AtomicU64,
    count: AtomicU64,
    memory: AtomicPtr<Memory>,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Awaited {}
// SAFETY: as above.
unsafe impl Place for Part {}

/// What one call gives up, which the driver has been told of. Plain data: nothing happens when it is dropped.
pub(crate) struct Leaving {
    stream: Stream,
    last: Option<(&'static Memory, u64)>,
    place: Option<(u64, &'static Awaited)>,
}

impl Leaving {
    /// In a stream, where none is the legacy one.
    pub(crate) fn of(stream: CUstream) -> Self {
        Self { stream: Stream::shared(stream), last: None, place: None }
    }

    /// In a stream, where none is the thread's own.
    pub(crate) fn of_ptsz(stream: CUstream) -> Self {
        Self { stream: Stream::own(stream), last: None, place: None }
    }

    /// One reference more. Those to one piece of memory mostly come together.
    pub(crate) fn add(&mut self, memory: &'static Memory) {
        match self.last {
            Some((last, count)) if core::ptr::eq(last, memory) => {
                self.last = Some((last, count + 1));
            }
            _ => {
                self.flush();
                self.last = Some((memory, 1));
            }
        }
    }

    /// What was added is let go when the stream has come past.
    pub(crate) fn after_stream(mut self) {
        self.flush();
        if let Some((number, place)) = self.place {
            place.wait(number);
        }
        settle();
    }

    fn flush(&mut self) {
        let Some((memory, count)) = self.last.take() else { return };
        self.place = self.place.or_else(|| Awaited::behind(self.stream));
        let claim = |part: &&Part| change_where_seen(&part.behind, FREE, BUSY);
        let free = || PARTS.places().unwrap_or(&[]).iter().find(claim);
        let Some(((number, _), part)) = self.place.and_then(|place| Some((place, free()?))) else {
            return memory.let_go_of(count);
        };
        part.count.store(count, Ordering::Relaxed);
        part.memory.store(core::ptr::from_ref(memory).cast_mut(), Ordering::Relaxed);
        part.behind.store(number, Ordering::Release);
    }
}

/// A stream is about to end: another may be given its handle, and its events say nothing of that one.
pub(crate) fn stream_ends(stream: Stream) {
    if COUNT.load(Ordering::Acquire) > 0 {
        let key = stream.key();
        AWAITED.known().iter().for_each(|place| _ = change_where_seen(&place.stream, key, 0));
    }
}

/// Lets go of what streams have come past.
#[inline]
pub(crate) fn settle() {
    if COUNT.load(Ordering::Acquire) > 0 {
        settle_all();
    }
}

#[cold]
#[inline(never)]
fn settle_all() {
    for (number, place) in (USED..).zip(AWAITED.known()) {
        if place.state.load(Ordering::Acquire) == USED && change(&place.state, USED, BUSY) {
            if place.has_passed() {
                place.end(number);
            } else {
                place.wait(number);
            }
        }
    }
}

/// Lets `driver` do what may end a context: meanwhile nobody asks about its events, which go with it. Where a thread is
/// cancelled in there nobody asks before a context ends here that others see: whether it has ended, and another lives in
/// its place, nobody could tell, so what waits behind its events stays charged as long.
pub(crate) fn while_it_may_end<T>(owner: u8, driver: impl FnOnce() -> T) -> T {
    let Some(askers) = ASKERS.get(usize::from(owner)) else { return driver() };
    let uses = askers.may_leave();
    let done = driver();
    askers.stays(uses);
    done
}

/// A context of a device has ended, and its events with it; or its last one, with those of no known one.
#[cold]
pub(crate) fn forget(share: Share, owner: u8) {
    for (number, place) in (USED..).zip(AWAITED.known()) {
        // Said before: a thread that is asking for the event just now ends it when it comes back.
        if change(&place.whose, whose(share.number, owner), NOBODYS) {
            fence(Ordering::SeqCst);
            place.end_if_nobodys(number);
        }
    }
    // By now nobody takes an event of its for one that is there.
    ASKERS.get(usize::from(owner)).inspect(|askers| askers.are_anothers());
}

impl Awaited {
    /// A place that waits behind what a stream holds by now, with the number that parts know it by. It is the caller's
    /// until [`Self::wait`].
    fn behind(stream: Stream) -> Option<(u64, &'static Self)> {
        let key = stream.key();
        let is_its = |place: &&Self| {
            place.stream.load(Ordering::Relaxed) == key
                && place.state.load(Ordering::Acquire) == USED
        };
        let its = || (USED..).zip(AWAITED.known()).filter(|(_, place)| is_its(place));
        if its().count() >= BEHIND
            && let Some((number, last)) =
                its().max_by_key(|(_, place)| place.turn.load(Ordering::Relaxed))
            && change(&last.state, USED, BUSY)
        {
            if last.stream.load(Ordering::Relaxed) == key && last.record_again(stream) {
                return Some((number, last));
            }
            last.wait(number);
        }
        Self::claim(stream, key)
    }

    /// A place with a new event.
    fn claim(stream: Stream, key: u64) -> Option<(u64, &'static Self)> {
        static TURNS: AtomicU64 = AtomicU64::new(0);
        let places = AWAITED.places()?;
        let (number, place) =
            (USED..).zip(places).find(|(_, place)| change_where_seen(&place.state, FREE, BUSY))?;
        COUNT.fetch_add(1, Ordering::AcqRel);
        if !place.record(stream) {
            place.is_free();
            return None;
        }
        place.turn.store(TURNS.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        place.stream.store(key, Ordering::Relaxed);
        Some((number, place))
    }

    /// Records an event behind what the stream holds, in the stream's own context. False: nobody will see that one end,
    /// so an event of it could not be asked about.
    fn record(&self, stream: Stream) -> bool {
        let (context, current) = context_of(stream);
        let Some((Device::Share(share), owner)) =
            current.map(|of| (device::of(of.device), of.owner)).filter(|of| of.1 != UNKNOWN)
        else {
            return false;
        };
        let event = relaxed(|| within(context, || recorded(stream)));
        self.event.store(event.map_or(0, |event| event as u64), Ordering::Relaxed);
        self.whose.store(whose(share.number, owner), Ordering::Release);
        true
    }

    /// Records its event behind what the stream holds by now; where it has none, that waits for the context's end too.
    fn record_again(&self, stream: Stream) -> bool {
        let Some(event) = self.event() else { return true };
        let again = || {
            let (context, _) = context_of(stream);
            // SAFETY: an event of ours, in a context that has not ended; the stream is the caller's.
            within(context, || Some(unsafe { real::cuEventRecord.get()?(event, stream.handle()) }))
        };
        self.ask(|| relaxed(again)).flatten() == Some(SUCCESS)
    }

    /// Whether the stream has come so far, and then there is no event any more. Of a context that may be ending
    /// nobody asks.
    fn has_passed(&self) -> bool {
        self.ask(|| self.is_past()).unwrap_or(false)
    }

    /// What `driver` says, unless its context has ended, or may be ending.
    fn ask<T>(&self, driver: impl FnOnce() -> T) -> Option<T> {
        let owner = self.whose.load(Ordering::Acquire) >> 8;
        let askers = usize::try_from(owner).ok().and_then(|owner| ASKERS.get(owner));
        let is_there = || self.whose.load(Ordering::Acquire) != NOBODYS;
        askers.and_then(|askers| askers.ask(|| is_there().then(driver))).flatten()
    }

    fn is_past(&self) -> bool {
        let (Some(event), Some(query)) = (self.event(), real::cuEventQuery.get()) else {
            return false;
        };
        // SAFETY: an event of ours, in a context that has not ended.
        let is_past = relaxed(|| unsafe { query(event) }) == SUCCESS;
        if is_past && let Some(destroy) = real::cuEventDestroy_v2.get() {
            // SAFETY: the same, and nobody else has seen it.
            relaxed(|| unsafe { destroy(event) });
        }
        is_past
    }

    /// The stream has not come so far: the place is others' to ask for again.
    fn wait(&self, number: u64) {
        self.state.store(USED, Ordering::Release);
        fence(Ordering::SeqCst);
        self.end_if_nobodys(number);
    }

    /// Lets go of what waits behind an event that has ended with its context, unless another thread is at it.
    fn end_if_nobodys(&self, number: u64) {
        let is_nobodys = self.whose.load(Ordering::Relaxed) == NOBODYS;
        if is_nobodys && change(&self.state, USED, BUSY) {
            self.end(number);
        }
    }

    /// Lets go of what waits behind it, and empties the place: its event has ended.
    fn end(&self, number: u64) {
        for part in PARTS.known() {
            let is_its = part.behind.load(Ordering::Acquire) == number;
            if is_its && change(&part.behind, number, BUSY) {
                // SAFETY: a place of a region, which stays.
                let memory = unsafe { part.memory.load(Ordering::Relaxed).as_ref() };
                let count = part.count.load(Ordering::Relaxed);
                part.behind.store(FREE, Ordering::Release);
                memory.inspect(|memory| memory.let_go_of(count));
            }
        }
        self.is_free();
    }

    fn is_free(&self) {
        self.state.store(FREE, Ordering::Release);
        COUNT.fetch_sub(1, Ordering::AcqRel);
    }

    fn event(&self) -> Option<CUevent> {
        let event = self.event.load(Ordering::Relaxed);
        (event != 0).then(|| core::ptr::with_exposed_provenance_mut(event as usize))
    }
}

/// The context that a stream belongs to, where it is not the current one; and what is known of it.
fn context_of(stream: Stream) -> (CUcontext, Option<Current>) {
    let mut context = core::ptr::null_mut();
    let ask = real::cuStreamGetCtx.get().filter(|_| !stream.is_default());
    // SAFETY: the caller's stream; the driver writes one handle.
    match ask.map(|ask| unsafe { ask(stream.handle(), &mut context) }) {
        Some(SUCCESS) => (context, contexts::of(context)),
        _ => (core::ptr::null_mut(), contexts::current()),
    }
}

/// The device of a stream's context.
#[cold]
pub(crate) fn device_of(stream: CUstream) -> Option<CUdevice> {
    let (context, known) = context_of(Stream::shared(stream));
    known.map(|known| known.device).or_else(|| within(context, device::current_ordinal))
}

/// Runs `f` with a context current, if one is named.
fn within<T>(context: CUcontext, f: impl FnOnce() -> Option<T>) -> Option<T> {
    if context.is_null() {
        return f();
    }
    let (push, pop) = (real::cuCtxPushCurrent_v2.get()?, real::cuCtxPopCurrent_v2.get()?);
    // SAFETY: a context of a stream that the driver has just taken.
    if unsafe { push(context) } != SUCCESS {
        return None;
    }
    let result = f();
    let mut popped = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    unsafe { pop(&mut popped) };
    result
}

/// A new event at the stream's present end.
fn recorded(stream: Stream) -> Option<CUevent> {
    let (create, record) = (real::cuEventCreate.get()?, real::cuEventRecord.get()?);
    let mut event = core::ptr::null_mut();
    // SAFETY: the driver writes one handle; the stream is the caller's.
    let is_recorded = unsafe {
        create(&mut event, UNTIMED) == SUCCESS && record(event, stream.handle()) == SUCCESS
    };
    if !is_recorded && !event.is_null() {
        // SAFETY: ours, and nobody else has seen it.
        real::cuEventDestroy_v2.get().map(|destroy| unsafe { destroy(event) });
    }
    is_recorded.then_some(event)
}

fn whose(share: u8, owner: u8) -> u64 {
    u64::from(share) | u64::from(owner) << 8
}
