//! The simulated CUDA driver: a libcuda.so.1 over sim-world.
