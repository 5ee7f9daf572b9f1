//! The node agent: advertises GPUs to the kubelet and makes allotments.

fn main() {}
