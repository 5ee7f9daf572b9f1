//! Regenerates the checked-in code: nvidia-sys from the headers, kubelet from proto.

pub mod nvidia;
pub mod proto;
