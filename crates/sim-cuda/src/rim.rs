//! The rim between C and us: what every exported function does before and after its work. No panic
//! leaves it, and a thread cannot be cancelled inside, so that no lock stays taken behind its back.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::physical;
use crate::process;
use crate::status::{Res, Status};

/// Which stream a null handle means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Null {
    /// The stream that waits for, and holds up, all blocking streams of its context.
    Legacy,
    /// The calling thread's own stream, for the functions that end in `_ptds` and `_ptsz`.
    PerThread,
}

/// Exports driver functions. An item's body answers a [`Res`]; `early` ones may be called before
/// cuInit; one with two names is a function and its per-thread variant, and its body learns from the
/// first name in the parentheses which of the two was called. Each is compared with the header.
macro_rules! export {
    () => {};
    ($(#[$doc:meta])* early fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block $($rest:tt)*) => {
        const _: () = {
            fn body($($arg: $ty),*) -> $crate::status::Res $body
            $crate::rim::export!(@as early $(#[$doc])* $name($($arg: $ty),*) body());
        };
        $crate::rim::export!($($rest)*);
    };
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block $($rest:tt)*) => {
        const _: () = {
            fn body($($arg: $ty),*) -> $crate::status::Res $body
            $crate::rim::export!(@as answer $(#[$doc])* $name($($arg: $ty),*) body());
        };
        $crate::rim::export!($($rest)*);
    };
    ($(#[$doc:meta])* fn $name:ident / $variant:ident($null:ident; $($arg:ident: $ty:ty),* $(,)?) $body:block $($rest:tt)*) => {
        const _: () = {
            fn body($null: $crate::rim::Null, $($arg: $ty),*) -> $crate::status::Res $body
            $crate::rim::export!(@as answer $(#[$doc])* $name($($arg: $ty),*)
                body($crate::rim::Null::Legacy,));
            $crate::rim::export!(@as answer $(#[$doc])* $variant($($arg: $ty),*)
                body($crate::rim::Null::PerThread,));
        };
        $crate::rim::export!($($rest)*);
    };
    (@as $when:ident $(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $body:ident($($null:expr,)?)) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        extern "C" fn $name($($arg: $ty),*) -> u32 {
            $crate::rim::$when(|| $body($($null,)? $($arg),*))
        }
        const _: () = assert!(
            $crate::shape::same(
                <extern "C" fn($($ty),*) -> u32 as $crate::shape::Shape>::SIZES,
                <nvidia_sys::cuda::fns::$name as $crate::shape::Shape>::SIZES,
            ),
            concat!(stringify!($name), " is not called as the header says")
        );
    };
}
pub(crate) use export;

/// Runs a call that needs cuInit before it.
pub(crate) fn answer(body: impl FnOnce() -> Res) -> u32 {
    early(|| {
        process::ready()?;
        physical::look();
        body()
    })
}

/// Runs a call that may come before cuInit.
pub(crate) fn early(body: impl FnOnce() -> Res) -> u32 {
    let cancel = Uncancelled::start();
    let result = catch_unwind(AssertUnwindSafe(body));
    drop(cancel);
    match result {
        Ok(Ok(())) => 0,
        Ok(Err(Status(code))) => code,
        Err(_) => Status::UNKNOWN.0,
    }
}

/// Answers for a function that the simulation does not have, and says so once per name.
pub(crate) fn not_simulated(name: &'static str) -> u32 {
    early(|| {
        once(name, || format!("{name} is not simulated; it answers CUDA_ERROR_NOT_SUPPORTED"));
        Err(Status::NOT_SUPPORTED)
    })
}

/// Says something on stderr once per `key` and process.
pub(crate) fn once(key: &'static str, message: impl FnOnce() -> String) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
        let line = format!("aliquot simulated driver: {}\n", message());
        // SAFETY: the buffer is alive and as long as said; a closed stderr is only an error.
        unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    }
}

/// While it lives, pthread_cancel of this thread waits.
struct Uncancelled(i32);

impl Uncancelled {
    fn start() -> Self {
        let mut before = 0;
        // SAFETY: the out-pointer is a live integer; the function changes this thread only.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: as in `start`; the state given back is the one that was found.
        unsafe { pthread_setcancelstate(self.0, &raw mut disabled) };
    }
}

/// glibc's value on Linux.
const PTHREAD_CANCEL_DISABLE: i32 = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: i32, before: *mut i32) -> i32;
}
