//! In whose company a call is measured: by one thread or by eight at once, beside nobody or beside the
//! other processes of a container, with nothing alive or with many.

use std::hint::black_box;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use super::clock::{Calls, LONG, SHORT, per_call};

/// Threads, where many are.
const THREADS: usize = 8;
/// What is alive, where much is.
const MANY: usize = 20_000;
/// Processes of the container, where many are, the measured one included.
const PROCESSES: usize = 16;

/// What one process measured.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// Of a call, in nanoseconds.
    pub(crate) ns: f64,
    /// What processes beside it had meanwhile, in processors, where there were any.
    pub(crate) others_cpus: Option<f64>,
}

impl Figure {
    /// Of a process that had no others beside it.
    pub(crate) fn alone(ns: f64) -> Self {
        Self { ns, others_cpus: None }
    }

    /// As [`Self::parse`] reads it.
    pub(crate) fn text(self) -> String {
        let others = self.others_cpus.map(|cpus| format!(" {cpus}"));
        format!("{}{}", self.ns, others.unwrap_or_default())
    }

    /// What [`Self::text`] has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().map(|word| word.parse().ok());
        let ns = words.next()??;
        Some(Self { ns, others_cpus: words.next().flatten() })
    }

    /// What stands behind the figure in a table.
    pub(crate) fn beside(others_cpus: Option<f64>) -> String {
        others_cpus.map(|cpus| format!("  beside {cpus:.2} processors")).unwrap_or_default()
    }
}

/// What is called, and in whose company.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// What is called: the measurement's name without what says the company.
    pub(crate) kind: &'a str,
    /// How much of it is alive meanwhile.
    pub(crate) live: usize,
    company: Company,
    calls: Calls,
}

#[derive(Clone, Copy)]
enum Company {
    Nobody,
    Threads,
    Processes,
    /// This is one of those beside a measured process: it calls until it is killed.
    Load,
}

/// One thread's part of a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// The number of the thread.
    pub(crate) thread: usize,
    /// How many it is to keep alive.
    pub(crate) live: usize,
}

impl<'a> Setting<'a> {
    /// By the name of a measurement: `KIND`, then `_8_threads` or `_16_processes` or neither, then
    /// `_20000_live` or not.
    pub(crate) fn of(name: &'a str) -> Self {
        let (name, live) = match name.strip_suffix("_20000_live") {
            Some(name) => (name, MANY),
            None => (name, 0),
        };
        let beside = [("_8_threads", Company::Threads), ("_16_processes", Company::Processes)];
        let with = |(end, company)| name.strip_suffix(end).map(|kind| (kind, company));
        let (kind, company) = beside.into_iter().find_map(with).unwrap_or((name, Company::Nobody));
        Self { kind, live, company, calls: SHORT }
    }

    /// That of a process beside a measured one, which calls the same until it is killed.
    pub(crate) fn load(kind: &'a str) -> Self {
        Self { kind, live: 0, company: Company::Load, calls: SHORT }
    }

    /// A call takes many microseconds where much is alive: fewer are timed then.
    pub(crate) fn grows(self) -> Self {
        Self { calls: if self.live > 0 { LONG } else { SHORT }, ..self }
    }

    /// Measures taking and giving back, as `make` prepares it for each thread.
    pub(crate) fn pair<T: Fn() -> u64, G: Fn(u64)>(
        &self,
        make: impl Fn(Part) -> (T, G) + Sync,
    ) -> Result<Figure> {
        self.calls(|part| {
            let (take, give) = make(part);
            move || give(black_box(take()))
        })
    }

    /// Measures a call, as `make` prepares it for each thread.
    pub(crate) fn calls<C: FnMut()>(&self, make: impl Fn(Part) -> C + Sync) -> Result<Figure> {
        let Self { live, calls, .. } = *self;
        let alone = || make(Part { thread: 0, live });
        match self.company {
            Company::Nobody => Ok(Figure::alone(per_call(calls, alone()))),
            Company::Threads => {
                let of = |thread| make(Part { thread, live: live / THREADS });
                Ok(Figure::alone(median_thread(calls, of)))
            }
            Company::Processes => {
                // Before others run, what the first call touches is touched.
                make(Part { thread: 0, live: 0 })();
                let others = Others::start(self.kind)?;
                let call = alone();
                let (start, before_ns) = (Instant::now(), others.ran_ns()?);
                let ns = per_call(calls, call);
                let ran_ns = others.ran_ns()? - before_ns;
                let others_cpus = ran_ns as f64 / start.elapsed().as_nanos() as f64;
                Ok(Figure { ns, others_cpus: Some(others_cpus) })
            }
            Company::Load => call_until_killed(alone()),
        }
    }
}

/// The median thread of eight that call at once, in its own time.
pub(crate) fn median_thread<C: FnMut()>(calls: Calls, make: impl Fn(usize) -> C + Sync) -> f64 {
    let (start, make) = (&Barrier::new(THREADS), &make);
    let mut all = thread::scope(|scope| {
        let begin = |thread| {
            scope.spawn(move || {
                let call = make(thread);
                start.wait();
                per_call(calls, call)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(begin).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("it measures"));
        ended.collect::<Vec<f64>>()
    });
    all.sort_by(f64::total_cmp);
    all[THREADS / 2]
}

/// Taking and giving back, with so many of the kind alive.
pub(crate) fn alike<T: Fn() -> u64, G: Fn(u64)>(part: Part, (take, give): (T, G)) -> (T, G) {
    hold(part.live, &take);
    (take, give)
}

/// Takes so many and keeps them.
pub(crate) fn hold(count: usize, take: impl Fn() -> u64) {
    for _ in 0..count {
        black_box(take());
    }
}

fn call_until_killed(mut call: impl FnMut()) -> Result<Figure> {
    call();
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        call();
    }
}

/// The other processes of the container.
struct Others(Vec<Child>);

impl Others {
    fn start(kind: &str) -> Result<Self> {
        let mut others = Self(Vec::new());
        for _ in 1..PROCESSES {
            let mut command = Command::new(std::env::current_exe()?);
            let child = command.args(["load", kind]).stdout(Stdio::piped()).spawn()?;
            others.0.push(child);
        }
        for child in &mut others.0 {
            let mut ready = [0; 6];
            let output = child.stdout.as_mut().context("a pipe")?;
            std::io::Read::read_exact(output, &mut ready).context("another process failed")?;
        }
        Ok(others)
    }

    /// How long they have run in all, in nanoseconds: the first word of the kernel's schedstat. Where
    /// they get no processor there is nothing that they disturb.
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
