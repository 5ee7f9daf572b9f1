//! The aliquot command: run, status, demo, sim.

fn main() {}
