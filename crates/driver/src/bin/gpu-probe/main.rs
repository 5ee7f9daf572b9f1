//! `gpu-probe`.

fn main() {}
