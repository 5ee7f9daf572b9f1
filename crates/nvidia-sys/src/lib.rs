//! NVIDIA's driver API and NVML as facts: types, the signature of every function in every ABI
//! version, every name, and what cuGetProcAddress answers. Generated from the headers by `cargo xtask
//! codegen`, checked in. Links nothing, calls nothing and allocates nothing.
#![no_std]

/// The CUDA driver API (cuda.h, cudaGL.h, cudaEGL.h, cudaVDPAU.h and the profiler's functions).
///
/// An enumeration is a transparent number with constants: a code that a later driver invents is a
/// value like any other.
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, unreachable_pub)]
#[rustfmt::skip]
pub mod cuda {
    include!("generated/cuda.rs");

    /// The default stream that synchronises with all others.
    pub const CU_STREAM_LEGACY: CUstream = core::ptr::without_provenance_mut(1);
    /// The default stream that each thread has of its own.
    pub const CU_STREAM_PER_THREAD: CUstream = core::ptr::without_provenance_mut(2);

    /// The type of each function, of the function's own name.
    pub mod fns {
        use super::*;
        include!("generated/cuda_fns.rs");
    }
}

/// NVML (nvml.h), as [`cuda`].
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, unreachable_pub)]
#[rustfmt::skip]
pub mod nvml {
    include!("generated/nvml.rs");

    /// The type of each function, of the function's own name.
    pub mod fns {
        use super::*;
        include!("generated/nvml_fns.rs");
    }
}

pub mod image;
mod names;
pub mod proc;
mod since;

pub use names::{CUDA_NAMES, NVML_NAMES};
pub use since::since;
