//! File systems that take nothing: making an allotment there fails and leaves nothing.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What making an allotment says on a tmpfs with these mount flags and options, mounted over
/// `folder` for that process alone. It takes root.
fn make_on(folder: &Path, flags: libc::c_ulong, options: &str) -> String {
    let target = CString::new(folder.as_os_str().as_encoded_bytes()).expect("no zeros");
    let options = CString::new(options).expect("no zeros");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-tenant"));
    command.arg(folder.join("a")).arg("make");
    let mount = move || {
        let (none, tmpfs) = (std::ptr::null(), c"tmpfs".as_ptr());
        // SAFETY: C strings that outlive the calls, and null where the call takes nothing.
        let done = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(
                    none,
                    c"/".as_ptr(),
                    none,
                    libc::MS_REC | libc::MS_PRIVATE,
                    none.cast(),
                ) == 0
                && libc::mount(tmpfs, target.as_ptr(), tmpfs, flags, options.as_ptr().cast()) == 0
        };
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec it makes three system calls and allocates nothing.
    let output = unsafe { command.pre_exec(mount) }.output();
    let output = output.expect("a mount namespace of its own: this test runs as root");
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

#[test]
fn on_a_full_file_system_nothing_is_made_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    // Room for the limits page, and for a part of the ledger.
    let said = make_on(folder.path(), 0, "size=128k");
    assert!(said.starts_with("write: No space left"), "{said}");
    assert!(said.ends_with(", 0 beside"), "{said}");
}

#[test]
fn on_a_read_only_file_system_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let said = make_on(folder.path(), libc::MS_RDONLY, "size=1m");
    assert!(said.starts_with("mkdir: Read-only file system"), "{said}");
}

#[test]
fn where_there_is_room_both_files_are_made() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(make_on(folder.path(), 0, "size=1m"), "made, 1 beside");
}
