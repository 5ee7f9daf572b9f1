//! One connection to the daemon: packets with a time-out, on a descriptor that stays out of the
//! program's way.
//!
//! rustix makes the system calls directly: none of them is a cancellation point, so a
//! `pthread_cancel` never unwinds through this crate.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::Timeout;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::wire::MAX_PACKET;

/// Descriptors are moved to this number and above, where no program expects its own.
const HIGH: i32 = 512;

/// An unconnected socket of the protocol's kind.
pub(crate) fn new_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(moved_high(socket))
}

/// `fd` under a high number, or as it is where the limit on descriptors is too low.
fn moved_high(fd: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&fd, HIGH).unwrap_or(fd)
}

/// Runs `use_address` with an address for `path`, which may be longer than a socket's name can be.
pub(crate) fn with_address<T>(
    path: &Path,
    use_address: impl Fn(&SocketAddrUnix) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    if let Ok(address) = SocketAddrUnix::new(path) {
        return use_address(&address);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::NAMETOOLONG);
    };
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
    use_address(&SocketAddrUnix::new(Path::new(&short).join(name))?)
}

/// Connects to the daemon's socket at `path`; receiving on it fails with EAGAIN after `patience`.
pub(crate) fn connect(path: &Path, patience: Duration) -> rustix::io::Result<OwnedFd> {
    let socket = new_socket()?;
    rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(patience))?;
    with_address(path, |address| {
        rustix::io::retry_on_intr(|| rustix::net::connect(&socket, address))
    })?;
    Ok(socket)
}

/// Sends one packet.
pub(crate) fn send(socket: impl AsFd, packet: &[u8]) -> rustix::io::Result<()> {
    let flags = SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| rustix::net::send(&socket, packet, flags)).map(drop)
}

/// Receives one packet into `buffer` and says how long it is; 0 when the other side is gone.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
    flags: RecvFlags,
) -> rustix::io::Result<usize> {
    buffer.resize(MAX_PACKET, 0);
    let received =
        rustix::io::retry_on_intr(|| rustix::net::recv(&socket, buffer.as_mut_slice(), flags));
    received.map(|(_, length)| length.min(MAX_PACKET))
}

/// Waits until a packet or the end is there to be received; false when `patience` ran out first.
pub(crate) fn wait_readable(
    socket: impl AsFd,
    patience: Option<Duration>,
) -> rustix::io::Result<bool> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut polled = [PollFd::new(&socket, PollFlags::IN)];
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
