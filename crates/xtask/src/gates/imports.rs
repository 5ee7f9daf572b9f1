//! What the shim wants of the container: libc.so.6 of an old glibc, and nothing that breaks a law.

use super::Fault;
use super::image::{Image, Symbol};

/// libc.so.6 and nothing else: an image that holds just the loader and libc (glibc 2.34 needs no
/// more) must still start its processes, and a preload's missing dependency ends each of them.
pub(super) fn needed(image: &Image) -> Vec<Fault> {
    let allowed = |name: &&String| *name == "libc.so.6" || name.starts_with("ld-linux-");
    image.needed.iter().filter(|name| !allowed(name)).cloned().map(Fault::Needed).collect()
}

/// Every symbol is one that glibc has had since 2.17: an unversioned one was not found in it.
pub(super) fn versions(image: &Image) -> Vec<Fault> {
    let judge = |symbol: &Symbol| match &symbol.version {
        Some(version) if is_at_most(version, GLIBC) => None,
        Some(version) => Some(Fault::TooNew(symbol.name.clone(), version.clone())),
        None => Some(Fault::Unversioned(symbol.name.clone())),
    };
    image.imports().filter_map(judge).collect()
}

/// Nothing is called that a hook must not call.
pub(super) fn calls(image: &Image) -> Vec<Fault> {
    let judge = |symbol: &Symbol| {
        let (name, why) = FORBIDDEN.iter().find(|(name, _)| *name == symbol.name)?;
        Some(Fault::Forbidden((*name).to_owned(), why))
    };
    image.imports().filter_map(judge).collect()
}

/// Whether glibc has had this version since the oldest that we run on.
pub(super) fn is_old_enough(version: &str) -> bool {
    is_at_most(version, GLIBC)
}

/// `GLIBC_2.2.5` is at most 2.17; `GLIBC_PRIVATE`, `GCC_3.0` and what cannot be read are not.
fn is_at_most(version: &str, newest: (u32, u32)) -> bool {
    let Some(numbers) = version.strip_prefix("GLIBC_") else { return false };
    let mut parts = numbers.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) <= newest,
        _ => false,
    }
}

/// The oldest glibc that a container may have.
const GLIBC: (u32, u32) = (2, 17);

/// What a hook must never call, and why. A call shows as an import.
const FORBIDDEN: &[(&str, &str)] = &[
    ("__tls_get_addr", "thread-locals may call malloc on first touch"),
    ("__tls_descriptor", "thread-locals may call malloc on first touch"),
    ("malloc", "the program may be inside its own malloc"),
    ("calloc", "the program may be inside its own malloc"),
    ("realloc", "the program may be inside its own malloc"),
    ("free", "the program may be inside its own malloc"),
    ("posix_memalign", "the program may be inside its own malloc"),
    ("pthread_create", "the shim has no threads"),
    ("pthread_mutex_lock", "a cancelled or forked holder would leave it locked"),
    ("pthread_key_create", "keys are few and the program's"),
    ("pthread_atfork", "fork belongs to the program"),
    ("atexit", "the shim ends with its process"),
    ("__cxa_atexit", "the shim ends with its process"),
    ("exit", "ending the process is the program's"),
    ("_exit", "ending the process is the program's"),
    ("abort", "ending the process is the program's"),
    ("__assert_fail", "ending the process is the program's"),
    ("signal", "signal handlers are the program's"),
    ("sigaction", "signal handlers are the program's"),
    ("setenv", "the environment is the program's"),
    ("unsetenv", "the environment is the program's"),
    ("putenv", "the environment is the program's"),
    ("umask", "the umask is the program's"),
    ("chdir", "the folder is the program's"),
    ("fork", "the shim starts no process"),
    ("execve", "the shim starts no process"),
    ("system", "the shim starts no process"),
    ("printf", "stdio takes locks and memory"),
    ("fprintf", "stdio takes locks and memory"),
    ("fwrite", "stdio takes locks and memory"),
    ("fopen", "stdio takes locks and memory"),
];
