//! What a tenant launches goes in batches, as in the shim, and is told of when a batch has ended.

use std::collections::VecDeque;

use arbiter::{Interval, Pace};
use meter_rules::{BATCH_NS, Batch, batch_room_ns, bound, charged, is_overestimated, learned};

use super::Tenant;
use crate::card::Work;
use crate::flight::Flight;

impl Tenant {
    /// Launches one work of this length.
    pub(super) fn launch(&mut self, now_ns: u64, ns: u64, meets: bool, queue: &mut VecDeque<Work>) {
        let number = self.works.0;
        self.works.0 += 1;
        self.launches += 1;
        let fits = self.takes();
        let is_idle = queue.is_empty();
        if is_idle && !fits {
            self.settle();
            self.since_ns = if self.flights.is_empty() { now_ns } else { self.since_ns };
        }
        queue.push_back(Work { left_ns: ns, number, meets });
        let cost_ns = self.cost_ns();
        if let Some((_, has, _)) = &mut self.open
            && fits
        {
            *has += cost_ns;
            return;
        }
        let (estimate_ns, is_known) = (self.estimate_ns(), cost_ns > 0);
        let fills = self.open.is_some()
            && is_known
            && cost_ns < BATCH_NS
            && !std::mem::take(&mut self.is_overestimated);
        match self.open.take() {
            // It fills the open batch.
            Some((_, has, opened)) if fills => {
                let is_busy = self.works.1 <= opened;
                self.fly(now_ns, number, has + estimate_ns, None, is_busy, false);
                return;
            }
            Some((_, has, opened)) if has > 0 => {
                let is_busy = self.works.1 <= opened;
                self.fly(now_ns, number - 1, has, None, is_busy, false);
            }
            _ => {}
        }
        let from_ns = is_idle.then_some(now_ns);
        self.fly(now_ns, number, estimate_ns, from_ns, !is_idle || !is_known, true);
        if estimate_ns < BATCH_NS {
            let left_ns = (self.load.meets && self.pace != Pace::Free).then(|| self.left_ns());
            self.open = Some((batch_room_ns(estimate_ns, left_ns), 0, number));
        }
    }

    pub(super) fn fly(
        &mut self,
        now_ns: u64,
        last: u64,
        estimate_ns: u64,
        from_ns: Option<u64>,
        is_busy: bool,
        learns: bool,
    ) {
        // An event behind what is done passes at once.
        let ended_ns = (last < self.works.1).then_some(now_ns);
        let kind = self.kind();
        let flight = Flight { last, kind, estimate_ns, from_ns, is_busy, learns, ended_ns };
        self.flights.push_back(flight);
    }

    /// Settles and tells of what has ended.
    pub(super) fn settle(&mut self) {
        while let Some(end_ns) = self.flights.front().and_then(|flight| flight.ended_ns) {
            let Some(flight) = self.flights.pop_front() else { return };
            let from_ns = flight.from_ns.unwrap_or(self.ended_ns);
            self.ended_ns = end_ns;
            let elapsed_ns = end_ns.saturating_sub(from_ns);
            let Flight { estimate_ns, is_busy, .. } = flight;
            let is_one = flight.learns;
            let is_rank = self.load.meets;
            let batch = Batch { estimate_ns, elapsed_ns, foreign_ns: 0, is_busy, is_one, is_rank };
            let took_ns = charged(&batch);
            self.is_overestimated |= !flight.learns && is_overestimated(&batch, took_ns);
            if flight.learns {
                let key = self.key(flight.kind);
                match bound(&batch, took_ns) {
                    Some(most_ns) => self.costs.learn_bound(key, most_ns),
                    None => self.costs.learn(key, learned(&batch, took_ns)),
                }
            }
            let said_ns = took_ns * self.honesty / 100;
            self.spent_ns += said_ns;
            let start_ns = end_ns - took_ns;
            self.told.push(Interval { start_ns, end_ns: start_ns + said_ns });
        }
    }
}
