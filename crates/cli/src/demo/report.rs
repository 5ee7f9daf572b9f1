//! What the demo saw, and whether it is what Aliquot promises.

use std::fmt;

use anyhow::Context;
use contract::{Mib, Resource};
use kubelet_sim::Exit;
use serde::Serialize;
use serde_json::Value;
use sim_world::admin::CardReport;

use super::{pods::Ask, stage};

/// All that was seen; `--json` prints it.
#[derive(Serialize)]
pub(crate) struct Report {
    gpus: Vec<GpuReport>,
    pub(crate) pods: Vec<PodReport>,
    pub(crate) leftovers: Vec<String>,
    /// What is not as promised, in sentences.
    wrong: Vec<String>,
    /// Whether nothing is.
    pub(crate) ok: bool,
}

/// A GPU of the node.
#[derive(Serialize)]
pub(crate) struct GpuReport {
    uuid: String,
    name: String,
    /// All its memory.
    memory_mib: u64,
    /// What is divided.
    #[serde(skip)]
    usable_mib: u64,
}

/// A pod and what its programs saw; `None` where a field has no meaning.
#[derive(Serialize, Default)]
pub(crate) struct PodReport {
    name: String,
    resource: String,
    share_percent: Option<u64>,
    gpu_uuid: Option<String>,
    /// The total that nvidia-smi prints.
    nvidia_smi_total_mib: Option<u64>,
    /// The total that cudaMemGetInfo gives.
    cudart_total_mib: Option<u64>,
    /// What was used of it before the first allocation.
    context_mib: Option<u64>,
    allocated_mib: Option<u64>,
    /// The runtime's error of the refused allocation.
    cuda_error: Option<i64>,
    /// Why the pod or the allocation was refused.
    reason: Option<String>,
    /// How the program ended, unless it ended well.
    #[serde(skip)]
    failure: Option<String>,
}

impl Report {
    pub(crate) fn new(gpus: Vec<GpuReport>) -> Self {
        Self { gpus, pods: Vec::new(), leftovers: Vec::new(), wrong: Vec::new(), ok: false }
    }

    /// Compares what was seen with what is promised.
    pub(crate) fn judge(&mut self) {
        let mut wrong = self.leftovers.clone();
        for pod in &self.pods {
            let gpu = self.gpus.iter().find(|gpu| Some(&gpu.uuid) == pod.gpu_uuid.as_ref());
            wrong.extend(pod.complaints(gpu));
        }
        self.ok = wrong.is_empty() && self.pods.len() == 4;
        self.wrong = wrong;
    }
}

impl GpuReport {
    pub(crate) fn of(card: &CardReport) -> Self {
        Self {
            uuid: card.uuid.clone(),
            name: card.name.clone(),
            memory_mib: Mib::floor_of_bytes(card.memory.total).0,
            usable_mib: Mib::floor_of_bytes(card.memory.total - card.memory.reserved).0,
        }
    }
}

impl PodReport {
    fn of(ask: &Ask) -> Self {
        Self {
            name: ask.name.to_owned(),
            resource: stage::name(ask.resource),
            share_percent: (ask.resource == Resource::GpuPercent).then_some(ask.count as u64),
            ..Self::default()
        }
    }

    /// A pod that was not admitted, with the reason; without one it was admitted after all.
    pub(crate) fn refused(ask: &Ask, reason: Option<String>) -> Self {
        Self { reason, ..Self::of(ask) }
    }

    /// Reads what a pod's programs printed.
    pub(crate) fn read(ask: &Ask, gpu_uuid: Option<String>, exit: &Exit) -> anyhow::Result<Self> {
        let steps: Vec<Value> =
            exit.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let step = |name: &str| steps.iter().find(|step| step["step"] == name);
        let mem = step("mem").with_context(|| {
            format!("pod {} did not report its memory:\n{}{}", ask.name, exit.stdout, exit.stderr)
        })?;
        let (total, free) = (bytes(mem, "total_bytes"), bytes(mem, "free_bytes"));
        let allocated =
            steps.iter().filter(|step| step["step"] == "alloc").map(|s| bytes(s, "bytes"));
        let fill = step("fill");
        let allocated = fill.map_or_else(|| allocated.sum(), |fill| bytes(fill, "allocated_bytes"));
        Ok(Self {
            gpu_uuid,
            nvidia_smi_total_mib: smi_total(&exit.stdout),
            cudart_total_mib: Some(Mib::floor_of_bytes(total).0),
            context_mib: Some(Mib::floor_of_bytes(total - free).0),
            allocated_mib: Some(Mib::floor_of_bytes(allocated).0),
            cuda_error: fill.and_then(|fill| fill["error"].as_i64()),
            reason: fill.and_then(|fill| fill["reason"].as_str()).map(str::to_owned),
            failure: (!exit.success()).then(|| format!("status {}: {}", exit.code, exit.stderr)),
            ..Self::of(ask)
        })
    }

    /// What is not as promised of this pod.
    fn complaints(&self, gpu: Option<&GpuReport>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("pod {}: {what}", self.name));
            }
        };
        let Some(gpu) = gpu else {
            expect(self.name == "d", "was not placed".to_owned());
            expect(self.reason.is_some(), "was admitted although nothing was free".to_owned());
            return wrong;
        };
        expect(
            self.failure.is_none(),
            format!("failed: {}", self.failure.as_deref().unwrap_or_default()),
        );
        let bound = self.share_percent.map(|percent| gpu.usable_mib * percent / 100);
        let (smi, cudart) = (bound.unwrap_or(gpu.memory_mib), bound.unwrap_or(gpu.usable_mib));
        expect(self.nvidia_smi_total_mib == Some(smi), format!("nvidia-smi does not say {smi}"));
        expect(self.cudart_total_mib == Some(cudart), format!("cudart does not say {cudart}"));
        if self.name == "a" {
            let held = self.context_mib.zip(self.allocated_mib).map_or(0, |(a, b)| a + b);
            let full = held <= cudart && cudart - held < GRANULE_MIB;
            expect(full, format!("held {held} MiB of {cudart}, not all but a granule"));
            expect(self.cuda_error == Some(2), format!("was refused with {:?}", self.cuda_error));
        }
        wrong
    }
}

/// The driver gives memory in pieces of 2 MiB.
const GRANULE_MIB: u64 = 2;

fn bytes(step: &Value, field: &str) -> u64 {
    step[field].as_u64().unwrap_or(0)
}

/// The number in nvidia-smi's `308MiB / 16255MiB`.
fn smi_total(output: &str) -> Option<u64> {
    output.lines().filter_map(|line| line.split_once("MiB / ")).find_map(|(_, rest)| {
        rest.split_once("MiB").and_then(|(number, _)| number.trim().parse().ok())
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gpu) in self.gpus.iter().enumerate() {
            writeln!(f, "GPU {index}  {}  {}MiB  {}", gpu.name, gpu.memory_mib, gpu.uuid)?;
        }
        writeln!(f)?;
        let heads =
            ["pod", "resource", "share", "GPU", "nvidia-smi", "cudart", "context", "allocated"];
        row(f, &heads.map(str::to_owned), "what happened")?;
        for pod in &self.pods {
            self.pod(f, pod)?;
        }
        writeln!(f)?;
        self.wrong.iter().try_for_each(|what| writeln!(f, "wrong: {what}"))?;
        if self.ok {
            writeln!(f, "all of it held; everything is free again")?;
        }
        Ok(())
    }
}

impl Report {
    fn pod(&self, f: &mut fmt::Formatter<'_>, pod: &PodReport) -> fmt::Result {
        let mib = |mib: Option<u64>| mib.map_or_else(|| "-".to_owned(), |mib| Mib(mib).to_string());
        let place = self.gpus.iter().position(|gpu| Some(&gpu.uuid) == pod.gpu_uuid.as_ref());
        let cells = [
            pod.name.clone(),
            pod.resource.clone(),
            pod.share_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%")),
            place.map_or_else(|| "-".to_owned(), |index| index.to_string()),
            mib(pod.nvidia_smi_total_mib),
            mib(pod.cudart_total_mib),
            mib(pod.context_mib),
            mib(pod.allocated_mib),
        ];
        let happened = match (pod.cuda_error, &pod.reason) {
            (Some(code), _) => format!("the next allocation: error {code}"),
            (None, Some(reason)) => format!("refused: {reason}"),
            (None, None) => "went on".to_owned(),
        };
        row(f, &cells, &happened)
    }
}

fn row(f: &mut fmt::Formatter<'_>, cells: &[String; 8], last: &str) -> fmt::Result {
    let [pod, resource, share, gpu, smi, cudart, context, allocated] = cells;
    write!(f, "{pod:<4} {resource:<24} {share:>5} {gpu:>4} {smi:>11} {cudart:>9} {context:>8} ")?;
    writeln!(f, "{allocated:>10}  {last}")
}
