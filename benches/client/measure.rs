//! One measurement per process, so that none warms another's caches or tables.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

use anyhow::{Result, bail};

use crate::clock::{come_first, per_prepared_call, thread_time};
use crate::code;
use crate::cuda::{self, Cuda};
use crate::setting::{Figure, Part, Setting, alike, hold};
use crate::{primary, shaped, shared};

/// A part of a page of the driver's.
const BYTES: usize = 512;
/// The driver's page.
const PAGE: usize = 2 << 20;
/// How many descriptors are open: fewer than a process may have by itself.
const EXPORTED: usize = 500;
/// Where the first thread maps memory, and how far from it the next one does.
const ADDRESSES: u64 = 0x6000_0000_0000;
const APART: u64 = 1 << 40;

/// What is measured: its name, what it is, and what the hook may add (facts about the field, in
/// nanoseconds); none where nobody has said how much.
pub(crate) const BENCHES: &[(&str, &str, Option<f64>)] = &[
    ("alloc_free", "cuMemAlloc + cuMemFree, 512 B", Some(100.0)),
    ("alloc_free_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("alloc_free_8_threads", "the same, 8 threads", Some(300.0)),
    ("alloc_free_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("alloc_free_16_processes", "the same, 15 others at it", Some(300.0)),
    ("alloc_free_16_processes_20000_live", "15 others, 20,000 alive", Some(300.0)),
    ("alloc_free_2_mib", "cuMemAlloc + cuMemFree, 2 MiB", Some(100.0)),
    ("alloc_free_2_mib_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("alloc_free_2_mib_8_threads", "the same, 8 threads", Some(300.0)),
    ("alloc_free_2_mib_16_processes", "the same, 15 others at it", Some(300.0)),
    ("free_20000_live", "cuMemFree, 20,000 alive", Some(60.0)),
    ("managed", "cuMemAllocManaged + Free, 512 B", Some(100.0)),
    ("managed_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("managed_8_threads", "the same, 8 threads", Some(300.0)),
    ("managed_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("managed_16_processes", "the same, 15 others at it", Some(300.0)),
    ("pitch", "cuMemAllocPitch + Free, 512 B", Some(100.0)),
    ("pitch_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("pitch_8_threads", "the same, 8 threads", Some(300.0)),
    ("pitch_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("pitch_16_processes", "the same, 15 others at it", Some(300.0)),
    ("vmm", "cuMemCreate + cuMemRelease", Some(100.0)),
    ("vmm_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("vmm_exported", "the same, 500 exported", Some(100.0)),
    ("vmm_8_threads", "the same, 8 threads", Some(300.0)),
    ("vmm_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("vmm_16_processes", "the same, 15 others at it", Some(300.0)),
    ("export", "a descriptor: Export + close", None),
    ("export_8_threads", "the same, 8 threads", None),
    ("import", "a descriptor: Import + Release", None),
    ("import_8_threads", "the same, 8 threads", None),
    ("external", "cuImportExternalMemory, Destroy", None),
    ("external_8_threads", "the same, 8 threads", None),
    ("external_16_processes", "the same, 15 others at it", None),
    ("map", "cuMemMap + cuMemUnmap", Some(100.0)),
    ("map_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("map_8_threads", "the same, 8 threads", Some(300.0)),
    ("map_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("map_16_processes", "the same, 15 others at it", Some(300.0)),
    ("map_16_processes_20000_live", "15 others, 20,000 alive", Some(300.0)),
    ("array", "cuArray3DCreate + Destroy", Some(100.0)),
    ("array_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("array_8_threads", "the same, 8 threads", Some(300.0)),
    ("array_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("array_16_processes", "the same, 15 others at it", Some(300.0)),
    ("mipmap", "cuMipmappedArrayCreate, Destroy", Some(100.0)),
    ("mipmap_20000_live", "the same, 20,000 alive", Some(100.0)),
    ("mipmap_8_threads", "the same, 8 threads", Some(300.0)),
    ("mipmap_8_threads_20000_live", "8 threads, 20,000 alive", Some(300.0)),
    ("mipmap_16_processes", "the same, 15 others at it", Some(300.0)),
    ("context", "cuCtxCreate + cuCtxDestroy", None),
    ("context_20000_live", "the same, 20,000 allocated", None),
    ("context_8_threads", "the same, 8 threads", None),
    ("context_8_threads_20000_live", "8 threads, 20,000 allocated", None),
    ("context_16_processes", "the same, 15 others at it", None),
    ("context_16_processes_20000_live", "15 others, 20,000 allocated", None),
    ("primary", "primary one: Retain + Release", None),
    ("primary_20000_live", "the same, 20,000 allocated", None),
    ("primary_8_threads", "the same, 8 threads", None),
    ("mem_get_info", "cuMemGetInfo", Some(50.0)),
    ("mem_get_info_20000_live", "the same, 20,000 allocated", Some(50.0)),
    ("mem_get_info_16_processes", "the same, 15 others at it", Some(50.0)),
    ("module", "cuModuleLoadData + Unload", None),
    ("module_20000_live", "the same, 20,000 alive", None),
    ("module_8_threads", "the same, 8 threads", None),
    ("module_16_processes", "the same, 15 others at it", None),
    ("module_ptx", "the same, 64 KiB of PTX", None),
    ("module_used", "with cuModuleGetFunction", None),
    ("module_used_20000_live", "the same, 20,000 alive", None),
    ("module_used_8_threads", "the same, 8 threads", None),
    ("module_function", "cuModuleGetFunction", None),
    ("library", "cuLibraryLoadData + Unload", None),
    ("library_20000_live", "the same, 20,000 alive", None),
    ("library_used", "with cuLibraryGetKernel", None),
    ("library_used_20000_live", "the same, 20,000 alive", None),
    ("library_used_8_threads", "the same, 8 threads", None),
    ("library_kernel", "cuLibraryGetKernel", None),
    ("passed_through", "a call that is not hooked", Some(2.0)),
    ("dlsym_foreign", "dlsym of a foreign symbol", Some(10.0)),
    ("dlsym_foreign_cu", "dlsym of curs_set", Some(10.0)),
    ("first_use", "first use in a process", Some(50_000.0)),
];

/// Measures and prints; as one of those beside a measured process it never ends.
pub(crate) fn print(setting: &Setting<'_>) -> Result<()> {
    println!("{}", measure(setting)?.text());
    Ok(())
}

fn measure(setting: &Setting<'_>) -> Result<Figure> {
    come_first();
    let handle = cuda::open()?;
    if setting.kind == "first_use" {
        return first_use(handle).map(Figure::alone);
    }
    let cuda = &Cuda::start(handle)?;
    // The first allocation takes a slot.
    cuda.give(cuda.take(BYTES));
    match setting.kind {
        "alloc_free" => setting.pair(|part| alike(part, linear(cuda, BYTES))),
        "alloc_free_2_mib" => setting.pair(|part| alike(part, linear(cuda, PAGE))),
        "managed" => setting.pair(|part| alike(part, managed(cuda))),
        "pitch" => shaped::pitch(setting, cuda),
        "vmm" => setting.pair(|part| alike(part, memory(cuda))),
        "vmm_exported" => setting.pair(|_| exported(cuda)),
        "map" => setting.pair(|part| alike(part, mapping(cuda, part))),
        "array" => setting.pair(|part| alike(part, array(cuda))),
        "export" => shared::export(setting, cuda),
        "import" => shared::import(setting, cuda),
        "external" => shared::external(setting, cuda),
        "primary" => primary::measure(setting, cuda, BYTES),
        "mipmap" => shaped::mipmap(setting, cuda),
        "context" => setting.grows().pair(|part| context(cuda, part)),
        _ => call(setting, cuda),
    }
}

/// What is no pair, or has nobody beside it.
fn call(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    match setting.kind {
        "free" => Ok(Figure::alone(free(setting.live, linear(cuda, BYTES)))),
        "mem_get_info" => setting.calls(|part| info(cuda, part)),
        "passed_through" => setting.calls(|_| || seen(cuda.version())),
        "dlsym_foreign" => setting.calls(|_| || seen(cuda::look_up(libc::RTLD_DEFAULT, c"qsort"))),
        "dlsym_foreign_cu" => setting.calls(|_| || seen(cuda::look_up(cuda.handle, c"curs_set"))),
        kind if kind.starts_with("module") || kind.starts_with("library") => {
            code::measure(setting, cuda)
        }
        other => bail!("no such measurement: {other}"),
    }
}

/// Has the compiler believe that an answer is used.
fn seen<T>(answer: T) {
    black_box(answer);
}

fn linear(cuda: &Cuda, bytes: usize) -> (impl Fn() -> u64, impl Fn(u64)) {
    cuda.enter();
    (move || cuda.take(black_box(bytes)), |address| cuda.give(address))
}

fn managed(cuda: &Cuda) -> (impl Fn() -> u64, impl Fn(u64)) {
    cuda.enter();
    (|| cuda.take_managed(black_box(BYTES)), |address| cuda.give(address))
}

fn memory(cuda: &Cuda) -> (impl Fn() -> u64, impl Fn(u64)) {
    cuda.enter();
    (|| cuda.create(black_box(PAGE)), |handle| cuda.release(handle))
}

/// As [`memory`], while other memory lives by descriptors alone.
fn exported(cuda: &Cuda) -> (impl Fn() -> u64, impl Fn(u64)) {
    // Each has a number of its own, as with a driver that gives none out again while the memory lives.
    let handles: Vec<u64> = (0..EXPORTED).map(|_| cuda.create(PAGE)).collect();
    for handle in handles {
        cuda.export(handle);
        cuda.release(handle);
    }
    memory(cuda)
}

fn array(cuda: &Cuda) -> (impl Fn() -> u64, impl Fn(u64)) {
    cuda.enter();
    (|| cuda.array(), |array| cuda.destroy_array(array))
}

/// Mapping memory and unmapping it, each page at an address and of a handle of its own. What is mapped
/// last is unmapped first.
fn mapping(cuda: &Cuda, part: Part) -> (impl Fn() -> u64, impl Fn(u64)) {
    cuda.enter();
    let first = ADDRESSES + part.thread as u64 * APART;
    let handles: Vec<u64> = (0..=part.live).map(|_| cuda.create(PAGE)).collect();
    let mapped = Rc::new(Cell::new(0));
    let unmapped = Rc::clone(&mapped);
    let map = move || {
        let at = mapped.get();
        mapped.set(at + 1);
        let address = first + (at * PAGE) as u64;
        cuda.map(address, PAGE, handles[at]);
        address
    };
    let unmap = move |address| {
        cuda.unmap(address, PAGE);
        unmapped.set(unmapped.get() - 1);
    };
    (map, unmap)
}

/// One context more, which owns nothing, while the first one owns what is alive.
fn context(cuda: &Cuda, part: Part) -> (impl Fn() -> u64, impl Fn(u64)) {
    hold(part.live, linear(cuda, BYTES).0);
    (|| cuda.create_context(), |context| cuda.destroy_context(context))
}

/// What is free, while so much is alive.
fn info(cuda: &Cuda, part: Part) -> impl FnMut() {
    hold(part.live, linear(cuda, BYTES).0);
    || seen(cuda.free())
}

/// Giving back alone.
fn free(live: usize, (take, give): (impl Fn() -> u64, impl Fn(u64))) -> f64 {
    hold(live, &take);
    per_prepared_call(take, give)
}

/// From the first look-up to the first allocation.
fn first_use(handle: *mut std::ffi::c_void) -> Result<f64> {
    let start = thread_time();
    let cuda = Cuda::start(handle)?;
    black_box(cuda.take(BYTES));
    Ok((thread_time() - start) as f64)
}
