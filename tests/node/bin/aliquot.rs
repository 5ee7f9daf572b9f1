//! The `aliquot` command, built with the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_cli::main()
}
