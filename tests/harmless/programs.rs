//! The small C programs of this folder, compiled into a root by the zig that also links the shim.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root::{fetched, target};

/// For which C library a program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Libc {
    /// The oldest glibc that a container may have.
    Glibc217,
    /// A glibc in which libc.so.6 is everything.
    Glibc236,
    /// The oldest glibc, on ARM.
    Aarch64,
    /// musl, with its loader.
    Musl,
    /// musl, inside the program.
    Static,
}

/// A program or a library to compile.
pub(crate) struct Program {
    source: &'static str,
    libc: Libc,
    flags: Vec<String>,
}

impl Program {
    /// The program of this source file, named without its ending, for the oldest glibc.
    pub(crate) fn new(source: &'static str) -> Program {
        Program { source, libc: Libc::Glibc217, flags: vec![] }
    }

    /// The same as a shared library of this name.
    pub(crate) fn library(source: &'static str, soname: &str) -> Program {
        Program::new(source).with("-shared").with("-fPIC").with(&format!("-Wl,-soname,{soname}"))
    }

    /// For another C library.
    pub(crate) fn on(self, libc: Libc) -> Program {
        Program { libc, ..self }
    }

    /// Linked to this library.
    pub(crate) fn linked_to(self, library: &Path) -> Program {
        self.with(library.to_str().expect("a root's path is text"))
    }

    /// With one more flag for the compiler.
    pub(crate) fn with(mut self, flag: &str) -> Program {
        self.flags.push(flag.to_owned());
        self
    }

    /// Compiles it into this file.
    pub(crate) fn compile(&self, into: &Path) {
        let mut zig = Command::new(fetched("zig").join("ziglang/zig"));
        zig.env("ZIG_GLOBAL_CACHE_DIR", target("dist-build/zig"));
        zig.args(["cc", "-O1", "-g0", "-Wall", "-Wextra", "-Werror", "-fexceptions", "-target"]);
        zig.args(self.libc.flags()).arg("-o").arg(into).arg(self.file()).args(&self.flags);
        let output = zig.output().expect("zig, which `cargo xtask fetch zig` brings, starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "zig cannot compile {}.c: {said}", self.source);
    }

    fn file(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("harmless");
        folder.join(self.source).with_extension("c")
    }
}

impl Libc {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Libc::Glibc217 => &["x86_64-linux-gnu.2.17", "-lpthread", "-ldl"],
            Libc::Glibc236 => &["x86_64-linux-gnu.2.36"],
            Libc::Aarch64 => &["aarch64-linux-gnu.2.17", "-lpthread", "-ldl"],
            Libc::Musl => &["x86_64-linux-musl", "-dynamic"],
            Libc::Static => &["x86_64-linux-musl", "-static"],
        }
    }
}
