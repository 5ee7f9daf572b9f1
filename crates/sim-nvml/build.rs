//! Names the library, and makes an answer for every NVML name that nothing in `src` answers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Exported by libnvidia-ml 535 and in no header.
const UNDOCUMENTED: [&str; 3] = [
    "nvmlGetBlacklistDeviceCount",
    "nvmlGetBlacklistDeviceInfoByIndex",
    "nvmlInternalGetExportTable",
];

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libnvidia-ml.so.1");
    // As the real one: a handle, and the world behind it, may outlive a dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    let simulated = simulated_names(Path::new("src"));
    let all = nvidia_sys::NVML_NAMES.iter().chain(&UNDOCUMENTED);
    let rest: Vec<_> = all.filter(|name| !simulated.contains(**name)).collect();
    let mut code = format!("stubs! {{ {};\n", rest.len());
    for (number, name) in rest.iter().enumerate() {
        writeln!(code, "    {number} {name}").expect("a string takes any text");
    }
    code.push_str("}\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("stubs.rs"), code).expect("OUT_DIR can be written");
}

/// Every `fn nvml…(` in the sources.
fn simulated_names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).expect("the sources can be listed");
    let texts = files.map(|file| {
        let path = file.expect("the sources can be listed").path();
        std::fs::read_to_string(path).expect("a source is text")
    });
    texts.flat_map(|text| names_in(&text)).collect()
}

fn names_in(text: &str) -> Vec<String> {
    let after_fn = text.split("fn ").skip(1).filter(|rest| rest.starts_with("nvml"));
    after_fn.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned()).collect()
}
