//! What can be wrong with a built shim. Each message says what was found and what it would do.

/// One reason to refuse a shim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// An export of the table that was not built.
    #[error("{0} is in the table of hooks but not exported: programs linked to it would bypass us")]
    Missing(String),
    /// An export that no table declares.
    #[error("{0} is exported but in no table: it would stand before the program's own symbol")]
    Stray(String),
    /// DT_SONAME.
    #[error("the SONAME is {0:?} and should be \"libaliquot.so\"")]
    Soname(String),
    /// DT_NEEDED.
    #[error("it needs {0}: every process of an image without that file would die at its start")]
    Needed(String),
    /// A symbol version newer than glibc 2.17.
    #[error("{0} is wanted as {1}, newer than GLIBC_2.17: older containers could not start")]
    TooNew(String, String),
    /// An import that no version of glibc's own libraries was found for.
    #[error("{0} is undefined and not bound to a symbol of glibc 2.17: processes would not start")]
    Unversioned(String),
    /// An import that breaks a law of hooks.
    #[error("{0} is called: {1}")]
    Forbidden(String, &'static str),
    /// An export that is data, an IFUNC or a thread-local.
    #[error("{0} is exported but no plain function in executable memory")]
    NoFunction(String),
    /// DT_INIT, DT_INIT_ARRAY and their like.
    #[error("{0} is present: code of ours would run in every process")]
    RunsAtLoad(String),
    /// PT_TLS or a TLS symbol or relocation.
    #[error("it has thread-locals: they may call malloc on first touch")]
    ThreadLocals,
    /// The thread pointer, used directly.
    #[error("{0} reads the thread pointer: that is a thread-local or a stack guard")]
    ThreadPointer(String),
    /// A system instruction outside glibc.
    #[error("{0} makes a system call of its own: it could not be cancelled or interposed")]
    SystemCall(String),
    /// A segment that a kernel with 64-KiB pages cannot map.
    #[error(
        "the segment at {address:#x} is aligned to {align:#x}, not to 64 KiB: ARM could not map it"
    )]
    Alignment {
        /// Where the segment lies.
        address: u64,
        /// What it is aligned to.
        align: u64,
    },
    /// A segment that is writable and executable.
    #[error("the segment at {0:#x} is writable and executable: hardened kernels refuse it")]
    WritableCode(u64),
    /// DT_TEXTREL.
    #[error("it relocates its text: SELinux refuses to load it")]
    TextRelocations,
    /// PT_GNU_STACK absent or executable.
    #[error("it asks for an executable stack: the loader would change every thread's")]
    ExecutableStack,
    /// No DF_BIND_NOW.
    #[error("it binds lazily: a hook's first call would enter the loader and take its lock")]
    LazyBinding,
    /// DT_SYMBOLIC or DF_SYMBOLIC.
    #[error("it is marked symbolic: a look-up made for the program would find us first")]
    Symbolic,
    /// A dynamic relocation against one of our exports.
    #[error("{0} is reached through the loader by ourselves: another library's could be found")]
    OwnNameByLookup(String),
    /// An FDE with a personality or an LSDA.
    #[error("{0} has a landing pad: a pthread_cancel in the driver would crash in it")]
    LandingPad(String),
    /// An export without unwind information.
    #[error("{0} has no unwind information: a pthread_cancel in the driver would end the process")]
    NoFrame(String),
    /// Bytes that are no instruction.
    #[error("{0:#x} holds no instruction that can be read")]
    NoInstruction(u64),
    /// Too large a file.
    #[error("it has {bytes} bytes, more than {limit}: something large was linked in")]
    FileSize {
        /// What the file has.
        bytes: u64,
        /// What it may have.
        limit: u64,
    },
    /// Too much writable memory.
    #[error("it has {bytes} writable bytes, more than {limit}: every process would pay them")]
    WritableSize {
        /// What the writable segments have.
        bytes: u64,
        /// What they may have.
        limit: u64,
    },
}
