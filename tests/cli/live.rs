//! `aliquot top` in a terminal: a real one, of which the test holds the other end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::neighbours::Run;
use crate::{World, aliquot};

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(60);
/// What `top` writes to have the screen for itself, and to give it back.
const SCREEN: [&str; 2] = ["\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"];
/// In front of each picture.
const CLEAR: &str = "\x1b[H\x1b[J";

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(command: &mut std::process::Command) -> Self {
        let (mut near, mut far) = (-1, -1);
        // SAFETY: two places for descriptors; a terminal needs no name and no settings here.
        let made = unsafe {
            libc::openpty(
                &raw mut near,
                &raw mut far,
                std::ptr::null_mut(),
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        assert_eq!(made, 0, "no terminal can be made");
        // SAFETY: both were made just above and belong to nobody else.
        let (near, far) = unsafe { (File::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
        let terminal = far.as_raw_fd();
        let end = || Stdio::from(far.try_clone().expect("it can be doubled"));
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: two system calls with a descriptor that is open until the program runs.
        unsafe {
            command.pre_exec(move || {
                let its = libc::setsid() != -1 && libc::ioctl(terminal, libc::TIOCSCTTY, 0) == 0;
                if its { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
        let child = command.spawn().expect("it starts");
        let shown = Arc::<Mutex<String>>::default();
        let (into, mut from) = (shown.clone(), near.try_clone().expect("it can be doubled"));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keys: near, shown }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits for a picture that `is_it`.
    fn until(&self, what: &str, is_it: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !self.shown().split(CLEAR).skip(1).any(&is_it) {
            assert!(began.elapsed() < LONG, "it never showed {what}: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_who_comes_and_goes_until_ctrl_c_and_leaves_the_screen_as_it_was() {
    let (world, runs) = (World::new("v100-32gb:1"), tempfile::tempdir().unwrap());
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    let mut top = aliquot(&["top", "--every", "0.2", "--state-dir", folder, "--pages-dir", folder]);
    let mut terminal = Terminal::start(top.env("ALIQUOT_RUN_DIR", runs.path()));
    terminal.until("that nobody is there", |picture| picture.contains("nobody has a share"));
    let run = Run::start(&world, runs.path(), "0.3", &["cat"]);
    let is_there = |picture: &str| picture.contains("30%") && picture.contains("fair");
    terminal.until("the share and its policy", is_there);
    drop(run);
    let before = terminal.shown().len();
    let gone = |terminal: &Terminal| {
        let later = terminal.shown()[before..].to_owned();
        later.split(CLEAR).last().is_some_and(|picture| picture.contains("nobody has a share"))
    };
    let began = Instant::now();
    while !gone(&terminal) {
        assert!(began.elapsed() < LONG, "it never went: {:?}", terminal.shown());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ctrl-C, as the keyboard gives it.
    terminal.keys.write_all(b"\x03").unwrap();
    let status = terminal.child.wait().unwrap();
    assert!(status.success(), "{status}: {:?}", terminal.shown());
    assert!(terminal.shown().starts_with(SCREEN[0]), "{:?}", terminal.shown());
    let began = Instant::now();
    while !terminal.shown().ends_with(SCREEN[1]) {
        assert!(began.elapsed() < LONG, "the screen stays as it is: {:?}", terminal.shown());
        std::thread::sleep(Duration::from_millis(20));
    }
}
