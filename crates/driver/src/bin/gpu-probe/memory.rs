//! What contexts, modules, small allocations and pools take of a GPU's memory.

use std::time::Duration;

use anyhow::{Context as _, Result};
use driver::cuda::{Driver, Spin};
use serde_json::{Value, json};

use crate::subject::Subject;

/// What the first context of a process takes, a second one, a module and a first launch, as NVML
/// sees it from outside and cuMemGetInfo from inside. Leaves no context behind.
pub(crate) fn context(subject: &Subject) -> Result<Value> {
    let (driver, device) = (&subject.driver, subject.driver.device(0)?);
    let meter = Meter { subject };
    let (before, was_active) = (meter.used(), device.primary_is_active()?);
    let primary = device.primary()?;
    let (first, inside) = (meter.used(), driver.mem_info()?);
    let second = device.context().map(|context| {
        let used = meter.used();
        drop(context);
        used
    });
    primary.make_current()?;
    let (base, spin) = (meter.used(), Spin::new(Duration::from_micros(10)));
    let (module, stream) = (driver.module(&spin.ptx)?, driver.stream()?);
    let loaded = meter.used();
    module.kernel(&spin.name)?.launch(&stream, 1)?;
    stream.synchronize()?;
    let launched = meter.used();
    let large = driver.module(LARGE_PTX).map(|_module| meter.used());
    Ok(json!({
        "primary_bytes": grown(before, first),
        "second_context_bytes": second.ok().and_then(|second| grown(first, second)),
        "module_bytes": grown(base, loaded),
        "first_launch_bytes": grown(loaded, launched),
        "module_with_64_mib_bytes": large.ok().and_then(|large| grown(launched, large)),
        "cuda_total": inside.total,
        "cuda_free_after_context": inside.free,
        "primary_active_before": was_active,
    }))
}

/// A module with 64 MiB of its own and no kernel.
const LARGE_PTX: &str = "
.version 6.0
.target sm_50
.address_size 64

.visible .global .align 16 .b8 room[67108864];
";

/// The used memory of the first device, as NVML tells it.
struct Meter<'s> {
    subject: &'s Subject,
}

impl Meter<'_> {
    fn used(&self) -> Option<u64> {
        Some(self.subject.nvml_device()?.memory().ok()?.used)
    }
}

fn grown(before: Option<u64>, after: Option<u64>) -> Option<i64> {
    Some(after?.cast_signed() - before?.cast_signed())
}

/// What 64 allocations of one size take, by cuMemGetInfo, and in which steps.
pub(crate) fn small_allocations(driver: &Driver) -> Result<Value> {
    const SIZES: [u64; 9] =
        [1, 512, 4096, 65536, 1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 1, 3 << 20];
    let sizes = SIZES.map(|bytes| match growth(driver, bytes) {
        Ok(found) => found,
        Err(error) => json!({"bytes": bytes, "error": error.to_string()}),
    });
    Ok(Value::Array(sizes.to_vec()))
}

fn growth(driver: &Driver, bytes: u64) -> driver::Result<Value> {
    const COUNT: u64 = 64;
    let start = driver.mem_info()?.free;
    let (mut last, mut steps, mut held) = (start, Vec::new(), Vec::new());
    for _ in 0..COUNT {
        held.push(driver.alloc(bytes)?);
        let free = driver.mem_info()?.free;
        if free != last {
            steps.push(last.cast_signed() - free.cast_signed());
        }
        last = free;
    }
    held.into_iter().try_for_each(|address| driver.free(address))?;
    let kept = start.cast_signed() - driver.mem_info()?.free.cast_signed();
    steps.sort_unstable();
    let (smallest, largest) = (steps.first().copied(), steps.last().copied());
    Ok(json!({
        "bytes": bytes, "count": COUNT, "taken": start.cast_signed() - last.cast_signed(),
        "steps": steps.len(), "smallest_step": smallest, "largest_step": largest,
        "kept_after_free": kept,
    }))
}

/// What the default pool keeps.
pub(crate) fn pool(driver: &Driver) -> Result<Value> {
    const BYTES: u64 = 1 << 20;
    let (pool, stream) = (driver.device(0)?.default_pool()?, driver.stream()?);
    let at_first = pool.reserved()?;
    let held: Vec<_> = (0..8).map(|_| stream.alloc(BYTES)).collect::<driver::Result<_>>()?;
    stream.synchronize()?;
    let allocated = pool.reserved()?;
    held.into_iter().try_for_each(|address| stream.free(address))?;
    let freed = pool.reserved()?;
    stream.synchronize()?;
    let synchronized = pool.reserved()?;
    pool.trim(0)?;
    Ok(json!({
        "allocations": 8, "bytes_each": BYTES, "reserved_at_first": at_first,
        "reserved_with_allocations": allocated, "reserved_after_free": freed,
        "reserved_after_synchronize": synchronized, "reserved_after_trim": pool.reserved()?,
    }))
}

/// Which pids NVML tells, seen from this process's namespace.
pub(crate) fn processes(subject: &Subject) -> Result<Value> {
    let device = subject.nvml_device().context("NVML does not know the device")?;
    let (own, listed) = (std::process::id(), device.processes()?);
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
    Ok(json!({
        "own_pid": own,
        "own_pid_listed": listed.iter().any(|process| process.pid == own),
        "own_bytes": listed.iter().find(|process| process.pid == own).and_then(|one| one.used),
        "listed": listed.len(),
        "pid_namespace": namespace.map(|link| link.to_string_lossy().into_owned()),
    }))
}
