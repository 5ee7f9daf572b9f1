//! What cargo builds by itself: programs and the simulated driver, linked by zig.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::system::System;
use super::{Profile, hook, install, linker};

/// aliquot, aliquot-smi, aliquot-node and aliquot-hook.
pub(super) fn programs(system: &System, profile: Profile, into: &Path) -> Result<()> {
    let all = [
        ("aliquot-cli", "aliquot"),
        ("aliquot-cli", "aliquot-smi"),
        ("aliquot-node", "aliquot-node"),
    ];
    install_programs(system, profile, &all, into)?;
    hook::build(system, profile, &into.join("aliquot-hook"))
}

/// aliquot-admission and aliquot-scheduler.
pub(super) fn servers(system: &System, profile: Profile, into: &Path) -> Result<()> {
    install_programs(
        system,
        profile,
        &["aliquot-admission", "aliquot-scheduler"].map(|one| (one, one)),
        into,
    )
}

/// gpu-client and gpu-load, which run in containers, and the programs that ask a real card.
pub(super) fn client(system: &System, profile: Profile, into: &Path) -> Result<()> {
    let all =
        ["gpu-client", "gpu-load", "gpu-suite", "gpu-probe"].map(|program| ("driver", program));
    install_programs(system, profile, &all, into)
}

/// The simulated driver. Like the real ones, libcuda binds its own names itself and libnvidia-ml
/// does not: a shim's NVML hooks are entered again from inside it.
pub(super) fn sim(system: &System, profile: Profile, into: &Path) -> Result<()> {
    install_programs(system, profile, &[("sim-world", "aliquot-simd")], into)?;
    for (package, soname, flags) in [
        ("sim-cuda", "libcuda.so.1", &["-Wl,-Bsymbolic"][..]),
        ("sim-nvml", "libnvidia-ml.so.1", &[][..]),
    ] {
        let soname_flag = format!("-Wl,-soname,{soname}");
        let mut cargo = cargo(system, profile, "rustc")?;
        cargo.args(["--package", package, "--lib", "--"]);
        for flag in flags.iter().copied().chain([soname_flag.as_str()]) {
            cargo.arg("-C").arg(format!("link-arg={flag}"));
        }
        let library = artifacts(&mut cargo)?.library(package)?;
        install::file(&library, &into.join(soname))?;
    }
    Ok(())
}

/// Builds programs, each of a package, with one cargo: two would choose features apart and compile
/// what they share twice.
fn install_programs(
    system: &System,
    profile: Profile,
    programs: &[(&str, &str)],
    into: &Path,
) -> Result<()> {
    let mut cargo = cargo(system, profile, "build")?;
    for (package, program) in programs {
        cargo.args(["--package", package, "--bin", program]);
    }
    let built = artifacts(&mut cargo)?;
    for (_, program) in programs {
        install::file(&built.program(program)?, &into.join(program))?;
    }
    Ok(())
}

/// A cargo that builds in this profile.
pub(super) fn cargo(system: &System, profile: Profile, command: &str) -> Result<Command> {
    let mut cargo = linker::cargo(system, command)?;
    cargo.args(["--profile", profile.name()]);
    Ok(cargo)
}

/// Runs cargo and reads what it made; what it has to say to a person goes to stderr.
pub(super) fn artifacts(cargo: &mut Command) -> Result<Artifacts> {
    let cargo = cargo.stderr(Stdio::inherit()).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot start cargo")?;
    let mut made = Artifacts::default();
    for line in BufReader::new(child.stdout.take().context("cargo has no stdout")?).lines() {
        let line = line.context("cargo wrote no text")?;
        made.hear(serde_json::from_str(&line).context("cargo wrote no JSON")?);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        let words: Vec<_> = cargo.get_args().map(|word| word.to_string_lossy()).collect();
        bail!("`cargo {}` ended with {status}; it says why above", words.join(" "));
    }
    Ok(made)
}

/// What a cargo build made.
#[derive(Default)]
pub(super) struct Artifacts {
    made: Vec<Artifact>,
    /// The warnings that were shown.
    pub(super) warnings: usize,
}

impl Artifacts {
    /// Keeps what was made, and shows what is said.
    fn hear(&mut self, message: Message) {
        match message {
            Message::Made(artifact) => self.made.push(artifact),
            Message::Says { message } if !message.is_expected() => {
                eprint!("{}", message.rendered);
                self.warnings += usize::from(message.level == "warning");
            }
            Message::Says { .. } | Message::Other => {}
        }
    }

    /// Every `.rlib` in or under this folder, by name: cargo says them in the order in which they came
    /// to be ready, and a linker lays code out in the order in which it gets it.
    pub(super) fn rlibs(&self, under: &Path) -> BTreeSet<&PathBuf> {
        let files = self.made.iter().flat_map(|artifact| &artifact.filenames);
        let is_rlib = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "rlib");
        files.filter(is_rlib).filter(|file| file.starts_with(under)).collect()
    }

    /// The program of this name.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        let found = self.made.iter().filter(|artifact| artifact.target.name == name);
        let file = found.filter_map(|artifact| artifact.executable.clone()).next_back();
        file.with_context(|| format!("cargo built no program {name}"))
    }

    fn library(&self, package: &str) -> Result<PathBuf> {
        // The package that was asked for is the last one that is built.
        let files = self.made.last().map(|artifact| &artifact.filenames[..]).unwrap_or_default();
        let is_library = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "so");
        let file = files.iter().find(is_library).cloned();
        file.with_context(|| format!("cargo built no shared library from {package}"))
    }
}

/// A line of cargo's JSON.
#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Made(Artifact),
    #[serde(rename = "compiler-message")]
    Says { message: Said },
    #[serde(other)]
    Other,
}

/// What a compiler says.
#[derive(Deserialize)]
struct Said {
    level: String,
    message: String,
    rendered: String,
}

impl Said {
    /// No lint, so no flag lets rustc keep it to itself: it says of every crate that a flag which it takes may
    /// not be there for ever ([`super::system`] says why it is set).
    fn is_expected(&self) -> bool {
        self.message.starts_with("unstable feature specified for `-Ctarget-feature`")
            && self.message.ends_with("`outline-atomics`")
    }
}

#[derive(Deserialize)]
struct Artifact {
    target: Target,
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::{Artifact, Artifacts, Target};
    use std::path::{Path, PathBuf};

    #[test]
    fn rlibs_come_in_one_order_whatever_cargo_made_first() {
        let one = artifacts(&["/t/libb-1.rlib", "/t/liba-2.rlib", "/t/deps/libc-3.rlib"]);
        let other = artifacts(&["/t/deps/libc-3.rlib", "/t/libb-1.rlib", "/t/liba-2.rlib"]);
        let said: Vec<_> = one.rlibs(Path::new("/t")).into_iter().collect();
        assert_eq!(said, other.rlibs(Path::new("/t")).into_iter().collect::<Vec<_>>());
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn what_lies_elsewhere_or_is_no_rlib_is_not_linked() {
        let made = artifacts(&["/t/liba.rlib", "/t/libmacro.so", "/host/libbuild.rlib"]);
        let said: Vec<_> = made.rlibs(Path::new("/t")).into_iter().collect();
        assert_eq!(said, [Path::new("/t/liba.rlib")]);
    }

    #[test]
    fn every_warning_counts_but_that_of_the_flag_which_is_set() {
        let said = |message: &str| {
            format!(
                r#"{{"reason":"compiler-message","message":{{"level":"warning","message":"{message}",
                "rendered":""}}}}"#
            )
        };
        let mut made = Artifacts::default();
        let flag = "unstable feature specified for `-Ctarget-feature`: `outline-atomics`";
        for line in [said(flag), said("unused variable: `x`"), r#"{"reason":"else"}"#.to_owned()] {
            made.hear(serde_json::from_str(&line).expect("it is a message"));
        }
        assert_eq!(made.warnings, 1);
    }

    fn artifacts(files: &[&str]) -> Artifacts {
        let artifact = |file: &&str| Artifact {
            target: Target { name: String::new() },
            filenames: vec![PathBuf::from(file)],
            executable: None,
        };
        Artifacts { made: files.iter().map(artifact).collect(), warnings: 0 }
    }
}
