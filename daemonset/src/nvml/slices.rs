//! The MIG slices of a card.

use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::MigMode;

use super::real::clause;
use crate::inventory::Slice;

/// NVML_ERROR_NOT_FOUND: nothing at this place.
const NOT_FOUND: u32 = 6;

/// The slices of the card at `index`; `None` where it is not in MIG mode.
pub(super) fn of(
    device: &Device,
    mode: Result<MigMode, NvmlError>,
    library: &Path,
    index: u32,
) -> Result<Option<Vec<Slice>>, String> {
    match mode {
        Ok(mode) if mode.current == 1 => {}
        // Off, a card without MIG, or a driver before it.
        Ok(_) | Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => return Ok(None),
        Err(error) => return Err(clause(error)),
    }
    // The wrapper does not tell the instances' ids.
    let failed = |error: driver::Error| format!("NVML: {error}");
    let nvml = driver::nvml::Nvml::open(library).map_err(failed)?;
    let card = nvml.device(index).map_err(failed)?;
    let mut slices = Vec::new();
    for place in 0..device.mig_device_count().map_err(clause)? {
        let ids = match card.slice(place) {
            Ok(slice) => slice.instances().map_err(failed)?,
            Err(error) if error.code() == Some(NOT_FOUND) => continue,
            Err(error) => return Err(failed(error)),
        };
        let slice = device.mig_device_by_index(place).map_err(clause)?;
        slices.push(slice_of(&slice, ids)?);
    }
    Ok(Some(slices))
}

fn slice_of(slice: &Device, (gpu_instance, compute_instance): (u32, u32)) -> Result<Slice, String> {
    let uuid = slice.uuid().map_err(clause)?;
    let uuid = uuid.parse().map_err(|error| format!("the slice's UUID {uuid:?} is {error}"))?;
    let name = slice.name().map_err(clause)?;
    let attributes = slice.attributes().map_err(clause)?;
    let memory_mib = attributes.memory_size_mb;
    let (gpu, compute) =
        (attributes.gpu_instance_slice_count, attributes.compute_instance_slice_count);
    let profile = named(&name).unwrap_or_else(|| counted(gpu, compute, memory_mib));
    Ok(Slice { uuid, profile, gpu_instance, compute_instance, memory_mib })
}

/// The driver names a slice behind its card: `NVIDIA A100-SXM4-80GB MIG 1g.10gb`.
fn named(name: &str) -> Option<String> {
    name.rsplit_once(" MIG ").map(|(_, profile)| profile.trim().to_owned())
}

/// The name as NVIDIA makes it, of a driver that does not say it.
fn counted(gpu: u32, compute: u32, memory_mib: u64) -> String {
    let gib = (memory_mib + 512) / 1024;
    let compute = if compute == gpu { String::new() } else { format!("{compute}c.") };
    format!("{compute}{gpu}g.{gib}gb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_called_as_the_driver_calls_it() {
        let names = ["NVIDIA A100-SXM4-80GB MIG 1g.10gb", "NVIDIA H100 MIG 1c.2g.20gb+me"];
        assert_eq!(names.map(named), [Some("1g.10gb".into()), Some("1c.2g.20gb+me".into())]);
        assert_eq!(named("NVIDIA A100-SXM4-80GB"), None);
    }

    #[test]
    fn without_a_name_a_slice_is_called_by_what_it_has() {
        let names = [counted(1, 1, 9856), counted(3, 1, 40192), counted(7, 7, 40448)];
        assert_eq!(names, ["1g.10gb", "1c.3g.39gb", "7g.40gb"]);
    }
}
