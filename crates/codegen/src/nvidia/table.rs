//! The tables: every exported name, and which of them cuGetProcAddress answers with. The latter
//! follows from the typedef headers, where `PFN_<base>_v<version>` says from which CUDA version on an
//! ABI of a function exists: in the order of versions these are `<base>`, `<base>_v2`, `<base>_v3`…

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::api::Api;

/// A sorted list of names as a constant.
pub(super) fn names<'a>(constant: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!("pub(super) const {constant}: &[&str] = &[\n");
    for name in names {
        let _ = writeln!(text, "    \"{name}\",");
    }
    text + "];\n"
}

/// The rows of [`Proc`] in the order in which they are searched.
pub(super) fn proc(cuda: &Api) -> Result<String> {
    let mut text = String::from("pub(super) const PROC: &[Proc] = &[\n");
    for ((base, stream), versions) in versions(cuda) {
        let symbols = symbols(cuda, base, stream);
        ensure!(
            versions.len() == symbols.len(),
            "{base} {stream:?}: versions {versions:?} do not match the exported {symbols:?}"
        );
        for (version, symbol) in versions.iter().zip(symbols) {
            let per_thread = stream == Stream::PerThread;
            let _ = writeln!(text, "    row(\"{base}\", {per_thread}, {version}, \"{symbol}\"),");
        }
    }
    Ok(text + "];\n")
}

/// Which default stream an exported name works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Legacy,
    PerThread,
}

/// A function's name apart from its version and its stream.
struct Name<'a> {
    base: &'a str,
    version: u32,
    stream: Stream,
}

impl<'a> Name<'a> {
    /// `cuMemcpyHtoD_v2_ptds` and `cuMemcpyHtoD_v7000_ptds`; no version is version 1.
    fn parse(name: &'a str) -> Self {
        let stripped = name.strip_suffix("_ptds").or_else(|| name.strip_suffix("_ptsz"));
        let stream = if stripped.is_some() { Stream::PerThread } else { Stream::Legacy };
        let name = stripped.unwrap_or(name);
        let versioned =
            name.rsplit_once("_v").and_then(|(base, version)| Some((base, version.parse().ok()?)));
        let (base, version) = versioned.unwrap_or((name, 1));
        Self { base, version, stream }
    }
}

/// Per base name and stream, the CUDA versions in which an ABI of it appeared, ascending.
fn versions(cuda: &Api) -> BTreeMap<(&str, Stream), Vec<u32>> {
    let mut all: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for pointer in cuda.pointers() {
        let name = Name::parse(pointer.trim_start_matches("PFN_"));
        all.entry((name.base, name.stream)).or_default().push(name.version);
    }
    all.values_mut().for_each(|versions| versions.sort_unstable());
    all
}

/// The exported names of a base name and stream, in the order of their versions.
fn symbols<'a>(cuda: &'a Api, base: &str, stream: Stream) -> Vec<&'a str> {
    let mut all: Vec<(u32, &str)> = cuda
        .names()
        .map(|symbol| (Name::parse(symbol), symbol))
        .filter(|(name, _)| name.base == base && name.stream == stream)
        .map(|(name, symbol)| (name.version, symbol))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, symbol)| symbol).collect()
}
