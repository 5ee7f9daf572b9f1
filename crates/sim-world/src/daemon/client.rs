//! One connection of the daemon: its socket, its process, and answers that wait for room.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::daemon::account::Peer;

/// A client that lets so many answers lie is dropped.
const MAX_WAITING: usize = 4096;

/// A connection as the server keeps it.
pub(super) struct Client {
    pub(super) socket: OwnedFd,
    /// Readable once the process that connected has ended, even if a fork of it keeps the socket open.
    pub(super) process: Option<OwnedFd>,
    /// Tells it from the others that had its slot.
    pub(super) serial: u32,
    waiting: VecDeque<Vec<u8>>,
}

/// How sending went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything is out.
    All,
    /// Some waits for room.
    Waiting,
    /// The client is gone, or will not read.
    Broken,
}

impl Client {
    pub(super) fn new(socket: OwnedFd, peer: Peer, serial: u32) -> Self {
        let pid = rustix::process::Pid::from_raw(peer.pid as i32);
        let flags = rustix::process::PidfdFlags::empty();
        let process = pid.and_then(|pid| rustix::process::pidfd_open(pid, flags).ok());
        Self { socket, process, serial, waiting: VecDeque::new() }
    }

    /// Sends `packet` behind what waits.
    pub(super) fn send(&mut self, packet: Vec<u8>) -> Sent {
        if self.waiting.len() >= MAX_WAITING {
            return Sent::Broken;
        }
        self.waiting.push_back(packet);
        self.flush()
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self) -> Sent {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while let Some(packet) = self.waiting.front() {
            match rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, packet, flags)) {
                Ok(_) => drop(self.waiting.pop_front()),
                Err(Errno::AGAIN) => return Sent::Waiting,
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All
    }
}

/// Who is at the other end of `socket`.
pub(super) fn peer_of(socket: &OwnedFd) -> Peer {
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd());
    // SAFETY: the kernel writes at most `length` bytes into the struct. (rustix has this call too, with
    // a pid that cannot be 0; a peer outside our pid namespace has 0.)
    let status = unsafe {
        let value = (&raw mut credentials).cast();
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, value, &raw mut length)
    };
    let own = rustix::process::getuid().as_raw();
    let known = status == 0;
    let may_change = known && (credentials.uid == 0 || credentials.uid == own);
    Peer { pid: if known { credentials.pid.max(0) as u32 } else { 0 }, may_change }
}
