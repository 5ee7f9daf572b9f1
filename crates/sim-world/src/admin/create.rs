//! Makes a world's folder, laid out like a driver root, and starts its daemon.

use std::fs;
use std::path::{Path, PathBuf};

use crate::admin::drivers::{self, Driver};
use crate::admin::error::AdminError;
use crate::admin::report::Report;
use crate::admin::{Change, change, lifecycle};
use crate::profile::Profile;
use crate::spec::Spec;
use crate::wire::PROTOCOL;

/// Where a Debian node has its driver's libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// What can be chosen about a world; the default is a CUDA 13.0 driver without libraries.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What UUIDs derive from; the folder's path if none.
    pub seed: Option<String>,
    /// The driver's version and its CUDA version; `580.95.05` and 13000 if none.
    pub driver_version: Option<(String, i32)>,
    /// The simulated CUDA driver to put into the root.
    pub libcuda: Option<PathBuf>,
    /// The simulated NVML to put into the root.
    pub libnvidia_ml: Option<PathBuf>,
    /// The real nvidia-smi to put into the root.
    pub nvidia_smi: Option<PathBuf>,
    /// The daemon's program; `aliquot-simd` beside this program, or one folder up, if none.
    pub daemon: Option<PathBuf>,
}

impl Options {
    /// The same with the libraries and the daemon of this folder, laid out as `target/dist/sim` is.
    #[must_use]
    pub fn built_in(folder: &Path) -> Self {
        let file = |name: &str| Some(folder.join(name));
        Self {
            libcuda: file("libcuda.so.1"),
            libnvidia_ml: file("libnvidia-ml.so.1"),
            daemon: file("aliquot-simd"),
            ..Self::default()
        }
    }
}

/// Makes a world in `dir`, which must be empty or not exist, and starts its daemon. `cards` are profile
/// names with counts, in PCI order.
///
/// # Errors
/// [`AdminError`]; nothing is left behind then.
pub fn create(dir: &Path, cards: &[(&str, u32)], options: &Options) -> Result<Report, AdminError> {
    let dir = std::path::absolute(dir).map_err(cannot_write(dir))?;
    let spec = plan(&dir, cards, options)?;
    let daemon = lifecycle::daemon_program(options.daemon.as_deref())?;
    let leftovers = Leftovers::claim(&dir)?;
    lay_out(&dir, &spec, options)?;
    lifecycle::launch(&dir, &daemon)?;
    let report = crate::admin::inspect(&dir)?;
    leftovers.keep();
    Ok(report)
}

/// Cards as a person writes them: `v100-32gb`, `v100-32gb:2`, `t4:1,h200:2`.
///
/// # Errors
/// [`AdminError::Cards`] or [`ProfileError`](crate::ProfileError).
pub fn parse_cards(text: &str) -> Result<Vec<(String, u32)>, AdminError> {
    let wrong = || AdminError::Cards { text: text.to_owned() };
    let one = |item: &str| {
        let (name, count) = item.trim().split_once(':').unwrap_or((item.trim(), "1"));
        let count: u32 = count.parse().map_err(|_| wrong())?;
        if name.is_empty() || count == 0 {
            return Err(wrong());
        }
        Profile::named(name)?;
        Ok((name.to_owned(), count))
    };
    text.split(',').map(one).collect()
}

fn plan(dir: &Path, cards: &[(&str, u32)], options: &Options) -> Result<Spec, AdminError> {
    let count = cards.iter().fold(0u32, |sum, (_, count)| sum.saturating_add(*count));
    if count == 0 || count as usize > crate::MAX_CARDS {
        return Err(AdminError::CardCount { count });
    }
    let (driver_version, cuda_version) =
        options.driver_version.clone().unwrap_or_else(|| ("580.95.05".to_owned(), 13000));
    let names = cards.iter().flat_map(|(name, count)| vec![(*name).to_owned(); *count as usize]);
    let spec = Spec {
        version: PROTOCOL,
        seed: options.seed.clone().unwrap_or_else(|| dir.display().to_string()),
        driver_version,
        cuda_version,
        cards: names.collect(),
    };
    spec.describe()?;
    Ok(spec)
}

fn lay_out(dir: &Path, spec: &Spec, options: &Options) -> Result<(), AdminError> {
    let libraries = dir.join(LIBRARIES);
    for folder in [&libraries, &dir.join("usr/bin"), &dir.join("dev")] {
        fs::create_dir_all(folder).map_err(cannot_write(folder))?;
    }
    install_libraries(&libraries, spec.cuda_version, options)?;
    for name in ["libcuda.so", "libnvidia-ml.so"] {
        let (file, link) = (format!("{name}.1"), libraries.join(name));
        if libraries.join(&file).exists() {
            std::os::unix::fs::symlink(file, &link).map_err(cannot_write(&link))?;
        }
    }
    if let Some(program) = &options.nvidia_smi {
        copy(program, &dir.join("usr/bin/nvidia-smi"))?;
    }
    let file = Spec::file(dir);
    fs::write(&file, spec.to_text()).map_err(cannot_write(&file))
}

/// Puts the libraries of another driver into the running world in `dir`, as a package's upgrade does:
/// processes that have the old ones go on with them, and those that start find the new ones. Until
/// [`Change::Mismatch`] is taken back these are of another version than the kernel's part.
///
/// # Errors
/// [`AdminError`] if there is no such world or library.
pub fn upgrade(dir: &Path, driver: &Driver, options: &Options) -> Result<(), AdminError> {
    lifecycle::require_world(dir)?;
    install_libraries(&dir.join(LIBRARIES), driver.cuda, options)?;
    let (version, cuda) = (driver.version.to_owned(), driver.cuda);
    change(dir, Change::DriverVersion { driver: version, cuda })?;
    change(dir, Change::Mismatch { mismatched: true })
}

fn install_libraries(folder: &Path, cuda: i32, options: &Options) -> Result<(), AdminError> {
    for (from, name) in
        [(&options.libcuda, "libcuda.so.1"), (&options.libnvidia_ml, "libnvidia-ml.so.1")]
    {
        if let Some(from) = from {
            install_library(from, cuda, &folder.join(name))?;
        }
    }
    Ok(())
}

/// The file as a driver of this CUDA version has it, in place of one that processes may have mapped.
fn install_library(from: &Path, cuda: i32, to: &Path) -> Result<(), AdminError> {
    let unread = |reason: String| AdminError::CannotRead { path: from.to_owned(), reason };
    let library = fs::read(from).map_err(|error| unread(error.to_string()))?;
    let made = drivers::made_for(cuda, &library).map_err(unread)?;
    let fresh = to.with_extension("new");
    fs::write(&fresh, made).map_err(cannot_write(&fresh))?;
    fs::rename(&fresh, to).map_err(cannot_write(to))
}

/// A copy, not a link: a rebuilt library must not change under the processes of a running world.
fn copy(from: &Path, to: &Path) -> Result<(), AdminError> {
    if let Err(error) = fs::File::open(from) {
        return Err(AdminError::CannotRead { path: from.to_owned(), reason: error.to_string() });
    }
    fs::copy(from, to).map(drop).map_err(cannot_write(to))
}

fn cannot_write(path: &Path) -> impl Fn(std::io::Error) -> AdminError {
    let path = path.to_owned();
    move |error| AdminError::CannotWrite { path: path.clone(), reason: error.to_string() }
}

/// Removes what was made unless it is kept.
struct Leftovers {
    dir: PathBuf,
    made_dir: bool,
    kept: bool,
}

impl Leftovers {
    fn claim(dir: &Path) -> Result<Self, AdminError> {
        if Spec::file(dir).exists() {
            return Err(AdminError::AlreadyAWorld { dir: dir.to_owned() });
        }
        match fs::create_dir(dir) {
            Ok(()) => Ok(Self { dir: dir.to_owned(), made_dir: true, kept: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
                match empty {
                    true => Ok(Self { dir: dir.to_owned(), made_dir: false, kept: false }),
                    false => Err(AdminError::Occupied { dir: dir.to_owned() }),
                }
            }
            Err(error) => Err(cannot_write(dir)(error)),
        }
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for entry in ["usr", "dev", "proc"] {
            let _ = fs::remove_dir_all(self.dir.join(entry));
        }
        let _ = fs::remove_file(Spec::file(&self.dir));
        if self.made_dir {
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_read_as_people_write_them() {
        let cards = parse_cards("v100-32gb:2, t4").unwrap();
        assert_eq!(cards, [("v100-32gb".to_owned(), 2), ("t4".to_owned(), 1)]);
        for wrong in ["", ":2", "t4:0", "t4:two", "t4:-1"] {
            assert!(matches!(parse_cards(wrong), Err(AdminError::Cards { .. })), "{wrong}");
        }
        assert!(matches!(parse_cards("v100"), Err(AdminError::Profile(_))));
    }
}
