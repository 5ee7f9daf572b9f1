//! Which addresses of a card's range are taken, by which context, at which size. Decides addresses and
//! what a request costs; touches no memory.
//!
//! As the real driver does: addresses are multiples of 512 bytes; the card is charged in pages of 2 MiB;
//! a request of 1 MiB or less shares a page with others of its context, and a larger one has its pages
//! to itself. (Where exactly the real driver draws that line is a guess.)

use std::collections::{BTreeMap, BTreeSet};

use crate::outside::Piece;
use crate::ranges::Ranges;
use crate::status::{Res, Status};

/// What the driver takes from the card at once.
pub(crate) const PAGE: usize = 2 << 20;
/// Every address is a multiple of this.
pub(crate) const ALIGN: usize = 512;
const LARGEST_SHARED: usize = 1 << 20;

/// A living allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) start: usize,
    /// The bytes asked for.
    pub(crate) size: usize,
    /// The context it belongs to.
    pub(crate) owner: usize,
    /// A number that no other allocation of this process has.
    pub(crate) id: u64,
    room: usize,
}

impl Block {
    /// Memory of a device that is no plain allocation.
    pub(crate) fn outside(piece: &Piece) -> Self {
        let Piece { start, size, context, .. } = *piece;
        Self { start, size, owner: context, id: start as u64, room: size }
    }
}

impl Block {
    /// Where the pages begin that it lies in, and their bytes.
    pub(crate) fn pages(&self) -> (usize, usize) {
        let start = self.start - self.start % PAGE;
        (start, (self.start + self.room - start).next_multiple_of(PAGE))
    }
}

/// What is given back to the card by a free: where the memory lies that no longer has an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// Where it begins.
    pub(crate) start: usize,
    /// Bytes, a multiple of [`PAGE`].
    pub(crate) bytes: usize,
}

/// The addresses of one card in one process.
#[derive(Debug)]
pub(crate) struct Arena {
    free: Ranges,
    live: BTreeMap<usize, Block>,
    shared: BTreeMap<usize, SharedPage>,
    /// Owner, longest hole and page, so that the tightest page with room is found at once.
    open: BTreeSet<(usize, usize, usize)>,
}

#[derive(Debug)]
struct SharedPage {
    owner: usize,
    holes: Ranges,
}

impl Arena {
    /// An arena over `len` bytes from `base`, both multiples of [`PAGE`].
    pub(crate) fn new(base: usize, len: usize) -> Self {
        Self {
            free: Ranges::whole(base, len),
            live: BTreeMap::new(),
            shared: BTreeMap::new(),
            open: BTreeSet::new(),
        }
    }

    /// Takes `size` bytes for `owner`. `charge` is asked for each new page before it is taken.
    pub(crate) fn take(
        &mut self,
        owner: usize,
        size: usize,
        id: u64,
        charge: impl FnOnce(usize) -> Res,
    ) -> Res<usize> {
        let room = size.checked_next_multiple_of(ALIGN).ok_or(Status::OUT_OF_MEMORY)?;
        let (start, room) = if room <= LARGEST_SHARED {
            (self.take_shared(owner, room, charge)?, room)
        } else {
            let room = size.checked_next_multiple_of(PAGE).ok_or(Status::OUT_OF_MEMORY)?;
            (self.take_pages(room, charge)?, room)
        };
        self.live.insert(start, Block { start, size, owner, id, room });
        Ok(start)
    }

    /// Frees the allocation that begins at `start`, and says which pages that sets free.
    pub(crate) fn give(&mut self, start: usize) -> Option<(Block, Option<Returned>)> {
        let block = self.live.remove(&start)?;
        let page = start - start % PAGE;
        let returned = match self.shared.remove(&page) {
            Some(shared) => self.give_shared(page, shared, block),
            None => Some(Returned { start, bytes: block.room }),
        };
        if let Some(pages) = returned {
            self.free.give(pages.start, pages.bytes);
        }
        Some((block, returned))
    }

    /// The living allocation that `address` lies in.
    pub(crate) fn find(&self, address: usize) -> Option<Block> {
        let (_, block) = self.live.range(..=address).next_back()?;
        (address < block.start + block.size.max(1)).then_some(*block)
    }

    /// Where the allocations of `owner` begin.
    pub(crate) fn of_owner(&self, owner: usize) -> Vec<usize> {
        self.live.values().filter(|b| b.owner == owner).map(|b| b.start).collect()
    }

    /// Takes `bytes`, a multiple of [`PAGE`], that are no allocation.
    pub(crate) fn take_pages(
        &mut self,
        bytes: usize,
        charge: impl FnOnce(usize) -> Res,
    ) -> Res<usize> {
        if self.free.longest() < bytes {
            return Err(Status::OUT_OF_MEMORY);
        }
        charge(bytes)?;
        self.free.take(bytes).ok_or(Status::OUT_OF_MEMORY)
    }

    /// Takes back what [`Arena::take_pages`] gave out.
    pub(crate) fn give_pages(&mut self, start: usize, bytes: usize) {
        self.free.give(start, bytes);
    }

    fn take_shared(
        &mut self,
        owner: usize,
        room: usize,
        charge: impl FnOnce(usize) -> Res,
    ) -> Res<usize> {
        let fitting = self.open.range((owner, room, 0)..=(owner, usize::MAX, usize::MAX)).next();
        let page = match fitting.copied() {
            Some(entry @ (_, _, page)) => {
                self.open.remove(&entry);
                page
            }
            None => self.open_page(owner, charge)?,
        };
        let shared = self.shared.get_mut(&page).ok_or(Status::UNKNOWN)?;
        let start = shared.holes.take(room).ok_or(Status::UNKNOWN)?;
        self.open.insert((owner, shared.holes.longest(), page));
        Ok(start)
    }

    fn open_page(&mut self, owner: usize, charge: impl FnOnce(usize) -> Res) -> Res<usize> {
        let page = self.take_pages(PAGE, charge)?;
        self.shared.insert(page, SharedPage { owner, holes: Ranges::whole(page, PAGE) });
        Ok(page)
    }

    fn give_shared(
        &mut self,
        page: usize,
        mut shared: SharedPage,
        block: Block,
    ) -> Option<Returned> {
        self.open.remove(&(shared.owner, shared.holes.longest(), page));
        shared.holes.give(block.start, block.room);
        let longest = shared.holes.longest();
        if longest == PAGE {
            return Some(Returned { start: page, bytes: PAGE });
        }
        self.open.insert((shared.owner, longest, page));
        self.shared.insert(page, shared);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const BASE: usize = 1 << 40;

    fn arena() -> Arena {
        Arena::new(BASE, 64 * PAGE)
    }

    fn refuse(_: usize) -> Res {
        Err(Status::OUT_OF_MEMORY)
    }

    #[test]
    fn small_requests_share_a_page_and_the_last_one_gives_it_back() {
        let (mut arena, charged) = (arena(), Cell::new(0));
        let charge = |bytes| {
            charged.set(charged.get() + bytes);
            Ok(())
        };
        let starts: Vec<usize> =
            (0..4096).filter_map(|id| arena.take(7, 1, id, charge).ok()).collect();
        assert_eq!((starts.len(), charged.get()), (4096, PAGE));
        assert!(starts.iter().all(|s| s % ALIGN == 0));
        let returned: Vec<_> = starts.iter().filter_map(|s| arena.give(*s)?.1).collect();
        assert_eq!(returned, [Returned { start: BASE, bytes: PAGE }]);
    }

    #[test]
    fn a_large_request_is_charged_in_whole_pages() {
        let (mut arena, charged) = (arena(), Cell::new(0));
        let start = arena.take(7, LARGEST_SHARED + 1, 1, |b| {
            charged.set(b);
            Ok(())
        });
        assert_eq!((start, charged.get()), (Ok(BASE), PAGE));
        let (block, returned) = arena.give(BASE).unwrap_or_else(|| panic!("it lives"));
        assert_eq!((block.size, returned.map(|r| r.bytes)), (LARGEST_SHARED + 1, Some(PAGE)));
    }

    #[test]
    fn owners_share_no_page() {
        let mut arena = arena();
        let first = arena.take(1, 512, 1, |_| Ok(())).unwrap_or(0);
        let second = arena.take(2, 512, 2, |_| Ok(())).unwrap_or(0);
        assert_ne!(first / PAGE, second / PAGE);
        assert_eq!(arena.of_owner(2), [second]);
    }

    #[test]
    fn a_refused_charge_takes_nothing() {
        let mut arena = arena();
        assert_eq!(arena.take(7, 5 * PAGE, 1, refuse), Err(Status::OUT_OF_MEMORY));
        assert_eq!(arena.take(7, 1, 1, refuse), Err(Status::OUT_OF_MEMORY));
        assert_eq!(arena.take(7, 64 * PAGE, 1, |_| Ok(())), Ok(BASE));
        assert_eq!(arena.take(7, usize::MAX, 1, |_| Ok(())), Err(Status::OUT_OF_MEMORY));
    }

    #[test]
    fn an_address_inside_finds_its_block_and_one_past_the_end_does_not() {
        let mut arena = arena();
        let start = arena.take(7, 1000, 42, |_| Ok(())).unwrap_or(0);
        assert_eq!(arena.find(start + 999).map(|b| (b.start, b.id)), Some((start, 42)));
        assert_eq!(arena.find(start + 1000), None);
        assert_eq!(arena.find(start - 1), None);
        assert!(arena.give(start + 512).is_none());
    }
}
