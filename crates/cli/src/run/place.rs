//! Which GPU gives the share, and how much memory that is. A pure choice over what was seen.

use std::path::Path;

use aliquot_node::inventory::Gpu;
use anyhow::{Context, bail};
use contract::{DeviceUuid, Mib, Percent};
use share::{Free, Policy};

use super::Registry;
use crate::{
    args::{GpuName, RunArgs},
    machine,
};

/// A share of one GPU.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The GPU.
    pub(crate) uuid: DeviceUuid,
    /// The share.
    pub(crate) percent: Percent,
    /// Its memory bound.
    pub(crate) limit: Mib,
    /// What one context takes on that card.
    pub(crate) context: Mib,
}

impl Placement {
    /// Looks at the driver's GPUs and at the runs that are alive, and chooses.
    ///
    /// # Errors
    /// Where no GPU gives the share, and why.
    pub(crate) fn choose(args: &RunArgs, root: &Path, runs: &Registry) -> anyhow::Result<Self> {
        let taken: Vec<_> = runs.live().iter().filter_map(|(_, card)| card.share()).collect();
        let taken: Vec<_> = taken.into_iter().map(|(gpu, percent, _)| (gpu, percent)).collect();
        place(args.fraction, args.gpu, &machine::gpus(root)?, &taken)
    }
}

fn place(
    share: Percent,
    wanted: Option<GpuName>,
    gpus: &[Gpu],
    taken: &[(DeviceUuid, Percent)],
) -> anyhow::Result<Placement> {
    let candidates = candidates(wanted, gpus)?;
    let free = |gpu: &&Gpu| {
        let held = taken.iter().filter(|(uuid, _)| *uuid == gpu.uuid);
        Free::after(held.map(|(_, percent)| u32::from(percent.get())).sum())
    };
    let parts: Vec<Free> = candidates.iter().map(free).collect();
    let Some(index) = share::pick(share, parts.iter().copied(), Policy::Pack) else {
        let most = parts.iter().max().map_or(0, |free| free.get());
        bail!(
            "no GPU has {share} free: the most that is free of one is {most}%; end another \
             `aliquot run` or ask for less"
        );
    };
    let gpu = candidates[index];
    let context = Mib(gpu.context_mib);
    let limit = share::divide(share, gpu.usable(), context)
        .with_context(|| format!("{} {}", gpu.name, gpu.uuid))?;
    Ok(Placement { uuid: gpu.uuid, percent: share, limit, context })
}

/// The GPUs that may give the share.
fn candidates(wanted: Option<GpuName>, gpus: &[Gpu]) -> anyhow::Result<Vec<&Gpu>> {
    let Some(name) = wanted else {
        let whole: Vec<&Gpu> = gpus.iter().filter(|gpu| gpu.slices.is_none()).collect();
        if whole.is_empty() && !gpus.is_empty() {
            bail!(
                "every GPU here is in MIG mode, and `aliquot run` divides whole ones: turn it off"
            );
        }
        return Ok(whole);
    };
    let named = |gpu: &&Gpu| match name {
        GpuName::Index(index) => gpu.index == index,
        GpuName::Uuid(uuid) => gpu.uuid == uuid,
    };
    if let Some(gpu) = gpus.iter().find(named) {
        if gpu.slices.is_some() {
            bail!(
                "GPU {} ({}) is in MIG mode, and `aliquot run` divides whole ones: choose another, \
                 or turn it off",
                gpu.index,
                gpu.uuid
            );
        }
        return Ok(vec![gpu]);
    }
    let list: Vec<_> = gpus.iter().map(|gpu| format!("{} ({})", gpu.index, gpu.uuid)).collect();
    match name {
        GpuName::Index(index) => bail!("there is no GPU {index}; there are {}", list.join(", ")),
        GpuName::Uuid(uuid) => bail!("there is no GPU {uuid}; there are {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aliquot_node::modes::Mode;

    fn gpu(index: u32) -> Gpu {
        Gpu {
            uuid: DeviceUuid::gpu([index as u8; 16]),
            index,
            minor: index,
            name: "Tesla V100-SXM2-32GB".into(),
            pci: String::new(),
            usable_mib: 32510,
            context_mib: 308,
            numa: None,
            links: Default::default(),
            mode: Mode::Shared,
            pool: None,
            slices: None,
            foreign: None,
            no_shares: None,
            capability: None,
            mig_capable: false,
            sick: None,
            cordon: None,
        }
    }

    #[test]
    fn a_gpu_in_mig_mode_gives_no_share() {
        let divided = Gpu { slices: Some(Vec::new()), ..gpu(0) };
        let place = |wanted, gpus: &[Gpu]| place(percent(50), wanted, gpus, &[]);
        let named = place(Some(GpuName::Index(0)), &[divided.clone(), gpu(1)]).unwrap_err();
        assert!(named.to_string().contains("GPU 0 "), "{named}");
        assert!(
            place(None, std::slice::from_ref(&divided))
                .unwrap_err()
                .to_string()
                .contains("MIG mode")
        );
        assert_eq!(place(None, &[divided, gpu(1)]).unwrap().uuid, gpu(1).uuid);
    }

    fn percent(value: u64) -> Percent {
        Percent::new(value).unwrap()
    }

    fn refusal(share: u64, wanted: Option<GpuName>, taken: &[(DeviceUuid, Percent)]) -> String {
        format!("{:#}", place(percent(share), wanted, &[gpu(0), gpu(1)], taken).unwrap_err())
    }

    #[test]
    fn a_share_goes_where_it_fits_best() {
        let taken = [(gpu(1).uuid, percent(50))];
        let placed = place(percent(50), None, &[gpu(0), gpu(1)], &taken).unwrap();
        assert_eq!((placed.uuid, placed.limit), (gpu(1).uuid, Mib(16255)));
    }

    #[test]
    fn a_named_gpu_gives_the_share_or_nobody_does() {
        let one = Some(GpuName::Index(1));
        let placed = place(percent(10), one, &[gpu(0), gpu(1)], &[]).unwrap();
        assert_eq!(placed.uuid, gpu(1).uuid);
        assert!(refusal(60, one, &[(gpu(1).uuid, percent(50))]).contains("is 50%"));
        assert!(refusal(60, Some(GpuName::Index(7)), &[]).contains("no GPU 7; there are 0 ("));
    }

    #[test]
    fn a_share_too_small_for_a_context_is_refused_with_the_least() {
        let small = Gpu { usable_mib: 15_000, ..gpu(0) };
        let refusal = place(percent(1), None, &[small], &[]).unwrap_err();
        assert!(format!("{refusal:#}").contains("at least 3%"), "{refusal:#}");
    }
}
