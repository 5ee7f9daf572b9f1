//! Which processes the driver has on a GPU.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use contract::DeviceUuid;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

/// A process with a context on a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnGpu {
    /// Its id on this machine.
    pub pid: u32,
    /// The memory it holds there, in bytes; `None` where the driver does not tell.
    pub bytes: Option<u64>,
}

/// Something that knows the processes on a GPU.
pub trait Lister: Send + Sync + 'static {
    /// Asks for one GPU's processes, each once. May hang as long as the GPU does.
    ///
    /// # Errors
    /// Why they cannot be listed, as a clause.
    fn list(&self, gpu: DeviceUuid) -> Result<Vec<OnGpu>, String>;

    /// The driver's version; `None` where it does not tell.
    fn driver(&self) -> Option<String> {
        None
    }

    /// Lets go of the driver, so that it can be unloaded; the next [`Self::list`] takes it up again.
    fn let_go(&self) {}
}

/// The driver's NVML.
pub struct NvmlLister {
    library: PathBuf,
    nvml: Mutex<Option<Arc<Nvml>>>,
}

impl NvmlLister {
    /// NVML in this file, loaded when it is first asked.
    #[must_use]
    pub fn new(library: PathBuf) -> Self {
        Self { library, nvml: Mutex::new(None) }
    }

    fn nvml(&self) -> Result<Arc<Nvml>, NvmlError> {
        let mut held = self.nvml.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nvml) = &*held {
            return Ok(nvml.clone());
        }
        let nvml = Arc::new(Nvml::builder().lib_path(self.library.as_os_str()).init()?);
        Ok(held.insert(nvml).clone())
    }
}

impl Lister for NvmlLister {
    fn list(&self, gpu: DeviceUuid) -> Result<Vec<OnGpu>, String> {
        let nvml = self.nvml().map_err(|error| format!("NVML: {error}"))?;
        let listed = nvml.device_by_uuid(gpu.to_string()).and_then(|device| list(&device));
        listed.map_err(|error| {
            if is_the_drivers(&error) {
                self.let_go();
            }
            format!("NVML: {error}")
        })
    }

    fn driver(&self) -> Option<String> {
        self.nvml().ok()?.sys_driver_version().ok()
    }

    fn let_go(&self) {
        // Whoever is still asking holds it until the answer comes.
        *self.nvml.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether an error says that the driver was restarted, and not that one GPU has failed.
fn is_the_drivers(error: &NvmlError) -> bool {
    use NvmlError as E;
    matches!(error, E::Uninitialized | E::DriverNotLoaded | E::LibRmVersionMismatch | E::Unknown)
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
    Ok(joined(compute.into_iter().chain(graphics).chain(mps)))
}

/// A list that not every GPU and driver has.
fn optional(answer: Result<Vec<ProcessInfo>, NvmlError>) -> Result<Vec<ProcessInfo>, NvmlError> {
    use NvmlError as E;
    match answer {
        Err(E::NotSupported | E::FailedToLoadSymbol(_) | E::FunctionNotFound) => Ok(Vec::new()),
        answer => answer,
    }
}

/// Each process once: one that computes and draws is in both lists, with one and the same figure;
/// one on several MIG instances is listed for each.
fn joined(listed: impl Iterator<Item = ProcessInfo>) -> Vec<OnGpu> {
    let mut found = BTreeMap::<u32, BTreeMap<_, Option<u64>>>::new();
    for process in listed {
        let bytes = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let instance = (process.gpu_instance_id, process.compute_instance_id);
        let known = found.entry(process.pid).or_default().entry(instance).or_default();
        *known = bytes.max(*known);
    }
    let sum = |by_instance: BTreeMap<_, Option<u64>>| {
        by_instance.into_values().flatten().reduce(u64::saturating_add)
    };
    found.into_iter().map(|(pid, by_instance)| OnGpu { pid, bytes: sum(by_instance) }).collect()
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
    fn a_process_in_several_lists_is_one_and_its_instances_add_up() {
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
        let expected = [(7, Some(100)), (8, Some(3)), (9, Some(30)), (10, None)];
        assert_eq!(found, expected.map(|(pid, bytes)| OnGpu { pid, bytes }));
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_a_reason() {
        let lister = NvmlLister::new("/nonexistent/libnvidia-ml.so.1".into());
        let why = lister.list(DeviceUuid::gpu([1; 16])).unwrap_err();
        assert!(why.starts_with("NVML: "), "{why}");
    }
}
