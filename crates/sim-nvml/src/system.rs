//! What concerns the driver and the machine as a whole.

use std::ffi::{c_char, c_int, c_uint};

use nvidia_sys::nvml::*;

use crate::answer::NOT_FOUND;
use crate::export::nvml;
use crate::handle::world;

nvml! {
    fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) {
        version.set_text(length, world()?.driver_version())
    }

    fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) {
        let world = world()?;
        let major = world.cuda_version() / 1000;
        version.set_text(length, &format!("{major}.{}", world.driver_version()))
    }

    fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) {
        version.set(world()?.cuda_version())
    }

    fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) {
        version.set(world()?.cuda_version())
    }

    /// The first word of the process's command line, as nvidia-smi shows it.
    fn nvmlSystemGetProcessName(pid: c_uint, name: *mut c_char, length: c_uint) {
        world()?;
        let text = process_name(pid).ok_or(NOT_FOUND)?;
        let room = text.floor_char_boundary((length as usize).saturating_sub(1));
        name.set_text(length, &text[..room])
    }

    fn nvmlUnitGetCount(count: *mut c_uint) {
        world()?;
        count.set(0)
    }

    fn nvmlGetExcludedDeviceCount(count: *mut c_uint) {
        world()?;
        count.set(0)
    }

    fn nvmlSystemGetHicVersion(count: *mut c_uint, _entries: *mut nvmlHwbcEntry_t) {
        world()?;
        count.set(0)
    }
}

/// The program that `pid` runs, if this process may see it.
pub(crate) fn process_name(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(first).into_owned())
}
