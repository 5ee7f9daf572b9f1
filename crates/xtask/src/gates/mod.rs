//! The gates that every built `libaliquot.so` passes before it lies in target/dist. A preloaded file
//! is mapped into every process of a container, so what could harm one of them is refused here, by
//! looking at the bytes. Nothing here runs the file or repairs it.

mod code;
mod fault;
mod frames;
mod headers;
mod image;
mod imports;
mod memory;
mod program;
mod standalone;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

pub(crate) use fault::Fault;
use image::Image;
pub(crate) use program::check_program;
pub(crate) use standalone::check_standalone;

/// The file's own name, which processes see in their maps and programs may link against.
pub(crate) const SONAME: &str = "libaliquot.so";

/// Reads the file and refuses it with every reason at once.
pub(crate) fn check(path: &Path, exports: &BTreeSet<String>) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let faults = faults(&bytes, exports)
        .with_context(|| format!("{} is no shared object that can be judged", path.display()))?;
    if faults.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = faults.iter().map(|fault| format!("\n  - {fault}")).collect();
    bail!("{} would harm processes:{}", path.display(), reasons.concat())
}

/// Everything that is wrong with a shim that should export exactly `exports`.
pub(crate) fn faults(bytes: &[u8], exports: &BTreeSet<String>) -> Result<Vec<Fault>> {
    let image = Image::read(bytes)?;
    let mut faults = missing_and_stray(&image, exports);
    for gate in GATES {
        faults.extend(gate(&image));
    }
    Ok(faults)
}

/// A gate looks at the image and says what is wrong.
type Gate = fn(&Image) -> Vec<Fault>;

/// The gates that need nothing but the image.
const GATES: &[Gate] = &[
    name,
    kinds,
    start_and_end,
    thread_locals,
    binding,
    imports::needed,
    imports::versions,
    imports::calls,
    memory::segments,
    memory::stack,
    memory::size,
    frames::gate,
    code::gate,
];

fn missing_and_stray(image: &Image, exports: &BTreeSet<String>) -> Vec<Fault> {
    let built: BTreeSet<String> = image.exports().map(|symbol| symbol.name.clone()).collect();
    let missing = exports.difference(&built).cloned().map(Fault::Missing);
    let stray = built.difference(exports).cloned().map(Fault::Stray);
    missing.chain(stray).collect()
}

fn name(image: &Image) -> Vec<Fault> {
    match &image.soname {
        Some(soname) if soname == SONAME => vec![],
        other => vec![Fault::Soname(other.clone().unwrap_or_default())],
    }
}

fn kinds(image: &Image) -> Vec<Fault> {
    let odd =
        image.exports().filter(|symbol| !symbol.is_function || !image.is_code(symbol.address));
    odd.map(|symbol| Fault::NoFunction(symbol.name.clone())).collect()
}

fn start_and_end(image: &Image) -> Vec<Fault> {
    image.runs_at_load.iter().cloned().map(Fault::RunsAtLoad).collect()
}

fn thread_locals(image: &Image) -> Vec<Fault> {
    if image.has_thread_locals { vec![Fault::ThreadLocals] } else { vec![] }
}

fn binding(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    if !image.binds_now {
        faults.push(Fault::LazyBinding);
    }
    if image.is_symbolic {
        faults.push(Fault::Symbolic);
    }
    faults.extend(image.own_names_by_lookup.iter().cloned().map(Fault::OwnNameByLookup));
    faults
}
