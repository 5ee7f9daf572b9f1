//! One measurement per process, so that none warms another's caches or tables.

use std::hint::black_box;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::clock::{come_first, per_call, per_prepared_call, thread_time};
use crate::cuda::{self, Cuda};

/// A part of a page of the driver's.
const BYTES: usize = 512;
/// The driver's page.
const PAGE: usize = 2 << 20;
/// Threads, where many are.
const THREADS: usize = 8;
/// Live allocations, where many are.
const MANY: usize = 20_000;
/// Processes of the container, where many are, the measured one included.
const PROCESSES: usize = 16;

/// What is measured: its name, what it is, and what the hook may add (facts about the field, in
/// nanoseconds).
pub(crate) const BENCHES: &[(&str, &str, f64)] = &[
    ("alloc_free", "cuMemAlloc + cuMemFree, 512 B", 100.0),
    ("alloc_free_20000_live", "the same, 20,000 alive", 100.0),
    ("alloc_free_8_threads", "the same, 8 threads", 300.0),
    ("alloc_free_8_threads_20000_live", "8 threads, 20,000 alive", 300.0),
    ("alloc_free_16_processes", "the same, 15 others at it", 300.0),
    ("alloc_free_16_processes_20000_live", "15 others, 20,000 alive", 300.0),
    ("alloc_free_2_mib", "cuMemAlloc + cuMemFree, 2 MiB", 100.0),
    ("alloc_free_2_mib_20000_live", "the same, 20,000 alive", 100.0),
    ("free_20000_live", "cuMemFree, 20,000 alive", 60.0),
    ("managed", "cuMemAllocManaged + Free, 512 B", 100.0),
    ("managed_20000_live", "the same, 20,000 alive", 100.0),
    ("vmm", "cuMemCreate + cuMemRelease", 100.0),
    ("vmm_20000_live", "the same, 20,000 alive", 100.0),
    ("array", "cuArray3DCreate + Destroy", 100.0),
    ("array_20000_live", "the same, 20,000 alive", 100.0),
    ("mem_get_info", "cuMemGetInfo", 50.0),
    ("passed_through", "a call that is not hooked", 2.0),
    ("dlsym_foreign", "dlsym of a foreign symbol", 10.0),
    ("dlsym_foreign_cu", "dlsym of curs_set", 10.0),
    ("first_use", "first use in a process", 50_000.0),
];

/// What one process measured.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// Of a call, in nanoseconds.
    pub(crate) ns: f64,
    /// What processes beside it had meanwhile, in processors, where there were any.
    pub(crate) others_cpus: Option<f64>,
}

/// Measures and prints.
pub(crate) fn print(name: &str) -> Result<()> {
    println!("{}", measure(name)?.text());
    Ok(())
}

impl Figure {
    fn text(self) -> String {
        let others = self.others_cpus.map(|cpus| format!(" {cpus}"));
        format!("{}{}", self.ns, others.unwrap_or_default())
    }

    /// What [`print`] has printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().map(|word| word.parse().ok());
        let ns = words.next()??;
        Some(Self { ns, others_cpus: words.next().flatten() })
    }
}

fn measure(name: &str) -> Result<Figure> {
    match name.strip_prefix("alloc_free_16_processes") {
        Some(rest) => beside_others(if rest.is_empty() { 0 } else { MANY }),
        None => Ok(Figure { ns: alone(name)?, others_cpus: None }),
    }
}

/// Beside fifteen others at the same share, and how much they ran: where they get no processor there is
/// nothing that they disturb.
fn beside_others(live: usize) -> Result<Figure> {
    come_first();
    let cuda = Cuda::start(cuda::open()?)?;
    cuda.give(cuda.take(BYTES));
    let others = Others::start()?;
    hold(live, || cuda.take(BYTES));
    let (start, before_ns) = (Instant::now(), others.ran_ns()?);
    let ns = pair(0, linear(&cuda));
    let ran_ns = others.ran_ns()? - before_ns;
    Ok(Figure { ns, others_cpus: Some(ran_ns as f64 / start.elapsed().as_nanos() as f64) })
}

fn alone(name: &str) -> Result<f64> {
    come_first();
    let handle = cuda::open()?;
    if name == "first_use" {
        return first_use(handle);
    }
    let cuda = Cuda::start(handle)?;
    // The first allocation takes a slot.
    cuda.give(cuda.take(BYTES));
    let (name, live) = match name.strip_suffix("_20000_live") {
        Some(name) => (name, MANY),
        None => (name, 0),
    };
    Ok(match name {
        "alloc_free" => pair(live, linear(&cuda)),
        "alloc_free_2_mib" => {
            pair(live, (|| cuda.take(black_box(PAGE)), |address| cuda.give(address)))
        }
        "alloc_free_8_threads" => threads(&cuda, live),
        "managed" => {
            let take = || cuda.take_managed(black_box(BYTES));
            pair(live, (take, |address| cuda.give(address)))
        }
        "vmm" => {
            let take = || cuda.create(black_box(PAGE));
            pair(live, (take, |handle| cuda.release(handle)))
        }
        "array" => pair(live, (|| cuda.array(), |array| cuda.destroy_array(array))),
        "free" => {
            hold(live, || cuda.take(BYTES));
            per_prepared_call(|| cuda.take(BYTES), |address| cuda.give(address))
        }
        "mem_get_info" => per_call(|| {
            black_box(cuda.free());
        }),
        "passed_through" => per_call(|| {
            black_box(cuda.version());
        }),
        "dlsym_foreign" => per_call(|| {
            black_box(cuda::look_up(libc::RTLD_DEFAULT, c"qsort"));
        }),
        "dlsym_foreign_cu" => per_call(|| {
            black_box(cuda::look_up(cuda.handle, c"curs_set"));
        }),
        other => bail!("no such measurement: {other}"),
    })
}

fn linear(cuda: &Cuda) -> (impl Fn() -> u64, impl Fn(u64)) {
    (|| cuda.take(black_box(BYTES)), |address| cuda.give(address))
}

fn hold(count: usize, take: impl Fn() -> u64) {
    for _ in 0..count {
        black_box(take());
    }
}

/// Taking and giving back, with so many of the kind alive.
fn pair(live: usize, (take, give): (impl Fn() -> u64, impl Fn(u64))) -> f64 {
    hold(live, &take);
    per_call(|| give(black_box(take())))
}

/// The median thread of eight that take and give back at once, in its own time.
fn threads(cuda: &Cuda, live: usize) -> f64 {
    let start = Barrier::new(THREADS);
    let one = || {
        cuda.enter();
        start.wait();
        pair(live / THREADS, linear(cuda))
    };
    let mut all = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("it measures"));
        ended.collect::<Vec<f64>>()
    });
    all.sort_by(f64::total_cmp);
    all[THREADS / 2]
}

/// From the first look-up to the first allocation.
fn first_use(handle: *mut std::ffi::c_void) -> Result<f64> {
    let start = thread_time();
    let cuda = Cuda::start(handle)?;
    black_box(cuda.take(BYTES));
    Ok((thread_time() - start) as f64)
}

/// Allocates and frees until killed.
pub(crate) fn load() -> Result<()> {
    come_first();
    let cuda = Cuda::start(cuda::open()?)?;
    cuda.give(cuda.take(BYTES));
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        cuda.give(black_box(cuda.take(BYTES)));
    }
}

/// The other processes of the container.
struct Others(Vec<Child>);

impl Others {
    fn start() -> Result<Self> {
        let mut others = Self(Vec::new());
        for _ in 1..PROCESSES {
            let mut command = Command::new(crate::own_path()?);
            let child = command.arg("load").stdout(Stdio::piped()).spawn()?;
            others.0.push(child);
        }
        for child in &mut others.0 {
            let mut ready = [0; 6];
            let output = child.stdout.as_mut().context("a pipe")?;
            std::io::Read::read_exact(output, &mut ready).context("another process failed")?;
        }
        Ok(others)
    }
}

impl Others {
    /// How long they have run in all, in nanoseconds: the first word of the kernel's schedstat.
    fn ran_ns(&self) -> Result<u64> {
        let ran = |child: &Child| {
            let path = format!("/proc/{}/schedstat", child.id());
            let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
            let first = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            first.with_context(|| format!("{path} does not begin with a number: {text:?}"))
        };
        self.0.iter().map(ran).sum()
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
