//! What the driver says of the GPUs, on a thread of its own: a driver that hangs holds up nobody
//! else.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use contract::Mib;
use nvml_wrapper::{Device, Nvml, error::NvmlError};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::inventory::{Facts, Inventory, Scanned};

/// Something that knows the GPUs of a node.
pub trait Source: Send + 'static {
    /// Asks for every GPU.
    ///
    /// # Errors
    /// Why none can be asked for, as a clause.
    fn scan(&mut self) -> Result<Vec<Scanned>, String>;
}

/// The driver's NVML.
pub struct NvmlSource {
    library: PathBuf,
    /// Let go of after a failure, so that a driver that was restarted is loaded afresh.
    nvml: Option<Nvml>,
}

impl NvmlSource {
    /// NVML in this file.
    #[must_use]
    pub fn new(library: PathBuf) -> Self {
        Self { library, nvml: None }
    }
}

impl Source for NvmlSource {
    fn scan(&mut self) -> Result<Vec<Scanned>, String> {
        let nvml = match self.nvml.take() {
            Some(nvml) => nvml,
            None => Nvml::builder()
                .lib_path(self.library.as_os_str())
                .init()
                .map_err(|error| format!("NVML in {}: {error}", self.library.display()))?,
        };
        let count = nvml.device_count().map_err(|error| format!("NVML: {error}"))?;
        let scan = (0..count).map(|index| (index, ask(&nvml, index))).collect();
        self.nvml = Some(nvml);
        Ok(scan)
    }
}

fn ask(nvml: &Nvml, index: u32) -> Result<Facts, String> {
    nvml.device_by_index(index).and_then(|device| facts(&device)).map_or_else(
        |error| Err(format!("NVML: {error}")),
        |(uuid, facts)| {
            let uuid = uuid.parse().map_err(|error| format!("its UUID {uuid:?} is {error}"))?;
            Ok(Facts { uuid, ..facts })
        },
    )
}

fn facts(device: &Device) -> Result<(String, Facts), NvmlError> {
    let memory = device.memory_info()?;
    let pci = device.pci_info()?.bus_id;
    let facts = Facts {
        uuid: contract::DeviceUuid::gpu([0; 16]),
        minor: device.minor_number()?,
        name: device.name()?,
        usable: Mib::floor_of_bytes(memory.total.saturating_sub(memory.reserved)),
        numa: numa_node(&pci),
        pci,
    };
    Ok((device.uuid()?, facts))
}

/// The kernel's answer, where the machine has NUMA nodes: it writes -1 otherwise.
fn numa_node(bus_id: &str) -> Option<u32> {
    // NVML writes the PCI domain with eight digits, sysfs with four.
    let address = bus_id.to_lowercase();
    let address = address.get(address.len().checked_sub(12)?..)?;
    let path = format!("/sys/bus/pci/devices/{address}/numa_node");
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The GPUs as they are, for ever after. Dropping it ends the thread.
pub struct Scanner {
    /// The last look.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    _stop: Sender<()>,
}

impl Scanner {
    /// Looks once, then again after each `pause` on a thread of its own.
    ///
    /// # Errors
    /// Why the first look failed, or that it found no GPU.
    pub fn start(
        mut source: impl Source,
        config: watch::Receiver<Arc<Config>>,
        pause: Duration,
    ) -> Result<Self, String> {
        let first = Inventory::default().refreshed(Ok(source.scan()?), &config.borrow());
        if first.gpus().is_empty() {
            return Err("NVML lists no GPU that answers".into());
        }
        for gpu in first.gpus() {
            info!(gpu = %gpu.uuid, index = gpu.index, name = gpu.name, usable_mib = gpu.usable_mib,
                mode = ?gpu.mode, "found");
        }
        let (sender, inventory) = watch::channel(Arc::new(first));
        let (stop, stopped) = channel();
        thread::Builder::new()
            .name("nvml".into())
            .spawn(move || {
                while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    look(&mut source, &config.borrow(), &sender);
                }
            })
            .map_err(|error| format!("no thread for NVML: {error}"))?;
        Ok(Self { inventory, _stop: stop })
    }
}

fn look(source: &mut impl Source, config: &Config, sender: &watch::Sender<Arc<Inventory>>) {
    let before = sender.borrow().clone();
    let after = before.refreshed(source.scan(), config);
    tell_changes(&before, &after);
    if *before != after {
        sender.send_replace(Arc::new(after));
    }
}

fn tell_changes(before: &Inventory, after: &Inventory) {
    for gpu in after.gpus() {
        let was = before.get(gpu.uuid).map(|gpu| gpu.sick.as_deref());
        match (&gpu.sick, was) {
            (Some(why), Some(None)) => warn!(gpu = %gpu.uuid, why, "out of order"),
            (None, Some(Some(_))) => info!(gpu = %gpu.uuid, "well again"),
            (None, None) => info!(gpu = %gpu.uuid, name = gpu.name, "found"),
            _ => {}
        }
    }
}
