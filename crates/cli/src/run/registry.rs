//! The runs that are alive on this machine: each a folder, held by a file lock for as long as its
//! `aliquot run` lives, so that a killed one leaves nothing that counts. Its neighbours sweep it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
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
    /// Where the folder cannot be made, or others can write there.
    pub(crate) fn open() -> anyhow::Result<Self> {
        Self::at(base())
    }

    fn at(base: PathBuf) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&base)
            .with_context(|| format!("cannot make {}", base.display()))?;
        let is_ours = is_ours(&base).or_else(|why| close(&base).map_err(|_| why));
        is_ours.map_err(|why| anyhow!("{} {why}: {REMEDY}", base.display()))?;
        Ok(Self(base))
    }

    /// Waits until no other run of this user chooses its place, and keeps others from it until the file is dropped:
    /// what one reads to be free is not taken twice. Who chooses asks the driver, which may not answer, so the wait is
    /// said on stderr once it is long, and it ends.
    ///
    /// # Errors
    /// Where the lock cannot be had, or not in time.
    pub(crate) fn turn(&self) -> anyhow::Result<File> {
        self.turn_within(PATIENCE)
    }

    fn turn_within(&self, patience: Duration) -> anyhow::Result<File> {
        let (file, path) = (self.lock_file(PLACE)?, self.0.join(PLACE));
        let held =
            || format!("another `aliquot run` chooses its place and holds {}", path.display());
        let (began, mut is_said) = (Instant::now(), false);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
            let waited = began.elapsed();
            if waited >= patience {
                bail!(
                    "{} for {} s: `fuser {}` says which; end it, or look whether the driver answers",
                    held(),
                    waited.as_secs(),
                    path.display()
                );
            }
            if waited >= LONG && !is_said {
                eprintln!("aliquot: {}: waiting", held());
                is_said = true;
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// A file of the folder for locks alone. Nothing of it is changed, and no link is followed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn lock_file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(nix::libc::O_NOFOLLOW).open(self.0.join(name))
    }

    /// This user's runs, for who only reads: in the agent's pod nothing can be made there.
    pub(crate) fn look() -> Self {
        Self(base())
    }

    /// Every live run: its allotment and what it says of itself. Who looks into a folder that others can write finds none.
    pub(crate) fn live(&self) -> Vec<(AllotmentId, Card)> {
        let ours = is_ours(&self.0).ok().and_then(|()| fs::read_dir(&self.0).ok());
        let entries = ours.into_iter().flatten().flatten();
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
        if is_over(&file) {
            let _ = fs::remove_dir_all(folder);
            return None;
        }
        Some((id, serde_json::from_reader(file).ok()?))
    }
}

/// Whether nobody holds a run by its card. A run holds it alone and visitors together: they do not take each other for it.
fn is_over(card: &File) -> bool {
    !matches!(card.try_lock_shared(), Err(TryLockError::WouldBlock))
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

fn opened(folder: &Path) -> io::Result<File> {
    let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(folder)
}

/// Makes a folder of ours ours alone, if nobody has put anything there: a volume of a pod is open to all at first.
fn close(folder: &Path) -> io::Result<()> {
    let opened = opened(folder)?;
    let found = opened.metadata()?;
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    opened.set_permissions(Permissions::from_mode(0o700))?;
    if fs::read_dir(folder)?.next().is_some() {
        opened.set_permissions(found.permissions())?;
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    is_ours(folder).map_err(io::Error::other)
}

/// Whether nobody but this user can put anything into a folder; why not, where that is so.
fn is_ours(folder: &Path) -> Result<(), String> {
    let found = opened(folder).and_then(|folder| folder.metadata());
    let found = found.map_err(|error| format!("is no folder that can be opened ({error})"))?;
    let own = nix::unistd::geteuid().as_raw();
    if found.uid() != own {
        return Err(format!("belongs to user {}, not to user {own}", found.uid()));
    }
    match found.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(format!("can be written by others (mode {:o})", found.mode() & 0o7777)),
    }
}

const REMEDY: &str =
    "set XDG_RUNTIME_DIR, or name a folder that only you can write with ALIQUOT_RUN_DIR";
const CARD: &str = "run.json";
const PLACE: &str = "place.lock";
/// How long a run waits for its turn: a driver that has to begin takes seconds for each of those in front.
const PATIENCE: Duration = Duration::from_secs(60);
/// A wait that is told of.
const LONG: Duration = Duration::from_secs(5);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(10);

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
    // `su` leaves the variable of who called it.
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| is_ours(Path::new(dir)).is_ok()) {
        Some(dir) => PathBuf::from(dir).join("aliquot-run"),
        None => std::env::temp_dir().join(format!("aliquot-run-{uid}")),
    }
}

fn fresh_id() -> anyhow::Result<AllotmentId> {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(AllotmentId(u64::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn refusal(base: PathBuf) -> String {
        let why = Registry::at(base.clone()).err().map(|error| format!("{error:#}"));
        let why = why.unwrap_or_else(|| panic!("{} is taken", base.display()));
        assert!(why.contains(&base.display().to_string()) && why.contains(REMEDY), "{why}");
        assert!(Registry(base).live().is_empty());
        why
    }

    #[test]
    fn a_folder_that_another_made_or_can_write_is_refused() {
        let above = tempfile::tempdir().unwrap();
        let base = above.path().join("aliquot-run");
        Registry::at(base.clone()).unwrap();
        fs::set_permissions(&base, Permissions::from_mode(0o777)).unwrap();
        fs::write(base.join("arbiter.lock"), "").unwrap();
        assert!(refusal(base.clone()).contains("mode 777"));
        fs::remove_file(base.join("arbiter.lock")).unwrap();
        Registry::at(base.clone()).unwrap();
        assert_eq!(fs::metadata(&base).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&base, Permissions::from_mode(0o755)).unwrap();
        Registry::at(base.clone()).unwrap();
        let link = above.path().join("link");
        symlink(&base, &link).unwrap();
        assert!(refusal(link).contains("no folder"));
        if nix::unistd::geteuid().is_root() {
            chown(&base, Some(65534), None).unwrap();
            assert!(refusal(base.clone()).contains("belongs to user 65534"));
            assert_eq!(fs::metadata(&base).unwrap().mode() & 0o777, 0o755);
        }
    }

    #[test]
    fn visitors_of_a_dead_run_do_not_take_each_other_for_it() {
        let above = tempfile::tempdir().unwrap();
        let card = above.path().join(CARD);
        let held = File::create(&card).unwrap();
        held.lock().unwrap();
        assert!(!is_over(&File::open(&card).unwrap()));
        drop(held);
        let visitors = [(); 2].map(|()| File::open(&card).unwrap());
        assert_eq!(visitors.each_ref().map(is_over), [true; 2]);
    }

    #[test]
    fn a_run_does_not_wait_for_ever_for_one_that_chooses_its_place() {
        let above = tempfile::tempdir().unwrap();
        let registry = Registry::at(above.path().join("runs")).unwrap();
        let other = registry.turn().unwrap();
        let why = registry.turn_within(AGAIN).unwrap_err().to_string();
        assert!(why.contains("another `aliquot run`") && why.contains(PLACE), "{why}");
        drop(other);
        registry.turn_within(Duration::ZERO).unwrap();
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_followed_and_none_is_cut_off() {
        let above = tempfile::tempdir().unwrap();
        let registry = Registry::at(above.path().join("runs")).unwrap();
        let target = above.path().join("target");
        fs::write(&target, "precious").unwrap();
        symlink(&target, registry.base().join(PLACE)).unwrap();
        assert!(registry.turn().is_err());
        fs::remove_file(registry.base().join(PLACE)).unwrap();
        fs::rename(&target, registry.base().join(PLACE)).unwrap();
        drop(registry.turn().unwrap());
        assert_eq!(fs::read_to_string(registry.base().join(PLACE)).unwrap(), "precious");
    }
}
