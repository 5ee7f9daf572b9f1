//! The gate that the image's programs pass: they run on glibc 2.17 and later, on the processor that they are
//! named for, and need nothing that an image with glibc alone does not have.

use std::path::Path;

use anyhow::{Context, Result, bail};
use object::elf;

use super::headers::Headers;
use super::image::{File, Machine, machine, symbols};
use super::imports::is_old_enough;

/// What comes with glibc, and the unwinder, which distroless images for C have.
const KNOWN: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// What a program wants and the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Want {
    #[error("it is for another processor than {0:?}")]
    Machine(Machine),
    #[error("it needs {0}, which the image does not have")]
    Library(String),
    #[error("it wants {0} of {1}, later than glibc 2.17")]
    TooNew(String, String),
}

/// Reads the program and refuses it with every reason at once.
pub(crate) fn check_program(path: &Path, is_arm: bool) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let machine = if is_arm { Machine::Aarch64 } else { Machine::X86_64 };
    let wants = wants(&bytes, machine)
        .with_context(|| format!("{} is no program that can be judged", path.display()))?;
    if wants.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = wants.iter().map(|want| format!("\n  - {want}")).collect();
    bail!("{} would not run in the image:{}", path.display(), reasons.concat())
}

fn wants(bytes: &[u8], expected: Machine) -> Result<Vec<Want>> {
    let file = File::parse(bytes).context("no 64-bit ELF file")?;
    let mut wants = Vec::new();
    if machine(&file)? != expected {
        wants.push(Want::Machine(expected));
    }
    let needed = Headers::of(&file)?.strings(elf::DT_NEEDED)?;
    let strange = needed.into_iter().filter(|name| !KNOWN.contains(&name.as_str()));
    wants.extend(strange.map(Want::Library));
    for symbol in symbols(&file)?.into_iter().filter(|symbol| !symbol.is_defined) {
        // Versions of other libraries than glibc, such as GCC_3.0, are old in every image.
        let version = symbol.version.filter(|version| version.starts_with("GLIBC_"));
        if let Some(version) = version.filter(|version| !is_old_enough(version)) {
            wants.push(Want::TooNew(symbol.name, version));
        }
    }
    Ok(wants)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A program of this machine's own compiler.
    fn program(text: &str, flags: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("a.c"), folder.path().join("a"));
        std::fs::write(&source, text).unwrap();
        let mut cc = Command::new("cc");
        cc.arg("-o").arg(&program).arg(&source).args(flags);
        assert!(cc.status().expect("cc, which Rust needs too, can be started").success());
        std::fs::read(&program).unwrap()
    }

    #[test]
    fn a_plain_program_passes_and_one_for_another_processor_does_not() {
        let plain = program("void _start(void) {}\n", &["-nostartfiles"]);
        let (own, other) = match cfg!(target_arch = "x86_64") {
            true => (Machine::X86_64, Machine::Aarch64),
            false => (Machine::Aarch64, Machine::X86_64),
        };
        assert_eq!(wants(&plain, own).unwrap(), []);
        assert_eq!(wants(&plain, other).unwrap(), [Want::Machine(other)]);
    }

    #[test]
    fn what_is_too_new_or_not_there_is_named() {
        // getentropy came with glibc 2.25.
        let text = "#include <unistd.h>\nint main(void) { char c; return getentropy(&c, 1); }\n";
        let own = if cfg!(target_arch = "x86_64") { Machine::X86_64 } else { Machine::Aarch64 };
        let found = wants(&program(text, &[]), own).unwrap();
        let entropy = Want::TooNew("getentropy".into(), "GLIBC_2.25".into());
        assert!(found.contains(&entropy), "{found:?}");
        let found = wants(
            &program("int main(void) { return 0; }\n", &["-Wl,--no-as-needed", "-lresolv"]),
            own,
        );
        assert!(found.unwrap().contains(&Want::Library("libresolv.so.2".into())));
    }
}
