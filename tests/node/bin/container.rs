//! What the simulated kubelet starts to become a container.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubelet_sim::container::main()
}
