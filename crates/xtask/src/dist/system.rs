//! The systems that are built for: their names, their compiler and their standard library. x86_64
//! has the machine's own rustc; aarch64 has Debian's, which comes with a library for it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{fetch, sh};

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[value(name = "aarch64")]
    Aarch64,
}

impl Arch {
    /// The folder's name under target/dist.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// Rust's name of the system.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-linux-gnu",
            Arch::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Zig's name of the system, with the oldest glibc on which a file runs.
    pub(super) fn zig(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-linux-gnu.2.17",
            Arch::Aarch64 => "aarch64-linux-gnu.2.17",
        }
    }

    /// The system with its tools, which are fetched where they are absent.
    pub(super) fn system(self) -> Result<System> {
        let zig = fetch::ensure(&["zig"])?.part("zig").join("ziglang/zig");
        let debian = match self {
            Arch::X86_64 => None,
            Arch::Aarch64 => Some(fetch::ensure(&["rust-aarch64"])?.part("rust-aarch64")),
        };
        Ok(System { arch: self, zig, debian })
    }
}

/// A system with the tools to build for it.
pub(super) struct System {
    pub(super) arch: Arch,
    zig: PathBuf,
    /// The root of the unpacked rustc, where it is not the machine's.
    debian: Option<PathBuf>,
}

impl System {
    /// Zig's C compiler and linker for this system.
    pub(super) fn zig_cc(&self) -> Command {
        let mut zig = sh::command(&self.zig);
        zig.env("ZIG_GLOBAL_CACHE_DIR", home().join("zig")).args([
            "cc",
            "-target",
            self.arch.zig(),
        ]);
        zig
    }

    /// Where zig lies.
    pub(super) fn zig(&self) -> &PathBuf {
        &self.zig
    }

    /// A cargo command that compiles for this system with its compiler, in a build folder that
    /// tests do not share, and says in JSON what it made.
    pub(super) fn cargo(&self, command: &str) -> Command {
        let mut cargo = sh::cargo();
        let colours = std::io::stderr().is_terminal();
        let format = if colours { "json-diagnostic-rendered-ansi" } else { "json" };
        cargo.args([command, "--message-format", format]);
        cargo.args(["--target", self.arch.triple()]);
        cargo.env("CARGO_TARGET_DIR", self.build_folder());
        if let Some(root) = &self.debian {
            // Debian's atomics out of line bring a constructor that asks for the processor.
            cargo.env(AARCH64_FLAGS, "-Ctarget-feature=-outline-atomics");
            cargo
                .env("RUSTC", root.join("usr/bin/rustc"))
                .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
        }
        cargo
    }

    /// Where this system's compiled crates lie.
    pub(super) fn build_folder(&self) -> PathBuf {
        home().join(self.arch.name())
    }

    /// The folder of core and its like, compiled for this system.
    pub(super) fn core_folder(&self) -> Result<PathBuf> {
        let root = match &self.debian {
            Some(root) => root.join("usr"),
            None => {
                let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
                let text = sh::read(sh::command(rustc).args(["--print", "sysroot"]))
                    .context("cannot ask rustc where its library is")?;
                PathBuf::from(text.trim())
            }
        };
        Ok(root.join("lib/rustlib").join(self.arch.triple()).join("lib"))
    }
}

const AARCH64_FLAGS: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS";

/// The build folders, one per system, and zig's cache.
pub(super) fn home() -> PathBuf {
    sh::target("dist-build")
}
