//! A root file system for one test: a fetched one, seen read-only through binds, with folders of its
//! own above. It exists in a mount namespace of the test's thread and goes away with it.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::programs::Program;

/// Where the shim lies in every root.
pub(crate) const SHIM: &str = contract::paths::CONTAINER_SHIM;

/// A place under target/ of the repository.
pub(crate) fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path)
}

/// A fetched part, or a failure that says how to get it.
pub(crate) fn fetched(part: &str) -> PathBuf {
    let folder = target("fetch").join(part);
    assert!(folder.exists(), "target/fetch/{part} is absent: run `cargo xtask fetch {part}`");
    folder
}

/// A built file, or a failure that says how to build it.
pub(crate) fn built(file: &str) -> PathBuf {
    let path = target("dist").join(file);
    assert!(path.exists(), "target/dist/{file} is absent: run `cargo xtask dist`");
    path
}

/// A mounted root file system.
pub(crate) struct Root {
    folder: PathBuf,
}

impl Root {
    /// One of the fetched systems, with the shim in its place but in no preload.
    pub(crate) fn of(part: &str) -> Root {
        let root = Root::empty();
        let from = fetched(part);
        for name in ["usr", "bin", "lib", "lib64", "sbin"] {
            root.bring(&from.join(name), name);
        }
        root
    }

    /// A root with the shim and nothing else.
    pub(crate) fn empty() -> Root {
        own_namespace();
        let folder = tempfile::tempdir().expect("a folder can be made").keep();
        mount("tmpfs", &folder, Some("tmpfs"), 0);
        let root = Root { folder };
        for name in ["etc", "dev", "proc", "tmp", "run", "opt/aliquot", "t"] {
            fs::create_dir_all(root.path(name)).expect("a tmpfs can be written");
        }
        root.bind(Path::new("/proc"), "proc", libc::MS_REC);
        fs::write(root.path("dev/null"), "").expect("a tmpfs can be written");
        root.bind(Path::new("/dev/null"), "dev/null", 0);
        root.copy(&built("x86_64/libaliquot.so"), SHIM);
        root
    }

    /// The host's path of a path in here.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside.trim_start_matches('/'))
    }

    /// Copies a file into the root, its folder made where absent.
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("it is ours");
        let from = from.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", from.display()));
        fs::copy(&from, &to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }

    /// Writes a file.
    pub(crate) fn write(&self, to: &str, text: &str) {
        fs::write(self.path(to), text).expect("a tmpfs can be written");
    }

    /// Compiles a program or library into `/t`, and says its path in here.
    pub(crate) fn add(&self, program: &Program, name: &str) -> String {
        let inside = format!("/t/{name}");
        program.compile(&self.path(&inside));
        inside
    }

    /// Sets a file's mode and owner.
    pub(crate) fn own(&self, inside: &str, uid: u32, mode: u32) {
        let path = self.path(inside);
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).expect("these tests run as root");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    /// Mounts a tmpfs of its own here, with these flags.
    pub(crate) fn tmpfs(&self, inside: &str, flags: libc::c_ulong) {
        fs::create_dir_all(self.path(inside)).expect("a tmpfs can be written");
        mount("tmpfs", &self.path(inside), Some("tmpfs"), flags);
    }

    /// Changes the flags of a mount in here.
    pub(crate) fn remount(&self, inside: &str, flags: libc::c_ulong) {
        mount("none", &self.path(inside), None, libc::MS_REMOUNT | libc::MS_BIND | flags);
    }

    /// Shows a folder of the host in here, read-only; a link stays a link.
    fn bring(&self, from: &Path, name: &str) {
        let Ok(about) = from.symlink_metadata() else { return };
        if about.is_symlink() {
            let points_to = fs::read_link(from).expect("it is a link");
            symlink(points_to, self.path(name)).expect("a tmpfs can be written");
        } else {
            fs::create_dir(self.path(name)).expect("a tmpfs can be written");
            self.bind(from, name, 0);
            self.remount(name, libc::MS_RDONLY);
        }
    }

    fn bind(&self, from: &Path, name: &str, more: libc::c_ulong) {
        let from = from.to_str().expect("our paths are text");
        mount(from, &self.path(name), None, libc::MS_BIND | more);
    }
}

impl Drop for Root {
    /// The mounts end with the thread; the folder under them must go by itself, and only if it is
    /// empty: what is bound in here must never be deleted through it.
    fn drop(&mut self) {
        let path = text(&self.folder);
        // SAFETY: a C string; detaching what this thread mounted harms nobody.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A mount namespace for the calling thread, from which nothing spreads.
fn own_namespace() {
    // SAFETY: takes no pointer; only this thread's view of mounts changes.
    let left = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    let error = std::io::Error::last_os_error();
    assert_eq!(left, 0, "no mount namespace of our own ({error}): run these tests as root");
    mount("none", Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE);
}

fn mount(what: &str, at: &Path, kind: Option<&str>, flags: libc::c_ulong) {
    let (what, kind) = (text(Path::new(what)), kind.map(|kind| text(Path::new(kind))));
    let at = text(at);
    let kind = kind.as_ref().map_or(std::ptr::null(), |kind| kind.as_ptr());
    // SAFETY: three C strings that outlive the call, and no data.
    let done = unsafe { libc::mount(what.as_ptr(), at.as_ptr(), kind, flags, std::ptr::null()) };
    let error = std::io::Error::last_os_error();
    assert_eq!(done, 0, "cannot mount {what:?} at {at:?}: {error}");
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path has no zero byte")
}
