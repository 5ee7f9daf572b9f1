//! Since when names are there, against what the real driver 535.261.03 (CUDA 12.2) exports.

use std::collections::BTreeSet;

use nvidia_sys::{CUDA_NAMES, NVML_NAMES, since};

const VERSION: u32 = 12020;
const CUDA: &str = include_str!("../../../tests/shim/data/libcuda-535.261.03-exports.txt");
const NVML: &str = include_str!("../../../tests/shim/data/libnvidia-ml-535.261.03-exports.txt");

/// For EGL on other processors than x86_64; no library here has it.
const ELSEWHERE: [&str; 1] = ["cuEventCreateFromEGLSync"];

fn wrong(names: &[&'static str], exports: &str) -> Vec<&'static str> {
    let exports: BTreeSet<&str> = exports.lines().collect();
    assert!(exports.len() > 300, "{} names", exports.len());
    let there = |name: &&&str| (since(name) <= VERSION) != exports.contains(**name);
    names.iter().filter(there).filter(|name| !ELSEWHERE.contains(name)).copied().collect()
}

#[test]
fn driver_535_exports_what_came_up_to_cuda_12_2_and_nothing_later() {
    assert_eq!(wrong(CUDA_NAMES, CUDA), [""; 0]);
    assert_eq!(wrong(NVML_NAMES, NVML), [""; 0]);
}
