//! Stream capture: what is put into a captured stream becomes a node of a graph, and does not happen. A
//! stream that waits for a captured event is captured too. A call that a capture forbids ends it.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::front::LineId;
use crate::graph::{COPY, GIVE, GRAPHS, Graph, HOST, Job, KERNEL, TAKE, WORD, reaches};
use crate::graph_memory::{self, Allocation, Step};
use crate::line::Op;
use crate::mark::Mark;
use crate::registry::handle_of;
use crate::status::{Res, Status};
use crate::stream::Target;

/// CU_STREAM_CAPTURE_MODE_*: who is kept from calls that could disturb a capture.
pub(crate) const GLOBAL: u32 = 0;
const THREAD_LOCAL: u32 = 1;
const RELAXED: u32 = 2;

/// What is known of a captured stream.
pub(crate) struct Info {
    /// CU_STREAM_CAPTURE_STATUS_ACTIVE, or _INVALIDATED.
    pub(crate) status: u32,
    /// A number that no other capture of this process has.
    pub(crate) id: u64,
    /// The graph so far.
    pub(crate) graph: usize,
    /// Where the nodes that the next one will follow are listed, good until the capture goes on.
    pub(crate) tails: (usize, usize),
}

struct Capture {
    id: u64,
    graph: Arc<Graph>,
    mode: u32,
    thread: u64,
    origin: LineId,
    blocking: bool,
    /// Captured streams, and the nodes at the end of each.
    lines: Vec<(LineId, Vec<usize>)>,
    marks: Vec<(Arc<Mark>, Vec<usize>)>,
    valid: bool,
}

impl Capture {
    fn tails(&mut self, line: LineId) -> Option<&mut Vec<usize>> {
        self.lines.iter_mut().find(|(id, _)| *id == line).map(|(_, tails)| tails)
    }

    fn add(&mut self, line: LineId, kind: u32, job: Job) -> Res {
        if !self.valid {
            return Err(Status::STREAM_CAPTURE_INVALIDATED);
        }
        let after = self.tails(line).cloned().unwrap_or_default();
        let node = self.graph.add(kind, job, after)?;
        if let Some(tails) = self.tails(line) {
            *tails = vec![node];
        }
        Ok(())
    }

    fn noted(&self, mark: &Arc<Mark>) -> Option<Vec<usize>> {
        let found = self.marks.iter().find(|(noted, _)| Arc::ptr_eq(noted, mark));
        found.map(|(_, nodes)| nodes.clone())
    }

    /// Notes what is put into one of its streams.
    fn note(&mut self, line: LineId, op: Op) -> Res {
        match op {
            Op::Kernel { .. } | Op::Spin(_) => self.add(line, KERNEL, Job::Does(vec![op])),
            Op::Copy { .. } => self.add(line, COPY, Job::Does(vec![op])),
            Op::Write(_) | Op::Await(_) => self.add(line, WORD, Job::Does(vec![op])),
            Op::Call(_) => self.add(line, HOST, Job::Does(vec![op])),
            Op::Record(mark) => {
                let tails = self.tails(line).cloned().unwrap_or_default();
                self.marks.push((mark, tails));
                Ok(())
            }
            Op::Wait(mark) => {
                let Some(nodes) = self.noted(&mark) else {
                    self.valid = false;
                    return Err(Status::STREAM_CAPTURE_ISOLATION);
                };
                if let Some(tails) = self.tails(line) {
                    tails.extend(
                        nodes.into_iter().filter(|n| !tails.contains(n)).collect::<Vec<_>>(),
                    );
                }
                Ok(())
            }
        }
    }
}

fn captures() -> MutexGuard<'static, Vec<Capture>> {
    static CAPTURES: Mutex<Vec<Capture>> = Mutex::new(Vec::new());
    CAPTURES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many captures there are, so that none costs nothing.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

fn none() -> bool {
    RUNNING.load(Ordering::Acquire) == 0
}

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(GLOBAL) };
}

/// Swaps this thread's mode.
pub(crate) fn exchange_mode(wanted: u32) -> u32 {
    MODE.replace(wanted)
}

fn this_thread() -> u64 {
    // SAFETY: the function takes nothing and answers for the calling thread.
    unsafe { libc::pthread_self() }
}

/// Begins to capture a stream.
pub(crate) fn begin(target: &Target, mode: u32, blocking: bool) -> Res {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    if mode > RELAXED {
        return Err(Status::INVALID_VALUE);
    }
    if target.line == LineId::legacy(target.line.context) {
        return Err(Status::STREAM_CAPTURE_UNSUPPORTED);
    }
    let mut captures = captures();
    if captures.iter_mut().any(|capture| capture.tails(target.line).is_some()) {
        return Err(Status::ILLEGAL_STATE);
    }
    let graph = Arc::<Graph>::default();
    GRAPHS.insert(graph.clone());
    captures.push(Capture {
        id: NEXT.fetch_add(1, Ordering::Relaxed) as u64,
        graph,
        mode,
        thread: this_thread(),
        origin: target.line,
        blocking,
        lines: vec![(target.line, Vec::new())],
        marks: Vec::new(),
        valid: true,
    });
    RUNNING.store(captures.len(), Ordering::Release);
    Ok(())
}

/// Ends a capture where it began, and answers its graph.
pub(crate) fn end(target: &Target) -> Res<usize> {
    let mut captures = captures();
    let mut all = captures.iter_mut();
    let place = all.position(|capture| capture.tails(target.line).is_some());
    let place = place.ok_or(Status::ILLEGAL_STATE)?;
    if captures[place].origin != target.line {
        return Err(Status::STREAM_CAPTURE_UNMATCHED);
    }
    if captures[place].mode != RELAXED && captures[place].thread != this_thread() {
        return Err(Status::STREAM_CAPTURE_WRONG_THREAD);
    }
    let mut capture = captures.remove(place);
    RUNNING.store(captures.len(), Ordering::Release);
    drop(captures);
    let graph = handle_of(&capture.graph);
    let ends = capture.tails(target.line).cloned().unwrap_or_default();
    let joined = capture.lines.iter().all(|(_, tails)| reaches(&ends, tails));
    match (capture.valid, joined) {
        (true, true) => Ok(graph),
        (true, false) => crate::graph::destroy(graph).and(Err(Status::STREAM_CAPTURE_UNJOINED)),
        (false, _) => crate::graph::destroy(graph).and(Err(Status::STREAM_CAPTURE_INVALIDATED)),
    }
}

/// What is known of a stream's capture; nothing if it is not captured.
pub(crate) fn info(target: &Target) -> Option<Info> {
    let mut captures = captures();
    let capture = captures.iter_mut().find_map(|c| c.tails(target.line).is_some().then_some(c))?;
    let tails = capture.tails(target.line).map_or((0, 0), |t| (t.as_ptr() as usize, t.len()));
    let status = if capture.valid { 1 } else { 2 };
    Some(Info { status, id: capture.id, graph: handle_of(&capture.graph), tails })
}

/// Sets or adds to the nodes that a captured stream's next one will follow.
pub(crate) fn follow(target: &Target, nodes: Vec<usize>, replace: bool) -> Res {
    let mut captures = captures();
    let mut all = captures.iter_mut();
    let tails = all.find_map(|c| c.tails(target.line)).ok_or(Status::ILLEGAL_STATE)?;
    if replace {
        tails.clear();
    }
    tails.extend(nodes);
    Ok(())
}

/// Takes what is put into a captured stream; hands back what is to happen.
pub(crate) fn divert(line: LineId, op: Op) -> Res<Option<Op>> {
    if none() {
        return Ok(Some(op));
    }
    let mut captures = captures();
    for capture in captures.iter_mut() {
        if capture.tails(line).is_some() {
            return capture.note(line, op).map(|()| None);
        }
        if let Op::Wait(mark) = &op
            && let Some(nodes) = capture.noted(mark)
        {
            capture.lines.push((line, nodes));
            return Ok(None);
        }
        let orders = capture.blocking && line == LineId::legacy(capture.origin.context);
        if orders && !matches!(op, Op::Record(_)) {
            capture.valid = false;
            return Err(Status::STREAM_CAPTURE_IMPLICIT);
        }
    }
    Ok(Some(op))
}

/// Refuses to ask after the present end of a captured stream, and ends its capture.
pub(crate) fn refuse_mark(line: LineId) -> Res {
    if none() {
        return Ok(());
    }
    match captures().iter_mut().find_map(|c| c.tails(line).is_some().then_some(c)) {
        Some(capture) => {
            capture.valid = false;
            Err(Status::STREAM_CAPTURE_UNSUPPORTED)
        }
        None => Ok(()),
    }
}

/// Refuses to ask after an event that was recorded in a captured stream.
pub(crate) fn refuse_event(mark: &Arc<Mark>) -> Res {
    match !none() && captures().iter().any(|capture| capture.noted(mark).is_some()) {
        true => Err(Status::CAPTURED_EVENT),
        false => Ok(()),
    }
}

/// Refuses a call that could disturb a capture, and ends the captures that forbid it to this thread.
pub(crate) fn unsafe_call() -> Res {
    let mode = MODE.get();
    if none() || mode == RELAXED {
        return Ok(());
    }
    let me = this_thread();
    let mut answer = Ok(());
    for capture in captures().iter_mut() {
        let own = capture.thread == me && capture.mode != RELAXED;
        if own || mode != THREAD_LOCAL && capture.mode == GLOBAL {
            capture.valid = false;
            answer = Err(Status::STREAM_CAPTURE_UNSUPPORTED);
        }
    }
    answer
}

/// In a captured stream: a node that allocates, and the address that it will be.
pub(crate) fn allocate(target: &Target, device: usize, size: usize) -> Res<Option<usize>> {
    if none() || info(target).is_none() {
        return Ok(None);
    }
    let allocation = Allocation::new(device, size)?;
    let start = allocation.start;
    put(target, TAKE, Job::Memory(Step::Take(allocation)))?;
    Ok(Some(start))
}

/// In a captured stream: a node that frees what a node allocates. Answers whether it is one.
pub(crate) fn free(target: &Target, start: usize) -> Res<bool> {
    if none() || info(target).is_none() {
        return Ok(false);
    }
    let allocation = graph_memory::known(start).ok_or(Status::INVALID_VALUE)?;
    put(target, GIVE, Job::Memory(Step::Give(allocation)))?;
    Ok(true)
}

/// In a captured stream: all nodes of a graph, where that is launched.
pub(crate) fn put(target: &Target, kind: u32, job: Job) -> Res {
    let mut captures = captures();
    let capture = captures.iter_mut().find_map(|c| c.tails(target.line).is_some().then_some(c));
    capture.ok_or(Status::ILLEGAL_STATE)?.add(target.line, kind, job)
}

/// Refuses to launch a graph into a captured stream, which would be a child of its graph.
pub(crate) fn refuse_launch(target: &Target) -> Res {
    match !none() && info(target).is_some() {
        true => Err(Status::NOT_SUPPORTED),
        false => Ok(()),
    }
}
