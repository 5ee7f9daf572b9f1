//! Kept benchmarks.
