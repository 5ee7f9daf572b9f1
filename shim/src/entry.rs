//! The exported `dlsym` and `dlvsym`: all the assembly of the shim, for x86_64 and aarch64.
//!
//! They never call the next `dlsym` for a look-up that is not ours, and never for `RTLD_NEXT`: they
//! jump there with the stack and the registers untouched, so that glibc sees the caller's own
//! return address, which is what `RTLD_NEXT` means. A name that begins with neither `cu` nor `nv`
//! costs a load and an indirect jump, and writes nothing.

use crate::dlsym::{Verdict, bind, bind_versioned, decide, decide_versioned};
use core::arch::{global_asm, naked_asm};
use core::ffi::{c_char, c_void};
use core::sync::atomic::AtomicPtr;

// The loader writes the pages of `.data` when it relocates the slots there. What first use touches lies
// in the same pages, so that it does not pay for a page fault again; beginning with a page, they are few.
global_asm!(".pushsection .data", ".p2align 12", ".popsection");

/// Where a look-up that is not ours goes: the binder at first, then the next `dlsym` behind us. It
/// starts out by a relocation, so that no constructor is needed.
pub(crate) static NEXT: AtomicPtr<c_void> = AtomicPtr::new(first as *mut c_void);

/// The same for `dlvsym`.
pub(crate) static NEXT_VERSIONED: AtomicPtr<c_void> =
    AtomicPtr::new(first_versioned as *mut c_void);

/// What [`NEXT`] holds as long as nobody has looked anything up.
pub(crate) fn unbound() -> *mut c_void {
    first as *mut c_void
}

/// `dlsym(3)` as every program calls it.
///
/// # Safety
/// As dlsym(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "test rsi, rsi",
        "je 2f",
        "movzx eax, byte ptr [rsi]",
        "cmp al, 'c'",
        "je 3f",
        "cmp al, 'n'",
        "je 4f",
        "2: jmp qword ptr [rip + {next}]",
        // A capital follows: curl and curses go on.
        "3: cmp byte ptr [rsi + 1], 'u'",
        "jne 2b",
        "cmp byte ptr [rsi + 2], 'Z'",
        "ja 2b",
        "jmp 5f",
        "4: cmp byte ptr [rsi + 1], 'v'",
        "jne 2b",
        "cmp byte ptr [rsi + 2], 'm'",
        "jne 2b",
        // Ours, perhaps: ask, keeping the arguments for the jump.
        "5: mov rdx, [rsp]",
        "push rdi",
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "call {decide}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop rsi",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "test rax, rax",
        "je 2b",
        "mov rax, rdx",
        "ret",
        ".cfi_endproc",
        next = sym NEXT,
        decide = sym decide_here,
    )
}

/// The first look-up of a process: finds the next `dlsym`, then goes there like any later one.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "push rdi",
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "call {bind}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop rsi",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "jmp rax",
        ".cfi_endproc",
        bind = sym bind_here,
    )
}

/// `dlvsym(3)` as every program calls it: other interposers ask it for the next `dlsym`, which for
/// those before us is ours.
///
/// # Safety
/// As dlvsym(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dlvsym(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
) -> *mut c_void {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "cmp rdi, -1",
        "jne 2f",
        "test rsi, rsi",
        "je 2f",
        "cmp byte ptr [rsi], 'd'",
        "je 3f",
        "2: jmp qword ptr [rip + {next}]",
        "3: push rdi",
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "push rdx",
        ".cfi_adjust_cfa_offset 8",
        "mov rdi, rsi",
        "mov rsi, [rsp + 24]",
        "call {decide}",
        "pop rdx",
        ".cfi_adjust_cfa_offset -8",
        "pop rsi",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "test rax, rax",
        "je 2b",
        "ret",
        ".cfi_endproc",
        next = sym NEXT_VERSIONED,
        decide = sym decide_versioned_here,
    )
}

/// The first versioned look-up of a process.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn first_versioned() {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "push rdi",
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "push rdx",
        ".cfi_adjust_cfa_offset 8",
        "call {bind}",
        "pop rdx",
        ".cfi_adjust_cfa_offset -8",
        "pop rsi",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "jmp rax",
        ".cfi_endproc",
        bind = sym bind_versioned_here,
    )
}

/// `dlsym(3)` as every program calls it.
///
/// # Safety
/// As dlsym(3).
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    naked_asm!(
        ".cfi_startproc",
        "hint #34", // bti c
        "cbz x1, 2f",
        "ldrb w9, [x1]",
        "cmp w9, #'c'",
        "b.eq 3f",
        "cmp w9, #'n'",
        "b.eq 4f",
        "2: adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "br x16",
        // A capital follows: curl and curses go on.
        "3: ldrb w9, [x1, #1]",
        "cmp w9, #'u'",
        "b.ne 2b",
        "ldrb w9, [x1, #2]",
        "cmp w9, #'Z'",
        "b.hi 2b",
        "b 5f",
        "4: ldrb w9, [x1, #1]",
        "cmp w9, #'v'",
        "b.ne 2b",
        "ldrb w9, [x1, #2]",
        "cmp w9, #'m'",
        "b.ne 2b",
        // Ours, perhaps: ask, keeping the arguments for the jump.
        "5: stp x29, x30, [sp, #-32]!",
        ".cfi_adjust_cfa_offset 32",
        ".cfi_rel_offset x29, 0",
        ".cfi_rel_offset x30, 8",
        "stp x0, x1, [sp, #16]",
        "mov x29, sp",
        "mov x2, x30",
        "bl {decide}",
        "mov x9, x0",
        "mov x10, x1",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #32",
        ".cfi_adjust_cfa_offset -32",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "cbz x9, 2b",
        "mov x0, x10",
        "ret",
        ".cfi_endproc",
        next = sym NEXT,
        decide = sym decide_here,
    )
}

/// The first look-up of a process: finds the next `dlsym`, then goes there like any later one.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!(
        ".cfi_startproc",
        "hint #34",
        "stp x29, x30, [sp, #-32]!",
        ".cfi_adjust_cfa_offset 32",
        ".cfi_rel_offset x29, 0",
        ".cfi_rel_offset x30, 8",
        "stp x0, x1, [sp, #16]",
        "mov x29, sp",
        "bl {bind}",
        "mov x16, x0",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #32",
        ".cfi_adjust_cfa_offset -32",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "br x16",
        ".cfi_endproc",
        bind = sym bind_here,
    )
}

/// `dlvsym(3)` as every program calls it: other interposers ask it for the next `dlsym`, which for
/// those before us is ours.
///
/// # Safety
/// As dlvsym(3).
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dlvsym(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
) -> *mut c_void {
    naked_asm!(
        ".cfi_startproc",
        "hint #34",
        "cmn x0, #1",
        "b.ne 2f",
        "cbz x1, 2f",
        "ldrb w9, [x1]",
        "cmp w9, #'d'",
        "b.eq 3f",
        "2: adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "br x16",
        "3: stp x29, x30, [sp, #-48]!",
        ".cfi_adjust_cfa_offset 48",
        ".cfi_rel_offset x29, 0",
        ".cfi_rel_offset x30, 8",
        "stp x0, x1, [sp, #16]",
        "str x2, [sp, #32]",
        "mov x29, sp",
        "mov x0, x1",
        "mov x1, x30",
        "bl {decide}",
        "mov x9, x0",
        "ldp x0, x1, [sp, #16]",
        "ldr x2, [sp, #32]",
        "ldp x29, x30, [sp], #48",
        ".cfi_adjust_cfa_offset -48",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "cbz x9, 2b",
        "mov x0, x9",
        "ret",
        ".cfi_endproc",
        next = sym NEXT_VERSIONED,
        decide = sym decide_versioned_here,
    )
}

/// The first versioned look-up of a process.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn first_versioned() {
    naked_asm!(
        ".cfi_startproc",
        "hint #34",
        "stp x29, x30, [sp, #-48]!",
        ".cfi_adjust_cfa_offset 48",
        ".cfi_rel_offset x29, 0",
        ".cfi_rel_offset x30, 8",
        "stp x0, x1, [sp, #16]",
        "str x2, [sp, #32]",
        "mov x29, sp",
        "bl {bind}",
        "mov x16, x0",
        "ldp x0, x1, [sp, #16]",
        "ldr x2, [sp, #32]",
        "ldp x29, x30, [sp], #48",
        ".cfi_adjust_cfa_offset -48",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "br x16",
        ".cfi_endproc",
        bind = sym bind_versioned_here,
    )
}

extern "C" fn decide_here(handle: *mut c_void, name: *const c_char, caller: usize) -> Verdict {
    decide(handle, name, caller)
}

extern "C" fn bind_here() -> *mut c_void {
    bind()
}

extern "C" fn decide_versioned_here(name: *const c_char, caller: usize) -> *mut c_void {
    decide_versioned(name, caller)
}

extern "C" fn bind_versioned_here() -> *mut c_void {
    bind_versioned()
}

/// Stops the process where it stands.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an invalid instruction; nothing after it runs.
    unsafe {
        core::arch::asm!("ud2", options(noreturn, nomem, nostack))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("brk #1", options(noreturn, nomem, nostack))
    }
}
