//! What the arbiter knows, for people and programs that ask: a file beside the pages, new every second.
//!
//! It is the file that `aliquot top` reads: whoever may read it needs no other right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{AllotmentId, DeviceUuid};
use ledger::clock;
use serde::{Deserialize, Serialize};

use super::keeper::{Seen, Work};
use crate::durable::{self, FileError};

/// The file's name in the folder of the pages.
const FILE: &str = "time.json";

/// What is known of every container's time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// When it was known, by the machine's CLOCK_MONOTONIC, in nanoseconds.
    pub at_ns: u64,
    /// By GPU.
    pub gpus: BTreeMap<String, GpuView>,
}

/// What is known of one GPU.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GpuView {
    /// What its thread has done.
    pub work: Work,
    /// By allotment.
    pub containers: BTreeMap<String, Seen>,
}

impl View {
    /// What was written longer ago than this is taken for that of an arbiter that is gone.
    pub const STALE: Duration = Duration::from_secs(5);

    /// Where it lies, beside the pages in `folder`.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// What an arbiter that lives wrote last; `None` where there is none.
    #[must_use]
    pub fn read(file: &Path) -> Option<Self> {
        let view: Self = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        let age_ns = clock::own_ns().saturating_sub(view.at_ns);
        (u128::from(age_ns) <= Self::STALE.as_nanos()).then_some(view)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, file: &Path) -> Result<(), FileError> {
        durable::replace_as(file, &serde_json::to_vec(self).expect("a view is plain data"), 0o644)
    }

    /// What is known of a container on a GPU.
    #[must_use]
    pub fn seen(&self, gpu: DeviceUuid, id: AllotmentId) -> Option<&Seen> {
        self.gpus.get(&gpu.to_string())?.containers.get(&id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_arbiter_wrote_is_read_until_it_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let file = View::file(folder.path());
        assert_eq!(View::read(&file), None);
        let view = View { at_ns: clock::own_ns(), ..View::default() };
        view.write(&file).unwrap();
        assert_eq!(View::read(&file), Some(view));
        View { at_ns: 1, ..View::default() }.write(&file).unwrap();
        assert_eq!(View::read(&file), None);
    }
}
