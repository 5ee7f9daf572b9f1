//! What the program gives up in the order of a stream: the driver keeps the memory until the stream has come so far,
//! and it stays charged as long. An event says when; nothing waits for it.
//!
//! At a call of the kind its own stream's oldest event is asked for, and all when somebody asks what is used, when the
//! program has waited for the GPU, and before a refusal. Where the driver makes or records no event what is given up
//! stays charged until its context ends: never less is counted than the driver keeps.

use crate::capture::relaxed;
use crate::contexts::{self, Here, UNKNOWN};
use crate::device::{self, Device};
use crate::hooks::real;
use crate::leaving_lines::{self as lines, Line, Name};
use crate::leaving_parts::{self as parts, Chain, Given};
use crate::meter::askers::Askers;
use crate::meter::stream::{self, Stream};
use crate::references::Memory;
use crate::{allotments::Share, sys};
use core::sync::atomic::{AtomicU64, Ordering};
use nvidia_sys::cuda::{CUcontext, CUdevice, CUresult, CUstream};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// How many parts a call lets go of, of what its stream has come past.
const AT_A_CALL: u64 = 64;
/// How often a stream's line is looked for: each time another thread has changed it.
const TRIES: usize = 32;

/// By context, as an owner: who asks about its events, and who may be ending it.
static ASKERS: [Askers; contexts::OWNERS_END] = [const { Askers::new() }; contexts::OWNERS_END];

/// Parts that have not been let go of: mostly none, and then nothing is looked at.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A share, and the context of a process that something ends with there.
#[derive(Clone, Copy)]
pub(crate) struct Whose {
    share: u8,
    owner: u8,
}

impl Whose {
    /// Whose something is whose context has ended.
    pub(crate) const NOBODYS: u64 = u64::MAX;
    const ONES: u64 = 1 << 16;

    /// All of it in one word, which is never 0.
    pub(crate) fn word(self) -> u64 {
        u64::from(self.share) | u64::from(self.owner) << 8 | Self::ONES
    }

    /// What has this word.
    pub(crate) fn from_word(word: u64) -> Self {
        Self { share: word as u8, owner: (word >> 8) as u8 }
    }

    /// What `driver` says of events of its contexts, unless one of them may be ending.
    fn ask<T>(self, driver: impl FnOnce() -> T) -> Option<T> {
        ASKERS.get(usize::from(self.owner))?.ask(driver)
    }

    /// Whether it may be long until anybody can ask: who ends a context mostly comes back soon.
    fn is_stuck(self) -> bool {
        ASKERS.get(usize::from(self.owner)).is_none_or(Askers::is_stuck)
    }
}

/// What one call gives up, which the driver has been told of. Plain data: nothing happens when it is dropped.
pub(crate) struct Leaving {
    stream: Stream,
    last: Option<(&'static Memory, u64)>,
    chain: Chain,
    share: u8,
}

impl Leaving {
    /// In a stream, where none is the legacy one.
    pub(crate) fn of(stream: CUstream) -> Self {
        Self::in_order_of(Stream::shared(stream))
    }

    /// In a stream, where none is the thread's own.
    pub(crate) fn of_ptsz(stream: CUstream) -> Self {
        Self::in_order_of(Stream::own(stream))
    }

    fn in_order_of(stream: Stream) -> Self {
        Self { stream, last: None, chain: Chain::default(), share: 0 }
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

    /// What an address was charged, or what keeps what lay there.
    pub(crate) fn add_given(&mut self, given: Given) {
        self.share = match given {
            Given::Charge(left) => left.share(),
            Given::References(memory, _) => memory.share(),
        };
        self.chain.add(given);
    }

    fn flush(&mut self) {
        if let Some((memory, count)) = self.last.take() {
            self.add_given(Given::References(memory, count));
        }
    }

    /// What was added is let go when the stream has come past.
    pub(crate) fn after_stream(mut self) {
        self.flush();
        if self.chain.count > 0 {
            COUNT.fetch_add(self.chain.count, Ordering::AcqRel);
            relaxed(|| self.wait());
        }
    }

    fn wait(&self) {
        let name = name_of(self.stream);
        let is_put = |name: &Name| within(name.context, || Some(self.put(*name))) == Some(true);
        if !name.as_ref().is_some_and(is_put) {
            let unknown = Whose { share: self.share, owner: UNKNOWN };
            until_its_end(name.map_or(unknown, |name| name.whose), self.chain);
        }
    }

    /// Puts it behind an event of its stream, in whose context the caller is. False: there is none.
    fn put(&self, name: Name) -> bool {
        let mut tries = 0;
        while tries < TRIES {
            match name.whose.ask(|| self.put_once(name)) {
                Some(Put::There(line)) => {
                    gone(line.advance(AT_A_CALL, |turn| has_passed(line, turn)));
                    return true;
                }
                Some(Put::Nowhere) => return false,
                Some(Put::Again) => tries += 1,
                None if name.whose.is_stuck() => return false,
                None => sys::yield_now(),
            }
        }
        false
    }

    fn put_once(&self, name: Name) -> Put {
        let Some((line, turn)) = Line::begin(name) else { return Put::Again };
        let record = || {
            let (event, record) = (line.event(turn, false)?, real::cuEventRecord.get()?);
            // SAFETY: an event of ours, in a context that has not ended; the stream is the caller's.
            Some(unsafe { record(event, self.stream.handle()) })
        };
        let put = match record() {
            Some(SUCCESS) if line.put(Some(turn), self.chain) => Put::There(line),
            Some(SUCCESS) => Put::Again,
            _ => Put::Nowhere,
        };
        line.done(name);
        put
    }
}

/// What became of a try.
enum Put {
    There(&'static Line),
    /// Another thread has changed the line meanwhile.
    Again,
    Nowhere,
}

/// A stream is about to end: another may be given its handle.
pub(crate) fn stream_ends(stream: Stream) {
    if !stream.is_default() {
        lines::stream_ends(name_in_lines(stream));
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
    relaxed(|| {
        for line in lines::all().filter(|line| !line.is_empty()) {
            gone(line.advance(u64::MAX, |turn| has_passed(line, turn)));
        }
    });
}

fn gone(count: u64) {
    COUNT.fetch_sub(count, Ordering::AcqRel);
}

/// Whether the stream has come past the event of what is closed. Of a context that may be ending nobody asks.
fn has_passed(line: &Line, turn: u64) -> bool {
    let whose = line.whose();
    let ask = || {
        let event = line.event(turn, true).filter(|_| line.whose().word() == whose.word())?;
        // SAFETY: an event of ours, in a context that has not ended.
        Some(unsafe { real::cuEventQuery.get()?(event) })
    };
    whose.ask(ask).flatten() == Some(SUCCESS)
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

/// Lets `driver` end a context that owns nothing by itself: what waits behind its events goes with it. Of a green one
/// nobody says that its streams have come so far by then: that waits for the end of the one that it keeps.
pub(crate) fn while_it_ends(
    context: CUcontext,
    is_green: bool,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    lines::context_ends(context);
    let result = driver();
    lines::context_ended(context, result == SUCCESS, |whose, first| {
        if is_green { until_its_end(whose, Chain::of(first)) } else { let_go(first) }
    });
    result
}

/// A context of a device has ended, and its events with it; or its last one, with those of no known one.
#[cold]
pub(crate) fn forget(share: Share, owner: u8) {
    // Said before: a thread that is asking for an event just now is told nothing of it.
    lines::forget(Whose { share: share.number, owner }, |_, first| let_go(first));
    // By now nobody takes an event of its for one that is there.
    ASKERS.get(usize::from(owner)).inspect(|askers| askers.are_anothers());
}

fn let_go(first: u64) {
    gone(parts::let_go(first, u64::MAX).0);
}

/// Without an event it waits for the end of the context. Where there is no place it stays until the process ends.
#[cold]
fn until_its_end(whose: Whose, chain: Chain) {
    if chain.count > 0 {
        Line::of_any(whose).inspect(|line| _ = line.put(None, chain));
    }
}

/// What a stream is called among the lines: none where no context is current, or it is of no share.
fn name_of(stream: Stream) -> Option<Name> {
    let context = context_of(stream)?;
    let known = contexts::of(context).map(|known| (known.device, known.owner));
    let (device, owner) = known.or_else(|| {
        // A green context, most likely, which ends with the primary one at the latest.
        let device = within(context, device::current_ordinal)?;
        let primary = Here::of(device)?.handle.load(Ordering::Acquire);
        Some((device, contexts::of(primary).map_or(UNKNOWN, |primary| primary.owner)))
    })?;
    let Device::Share(share) = device::of(device) else { return None };
    let whose = Whose { share: share.number, owner };
    Some(Name { stream: name_in_lines(stream), context, whose })
}

fn name_in_lines(stream: Stream) -> u64 {
    match stream.is_threads() {
        true => lines::of_thread(sys::thread_number(), stream::thread()),
        false => lines::of_stream(stream.handle().expose_provenance() as u64),
    }
}

/// The context that a stream belongs to.
fn context_of(stream: Stream) -> Option<CUcontext> {
    let mut context = core::ptr::null_mut();
    let ask = real::cuStreamGetCtx.get().filter(|_| !stream.is_default());
    // SAFETY: the caller's stream; the driver writes one handle.
    match ask.map(|ask| unsafe { ask(stream.handle(), &mut context) }) {
        Some(SUCCESS) => Some(context),
        _ => contexts::current_handle(),
    }
}

/// The device of a stream's context.
#[cold]
pub(crate) fn device_of(stream: CUstream) -> Option<CUdevice> {
    let context = context_of(Stream::shared(stream))?;
    contexts::device_of(context).or_else(|| within(context, device::current_ordinal))
}

/// Runs `f` with a context current.
fn within<T>(context: CUcontext, f: impl FnOnce() -> Option<T>) -> Option<T> {
    if contexts::current_handle() == Some(context) {
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
