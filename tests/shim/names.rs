//! Every name of the driver is either a hook or passed with a reason, exactly once: a new driver
//! cannot slip an allocator past us.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object, ObjectSymbol};

use crate::container::shim;

const PASSED: &str = include_str!("../../shim/passed.txt");
const CUDA_535: &str = include_str!("data/libcuda-535.261.03-exports.txt");
const NVML_535: &str = include_str!("data/libnvidia-ml-535.261.03-exports.txt");

/// The names that a text lists, comments left out.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// Every name that a driver has, by the headers and by a real one.
fn known() -> BTreeSet<&'static str> {
    let headers = nvidia_sys::CUDA_NAMES.iter().chain(nvidia_sys::NVML_NAMES).copied();
    headers.chain(listed(CUDA_535)).chain(listed(NVML_535)).collect()
}

/// What the built shim exports, but for look-up itself.
fn hooked() -> BTreeSet<String> {
    let bytes = std::fs::read(shim()).expect("the shim can be read");
    let file = object::File::parse(&*bytes).expect("the shim is an object");
    let symbols = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    let names = symbols.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names.filter(|name| name != "dlsym" && name != "dlvsym").collect()
}

/// The reason of each passed name.
fn passed() -> BTreeMap<&'static str, &'static str> {
    let mut passed = BTreeMap::new();
    let mut reason = None;
    for line in PASSED.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix('[') {
            reason = heading.strip_suffix(']');
            continue;
        }
        for name in line.split_whitespace() {
            let reason = reason.unwrap_or_else(|| panic!("{name} is passed without a reason"));
            assert!(passed.insert(name, reason).is_none(), "{name} is passed twice");
        }
    }
    passed
}

/// A name without its stream variant and its version: what cuGetProcAddress takes.
fn base(name: &str) -> &str {
    let name = name.strip_suffix("_ptsz").or_else(|| name.strip_suffix("_ptds")).unwrap_or(name);
    match name.rsplit_once("_v") {
        Some((base, version)) if version.bytes().all(|digit| digit.is_ascii_digit()) => base,
        _ => name,
    }
}

#[test]
fn every_name_of_the_driver_is_hooked_or_passed_with_a_reason() {
    let (hooked, passed) = (hooked(), passed());
    let unsaid = |name: &&&str| !hooked.contains(**name) && !passed.contains_key(*name);
    let unsaid: Vec<_> = known().iter().filter(unsaid).copied().collect::<Vec<_>>();
    assert!(unsaid.is_empty(), "neither in the table of hooks nor in shim/passed.txt: {unsaid:?}");
}

#[test]
fn no_name_is_both_hooked_and_passed() {
    let passed = passed();
    let both: Vec<_> = hooked().into_iter().filter(|name| passed.contains_key(&**name)).collect();
    assert!(both.is_empty(), "hooked, and in shim/passed.txt: {both:?}");
}

#[test]
fn every_name_that_is_hooked_or_passed_is_the_drivers() {
    let (known, hooked, passed) = (known(), hooked(), passed());
    let ours = hooked.iter().map(String::as_str).chain(passed.keys().copied());
    let strange: Vec<_> = ours.filter(|name| !known.contains(name)).collect();
    assert!(strange.is_empty(), "no driver has these: {strange:?}");
}

#[test]
fn every_version_and_variant_of_a_hooked_cuda_function_is_hooked() {
    let hooked = hooked();
    let bases: BTreeSet<_> = hooked.iter().map(|name| base(name)).collect();
    let cuda = known().into_iter().filter(|name| name.starts_with("cu"));
    let missing: Vec<_> =
        cuda.filter(|name| bases.contains(base(name)) && !hooked.contains(*name)).collect();
    assert!(missing.is_empty(), "cuGetProcAddress would hide these: {missing:?}");
}

/// Functions of which some version or stream variant is called by no test that knows its name, beside the one that
/// calls every hook with zeros: each a form of what tests do call, which the hook passes to the same code. Whole
/// names, so that one that a driver adds to a family is missed.
const UNNAMED: &[&str] = &[
    "cuCtxSynchronize",
    "cuMemcpy",
    "cuMemcpy2D",
    "cuMemcpy2DAsync",
    "cuMemcpy2DUnaligned",
    "cuMemcpy3D",
    "cuMemcpy3DAsync",
    "cuMemcpy3DBatchAsync",
    "cuMemcpy3DPeer",
    "cuMemcpy3DPeerAsync",
    "cuMemcpy3DWithAttributesAsync",
    "cuMemcpyAsync",
    "cuMemcpyAtoA",
    "cuMemcpyAtoD",
    "cuMemcpyAtoH",
    "cuMemcpyAtoHAsync",
    "cuMemcpyBatchAsync",
    "cuMemcpyDtoA",
    "cuMemcpyDtoD",
    "cuMemcpyDtoDAsync",
    "cuMemcpyDtoH",
    "cuMemcpyDtoHAsync",
    "cuMemcpyHtoA",
    "cuMemcpyHtoAAsync",
    "cuMemcpyHtoD",
    "cuMemcpyHtoDAsync",
    "cuMemcpyPeer",
    "cuMemcpyPeerAsync",
    "cuMemcpyWithAttributesAsync",
    "cuMemsetD16",
    "cuMemsetD16Async",
    "cuMemsetD2D16",
    "cuMemsetD2D16Async",
    "cuMemsetD2D32",
    "cuMemsetD2D32Async",
    "cuMemsetD2D8",
    "cuMemsetD2D8Async",
    "cuMemsetD32",
    "cuMemsetD32Async",
    "cuMemsetD8",
    "cuMemsetD8Async",
    "cuStreamBatchMemOp",
    "cuStreamBeginCaptureToGraph",
    "cuStreamBeginRecaptureToGraph",
    "cuStreamWaitValue32",
    "cuStreamWaitValue64",
    "nvmlDeviceGetAccountingStats",
];

/// The sources of tests, of this folder's and of the suite for real cards.
fn sources(folder: &std::path::Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the sources lie here") {
        let path = entry.expect("it can be read").path();
        let is_source =
            path.extension().is_some_and(|end| ["rs", "c", "h", "py"].iter().any(|e| end == *e));
        if path.ends_with("names.rs") {
            // This list.
        } else if path.is_dir() {
            sources(&path, into);
        } else if is_source {
            into.push_str(&std::fs::read_to_string(&path).expect("it is text"));
            into.push('\n');
        }
    }
}

#[test]
fn every_hook_is_called_by_a_test_that_knows_its_name() {
    let mut text = String::new();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    [here.to_owned(), here.join("../crates/driver/src")]
        .iter()
        .for_each(|at| sources(at, &mut text));
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let named: BTreeSet<&str> = text.split(|letter| !is_part(letter)).collect();
    let is_form = |name: &str| UNNAMED.contains(&base(name));
    let hooked = hooked();
    let unnamed: Vec<_> = hooked.iter().filter(|name| !named.contains(name.as_str())).collect();
    let missing: Vec<_> = unnamed.iter().filter(|name| !is_form(name)).collect();
    assert!(missing.is_empty(), "no test calls {missing:?}");
    let is_used = |of: &&str| unnamed.iter().any(|name| base(name) == *of);
    let idle: Vec<_> = UNNAMED.iter().filter(|of| !is_used(of)).collect();
    assert!(idle.is_empty(), "tests name all of {idle:?}, which can go from the list");
}
