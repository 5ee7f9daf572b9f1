//! Each gate meets a library that is broken in one way, made by the machine's own C compiler, and
//! the sound one that it was broken from.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Fault, faults};

/// A library as a shim should be: two exports, one import that every glibc has.
const SOUND: &str = r#"
    long write(int, const void *, unsigned long);
    int cuInit(unsigned flags) { return write(2, "", flags) < 0; }
    void *dlsym(void *handle, const char *name) { return handle; }
"#;

const FLAGS: &[&str] = &[
    "-shared",
    "-fPIC",
    "-O1",
    "-fexceptions",
    "-nostartfiles",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-w",
    "-Wl,-soname,libaliquot.so",
    "-Wl,-Bsymbolic-functions",
    "-Wl,-z,now",
    "-Wl,-z,relro",
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=65536",
    "-Wl,-z,common-page-size=65536",
];

/// Compiles the sound library with something more in it, or with other flags.
fn build(more: &str, flags: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    std::fs::write(&source, format!("{SOUND}\n{more}\n")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(FLAGS).arg("-o").arg(&library).arg(&source).args(flags);
    let output = cc.output().expect("cc, which Rust needs too, can be started");
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&library).unwrap()
}

fn table(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What the gates say of it; the table has the sound library's two exports.
fn judge(more: &str, flags: &[&str]) -> Vec<Fault> {
    faults(&build(more, flags), &table(&["cuInit", "dlsym"])).unwrap()
}

#[track_caller]
fn assert_found(found: &[Fault], what: impl Fn(&Fault) -> bool) {
    assert!(found.iter().any(what), "the gates found only {found:?}");
}

#[test]
fn a_sound_library_passes() {
    assert_eq!(judge("", &[]), []);
}

#[test]
fn an_export_outside_the_table_is_refused() {
    let found = judge("int cuStray(void) { return 0; }", &[]);
    assert_eq!(found, [Fault::Stray("cuStray".to_owned())]);
}

#[test]
fn a_hook_that_was_not_built_is_refused() {
    let found = faults(&build("", &[]), &table(&["cuInit", "cuMemAlloc_v2", "dlsym"])).unwrap();
    assert_eq!(found, [Fault::Missing("cuMemAlloc_v2".to_owned())]);
}

#[test]
fn an_export_that_is_data_is_refused() {
    let bytes = build("int cuData = 1;", &[]);
    let found = faults(&bytes, &table(&["cuData", "cuInit", "dlsym"])).unwrap();
    assert_eq!(found, [Fault::NoFunction("cuData".to_owned())]);
}

#[test]
fn another_name_is_refused() {
    let found = judge("", &["-Wl,-soname,libother.so"]);
    assert_eq!(found, [Fault::Soname("libother.so".to_owned())]);
}

#[test]
fn a_library_besides_libc_is_refused() {
    let found = judge("", &["-Wl,--no-as-needed", "-lm"]);
    assert_eq!(found, [Fault::Needed("libm.so.6".to_owned())]);
}

#[test]
fn a_symbol_newer_than_glibc_2_17_is_refused() {
    let found = judge(
        "long getrandom(void *, unsigned long, unsigned);
         __attribute__((visibility(\"hidden\"))) int use(void) { return getrandom(0, 0, 0); }",
        &[],
    );
    assert_found(&found, |fault| matches!(fault, Fault::TooNew(name, _) if name == "getrandom"));
}

#[test]
fn a_symbol_that_nobody_gives_is_refused() {
    let found = judge(
        "int nobody(void); __attribute__((visibility(\"hidden\"))) int use(void) { return nobody(); }",
        &[],
    );
    assert_eq!(found, [Fault::Unversioned("nobody".to_owned())]);
}

#[test]
fn a_call_of_malloc_is_refused() {
    let found = judge(
        "void *malloc(unsigned long);
         __attribute__((visibility(\"hidden\"))) void *use(void) { return malloc(8); }",
        &[],
    );
    assert_found(&found, |fault| matches!(fault, Fault::Forbidden(name, _) if name == "malloc"));
}

#[test]
fn a_constructor_is_refused() {
    let found =
        judge("__attribute__((constructor)) static void start(void) { write(2, \"\", 0); }", &[]);
    assert_found(&found, |fault| *fault == Fault::RunsAtLoad("DT_INIT_ARRAY".to_owned()));
}

#[test]
fn an_init_function_is_refused() {
    let found = judge("", &["-Wl,-init,cuInit"]);
    assert_eq!(found, [Fault::RunsAtLoad("DT_INIT".to_owned())]);
}

#[test]
fn a_thread_local_is_refused() {
    let found = judge(
        "static __thread int depth;
         __attribute__((visibility(\"hidden\"))) int *use(void) { return &depth; }",
        &[],
    );
    assert_found(&found, |fault| *fault == Fault::ThreadLocals);
    assert_found(
        &found,
        |fault| matches!(fault, Fault::Forbidden(name, _) if name == "__tls_get_addr"),
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_stack_guard_is_refused() {
    let found = judge(
        "__attribute__((visibility(\"hidden\"))) int use(int n)
         { char text[64]; write(1, text, n); return text[n]; }",
        &["-fstack-protector-all"],
    );
    assert_found(&found, |fault| matches!(fault, Fault::ThreadPointer(_)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_system_call_of_its_own_is_refused() {
    let found = judge(
        "__attribute__((visibility(\"hidden\"))) void use(void) { __asm__(\"syscall\"); }",
        &[],
    );
    assert_found(&found, |fault| matches!(fault, Fault::SystemCall(_)));
}

#[test]
fn on_aarch64_a_thread_local_and_a_system_call_are_recognised() {
    // The two words stand in an x86_64 library that says it is for ARM.
    let mut bytes = build("__asm__(\".text; .p2align 4; .long 0xd53bd048, 0xd4000001\");", &[]);
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let found = faults(&bytes, &table(&["cuInit", "dlsym"])).unwrap();
    assert_found(&found, |fault| matches!(fault, Fault::ThreadPointer(_)));
    assert_found(&found, |fault| matches!(fault, Fault::SystemCall(_)));
}

#[test]
fn pages_of_4_kib_are_refused() {
    let found = judge("", &["-Wl,-z,max-page-size=4096", "-Wl,-z,common-page-size=4096"]);
    assert_found(&found, |fault| matches!(fault, Fault::Alignment { align: 4096, .. }));
}

#[test]
fn memory_that_is_writable_and_executable_is_refused() {
    let found = judge("__asm__(\".section .wx, \\\"awx\\\"; .byte 0x90; .text\");", &[]);
    assert_found(&found, |fault| matches!(fault, Fault::WritableCode(_)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_text_relocation_is_refused() {
    let found = judge("__asm__(\".text; .quad write\");", &["-Wl,-z,notext"]);
    assert_found(&found, |fault| *fault == Fault::TextRelocations);
}

#[test]
fn an_executable_stack_is_refused() {
    let found = judge("", &["-Wl,-z,execstack"]);
    assert_eq!(found, [Fault::ExecutableStack]);
}

#[test]
fn lazy_binding_is_refused() {
    let found = judge("", &["-Wl,-z,lazy"]);
    assert_eq!(found, [Fault::LazyBinding]);
}

#[test]
fn a_library_that_the_loader_searches_first_for_itself_is_refused() {
    let found = judge("", &["-Wl,-Bsymbolic"]);
    assert_eq!(found, [Fault::Symbolic]);
}

#[test]
fn an_own_export_reached_through_the_loader_is_refused() {
    let more = "int cuUse(void) { return cuInit(0); }";
    let bytes = build(more, &["-Wl,-Bno-symbolic", "-fno-inline", "-fsemantic-interposition"]);
    let found = faults(&bytes, &table(&["cuInit", "cuUse", "dlsym"])).unwrap();
    assert_found(&found, |fault| *fault == Fault::OwnNameByLookup("cuInit".to_owned()));
}

#[test]
fn a_value_with_a_destructor_across_a_call_is_refused() {
    let more = "int __gcc_personality_v0(void) { return 8; }
        static void drop(int *value) { write(2, value, 1); }
        int cuUse(int (*driver)(void)) { __attribute__((cleanup(drop))) int v = 0; return driver(); }";
    let names = table(&["cuInit", "cuUse", "dlsym", "__gcc_personality_v0"]);
    let found = faults(&build(more, &[]), &names).unwrap();
    assert_found(&found, |fault| *fault == Fault::LandingPad("cuUse".to_owned()));
    assert_found(&found, |fault| *fault == Fault::Needed("libgcc_s.so.1".to_owned()));
}

#[test]
fn a_hook_without_unwind_information_is_refused() {
    let found = judge("", &["-fno-exceptions", "-fno-asynchronous-unwind-tables"]);
    assert_eq!(found, [Fault::NoFrame("cuInit".to_owned())]);
}

#[test]
fn much_writable_memory_is_refused() {
    let found = judge(
        "static char pages[1 << 20];
         __attribute__((visibility(\"hidden\"))) char *use(int n) { return pages + n; }",
        &[],
    );
    assert_found(&found, |fault| matches!(fault, Fault::WritableSize { .. }));
}

#[test]
fn a_file_that_is_no_library_is_an_error_and_no_panic() {
    assert!(faults(b"#!/bin/sh\n", &table(&[])).is_err());
    let sound = build("", &[]);
    for length in (0..sound.len()).step_by(97) {
        let _ = faults(&sound[..length], &table(&[]));
    }
}
