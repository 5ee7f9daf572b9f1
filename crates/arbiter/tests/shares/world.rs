//! A card, its containers and the arbiter, in virtual time.

use std::sync::{Arc, Mutex};

use arbiter::{Closed, Gpu, Grant, Moment, Rank, Settings, Terms, Timetable, Turns};

use crate::card::Card;
use crate::tenant::Tenant;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1000 * MS;

type Given = (u64, u64, Grant);

pub(crate) struct World {
    pub(crate) card: Card,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) gpu: Gpu,
    pub(crate) settings: Settings,
    /// Ticks come so much too late, in turn.
    pub(crate) late_ns: Vec<u64>,
    /// Called with each look of the arbiter, for who wants to know what it takes.
    pub(crate) around_look: fn(&mut dyn FnMut()),
    /// From a tick to the containers' seeing it.
    pub(crate) wake_ns: u64,
    /// A timetable, and the number of this card in it; tenant 0 is gang 0, and so on.
    pub(crate) table: Option<(Timetable, u64)>,
    /// What the other card's thread sees of the ranks there, by tenant.
    pub(crate) elsewhere: Vec<Rank>,
    /// What this card's thread saw of its ranks when it looked last, by tenant.
    pub(crate) ranks: Vec<Rank>,
    /// How turns end, on all cards alike.
    pub(crate) closed: Arc<Mutex<Closed>>,
    pub(crate) now_ns: u64,
    tick_ns: u64,
    ticks: usize,
    /// When the containers see what the last tick granted, and what: key, spent at the tick, grant.
    grants: Option<(u64, Vec<Given>)>,
}

impl World {
    pub(crate) fn new(tenants: Vec<Tenant>) -> Self {
        let settings = Settings::default();
        let mut gpu = Gpu::new(settings);
        for (key, tenant) in tenants.iter().enumerate() {
            gpu.join(key as u64, tenant.terms, &tenant.reading());
        }
        let card = Card::new(tenants.len(), settings.slice_ns, 20_000);
        Self {
            card,
            tenants,
            gpu,
            settings,
            late_ns: vec![0, 100_000, 300_000],
            around_look: |look| look(),
            wake_ns: 20_000,
            table: None,
            elsewhere: Vec::new(),
            ranks: Vec::new(),
            closed: Arc::default(),
            now_ns: SECOND,
            tick_ns: SECOND,
            ticks: 0,
            grants: None,
        }
    }

    pub(crate) fn run_until(&mut self, end_ns: u64) {
        while self.now_ns < end_ns {
            self.step(end_ns);
        }
    }

    fn step(&mut self, end_ns: u64) {
        let now = self.now_ns;
        if now >= self.tick_ns {
            self.tick();
        }
        if let Some((_, grants)) = self.grants.take_if(|(at, _)| *at <= now) {
            for (key, spent, grant) in grants {
                self.tenants[key as usize].granted(now, spent, grant);
            }
        }
        for (tenant, queue) in self.tenants.iter_mut().zip(&mut self.card.queues) {
            tenant.act(now, queue);
        }
        let card = self.card.next_ns();
        let mut next = end_ns.min(now.saturating_add(card.unwrap_or(u64::MAX)));
        next = next.min(self.tick_ns);
        next = next.min(self.grants.as_ref().map_or(u64::MAX, |(at, _)| *at));
        for tenant in &self.tenants {
            next = next.min(tenant.next_ns(now));
        }
        let next = next.max(now + 1);
        if card.is_some() {
            let ran = self.card.run(next - now);
            self.tenants[ran.process].ran(next - ran.ns, &ran);
        }
        self.now_ns = next;
    }

    /// What the timetable says now.
    fn turns(&mut self) -> Option<Turns> {
        let (table, card) = self.table.as_ref()?;
        let elsewhere = |gang: u64| self.elsewhere.get(gang as usize).copied();
        let short = |gang| {
            let others_ns = elsewhere(gang).map_or(0, |rank| rank.overrun_ns);
            others_ns.max(self.gpu.overrun_ns(gang))
        };
        let moment = table.at(*card, self.now_ns, short, |gang, begun_ns| {
            let other = elsewhere(gang).map(|rank| (1 - *card, rank));
            let own = (*card, self.ranks[gang as usize]);
            let mut ranks: Vec<_> = other.into_iter().chain([own]).collect();
            ranks.sort_unstable_by_key(|(card, _)| *card);
            let mut closed = self.closed.lock().expect("one thread");
            closed.ending(gang, begun_ns, *card, self.now_ns, &ranks)
        })?;
        let keys = 0..self.tenants.len() as u64;
        let scheduled = keys.filter(|key| table.has(*card, *key)).collect();
        let Moment { gang: whose, begun_ns, ending, left_ns, holds_ns, short_ns } = moment;
        Some(Turns { scheduled, whose, begun_ns, ending, left_ns, holds_ns, short_ns })
    }

    fn tick(&mut self) {
        self.ranks = self.own_ranks();
        let turns = self.turns().unwrap_or_default();
        let until_ns = turns.look_ns();
        self.gpu.take_turns(turns);
        let (tenants, gpu, now_ns) = (&self.tenants, &mut self.gpu, self.now_ns);
        (self.around_look)(&mut || {
            gpu.tick(now_ns, |key| Some(tenants[key as usize].reading()));
        });
        let grants: Vec<_> = self.gpu.grants().collect();
        for tenant in &mut self.tenants {
            tenant.told.clear();
        }
        let spent = |key: u64| self.tenants[key as usize].spent_ns();
        let grants = grants.into_iter().map(|(key, grant)| (key, spent(key), grant)).collect();
        self.grants = Some((self.now_ns + self.wake_ns, grants));
        let late = self.late_ns[self.ticks % self.late_ns.len()];
        self.ticks += 1;
        let every = self.gpu.next_tick_ns().min(until_ns);
        self.tick_ns = self.now_ns + every + late;
    }

    /// What this card's thread sees of its ranks.
    fn own_ranks(&self) -> Vec<Rank> {
        let rank = |(key, tenant): (usize, &Tenant)| {
            Rank::of(&tenant.reading(), self.gpu.overrun_ns(key as u64))
        };
        self.tenants.iter().enumerate().map(rank).collect()
    }

    /// What each got of the card's time, in percent.
    pub(crate) fn of_card(&self, from_ns: u64, to_ns: u64) -> Vec<f64> {
        let got = |tenant: &Tenant| tenant.got_ns(from_ns, to_ns) as f64 * 100.0;
        self.tenants.iter().map(|tenant| got(tenant) / (to_ns - from_ns) as f64).collect()
    }

    /// What each got of what all got, in percent.
    pub(crate) fn percents(&self, from_ns: u64, to_ns: u64) -> Vec<f64> {
        let got: Vec<_> = self.tenants.iter().map(|tenant| tenant.got_ns(from_ns, to_ns)).collect();
        let all: u64 = got.iter().sum();
        got.iter().map(|got| *got as f64 * 100.0 / all.max(1) as f64).collect()
    }

    /// By how much what the arbiter charged differs from what the card gave, as a factor.
    pub(crate) fn charged(&self) -> Vec<f64> {
        let start = SECOND;
        let factor = |(key, tenant): (usize, &Tenant)| {
            self.gpu.charged_ns(key as u64) as f64 / tenant.got_ns(start, self.now_ns) as f64
        };
        self.tenants.iter().enumerate().map(factor).collect()
    }

    /// The part of the card's time in which nobody's work ran, in percent.
    pub(crate) fn lost(&self, from_ns: u64, to_ns: u64) -> f64 {
        let got: u64 = self.tenants.iter().map(|tenant| tenant.got_ns(from_ns, to_ns)).sum();
        100.0 - got as f64 * 100.0 / (to_ns - from_ns) as f64
    }

    pub(crate) fn longest_stall_ms(&self, tenant: usize) -> f64 {
        self.tenants[tenant].stalls.iter().max().map_or(0.0, |ns| *ns as f64 / MS as f64)
    }

    /// The so many-th percentile of what the tenant's times took.
    pub(crate) fn latency_ms(&self, tenant: usize, percentile: usize) -> f64 {
        let mut all = self.tenants[tenant].load.latencies.clone();
        all.sort_unstable();
        all.get(all.len() * percentile / 100).map_or(0.0, |ns| *ns as f64 / MS as f64)
    }

    pub(crate) fn change(&mut self, tenant: usize, terms: Terms) {
        self.gpu.join(tenant as u64, terms, &self.tenants[tenant].reading());
    }

    pub(crate) fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.gpu.set(settings);
        self.tenants.iter_mut().for_each(|tenant| tenant.quantum_ns = settings.quantum_ns);
    }

    /// The arbiter ends, and another begins with nothing but what the containers say.
    pub(crate) fn restart_arbiter(&mut self) {
        self.gpu = Gpu::new(self.settings);
        for (key, tenant) in self.tenants.iter_mut().enumerate() {
            tenant.told.clear();
            self.gpu.join(key as u64, tenant.terms, &tenant.reading());
        }
    }
}
