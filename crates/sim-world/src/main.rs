//! The world of the simulated driver: cards, processes, memory and time that all processes share.

fn main() {}
