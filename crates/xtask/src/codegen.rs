//! `cargo xtask codegen`: fetches what the generator reads, then starts it. The generator itself is
//! the crate `codegen`, apart, so that no other command waits for bindgen to build.

use crate::{fetch, sh};

/// What the command line says: nothing.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Regenerates everything that is checked in under `src/generated`.
pub(crate) fn run(_args: Args) -> anyhow::Result<()> {
    fetch::ensure(&["cuda-headers", "libclang"])?;
    sh::run(sh::cargo().args(["run", "--quiet", "--package", "codegen"]))
}
