//! NVIDIA's headers, from target/fetch to `crates/nvidia-sys/src/generated/`: types, the signature of
//! every function in every ABI version, every name, and what cuGetProcAddress answers. Only facts
//! are taken over: none of the headers' comments.

mod api;
mod header;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use api::Api;

/// The generated files by name, with what they hold.
pub type Files = BTreeMap<&'static str, String>;

/// Where the fetched headers lie and where the result belongs, both in this repository.
#[must_use]
pub fn folders() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let headers = root.join("target/fetch/cuda-headers/nvidia/cu13/include");
    (headers, root.join("crates/nvidia-sys/src/generated"))
}

/// What the headers in that folder give. The same headers give the same bytes on every machine.
///
/// # Errors
/// Headers or libclang that are not there; a header that does not parse; an entry of
/// cuGetProcAddress that no exported name can be found for.
pub fn generate(headers: &Path) -> Result<Files> {
    let found = headers.join("cuda.h").exists() && headers.join("nvml.h").exists();
    ensure!(found, "no headers in {}: run `cargo xtask fetch`", headers.display());
    let cuda = Api::read(headers, "cuda.all.h", "cu").context("cuda.h")?;
    let mut nvml = Api::read(headers, "nvml.all.h", "nvml").context("nvml.h")?;
    nvml.add(header::struct_versions(&headers.join("nvml.h"))?);
    Ok(Files::from([
        ("cuda.rs", cuda.types()),
        ("cuda_fns.rs", cuda.signatures()),
        ("cuda_names.rs", table::names("CUDA_NAMES", cuda.names())),
        ("nvml.rs", nvml.types()),
        ("nvml_fns.rs", nvml.signatures()),
        ("nvml_names.rs", table::names("NVML_NAMES", nvml.names())),
        ("proc.rs", table::proc(&cuda)?),
    ]))
}

/// Generates from `headers` into the existing folder `out`.
///
/// # Errors
/// As [`generate`], and a folder that cannot be written.
pub fn write(headers: &Path, out: &Path) -> Result<()> {
    for (name, text) in generate(headers)? {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
