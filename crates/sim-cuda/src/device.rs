//! A device of this process: a card of the world under an ordinal, its primary context, and what this
//! process has taken of its memory.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sim_world::{Card, Kind, TakeError};

use crate::arena::{Arena, Block, PAGE};
use crate::context::{CONTEXTS, Context};
use crate::dma_buf;
use crate::later;
use crate::outside::{self, Piece};
use crate::physical;
use crate::pool;
use crate::process;
use crate::space::{self, Space};
use crate::status::{Res, Status};

/// A device.
pub(crate) struct Device {
    /// Its number in this process.
    pub(crate) ordinal: usize,
    /// The card behind it.
    pub(crate) card: Card,
    /// Its primary context, alive or not.
    pub(crate) primary: Arc<Context>,
    memory: Mutex<Option<Taken>>,
    /// The keys of pages of which other processes were given handles, by where they begin.
    keys: Mutex<BTreeMap<usize, u64>>,
}

/// The addresses of a card, once this process has taken memory of it.
struct Taken {
    space: Space,
    arena: Arena,
}

impl Device {
    /// The device `ordinal` over `card`.
    pub(crate) fn new(ordinal: usize, card: Card) -> Self {
        let primary = Arc::new(Context::new(ordinal, true, 0));
        CONTEXTS.insert(primary.clone());
        Self { ordinal, card, primary, memory: Mutex::new(None), keys: Mutex::default() }
    }

    /// The UUID of the card, also where the device is a part of it.
    pub(crate) fn card_uuid(&self) -> [u8; 16] {
        self.card.slice.as_ref().map_or(self.card.uuid, |slice| slice.parent)
    }

    /// Bytes that programs are shown as the card's size: all but what the driver keeps.
    pub(crate) fn total(&self) -> u64 {
        let memory = &self.card.profile.memory;
        memory.total_mib.saturating_sub(memory.reserved_mib) << 20
    }

    /// Bytes free and in total.
    pub(crate) fn free_and_total(&self) -> Res<(u64, u64)> {
        physical::sweep();
        later::sweep();
        let world = &process::driver()?.world;
        let memory = world.memory(&self.card).map_err(|e| process::world_lost(&e))?;
        Ok((memory.free, self.total()))
    }

    /// Answers an error where the card has fallen off the bus.
    pub(crate) fn check(&self) -> Res {
        match process::driver()?.world.is_lost(&self.card) {
            true => Err(process::refusal(&TakeError::Lost)),
            false => Ok(()),
        }
    }

    /// Takes memory of the card, before anything lies in it.
    pub(crate) fn charge(&self, kind: Kind, bytes: u64) -> Res {
        let taken = process::driver()?.world.take(&self.card, kind, bytes);
        taken.map_err(|error| process::refusal(&error))
    }

    /// Gives memory back to the card. A world that is gone has it already.
    pub(crate) fn refund(&self, kind: Kind, bytes: u64) {
        if let Ok(driver) = process::driver()
            && let Err(error) = driver.world.give(&self.card, kind, bytes)
        {
            process::world_lost(&error);
        }
    }

    /// Takes `size` bytes for a context and answers their address. Before it refuses, it takes what lies
    /// idle in this process's pools.
    pub(crate) fn allocate(&self, context: usize, size: usize) -> Res<usize> {
        later::sweep();
        match self.allocate_once(context, size) {
            Err(Status::OUT_OF_MEMORY) if pool::reclaim(self.ordinal) | physical::sweep_any() => {
                self.allocate_once(context, size)
            }
            answer => answer,
        }
    }

    /// Takes `bytes`, a multiple of [`PAGE`], that are no allocation.
    pub(crate) fn take_pages(&self, bytes: usize) -> Res<usize> {
        let mut memory = self.memory();
        let taken = self.taken(&mut memory)?;
        taken.arena.take_pages(bytes, |bytes| self.charge(Kind::Allocation, bytes as u64))
    }

    /// Gives back what [`Device::take_pages`] took.
    pub(crate) fn give_pages(&self, start: usize, bytes: usize) {
        if let Some(taken) = self.memory().as_mut() {
            space::discard(start, bytes);
            taken.arena.give_pages(start, bytes);
            if !dma_buf::keeps(start, self.ordinal, bytes, None) {
                self.refund(Kind::Allocation, bytes as u64);
            }
        }
    }

    fn allocate_once(&self, context: usize, size: usize) -> Res<usize> {
        let mut memory = self.memory();
        let taken = self.taken(&mut memory)?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        taken.arena.take(context, size, id, |bytes| self.charge(Kind::Allocation, bytes as u64))
    }

    /// Frees the allocation that begins at `address`.
    pub(crate) fn free(&self, address: usize) -> Res<Block> {
        let mut memory = self.memory();
        let taken = memory.as_mut().ok_or(Status::INVALID_VALUE)?;
        let (block, returned) = taken.arena.give(address).ok_or(Status::INVALID_VALUE)?;
        if let Some(pages) = returned {
            space::discard(pages.start, pages.bytes);
            let key = self.keys().remove(&pages.start);
            if !dma_buf::keeps(address, self.ordinal, pages.bytes, key) {
                self.give_back(pages.bytes as u64, key);
            }
        }
        Ok(block)
    }

    /// Gives back what was taken for allocations, and may have a key: then the card has it from the last
    /// process that has it.
    pub(crate) fn give_back(&self, bytes: u64, key: Option<u64>) {
        match key {
            None => self.refund(Kind::Allocation, bytes),
            Some(key) => close_shared(key, true),
        }
    }

    /// A key of the pages that the allocation around an address lies in; none of what lies in no pages of its
    /// context's own.
    pub(crate) fn key_of(&self, address: usize) -> Res<Option<u64>> {
        let block = self.memory().as_ref().and_then(|taken| taken.arena.find(address));
        let Some((start, bytes)) = block.map(|block| block.pages()) else { return Ok(None) };
        let mut keys = self.keys();
        if let Some(known) = keys.get(&start) {
            return Ok(Some(*known));
        }
        let key = process::driver()?.world.share(&self.card, Kind::Allocation, bytes as u64);
        let key = key.map_err(|error| process::world_lost(&error))?;
        keys.insert(start, key);
        Ok(Some(key))
    }

    /// Frees all that a context holds.
    pub(crate) fn free_all(&self, context: usize) {
        let starts = self.memory().as_ref().map(|taken| taken.arena.of_owner(context));
        starts.into_iter().flatten().for_each(|start| {
            let _ = self.free(start);
        });
    }

    /// The allocation of the device's own addresses that `address` lies in.
    pub(crate) fn own(&self, address: usize) -> Option<Block> {
        self.memory().as_ref().and_then(|taken| taken.arena.find(address))
    }

    /// The living allocation that `address` lies in.
    pub(crate) fn find(&self, address: usize) -> Option<Block> {
        self.own(address).or_else(|| self.piece(address).map(|piece| Block::outside(&piece)))
    }

    /// Whether `address` is one of this device's, in use or not.
    pub(crate) fn holds(&self, address: usize) -> bool {
        let own = self.memory().as_ref().is_some_and(|taken| taken.space.holds(address));
        own || self.piece(address).is_some()
    }

    /// The descriptor of the file that `address` lies in, and how far from its beginning.
    pub(crate) fn file_at(&self, address: usize) -> Option<(i32, usize)> {
        let memory = self.memory();
        let space = &memory.as_ref()?.space;
        space.holds(address).then(|| (space.file.as_raw_fd(), address - space.base))
    }

    fn piece(&self, address: usize) -> Option<Piece> {
        outside::find(address).filter(|piece| piece.device == Some(self.ordinal))
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<usize, u64>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Option<Taken>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves addresses at the first use: several times the card, because addresses, unlike memory,
    /// can be fragmented.
    fn taken<'a>(&self, memory: &'a mut Option<Taken>) -> Res<&'a mut Taken> {
        if memory.is_none() {
            let len = (self.total() as usize).next_multiple_of(PAGE) * ADDRESSES_PER_BYTE;
            let space = Space::reserve(len)?;
            let arena = Arena::new(space.base, len);
            *memory = Some(Taken { space, arena });
        }
        memory.as_mut().ok_or(Status::UNKNOWN)
    }
}

/// Has memory no longer that other processes may have: as who made it, or as one that opened it.
pub(crate) fn close_shared(key: u64, made: bool) {
    if let Ok(driver) = process::driver()
        && let Err(error) = driver.world.close_shared(key, made)
    {
        process::world_lost(&error);
    }
}

/// Has memory of another process; whether that is still there.
pub(crate) fn open_shared(key: u64) -> Res<bool> {
    process::driver()?.world.open_shared(key).map_err(|error| process::world_lost(&error))
}

const ADDRESSES_PER_BYTE: usize = 8;
static NEXT_ID: AtomicU64 = AtomicU64::new(1);
