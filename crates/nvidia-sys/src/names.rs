//! Every exported name that the headers mention.

#[rustfmt::skip]
mod generated {
    include!("generated/cuda_names.rs");
    include!("generated/nvml_names.rs");
}

/// Every function of the driver API in every ABI version and stream variant, sorted.
pub const CUDA_NAMES: &[&str] = generated::CUDA_NAMES;

/// Every function of NVML in every version, sorted.
pub const NVML_NAMES: &[&str] = generated::NVML_NAMES;
