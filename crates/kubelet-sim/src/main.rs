//! Becomes a container: reads what to mount and run on stdin. Started by the library only.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    kubelet_sim::container::main()
}
