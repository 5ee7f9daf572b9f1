//! `aliquot-scheduler`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_scheduler::main()
}
