//! Memory of a card apart from addresses, and who keeps it: handles, mappings, bindings and descriptors.
//! With the last of them the card is given it back. What one process made and another imports is charged once:
//! to the one that made it, and where that lets go of it, or ends, to the other (`sim_world`'s
//! `daemon/shared.rs`). What lives by descriptors alone stays with the one that made it, and ends with it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sim_world::Kind;

use crate::arena::PAGE;
use crate::device::{close_shared, open_shared};
use crate::dma_buf;
use crate::fabric;
use crate::location::{DESCRIPTOR, FABRIC, Location, ON_DEVICE, ON_HOST, PINNED, Properties};
use crate::mapping;
use crate::multicast::Multicast;
use crate::pool;
use crate::process;
use crate::status::{Res, Status};

/// CU_MEM_CREATE_USAGE_TILE_POOL, in the low byte of the usage.
const TILE_POOL: u8 = 1;
/// How the files of card memory are called, before its key and the card's UUID.
const NAME: &str = "simulated-gpu-";

/// Memory; the last one to let go gives it back.
pub(crate) struct Physical {
    /// What stands for it.
    pub(crate) file: OwnedFd,
    /// Bytes.
    pub(crate) size: usize,
    /// The ordinal of its device; none on the host.
    pub(crate) device: Option<usize>,
    /// What it was made as.
    pub(crate) properties: Properties,
    charged: bool,
    /// By which the world knows memory that other processes may have; 0: it is this one's alone.
    pub(crate) key: u64,
    object: Option<Multicast>,
    /// Whether there was ever a descriptor of it.
    pub(crate) exported: AtomicBool,
}

impl Physical {
    /// Takes it of its device.
    pub(crate) fn create(size: usize, properties: Properties) -> Res<Self> {
        let device = properties.device()?;
        if size == 0 || !size.is_multiple_of(PAGE) {
            return Err(Status::INVALID_VALUE);
        }
        let can_leave = properties.handles & (DESCRIPTOR | FABRIC) != 0;
        let key = match device {
            Some(ordinal) => take(ordinal, size as u64, can_leave)?,
            None => 0,
        };
        let file = match named_file(device, key, size) {
            Ok(file) => file,
            Err(refusal) => {
                device.inspect(|ordinal| refund(*ordinal, size, key));
                return Err(refusal);
            }
        };
        let (charged, object, exported) = (device.is_some(), None, no());
        Ok(Self { file, size, device, properties, charged, key, object, exported })
    }

    /// What a descriptor of another process's memory stands for. The world does not charge it twice. Its file
    /// is opened anew, because what is imported keeps no descriptor open.
    pub(crate) fn import(descriptor: i32) -> Res<Self> {
        Self::import_of(&format!("/proc/self/fd/{descriptor}"))
    }

    /// The same of a descriptor by its path in procfs, of whatever process.
    pub(crate) fn import_of(path: &str) -> Res<Self> {
        let name = std::fs::read_link(path);
        let name = name.map_err(|_| Status::INVALID_VALUE)?.to_string_lossy().into_owned();
        let name = name.strip_prefix("/memfd:").and_then(|name| name.strip_prefix(NAME));
        let name = name.ok_or(Status::INVALID_VALUE)?.trim_end_matches(" (deleted)");
        let (key, name) = name.split_once('-').ok_or(Status::INVALID_DEVICE)?;
        let key: u64 = key.parse().map_err(|_| Status::INVALID_DEVICE)?;
        let mut devices = process::driver()?.devices.iter();
        let device = devices.find(|device| device.card.uuid_text() == name);
        if device.is_none() && name != "host" {
            return Err(Status::INVALID_DEVICE);
        }
        let (device, file) = (device.map(|device| device.ordinal), mapping::open(path)?);
        // Of one that has ended the world knows nothing any more.
        let key = if key != 0 && open_shared(key)? { key } else { 0 };
        let size = mapping::len_of(file.as_fd()).ok_or(Status::INVALID_VALUE)?;
        let kind = if device.is_some() { ON_DEVICE } else { *ON_HOST.start() };
        let location = Location { kind, id: device.unwrap_or(0) as i32 };
        let handles = DESCRIPTOR | if fabric::is_there() { FABRIC } else { 0 };
        let properties = Properties { kind: PINNED, handles, location, windows: 0, flags: [0; 8] };
        let (charged, object, exported) = (false, None, no());
        Ok(Self { file, size, device, properties, charged, key, object, exported })
    }

    /// A multicast object, which takes nothing.
    fn object(size: usize, handles: u32, object: Multicast) -> Res<Self> {
        let file = mapping::memory_file(c"simulated-gpu-multicast", size)?;
        let location = Location { kind: *ON_HOST.start(), id: 0 };
        let properties = Properties { kind: PINNED, handles, location, windows: 0, flags: [0; 8] };
        let (device, charged, key, object, exported) = (None, false, 0, Some(object), no());
        Ok(Self { file, size, device, properties, charged, key, object, exported })
    }
}

fn no() -> AtomicBool {
    AtomicBool::new(false)
}

impl Drop for Physical {
    fn drop(&mut self) {
        let Some(ordinal) = self.device else { return };
        if !self.charged {
            if self.key != 0 {
                close_shared(self.key, false);
            }
            return;
        }
        if self.exported.load(Ordering::Relaxed)
            && let Ok(file) = self.file.try_clone()
        {
            orphans().push(Orphan { file, ordinal, size: self.size, key: self.key });
            watch();
            return sweep_orphans();
        }
        refund(ordinal, self.size, self.key);
    }
}

/// Takes memory of a card; its key, where other processes may have it.
fn take(ordinal: usize, size: u64, can_leave: bool) -> Res<u64> {
    charge(ordinal, size)?;
    if !can_leave {
        return Ok(0);
    }
    let driver = process::driver()?;
    let key = driver.world.share(&process::device(ordinal)?.card, Kind::Allocation, size);
    key.map_err(|error| process::world_lost(&error))
}

/// A file whose name says what it stands for.
fn named_file(device: Option<usize>, key: u64, size: usize) -> Res<OwnedFd> {
    let card = match device {
        Some(ordinal) => process::device(ordinal)?.card.uuid_text(),
        None => "host".to_owned(),
    };
    let name = CString::new(format!("{NAME}{key}-{card}")).map_err(|_| Status::UNKNOWN)?;
    mapping::memory_file(&name, size)
}

fn refund(ordinal: usize, size: usize, key: u64) {
    if let Ok(device) = process::device(ordinal) {
        device.give_back(size as u64, Some(key).filter(|key| *key != 0));
    }
}

/// Memory whose handles and mappings are gone, and that may live by its descriptors alone.
struct Orphan {
    file: OwnedFd,
    ordinal: usize,
    size: usize,
    key: u64,
}

fn orphans() -> MutexGuard<'static, Vec<Orphan>> {
    static ORPHANS: Mutex<Vec<Orphan>> = Mutex::new(Vec::new());
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`sweep`]; whether there was anything to look at.
pub(crate) fn sweep_any() -> bool {
    let any = !orphans().is_empty();
    sweep_orphans();
    dma_buf::sweep() || any
}

/// Whether memory may live by descriptors alone, or a range has one.
static ANY: AtomicBool = AtomicBool::new(false);

/// A descriptor was given out, or is all that keeps some memory.
pub(crate) fn watch() {
    ANY.store(true, Ordering::Release);
}

/// What every call does first, as a card has memory back when its descriptor is closed and not later.
pub(crate) fn look() {
    if ANY.swap(false, Ordering::AcqRel) {
        sweep();
        if !orphans().is_empty() || dma_buf::is_any() {
            watch();
        }
    }
}

/// Gives the card back what lived by descriptors that are closed: in whatever process they were, each
/// has a lock on its file for as long as it is open.
pub(crate) fn sweep() {
    dma_buf::sweep();
    sweep_orphans();
}

fn sweep_orphans() {
    let closed: Vec<_> =
        orphans().extract_if(.., |one| mapping::is_unlocked(one.file.as_fd())).collect();
    closed.iter().for_each(|one| refund(one.ordinal, one.size, one.key));
}

/// Memory with a handle: how often the program holds it, and how often it is mapped.
pub(crate) struct Held {
    physical: Arc<Physical>,
    /// By the program.
    pub(crate) held: usize,
    /// Anywhere.
    pub(crate) mapped: usize,
}

fn table() -> MutexGuard<'static, BTreeMap<usize, Held>> {
    static TABLE: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a handle of memory.
pub(crate) fn hold(physical: Physical) -> u64 {
    let physical = Arc::new(physical);
    let handle = Arc::as_ptr(&physical) as usize;
    table().insert(handle, Held { physical, held: 1, mapped: 0 });
    handle as u64
}

/// What a program holds under `handle`.
pub(crate) fn held(handle: u64) -> Res<Arc<Physical>> {
    let table = table();
    let held = table.get(&(handle as usize)).filter(|held| held.held > 0);
    held.map(|held| held.physical.clone()).ok_or(Status::INVALID_VALUE)
}

/// Changes how often a handle is held and mapped, and forgets it when it is neither.
pub(crate) fn count(handle: usize, change: impl FnOnce(&mut Held) -> Res) -> Res {
    let mut table = table();
    let held = table.get_mut(&handle).ok_or(Status::INVALID_VALUE)?;
    change(held)?;
    let is_over = held.held == 0 && held.mapped == 0;
    let over = if is_over { table.remove(&handle) } else { None };
    // What ends may hold more memory, and let go of it here.
    drop(table);
    drop(over);
    Ok(())
}

/// Memory that is kept alive apart from addresses, until this is dropped.
pub(crate) struct Kept {
    handle: usize,
    /// The device that it lies on.
    pub(crate) device: Option<usize>,
    /// Whether it was made to hold tiles.
    pub(crate) is_for_tiles: bool,
}

impl Kept {
    /// `size` bytes from `offset` of what is held under a handle.
    pub(crate) fn by_handle(handle: u64, offset: usize, size: usize) -> Res<Self> {
        let physical = held(handle)?;
        let inside = offset.checked_add(size).is_some_and(|end| end <= physical.size);
        if !inside || physical.object.is_some() {
            return Err(Status::INVALID_VALUE);
        }
        let handle = handle as usize;
        count(handle, |held| {
            held.mapped += 1;
            Ok(())
        })?;
        let is_for_tiles = physical.properties.flags[2] & TILE_POOL != 0;
        Ok(Self { handle, device: physical.device, is_for_tiles })
    }

    /// What has a handle, on a device.
    pub(crate) fn known(handle: usize, device: Option<usize>) -> Res<Self> {
        count(handle, |held| {
            held.mapped += 1;
            Ok(())
        })?;
        Ok(Self { handle, device, is_for_tiles: false })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = count(self.handle, |held| {
            held.mapped = held.mapped.saturating_sub(1);
            Ok(())
        });
    }
}

/// Makes a multicast object, and a handle of it.
pub(crate) fn hold_object(size: usize, handles: u64, object: Multicast) -> Res<u64> {
    let handles = u32::try_from(handles).map_err(|_| Status::INVALID_VALUE)?;
    match handles {
        _ if handles & FABRIC != 0 => Err(Status::NOT_SUPPORTED),
        _ if handles & !DESCRIPTOR != 0 => Err(Status::INVALID_VALUE),
        _ => Ok(hold(Physical::object(size, handles, object)?)),
    }
}

/// Does something with the multicast object under a handle, whose size it is told.
pub(crate) fn with_object<T>(handle: u64, of: impl FnOnce(&Multicast, usize) -> Res<T>) -> Res<T> {
    let physical = held(handle)?;
    of(physical.object.as_ref().ok_or(Status::INVALID_VALUE)?, physical.size)
}

/// Charges a card, with what lies idle in pools before it refuses.
fn charge(ordinal: usize, bytes: u64) -> Res {
    sweep();
    let device = process::device(ordinal)?;
    match device.charge(Kind::Allocation, bytes) {
        Err(Status::OUT_OF_MEMORY) if pool::reclaim(ordinal) => {
            device.charge(Kind::Allocation, bytes)
        }
        answer => answer,
    }
}
