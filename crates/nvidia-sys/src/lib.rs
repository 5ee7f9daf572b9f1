//! CUDA driver and NVML types, signatures and names, generated from the headers.
