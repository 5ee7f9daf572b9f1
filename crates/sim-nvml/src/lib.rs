//! The simulated NVML: a libnvidia-ml.so.1 over sim-world.
