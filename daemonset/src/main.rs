//! The node agent: advertises GPUs to the kubelet and makes allotments.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aliquot_node::main()
}
