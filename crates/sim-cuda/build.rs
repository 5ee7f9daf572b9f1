//! Finds the driver functions that no source file simulates, and writes a thin answer for each, so that
//! every name of the headers and of driver 535 is exported. Also links the library as the real one is:
//! by its SONAME, finding its own functions first.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Exported by driver 535 and in no header.
const UNDECLARED: [&str; 11] = [
    "cuEGLApiInit",
    "cuMemGetAttribute",
    "cuMemGetAttribute_v2",
    "cudbgApiAttach",
    "cudbgApiDetach",
    "cudbgApiInit",
    "cudbgGetAPI",
    "cudbgGetAPIVersion",
    "cudbgMain",
    "cudbgReportDriverApiError",
    "cudbgReportDriverInternalError",
];

/// Exported by driver 535 for debuggers, as variables.
const VARIABLES: [&str; 20] = [
    "cudbgApiClientPid",
    "cudbgApiClientRevision",
    "cudbgAttachHandlerAvailable",
    "cudbgDebuggerCapabilities",
    "cudbgDebuggerInitialized",
    "cudbgDetachSuspendedDevicesMask",
    "cudbgEnableIntegratedMemcheck",
    "cudbgEnableLaunchBlocking",
    "cudbgEnablePreemptionDebugging",
    "cudbgInjectionPath",
    "cudbgIpcFlag",
    "cudbgReportDriverApiErrorFlags",
    "cudbgReportedDriverApiErrorCode",
    "cudbgReportedDriverApiErrorFuncNameAddr",
    "cudbgReportedDriverApiErrorFuncNameSize",
    "cudbgReportedDriverInternalErrorCode",
    "cudbgResumeForAttachDetach",
    "cudbgRpcEnabled",
    "cudbgSessionId",
    "cudbgUseExternalDebugger",
];

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    let simulated = simulated(Path::new("src"));
    let known: BTreeSet<&str> = nvidia_sys::CUDA_NAMES.iter().copied().chain(UNDECLARED).collect();
    let missing: Vec<&str> =
        known.iter().copied().filter(|name| !simulated.contains(*name)).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let text = generated(&known, &missing);
    fs::write(Path::new(&out).join("exports.rs"), text).expect("OUT_DIR can be written");
}

/// The functions that `export!` items define: every `fn cu…` and, after a slash, its variant.
fn simulated(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).expect("src can be read").filter_map(Result::ok);
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.flat_map(|text| text.lines().flat_map(defined).collect::<Vec<_>>()).collect()
}

fn defined(line: &str) -> Vec<String> {
    let line = line.trim_start();
    let Some(rest) = line.strip_prefix("early ").unwrap_or(line).strip_prefix("fn cu") else {
        return Vec::new();
    };
    let names = format!("cu{}", rest.split('(').next().unwrap_or_default());
    names.split('/').map(|name| name.trim().to_owned()).collect()
}

fn generated(known: &BTreeSet<&str>, missing: &[&str]) -> String {
    let mut text = format!(
        "fallbacks! {{ {} }}\nvariables! {{ {} }}\n",
        missing.join(" "),
        VARIABLES.join(" ")
    );
    text.push_str("mod declared {\n    unsafe extern \"C\" {\n");
    for name in known {
        let _ = writeln!(text, "        pub(super) fn {name}();");
    }
    let _ = writeln!(text, "    }}\n}}\nstatic EXPORTS: [(&str, Function); {}] = [", known.len());
    for name in known {
        let _ = writeln!(text, "    (\"{name}\", declared::{name}),");
    }
    text.push_str("];\n");
    text
}
