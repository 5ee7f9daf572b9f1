//! The kubelet's gRPC, from `proto/` to `crates/kubelet/src/generated/`: no protoc is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where the sources lie and where the result belongs, both in this repository.
#[must_use]
pub fn folders() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    (root.join("proto"), root.join("crates/kubelet/src/generated"))
}

/// Writes one file per protobuf package of `sources` into the existing folder `out`.
///
/// # Errors
/// A source that cannot be read or is no valid protobuf; a folder that cannot be written.
pub fn generate(sources: &Path, out: &Path) -> Result<()> {
    let files = protos(sources)?;
    let parsed = protox::compile(&files, [sources]).context("cannot read the sources in proto/")?;
    // Ordered maps: the same input gives the same bytes, in the code and on the wire.
    tonic_prost_build::configure()
        .out_dir(out)
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .compile_fds(parsed)
        .with_context(|| format!("cannot write generated code to {}", out.display()))
}

fn protos(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list the sources in {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().is_some_and(|name| name != "mod.rs"))
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).unwrap())
            })
            .collect()
    }

    #[test]
    fn the_checked_in_grpc_is_what_the_sources_give() {
        let (sources, checked_in) = folders();
        let fresh = tempfile::tempdir().unwrap();
        generate(&sources, fresh.path()).unwrap();
        let (fresh, checked_in) = (contents(fresh.path()), contents(&checked_in));
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&fresh), names(&checked_in), "run `cargo xtask codegen`");
        for (name, text) in &fresh {
            assert!(checked_in[name] == *text, "{name} is stale: run `cargo xtask codegen`");
        }
    }
}
