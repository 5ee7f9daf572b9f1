//! The test's side of `world-client`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running client; ends when dropped.
pub(crate) struct Client {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Client {
    pub(crate) fn start(root: &Path, orders: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_world-client")), root, orders)
    }

    /// In a pid namespace of its own, where it is process 1; needs root.
    #[allow(dead_code)]
    pub(crate) fn start_in_pid_namespace(root: &Path, orders: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_world-client")]);
        Self::spawn(command, root, orders)
    }

    fn spawn(mut command: Command, root: &Path, orders: &[&str]) -> Self {
        command.arg(root).args(orders).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// One more order.
    #[allow(dead_code)]
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Whether it waits for a packet.
    #[allow(dead_code)]
    pub(crate) fn is_receiving(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.pid())).unwrap();
        call.split(' ').next() == Some(libc::SYS_recvfrom.to_string().as_str())
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and the wait for it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
