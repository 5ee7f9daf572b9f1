//! Zig as the linker of a cargo build: a script that speaks to zig as rustc speaks to gcc. What it
//! links needs glibc 2.17 and no libgcc_s.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::install;
use super::system::{System, home};

/// The environment variable that names cargo's linker for this system.
pub(super) fn variable(system: &System) -> String {
    let triple = system.arch.triple().replace('-', "_").to_uppercase();
    format!("CARGO_TARGET_{triple}_LINKER")
}

/// Writes the script unless it is there, and says where.
pub(super) fn script(system: &System) -> Result<PathBuf> {
    let path = home().join(format!("zig-cc-{}", system.arch.zig()));
    install::bytes(text(system).as_bytes(), &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))?;
    Ok(path)
}

/// libgcc_s is replaced by zig's unwinder, and rustc's hints at another linker are dropped.
fn text(system: &System) -> String {
    let (zig, target, cache) = (system.zig().display(), system.arch.zig(), home().join("zig"));
    let cache = cache.display();
    format!(
        r#"#!/bin/sh
# Written by `cargo xtask dist`.
for word do
  shift
  case "$word" in
    -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
    -fuse-ld=* | -B*) ;;
    *) set -- "$@" "$word" ;;
  esac
done
ZIG_GLOBAL_CACHE_DIR='{cache}' exec '{zig}' cc -target {target} "$@"
"#
    )
}
