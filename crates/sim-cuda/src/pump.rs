//! The one thread that moves on what nobody waits for: copies behind kernels, kernels behind copies, flags.
//! A thread that waits for something moves everything itself. It takes no signals, is started by the first
//! work that stands behind a wall, and ends with the process.

use std::sync::Once;

use crate::caller::without_signals;
use crate::front;
use crate::rim;

/// Starts the thread if it does not run.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        let started = without_signals(|| {
            let thread = std::thread::Builder::new().name("simulated-front".to_owned());
            thread.spawn(|| front::pump_forever())
        });
        if let Err(error) = started {
            let say = || format!("work in several engines will not move on, no thread: {error}");
            rim::once("pump", say);
        }
    });
}
