//! The runs that are alive on this machine: each a folder, held by a file lock for as long as its
//! `aliquot run` lives, so that a killed one leaves nothing that counts. Its neighbours sweep it.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec};
use ledger::{AtLimit, Policy};
use serde::{Deserialize, Serialize};

use super::place::Placement;

/// The folder of runs of this user.
pub(crate) struct Registry(PathBuf);

/// What a run tells its neighbours.
#[derive(Serialize, Deserialize)]
pub(crate) struct Card {
    /// The GPU that the share is of.
    pub(crate) gpu: String,
    /// The share.
    pub(crate) percent: u8,
    /// Its memory bound, in MiB.
    pub(crate) limit_mib: u64,
    /// The process that waits for the command.
    pub(crate) pid: u32,
}

/// A run of ours: its folder goes when this is dropped.
pub(crate) struct Run {
    pub(crate) id: AllotmentId,
    folder: PathBuf,
    _lock: File,
}

impl Registry {
    /// Opens this user's runs and sweeps away those that ended without a word.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let base = base();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&base)
            .with_context(|| format!("cannot make {}", base.display()))?;
        Ok(Self(base))
    }

    /// This user's runs, for who only reads: in the agent's pod nothing can be made there.
    pub(crate) fn look() -> Self {
        Self(base())
    }

    /// Every live run: its allotment and what it says of itself.
    pub(crate) fn live(&self) -> Vec<(AllotmentId, Card)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.visit(&entry.path())).collect()
    }

    /// The folder itself.
    pub(crate) fn base(&self) -> &Path {
        &self.0
    }

    /// The pages of a run.
    pub(crate) fn pages(&self, id: AllotmentId) -> PathBuf {
        allotments(&self.0.join(id.to_string())).join(id.to_string())
    }

    /// Makes the allotment of a new run.
    ///
    /// # Errors
    /// Where its files cannot be written; then nothing stays behind.
    pub(crate) fn add(
        &self,
        placement: &Placement,
        at_limit: AtLimit,
        policy: Policy,
    ) -> anyhow::Result<Run> {
        let id = fresh_id()?;
        // Made under a name that no neighbour visits, and locked before it gets its own.
        let draft = self.0.join(format!(".{id}"));
        let folder = self.0.join(id.to_string());
        let made = make(id, &draft, placement, (at_limit, policy))
            .and_then(|lock| fs::rename(&draft, &folder).map(|()| lock).map_err(Into::into));
        match made {
            Ok(lock) => Ok(Run { id, folder, _lock: lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(&draft);
                Err(error.context(format!("cannot make an allotment in {}", self.0.display())))
            }
        }
    }

    /// What a neighbour says of itself; one whose lock is free is dead and is swept.
    fn visit(&self, folder: &Path) -> Option<(AllotmentId, Card)> {
        let id = folder.file_name()?.to_str()?.parse().ok()?;
        let file = File::open(folder.join(CARD)).ok()?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Some((id, serde_json::from_reader(file).ok()?)),
            _ => {
                let _ = fs::remove_dir_all(folder);
                None
            }
        }
    }
}

fn make(
    id: AllotmentId,
    folder: &Path,
    place: &Placement,
    (at_limit, policy): (AtLimit, Policy),
) -> anyhow::Result<File> {
    DirBuilder::new().mode(0o755).create(folder)?;
    let lock = File::create(folder.join(CARD))?;
    lock.lock()?;
    serde_json::to_writer(&lock, &Card::of(place))?;
    let device = DeviceSpec::new(place.uuid, place.limit, place.percent)
        .with_context_estimate(place.context.bytes())
        .with_at_limit(at_limit);
    let device = DeviceSpec { policy, ..device };
    let allotments = allotments(folder);
    DirBuilder::new().mode(0o755).create(&allotments)?;
    let spec = AllotmentSpec::new(id, vec![device]);
    ledger::agent::create(&allotments.join(id.to_string()), &spec)?;
    Ok(lock)
}

impl Card {
    fn of(place: &Placement) -> Self {
        Self {
            gpu: place.uuid.to_string(),
            percent: place.percent.get(),
            limit_mib: place.limit.0,
            pid: std::process::id(),
        }
    }

    /// The GPU and the share, where they make sense.
    pub(crate) fn share(&self) -> Option<(DeviceUuid, Percent, Mib)> {
        let percent = Percent::new(self.percent.into()).ok()?;
        Some((self.gpu.parse().ok()?, percent, Mib(self.limit_mib)))
    }
}

impl Run {
    /// All that is the run's: it goes with it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The allotment's own folder: `limits` and `ledger`.
    pub(crate) fn pages(&self) -> PathBuf {
        self.allotments().join(self.id.to_string())
    }

    /// The folder that stands for `/run/aliquot`.
    pub(crate) fn allotments(&self) -> PathBuf {
        allotments(&self.folder)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const CARD: &str = "run.json";

fn allotments(folder: &Path) -> PathBuf {
    folder.join("allotments")
}

/// Root's runs lie beside the agent's pages, a user's in the user's runtime folder; `ALIQUOT_RUN_DIR`
/// names another place.
fn base() -> PathBuf {
    if let Some(dir) = std::env::var_os("ALIQUOT_RUN_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    let uid = nix::unistd::geteuid();
    if uid.is_root() {
        return PathBuf::from("/run/aliquot-run");
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_dir()) {
        Some(dir) => PathBuf::from(dir).join("aliquot-run"),
        None => std::env::temp_dir().join(format!("aliquot-run-{uid}")),
    }
}

fn fresh_id() -> anyhow::Result<AllotmentId> {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(AllotmentId(u64::from_ne_bytes(bytes)))
}
