//! The createContainer hook: readies a container's root file system for the shim, or refuses the start.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_hook::main()
}
