//! Memory pools: memory of a card that a pool keeps past its free, and what it lends of it in the order
//! of streams. The addresses and the charging are the device's.
//!
//! As observed of real drivers, a pool grows by 32 MiB at least; where the card has not so much, by as few
//! pages of 2 MiB as do (a guess). It gives chunks back that lie idle: at every synchronisation those
//! above its release threshold, and all before the card refuses anybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arena::{ALIGN, PAGE};
use crate::device::Device;
use crate::front::{self, LineId};
use crate::graph_memory;
use crate::later;
use crate::mark::Mark;
use crate::outside::{self, Piece, What};
use crate::process;
use crate::ranges::Ranges;
use crate::registry::handle_of;
use crate::status::{Res, Status};

/// What a pool grows by at least.
const CHUNK: usize = 32 << 20;

/// All pools of this process, by handle. One lock for all, because a pool that grows takes from others.
pub(crate) struct Pools {
    pools: BTreeMap<usize, Pool>,
    default: BTreeMap<Place, usize>,
    current: BTreeMap<Place, usize>,
}

/// What there is a default and a current pool for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The ordinal of a device.
    pub(crate) device: usize,
    /// Whether the pool is of managed memory. It is charged to the device as if the memory were always there.
    pub(crate) managed: bool,
}

/// A pool.
pub(crate) struct Pool {
    /// The ordinal of its device.
    pub(crate) device: usize,
    /// Bytes it may keep at a synchronisation.
    pub(crate) threshold: u64,
    /// Whether memory freed in one stream may be taken in another: after events, after its end, by
    /// waiting.
    pub(crate) reuse: [i32; 3],
    /// Bytes lent now, and the most ever.
    pub(crate) used: [u64; 2],
    /// Bytes taken from the card now, and the most ever.
    pub(crate) reserved: [u64; 2],
    /// The most it may take; 0 if all there is.
    pub(crate) largest: u64,
    /// The types of handles it can be exported as.
    pub(crate) handles: u32,
    /// Devices other than its own that may use it, and how.
    pub(crate) access: BTreeMap<i32, u32>,
    _handle: Arc<u64>,
    chunks: BTreeMap<usize, (usize, Ranges)>,
    live: BTreeMap<usize, usize>,
    pending: Vec<Pending>,
    destroyed: bool,
    /// Whether it is another process's, of which pieces can be mapped and none lent.
    pub(crate) imported: bool,
    /// Whether its memory is managed.
    pub(crate) managed: bool,
}

/// Memory that is free when a stream has come so far.
struct Pending {
    start: usize,
    room: usize,
    line: LineId,
    mark: Arc<Mark>,
}

impl Pending {
    fn passed(&self) -> bool {
        self.mark.time().is_some_and(|time| time <= sim_world::now_ns())
    }
}

/// Memory lent, and what its stream has to wait for first.
pub(crate) struct Lent {
    /// Where it begins.
    pub(crate) start: usize,
    /// The end of its last use, where that is in another stream and to come.
    pub(crate) after: Option<Arc<Mark>>,
}

/// The pools, locked.
pub(crate) fn pools() -> MutexGuard<'static, Pools> {
    static POOLS: Mutex<Pools> = Mutex::new(Pools {
        pools: BTreeMap::new(),
        default: BTreeMap::new(),
        current: BTreeMap::new(),
    });
    // What waits for a stream is free once the card says that the stream has come so far.
    front::look();
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What every synchronisation does: pools give back what they hold above their threshold.
pub(crate) fn synchronised() {
    later::sweep();
    let mut pools = pools();
    pools.pools.values_mut().filter(|pool| pool.threshold < pool.reserved[0]).for_each(|pool| {
        let threshold = pool.threshold;
        pool.trim(|reserved, _| reserved > threshold);
    });
}

/// Gives back all that lies idle in pools and for graphs of a device; answers whether that was anything.
pub(crate) fn reclaim(device: usize) -> bool {
    graph_memory::trim(device) | pools().reclaim(device)
}

/// The last context of a device has ended, and with it all that its pools lent and kept.
pub(crate) fn device_ended(device: usize) {
    let mut pools = pools();
    pools.pools.values_mut().filter(|pool| pool.device == device).for_each(Pool::clear);
    pools.pools.retain(|_, pool| !pool.destroyed);
}

impl Pools {
    /// Makes a pool on a device.
    pub(crate) fn create(&mut self, device: usize, handles: u32, largest: u64) -> usize {
        let pool = Pool::new(device, handles, largest);
        let handle = handle_of(&pool._handle);
        self.pools.insert(handle, pool);
        handle
    }

    /// A pool of another process on a device.
    pub(crate) fn import(&mut self, device: usize, handles: u32) -> usize {
        let handle = self.create(device, handles, 0);
        if let Ok(pool) = self.get(handle) {
            pool.imported = true;
        }
        handle
    }

    /// A device's default pool, or its managed one.
    pub(crate) fn default_of(&mut self, place: Place) -> usize {
        match self.default.get(&place) {
            Some(handle) => *handle,
            None => {
                let handle = self.create(place.device, 0, 0);
                if let Ok(pool) = self.get(handle) {
                    pool.managed = place.managed;
                }
                self.default.insert(place, handle);
                handle
            }
        }
    }

    /// The pool that is taken from where none is named.
    pub(crate) fn current_of(&mut self, place: Place) -> usize {
        self.current.get(&place).copied().unwrap_or_else(|| self.default_of(place))
    }

    /// Makes a pool the one that is taken from where none is named.
    pub(crate) fn set_current(&mut self, place: Place, handle: usize) -> Res {
        let pool = self.get(handle)?;
        if pool.place() != place || pool.imported {
            return Err(Status::INVALID_VALUE);
        }
        self.current.insert(place, handle);
        Ok(())
    }

    /// The pool with this handle.
    pub(crate) fn get(&mut self, handle: usize) -> Res<&mut Pool> {
        let pool = self.pools.get_mut(&handle).filter(|pool| !pool.destroyed);
        pool.ok_or(Status::INVALID_VALUE)
    }

    /// Ends a pool, when the last of its memory has come back. Default pools do not end.
    pub(crate) fn destroy(&mut self, handle: usize) -> Res {
        if self.default.values().any(|pool| *pool == handle) {
            return Err(Status::INVALID_VALUE);
        }
        self.get(handle)?.destroyed = true;
        self.current.retain(|_, pool| *pool != handle);
        self.bury(handle);
        Ok(())
    }

    /// Lends `size` bytes of a pool to a stream. What others have freed is used before the pool grows,
    /// and what they will have freed is waited for before it refuses.
    pub(crate) fn lend(&mut self, handle: usize, size: usize, line: LineId) -> Res<Lent> {
        let room = size.checked_next_multiple_of(ALIGN).filter(|room| *room > 0);
        let room = room.ok_or(Status::INVALID_VALUE)?;
        let pool = self.get(handle)?;
        if pool.imported {
            return Err(Status::NOT_SUPPORTED);
        }
        pool.settle(line);
        let mut after = None;
        let start = match pool.carve(room) {
            Some(start) => start,
            None => match self.grow(handle, room) {
                Ok(()) => self.get(handle)?.carve(room).ok_or(Status::OUT_OF_MEMORY)?,
                Err(refusal) => {
                    let (start, mark) = self.get(handle)?.carve_later(room).ok_or(refusal)?;
                    after = Some(mark);
                    start
                }
            },
        };
        self.get(handle)?.lent(handle, start, size, room);
        Ok(Lent { start, after })
    }

    /// Takes memory back that a pool lent; it is free when `line` has come to `mark`.
    pub(crate) fn give(&mut self, start: usize, line: LineId, mark: Arc<Mark>) -> Res {
        let piece = outside::find(start).filter(|piece| piece.start == start);
        let Some(What::Pool(handle)) = piece.map(|piece| piece.what) else {
            return Err(Status::INVALID_VALUE);
        };
        let pool = self.pools.get_mut(&handle).ok_or(Status::INVALID_VALUE)?;
        let room = pool.live.remove(&start).ok_or(Status::INVALID_VALUE)?;
        outside::remove(start);
        pool.used[0] -= room as u64;
        pool.pending.push(Pending { start, room, line, mark });
        self.bury(handle);
        Ok(())
    }

    /// Whether the memory that begins at `start` is lent by a pool.
    pub(crate) fn lends(&self, start: usize) -> bool {
        self.pools.values().any(|pool| pool.live.contains_key(&start))
    }

    /// Where what a pool has taken of the card begins, for memory that it lends.
    pub(crate) fn chunk_around(&self, start: usize) -> Option<usize> {
        let pool = self.pools.values().find(|pool| pool.live.contains_key(&start))?;
        pool.chunks.range(..=start).next_back().map(|(at, _)| *at)
    }

    fn bury(&mut self, handle: usize) {
        if let Some(pool) = self.pools.get_mut(&handle)
            && pool.destroyed
            && pool.live.is_empty()
        {
            pool.clear();
            self.pools.remove(&handle);
        }
    }

    fn reclaim(&mut self, device: usize) -> bool {
        let pools = self.pools.values_mut().filter(|pool| pool.device == device);
        pools.map(|pool| pool.trim(|_, _| true)).filter(|trimmed| *trimmed).count() > 0
    }

    fn grow(&mut self, handle: usize, room: usize) -> Res {
        let device = process::device(self.get(handle)?.device)?;
        let whole = |unit| room.checked_next_multiple_of(unit).ok_or(Status::OUT_OF_MEMORY);
        for bytes in [whole(CHUNK)?, whole(PAGE)?] {
            match self.get(handle)?.grow(device, bytes) {
                Err(Status::OUT_OF_MEMORY) => {}
                answer => return answer,
            }
            let trimmed = graph_memory::trim(device.ordinal) | self.reclaim(device.ordinal);
            if trimmed && self.get(handle)?.grow(device, bytes).is_ok() {
                return Ok(());
            }
        }
        Err(Status::OUT_OF_MEMORY)
    }
}

impl Pool {
    fn place(&self) -> Place {
        Place { device: self.device, managed: self.managed }
    }

    fn new(device: usize, handles: u32, largest: u64) -> Self {
        Self {
            device,
            threshold: 0,
            reuse: [1; 3],
            used: [0; 2],
            reserved: [0; 2],
            largest,
            handles,
            access: BTreeMap::new(),
            _handle: Arc::default(),
            chunks: BTreeMap::new(),
            live: BTreeMap::new(),
            pending: Vec::new(),
            destroyed: false,
            imported: false,
            managed: false,
        }
    }

    /// Gives idle chunks back as long as `more`, told what is reserved and what a chunk is, says so.
    pub(crate) fn trim(&mut self, more: impl Fn(u64, u64) -> bool) -> bool {
        self.collect(|_| false);
        let idle = |(len, holes): &(usize, Ranges)| holes.longest() == *len;
        let idle: Vec<usize> =
            self.chunks.iter().filter(|(_, chunk)| idle(chunk)).map(|(at, _)| *at).collect();
        let mut any = false;
        for start in idle.into_iter().rev() {
            let len = self.chunks.get(&start).map_or(0, |chunk| chunk.0 as u64);
            if more(self.reserved[0], len) {
                self.drop_chunk(start);
                any = true;
            }
        }
        any
    }

    fn drop_chunk(&mut self, start: usize) {
        if let Some((len, _)) = self.chunks.remove(&start)
            && let Ok(device) = process::device(self.device)
        {
            self.reserved[0] -= len as u64;
            device.give_pages(start, len);
        }
    }

    fn clear(&mut self) {
        self.pending.clear();
        std::mem::take(&mut self.live).keys().for_each(|start| {
            outside::remove(*start);
        });
        self.used[0] = 0;
        let starts: Vec<usize> = self.chunks.keys().copied().collect();
        starts.into_iter().for_each(|start| self.drop_chunk(start));
    }

    /// Makes free what `line` may take: what it freed itself, and what has passed elsewhere.
    fn settle(&mut self, line: LineId) {
        let opportunistic = self.reuse[1] != 0;
        self.pending_to_holes(|pending| pending.line == line || opportunistic && pending.passed());
    }

    fn collect(&mut self, also: impl Fn(&Pending) -> bool) {
        self.pending_to_holes(|pending| pending.passed() || also(pending));
    }

    fn pending_to_holes(&mut self, free: impl Fn(&Pending) -> bool) {
        let (over, rest) = std::mem::take(&mut self.pending).into_iter().partition(free);
        self.pending = rest;
        let over: Vec<Pending> = over;
        for Pending { start, room, .. } in over {
            if let Some((_, (_, holes))) = self.chunks.range_mut(..=start).next_back() {
                holes.give(start, room);
            }
        }
    }

    /// Takes room from the tightest chunk that has it.
    fn carve(&mut self, room: usize) -> Option<usize> {
        let fitting = self.chunks.values_mut().filter(|(_, holes)| holes.longest() >= room);
        fitting.min_by_key(|(_, holes)| holes.longest())?.1.take(room)
    }

    /// Takes room that another stream will have freed, and says when that is.
    fn carve_later(&mut self, room: usize) -> Option<(usize, Arc<Mark>)> {
        if self.reuse[2] == 0 {
            return None;
        }
        let mark = self.pending.iter().find(|pending| pending.room >= room)?.mark.clone();
        self.pending_to_holes(|pending| Arc::ptr_eq(&pending.mark, &mark));
        Some((self.carve(room)?, mark))
    }

    fn grow(&mut self, device: &Device, bytes: usize) -> Res {
        let reserved = self.reserved[0].saturating_add(bytes as u64);
        if self.largest != 0 && reserved > self.largest {
            return Err(Status::OUT_OF_MEMORY);
        }
        let start = device.take_pages(bytes)?;
        self.chunks.insert(start, (bytes, Ranges::whole(start, bytes)));
        self.reserved = [reserved, self.reserved[1].max(reserved)];
        Ok(())
    }

    fn lent(&mut self, handle: usize, start: usize, size: usize, room: usize) {
        self.live.insert(start, room);
        let used = self.used[0] + room as u64;
        self.used = [used, self.used[1].max(used)];
        let device = Some(self.device);
        let what = What::Pool(handle);
        outside::insert(Piece { start, size, context: 0, device, what, access: 3 });
    }
}
