//! Unix sockets with tonic on both ends.

use std::error::Error;
use std::fs;
use std::io;
use std::iter::successors;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint};

/// Binds `path` for [`tonic::transport::Server::serve_with_incoming`].
///
/// # Errors
/// As bind(2): the folder is missing, the name is taken, or the path is longer than 107 bytes.
pub fn bind(path: &Path) -> io::Result<UnixListenerStream> {
    UnixListener::bind(path).map(UnixListenerStream::new)
}

/// Nobody answers on a socket.
#[derive(Debug, thiserror::Error)]
#[error("nobody answers on {path}: {why}")]
pub struct DialError {
    path: PathBuf,
    why: String,
}

/// Connects to the server behind `path`.
///
/// # Errors
/// [`DialError`] with the reason at the bottom, which is connect(2)'s.
pub async fn dial(path: &Path) -> Result<Channel, DialError> {
    let failed = |error: tonic::transport::Error| {
        let bottom = successors(error.source(), |&error| error.source()).last();
        let why = bottom.map_or_else(|| error.to_string(), ToString::to_string);
        DialError { path: path.to_owned(), why }
    };
    let endpoint = Endpoint::try_from(format!("unix://{}", path.display())).map_err(failed)?;
    endpoint.connect().await.map_err(failed)
}

/// Removes the sockets in `folder` whose names begin with `prefix` and behind which nobody
/// listens: what a process left that was killed. A socket that still answers stays.
///
/// # Errors
/// As read_dir and unlink; a folder that does not exist holds nothing to remove.
pub fn sweep(folder: &Path, prefix: &str) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && entry.file_type()?.is_socket() && UnixStream::connect(entry.path()).is_err() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sweep_removes_dead_sockets_of_ours_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let alive = bind(&at("aliquot-alive.sock")).unwrap();
        drop(bind(&at("aliquot-dead.sock")).unwrap());
        drop(bind(&at("other.sock")).unwrap());
        fs::write(at("aliquot-file"), "").unwrap();
        sweep(folder.path(), "aliquot-").unwrap();
        let left = ["aliquot-alive.sock", "aliquot-dead.sock", "other.sock", "aliquot-file"];
        assert_eq!(left.map(|name| at(name).exists()), [true, false, true, true]);
        drop(alive);
    }

    #[tokio::test]
    async fn a_dial_that_fails_names_the_socket_and_the_reason() {
        let error = dial(Path::new("/nonexistent/a.sock")).await.unwrap_err().to_string();
        assert!(
            error.starts_with("nobody answers on /nonexistent/a.sock: No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_does_not_exist_is_clean() {
        sweep(Path::new("/nonexistent/folder"), "aliquot-").unwrap();
    }
}
