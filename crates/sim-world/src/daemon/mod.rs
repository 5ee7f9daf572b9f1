//! The world's daemon: keeps memory, processes, events and health of a world's cards.
//!
//! One thread, one epoll set. It ends when told, and when its folder or socket is gone, so that a
//! deleted world leaves no process behind. It trusts no client to be well: what a process held is free
//! again when its connection closes or its process ends, whichever comes first.

mod account;
mod change;
mod client;
mod divide;
mod report;
mod server;
mod shared;
mod state;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::{FlockOperation, Mode, chmod, flock};

use crate::locate;
use crate::map::CardMap;
use crate::socket;
use crate::spec::{Spec, SpecError};
use server::Server;
use state::State;

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The folder holds no world of this version.
    #[error("{0}")]
    Spec(String),
    /// Another daemon serves the folder.
    #[error("the world in {} runs already", dir.display())]
    Running {
        /// The folder.
        dir: PathBuf,
    },
    /// A file could not be made.
    #[error("cannot make {}: {reason}", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// A daemon that has everything in place, and has not begun to answer.
pub struct Daemon {
    server: Server,
    /// Locked for as long as the daemon lives.
    _lock: File,
}

impl Daemon {
    /// Makes nodes and socket of the world in `dir`, replacing those of a daemon that died.
    ///
    /// # Errors
    /// [`DaemonError`], one line each.
    pub fn prepare(dir: &Path) -> Result<Self, DaemonError> {
        let spec = Spec::read(dir).map_err(|e: SpecError| DaemonError::Spec(e.to_string()))?;
        let lock = lock(dir)?;
        let infos = spec.describe().map_err(|e| DaemonError::Spec(e.to_string()))?;
        let started = crate::page::now_ns().to_le_bytes();
        let world = spec.number(&[b"world", &started, &std::process::id().to_le_bytes()]);
        let mut cards = Vec::new();
        for info in infos {
            let undivided = crate::mig::Mig::default();
            divide::show(dir, info.minor, &undivided).map_err(make(dir))?;
            let path = locate::node(dir, info.minor);
            let _ = std::fs::remove_file(&path);
            let page = CardMap::create(&path, world, info.id).map_err(make(&path))?;
            let compute = &info.profile.compute;
            page.slice_ns.store(u64::from(compute.slice_us) * 1_000, Relaxed);
            page.switch_ns.store(u64::from(compute.switch_us) * 1_000, Relaxed);
            cards.push((info, page));
        }
        let (socket, path) = (listen(dir)?, dir.join(locate::SOCKET));
        let server = Server::new(State::new(dir, world, spec, cards), socket, path.clone());
        Ok(Self { server: server.map_err(make(&path))?, _lock: lock })
    }

    /// Answers until told to stop, or until the folder is gone.
    pub fn serve(mut self) {
        self.server.run();
    }
}

fn lock(dir: &Path) -> Result<File, DaemonError> {
    let path = Spec::file(dir);
    let file = File::open(&path).map_err(make(&path))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| DaemonError::Running { dir: dir.to_owned() })?;
    Ok(file)
}

fn listen(dir: &Path) -> Result<std::os::fd::OwnedFd, DaemonError> {
    let path = dir.join(locate::SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener = || {
        let listener = socket::new_socket()?;
        socket::with_address(&path, |address| rustix::net::bind(&listener, address))?;
        chmod(&path, Mode::from_raw_mode(0o666))?;
        rustix::net::listen(&listener, 4096)?;
        Ok(listener)
    };
    listener().map_err(|error: rustix::io::Errno| make(&path)(error.into()))
}

fn make(path: &Path) -> impl Fn(std::io::Error) -> DaemonError {
    let path = path.to_owned();
    move |error| DaemonError::Make { path: path.clone(), reason: error.to_string() }
}
