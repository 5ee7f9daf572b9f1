//! The commands of the project: fetch, codegen, dist, demo, test, bench, gpu-probe.

fn main() {}
