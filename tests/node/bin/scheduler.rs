//! The scheduler's extender, built with the tests: they never meet an older one.

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_scheduler::main()
}
