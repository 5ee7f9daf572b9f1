//! Time that a call takes, free of what else the machine does.

use std::mem::MaybeUninit;

/// How often a call is made to be timed.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    /// Calls per sample.
    batch: u32,
    samples: usize,
}

/// Of a call of nanoseconds.
pub(crate) const SHORT: Calls = Calls { batch: 500, samples: 400 };
/// Of one of many microseconds.
pub(crate) const LONG: Calls = Calls { batch: 20, samples: 100 };

/// Nanoseconds that this thread has run, system calls and page faults included.
pub(crate) fn thread_time() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: a place for one timespec, for which all zeros are a value.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Puts this process before the rest of the machine, where that is permitted: a measured process and those
/// beside it are to run, whatever else does.
pub(crate) fn come_first() {
    // SAFETY: takes numbers; a refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// The median over samples of what one call takes, in nanoseconds of this thread's own time.
pub(crate) fn per_call(calls: Calls, mut call: impl FnMut()) -> f64 {
    sampled(calls, || {
        let start = thread_time();
        for _ in 0..calls.batch {
            call();
        }
        thread_time() - start
    })
}

/// The same of a [`SHORT`] one, where each sample is prepared first.
pub(crate) fn per_prepared_call<T>(mut prepare: impl FnMut() -> T, mut call: impl FnMut(T)) -> f64 {
    sampled(SHORT, || {
        let prepared: Vec<T> = (0..SHORT.batch).map(|_| prepare()).collect();
        let start = thread_time();
        prepared.into_iter().for_each(&mut call);
        thread_time() - start
    })
}

fn sampled(calls: Calls, mut sample: impl FnMut() -> u64) -> f64 {
    let mut samples: Vec<u64> = (0..calls.samples).map(|_| sample()).collect();
    samples.sort_unstable();
    samples[calls.samples / 2] as f64 / f64::from(calls.batch)
}
