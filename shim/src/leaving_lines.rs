//! The streams in whose order something is given up. Each has two events: behind the one, which was recorded once, waits
//! the closed chain; the other is recorded anew with whatever is given up meanwhile, and behind it waits the open one.
//! When the closed chain has gone the open one is closed, and the events change places.
//!
//! One word has both chains, so that threads need no lock: who records an event has nothing of the line's in hand, and
//! who is cancelled there leaves it as it is. An event is only ever asked about for a chain that nothing is added to.

use crate::hooks::real;
use crate::leaving::Whose;
use crate::leaving_parts::{self, Chain, NUMBER};
use crate::region::{Place, Region, change, change_where_seen};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use nvidia_sys::cuda::{CUcontext, CUevent, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// CU_EVENT_DISABLE_TIMING: the cheapest.
const UNTIMED: u32 = 2;
/// Streams at a time, and behind them places for what waits for the end of a context alone: one for each.
const STREAMS: usize = 1 << 12;
const LINES: usize = STREAMS + (1 << 8);

/// What a line's stream may be beside one's name: none, none yet, one that has ended, any of a context.
const FREE: u64 = 0;
const BUSY: u64 = 4;
const ENDED: u64 = 3;
const ANY: u64 = 7;
/// In the name of a thread's own stream.
const THREADS: u64 = 2;
/// In a context's handle: it may be ending.
const ENDING: u64 = 1;

/// The parts of a word: the first of the closed chain and of the open one; whether the closed one's event has come to
/// pass; whether a thread has the closed one in hand; and how often they have changed places.
const OPEN: u32 = NUMBER.count_ones();
const PASSED: u64 = 1 << (2 * OPEN);
const TAKEN: u64 = PASSED << 1;
const TURN: u64 = TAKEN << 1;

static LINES_OF: Region<Line, LINES> = Region::new();
/// How many places of streams were ever in use: further ones need no look.
static KNOWN: AtomicUsize = AtomicUsize::new(0);

/// A stream, its context, and what that is owned by.
#[repr(align(64))]
pub(crate) struct Line {
    stream: AtomicU64,
    context: AtomicU64,
    whose: AtomicU64,
    word: AtomicU64,
    events: [AtomicU64; 2],
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Line {}

/// Which stream a line is to be of.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// See [`of_stream`] and [`of_thread`].
    pub(crate) stream: u64,
    pub(crate) context: CUcontext,
    pub(crate) whose: Whose,
}

/// The name of a stream by its handle.
pub(crate) const fn of_stream(handle: u64) -> u64 {
    handle << 2 | 1
}

/// The name of a thread's own stream, by the numbers of the thread: the kernel gives its own again only when it has
/// given all others.
pub(crate) const fn of_thread(number: u64, address: u64) -> u64 {
    (address << 16 ^ number << 2) & !3 | THREADS
}

/// The lines of streams.
pub(crate) fn all() -> impl Iterator<Item = &'static Line> {
    LINES_OF.known().iter().take(KNOWN.load(Ordering::Acquire))
}

/// These, and what waits for the end of a context alone.
fn with_others() -> impl Iterator<Item = &'static Line> {
    all().chain(LINES_OF.known().iter().skip(STREAMS))
}

/// A stream is about to end: another may be given its handle.
pub(crate) fn stream_ends(name: u64) {
    all().for_each(|line| _ = change_where_seen(&line.stream, name, ENDED));
}

/// The events of a context, if it is about to end, are nobody's until [`context_ended`] is said.
pub(crate) fn context_ends(context: CUcontext) {
    let handle = context.expose_provenance() as u64;
    if handle != 0 {
        all().for_each(|line| _ = change_where_seen(&line.context, handle, handle | ENDING));
    }
}

/// It has ended, and `then` is told of what waited behind its events; or it has not.
pub(crate) fn context_ended(context: CUcontext, has_ended: bool, then: impl Fn(Whose, u64)) {
    let handle = context.expose_provenance() as u64;
    for line in all().filter(|_| handle != 0) {
        let is_its = line.context.load(Ordering::Acquire) == handle | ENDING;
        if is_its && has_ended {
            line.forget(line.whose(), &then);
        } else if is_its {
            change(&line.context, handle | ENDING, handle);
        }
    }
}

/// The contexts of an owner have ended: `then` is told of what waited there.
pub(crate) fn forget(whose: Whose, then: impl Fn(Whose, u64)) {
    let is_its = |line: &&Line| line.whose.load(Ordering::Acquire) == whose.word();
    with_others().filter(is_its).for_each(|line| line.forget(whose, &then));
}

impl Line {
    /// The line of a stream, with which the caller begins: while it has it, a thread's own one is nobody else's.
    pub(crate) fn begin(name: Name) -> Option<(&'static Self, u64)> {
        let line = Self::find(name).or_else(|| Self::claim(name))?;
        let turn = line.word.load(Ordering::Acquire) / TURN;
        let is_begun = match name.stream & 3 {
            THREADS => change(&line.stream, name.stream, BUSY),
            _ => line.stream.load(Ordering::Acquire) == name.stream,
        };
        if is_begun && !line.is_of(name) {
            line.done(name);
            return None;
        }
        is_begun.then_some((line, turn))
    }

    /// The caller has come through.
    pub(crate) fn done(&self, name: Name) {
        if name.stream & 3 == THREADS {
            change(&self.stream, BUSY, name.stream);
        }
    }

    fn is_of(&self, name: Name) -> bool {
        self.context.load(Ordering::Acquire) == name.context.expose_provenance() as u64
            && self.whose.load(Ordering::Acquire) == name.whose.word()
    }

    fn find(name: Name) -> Option<&'static Self> {
        all().find(|line| line.stream.load(Ordering::Acquire) == name.stream && line.is_of(name))
    }

    /// One of a stream of the same context that has ended, or of another thread, behind whose events nothing waits; else
    /// a place with new events. The driver makes them before, so that nobody is cancelled with a place in hand.
    #[cold]
    fn claim(name: Name) -> Option<&'static Self> {
        let is_left = |line: &&Self| {
            let stream = line.stream.load(Ordering::Acquire);
            (stream == ENDED || stream & 3 == THREADS)
                && line.is_of(name)
                && line.is_empty()
                && change(&line.stream, stream, BUSY)
        };
        if let Some(line) = all().find(is_left) {
            // Whoever still takes it for the other's finds another turn.
            let word = line.word.load(Ordering::Acquire);
            let is_its = word & (TURN - 1) == 0
                && change(&line.word, word, word.wrapping_add(TURN))
                && line.is_of(name);
            change(&line.stream, BUSY, if is_its { name.stream } else { ENDED });
            return is_its.then_some(line);
        }
        let places = LINES_OF.places()?.get(..STREAMS)?;
        let events = [event()?, event().unwrap_or(core::ptr::null_mut())];
        let free = (1..).zip(places).find(|(_, line)| change_where_seen(&line.stream, FREE, BUSY));
        let Some((known, line)) = free.filter(|_| !events[1].is_null()) else {
            free.inspect(|(_, line)| line.stream.store(FREE, Ordering::Release));
            events.into_iter().filter(|event| !event.is_null()).for_each(end_event);
            return None;
        };
        for (place, event) in line.events.iter().zip(events) {
            place.store(event.expose_provenance() as u64, Ordering::Relaxed);
        }
        line.context.store(name.context.expose_provenance() as u64, Ordering::Relaxed);
        line.whose.store(name.whose.word(), Ordering::Release);
        KNOWN.fetch_max(known, Ordering::AcqRel);
        change(&line.stream, BUSY, name.stream);
        Some(line)
    }

    /// Where what has no event waits for the end of its context.
    #[cold]
    pub(crate) fn of_any(whose: Whose) -> Option<&'static Self> {
        let places = LINES_OF.places()?.get(STREAMS..)?;
        let is_its = |line: &&Self| {
            line.stream.load(Ordering::Acquire) == ANY
                && line.whose.load(Ordering::Relaxed) == whose.word()
        };
        let claim = |line: &&Self| change_where_seen(&line.stream, FREE, BUSY);
        places.iter().find(is_its).or_else(|| {
            let line = places.iter().find(claim)?;
            line.whose.store(whose.word(), Ordering::Relaxed);
            line.stream.store(ANY, Ordering::Release);
            Some(line)
        })
    }

    /// Whose its context is.
    pub(crate) fn whose(&self) -> Whose {
        Whose::from_word(self.whose.load(Ordering::Acquire))
    }

    /// The event that is recorded in a turn, or the other.
    pub(crate) fn event(&self, turn: u64, is_closed: bool) -> Option<CUevent> {
        let [first, second] = &self.events;
        let of = if (turn & 1 == 0) == is_closed { second } else { first };
        let event = of.load(Ordering::Relaxed);
        (event != 0).then(|| core::ptr::with_exposed_provenance_mut(event as usize))
    }

    /// Puts a chain behind the open event, which was recorded in this turn. False: the turn is another by now.
    pub(crate) fn put(&self, turn: Option<u64>, chain: Chain) -> bool {
        let put = |word: u64| {
            chain.before(word >> OPEN & NUMBER);
            let is_its = turn.is_none_or(|turn| word / TURN == turn);
            is_its.then_some(word & !(NUMBER << OPEN) | chain.first << OPEN)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, put).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.word.load(Ordering::Acquire) & (TURN - 1) == 0
    }

    /// Closes the open chain where the closed one has gone, asks `has_passed` about the closed one's event, by its turn,
    /// and lets go of at most so many parts: how many it was.
    pub(crate) fn advance(&self, most: u64, has_passed: impl Fn(u64) -> bool) -> u64 {
        let mut count = 0;
        while count < most {
            let word = self.word.load(Ordering::Acquire);
            let (closed, open, turn) = (word & NUMBER, word >> OPEN & NUMBER, word / TURN);
            if word & TAKEN != 0 || closed | open == 0 {
                break;
            }
            if closed == 0 {
                change(&self.word, word, turn.wrapping_add(1).wrapping_mul(TURN) | open);
                continue;
            }
            if word & PASSED == 0 && !has_passed(turn) {
                break;
            }
            if self.takes(closed, turn) {
                let (ended, rest) = leaving_parts::let_go(closed, most - count);
                count += ended + self.took(rest, turn);
            }
        }
        count
    }

    /// Takes the closed chain, of which the event has come to pass.
    fn takes(&self, closed: u64, turn: u64) -> bool {
        let take = |word: u64| {
            let is_it = word & NUMBER == closed && word / TURN == turn && word & TAKEN == 0;
            is_it.then_some(word & !NUMBER | TAKEN)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    /// Puts back what was left of it; or lets go of that too, where its context has ended meanwhile: how many parts.
    fn took(&self, rest: u64, turn: u64) -> u64 {
        let is_there = |word: u64| word / TURN == turn && rest > 0;
        let back = |word: u64| if is_there(word) { rest | PASSED } else { 0 };
        let put_back = |word: u64| Some(word & !(TAKEN | PASSED) | back(word));
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, put_back);
        match before {
            Ok(word) if !is_there(word) => leaving_parts::let_go(rest, u64::MAX).0,
            _ => 0,
        }
    }

    /// Its events have ended, and `then` is told of what waited behind them.
    fn forget(&self, whose: Whose, then: impl Fn(Whose, u64)) {
        if !change(&self.whose, whose.word(), Whose::NOBODYS) {
            return;
        }
        let empty =
            |word: u64| Some((word / TURN).wrapping_add(1).wrapping_mul(TURN) | word & TAKEN);
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, empty);
        let word = before.unwrap_or(0);
        self.context.store(0, Ordering::Relaxed);
        self.events.iter().for_each(|event| event.store(0, Ordering::Relaxed));
        self.stream.store(FREE, Ordering::Release);
        [word & NUMBER, word >> OPEN & NUMBER].into_iter().for_each(|first| then(whose, first));
    }
}

/// A new event of the current context.
fn event() -> Option<CUevent> {
    let mut event = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    let made = unsafe { real::cuEventCreate.get()?(&mut event, UNTIMED) };
    (made == SUCCESS).then_some(event)
}

fn end_event(event: CUevent) {
    // SAFETY: ours, and nobody else has seen it.
    real::cuEventDestroy_v2.get().map(|destroy| unsafe { destroy(event) });
}
