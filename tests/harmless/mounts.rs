//! Ways in which a container keeps the loader from what is preloaded, and programs that the kernel
//! starts with more rights than their user has.

use crate::programs::Program;
use crate::root::{Root, SHIM, built};
use crate::run::{Outcome, Run};

/// The program ran as it would alone, except that the loader said one line.
#[track_caller]
fn assert_ignored(alone: &Outcome, with: &Outcome) {
    assert_eq!((with.status, &with.stdout), (alone.status, &alone.stdout), "{with:?}");
    let said = with.stderr.strip_suffix(&alone.stderr).expect("the program's own words are there");
    assert!(said.starts_with("ERROR: ld.so: object '"), "{said}");
    assert!(said.trim_end().ends_with("ignored."), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn on_a_noexec_mount_the_shim_is_left_out_and_the_program_runs() {
    let root = Root::of("debian-12");
    root.tmpfs("opt/noexec", libc::MS_NOEXEC);
    root.copy(&built("x86_64/libaliquot.so"), "opt/noexec/libaliquot.so");
    let run = Run::new(&["/bin/dash", "-c", "echo out; echo err >&2; exit 4"]);
    assert_ignored(&run.alone(&root), &run.preloading(&root, "/opt/noexec/libaliquot.so"));
}

#[test]
fn a_shim_for_another_processor_is_left_out_and_the_program_runs() {
    let root = Root::of("debian-12");
    root.copy(&built("aarch64/libaliquot.so"), "opt/aliquot/other.so");
    let run = Run::new(&["/bin/dash", "-c", "echo out; echo err >&2; exit 4"]);
    assert_ignored(&run.alone(&root), &run.preloading(&root, "/opt/aliquot/other.so"));
}

#[test]
fn a_shim_that_is_not_there_is_left_out_and_the_program_runs() {
    let root = Root::of("debian-12");
    let run = Run::new(&["/bin/dash", "-c", "echo out; echo err >&2; exit 4"]);
    assert_ignored(&run.alone(&root), &run.preloading(&root, "/opt/aliquot/absent.so"));
}

#[test]
fn a_setuid_program_keeps_its_rights_with_the_shim_in_it() {
    for part in ["debian-11", "debian-13"] {
        let root = Root::of(part);
        let who = root.add(&Program::new("who"), "who");
        root.own(&who, 0, 0o4755);
        let outcome = Run::new(&[&who]).user(1000).same(&root);
        assert_eq!(outcome.stdout, "uid 1000 euid 0 gid 1000 egid 1000 secure 1\n");
        let loaded = root.add(&Program::new("loaded"), "loaded");
        root.own(&loaded, 0, 0o4755);
        assert_eq!(Run::new(&[&loaded]).user(1000).shimmed(&root).stdout, "with the shim\n");
    }
}

#[test]
fn a_user_who_may_not_read_the_shim_runs_as_before() {
    let root = Root::of("debian-12");
    root.own(SHIM, 0, 0o600);
    let run = Run::new(&["/bin/dash", "-c", "echo out; exit 4"]).user(1000);
    assert_ignored(&run.alone(&root), &run.shimmed(&root));
}
