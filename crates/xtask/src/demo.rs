//! `cargo xtask demo`: builds, fetches NVIDIA's own runtime and nvidia-smi, and hands over to
//! `aliquot demo`.

use std::path::PathBuf;

use anyhow::Result;

use crate::dist::{self, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One JSON object on stdout in place of the table.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    let parts = fetch::ensure(&["zig", "cudart-12.9", "nvidia-535"])?;
    let dist = dist::ensure(&Part::ALL)?;
    let cudart: PathBuf = parts.part("cudart-12.9").join("nvidia/cuda_runtime/lib/libcudart.so.12");
    let smi = parts.part("nvidia-535").join("usr/lib/nvidia/current/nvidia-smi");
    let mut demo = sh::command(dist.folder().join("aliquot"));
    demo.arg("demo").arg("--cudart").arg(cudart).arg("--nvidia-smi").arg(smi);
    if args.json {
        demo.arg("--json");
    }
    sh::run(&mut demo)
}
