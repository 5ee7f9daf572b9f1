//! The MIG slices of a card.

use std::path::Path;

use contract::Mib;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::MigMode;

use super::real::clause;
use crate::inventory::Slice;

/// NVML_ERROR_NOT_FOUND: nothing at this place.
const NOT_FOUND: u32 = 6;

/// The slices of the card at `index`, which has `total` memory in all; `None` where it is not in MIG mode.
pub(super) fn of(
    device: &Device,
    mode: Result<MigMode, NvmlError>,
    library: &Path,
    (index, total): (u32, Mib),
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
        slices.push(slice_of(&slice, ids, total)?);
    }
    Ok(Some(slices))
}

fn slice_of(
    slice: &Device,
    (gpu_instance, compute_instance): (u32, u32),
    total: Mib,
) -> Result<Slice, String> {
    let uuid = slice.uuid().map_err(clause)?;
    let uuid = uuid.parse().map_err(|error| format!("the slice's UUID {uuid:?} is {error}"))?;
    let name = slice.name().map_err(clause)?;
    let attributes = slice.attributes().map_err(clause)?;
    let memory_mib = attributes.memory_size_mb;
    let (gpu, compute) =
        (attributes.gpu_instance_slice_count, attributes.compute_instance_slice_count);
    let profile = named(&name).unwrap_or_else(|| counted(gpu, compute, (Mib(memory_mib), total)));
    Ok(Slice { uuid, profile, gpu_instance, compute_instance, memory_mib })
}

/// The driver names a slice behind its card: `NVIDIA A100-SXM4-80GB MIG 1g.10gb`.
fn named(name: &str) -> Option<String> {
    name.rsplit_once(" MIG ").map(|(_, profile)| profile.trim().to_owned())
}

/// The name as NVIDIA makes it, of a driver that does not say it. Its memory is named by the eighths of the
/// card that it was cut as, not by what is left of them: 3g.40gb has 40192 MiB of 81920.
fn counted(gpu: u32, compute: u32, (memory, total): (Mib, Mib)) -> String {
    let eighths = (memory.0 * 8).div_ceil(total.0.max(1)).min(8);
    let gib = (total.0.div_ceil(1024) * eighths + 4) / 8;
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
        // Slices and cards as drivers state them, and what NVIDIA's tables of profiles call the slices.
        let table = [
            (1, 1, 9856, 81920, "1g.10gb"),
            (3, 1, 40192, 81920, "1c.3g.40gb"),
            (7, 7, 80896, 81920, "7g.80gb"),
            (1, 1, 4864, 40536, "1g.5gb"),
            (7, 7, 40192, 40536, "7g.40gb"),
            (1, 1, 11008, 95830, "1g.12gb"),
            (1, 1, 16384, 143771, "1g.18gb"),
            (1, 1, 33280, 143771, "1g.35gb"),
            (3, 3, 71424, 143771, "3g.71gb"),
            (1, 1, 5952, 24576, "1g.6gb"),
        ];
        for (gpu, compute, memory, total, name) in table {
            assert_eq!(counted(gpu, compute, (Mib(memory), Mib(total))), name);
        }
    }
}
