//! This machine's GPUs, as the node agent sees them.

use std::path::Path;

use aliquot_node::{
    config::Config,
    driver::Driver,
    inventory::{Gpu, Inventory},
    nvml::{self, NvmlSource},
    orders::Orders,
};
use anyhow::{anyhow, bail};

/// The GPUs of the driver under `root` that answer, in NVML's order.
///
/// # Errors
/// One line where there is no driver or no GPU, with what to do.
pub(crate) fn gpus(root: &Path) -> anyhow::Result<Vec<Gpu>> {
    const OR: &str = "without a GPU, try a simulated one: --sim v100-32gb";
    let driver = Driver::find(root).map_err(|error| anyhow!("{error}; {OR}"))?;
    let scan = nvml::scan(&mut NvmlSource::new(driver.nvml()))
        .map_err(|error| anyhow!("{error}; {OR}"))?;
    if let Some((index, Err(reason))) = scan.iter().find(|(_, facts)| facts.is_err()) {
        eprintln!("aliquot: GPU {index} is left out: {reason}");
    }
    let seen = Inventory::default().refreshed(Ok(scan), &Config::default(), &Orders::default());
    if seen.gpus().is_empty() {
        bail!("the driver under {} has no GPU that answers; {OR}", root.display());
    }
    Ok(seen.gpus().to_vec())
}
