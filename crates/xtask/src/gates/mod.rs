//! The gates that every built `libaliquot.so` passes before it lies in target/dist. A preloaded file
//! is mapped into every process of a container, so what could harm one of them is refused here, by
//! looking at the bytes. Nothing here runs the file or repairs it.

mod code;
mod fault;
mod frames;
mod image;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

pub(crate) use fault::Fault;
use image::Image;

/// The file's own name, which processes see in their maps and programs may link against.
pub(crate) const SONAME: &str = "libaliquot.so";

/// Reads the file and refuses it with every reason at once.
pub(crate) fn check(path: &Path, exports: &BTreeSet<String>) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let faults = faults(&bytes, exports)
        .with_context(|| format!("{} is no shared object that can be judged", path.display()))?;
    if faults.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = faults.iter().map(|fault| format!("\n  - {fault}")).collect();
    bail!("{} would harm processes:{}", path.display(), reasons.concat())
}

/// Everything that is wrong with a shim that should export exactly `exports`.
pub(crate) fn faults(bytes: &[u8], exports: &BTreeSet<String>) -> Result<Vec<Fault>> {
    let image = Image::read(bytes)?;
    let mut faults = missing_and_stray(&image, exports);
    for gate in GATES {
        faults.extend(gate(&image));
    }
    Ok(faults)
}

/// A gate looks at the image and says what is wrong.
type Gate = fn(&Image) -> Vec<Fault>;

/// The gates that need nothing but the image.
const GATES: &[Gate] = &[
    name,
    needed,
    imports,
    kinds,
    start_and_end,
    thread_locals,
    segments,
    stack,
    binding,
    frames,
    code::gate,
    size,
];

/// The oldest glibc that a container may have.
const GLIBC: (u32, u32) = (2, 17);
/// A page of an ARM kernel may have 64 KiB, and x86_64 files are built alike.
const PAGE: u64 = 64 * 1024;
/// Far above what a table of hooks needs; far below what would hint at a runtime inside.
const FILE_LIMIT: u64 = 1024 * 1024;
/// What every process of a container pays in writable memory, touched or not.
const WRITABLE_LIMIT: u64 = 512 * 1024;

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

/// Looked up weakly: where no libdl is loaded (glibc before 2.34) nobody can ask for a symbol.
const WEAK: &[&str] = &["dlvsym", "dlsym", "dlopen", "dladdr", "dladdr1", "dlclose", "dlerror"];

fn missing_and_stray(image: &Image, exports: &BTreeSet<String>) -> Vec<Fault> {
    let built: BTreeSet<String> = image.exports().map(|symbol| symbol.name.clone()).collect();
    let missing = exports.difference(&built).cloned().map(Fault::Missing);
    let stray = built.difference(exports).cloned().map(Fault::Stray);
    missing.chain(stray).collect()
}

fn name(image: &Image) -> Vec<Fault> {
    match &image.soname {
        Some(soname) if soname == SONAME => vec![],
        other => vec![Fault::Soname(other.clone().unwrap_or_default())],
    }
}

/// libc.so.6 and nothing else: an image that holds just the loader and libc (glibc 2.34 needs no
/// more) must still start its processes, and a preload's missing dependency ends each of them.
fn needed(image: &Image) -> Vec<Fault> {
    let allowed = |name: &&String| *name == "libc.so.6" || name.starts_with("ld-linux-");
    image.needed.iter().filter(|name| !allowed(name)).cloned().map(Fault::Needed).collect()
}

fn imports(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    for symbol in image.imports() {
        let name = symbol.name.clone();
        if let Some((_, why)) = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == name) {
            faults.push(Fault::Forbidden(name.clone(), why));
        }
        match &symbol.version {
            Some(version) if is_at_most(version, GLIBC) => {}
            Some(version) => faults.push(Fault::TooNew(name, version.clone())),
            None if symbol.weak && WEAK.contains(&name.as_str()) => {}
            None => faults.push(Fault::Unversioned(name)),
        }
    }
    faults
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

fn kinds(image: &Image) -> Vec<Fault> {
    let odd =
        image.exports().filter(|symbol| !symbol.is_function || !image.is_code(symbol.address));
    odd.map(|symbol| Fault::NoFunction(symbol.name.clone())).collect()
}

fn start_and_end(image: &Image) -> Vec<Fault> {
    image.runs_at_load.iter().cloned().map(Fault::RunsAtLoad).collect()
}

fn thread_locals(image: &Image) -> Vec<Fault> {
    if image.has_thread_locals { vec![Fault::ThreadLocals] } else { vec![] }
}

fn segments(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    for segment in &image.segments {
        if segment.align < PAGE || segment.offset % PAGE != segment.address % PAGE {
            faults.push(Fault::Alignment { address: segment.address, align: segment.align });
        }
        if segment.writable && segment.executable {
            faults.push(Fault::WritableCode(segment.address));
        }
    }
    if image.has_text_relocations {
        faults.push(Fault::TextRelocations);
    }
    faults
}

fn stack(image: &Image) -> Vec<Fault> {
    match image.stack_is_executable {
        Some(false) => vec![],
        Some(true) | None => vec![Fault::ExecutableStack],
    }
}

fn binding(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    if !image.binds_now {
        faults.push(Fault::LazyBinding);
    }
    if !image.is_symbolic {
        faults.push(Fault::NotSymbolic);
    }
    faults.extend(image.own_names_by_lookup.iter().cloned().map(Fault::OwnNameByLookup));
    faults
}

/// A pthread_cancel in the driver unwinds through our frames, with an unwinder that is not ours: it
/// must find each frame described and nothing in it to run.
fn frames(image: &Image) -> Vec<Fault> {
    let pads = image.frames.iter().filter(|frame| frame.has_landing_pads);
    let mut faults: Vec<Fault> =
        pads.map(|frame| Fault::LandingPad(image.name_at(frame.start))).collect();
    let covered = |address| image.frames.iter().any(|frame| frame.covers(address));
    // `dlsym` jumps on and is in no backtrace; every other export calls the driver.
    let hooks = image.exports().filter(|export| export.is_function && export.name != "dlsym");
    let bare = hooks.filter(|hook| !covered(hook.address));
    faults.extend(bare.map(|hook| Fault::NoFrame(hook.name.clone())));
    faults
}

fn size(image: &Image) -> Vec<Fault> {
    let mut faults = vec![];
    if image.file_bytes > FILE_LIMIT {
        faults.push(Fault::FileSize { bytes: image.file_bytes, limit: FILE_LIMIT });
    }
    let writable = image.segments.iter().filter(|segment| segment.writable);
    let bytes = writable.map(|segment| segment.touched_bytes).sum();
    if bytes > WRITABLE_LIMIT {
        faults.push(Fault::WritableSize { bytes, limit: WRITABLE_LIMIT });
    }
    faults
}
