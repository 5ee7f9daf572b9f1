//! Why a container is not started. The sentence stands in the pod's status.

use std::io;

use contract::paths::{CONTAINER_SHIM, LD_SO_PRELOAD};

/// Why a container must not start.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The hook was called with something that it does not know.
    #[error("the hook does not know the argument {0:?}: the agent and its hook differ in version")]
    Argument(String),
    /// The runtime's words on stdin.
    #[error("the runtime did not tell the hook of the container ({0})")]
    State(String),
    /// The bundle's configuration.
    #[error("the container's config.json cannot be understood ({0})")]
    Config(String),
    /// No root file system, or the machine's own.
    #[error("the container's root file system cannot be used ({0})")]
    Root(String),
    /// A file of the image or of ours that cannot be read or written.
    #[error("cannot {verb} {path} in the container: {error}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The path in the container.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A file of the image that is none, or too large.
    #[error("{path} in the image is {what}: a share needs a plain file there, or none")]
    Odd {
        /// The path in the container.
        path: String,
        /// What it is.
        what: String,
    },
    /// A volume hides the place where the shim is named.
    #[error(
        "a volume lies over {LD_SO_PRELOAD} or its folder, where a share has to name its shim: \
         mount it elsewhere in the container"
    )]
    Covered,
    /// musl, and no glibc.
    #[error(
        "the image has musl ({0}) and no glibc, and musl loads no shim: use an image with glibc \
         2.17 or later, or ask for a whole GPU"
    )]
    Musl(String),
    /// No loader at all.
    #[error(
        "the image has no loader of glibc ({0}), so its programs load no shim: use an image with \
         glibc 2.17 or later, or ask for a whole GPU"
    )]
    NoLoader(&'static str),
    /// A loader for another processor.
    #[error(
        "the image is for another processor ({found}) than the node ({wanted}): use an image for \
         this one"
    )]
    Processor {
        /// What the image has.
        found: String,
        /// What the node is.
        wanted: &'static str,
    },
    /// A loader that reads its list elsewhere.
    #[error(
        "the image's loader {0} does not read {LD_SO_PRELOAD}, so no shim loads: use an image with \
         a plain glibc, or ask for a whole GPU"
    )]
    OtherLoader(String),
    /// The loader has no libc beside it.
    #[error("the image has a loader of glibc but no libc.so.6 where one lies usually ({0})")]
    NoLibc(String),
    /// A glibc that is too old.
    #[error(
        "the image's glibc is {0}, and the shim needs 2.17 or later: use a newer image, or ask for \
         a whole GPU"
    )]
    OldGlibc(String),
    /// The shim was not mounted.
    #[error(
        "the shim is not in the container at {CONTAINER_SHIM}: the node's agent has to be looked at"
    )]
    NoShim,
    /// It cannot be mapped.
    #[error(
        "{CONTAINER_SHIM} lies on a file system that is mounted noexec, so it cannot be loaded: the \
         agent's state folder has to lie on another"
    )]
    NoExec,
}

impl Refusal {
    /// Whether the reason is what the image is made of, which an administrator can choose to let
    /// pass.
    #[must_use]
    pub fn is_of_the_image(&self) -> bool {
        matches!(
            self,
            Self::Musl(_)
                | Self::NoLoader(_)
                | Self::Processor { .. }
                | Self::OtherLoader(_)
                | Self::NoLibc(_)
                | Self::OldGlibc(_)
        )
    }
}
