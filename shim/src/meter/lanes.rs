//! The streams of this process, found by their key. A stream beyond those that find room is counted by
//! what was learned, launch by launch.

use crate::meter::flight;
use crate::meter::lane::Lane;
use crate::meter::timer::Timer;
use crate::region::Region;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use nvidia_sys::cuda::{CUcontext, CUresult};

/// Streams of one process.
const MOST: usize = 1024;
/// How many places a key may lie in.
const REACH: usize = 8;

static LANES: Region<Lane, MOST> = Region::new();
/// One bit for each place.
type Bits = [AtomicU64; MOST / 64];
/// The streams that may have batches in flight.
static FLYING: Bits = [const { AtomicU64::new(0) }; MOST / 64];
/// The places that any stream was given: the others' memory is not touched.
static GIVEN: Bits = [const { AtomicU64::new(0) }; MOST / 64];

/// The stream with this key, where it lies at the likeliest place.
#[inline]
pub(crate) fn quick(key: u64) -> Option<&'static Lane> {
    let lane = LANES.known().get(first(key))?;
    (lane.key.load(Relaxed) == key).then_some(lane)
}

/// The stream with this key, which gets a place if it has none.
pub(crate) fn get(key: u64) -> Option<&'static Lane> {
    let places = LANES.places()?;
    let reach = || (first(key)..first(key) + REACH).filter_map(|at| places.get(at % MOST));
    let found = reach().find(|lane| lane.key.load(Acquire) == key);
    let take = |lane: &Lane| lane.key.compare_exchange(0, key, AcqRel, Relaxed).is_ok();
    let taken = || reach().find(|lane| take(lane)).inspect(|lane| set(&GIVEN, lane));
    found.or_else(taken).or_else(|| {
        let idle = |lane: &&Lane| lane.flight.is_empty();
        reach().find(idle).filter(|lane| evict(lane, key))
    })
}

/// The stream with this key, if it is known.
pub(crate) fn find(key: u64) -> Option<&'static Lane> {
    let places = LANES.known();
    (first(key)..first(key) + REACH)
        .filter_map(|at| places.get(at % MOST))
        .find(|lane| lane.key.load(Acquire) == key)
}

/// Notes that a stream has batches in flight.
pub(crate) fn flies(lane: &'static Lane) {
    set(&FLYING, lane);
}

/// Whether anything may be in flight.
#[inline]
pub(crate) fn any_flies() -> bool {
    FLYING.iter().any(|word| word.load(Relaxed) != 0)
}

/// Settles what is done, in all streams; the program `waited` for the GPU, or did not.
pub(crate) fn settle(waited: bool) {
    let now_ns = flight::now_ns();
    let places = LANES.known();
    for (at, word) in (0..).step_by(64).zip(&FLYING) {
        let mut bits = word.load(Relaxed);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            bits &= !bit;
            let Some(lane) = places.get(at + bit.trailing_zeros() as usize) else { continue };
            lane.flight.settle(now_ns);
            if lane.flight.is_empty() {
                lane.drained(waited);
                word.fetch_and(!bit, Relaxed);
                // A batch that began to fly meanwhile is not forgotten.
                if !lane.flight.is_empty() {
                    word.fetch_or(bit, Relaxed);
                }
            }
        }
    }
    Timer::stuck().for_each(context_ends);
}

/// All streams of a context are about to wait for an event; without one, or of one that has no timer, all streams that
/// there are: a green context's have the timer of whichever context the driver calls theirs.
pub(crate) fn all_hold_up(context: Option<CUcontext>) {
    let timer = context.and_then(Timer::known).unwrap_or(0);
    given().for_each(|lane| {
        if timer == 0 || lane.is_timed_by(timer) {
            lane.holds_up();
        }
    });
}

/// Streams of a context's timer of which nothing is in flight let go of the events that they hold.
#[cold]
pub(crate) fn let_events_go(timer: u32) {
    given().filter(|lane| lane.flight.is_empty()).for_each(|lane| lane.lets_events_go(timer));
}

/// Forgets a context's events and kernels and settles what is in flight there: the context has ended, or nobody may
/// ever say so.
pub(crate) fn context_ends(context: CUcontext) {
    forget_all(context);
    super::COSTS.forget_kernels();
}

/// A context was made, and nobody has its handle yet: what is known of that is left from the one before, in which a
/// thread launched while it ended.
pub(crate) fn context_begins(context: CUcontext) {
    forget_all(context);
}

/// Lets `end` end a context, whose events go with it: nobody asks about them meanwhile, and no stream waits for one. If
/// it does not end, they stay. Of a thread that is cancelled in there nothing is left but the timer's place.
pub(crate) fn while_it_ends(context: CUcontext, end: impl FnOnce() -> CUresult) -> CUresult {
    settle_what_flies();
    super::COSTS.forget_kernels();
    let Some((number, timer)) = Timer::hide(context) else { return end() };
    let uses = timer.askers.may_leave();
    forget_all(context);
    abandon(number);
    let result = end();
    if result == CUresult::CUDA_SUCCESS {
        // One that has this handle now may be another thread's next context's.
        forget(number, timer);
    } else if Timer::known(context).is_some() {
        // One that was launched meanwhile has made another.
        forget(number, timer);
    } else {
        timer.show(context);
        timer.askers.stays(uses);
    }
    result
}

/// Lets `release` do what may end a context. Its events go with it, and other threads settle what is in flight
/// everywhere: so what has ended there is told of before, and nobody asks about the rest meanwhile.
pub(crate) fn while_it_may_end<T>(context: CUcontext, release: impl FnOnce() -> T) -> T {
    let Some(timer) = Timer::known(context).and_then(Timer::at) else { return release() };
    settle_what_flies();
    let uses = timer.askers.may_leave();
    let released = release();
    timer.askers.stays(uses);
    released
}

/// Tells of what has ended.
fn settle_what_flies() {
    if any_flies() {
        super::quietly(|| settle(false));
    }
}

/// Gives up the timers of a handle. Two are there where a thread launched while another could not end the context.
fn forget_all(context: CUcontext) {
    while let Some((number, timer)) = Timer::hide(context) {
        forget(number, timer);
    }
}

/// Gives up a timer, its events and what is in flight there.
fn forget(number: u32, timer: &Timer) {
    timer.forget_events();
    abandon(number);
    timer.is_free();
}

/// Settles what is in flight by a timer, and lets all streams let go of its events.
fn abandon(number: u32) {
    let now_ns = flight::now_ns();
    given().for_each(|lane| lane.abandon(number, now_ns));
}

/// Gives the place of a stream that is not busy to another.
fn evict(lane: &Lane, key: u64) -> bool {
    let before = lane.key.load(Acquire);
    lane.retire();
    lane.key.compare_exchange(before, key, AcqRel, Relaxed).is_ok()
}

/// The places that any stream was given.
fn given() -> impl Iterator<Item = &'static Lane> {
    let places = LANES.known();
    (0..).step_by(64).zip(&GIVEN).flat_map(move |(at, word)| {
        let mut bits = word.load(Acquire);
        core::iter::from_fn(move || {
            let next = bits.trailing_zeros() as usize;
            bits &= bits.wrapping_sub(1);
            places.get(at + next).filter(|_| next < 64)
        })
    })
}

/// Sets a stream's bit.
fn set(bits: &Bits, lane: &'static Lane) {
    let base = LANES.known().as_ptr().addr();
    let at = (core::ptr::from_ref(lane).addr() - base) / size_of::<Lane>();
    if let Some(word) = bits.get(at / 64) {
        let bit = 1 << (at % 64);
        if word.load(Relaxed) & bit == 0 {
            word.fetch_or(bit, Release);
        }
    }
}

const fn first(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % MOST
}
