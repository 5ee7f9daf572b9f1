//! Where all threads' work meets: the lines of all streams under one lock, and the order between a
//! context's streams. Work is placed under the lock; nobody sleeps or runs a program's code under it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::caller;
use crate::capture;
use crate::line::{Act, Line, Mark, Op};
use crate::process;
use crate::status::{Res, Status};

/// How a stream stands to the legacy stream of its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is the legacy stream.
    Legacy,
    /// It waits for the legacy stream and is waited for.
    Blocking,
    /// It does neither.
    Free,
}

/// A line: the context it lies in and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineId {
    /// The context's handle.
    pub(crate) context: usize,
    number: u64,
}

impl LineId {
    /// The line of the legacy stream of `context`.
    pub(crate) fn legacy(context: usize) -> Self {
        Self { context, number: 0 }
    }
}

/// Opens the lines of a context on card `device`, the legacy stream's first.
pub(crate) fn open_context(context: usize, device: usize) {
    let mut group = Group { device, lines: BTreeMap::new(), past: 0 };
    group.lines.insert(0, Entry::new(Order::Legacy));
    lock().groups.insert(context, group);
}

/// Forgets the lines of a context. What waits in them never runs, and nobody waits for it.
pub(crate) fn close_context(context: usize) {
    let mut front = lock();
    if let Some(mut group) = front.groups.remove(&context) {
        group.lines.values_mut().for_each(|entry| entry.line.abandon(sim_world::now_ns()));
    }
    front.pump();
    MOVED.notify_all();
}

/// Opens one more line.
pub(crate) fn open(context: usize, order: Order) -> Res<LineId> {
    let mut front = lock();
    front.opened += 1;
    let number = front.opened;
    let group = front.groups.get_mut(&context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    group.lines.insert(number, Entry::new(order));
    Ok(LineId { context, number })
}

/// Takes no more work for a line, and forgets it when its last work has ended.
pub(crate) fn close(id: LineId) {
    if let Some(group) = lock().groups.get_mut(&id.context) {
        if let Some(entry) = group.lines.get_mut(&id.number) {
            entry.closing = true;
        }
        group.sweep();
    }
}

/// Appends `op` to a line, in its order with the other lines of its context. Work and host functions
/// wait while the line is as full as a launch queue can be.
pub(crate) fn submit(id: LineId, op: Op) -> Res {
    let Some(op) = capture::divert(id, op)? else { return Ok(()) };
    let takes_room = matches!(op, Op::Work { .. } | Op::Call(_));
    let mut front = if takes_room { wait_for_room(id)? } else { lock() };
    let group = front.groups.get_mut(&id.context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    let calls = matches!(op, Op::Call(_));
    let effect = group.submit(id.number, op)?;
    drop(front);
    if calls {
        caller::start();
        MOVED.notify_all();
    }
    if let Some(effect) = effect {
        effect();
    }
    Ok(())
}

/// A mark at the present end of a line.
pub(crate) fn mark(id: LineId) -> Res<Arc<Mark>> {
    capture::refuse_mark(id)?;
    let mark = Arc::new(Mark::default());
    submit(id, Op::Record(mark.clone()))?;
    Ok(mark)
}

/// Marks at the present ends of all lines of a context.
pub(crate) fn marks_of(context: usize) -> Vec<Arc<Mark>> {
    let mut front = lock();
    let Some(group) = front.groups.get_mut(&context) else { return Vec::new() };
    let mut marks = vec![Arc::new(Mark::at(group.past))];
    for entry in group.lines.values_mut() {
        marks.push(entry.line.point().map_or_else(|mark| mark, |time| Arc::new(Mark::at(time))));
    }
    marks
}

/// Holds up what follows in every line of a context until a mark.
pub(crate) fn wait_all(context: usize, mark: &Arc<Mark>) -> Res {
    let mut front = lock();
    let group = front.groups.get_mut(&context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    let point = || mark.time().ok_or_else(|| mark.clone());
    group.lines.values_mut().for_each(|entry| entry.line.wait(point()));
    Ok(())
}

/// Sleeps until a mark has passed. A host function may not: it holds up what it would wait for.
pub(crate) fn wait(mark: &Mark) -> Res {
    caller::not_here()?;
    sleep_until(wait_known(mark));
    Ok(())
}

/// Sleeps until it is known when a mark passes, and says when.
pub(crate) fn wait_known(mark: &Mark) -> u64 {
    let mut front = lock();
    loop {
        match mark.time() {
            Some(time) => return time,
            // Another process moves its own lines, and cannot tell.
            None if mark.is_shared() => {
                let look = MOVED.wait_timeout(front, Duration::from_millis(1));
                front = look.unwrap_or_else(PoisonError::into_inner).0;
            }
            None => front = MOVED.wait(front).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Sleeps until the clock shows `time`.
pub(crate) fn sleep_until(time: u64) {
    loop {
        let left = time.saturating_sub(sim_world::now_ns());
        if left == 0 {
            return;
        }
        std::thread::sleep(Duration::from_nanos(left));
    }
}

/// Waits for the next host function to become due, and takes it out of its line.
pub(crate) fn next_call() -> (LineId, Act) {
    let mut front = lock();
    loop {
        let now = sim_world::now_ns();
        front = match front.next_call() {
            Some((due, id)) if due <= now => match front.line(id).and_then(Line::take_call) {
                Some(act) => return (id, act),
                None => front,
            },
            Some((due, _)) => {
                let left = Duration::from_nanos(due - now);
                MOVED.wait_timeout(front, left).unwrap_or_else(PoisonError::into_inner).0
            }
            None => MOVED.wait(front).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// The host function taken from a line has returned.
pub(crate) fn call_done(id: LineId) {
    let mut front = lock();
    if let Some(line) = front.line(id) {
        line.call_done(sim_world::now_ns());
    }
    front.pump();
    MOVED.notify_all();
}

struct Front {
    groups: BTreeMap<usize, Group>,
    opened: u64,
}

/// The lines of one context.
struct Group {
    device: usize,
    lines: BTreeMap<u64, Entry>,
    /// When the last work of forgotten lines ends.
    past: u64,
}

struct Entry {
    order: Order,
    line: Line,
    closing: bool,
}

impl Entry {
    fn new(order: Order) -> Self {
        Self { order, line: Line::default(), closing: false }
    }
}

impl Group {
    fn submit(&mut self, number: u64, op: Op) -> Res<Option<Act>> {
        let order = self.lines.get(&number).ok_or(Status::INVALID_HANDLE)?.order;
        let earlier = match order {
            Order::Legacy => self.points(|_, other| other == Order::Blocking),
            Order::Blocking => self.points(|n, _| n == 0),
            Order::Free => Vec::new(),
        };
        let entry = self.lines.get_mut(&number).ok_or(Status::INVALID_HANDLE)?;
        entry.line.touch(sim_world::now_ns());
        earlier.into_iter().for_each(|point| entry.line.wait(point));
        Ok(entry.line.push(op, &mut process::place(self.device)))
    }

    fn points(&mut self, which: impl Fn(u64, Order) -> bool) -> Vec<Result<u64, Arc<Mark>>> {
        let lines = self.lines.iter_mut().filter(|(number, entry)| which(**number, entry.order));
        lines.map(|(_, entry)| entry.line.point()).collect()
    }

    fn pump(&mut self) {
        let device = self.device;
        for entry in self.lines.values_mut().filter(|entry| entry.line.walled()) {
            let effects = entry.line.pump(&mut process::place(device));
            effects.into_iter().for_each(|effect| effect());
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        let past = &mut self.past;
        self.lines.retain(|_, entry| {
            let over = entry.closing && !entry.line.walled();
            if over {
                *past = (*past).max(entry.line.tail());
            }
            !over
        });
    }

    fn queued(&self) -> usize {
        self.lines.values().map(|entry| entry.line.queued()).sum()
    }
}

impl Front {
    /// One line's release can free another's, in another context too: goes round until none does.
    fn pump(&mut self) {
        loop {
            let before = self.queued();
            self.groups.values_mut().for_each(Group::pump);
            if self.queued() == before {
                return;
            }
        }
    }

    fn queued(&self) -> usize {
        self.groups.values().map(Group::queued).sum()
    }

    fn line(&mut self, id: LineId) -> Option<&mut Line> {
        Some(&mut self.groups.get_mut(&id.context)?.lines.get_mut(&id.number)?.line)
    }

    /// The host function that is due first, and when.
    fn next_call(&self) -> Option<(u64, LineId)> {
        let due = self.groups.iter().flat_map(|(context, group)| {
            group.lines.iter().filter_map(|(number, entry)| {
                Some((entry.line.call_due()?, LineId { context: *context, number: *number }))
            })
        });
        due.min_by_key(|(time, _)| *time)
    }
}

static FRONT: Mutex<Front> = Mutex::new(Front { groups: BTreeMap::new(), opened: 0 });
/// Signalled whenever a host function is added or something behind one has moved.
static MOVED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Front> {
    FRONT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for_room(id: LineId) -> Res<MutexGuard<'static, Front>> {
    loop {
        let mut front = lock();
        let line = front.line(id).ok_or(Status::INVALID_HANDLE)?;
        match line.full_until(sim_world::now_ns()) {
            None => return Ok(front),
            Some(_) if caller::not_here().is_err() => return Err(Status::NOT_PERMITTED),
            Some(0) => drop(MOVED.wait(front)),
            Some(time) => {
                drop(front);
                sleep_until(time);
            }
        }
    }
}
