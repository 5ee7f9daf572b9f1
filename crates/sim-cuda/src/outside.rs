//! Living device memory that is no plain allocation: what lies in pools, mappings and other
//! processes' memory, by address; and addresses that are reserved and hold nothing. Takes no memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Why memory is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It lies in the pool with this handle.
    Pool(usize),
    /// The memory with this handle is mapped here.
    Mapped(usize),
    /// A node of a graph allocates it.
    Graph,
    /// Texels of an array that memory is mapped into.
    Texels,
    /// It is another interface's.
    External,
    /// It is another process's.
    Imported,
}

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where it begins.
    pub(crate) start: usize,
    /// Bytes.
    pub(crate) size: usize,
    /// The context it belongs to; 0 if to none.
    pub(crate) context: usize,
    /// The device it lies on; none if on the host.
    pub(crate) device: Option<usize>,
    /// Why it is known.
    pub(crate) what: What,
    /// CU_MEM_ACCESS_FLAGS: 0 none, 1 read, 3 read and write.
    pub(crate) access: u32,
}

/// Makes a piece known, in place of one that began there.
pub(crate) fn insert(piece: Piece) {
    write().pieces.insert(piece.start, piece);
}

/// Forgets the piece that begins at `start`.
pub(crate) fn remove(start: usize) -> Option<Piece> {
    write().pieces.remove(&start)
}

/// The piece that `address` lies in.
pub(crate) fn find(address: usize) -> Option<Piece> {
    read().find(address)
}

/// The pieces that touch `len` bytes from `start`, in order.
pub(crate) fn within(start: usize, len: usize) -> Vec<Piece> {
    let known = read();
    let first = known.find(start).map_or(start, |piece| piece.start);
    known.pieces.range(first..start.saturating_add(len)).map(|(_, piece)| *piece).collect()
}

/// Whether `len` bytes from `start` lie in pieces that follow each other and may be used.
pub(crate) fn covers(start: usize, len: usize) -> bool {
    let known = read();
    let (mut at, end) = (start, start.saturating_add(len));
    while at < end {
        match known.find(at).filter(|piece| piece.access != 0) {
            Some(piece) => at = piece.start + piece.size,
            None => return false,
        }
    }
    len > 0
}

/// Notes that `len` addresses from `start` are reserved.
pub(crate) fn reserve(start: usize, len: usize) {
    write().reserved.insert(start, len);
}

/// Forgets a reservation of exactly this place and length.
pub(crate) fn unreserve(start: usize, len: usize) -> bool {
    let mut known = write();
    let is_one = known.reserved.get(&start) == Some(&len);
    if is_one {
        known.reserved.remove(&start);
    }
    is_one
}

/// Whether `len` addresses from `start` lie in one reservation.
pub(crate) fn is_reserved(start: usize, len: usize) -> bool {
    let known = read();
    let last = known.reserved.range(..=start).next_back();
    last.is_some_and(|(at, room)| start.saturating_add(len) <= at + room)
}

struct Known {
    pieces: BTreeMap<usize, Piece>,
    reserved: BTreeMap<usize, usize>,
}

impl Known {
    fn find(&self, address: usize) -> Option<Piece> {
        let (_, piece) = self.pieces.range(..=address).next_back()?;
        (address < piece.start + piece.size).then_some(*piece)
    }
}

static KNOWN: RwLock<Known> =
    RwLock::new(Known { pieces: BTreeMap::new(), reserved: BTreeMap::new() });

fn read() -> RwLockReadGuard<'static, Known> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Known> {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner)
}
