//! The `aliquot` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_cli::main()
}
