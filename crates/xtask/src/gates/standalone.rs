//! The gate that `aliquot-hook` passes: it runs on nodes of which nothing is known but their kernel, so
//! it must need nothing of theirs.

use std::path::Path;

use anyhow::{Context, Result, bail};
use object::elf;

use super::headers::Headers;
use super::image::File;

/// The most that it may have: runtimes start it for every container that holds a share.
const LIMIT_BYTES: u64 = 2 << 20;

/// What a program that should run everywhere needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Need {
    #[error("it has an interpreter: nodes without glibc at its usual place could not start it")]
    Interpreter,
    #[error("it needs {0}: nodes without that file could not start it")]
    Library(String),
    #[error("it has {0} bytes, more than {LIMIT_BYTES}: something large was linked in")]
    Size(u64),
}

/// Reads the program and refuses it with every reason at once.
pub(crate) fn check_standalone(path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let needs = needs(&bytes)
        .with_context(|| format!("{} is no program that can be judged", path.display()))?;
    if needs.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = needs.iter().map(|need| format!("\n  - {need}")).collect();
    bail!("{} would not run on every node:{}", path.display(), reasons.concat())
}

fn needs(bytes: &[u8]) -> Result<Vec<Need>> {
    let file = File::parse(bytes).context("no 64-bit ELF file")?;
    let headers = Headers::of(&file)?;
    let mut needs = Vec::new();
    if headers.has_segment(elf::PT_INTERP) {
        needs.push(Need::Interpreter);
    }
    needs.extend(headers.strings(elf::DT_NEEDED)?.into_iter().map(Need::Library));
    let size = bytes.len() as u64;
    if size > LIMIT_BYTES {
        needs.push(Need::Size(size));
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn program(flags: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("hook.c"), folder.path().join("hook"));
        std::fs::write(&source, "void _start(void) {}\n").unwrap();
        let mut cc = Command::new("cc");
        cc.arg("-nostartfiles").arg("-o").arg(&program).arg(&source).args(flags);
        assert!(cc.status().expect("cc, which Rust needs too, can be started").success());
        std::fs::read(&program).unwrap()
    }

    #[test]
    fn a_program_that_needs_nothing_of_its_node_passes() {
        for flags in [&["-static", "-nostdlib"], &["-static-pie", "-nostdlib"]] {
            assert_eq!(needs(&program(flags)).unwrap(), [], "{flags:?}");
        }
    }

    #[test]
    fn a_program_that_wants_a_loader_and_its_library_is_refused_for_both() {
        let found = needs(&program(&["-Wl,--no-as-needed", "-lc"])).unwrap();
        assert_eq!(found, [Need::Interpreter, Need::Library("libc.so.6".into())]);
    }

    #[test]
    fn a_program_that_something_large_came_into_is_refused() {
        let mut bytes = program(&["-static", "-nostdlib"]);
        bytes.resize(LIMIT_BYTES as usize + 1, 0);
        assert_eq!(needs(&bytes).unwrap(), [Need::Size(LIMIT_BYTES + 1)]);
    }
}
