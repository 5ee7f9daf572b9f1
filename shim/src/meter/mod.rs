//! The meter: every launch is counted, its GPU time measured, and one that has no credit waits.
//!
//! A launch that fits into its stream's open batch costs two look-ups and an addition: no clock, no
//! call of the driver, no word that other threads write. Once per batch (half a millisecond of GPU
//! time) it records an event, settles what is done, and looks at its credit.
//!
//! Launches that are captured are not counted: the graph's launch is. Where the driver cannot say
//! whether a stream is captured (a callback's thread, the legacy stream beside a capture) the call goes
//! to the driver untouched.

pub(crate) mod askers;
mod busy;
mod flight;
mod lane;
mod lanes;
pub(crate) mod stream;
mod throttle;
mod timer;

pub(crate) use lanes::{context_begins, context_ends, while_it_ends, while_it_may_end};

use crate::device::{self, Device};
use crate::hooks::real;
use crate::{allotments, contexts};
use allotments::Share;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use lane::{Lane, Work};
use ledger::Engine;
use meter_rules::{BATCH_NS, Costs};
use nvidia_sys::cuda::{CUcontext, CUresult, CUstreamCaptureStatus};
use stream::Stream;
use timer::{Timer, quietly};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// What was learned of kernels, graphs and copies.
static COSTS: Costs<4096> = Costs::new();

/// Captures that this process has under way; it may say too much, and costs time then.
static CAPTURES: AtomicU32 = AtomicU32::new(0);

/// A launch.
#[derive(Clone, Copy)]
pub(crate) struct Launch {
    pub(crate) stream: Stream,
    /// What learns its cost.
    pub(crate) key: u64,
    /// No event may come between it and the launch before it.
    pub(crate) is_kept: bool,
}

/// Meters a launch that `driver` makes.
#[inline]
pub(crate) fn launch(launch: Launch, driver: impl Fn() -> CUresult) -> CUresult {
    if is_taken(launch) { driver() } else { slowly(launch, &driver) }
}

/// Waits as the launch would: for who takes something else for it before it is [`admitted`], which another
/// thread would miss meanwhile.
#[cold]
pub(crate) fn admit(launch: Launch) {
    if let Some((lane, share)) = quietly(|| prepared(launch.stream)) {
        await_credit(launch, lane, share);
    }
}

/// Meters a launch that has waited.
pub(crate) fn admitted(launch: Launch, driver: &dyn Fn() -> CUresult) -> CUresult {
    if is_taken(launch) { driver() } else { counted(launch, false, driver) }
}

/// Counts a launch that fits into its stream's open batch, and that is all there is to do. False: it is
/// to be made by [`slowly`].
#[inline]
pub(crate) fn is_taken(launch: Launch) -> bool {
    let cost_ns = COSTS.of(launch.key);
    CAPTURES.load(Relaxed) == 0
        && lanes::quick(launch.stream.key()).is_some_and(|lane| lane.takes(cost_ns))
}

/// Meters a copy that `driver` makes. None waits, and short ones are counted by what was learned: the time
/// is also what lies idle between the events of the stream's open batch.
#[inline]
pub(crate) fn copy(copy: Launch, driver: impl Fn() -> CUresult) -> CUresult {
    let cost_ns = COSTS.of(copy.key);
    if CAPTURES.load(Relaxed) == 0
        && (1..BATCH_NS).contains(&cost_ns)
        && let Some((lane, (share, _))) =
            lanes::find(copy.stream.key()).and_then(|lane| Some((lane, lane.known()?)))
    {
        let result = driver();
        if result == SUCCESS {
            lane.copied(share, cost_ns);
        }
        return result;
    }
    copy_slowly(copy, cost_ns, &driver)
}

#[cold]
#[inline(never)]
fn copy_slowly(copy: Launch, cost_ns: u64, driver: &dyn Fn() -> CUresult) -> CUresult {
    let prepared = quietly(|| prepared(copy.stream));
    let Some((Some(lane), share)) = prepared else { return driver() };
    if (1..BATCH_NS).contains(&cost_ns) {
        let result = driver();
        if result == SUCCESS {
            lane.copied(share, cost_ns);
        }
        return result;
    }
    let work = Work { key: copy.key, cost_ns, is_kept: false, engine: Engine::Copy };
    let from = quietly(|| lane.before_copy(copy.stream));
    let launched_ns = flight::now_ns();
    let result = driver();
    if result == SUCCESS {
        quietly(|| lane.after_copy(copy.stream, &work, from, launched_ns));
        lanes::flies(lane);
    } else {
        lane.undo(lane::Step::Opens { from, is_busy: None });
    }
    result
}

/// Another graph or kernel may be given this handle.
pub(crate) fn forget(key: u64) {
    COSTS.forget(key);
}

/// Functions are gone with their code, and another may be given the handle of one: a kernel of 50 ms would be
/// taken for the one of 5 µs that was there before, and a queue full of them launched.
pub(crate) fn code_ends() {
    // What is settled later would be learned as theirs.
    if lanes::any_flies() {
        quietly(|| lanes::settle(false));
    }
    COSTS.forget_kernels();
}

/// A capture has begun, or one has ended.
pub(crate) fn captures(begins: bool) {
    let change = |count: u32| if begins { count.checked_add(1) } else { count.checked_sub(1) };
    let _ = CAPTURES.fetch_update(Relaxed, Relaxed, change);
}

/// Whether this process may have a capture under way.
pub(crate) fn any_captures() -> bool {
    CAPTURES.load(Relaxed) > 0
}

/// A stream is about to end: another may be given its handle.
pub(crate) fn stream_ends(stream: Stream) {
    if let Some(lane) = lanes::find(stream.key()) {
        lane.retire();
    }
}

/// A stream is about to be held up by what takes none of the GPU's time: what was launched before is a batch.
#[inline]
pub(crate) fn is_held_up(stream: Stream) {
    if let Some(lane) = lanes::find(stream.key())
        && lane.is_open()
    {
        part(lane, stream);
    }
}

/// A stream is about to be held up by an event, which another may be behind: of what takes none of the GPU's time, the
/// one that is too frequent to part batches. One that joins a captured stream to another holds nothing up and is
/// taken for one that does: that it will be captured the driver does not say before, and what it costs is a batch
/// that is charged what was learned.
#[inline]
pub(crate) fn follows(stream: Stream) {
    if let Some(lane) = lanes::find(stream.key()) {
        lane.holds_up();
    }
}

/// The same of all streams of a context; without one of all that there are.
pub(crate) fn all_follow(context: Option<CUcontext>) {
    lanes::all_hold_up(context);
}

#[cold]
fn part(lane: &'static Lane, stream: Stream) {
    quietly(|| {
        if is_plain(stream) {
            lane.part(stream);
        }
    });
    lanes::flies(lane);
}

/// The program has waited for the GPU: what it waited for is done.
#[inline]
pub(crate) fn waited() {
    if lanes::any_flies() {
        settle();
    }
}

/// The program has seen that something has ended: what has is told of at once, and not with its next launch.
#[inline]
pub(crate) fn has_ended() {
    if lanes::any_flies() {
        settle_ended();
    }
}

#[cold]
fn settle() {
    quietly(|| lanes::settle(true));
}

#[cold]
fn settle_ended() {
    quietly(|| lanes::settle(false));
}

/// Makes a launch that does not fit into a batch that is open.
#[cold]
#[inline(never)]
pub(crate) fn slowly(launch: Launch, driver: &dyn Fn() -> CUresult) -> CUresult {
    counted(launch, true, driver)
}

fn await_credit(launch: Launch, lane: Option<&'static Lane>, share: Share) {
    let tell = || {
        // No event may come before a launch that is kept together with the one before it.
        if let Some(lane) = lane
            && !launch.is_kept
        {
            quietly(|| lane.end(launch.stream));
            lanes::flies(lane);
        }
    };
    throttle::admit(share, &|| COSTS.of(launch.key), &tell);
}

fn counted(launch: Launch, waits: bool, driver: &dyn Fn() -> CUresult) -> CUresult {
    let cost_ns = COSTS.of(launch.key);
    let is_taken = |lane: &Lane| lane.takes(cost_ns);
    if CAPTURES.load(Relaxed) == 0 && lanes::find(launch.stream.key()).is_some_and(is_taken) {
        return driver();
    }
    let Some((lane, share)) = quietly(|| prepared(launch.stream)) else { return driver() };
    if lane.is_some_and(is_taken) {
        return driver();
    }
    if waits {
        await_credit(launch, lane, share);
    }
    // What was measured while it waited counts.
    let work = Work {
        key: launch.key,
        cost_ns: COSTS.of(launch.key),
        is_kept: launch.is_kept,
        engine: Engine::Compute,
    };
    let Some(lane) = lane else {
        let result = driver();
        if result == SUCCESS {
            lane::estimated(share, work.engine, 1, work.counted_ns());
        }
        return result;
    };
    let step = quietly(|| lane.before(launch.stream, &work));
    let launched_ns = flight::now_ns();
    let result = driver();
    if result == SUCCESS {
        quietly(|| lane.after(launch.stream, &work, step, launched_ns));
        lanes::flies(lane);
    } else {
        lane.undo(step);
    }
    result
}

/// The stream and its share, with what is done settled. None: the call is not ours to meter.
fn prepared(stream: Stream) -> Option<(Option<&'static Lane>, Share)> {
    if !is_plain(stream) {
        return None;
    }
    lanes::settle(false);
    let lane = lanes::get(stream.key());
    if let Some((share, _)) = lane.and_then(Lane::known) {
        return Some((lane, share));
    }
    let context = context_of(stream)?;
    let share = share_of(context)?;
    // Without a slot nothing is counted: a forked child, or one process too many.
    share.allotment.take_slot().ok()?;
    let timer = Timer::of(context).map_or(0, |(number, _)| number);
    lane.inspect(|lane| lane.introduce(share, timer));
    Some((lane, share))
}

/// Whether what is put into the stream is run, and not captured.
fn is_plain(stream: Stream) -> bool {
    let Some(ask) = real::cuStreamIsCapturing.get() else { return true };
    let mut status = CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
    // SAFETY: the stream is the program's own argument; the driver writes one word.
    let answer = unsafe { ask(stream.handle(), &mut status) };
    answer == SUCCESS && status == CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE
}

/// The context of a stream: its own, or the thread's.
fn context_of(stream: Stream) -> Option<CUcontext> {
    let mut context = core::ptr::null_mut();
    if !stream.is_default()
        && let Some(get) = real::cuStreamGetCtx.get()
    {
        // SAFETY: the stream is the program's own argument; the driver writes one handle.
        let result = unsafe { get(stream.handle(), &mut context) };
        if result == SUCCESS && !context.is_null() {
            return Some(context);
        }
    }
    // SAFETY: the driver writes one handle.
    let result = unsafe { real::cuCtxGetCurrent.get()?(&mut context) };
    (result == SUCCESS && !context.is_null()).then_some(context)
}

/// The share of a context's device.
fn share_of(context: CUcontext) -> Option<Share> {
    let ordinal = contexts::device_of(context).or_else(device::current_ordinal)?;
    match device::of(ordinal) {
        Device::Share(share) => Some(share),
        Device::Full | Device::Unknown => None,
    }
}
