//! What the runtime runs for every share that comes by CDI, before the container's first process: it
//! looks whether the shim can load in this image, and names it in the image's `/etc/ld.so.preload`.
//!
//! It runs as a program of its own (`aliquot-hook`), in the container's mount namespace before the
//! root is changed, as root of the container's user namespace. The image is hostile: nothing of it is
//! run, nothing is read through a link that leaves it, and nothing outside its own file system is
//! written. A start that it refuses ends with status 1 and the reason on stdout, which is what
//! runtimes put into the pod's status. It is linked statically, so that it runs on any node.
#![forbid(unsafe_code)]

mod elf;
mod image;
mod preload;
mod refusal;
mod root;
mod state;

use std::io;
use std::process::ExitCode;

use contract::START_UNLOADABLE;
use contract::paths::CONTAINER_SHIM;

pub use preload::merge;
pub use refusal::Refusal;
pub use root::Root;

/// What happens to a container in whose image the shim cannot load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unloadable {
    /// It does not start.
    Refuse,
    /// It starts without the shim: the agent said [`START_UNLOADABLE`].
    Start,
}

/// The hook as a program.
#[must_use]
pub fn main() -> ExitCode {
    let readied = unloadable(std::env::args().skip(1))
        .and_then(|unloadable| ready(&state::root(io::stdin().lock())?, unloadable));
    match readied {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            println!("aliquot: {refusal}");
            ExitCode::FAILURE
        }
    }
}

fn unloadable(arguments: impl Iterator<Item = String>) -> Result<Unloadable, Refusal> {
    arguments.into_iter().try_fold(Unloadable::Refuse, |_, argument| match argument.as_str() {
        START_UNLOADABLE => Ok(Unloadable::Start),
        _ => Err(Refusal::Argument(argument)),
    })
}

/// Readies the container whose root file system this is.
///
/// # Errors
/// [`Refusal`]: why the container must not start. Its `/etc/ld.so.preload` is as it was then.
pub fn ready(root: &Root, unloadable: Unloadable) -> Result<(), Refusal> {
    match image::check(root) {
        Err(why) if why.is_of_the_image() && unloadable == Unloadable::Start => return Ok(()),
        checked => checked?,
    }
    image::check_shim(root)?;
    preload::name_in(root, CONTAINER_SHIM)
}

/// Whether the shim would load in the image that has this root. Changes nothing, and does not look at the
/// shim, which is not there before a start.
///
/// # Errors
/// [`Refusal`]: why a share does not start in it.
pub fn look(root: &Root) -> Result<(), Refusal> {
    image::check(root)
}

/// Whether a container with this root holds an allotment, and if so whether the loader is told of the shim.
///
/// # Errors
/// [`Refusal`]: a file that cannot be read.
pub fn is_told(root: &Root) -> Result<Option<bool>, Refusal> {
    preload::is_told(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_flag_is_taken() {
        let ask = |words: &[&str]| unloadable(words.iter().map(ToString::to_string));
        assert_eq!(ask(&[]).unwrap(), Unloadable::Refuse);
        assert_eq!(ask(&[START_UNLOADABLE]).unwrap(), Unloadable::Start);
        let message = ask(&["--start"]).unwrap_err().to_string();
        assert!(message.contains("--start"), "{message}");
    }
}
