//! How a simulated function is written: once, with its name, its arguments and its answer.

/// Makes exported functions. Each body is an [`crate::answer::Answer`] over admitted arguments; the
/// function's type is held against the header's.
macro_rules! nvml {
    ($($(#[$attribute:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {$(
        const _: nvidia_sys::nvml::fns::$name = $name;

        $(#[$attribute])*
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $name($($arg: $ty),*) -> nvidia_sys::nvml::nvmlReturn_t {
            // SAFETY: the caller keeps NVML's contract, which is `admit`'s.
            $(let $arg = unsafe { $crate::arg::Arg::admit($arg) };)*
            let run = move || -> $crate::answer::Answer { $body };
            $crate::answer::code(run())
        }
    )*};
}

pub(crate) use nvml;
