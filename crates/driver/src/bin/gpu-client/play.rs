//! Does the steps and reports each. A refusal is a report, not an end: the next step is still done.

use std::io::{self, Read};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use driver::Error;
use serde_json::{Map, Value, json};

use crate::gpu::{Allocation, Gpu};
use crate::step::{Shape, Step};

/// Does all steps; the status says whether each did what it is for.
pub(crate) fn play(gpu: &dyn Gpu, steps: &[Step], as_json: bool) -> ExitCode {
    let mut player = Player { gpu, held: Vec::new() };
    let mut good = true;
    for step in steps {
        let report = Report::of(step, player.perform(step));
        good &= report.good;
        println!("{}", if as_json { report.json() } else { report.text() });
        if *step == Step::Hold {
            wait_for_the_end_of_stdin();
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Player<'g> {
    gpu: &'g dyn Gpu,
    held: Vec<Allocation>,
}

/// What a step found, and what went wrong: for `fill`, the refusal that it looks for.
struct Outcome {
    fields: Value,
    error: Option<Error>,
}

impl Player<'_> {
    fn perform(&mut self, step: &Step) -> Outcome {
        if let Step::Fill(granule) = step {
            return self.fill(*granule);
        }
        match self.attempt(step) {
            Ok(fields) => Outcome { fields, error: None },
            Err(error) => Outcome { fields: json!({}), error: Some(error) },
        }
    }

    fn attempt(&mut self, step: &Step) -> driver::Result<Value> {
        match step {
            Step::Info => self.info(),
            Step::Mem => self.memory(),
            Step::Device(ordinal) => self.gpu.select(*ordinal).map(|()| json!({"device": ordinal})),
            Step::Alloc(shape) => self.alloc(*shape),
            Step::CopyCheck(bytes) => self.copy_check(*bytes),
            Step::Launch(count, time) => self.launch(*count, *time),
            Step::Free => self.free(),
            Step::Reset => self.reset(),
            Step::Fill(_) | Step::Hold => Ok(json!({"pid": std::process::id()})),
        }
    }

    fn info(&self) -> driver::Result<Value> {
        let info = self.gpu.info()?;
        let devices: Vec<Value> = info
            .devices
            .iter()
            .map(|one| json!({"name": one.name, "uuid": one.uuid, "total_bytes": one.total_bytes}))
            .collect();
        Ok(json!({
            "pid": std::process::id(),
            "runtime_version": info.runtime_version,
            "driver_version": info.driver_version,
            "devices": devices,
        }))
    }

    fn memory(&self) -> driver::Result<Value> {
        let memory = self.gpu.memory()?;
        Ok(json!({"free_bytes": memory.free, "total_bytes": memory.total}))
    }

    fn alloc(&mut self, shape: Shape) -> driver::Result<Value> {
        let allocation = self.gpu.alloc(shape)?;
        let bytes = allocation.bytes;
        self.held.push(allocation);
        Ok(json!({"bytes": bytes}))
    }

    /// Takes all there is in halving pieces, down to one granule, and reports the refusal of that.
    fn fill(&mut self, granule: u64) -> Outcome {
        let (mut bytes, mut count) = (0, 0);
        let mut pieces = (1 << 30) / granule.min(1 << 30);
        let error = loop {
            let piece = pieces.max(1) * granule;
            match self.gpu.alloc(Shape::Linear(piece)) {
                Ok(allocation) => {
                    self.held.push(allocation);
                    bytes += piece;
                    count += 1;
                }
                Err(_) if pieces > 1 => pieces /= 2,
                Err(error) => break error,
            }
        };
        let fields =
            json!({"granule_bytes": granule, "allocated_bytes": bytes, "allocations": count});
        Outcome { fields, error: Some(error) }
    }

    fn copy_check(&self, bytes: u64) -> driver::Result<Value> {
        let sent: Vec<u8> = (0..bytes).map(|index| (index.wrapping_mul(31) >> 3) as u8).collect();
        let mut received = vec![0; sent.len()];
        let allocation = self.gpu.alloc(Shape::Linear(bytes))?;
        let copied = self
            .gpu
            .write(allocation.address, &sent)
            .and_then(|()| self.gpu.read(allocation.address, &mut received));
        self.gpu.free(allocation.address)?;
        copied?;
        Ok(json!({"bytes": bytes, "same": sent == received}))
    }

    fn launch(&self, count: u32, time: Duration) -> driver::Result<Value> {
        let start = Instant::now();
        self.gpu.launch(count, time)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        Ok(json!({"kernels": count, "milliseconds": milliseconds}))
    }

    fn free(&mut self) -> driver::Result<Value> {
        let mut bytes = 0;
        while let Some(allocation) = self.held.pop() {
            self.gpu.free(allocation.address)?;
            bytes += allocation.bytes;
        }
        Ok(json!({"bytes": bytes}))
    }

    fn reset(&mut self) -> driver::Result<Value> {
        self.held.clear();
        self.gpu.reset().map(|()| json!({}))
    }
}

/// What is said of a step.
struct Report {
    fields: Map<String, Value>,
    good: bool,
}

impl Report {
    fn of(step: &Step, outcome: Outcome) -> Self {
        let mut fields = Map::from_iter([("step".to_owned(), json!(step.name()))]);
        if let Value::Object(found) = outcome.fields {
            fields.extend(found);
        }
        let same = fields.get("same").is_none_or(|same| *same == json!(true));
        let code = outcome.error.as_ref().map_or(Some(0), Error::code);
        fields.insert("error".to_owned(), json!(code));
        if let Some(error) = &outcome.error {
            fields.insert("reason".to_owned(), json!(error.to_string()));
        }
        Self { fields, good: same && code == Some(expected(step)) }
    }

    fn json(self) -> String {
        Value::Object(self.fields).to_string()
    }

    fn text(self) -> String {
        let name = self.fields["step"].as_str().unwrap_or_default().to_owned();
        let fields = self.fields.iter().filter(|(key, _)| *key != "step");
        fields.fold(name, |line, (key, value)| format!("{line} {key}={value}"))
    }
}

/// The code with which a step has done what it is for: `fill` ends with a refusal.
fn expected(step: &Step) -> u32 {
    const OUT_OF_MEMORY: u32 = 2;
    match step {
        Step::Fill(_) => OUT_OF_MEMORY,
        _ => 0,
    }
}

fn wait_for_the_end_of_stdin() {
    // A stdin that cannot be read has ended.
    let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
}
