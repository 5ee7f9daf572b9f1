//! A small safe face of CUDA and NVML for tests, benches, doctor and probes.
