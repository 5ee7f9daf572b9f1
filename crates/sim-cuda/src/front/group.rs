//! The lines of one context, and the order that the legacy stream puts them in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Order;
use crate::clock::{Gpu, LEVELS};
use crate::line::{Act, Line, Op};
use crate::mark::Mark;
use crate::status::{Res, Status};
use crate::stream;

/// The lines of one context.
pub(super) struct Group {
    pub(super) device: usize,
    pub(super) lines: BTreeMap<u64, Entry>,
}

/// One line, and how it stands to the others.
pub(super) struct Entry {
    pub(super) order: Order,
    pub(super) line: Line,
    /// Its stream is destroyed: it goes when its work has ended.
    pub(super) closing: bool,
}

impl Entry {
    pub(super) fn new(order: Order, priority: i32) -> Self {
        let level = (priority - stream::MOST_URGENT).clamp(0, LEVELS as i32 - 1);
        Self { order, line: Line::new(level as u32), closing: false }
    }
}

impl Group {
    /// Appends to a line; answers the effect to carry out at once, and whether the line has a wall.
    pub(super) fn submit(
        &mut self,
        number: u64,
        op: Op,
        gpu: &mut Gpu,
    ) -> Res<(Option<Act>, bool)> {
        let order = self.lines.get(&number).ok_or(Status::INVALID_HANDLE)?.order;
        let earlier = match order {
            Order::Legacy => self.points(gpu, |_, other| other == Order::Blocking),
            Order::Blocking => self.points(gpu, |n, _| n == 0),
            Order::Free => Vec::new(),
        };
        let line = &mut self.lines.get_mut(&number).ok_or(Status::INVALID_HANDLE)?.line;
        line.touch(gpu);
        for mark in earlier {
            line.push(Op::Wait(mark), gpu);
        }
        let promised = matches!(&op, Op::Record(mark) if mark.is_shared());
        Ok((line.push(op, gpu), promised || line.walled()))
    }

    /// The ends of the busy ones among some lines.
    fn points(&mut self, gpu: &mut Gpu, which: impl Fn(u64, Order) -> bool) -> Vec<Arc<Mark>> {
        let lines = self.lines.iter_mut().filter(|(number, entry)| which(**number, entry.order));
        let lines = lines.map(|(_, entry)| &mut entry.line);
        let busy: Vec<&mut Line> = lines.filter(|line| !line.is_idle(gpu)).collect();
        busy.into_iter().map(|line| line.point(gpu)).collect()
    }

    pub(super) fn pump(&mut self, gpu: &mut Gpu) {
        for entry in self.lines.values_mut().filter(|entry| entry.line.walled()) {
            let effects = entry.line.pump(gpu);
            effects.into_iter().for_each(|effect| effect());
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.lines.values().map(|entry| entry.line.queued()).sum()
    }
}
