//! Which driver is asked: the machine's, or that of a driver root.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use driver::cuda::Driver;
use driver::nvml::Nvml;
use nvidia_sys::cuda::CUdevice_attribute as Attribute;
use serde_json::{Value, json};

/// A driver with at least one GPU, initialised.
pub(crate) struct Subject {
    pub(crate) driver: Driver,
    pub(crate) nvml: Option<Nvml>,
    simulated: bool,
}

impl Subject {
    pub(crate) fn open(root: Option<&Path>) -> Result<Self> {
        let driver = Driver::open(library(root, "libcuda.so.1"))?;
        driver.init()?;
        ensure!(driver.device_count()? > 0, "the driver shows no device");
        // Without NVML the driver still has answers.
        let nvml = Nvml::open(library(root, "libnvidia-ml.so.1")).ok();
        Ok(Self { driver, nvml, simulated: is_simulated(root.unwrap_or(Path::new("/"))) })
    }

    /// What the driver and its first GPU say of themselves.
    pub(crate) fn describe(&self) -> Result<Value> {
        let device = self.driver.device(0)?;
        let attribute = |which| device.attribute(which).ok();
        Ok(json!({
            "simulated": self.simulated,
            "driver_version": self.nvml.as_ref().and_then(|nvml| nvml.driver_version().ok()),
            "cuda_version": self.driver.version()?,
            "devices": self.driver.device_count()?,
            "name": device.name()?,
            "uuid": device.uuid()?,
            "total_bytes": device.total_memory()?,
            "multiprocessors": attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
            "compute_major": attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            "compute_minor": attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            "nvml_memory": self.nvml_memory(),
            "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        }))
    }

    /// The memory of the first CUDA device as NVML tells it.
    fn nvml_memory(&self) -> Option<Value> {
        let memory = self.nvml_device()?.memory().ok()?;
        Some(json!({
            "total": memory.total, "reserved": memory.reserved,
            "free": memory.free, "used": memory.used,
        }))
    }

    /// The first CUDA device in NVML, which may count in another order.
    pub(crate) fn nvml_device(&self) -> Option<driver::nvml::Device<'_>> {
        let (nvml, uuid) = (self.nvml.as_ref()?, self.driver.device(0).ok()?.uuid().ok()?);
        let devices = (0..nvml.device_count().ok()?).filter_map(|index| nvml.device(index).ok());
        devices.into_iter().find(|device| device.uuid().is_ok_and(|found| found == uuid))
    }
}

/// The library in a driver root, or its soname.
pub(crate) fn library(root: Option<&Path>, soname: &str) -> PathBuf {
    let Some(root) = root else { return soname.into() };
    let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"];
    let places = folders.map(|folder| root.join(folder).join(soname));
    places.iter().find(|place| place.exists()).unwrap_or(&places[0]).clone()
}

/// A simulated world's control node is its daemon's socket; a real one is a character device.
fn is_simulated(root: &Path) -> bool {
    fs::metadata(root.join("dev/nvidiactl")).is_ok_and(|found| found.file_type().is_socket())
}
