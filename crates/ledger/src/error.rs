//! Why a page is not believed, and why a charge is refused.
//!
//! Small and `Copy`: the shim makes these inside somebody else's process, without a heap, and prints
//! [`PageError::reason`] without `core::fmt`.

use core::fmt;

/// A page that is not to be believed, or could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageError {
    /// A system call failed: which one, and `errno`.
    Io(&'static str, i32),
    /// The path does not fit the shim's buffer (255 bytes).
    LongPath,
    /// Not a regular file.
    NotRegular,
    /// Somebody who is not believed owns it or may write it.
    Owner,
    /// The file's size is not what its layout needs: expected, found (bytes).
    Size(u64, u64),
    /// Not one of our pages at all.
    Magic,
    /// An ABI of another major number, which is given.
    Major(u16),
    /// A required feature that this version does not know: the unknown bits.
    Required(u64),
    /// A length, stride or count that ABI 1 does not have: which word.
    Geometry(&'static str),
    /// A value outside its range: which word.
    Value(&'static str),
    /// The two files are not of one allotment.
    Mismatch,
    /// No device, or more than 16.
    Devices(usize),
    /// A device is named twice, or a change names one that the allotment does not have.
    Uuid,
    /// Something lies where the allotment should be made.
    Exists,
}

impl PageError {
    /// What is wrong, as one clause without a value.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Io(call, _) => call,
            Self::LongPath => "its path is longer than 255 bytes",
            Self::NotRegular => "it is not a regular file",
            Self::Owner => "not believed: somebody other than root and the agent may write it",
            Self::Size(..) => "its size is not the size of a page: it was cut or grown",
            Self::Magic => "it does not begin like a page of ours: it was overwritten",
            Self::Major(_) => "its ABI is unknown to this version",
            Self::Required(_) => "it needs a feature that this version does not know",
            Self::Geometry(_) => "its layout is not that of this ABI: it was overwritten",
            Self::Value(_) => "it holds a value out of range",
            Self::Mismatch => "its two files belong to different allotments",
            Self::Devices(_) => "it must name 1 to 16 GPUs",
            Self::Uuid => "its GPUs are named twice or not at all",
            Self::Exists => "something lies in its place already",
        }
    }

    /// `errno`, where a system call failed; else 0.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Io(_, errno) => *errno,
            _ => 0,
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(call, errno) => write_io(f, call, *errno),
            Self::Size(expected, found) => {
                write!(f, "{}: {found} bytes instead of {expected}", self.reason())
            }
            Self::Major(major) => write!(f, "{}: {major}", self.reason()),
            Self::Required(bits) => write!(f, "{}: {bits:#x}", self.reason()),
            Self::Geometry(word) | Self::Value(word) => write!(f, "{}: {word}", self.reason()),
            Self::Devices(count) => write!(f, "{}: {count}", self.reason()),
            _ => f.write_str(self.reason()),
        }
    }
}

impl core::error::Error for PageError {}

#[cfg(feature = "std")]
fn write_io(f: &mut fmt::Formatter<'_>, call: &str, errno: i32) -> fmt::Result {
    write!(f, "{call}: {}", std::io::Error::from_raw_os_error(errno))
}

#[cfg(not(feature = "std"))]
fn write_io(f: &mut fmt::Formatter<'_>, call: &str, errno: i32) -> fmt::Result {
    write!(f, "{call}: errno {errno}")
}

/// A charge that was not admitted. Nothing is charged then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It would pass the hard limit.
    OverLimit {
        /// The hard limit in bytes.
        limit: u64,
        /// What is used, in bytes, once the dead are dropped.
        used: u64,
    },
    /// More bytes than a total can hold.
    TooLarge,
    /// All 1,024 slots belong to living processes.
    NoSlot,
    /// This process could not take its slot: which system call failed, and `errno`.
    Slot(&'static str, i32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverLimit { limit, used } => {
                write!(f, "it would pass the limit: {used} of {limit} bytes are used")
            }
            Self::TooLarge => f.write_str("no card has that much memory"),
            Self::NoSlot => f.write_str("the allotment has 1024 processes already"),
            Self::Slot(call, errno) => write_io(f, call, *errno),
        }
    }
}

impl core::error::Error for Refused {}
