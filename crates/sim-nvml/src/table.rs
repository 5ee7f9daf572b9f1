//! The private table that nvidia-smi asks for.
//!
//! It is an array of pointers whose first word is its size in bytes. nvidia-smi 535 lists processes
//! through slots 213 to 215 only. It looks whether a slot is null before it calls it; so the others
//! are.

use std::ffi::{c_char, c_uint, c_void};
use std::sync::OnceLock;

use nvidia_sys::nvml::*;
use sim_world::Process;

use crate::answer::{Answer, INSUFFICIENT_SIZE, NOT_FOUND, code};
use crate::arg::{Arg, Out, text_array};
use crate::handle::{card, world};
use crate::lookup::{by_index, by_pci};
use crate::processes::{compute_processes, instances, mps_servers};
use crate::system::process_name;
use crate::topology::common;

/// The only table known, by its UUID in memory order.
const KNOWN: [u8; 16] = *b"\xc4\xfe\x3e\x6c\xc9\x8f\x6c\x4e\xa3\x27\xee\x69\x6e\x12\xf7\xc4";

/// As many slots as libnvidia-ml 535 has.
const SLOTS: usize = 245;

/// As many as one of the future might.
const FUTURE_SLOTS: usize = 700;

/// How two cards lie to each other, for `topo -m`: (text of one's place on the bus, of the other's,
/// u32* level).
const COMMON_ANCESTOR: usize = 23;
/// Whether dmon and pmon can watch a card: (device, u32* yes).
const CAN_BE_MONITORED: usize = 72;
const HANDLE_BY_INDEX: usize = 81;
const COMPUTE_PROCESSES: usize = 213;
const GRAPHICS_PROCESSES: usize = 214;
const MPS_PROCESSES: usize = 215;

/// An entry of the process lists: 4128 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    pid: u32,
    used_bytes: u64,
    gpu_instance: u32,
    compute_instance: u32,
    unknown: u64,
    name: [c_char; 4096],
}

const _: () = assert!(size_of::<Entry>() == 4128 && std::mem::offset_of!(Entry, name) == 32);

/// The CUDA version of drivers that no header describes.
const FUTURE: i32 = 14000;

type Table = [usize; FUTURE_SLOTS];

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn nvmlInternalGetExportTable(
    table: *mut *const c_void,
    uuid: *const [u8; 16],
) -> nvmlReturn_t {
    // SAFETY: the caller passes a place for the table and sixteen bytes, or null.
    let (place, uuid) = unsafe { (table.admit(), uuid.admit()) };
    code((|| match uuid.get()? == KNOWN {
        true => place.set(std::ptr::from_ref(the_table()).cast()),
        false => Err(NOT_FOUND),
    })())
}

fn the_table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut slots = [0; FUTURE_SLOTS];
        let future = world().is_ok_and(|world| world.cuda_version() >= FUTURE);
        slots[0] = if future { FUTURE_SLOTS } else { SLOTS } * size_of::<usize>();
        slots[COMMON_ANCESTOR] = common_ancestor as *const () as usize;
        slots[CAN_BE_MONITORED] = can_be_monitored as *const () as usize;
        slots[HANDLE_BY_INDEX] = handle_by_index as *const () as usize;
        slots[COMPUTE_PROCESSES] = compute_list as *const () as usize;
        slots[GRAPHICS_PROCESSES] = empty_list as *const () as usize;
        slots[MPS_PROCESSES] = mps_list as *const () as usize;
        slots
    })
}

unsafe extern "C-unwind" fn common_ancestor(
    one: *const c_char,
    other: *const c_char,
    level: *mut c_uint,
) -> nvmlReturn_t {
    // SAFETY: the caller passes two texts and a place for the answer, or null.
    let (one, other, level) = unsafe { (one.admit(), other.admit(), level.admit()) };
    let common = || common(world()?, by_pci(one.text()?)?, by_pci(other.text()?)?);
    code(common().and_then(|common| level.set(place_of(common))))
}

/// What `topo -m` calls a level: 0 PIX, 1 PXB, 2 PHB, 3 NODE, 4 SYS.
fn place_of(level: nvmlGpuTopologyLevel_t) -> c_uint {
    match level {
        nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_SYSTEM => 4,
        nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_NODE => 3,
        nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_HOSTBRIDGE => 2,
        nvmlGpuTopologyLevel_t::NVML_TOPOLOGY_MULTIPLE => 1,
        _ => 0,
    }
}

unsafe extern "C-unwind" fn can_be_monitored(
    device: nvmlDevice_t,
    yes: *mut c_uint,
) -> nvmlReturn_t {
    // SAFETY: the caller passes a place for the answer, or null.
    let (device, yes) = unsafe { (device.admit(), yes.admit()) };
    code(card(device).and_then(|_| yes.set(1)))
}

unsafe extern "C-unwind" fn handle_by_index(
    index: c_uint,
    device: *mut nvmlDevice_t,
    _flags: c_uint,
) -> nvmlReturn_t {
    // SAFETY: the caller passes a place for the handle, or null.
    code(by_index(index, unsafe { device.admit() }))
}

unsafe extern "C-unwind" fn compute_list(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut Entry,
) -> nvmlReturn_t {
    // SAFETY: the caller passes a count and as many places, or null.
    code(unsafe { fill(device.admit(), count.admit(), entries.admit()) })
}

unsafe extern "C-unwind" fn mps_list(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut Entry,
) -> nvmlReturn_t {
    // SAFETY: the caller passes a count and as many places, or null.
    let (device, count, entries) = unsafe { (device.admit(), count.admit(), entries.admit()) };
    code(mps_servers(device).and_then(|servers| fill_with(&servers, count, entries)))
}

unsafe extern "C-unwind" fn empty_list(
    _device: nvmlDevice_t,
    count: *mut c_uint,
    _entries: *mut Entry,
) -> nvmlReturn_t {
    // SAFETY: the caller passes a place for the count, or null.
    code(world().and_then(|_| unsafe { count.admit() }.set(0)))
}

fn fill(device: Out<nvmlDevice_st>, count: Out<c_uint>, entries: Out<Entry>) -> Answer {
    let (world, card) = crate::handle::device(device)?;
    fill_with(&compute_processes(world, &card)?, count, entries)
}

fn fill_with(processes: &[Process], count: Out<c_uint>, entries: Out<Entry>) -> Answer {
    let room = if entries.is_null() { 0 } else { count.get()? as usize };
    count.set(processes.len() as u32)?;
    if processes.len() > room {
        return Err(INSUFFICIENT_SIZE);
    }
    processes.iter().enumerate().try_for_each(|(i, process)| {
        let name = process_name(process.host_pid).unwrap_or_else(|| "[Not Found]".to_owned());
        entries.set_at(
            i,
            Entry {
                pid: process.host_pid,
                used_bytes: process.used_bytes,
                gpu_instance: instances(process)[0],
                compute_instance: instances(process)[1],
                unknown: 0,
                name: text_array(&name),
            },
        )
    })
}
