//! The arithmetic of GPU shares: fit, pack and score, without I/O.
