//! What can go wrong. Codes stay numbers: no library's list of them is ever complete.

/// A call that did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The library is not there, or cannot be loaded.
    #[error("cannot open {name}: {reason}")]
    Open {
        /// The path or soname that was asked for.
        name: String,
        /// What the loader said.
        reason: String,
    },
    /// The library has no such function: it is older than the function.
    #[error("{call} is not in this library")]
    Missing {
        /// The exported name.
        call: &'static str,
    },
    /// The function answered with a code.
    #[error("{call} answered {code}")]
    Status {
        /// The exported name.
        call: &'static str,
        /// The code, in the numbering of the library that the call belongs to.
        code: u32,
    },
}

impl Error {
    /// The library's code, where it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Status { code, .. } => Some(*code),
            Self::Open { .. } | Self::Missing { .. } => None,
        }
    }
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A status word as a result: 0 is success in all three libraries.
pub(crate) fn check(call: &'static str, code: u32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Error::Status { call, code }),
    }
}
