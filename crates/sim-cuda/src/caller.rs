//! The one thread that runs the program's host functions, each when its stream has come to it. It takes
//! no signals (those are the program's), is started by the first host function, and ends with the process.

use std::cell::Cell;
use std::sync::Once;

use crate::front;
use crate::rim;
use crate::status::{Res, Status};

/// Starts the thread if it does not run.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        let started = without_signals(|| {
            std::thread::Builder::new().name("simulated-gpu".to_owned()).spawn(run)
        });
        if let Err(error) = started {
            rim::once("caller", || format!("host functions will not run, no thread: {error}"));
        }
    });
}

/// Refuses what would wait for the thread that it runs on.
pub(crate) fn not_here() -> Res {
    match HERE.get() {
        true => Err(Status::NOT_PERMITTED),
        false => Ok(()),
    }
}

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

fn run() {
    HERE.set(true);
    loop {
        let (line, act) = front::next_call();
        act();
        front::call_done(line);
    }
}

/// Runs `f` with all signals blocked, so that a thread it makes has them blocked for good.
pub(crate) fn without_signals<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: all zeros is a valid sigset_t; both calls write or read local sets and change only the
    // calling thread's mask, which is put back.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let answer = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        answer
    }
}
