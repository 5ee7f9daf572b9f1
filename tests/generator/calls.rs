//! The calls, once each: what a call is named in the client, how often it is drawn, and with which
//! sizes. A family of memory that comes is a row here, a branch in the client, and a line in the model.

use proptest::prelude::*;
use proptest::sample::select;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A call of one thread on one of its places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// As the client knows it.
    pub(crate) name: &'static str,
    /// The thread, and which of its places.
    pub(crate) thread: usize,
    pub(crate) place: usize,
    /// Bytes or texels, by the call.
    pub(crate) a: u64,
    pub(crate) b: u64,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} {} {} {} {}", self.thread, self.name, self.place, self.a, self.b)
    }
}

/// What a call's numbers are.
#[derive(Clone, Copy)]
enum Numbers {
    None,
    /// Bytes, and a way to do it: 0 or 1.
    Bytes,
    /// Whole pages of 2 MiB, and a device.
    Pages,
    /// Bytes in a row, and rows.
    Rows,
    /// Texels in a row, and rows, of more than 1 MiB in all, so that even the third level of a mipmap
    /// has rows by eights: what other arrays take no driver says.
    Texels,
    /// A heap or a buffer.
    Limit,
    /// 0 or 1.
    Way,
    /// A row of tiles.
    Row,
}

use Numbers::{Bytes, Limit, None, Pages, Row, Rows, Texels, Way};

/// Threads of a process, and places of a thread, as the client has them.
pub(crate) const THREADS: usize = 4;
pub(crate) const PLACES: usize = 8;
/// Devices, and the one on which a thread has its contexts.
pub(crate) const DEVICES: usize = 2;
pub(crate) fn home(thread: usize) -> usize {
    thread * DEVICES / THREADS
}

const CALLS: [(u32, &str, Numbers); 41] = [
    (30, "give", Way),
    (12, "linear", Bytes),
    (4, "managed", Bytes),
    (4, "pitch", Rows),
    (4, "array", Texels),
    (3, "mipmap", Texels),
    (10, "async", Bytes),
    (6, "lent", Bytes),
    (4, "lent-managed", Bytes),
    (3, "pool", None),
    (3, "trim", None),
    (2, "pick", Way),
    (6, "create", Pages),
    (5, "map", None),
    (5, "unmap", None),
    (3, "retain", None),
    (2, "module", None),
    (3, "context", None),
    (2, "destroy", None),
    (2, "heap", Limit),
    (1, "print", Limit),
    (4, "sync", None),
    (6, "graph", Bytes),
    (8, "launch", None),
    (2, "upload", None),
    (2, "clone", None),
    (1, "update", None),
    (2, "graph-trim", None),
    (4, "sparse", Pages),
    (8, "row", Row),
    (5, "unrow", Row),
    (3, "multi", Pages),
    (4, "bind", None),
    (3, "unbind", None),
    (4, "let", None),
    (1, "green", None),
    (4, "export", None),
    (3, "again", Way),
    (1, "forget", None),
    (3, "range", None),
    (4, "external", Bytes),
];

/// Whether calls that take from pools are drawn too. A pool of a full share that has memory idle is asked
/// for it before it is known whether that lies together; one that grows instead is undone at once, and
/// meanwhile the card is fuller than the limit, by what a pool grows by.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pools {
    With,
    Without,
}

/// Any call.
pub(crate) fn call(pools: Pools) -> impl Strategy<Value = Call> {
    // What a green context takes of its own nobody says before the agent measures it.
    let fits = move |name: &str| {
        pools == Pools::With
            || !matches!(name, "async" | "lent" | "lent-managed" | "pick" | "green")
    };
    let asked = std::env::var("ALIQUOT_GENERATOR_CALLS").ok();
    let is_asked = |name: &str| asked.as_ref().is_none_or(|all| all.split(',').any(|n| n == name));
    let drawn = |name: &str| fits(name) && is_asked(name);
    let rows = CALLS.iter().filter(|(_, name, _)| drawn(name)).map(|(weight, name, numbers)| {
        let numbers = numbers.draw();
        let row = (0..THREADS, 0..PLACES, numbers).prop_map(|(thread, place, (a, b))| Call {
            name,
            thread,
            place,
            a,
            b,
        });
        (*weight, row.boxed())
    });
    proptest::strategy::Union::new_weighted(rows.collect())
}

impl Numbers {
    fn draw(self) -> BoxedStrategy<(u64, u64)> {
        match self {
            None => Just((0, 0)).boxed(),
            Way => (0..2u64, Just(0)).boxed(),
            Bytes => (bytes(), 0..2u64).boxed(),
            Pages => ((1..=96u64).prop_map(|pages| pages * 2 * MIB), 0..2u64).boxed(),
            // Mostly the same few.
            Row => (prop_oneof![0..3u64, 0..96u64], Just(0)).boxed(),
            Rows => (1..=64 * KIB, 1..=2048u64).boxed(),
            Texels => (select(vec![1024, 1500, 2048, 4096u64]), (16..=128u64).prop_map(|n| n * 32))
                .boxed(),
            Limit => (prop_oneof![1..=8 * MIB, 8 * MIB..=64 * MIB], Just(0)).boxed(),
        }
    }
}

/// Small ones, which share pages, the edges of a page, and what fills a share in a few calls.
fn bytes() -> BoxedStrategy<u64> {
    let edges = vec![1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1, 32 * MIB];
    prop_oneof![
        3 => 1..=MIB,
        2 => select(edges),
        4 => MIB..=64 * MIB,
        1 => 64 * MIB..=400 * MIB,
    ]
    .boxed()
}
