//! The hook that the agent installs, built with the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_hook::main()
}
