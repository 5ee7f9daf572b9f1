//! Carries a plan out, and compares at every rest.

use ledger::agent::DeviceUse;

use crate::calls::{Call, home};
use crate::model::Process;
use crate::plan::{PROCESSES, Round, Step, Where};
use crate::rests::on_card;
use crate::stage::{Client, LIMIT, Stage};

const MIB: u64 = 1 << 20;
pub(crate) const OUT_OF_MEMORY: i64 = 2;
/// The client found no use for a place.
const SKIPPED: i64 = -1;

/// How memory gets from one process to another: what the client is told, and what it is there.
struct Way {
    gives: &'static str,
    takes: &'static str,
    what: &'static str,
}

const HANDLE: Way = Way { gives: "export", takes: "import", what: "import" };
const DESCRIPTOR: Way = Way { gives: "pass", takes: "accept", what: "foreign" };
const FABRIC: Way = Way { gives: "send", takes: "receive", what: "foreign" };

/// What is wrong, in words.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// When the card is compared with the limit.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Strictness {
    /// Always: it says what it ever held.
    ToTheByte,
    /// At rests. Where processes are killed the kernel may say later to the card than to the ledger that
    /// one is gone, and pools are asked for what may lie idle (`calls::Pools`).
    AtRest,
}

/// Carries the steps out in a container of their own.
pub(crate) fn run(steps: &[Step], strictness: Strictness) -> Result {
    let mut scene = Scene { stage: Stage::new(), living: vec![] };
    scene.begin()?;
    for (number, step) in steps.iter().enumerate() {
        let done = scene.round(&step.round).and_then(|()| scene.rest(step.looks));
        done.map_err(|wrong| format!("{wrong}, after round {number}: {step:?}"))?;
    }
    scene.peak(strictness)?;
    scene.end()
}

/// A container, its living processes and what each should hold.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) living: Vec<(Client, Process)>,
}

impl Scene {
    fn round(&mut self, round: &Round) -> Result {
        match round {
            Round::One(process, call) => self.one(*process, *call),
            Round::Many(many) => {
                let lots = self.tell(many);
                self.hear(&lots, None)
            }
            Round::Kill(many, whom, after) => self.kill(many, *whom, *after),
            Round::Begin => self.begin(),
            Round::End(process) => self.leave(*process),
            Round::Children(process) => self.children(*process),
            Round::Reset(process, device) => self.primary_ends(*process, "reset", *device),
            Round::Release(process, device) => self.primary_ends(*process, "release", *device),
            Round::Share(from, to) => self.share(*from, *to, &HANDLE),
            Round::Pass(from, to) => self.share(*from, *to, &DESCRIPTOR),
            Round::Send(from, to) => self.share(*from, *to, &FABRIC),
        }
    }

    fn begin(&mut self) -> Result {
        if self.living.len() < PROCESSES {
            let (client, has_context) = self.stage.start();
            for (device, begun) in has_context.into_iter().enumerate() {
                let room = LIMIT.bytes() - self.used(device);
                ensure(begun || room < crate::stage::CONTEXT.bytes(), || {
                    let charged = self.too_much(device);
                    format!("no context on {device}, {} MiB are free: {charged}", room / MIB)
                })?;
            }
            self.living.push((client, Process::new(has_context)));
        }
        Ok(())
    }

    /// The number of the process that this number comes to.
    pub(crate) fn which(&self, process: usize) -> Option<usize> {
        process.checked_rem(self.living.len())
    }

    /// One call, which may be refused only where it could not fit.
    fn one(&mut self, process: usize, call: Call) -> Result {
        let Some(at) = self.which(process) else { return Ok(()) };
        let before = self.used(Process::device(&call));
        let most = self.living[at].1.most(&call);
        let lots = self.tell(&[(at, vec![call])]);
        let results = answers(&mut self.living[at].0, lots[0].1.len()).ok_or("it died")?;
        let refused = results[0].result == OUT_OF_MEMORY;
        ensure(!refused || before + most > LIMIT.bytes(), || {
            let charged = self.too_much(Process::device(&call));
            format!("refused, with {} of {} MiB used: {charged}", before / MIB, LIMIT.0)
        })?;
        settle(&mut self.living[at].1, &lots[0].1, &results)
    }

    /// Gives processes their calls; what each was given.
    fn tell(&mut self, many: &[(usize, Vec<Call>)]) -> Vec<(usize, Vec<Call>)> {
        let mut lots: Vec<(usize, Vec<Call>)> = vec![];
        for (process, calls) in many {
            let Some(at) = self.which(*process) else { continue };
            match lots.iter_mut().find(|(process, _)| *process == at) {
                Some((_, all)) => all.extend(calls),
                None => lots.push((at, calls.clone())),
            }
        }
        for (at, calls) in &lots {
            let lines: String = calls.iter().map(line).collect();
            self.living[*at].0.tell(&format!("go {}\n{}", calls.len(), lines.trim_end()));
        }
        lots
    }

    /// Hears them all, but for one that was killed.
    fn hear(&mut self, lots: &[(usize, Vec<Call>)], dead: Option<usize>) -> Result {
        for (at, calls) in lots.iter().filter(|(at, _)| Some(*at) != dead) {
            let (client, model) = &mut self.living[*at];
            let results = answers(client, calls.len()).ok_or("a process died by itself")?;
            settle(model, calls, &results)?;
        }
        Ok(())
    }

    fn kill(&mut self, many: &[(usize, Vec<Call>)], whom: usize, after: u64) -> Result {
        let lots = self.tell(many);
        let Some(dead) = self.which(whom) else { return Ok(()) };
        // Not a wait for anything: the instant is the point.
        std::thread::sleep(std::time::Duration::from_micros(after));
        self.living[dead].0.kill();
        self.hear(&lots, Some(dead))?;
        self.living.remove(dead);
        self.begin()
    }

    fn leave(&mut self, process: usize) -> Result {
        let Some(at) = self.which(process) else { return Ok(()) };
        let (mut client, _) = self.living.remove(at);
        ensure(client.end(), || "a process that was to end ended badly".to_owned())?;
        self.begin()
    }

    fn children(&mut self, process: usize) -> Result {
        let Some(at) = self.which(process) else { return Ok(()) };
        let client = &mut self.living[at].0;
        let child = client.numbers("children")[0];
        ensure(child > 0, || format!("children: {child}"))?;
        client.left(child as i32);
        Ok(())
    }

    fn primary_ends(&mut self, process: usize, how: &str, device: usize) -> Result {
        let Some(at) = self.which(process) else { return Ok(()) };
        let (client, model) = &mut self.living[at];
        let [result, again] = client.numbers(&format!("{how} {device}"))[..] else {
            return Err("it died".to_owned());
        };
        if result == SKIPPED {
            return Ok(());
        }
        ensure(result == 0 || !model.primary[device], || format!("{how} answers {result}"))?;
        ensure(again == 0 || again == OUT_OF_MEMORY, || format!("retain answers {again}"))?;
        if result == 0 || !model.primary[device] {
            model.primary_ended(device, again == 0);
        }
        Ok(())
    }

    fn share(&mut self, from: Where, to: Where, way: &Way) -> Result {
        let (Some(one), Some(other)) = (self.which(from.0), self.which(to.0)) else {
            return Ok(());
        };
        let said = self.living[one].0.ask(&format!("{} {} {}", way.gives, from.1, from.2));
        let words: Vec<&str> = said.splitn(5, ' ').collect();
        let ["0", thread, place, device, handle] = words[..] else { return Ok(()) };
        if one == other {
            return Ok(());
        }
        let (thread, place, on) = (number(thread)?, number(place)?, number(device)?);
        let lent =
            self.living[one].1.lent(thread, place).ok_or("what is no memory was exported")?;
        let (client, model) = &mut self.living[other];
        let said = client.numbers(&format!("{} {} {} {device} {handle}", way.takes, to.1, to.2));
        match said[..] {
            [0, place] => model.opened(way.what, (to.1, place as usize), on, lent),
            // Handles of plain memory are opened in a context, which may have had no room.
            [SKIPPED, _] => {}
            _ if way.what == "import" && !model.has_context(on) => {}
            _ => return Err(format!("{} answers {said:?}", way.takes)),
        }
        Ok(())
    }

    /// What is used of a device, in bytes: what its card holds, and what is charged and need not lie there:
    /// managed memory, and buffers that no kernel has needed yet.
    fn used(&self, device: usize) -> u64 {
        let cards = self.stage.cards();
        let elsewhere = |(client, model): &(Client, Process)| {
            let held = model.held(device);
            let taken = on_card(&cards[device], client.pid(), model.unasked(device)).buffers;
            held.managed + held.buffers.saturating_sub(taken)
        };
        self.asked_for(&cards[device], device) + self.living.iter().map(elsewhere).sum::<u64>()
    }

    fn peak(&self, strictness: Strictness) -> Result {
        let peak = self.stage.cards().iter().map(|card| card.peak_used).max().unwrap_or(0);
        ensure(strictness == Strictness::AtRest || peak <= LIMIT.bytes(), || {
            format!("a card was {} bytes past the limit", peak - LIMIT.bytes())
        })
    }

    /// Everybody ends, and everything is back.
    fn end(mut self) -> Result {
        for (mut client, _) in self.living.drain(..) {
            ensure(client.end(), || "a process ended badly".to_owned())?;
        }
        let (ledger, cards) = (self.stage.ledger(), self.stage.cards());
        let held: u64 = ledger.devices.iter().map(DeviceUse::held_in_all).sum();
        ensure(held == 0 && ledger.slots.is_empty(), || {
            format!("{held} bytes are held at the end")
        })?;
        let used: u64 = cards.iter().map(|card| card.memory.used).sum();
        ensure(used == 0, || format!("the cards hold {used} bytes"))
    }
}

/// What the driver answered to one line.
struct Answer {
    result: i64,
    address: u64,
    /// The place that the client found for it.
    place: usize,
}

/// The answers to so many lines; none if it has died.
fn answers(client: &mut Client, lines: usize) -> Option<Vec<Answer>> {
    let mut all = vec![];
    for _ in 0..lines {
        let line = client.answer();
        let words: Vec<&str> = line.split(' ').collect();
        let [_, result, address, place] = words[..] else { return None };
        let (result, address) = (result.parse().ok()?, address.parse().ok()?);
        all.push(Answer { result, address, place: place.parse().ok()? });
    }
    (client.answer() == "done").then_some(all)
}

/// Tells the model what happened.
fn settle(model: &mut Process, calls: &[Call], answers: &[Answer]) -> Result {
    for (call, Answer { result, address, place }) in calls.iter().zip(answers) {
        let call = &Call { place: *place, ..*call };
        match *result {
            0 => model.done(call, *address),
            SKIPPED => {}
            OUT_OF_MEMORY => ensure(*address == 0, || format!("{call:?} wrote and was refused"))?,
            other if model.has_context(home(call.thread)) => {
                return Err(format!("{call:?} answers {other}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn line(call: &Call) -> String {
    format!("{call:?}\n")
}

pub(crate) fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(wrong()) }
}
