//! `aliquot status`: GPUs, allotments, and who holds what, of the node agent and of `aliquot run`.
//!
//! It only reads, and needs neither the agent nor a kubelet to be alive.

use std::process::ExitCode;

use aliquot_node::{
    allotment::{Holder, Holding},
    inventory::Gpu,
    status,
};
use contract::{DeviceUuid, Mib};
use serde::Serialize;

use crate::{args::StatusArgs, machine, run::Registry};

/// Prints who holds what.
pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let view = View::read(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        view.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// All there is to show.
#[derive(Serialize)]
struct View {
    gpus: Vec<Gpu>,
    allotments: Vec<Held>,
    problems: Vec<String>,
}

/// A part of a GPU and who holds it.
#[derive(Serialize)]
struct Held {
    id: String,
    gpu: String,
    percent: u8,
    /// `None` for a whole GPU, which has no bound.
    limit_mib: Option<u64>,
    used_mib: Option<u64>,
    /// Requests for memory that were refused.
    refusals: u64,
    /// Requests that were let pass, under a policy that only observes, and would have been refused.
    would_be_refusals: u64,
    holder: String,
    processes: Vec<status::Process>,
    /// Why the use cannot be told.
    problem: Option<String>,
}

impl View {
    fn read(args: &StatusArgs) -> anyhow::Result<Self> {
        let node = status::read(&args.state_dir, &args.pages_dir)?;
        // The driver is asked as well: without an agent there is no other list.
        let (gpus, driver) = match machine::gpus(&args.driver_root) {
            Ok(gpus) => (known(gpus, &node.gpus), None),
            Err(reason) => (node.gpus, Some(format!("{reason:#}"))),
        };
        let mut problems = node.problems;
        problems.extend(driver.filter(|_| gpus.is_empty()));
        let mut allotments: Vec<_> = node.allotments.iter().flat_map(of_node).collect();
        allotments.extend(of_runs());
        Ok(Self { gpus, allotments, problems })
    }

    fn print(&self) {
        for gpu in &self.gpus {
            let mode = format!("{:?}", gpu.mode).to_lowercase();
            let sick = gpu.sick.as_ref().map_or(String::new(), |why| format!("  sick: {why}"));
            let cordon =
                gpu.cordon.as_ref().map_or(String::new(), |why| format!("  cordoned: {why}"));
            let shares =
                gpu.no_shares.as_ref().map_or(String::new(), |why| format!("  no shares: {why}"));
            println!(
                "GPU {} {}  {}  {}  {mode}{sick}{cordon}{shares}",
                gpu.index,
                gpu.name,
                gpu.uuid,
                gpu.usable()
            );
            let uuid = gpu.uuid.to_string();
            self.allotments.iter().filter(|held| held.gpu == uuid).for_each(Held::print);
        }
        let listed = |held: &&Held| self.gpus.iter().any(|gpu| gpu.uuid.to_string() == held.gpu);
        for held in self.allotments.iter().filter(|held| !listed(held)) {
            println!("GPU {} (not of this driver)", held.gpu);
            held.print();
        }
        self.problems.iter().for_each(|problem| println!("problem: {problem}"));
    }
}

/// GPUs as the driver lists them, with what the agent knows of each besides: its mode, its pool, what is wrong
/// with it.
fn known(seen: Vec<Gpu>, by_agent: &[Gpu]) -> Vec<Gpu> {
    let known = |gpu: &Gpu| by_agent.iter().find(|known| known.uuid == gpu.uuid).cloned();
    seen.into_iter().map(|gpu| known(&gpu).unwrap_or(gpu)).collect()
}

impl Held {
    fn print(&self) {
        let used = self.used_mib.map_or_else(|| "-".to_owned(), |mib| Mib(mib).to_string());
        let limit = self.limit_mib.map_or_else(|| "whole".to_owned(), |mib| Mib(mib).to_string());
        println!("  {} {:>3}%  {used:>9} / {limit:<9} {}", self.id, self.percent, self.holder);
        for (requests, what) in
            [(self.refusals, "refused"), (self.would_be_refusals, "let pass that do not fit")]
        {
            if requests > 0 {
                println!("      requests for memory {what}: {requests}");
            }
        }
        for process in &self.processes {
            println!("      pid {:>7}  {}", process.pid, Mib(process.used_mib));
        }
        self.problem.iter().for_each(|problem| println!("      problem: {problem}"));
    }
}

/// An allotment of the agent, once per GPU.
fn of_node(allotment: &status::Allotment) -> Vec<Held> {
    let record = &allotment.record;
    let holder = record.holder.as_ref();
    let held = |gpu: DeviceUuid, percent, limit_mib| Held {
        id: record.id.to_string(),
        gpu: gpu.to_string(),
        percent,
        limit_mib,
        used_mib: allotment.used_mib,
        refusals: allotment.refusals,
        would_be_refusals: allotment.would_be_refusals,
        holder: holder.map_or_else(|| "a container that has not started".to_owned(), pod),
        processes: allotment.processes.clone(),
        problem: allotment.problem.clone(),
    };
    match &record.holding {
        Holding::Whole { gpus } | Holding::Slices { slices: gpus, .. } => {
            gpus.iter().map(|&gpu| held(gpu, 100, None)).collect()
        }
        Holding::Share { gpu, percent, memory_mib, .. } => {
            vec![held(*gpu, *percent, Some(*memory_mib))]
        }
    }
}

/// As `kubectl` names it; the kubelet does not tell the container's name of an init container.
fn pod(holder: &Holder) -> String {
    let container = holder.container.as_deref().unwrap_or("(init)");
    format!("{}/{} {container}", holder.namespace, holder.pod)
}

/// The shares that `aliquot run` gave out.
fn of_runs() -> Vec<Held> {
    let registry = Registry::look();
    let held = |(id, card): (contract::AllotmentId, crate::run::Card)| {
        let ledger = registry.pages(id).join(contract::paths::LEDGER_FILE);
        let read = ledger::agent::read_ledger(&ledger);
        let problem = read.as_ref().err().map(ToString::to_string);
        let devices = read.as_ref().map(|ledger| ledger.devices.clone()).unwrap_or_default();
        let slots = read.map(|ledger| ledger.slots).ok();
        let process = |slot: &ledger::agent::SlotUse| status::Process {
            pid: slot.pid,
            used_mib: Mib::floor_of_bytes(slot.devices.iter().map(|d| d.held_in_all()).sum()).0,
        };
        let processes: Vec<_> = slots.iter().flatten().map(process).collect();
        Held {
            id: id.to_string(),
            gpu: card.gpu,
            percent: card.percent,
            limit_mib: Some(card.limit_mib),
            used_mib: slots.map(|_| processes.iter().map(|process| process.used_mib).sum()),
            refusals: devices.iter().map(|device| device.refusals).sum(),
            would_be_refusals: devices.iter().map(|device| device.observed).sum(),
            holder: format!("aliquot run (pid {})", card.pid),
            processes,
            problem,
        }
    };
    registry.live().into_iter().map(held).collect()
}
