//! The daemon's rim: accepts, reads, writes, and notices who went away.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::net::{RecvFlags, SocketFlags};
use rustix::process::{Resource, Rlimit};

use crate::daemon::client::{Client, Sent, peer_of};
use crate::daemon::state::State;
use crate::page::SLOTS;
use crate::socket;
use crate::wire::{Reply, Request, decode, encode};

/// How often the daemon looks whether its folder is still there.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// The listener's mark in the epoll set; clients' are [`Mark`]s.
const LISTENER: u64 = u64::MAX;

/// Sockets and what they belong to.
pub(super) struct Server {
    state: State,
    listener: OwnedFd,
    /// The socket's file, and its inode number: another inode means another daemon.
    path: PathBuf,
    inode: u64,
    epoll: OwnedFd,
    clients: HashMap<u32, Client>,
    free_slots: Vec<u32>,
    /// How many clients ever joined, in so many bits: the serial number of the last.
    joined: u32,
    buffer: Vec<u8>,
}

/// What an event of a client is of. A slot is free for the next client as soon as one has left, so an
/// event read before that may be handled after it: the serial number tells the two apart.
#[derive(Clone, Copy)]
struct Mark {
    serial: u32,
    slot: u32,
    of: Of,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Socket,
    Process,
}

impl Mark {
    fn data(self) -> EventData {
        let low = self.slot << 1 | u32::from(self.of == Of::Process);
        EventData::new_u64(u64::from(self.serial) << 32 | u64::from(low))
    }

    fn from_word(word: u64) -> Self {
        let (serial, low) = ((word >> 32) as u32, word as u32);
        let of = if low & 1 == 1 { Of::Process } else { Of::Socket };
        Mark { serial, slot: low >> 1, of }
    }
}

impl Server {
    pub(super) fn new(state: State, listener: OwnedFd, path: PathBuf) -> std::io::Result<Self> {
        allow_many_descriptors();
        rustix::io::ioctl_fionbio(&listener, true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let inode = inode_of(&path).unwrap_or(0);
        let free_slots = (0..SLOTS as u32).rev().collect();
        let clients = HashMap::new();
        let (joined, buffer) = (0, Vec::new());
        Ok(Self { state, listener, path, inode, epoll, clients, free_slots, joined, buffer })
    }

    pub(super) fn run(&mut self) {
        while !self.state.stopping && inode_of(&self.path) == Some(self.inode) {
            self.wait_and_handle();
        }
        self.state.end();
        if inode_of(&self.path) == Some(self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn wait_and_handle(&mut self) {
        let mut events = Vec::with_capacity(256);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        if epoll::wait(&self.epoll, buffer, Some(&TICK)).is_err() {
            return;
        }
        for Event { flags, data } in events {
            match data.u64() {
                LISTENER => self.accept(),
                word => self.handle_client(Mark::from_word(word), flags),
            }
        }
    }

    /// What a client's event asks for, unless it was of a client that has left its slot to another
    /// since the events were read.
    fn handle_client(&mut self, mark: Mark, flags: EventFlags) {
        if self.clients.get(&mark.slot).is_none_or(|client| client.serial != mark.serial) {
            return;
        }
        match mark.of {
            Of::Process => self.leave(mark.slot),
            Of::Socket => self.handle(mark.slot, flags),
        }
    }

    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match rustix::net::accept_with(&self.listener, flags) {
            Ok(socket) => self.join(socket),
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(_) => {}
        }
    }

    fn join(&mut self, socket: OwnedFd) {
        let peer = peer_of(&socket);
        self.joined = self.joined.wrapping_add(1);
        let mut client = Client::new(socket, peer, self.joined);
        let Some(slot) = self.free_slots.pop() else {
            let reason = format!("all its {SLOTS} places are taken");
            let _ = client.send(encode(&Reply::Wrong { reason }));
            return;
        };
        self.state.join(slot, peer);
        let mark = |of| Mark { serial: client.serial, slot, of }.data();
        let _ = epoll::add(&self.epoll, &client.socket, mark(Of::Socket), EventFlags::IN);
        if let Some(process) = &client.process {
            let _ = epoll::add(&self.epoll, process, mark(Of::Process), EventFlags::IN);
        }
        self.clients.insert(slot, client);
    }

    /// Closing a socket that a fork still holds would leave it in the epoll set: take it out first.
    fn leave(&mut self, slot: u32) {
        let Some(client) = self.clients.remove(&slot) else { return };
        let _ = epoll::delete(&self.epoll, &client.socket);
        if let Some(process) = &client.process {
            let _ = epoll::delete(&self.epoll, process);
        }
        let _ = rustix::net::shutdown(&client.socket, rustix::net::Shutdown::Both);
        self.state.leave(slot);
        self.free_slots.push(slot);
    }

    fn handle(&mut self, slot: u32, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) {
            let sent = self.clients.get_mut(&slot).map_or(Sent::All, Client::flush);
            self.after_sending(slot, sent);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        match self.read(slot) {
            Some(Ok(request)) => self.answer(slot, request),
            Some(Err(reason)) => self.deliver(slot, &Reply::Wrong { reason }),
            None => {}
        }
    }

    /// The next request of a client; none if there is none, or the client is gone.
    fn read(&mut self, slot: u32) -> Option<Result<Request, String>> {
        let client = self.clients.get(&slot)?;
        match socket::receive(client.socket.as_fd(), &mut self.buffer, RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN) => None,
            Ok(0) | Err(_) => {
                self.leave(slot);
                None
            }
            Ok(length) => Some(decode(&self.buffer[..length])),
        }
    }

    fn answer(&mut self, slot: u32, request: Request) {
        for (slot, reply) in self.state.answer(slot, request) {
            self.deliver(slot, &reply);
        }
    }

    fn deliver(&mut self, slot: u32, reply: &Reply) {
        let sent = self.clients.get_mut(&slot).map_or(Sent::All, |c| c.send(encode(reply)));
        self.after_sending(slot, sent);
    }

    /// Asks to be told of room while something waits for it.
    fn after_sending(&mut self, slot: u32, sent: Sent) {
        let flags = match sent {
            Sent::Broken => return self.leave(slot),
            Sent::Waiting => EventFlags::IN | EventFlags::OUT,
            Sent::All => EventFlags::IN,
        };
        if let Some(client) = self.clients.get(&slot) {
            let mark = Mark { serial: client.serial, slot, of: Of::Socket };
            let _ = epoll::modify(&self.epoll, &client.socket, mark.data(), flags);
        }
    }
}

fn inode_of(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|metadata| metadata.ino())
}

/// Two descriptors per client.
fn allow_many_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}
