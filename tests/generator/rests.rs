//! What is compared at a rest: ledger, card and model.
//!
//! The card is the judge. Whoever has looked or not, it never holds more of a process than the ledger
//! charges that process for, kind by kind, and never more of a container than the limit. Of a process that
//! has just looked the ledger says the same as card and model, to the byte.

use ledger::Kind;
use ledger::agent::{DeviceUse, LedgerSnapshot};
use sim_world::admin::CardReport;

use crate::calls::DEVICES;
use crate::check::{OUT_OF_MEMORY, Result, Scene, ensure};
use crate::model::{Held, Process};
use crate::plan::Looks;
use crate::stage::{Client, LIMIT};

impl Scene {
    /// Compares before anybody looks, lets those look, and compares again.
    pub(crate) fn rest(&mut self, looks: Looks) -> Result {
        self.charged().map_err(|wrong| format!("before a look, {wrong}"))?;
        let looking: Vec<usize> = match looks {
            Looks::Nobody => vec![],
            Looks::One(process) => self.which(process).into_iter().collect(),
            Looks::All => (0..self.living.len()).collect(),
        };
        for at in &looking {
            let said = self.look(*at)?;
            self.looked(*at, &said)?;
        }
        self.charged()
    }

    /// Lets a process look: what it says of each device.
    fn look(&mut self, at: usize) -> Result<Vec<i64>> {
        let (client, model) = &mut self.living[at];
        let said = client.numbers("rest");
        ensure(said.len() == 5 * DEVICES, || "a process died by itself".to_owned())?;
        for device in (0..DEVICES).filter(|device| model.has_any_context(*device)) {
            let [_, total, _, refused, untouched] = of_device(&said, device);
            ensure(total as u64 == LIMIT.bytes(), || format!("the card has {total} bytes"))?;
            ensure(refused == OUT_OF_MEMORY && untouched == 1, || {
                format!("a request for everything: {refused}, untouched: {untouched}")
            })?;
        }
        Ok(said)
    }

    /// A process has just looked: what is charged to it is what the card and the model say it holds. Its
    /// refused request was the last thing that happened, so what was summed for it is exact.
    fn looked(&self, at: usize, said: &[i64]) -> Result {
        let (ledger, cards) = (self.stage.ledger(), self.stage.cards());
        let (client, model) = &self.living[at];
        for (device, card) in cards.iter().enumerate() {
            let [free, _, pools, ..] = of_device(said, device);
            let charged = charged_to(&ledger, client.pid(), device);
            let mut on_card = on_card(card, client.pid(), model.unasked(device));
            // Whose it is of several that have it, and whether others of its page live, only the card knows.
            if self.outlived(model, device) > 0 {
                on_card.memory = model.held(device).memory + pools as u64;
            }
            compare(&charged, on_card, model.held(device), pools as u64)
                .map_err(|wrong| format!("device {device}: {wrong}"))?;
            if model.has_any_context(device) {
                summed(&ledger.devices[device], model, device, free as u64)?;
            }
        }
        Ok(())
    }

    /// Whether anybody has looked or not: all that the cards hold of the living is charged to whom it is of.
    fn charged(&self) -> Result {
        let (ledger, cards) = (self.stage.ledger(), self.stage.cards());
        ensure(ledger.oddities == 0, || format!("{} oddities", ledger.oddities))?;
        for (device, card) in cards.iter().enumerate() {
            for (client, model) in &self.living {
                let mut on_card = on_card(card, client.pid(), model.unasked(device));
                let outlived = self.outlived(model, device);
                on_card.memory = on_card.memory.saturating_sub(outlived);
                let charged = in_ledger(&charged_to(&ledger, client.pid(), device));
                ensure(charged.covers(on_card), || {
                    format!("the card {device} holds {on_card:?} and {charged:?} is charged")
                })?;
            }
            let (of, used) = (&ledger.devices[device], self.asked_for(card, device));
            let held = of.held_in_all();
            ensure(used <= LIMIT.bytes(), || format!("the card {device} holds {used} bytes"))?;
            ensure(held <= LIMIT.bytes(), || format!("{held} bytes are held"))?;
            ensure(of.total >= held, || format!("a total of {}, held {held}", of.total))?;
            ensure(card.processes.len() == self.with_memory(card), || {
                "the card is held by a process that is gone".to_owned()
            })?;
        }
        Ok(())
    }

    /// What a card holds, without what nobody can know before it is measured.
    pub(crate) fn asked_for(&self, card: &CardReport, device: usize) -> u64 {
        let unknown =
            |(_, model): &(_, Process)| model.unasked(device) + self.outlived(model, device);
        let unknown: u64 = self.living.iter().map(unknown).sum();
        card.memory.used.saturating_sub(unknown)
    }

    /// What a process has of others that have let go of it, at most: charged once the agent has measured it.
    fn outlived(&self, model: &Process, device: usize) -> u64 {
        let is_had = |serial| self.living.iter().any(|(_, maker)| maker.has(serial));
        let borrowed = model.borrowed(device).filter(|(serial, _)| !is_had(*serial));
        borrowed.map(|(_, bytes)| bytes).sum()
    }

    /// What is charged to each process of a device beyond what the card holds of it, in words.
    pub(crate) fn too_much(&self, device: usize) -> String {
        let (ledger, cards) = (self.stage.ledger(), self.stage.cards());
        let of = |(number, (client, model)): (usize, &(Client, Process))| {
            let on_card = on_card(&cards[device], client.pid(), model.unasked(device));
            let charged = charged_to(&ledger, client.pid(), device);
            format!("process {number}: card {on_card:?}, charged {:?}", charged.held)
        };
        self.living.iter().enumerate().map(of).collect::<Vec<_>>().join("; ")
    }

    /// How many of the card's processes are ours, and alive.
    fn with_memory(&self, card: &CardReport) -> usize {
        let is_ours = |pid: u32| self.living.iter().any(|(client, _)| client.pid() == pid);
        card.processes.iter().filter(|process| is_ours(process.host_pid)).count()
    }
}

/// What all hold of a device, by the ledger, and what is shown as free.
fn summed(of: &DeviceUse, model: &Process, device: usize, free: u64) -> Result {
    let held = of.held_in_all();
    ensure(of.total == held, || format!("a total of {}, held {held}", of.total))?;
    ensure(free == LIMIT.bytes() - held, || format!("{free} free of what {held} are held"))?;
    ensure(model.held(device).contexts > 0, || "a context that takes nothing".to_owned())
}

/// What a process says of a device at a rest.
fn of_device(said: &[i64], device: usize) -> [i64; 5] {
    std::array::from_fn(|at| said[5 * device + at])
}

/// What is charged to a process on a device.
fn charged_to(ledger: &LedgerSnapshot, pid: u32, device: usize) -> DeviceUse {
    let slot = ledger.slots.iter().find(|slot| slot.pid == pid);
    slot.map_or_else(DeviceUse::default, |slot| slot.devices[device])
}

fn in_ledger(charged: &DeviceUse) -> Held {
    let of = |kinds: &[Kind]| kinds.iter().map(|kind| charged.held_for(*kind)).sum::<u64>();
    let memory = [Kind::Linear, Kind::Array, Kind::Vmm, Kind::Pool, Kind::Graph, Kind::Imported];
    Held {
        contexts: of(&[Kind::Context]),
        memory: of(&memory),
        managed: of(&[Kind::Managed]),
        buffers: of(&[Kind::Local]),
    }
}

/// What a card holds of a process, without what nobody asked for. Managed memory lies on the host.
pub(crate) fn on_card(card: &CardReport, pid: u32, unasked: u64) -> Held {
    let process = card.processes.iter().find(|process| process.host_pid == pid);
    let of = |kind| process.map_or(0, |process| process.of(kind));
    let contexts = of(sim_world::Kind::Context);
    // The buffers of kernels.
    let buffers = of(sim_world::Kind::Other);
    let all = process.map_or(0, |process| process.used_bytes);
    let memory = all - contexts - buffers;
    Held { contexts, memory, managed: 0, buffers: buffers.saturating_sub(unasked) }
}

/// One process on one device: the ledger says what the card says, and both what the model says.
fn compare(charged: &DeviceUse, on_card: Held, model: Held, pools: u64) -> Result {
    let in_ledger = in_ledger(charged);
    let expected = Held { memory: model.memory + pools, ..model };
    // Managed memory lies on the host, and a driver takes buffers when it needs them, and the smaller ones never.
    let on_card = Held { managed: expected.managed, buffers: expected.buffers, ..on_card };
    ensure(on_card == expected, || format!("the card: {on_card:?}, the model: {expected:?}"))?;
    ensure(in_ledger == expected, || {
        format!("the ledger: {in_ledger:?}, the model and the card: {expected:?}: {charged:?}")
    })?;
    ensure(charged.held_in_all() == in_ledger.in_all(), || format!("other kinds: {charged:?}"))
}
