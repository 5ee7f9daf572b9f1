//! `nvidia-smi` in the agent's image: the driver's own program beside the driver's own NVML, wherever the chart told
//! the agent that the driver lies. Guides of clouds tell people to run it in the pod of whoever offers the GPUs; where
//! NVIDIA's runtime brings the driver it brings the real one to this very place.
//!
//! It shows the node's GPUs as they are, and no shares.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use aliquot_node::driver::Driver;
use anyhow::Context;

fn main() -> ExitCode {
    let error = match real() {
        Ok(mut command) => {
            let error = command.args(std::env::args_os().skip(1)).exec();
            anyhow::Error::new(error).context(format!("cannot run {:?}", command.get_program()))
        }
        Err(error) => error,
    };
    eprintln!("aliquot: {error:#}");
    ExitCode::FAILURE
}

/// The driver's program.
fn real() -> anyhow::Result<Command> {
    let root = std::env::var_os("ALIQUOT_DRIVER_ROOT").map_or_else(|| "/".into(), PathBuf::from);
    let driver = Driver::find(&root)?;
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    // Under `/` it could be this one.
    let smi = driver.smi().filter(|smi| smi.canonicalize().is_ok_and(|smi| smi != own));
    let smi =
        smi.with_context(|| format!("the driver under {} has no nvidia-smi", root.display()))?;
    let mut command = Command::new(smi);
    // nvidia-smi asks the loader for this library by its name, and takes the one that is there. A path to search
    // would bring whatever else lies beside it, such as the libc of a driver's container.
    command.env("LD_PRELOAD", driver.nvml());
    Ok(command)
}
