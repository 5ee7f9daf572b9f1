//! What the runtime says of a container: its state on stdin, its configuration in its bundle.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::refusal::Refusal;
use super::root::Root;

/// More of either is not read.
const STATE_LIMIT: u64 = 1 << 20;
const CONFIG_LIMIT: u64 = 16 << 20;

/// The state that the OCI runtime specification has a hook read; the rest of it is not ours.
#[derive(Deserialize)]
struct State {
    bundle: PathBuf,
}

#[derive(Deserialize)]
struct Config {
    root: ConfigRoot,
}

#[derive(Deserialize)]
struct ConfigRoot {
    path: PathBuf,
}

/// The root file system of the container that `state` is about.
///
/// A bundle may be closed to root of a user namespace; then the working folder counts, which runtimes
/// make the root for this kind of hook.
pub(super) fn root(state: impl Read) -> Result<Root, Refusal> {
    let text = read(state, STATE_LIMIT).map_err(Refusal::State)?;
    let state: State = serde_json::from_slice(&text).map_err(|why| state_error(&why))?;
    match File::open(state.bundle.join("config.json")) {
        Ok(file) => {
            let text = read(file, CONFIG_LIMIT).map_err(Refusal::Config)?;
            Root::open(&root_path(&state.bundle, &text)?)
        }
        Err(_) => Root::open(Path::new(".")),
    }
}

fn state_error(why: &serde_json::Error) -> Refusal {
    Refusal::State(why.to_string())
}

/// Where `config.json` says that the root is.
fn root_path(bundle: &Path, config: &[u8]) -> Result<PathBuf, Refusal> {
    let config: Config =
        serde_json::from_slice(config).map_err(|why| Refusal::Config(why.to_string()))?;
    // An absolute path replaces the bundle's.
    Ok(bundle.join(config.root.path))
}

fn read(from: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    from.take(limit + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_root_is_beside_the_configuration_or_where_it_says() {
        let table =
            [("rootfs", "/run/b/rootfs"), ("/images/a", "/images/a"), ("../r", "/run/b/../r")];
        for (path, expected) in table {
            let config =
                format!(r#"{{"ociVersion":"1.0.2","root":{{"path":"{path}","readonly":true}}}}"#);
            let found = root_path(Path::new("/run/b"), config.as_bytes()).unwrap();
            assert_eq!(found, Path::new(expected));
        }
    }

    #[test]
    fn words_that_say_nothing_are_refused_with_what_was_missing() {
        for (text, word) in
            [("", "EOF"), ("{}", "bundle"), ("[1]", "path"), (r#"{"bundle":1}"#, "path")]
        {
            let message = root(text.as_bytes()).err().unwrap().to_string();
            assert!(message.contains(word) && message.contains("runtime"), "{text}: {message}");
        }
        let message = root_path(Path::new("/b"), b"{}").unwrap_err().to_string();
        assert!(message.contains("root"), "{message}");
    }

    #[test]
    fn endless_words_are_not_read_to_their_end() {
        let message = root(std::io::repeat(b' ')).err().unwrap().to_string();
        assert!(message.contains("more than"), "{message}");
    }

    #[test]
    fn the_machines_own_root_is_never_taken_for_a_containers() {
        let bundle = tempfile::tempdir().unwrap();
        std::fs::write(bundle.path().join("config.json"), r#"{"root":{"path":"/"}}"#).unwrap();
        let state = format!(r#"{{"bundle":"{}"}}"#, bundle.path().display());
        let message = root(state.as_bytes()).err().unwrap().to_string();
        assert!(message.contains("machine's own"), "{message}");
    }

    proptest! {
        #[test]
        fn whatever_the_configuration_says_is_read_or_refused(text in "(?s)\\PC{0,64}|\\{\"root\":.{0,40}\\}") {
            let _ = root_path(Path::new("/b"), text.as_bytes());
        }

        #[test]
        fn whatever_bytes_come_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = root_path(Path::new("/b"), &bytes);
            prop_assert!(root(&bytes[..]).is_err());
        }
    }
}
