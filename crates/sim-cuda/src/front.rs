//! Where all threads' work meets: the lines of all streams under one lock, and the order between a
//! context's streams. Work is placed under the lock; nobody sleeps or runs a program's code under it.

mod group;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::caller;
use crate::capture;
use crate::clock::Gpu;
use crate::line::{Act, Op};
use crate::mark::Mark;
use crate::pump;
use crate::status::{Res, Status};

use group::{Entry, Group};

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
    let mut group = Group { device, lines: BTreeMap::new() };
    group.lines.insert(0, Entry::new(Order::Legacy, 0));
    let mut front = lock();
    front.gpus.entry(device).or_insert_with(|| Gpu::new(device));
    front.groups.insert(context, group);
}

/// Forgets the lines of a context. What waits in them never runs, and nobody waits for it.
pub(crate) fn close_context(context: usize) {
    let mut front = lock();
    if let Some(mut group) = front.groups.remove(&context)
        && let Some(gpu) = front.gpus.get_mut(&group.device)
    {
        group.lines.values_mut().for_each(|entry| entry.line.abandon(gpu));
    }
    front.pump();
    MOVED.notify_all();
}

/// Opens one more line, for a stream of this priority.
pub(crate) fn open(context: usize, order: Order, priority: i32) -> Res<LineId> {
    let mut front = lock();
    front.opened += 1;
    let number = front.opened;
    let group = front.groups.get_mut(&context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    group.lines.insert(number, Entry::new(order, priority));
    Ok(LineId { context, number })
}

/// Takes no more work for a line, and forgets it when its last work has ended.
pub(crate) fn close(id: LineId) {
    let mut front = lock();
    if let Some(entry) = front.entry(id) {
        entry.closing = true;
    }
    front.sweep();
}

/// Appends `op` to a line, in its order with the other lines of its context. Work and host functions
/// wait while the line is as full as a launch queue can be.
pub(crate) fn submit(id: LineId, op: Op) -> Res {
    let Some(op) = capture::divert(id, op)? else { return Ok(()) };
    let takes_room = !matches!(op, Op::Record(_) | Op::Wait(_));
    let mut front = if takes_room { wait_for_room(id)? } else { lock() };
    let calls = matches!(op, Op::Call(_));
    let (effect, walled) = front.submit(id, op)?;
    drop(front);
    if calls {
        caller::start();
        MOVED.notify_all();
    }
    if walled {
        pump::start();
        WALLED.notify_all();
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
    let Front { groups, gpus, .. } = &mut *front;
    let Some(group) = groups.get_mut(&context) else { return Vec::new() };
    let Some(gpu) = gpus.get_mut(&group.device) else { return Vec::new() };
    group.lines.values_mut().map(|entry| entry.line.point(gpu)).collect()
}

/// Holds up what follows in every line of a context until a mark.
pub(crate) fn wait_all(context: usize, mark: &Arc<Mark>) -> Res {
    let mut front = lock();
    let Front { groups, gpus, .. } = &mut *front;
    let group = groups.get_mut(&context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    let gpu = gpus.get_mut(&group.device).ok_or(Status::CONTEXT_IS_DESTROYED)?;
    for entry in group.lines.values_mut() {
        entry.line.push(Op::Wait(mark.clone()), gpu);
    }
    let walled = group.lines.values().any(|entry| entry.line.walled());
    drop(front);
    if walled {
        pump::start();
        WALLED.notify_all();
    }
    Ok(())
}

/// Asks the cards how far they have come, and moves on what has become free.
pub(crate) fn look() {
    if lock().pump() {
        MOVED.notify_all();
    }
}

/// Whether a mark has passed.
pub(crate) fn has_passed(mark: &Mark) -> bool {
    let passed = || mark.time().is_some_and(|time| time <= sim_world::now_ns());
    passed() || {
        look();
        passed()
    }
}

/// Sleeps until a mark has passed. A host function may not: it holds up what it would wait for.
pub(crate) fn wait(mark: &Mark) -> Res {
    caller::not_here()?;
    let mut front = lock();
    loop {
        if front.pump() {
            MOVED.notify_all();
        }
        let now = sim_world::now_ns();
        let until = mark.time().unwrap_or_else(|| front.expect(mark, now));
        if mark.time().is_some() && until <= now {
            return Ok(());
        }
        front = front_after(&MOVED, front, Some(until), now);
    }
}

/// Waits for a signal, and no longer than until a time.
fn front_after<'a>(
    signal: &Condvar,
    front: MutexGuard<'a, Front>,
    until: Option<u64>,
    now: u64,
) -> MutexGuard<'a, Front> {
    let Some(until) = until else {
        return signal.wait(front).unwrap_or_else(PoisonError::into_inner);
    };
    let left = Duration::from_nanos(until.saturating_sub(now));
    signal.wait_timeout(front, left).unwrap_or_else(PoisonError::into_inner).0
}

/// Moves on what nobody waits for, for as long as the process lives: `pump.rs` has the thread.
pub(crate) fn pump_forever() -> ! {
    let mut front = lock();
    loop {
        if front.pump() {
            MOVED.notify_all();
        }
        let (now, until) = (sim_world::now_ns(), front.wake());
        front = front_after(&WALLED, front, until, now);
    }
}

/// Waits for the next host function to become due, and takes it out of its line.
pub(crate) fn next_call() -> (LineId, Act) {
    let mut front = lock();
    loop {
        if front.pump() {
            MOVED.notify_all();
        }
        let (now, next) = (sim_world::now_ns(), front.next_call());
        if let Some((due, id)) = next
            && due <= now
            && let Some(act) = front.entry(id).and_then(|entry| entry.line.take_call())
        {
            return (id, act);
        }
        front = front_after(&MOVED, front, next.map(|(due, _)| due), now);
    }
}

/// The host function taken from a line has returned.
pub(crate) fn call_done(id: LineId) {
    let mut front = lock();
    if let Some(entry) = front.entry(id) {
        entry.line.call_done(sim_world::now_ns());
    }
    front.pump();
    MOVED.notify_all();
    WALLED.notify_all();
}

struct Front {
    groups: BTreeMap<usize, Group>,
    /// The devices that contexts were ever made on.
    gpus: BTreeMap<usize, Gpu>,
    opened: u64,
}

impl Front {
    fn submit(&mut self, id: LineId, op: Op) -> Res<(Option<Act>, bool)> {
        let group = self.groups.get_mut(&id.context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
        let gpu = self.gpus.get_mut(&group.device).ok_or(Status::CONTEXT_IS_DESTROYED)?;
        gpu.settle();
        group.submit(id.number, op, gpu)
    }

    /// Asks the cards how far they have come and moves on what has become free. One line's release can
    /// free another's, in another context too: goes round until none does. Answers whether anything moved.
    fn pump(&mut self) -> bool {
        self.gpus.values_mut().for_each(Gpu::settle);
        let mut moved = false;
        loop {
            let before = self.queued();
            if before > 0 {
                for group in self.groups.values_mut() {
                    if let Some(gpu) = self.gpus.get_mut(&group.device) {
                        group.pump(gpu);
                    }
                }
            }
            if self.queued() == before {
                self.sweep();
                return moved;
            }
            moved = true;
        }
    }

    /// Forgets closed lines whose work has ended.
    fn sweep(&mut self) {
        for group in self.groups.values_mut() {
            if let Some(gpu) = self.gpus.get(&group.device) {
                group.lines.retain(|_, entry| !(entry.closing && entry.line.is_idle(gpu)));
            }
        }
    }

    fn queued(&self) -> usize {
        self.groups.values().map(Group::queued).sum()
    }

    fn entry(&mut self, id: LineId) -> Option<&mut Entry> {
        self.groups.get_mut(&id.context)?.lines.get_mut(&id.number)
    }

    /// When to look again for a mark.
    fn expect(&self, mark: &Mark, now: u64) -> u64 {
        let due = mark.due().and_then(|due| Some((due, self.gpus.get(&due.device)?)));
        match due {
            Some((due, gpu)) => gpu.expect(due.level, due.at),
            None => self.wake().unwrap_or(u64::MAX).clamp(now, now + LOOK_NS),
        }
    }

    /// When something may move that nobody waits for.
    fn wake(&self) -> Option<u64> {
        let lines = self.groups.values().flat_map(|group| {
            let gpu = self.gpus.get(&group.device);
            let lines = group.lines.values();
            lines.filter_map(move |entry| entry.line.wake(gpu?))
        });
        lines.chain(self.gpus.values().filter_map(Gpu::promised)).min()
    }

    /// The host function that is due first, and when.
    fn next_call(&mut self) -> Option<(u64, LineId)> {
        let mut first: Option<(u64, LineId)> = None;
        for (context, group) in &mut self.groups {
            let Some(gpu) = self.gpus.get_mut(&group.device) else { continue };
            for (number, entry) in &mut group.lines {
                if let Some(due) = entry.line.call_due(gpu)
                    && first.is_none_or(|(time, _)| due < time)
                {
                    first = Some((due, LineId { context: *context, number: *number }));
                }
            }
        }
        first
    }
}

static FRONT: Mutex<Front> =
    Mutex::new(Front { groups: BTreeMap::new(), gpus: BTreeMap::new(), opened: 0 });
/// Signalled whenever a host function is added or something behind a wall has moved.
static MOVED: Condvar = Condvar::new();
/// Signalled whenever there is one wall more.
static WALLED: Condvar = Condvar::new();

/// How often a waiting thread looks whether a wall has moved.
const LOOK_NS: u64 = 1_000_000;

fn lock() -> MutexGuard<'static, Front> {
    FRONT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for_room(id: LineId) -> Res<MutexGuard<'static, Front>> {
    let mut front = lock();
    let mut looked = false;
    loop {
        let Front { groups, gpus, .. } = &mut *front;
        let group = groups.get_mut(&id.context).ok_or(Status::INVALID_HANDLE)?;
        let gpu = gpus.get_mut(&group.device).ok_or(Status::INVALID_HANDLE)?;
        let entry = group.lines.get_mut(&id.number).ok_or(Status::INVALID_HANDLE)?;
        match entry.line.full_until(gpu) {
            None => return Ok(front),
            Some(_) if !looked => {
                looked = true;
                front.pump();
            }
            Some(_) if caller::not_here().is_err() => return Err(Status::NOT_PERMITTED),
            Some(until) => {
                looked = false;
                front = front_after(&MOVED, front, Some(until), sim_world::now_ns());
            }
        }
    }
}
