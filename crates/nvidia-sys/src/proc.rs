//! What cuGetProcAddress answers: which exported name stands behind a base name, for a CUDA version
//! and a default stream. From cudaTypedefs.h; agrees with what driver 535 was seen to answer.

/// From `cuda_version` on, `base` means `symbol`, until a later row of the same base and stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proc {
    /// The name that is asked for, such as `cuMemAlloc`.
    pub base: &'static str,
    /// Whether the row is for CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM. Most functions know no
    /// stream and have no such row: then the other rows hold for them.
    pub per_thread: bool,
    /// The version, as 1000 × major + 10 × minor, in which this ABI appeared.
    pub cuda_version: u32,
    /// The exported name, such as `cuMemAlloc_v2`.
    pub symbol: &'static str,
}

/// What is known of a base name at a CUDA version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The exported name.
    Symbol(&'static str),
    /// The name is known, and no ABI of it is as old as that version.
    VersionTooOld,
    /// No driver of these headers has the name.
    Unknown,
}

/// All rows, sorted by base name, stream (the legacy one first) and version.
pub const PROC: &[Proc] = generated::PROC;

/// The exported name for a base name: the newest ABI that is no newer than `cuda_version`, on the
/// per-thread default stream where `per_thread` is set and the function knows one.
#[must_use]
pub fn answer(base: &str, cuda_version: u32, per_thread: bool) -> Answer {
    let start = PROC.partition_point(|row| row.base < base);
    let rows = &PROC[start..];
    let rows = &rows[..rows.partition_point(|row| row.base == base)];
    let (legacy, per_thread_rows) = rows.split_at(rows.partition_point(|row| !row.per_thread));
    let rows = if per_thread && !per_thread_rows.is_empty() { per_thread_rows } else { legacy };
    match rows.partition_point(|row| row.cuda_version <= cuda_version) {
        0 if rows.is_empty() => Answer::Unknown,
        0 => Answer::VersionTooOld,
        newest => Answer::Symbol(rows[newest - 1].symbol),
    }
}

const fn row(
    base: &'static str,
    per_thread: bool,
    cuda_version: u32,
    symbol: &'static str,
) -> Proc {
    Proc { base, per_thread, cuda_version, symbol }
}

#[rustfmt::skip]
mod generated {
    use super::{Proc, row};
    include!("generated/proc.rs");
}
