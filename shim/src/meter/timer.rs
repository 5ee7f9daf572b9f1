//! Events of one context: created where they are used, recorded, asked, and used again. And the way
//! from a GPU's time to the machine's.
//!
//! An event is a number here: whoever holds one has counted itself, and the last to let go makes it
//! free. A context that ends takes its events along; no driver is asked about them after.

use crate::capture::relaxed;
use crate::hooks::real;
use crate::meter::askers::Askers;
use crate::meter::lanes;
use crate::meter::stream::Stream;
use crate::region::{Place, Region};
use crate::say::Once;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};
use meter_rules::numbers_from;
use nvidia_sys::cuda::fns::{cuEventCreate, cuEventElapsedTime, cuEventQuery, cuEventRecord};
use nvidia_sys::cuda::{CUcontext, CUevent, CUevent_st, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// Contexts that are timed at a time, and events of each.
const CONTEXTS: usize = 16;
const EVENTS: usize = 512;
/// How many places are looked at for a free event.
const LOOKS: u32 = 64;
/// How old an anchor gets, in nanoseconds: a difference of events is a 32-bit float of milliseconds.
const ANCHOR_NS: u64 = 1_000_000_000;

static TIMERS: Region<Timer, CONTEXTS> = Region::new();
/// Somebody has met a context of which nobody may ever say that it stays.
static ANY_STUCK: AtomicBool = AtomicBool::new(false);

/// One context's events.
pub(crate) struct Timer {
    /// The context's handle; 0: free; 1: being taken.
    context: AtomicU64,
    /// Odd while the anchor changes.
    version: AtomicU64,
    /// An event that has come to pass, and when, by this process's clock.
    anchor: AtomicU32,
    hint: AtomicU32,
    pub(crate) askers: Askers,
    anchor_ns: AtomicU64,
    events: [Counted; EVENTS],
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Timer {}

struct Counted {
    handle: AtomicPtr<CUevent_st>,
    holders: AtomicU32,
}

/// The number of an event; 0: none.
pub(crate) type Event = u32;

/// Whether an event has come to pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// What was before it is done.
    Yes,
    /// The GPU has not come to it.
    No,
    /// Nobody is asked at the moment: its context may be about to end.
    NotNow,
    /// Nobody can say: its context is broken or gone.
    Unknown,
}

/// The functions that a driver must have to time anything.
struct Functions {
    create: cuEventCreate,
    record: cuEventRecord,
    query: cuEventQuery,
    elapsed: cuEventElapsedTime,
}

fn functions() -> Option<Functions> {
    let elapsed = match real::cuEventElapsedTime_v2.get() {
        Some(elapsed) => Some(elapsed),
        None => real::cuEventElapsedTime.get(),
    };
    let (create, record) = (real::cuEventCreate.get(), real::cuEventRecord.get());
    match (create, record, real::cuEventQuery.get(), elapsed) {
        (Some(create), Some(record), Some(query), Some(elapsed)) => {
            Some(Functions { create, record, query, elapsed })
        }
        _ => {
            unmeasured("the driver has no events");
            None
        }
    }
}

/// Said once: people may wonder why shares are rough.
#[cold]
fn unmeasured(why: &str) {
    static SAID: Once = Once::new();
    SAID.say(|line| {
        line.text(why);
        line.text(": GPU time is estimated, not measured");
    });
}

impl Timer {
    /// The timer of a context and its number; none where too many contexts are timed, which is said once.
    pub(crate) fn of(context: CUcontext) -> Option<(u32, &'static Self)> {
        let handle = context.expose_provenance() as u64;
        if handle <= 1 {
            return None;
        }
        let timers = TIMERS.places()?;
        let is_it = |timer: &&Self| timer.context.load(Acquire) == handle;
        let free =
            |timer: &&Self| timer.context.compare_exchange(0, handle, AcqRel, Relaxed).is_ok();
        let found = (1..).zip(timers).find(|(_, timer)| is_it(timer));
        let found = found.or_else(|| (1..).zip(timers).find(|(_, timer)| free(timer)));
        if found.is_none() {
            unmeasured("more contexts than can be timed");
        }
        found
    }

    /// The number of a context's timer, if it has one.
    pub(crate) fn known(context: CUcontext) -> Option<u32> {
        let handle = context.expose_provenance() as u64;
        let is_it = |timer: &&Self| handle > 1 && timer.context.load(Acquire) == handle;
        (1..).zip(TIMERS.known()).find(|(_, timer)| is_it(timer)).map(|(number, _)| number)
    }

    /// The timer of this number.
    pub(crate) fn at(number: u32) -> Option<&'static Self> {
        TIMERS.known().get((number as usize).checked_sub(1)?)
    }

    /// Records an event in a stream of this context, held once; 0 where there is none.
    pub(crate) fn record(&self, stream: Stream) -> Event {
        let Some(functions) = functions() else { return 0 };
        let Some((number, counted)) = self.free().or_else(|| self.freed()) else { return 0 };
        let known = counted.handle.load(Relaxed);
        let handle = if known.is_null() { self.create(&functions) } else { known };
        counted.handle.store(handle, Relaxed);
        // SAFETY: an event of ours in the stream's context; the stream is the program's argument.
        let recorded =
            !handle.is_null() && unsafe { (functions.record)(handle, stream.handle()) } == SUCCESS;
        if recorded {
            return number;
        }
        self.release(number);
        unmeasured("the driver makes or records no event");
        0
    }

    /// Holds an event once more.
    pub(crate) fn hold(&self, event: Event) -> Event {
        if let Some(counted) = self.counted(event) {
            counted.holders.fetch_add(1, Relaxed);
        }
        event
    }

    /// Lets go of an event.
    pub(crate) fn release(&self, event: Event) {
        if let Some(counted) = self.counted(event) {
            let less = |holders: u32| holders.checked_sub(1);
            let _ = counted.holders.fetch_update(Release, Relaxed, less);
        }
    }

    /// Whether an event has come to pass.
    pub(crate) fn passed(&self, event: Event) -> Passed {
        let Some(functions) = functions() else { return Passed::Unknown };
        // SAFETY: an event of ours, which lives as long as its context.
        match self.ask(event, |event| Some(unsafe { (functions.query)(event) })) {
            Ok(SUCCESS) => Passed::Yes,
            Ok(CUresult::CUDA_ERROR_NOT_READY) => Passed::No,
            Ok(_) => Passed::Unknown,
            Err(why) => why,
        }
    }

    /// Nanoseconds from one event to another that have both come to pass, or why nobody says.
    pub(crate) fn elapsed_ns(&self, from: Event, to: Event) -> Result<u64, Passed> {
        let elapsed = functions().ok_or(Passed::Unknown)?.elapsed;
        let mut milliseconds = 0.0;
        let result = self.ask(to, |to| {
            let from = self.handle(from)?;
            // SAFETY: events of ours, which live as long as their context; the driver writes one float.
            Some(unsafe { elapsed(&mut milliseconds, from, to) })
        })?;
        // A float that is no number becomes 0.
        if result == SUCCESS {
            Ok((f64::from(milliseconds) * 1e6) as u64)
        } else {
            Err(Passed::Unknown)
        }
    }

    /// What the driver says of an event, or why it is not asked.
    fn ask(
        &self,
        event: Event,
        driver: impl FnOnce(CUevent) -> Option<CUresult>,
    ) -> Result<CUresult, Passed> {
        // The event is looked for within: while anybody asks it does not end.
        match self.askers.ask(|| self.handle(event).and_then(driver)) {
            Some(answer) => answer.ok_or(Passed::Unknown),
            None if self.handle(event).is_none() => Err(Passed::Unknown),
            None if self.askers.is_stuck() => {
                ANY_STUCK.store(true, Relaxed);
                Err(Passed::Unknown)
            }
            None => Err(Passed::NotNow),
        }
    }

    /// The contexts of which nobody may ever say that they stay, if anybody has met one: with new events they can be
    /// timed again.
    pub(crate) fn stuck() -> impl Iterator<Item = CUcontext> {
        let any = ANY_STUCK.load(Relaxed) && ANY_STUCK.swap(false, Relaxed);
        let timers = if any { TIMERS.known() } else { &[] };
        // One that is hidden is nobody's any more.
        let stuck = timers.iter().filter(|timer| timer.askers.is_stuck());
        let handles = stuck.map(|timer| timer.context.load(Acquire)).filter(|handle| *handle > 1);
        handles.map(|handle| core::ptr::with_exposed_provenance_mut(handle as usize))
    }

    /// When an event came to pass by this process's clock, which shows `now_ns`. What was launched at
    /// `launched_ns` and took so long cannot have ended earlier, and not later than now: by both the
    /// anchor is put right. The first is taken to have begun at once, as on a GPU that was idle. None: nobody is asked
    /// at the moment.
    pub(crate) fn when(
        &self,
        event: Event,
        took_ns: u64,
        launched_ns: u64,
        now_ns: u64,
    ) -> Option<u64> {
        let version = self.version.load(Acquire);
        let (anchor, at) = (self.anchor.load(Relaxed), self.anchor_ns.load(Relaxed));
        if version & 1 == 1 || self.version.load(Acquire) != version {
            return Some(now_ns);
        }
        let since = match anchor {
            0 => None,
            _ => match self.elapsed_ns(anchor, event) {
                Err(Passed::NotNow) => return None,
                since => since.ok(),
            },
        };
        let earliest = launched_ns.saturating_add(took_ns).min(now_ns);
        let said = since.map_or(earliest, |since| at.saturating_add(since));
        let end = said.clamp(earliest, now_ns);
        let is_old = since.is_none_or(|since| since > ANCHOR_NS);
        if is_old || said != end {
            self.re_anchor(version, event, end);
        }
        Some(end)
    }

    /// Of several threads one does it.
    fn re_anchor(&self, version: u64, event: Event, at_ns: u64) {
        if self.version.compare_exchange(version, version + 1, AcqRel, Relaxed).is_ok() {
            let before = self.anchor.swap(self.hold(event), Relaxed);
            self.anchor_ns.store(at_ns, Relaxed);
            self.version.store(version + 2, Release);
            self.release(before);
        }
    }

    /// Hides a context's timer before the context ends; with its number. Of several threads one does it.
    pub(crate) fn hide(context: CUcontext) -> Option<(u32, &'static Self)> {
        let number = Self::known(context)?;
        let timer = Self::at(number)?;
        let handle = context.expose_provenance() as u64;
        let hidden = timer.context.compare_exchange(handle, 1, AcqRel, Relaxed);
        hidden.is_ok().then_some((number, timer))
    }

    /// The context of a timer that was hidden has not ended.
    pub(crate) fn show(&self, context: CUcontext) {
        self.context.store(context.expose_provenance() as u64, Release);
    }

    /// Forgets the events of a context that ends. Nothing may hold one after.
    pub(crate) fn forget_events(&self) {
        for counted in &self.events {
            counted.handle.store(core::ptr::null_mut(), SeqCst);
        }
        self.askers.await_all();
    }

    /// Another context may have the place of one that has ended, of which no batch is in flight any more.
    pub(crate) fn is_free(&self) {
        self.events.iter().for_each(|counted| counted.holders.store(0, Relaxed));
        self.anchor.store(0, Relaxed);
        self.askers.are_anothers();
        self.context.store(0, Release);
    }

    /// An event that nobody holds, held.
    fn free(&self) -> Option<(Event, &Counted)> {
        numbers_from(self.hint.fetch_add(1, Relaxed), LOOKS).find_map(|at| {
            let place = at as usize % EVENTS;
            let counted = self.events.get(place)?;
            counted.holders.compare_exchange(0, 1, Acquire, Relaxed).ok()?;
            self.hint.store(at.wrapping_add(1), Relaxed);
            Some((place as u32 + 1, counted))
        })
    }

    /// The same where streams at rest hold them all.
    #[cold]
    fn freed(&self) -> Option<(Event, &Counted)> {
        let is_this = |timer: &&Self| core::ptr::eq(*timer, self);
        let (number, _) = (1..).zip(TIMERS.known()).find(|(_, timer)| is_this(timer))?;
        lanes::let_events_go(number);
        let freed = self.free();
        if freed.is_none() {
            unmeasured("more streams with work than there are events");
        }
        freed
    }

    /// A new event in this context, which need not be the thread's.
    #[cold]
    fn create(&self, functions: &Functions) -> CUevent {
        let wanted = self.context.load(Relaxed);
        let mut event = core::ptr::null_mut();
        let mut current = core::ptr::null_mut();
        // SAFETY: the driver writes one handle.
        let asked = real::cuCtxGetCurrent.get().map(|get| unsafe { get(&mut current) });
        let is_there = asked == Some(SUCCESS) && current.expose_provenance() as u64 == wanted;
        let context = core::ptr::with_exposed_provenance_mut(wanted as usize);
        // SAFETY: a living context, which is taken off the thread again; the driver writes one handle.
        let made = unsafe {
            match (is_there, real::cuCtxPushCurrent_v2.get(), real::cuCtxPopCurrent_v2.get()) {
                (true, ..) => (functions.create)(&mut event, 0),
                (false, Some(push), Some(pop)) if push(context) == SUCCESS => {
                    let made = (functions.create)(&mut event, 0);
                    pop(&mut current);
                    made
                }
                _ => CUresult::CUDA_ERROR_INVALID_CONTEXT,
            }
        };
        if made == SUCCESS { event } else { core::ptr::null_mut() }
    }

    fn counted(&self, event: Event) -> Option<&Counted> {
        self.events.get((event as usize).checked_sub(1)?)
    }

    fn handle(&self, event: Event) -> Option<CUevent> {
        Some(self.counted(event)?.handle.load(Relaxed)).filter(|handle| !handle.is_null())
    }
}

/// Runs `f`, which calls functions of events, so that it disturbs nobody's capture.
pub(crate) fn quietly<T>(f: impl FnOnce() -> T) -> T {
    relaxed(f)
}
