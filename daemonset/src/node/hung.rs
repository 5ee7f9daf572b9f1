//! Files that do not answer, for tests: nothing that the kubelet waits for may wait for one.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// Far longer than anything takes that is not waited for in vain.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A file that gives nothing to whoever opens it, until that is let go.
pub(super) fn silent(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Lets whoever reads it now go.
pub(super) fn let_go(path: &Path) {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    // Nobody reads where nothing was opened.
    let _ = OpenOptions::new().write(true).custom_flags(flags).open(path);
}

/// Whether `work` ends by itself. Where it does not, `let_go` is called until it does.
pub(super) fn is_done(work: impl FnOnce() + Send + 'static, let_go: impl Fn()) -> bool {
    let (told, done) = mpsc::channel();
    // Who hangs cannot say so.
    let thread = thread::spawn(move || {
        work();
        told.send(()).unwrap();
    });
    let is_done = done.recv_timeout(LONG).is_ok();
    while !thread.is_finished() {
        let_go();
        thread::sleep(Duration::from_millis(2));
    }
    thread.join().unwrap();
    is_done
}
