//! aliquot-hook, linked statically: a runtime starts it on the node itself, of which nothing is known.
//! Zig has no static glibc, so this machine's own linker and libc.a make it for this machine's
//! processor. For another one it is linked by zig as the other programs are, and needs glibc there.

use std::path::Path;

use anyhow::{Context, Result};

use super::build::{artifacts, cargo};
use super::system::{Arch, System};
use super::{Profile, install};
use crate::gates;

/// Compiles, links, judges and installs the hook.
pub(super) fn build(system: &System, profile: Profile, to: &Path) -> Result<()> {
    let alone = system.arch == Arch::X86_64;
    let mut cargo = match alone {
        // A build folder of its own: where the linker changes, cargo compiles everything anew.
        true => system.cargo("rustc"),
        false => cargo(system, profile, "rustc")?,
    };
    if alone {
        cargo.env("CARGO_TARGET_DIR", system.build_folder().join("static"));
        cargo.args(["--profile", profile.name()]);
    }
    cargo.args(["--package", "aliquot-hook", "--bin", "aliquot-hook", "--", "-C"]);
    cargo.arg("strip=symbols");
    if alone {
        cargo.args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
    }
    let built = artifacts(&mut cargo)
        .context("aliquot-hook cannot be linked statically: libc.a (Debian's libc6-dev) is needed")?
        .program("aliquot-hook")?;
    if alone {
        gates::check_standalone(&built)?;
    }
    install::file(&built, to)
}
