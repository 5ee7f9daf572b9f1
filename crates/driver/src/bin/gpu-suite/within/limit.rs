//! The limit: shown as the card, held to the byte, refused in the driver's own words.

use anyhow::Result;
use driver::nvml::Nvml;
use nvidia_sys::cuda::{CUDA_ARRAY3D_DESCRIPTOR, CUarray_format};

use super::Stage;
use crate::cuda::{MIB, OUT_OF_MEMORY, code, done, memory};
use crate::finding::{Findings, mib};

/// The share is the card.
pub(super) fn shown(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let Stage { cuda, limit } = stage;
    let ((free, total), mut bytes) = (cuda.info()?, 0);
    done!(cuda.cuDeviceTotalMem_v2(&mut bytes, 0))?;
    findings.same("cuMemGetInfo's total is the share", total, *limit);
    findings.same("cuDeviceTotalMem is the share", bytes as u64, *limit);
    findings.note("a context is used memory", free < total, mib(total - free));
    let (uuid, nvml) = (cuda.uuid()?, Nvml::open("libnvidia-ml.so.1")?);
    let devices = (0..nvml.device_count()?).filter_map(|index| nvml.device(index).ok());
    let mut devices = devices.filter(|device| device.uuid().is_ok_and(|found| found == uuid));
    match devices.next() {
        Some(device) => {
            let memory = device.memory()?;
            findings.same("NVML's total is the share", memory.total, *limit);
            findings.same("NVML's used is cuMemGetInfo's", memory.used, cuda.used()?);
        }
        None => findings.note("NVML knows the device", false, uuid),
    }
    Ok(())
}

/// Filled to the end: nothing above the share, and of the share nothing is withheld.
pub(super) fn exact(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let Stage { cuda, limit } = stage;
    let (before, mut held) = (cuda.used()?, Vec::new());
    let mut refusal = 0;
    for granule in [64 * MIB, 2 * MIB] {
        loop {
            match cuda.alloc(granule) {
                Ok(address) => held.push((address, granule)),
                Err(code) => break refusal = code,
            }
        }
    }
    let (free, total) = cuda.info()?;
    let taken: u64 = held.iter().map(|(_, bytes)| bytes).sum();
    findings.note("the refusal is code 2", refusal == OUT_OF_MEMORY, refusal);
    findings.same("what is used grew by what was given", total - free - before, taken);
    findings.note("nothing is given above the share", before + taken <= *limit, mib(taken));
    findings.note("less than a page is left", free < 2 * MIB, mib(free));
    let (mut address, untouched) = (7, 7);
    code!(cuda.cuMemAlloc_v2(&mut address, 2 * MIB as usize));
    findings.note("a refused call writes nothing", address == untouched, address);
    held.into_iter().try_for_each(|(address, _)| cuda.free(address))?;
    findings.same("all of it comes back", cuda.used()?, before);
    Ok(())
}

/// Every way to ask for more than the share is code 2, and leaves nothing charged.
pub(super) fn refusals(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let Stage { cuda, limit } = stage;
    let (before, bytes) = (cuda.used()?, (*limit + 2 * MIB) as usize);
    let (mut at, mut pitch) = (0, 0);
    let mut say = |what: &str, code: u32| {
        findings.note(&format!("{what} above the share is code 2"), code == OUT_OF_MEMORY, code);
    };
    say("cuMemAlloc", code!(cuda.cuMemAlloc_v2(&mut at, bytes)));
    say("cuMemAllocManaged", code!(cuda.cuMemAllocManaged(&mut at, bytes, 1)));
    let rows = bytes / MIB as usize + 1;
    let pitched = code!(cuda.cuMemAllocPitch_v2(&mut at, &mut pitch, MIB as usize, rows, 4));
    say("cuMemAllocPitch", pitched);
    say("cuMemAllocAsync", code!(cuda.cuMemAllocAsync(&mut at, bytes, std::ptr::null_mut())));
    let mut handle = 0;
    say("cuMemCreate", code!(cuda.cuMemCreate(&mut handle, bytes, &memory(), 0)));
    // A slice of 8,192 times 8,192 elements of 16 bytes is a GiB.
    let array = CUDA_ARRAY3D_DESCRIPTOR {
        Width: 8192,
        Height: 8192,
        Depth: (bytes >> 30) + 1,
        Format: CUarray_format::CU_AD_FORMAT_FLOAT,
        NumChannels: 4,
        Flags: 0,
    };
    let mut place = std::ptr::null_mut();
    say("cuArray3DCreate", code!(cuda.cuArray3DCreate_v2(&mut place, &array)));
    findings.same("what was refused is not charged", cuda.used()?, before);
    Ok(())
}
