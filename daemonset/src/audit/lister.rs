//! Which processes the driver has on a GPU.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::DeviceUuid;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use crate::nvml::own_name;

/// Samples that are older say nothing of this moment.
const SAMPLED: Duration = Duration::from_secs(1);

/// A process with a context on a GPU, or on one slice of it, or which had one within the last second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnGpu {
    /// Its id on this machine.
    pub pid: u32,
    /// The ids of the GPU instance and the compute instance; `None` where the driver names none.
    pub instance: Option<(u32, u32)>,
    /// The memory it holds there, in bytes; `None` where the driver does not tell.
    pub bytes: Option<u64>,
    /// How busy it kept the GPU lately, in percent of the time; 0 where the driver does not tell.
    pub busy_percent: u32,
    /// Whether it has one at this moment.
    pub is_there: bool,
}

/// Something that knows the processes on GPUs.
pub trait Lister: Send + Sync + 'static {
    /// Reaches for the driver, for one look at all GPUs. What it answers is dropped after the look.
    ///
    /// # Errors
    /// Why it cannot be reached, as a clause.
    fn open(&self) -> Result<Box<dyn Listing>, String>;

    /// What the driver says of itself; `None` where it does not tell.
    fn driver(&self) -> Option<DriverVersions> {
        None
    }
}

/// A driver that was reached.
pub trait Listing: Send + Sync {
    /// Asks for one GPU's processes, each once. May hang as long as the GPU does.
    ///
    /// # Errors
    /// Why they cannot be listed, as a clause.
    fn list(&self, gpu: DeviceUuid) -> Result<Vec<OnGpu>, String>;
}

/// What the driver says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DriverVersions {
    /// Such as `535.261.03`.
    pub driver: String,
    /// The CUDA version that it speaks, major and minor; `None` where it does not tell.
    pub cuda: Option<(u32, u32)>,
}

/// The driver's NVML. It is let go of after each look: whoever else holds it decides when it is
/// unloaded, and cards that come and go are seen by a library that was closed in between.
pub struct NvmlLister {
    library: PathBuf,
}

impl NvmlLister {
    /// NVML in this file.
    #[must_use]
    pub fn new(library: PathBuf) -> Self {
        Self { library }
    }

    fn nvml(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(own_name(&self.library).as_os_str()).init()
    }
}

impl Lister for NvmlLister {
    fn open(&self) -> Result<Box<dyn Listing>, String> {
        self.nvml().map(|nvml| Box::new(nvml) as Box<dyn Listing>).map_err(clause)
    }

    fn driver(&self) -> Option<DriverVersions> {
        let nvml = self.nvml().ok()?;
        let driver = nvml.sys_driver_version().ok()?;
        // 12020 is 12.2.
        let cuda =
            nvml.sys_cuda_driver_version().ok().and_then(|number| u32::try_from(number).ok());
        Some(DriverVersions { driver, cuda: cuda.map(|n| (n / 1000, n % 1000 / 10)) })
    }
}

impl Listing for Nvml {
    fn list(&self, gpu: DeviceUuid) -> Result<Vec<OnGpu>, String> {
        self.device_by_uuid(gpu.to_string()).and_then(|device| list(&device)).map_err(clause)
    }
}

fn clause(error: NvmlError) -> String {
    format!("NVML: {error}")
}

fn list(device: &Device) -> Result<Vec<OnGpu>, NvmlError> {
    // Drivers before 510 have the second version only.
    let compute = match device.running_compute_processes() {
        Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => {
            device.running_compute_processes_v2()?
        }
        answer => answer?,
    };
    let graphics = optional(device.running_graphics_processes())?;
    let mps = optional(device.mps_running_compute_processes())?;
    Ok(sampled(joined(compute.into_iter().chain(graphics).chain(mps)), &busy(device)))
}

/// The same with how busy they were, and with who kept the GPU busy and is in no list: one that lets go of its context
/// whenever the driver is asked would be in none for ever.
fn sampled(mut listed: Vec<OnGpu>, busy: &BTreeMap<u32, u32>) -> Vec<OnGpu> {
    for on in &mut listed {
        on.busy_percent = busy.get(&on.pid).copied().unwrap_or(0);
    }
    let is_listed: BTreeSet<u32> = listed.iter().map(|on| on.pid).collect();
    let gone = busy.iter().filter(|(pid, _)| !is_listed.contains(pid));
    listed.extend(gone.map(|(&pid, &busy_percent)| OnGpu {
        pid,
        instance: None,
        bytes: None,
        busy_percent,
        is_there: false,
    }));
    listed
}

/// How busy processes kept the GPU, by pid: the most of their samples of the last second. Drivers and
/// GPUs that do not tell (nothing on Blackwell, MIG) say nothing.
fn busy(device: &Device) -> BTreeMap<u32, u32> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.saturating_sub(SAMPLED);
    let samples = device.process_utilization_stats(since.as_micros() as u64).unwrap_or_default();
    let mut busy = BTreeMap::new();
    for sample in samples {
        let known: &mut u32 = busy.entry(sample.pid).or_default();
        *known = sample.sm_util.min(100).max(*known);
    }
    busy
}

/// A list that not every GPU and driver has.
fn optional(answer: Result<Vec<ProcessInfo>, NvmlError>) -> Result<Vec<ProcessInfo>, NvmlError> {
    use NvmlError as E;
    match answer {
        Err(E::NotSupported | E::FailedToLoadSymbol(_) | E::FunctionNotFound) => Ok(Vec::new()),
        answer => answer,
    }
}

/// Each process once: one that computes and draws is in both lists, with one and the same figure. One on
/// several MIG instances is listed for each, and stays so.
fn joined(listed: impl Iterator<Item = ProcessInfo>) -> Vec<OnGpu> {
    let mut found = BTreeMap::<_, Option<u64>>::new();
    for process in listed {
        let bytes = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let instance = process.gpu_instance_id.zip(process.compute_instance_id);
        let known = found.entry((process.pid, instance)).or_default();
        *known = bytes.max(*known);
    }
    let on =
        |((pid, instance), bytes)| OnGpu { pid, instance, bytes, busy_percent: 0, is_there: true };
    found.into_iter().map(on).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, bytes: Option<u64>, instance: Option<u32>) -> ProcessInfo {
        let used_gpu_memory = bytes.map_or(UsedGpuMemory::Unavailable, UsedGpuMemory::Used);
        let (gpu_instance_id, compute_instance_id) = (instance, instance);
        ProcessInfo { pid, used_gpu_memory, gpu_instance_id, compute_instance_id }
    }

    #[test]
    fn a_process_in_several_lists_is_one_on_each_of_its_instances() {
        let lists = [
            process(7, Some(100), None),
            process(7, Some(100), None),
            process(8, None, None),
            process(8, Some(3), None),
            process(9, Some(10), Some(1)),
            process(9, Some(20), Some(2)),
            process(10, None, None),
        ];
        let found = joined(lists.into_iter());
        let [first, second] = [Some((1, 1)), Some((2, 2))];
        let expected = [
            (7, None, Some(100)),
            (8, None, Some(3)),
            (9, first, Some(10)),
            (9, second, Some(20)),
            (10, None, None),
        ];
        let on = |(pid, instance, bytes)| OnGpu {
            pid,
            instance,
            bytes,
            busy_percent: 0,
            is_there: true,
        };
        assert_eq!(found, expected.map(on));
    }

    #[test]
    fn who_was_busy_and_has_let_go_of_its_context_is_on_the_gpu_still() {
        let listed = joined([process(7, Some(100), None)].into_iter());
        let found = sampled(listed, &[(7, 30), (8, 60)].into());
        let of = |on: &OnGpu| (on.pid, on.bytes, on.busy_percent, on.is_there);
        let found: Vec<_> = found.iter().map(of).collect();
        assert_eq!(found, [(7, Some(100), 30, true), (8, None, 60, false)]);
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_a_reason() {
        let lister = NvmlLister::new("/nonexistent/libnvidia-ml.so.1".into());
        let why = lister.open().err().unwrap();
        assert!(why.starts_with("NVML: "), "{why}");
    }
}
