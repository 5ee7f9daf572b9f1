//! A real allotment of the stand-in's card, where the shim looks for it.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use contract::paths::CONTAINER_ALLOTMENTS;
use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, create};

/// A folder of allotments with one in it, deleted when dropped.
pub(crate) struct Allotments(Place);

enum Place {
    /// A folder that the environment names.
    Own(tempfile::TempDir),
    /// The container's, in a mount namespace of this process and its children.
    Container,
}

impl Allotments {
    /// Makes one of half the card: by the environment, or, where somebody's container has left its
    /// folder on this machine (the shim then looks nowhere else), over that one, which takes root.
    pub(crate) fn new() -> Result<Self> {
        let place = if Path::new(CONTAINER_ALLOTMENTS).exists() {
            cover().with_context(|| format!("{CONTAINER_ALLOTMENTS} is in the way"))?;
            Place::Container
        } else {
            Place::Own(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?)
        };
        let made = Self(place);
        let device = DeviceSpec::new(DeviceUuid::gpu([7; 16]), Mib(60 << 10), Percent::new(50)?);
        let device = device.with_context_estimate(300 * Mib::BYTES);
        let id = AllotmentId(1);
        create(&made.path().join(id.to_string()), &AllotmentSpec::new(id, vec![device]))?;
        Ok(made)
    }

    /// The folder of allotments.
    pub(crate) fn path(&self) -> PathBuf {
        match &self.0 {
            Place::Own(folder) => folder.path().to_owned(),
            Place::Container => CONTAINER_ALLOTMENTS.into(),
        }
    }
}

/// Mounts a small tmpfs over the container's folder, for this process and its children alone.
fn cover() -> io::Result<()> {
    let target: &CStr = c"/run/aliquot";
    let none = std::ptr::null();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: C strings that outlive the calls, and null where the call takes nothing.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, private, none.cast()) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                target.as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                c"size=16m,mode=0755".as_ptr().cast(),
            ) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
