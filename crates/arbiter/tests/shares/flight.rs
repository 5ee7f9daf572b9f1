//! What a played container has under way, and what its thread does.

/// How long a meeting takes once the other has come.
pub(crate) const MEETING_NS: u64 = 5_000;

/// How long a work is, and whether it meets the other rank: the kernel or the graph that it is.
pub(crate) type Kind = (u64, bool);

/// A batch that is measured: the shim's `Flown`.
pub(crate) struct Flight {
    /// The last of its works.
    pub(crate) last: u64,
    /// The kind of what is learned from it.
    pub(crate) kind: Kind,
    pub(crate) estimate_ns: u64,
    /// Where it begins; none: where the flight before it ended.
    pub(crate) from_ns: Option<u64>,
    pub(crate) is_busy: bool,
    pub(crate) learns: bool,
    pub(crate) ended_ns: Option<u64>,
}

/// What the thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Thread {
    /// It launches, at this moment.
    Runs,
    /// It waits for credit since then.
    Credit { since_ns: u64 },
    /// It waits for a work.
    Sync { number: u64 },
    /// It does something else until then.
    Rests { until_ns: u64 },
}
