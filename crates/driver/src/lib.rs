//! A small safe face of CUDA, cudart and NVML for tests, benches and probes. It reaches every library
//! as programs do, by dlopen and dlsym, so that whatever stands in between is met. It links none of
//! them, and keeps every error as the number that the library answered.

pub mod cuda;
pub mod cudart;
mod error;
mod library;
pub mod nvml;

pub use error::{Error, Result};
pub use library::Library;
