//! How long is waited before something counts as broken and not as slow. A machine may be slow by itself, as one
//! that runs as a program is: then everything is given that many times as long.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static FACTOR: OnceLock<u32> = OnceLock::new();

/// From here on `factor` times as long; what is set once stays.
pub fn multiply(factor: u32) {
    let _ = FACTOR.set(factor);
}

/// What this machine is given where a fast one has `patience`.
#[must_use]
pub fn of(patience: Duration) -> Duration {
    patience * FACTOR.get().copied().unwrap_or(1)
}

/// When that is over.
#[must_use]
pub fn end(patience: Duration) -> Instant {
    Instant::now() + of(patience)
}
