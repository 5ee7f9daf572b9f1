//! `cargo xtask fetch`: the real parts and the tools, under target/fetch/<part>/. What they are is
//! data (fetch.toml): pinned versions and checksums. A part is whole or absent: it is made in a
//! folder of its own and renamed. Nothing is installed on the machine, and nothing here is run.

mod debian;
mod spec;
mod wheel;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::sh;
use spec::{Part, Parts};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The parts to bring; if none is named, all but those that are for who asks for them.
    parts: Vec<String>,
    /// Say which parts there are, and bring none.
    #[arg(long)]
    list: bool,
}

/// Brings every part that is not only for who names it.
pub(crate) fn all() -> Result<()> {
    run(Args { parts: Vec::new(), list: false })
}

/// Brings the named parts, or says which there are.
pub(crate) fn run(args: Args) -> Result<()> {
    let parts = spec::read()?;
    if args.list {
        for (name, part) in &parts {
            let only = if part.opt_in { " (only where named)" } else { "" };
            println!("{name:16} {}{only}", part.purpose);
        }
        return Ok(());
    }
    let every: Vec<&str> = match args.parts.is_empty() {
        true => of_every_run(&parts).collect(),
        false => args.parts.iter().map(String::as_str).collect(),
    };
    bring(&parts, &every).map(|_| ())
}

/// Looks whether there are parts of these names, and brings none.
pub(crate) fn known(names: &[&str]) -> Result<()> {
    let parts = spec::read()?;
    names.iter().try_for_each(|name| find(&parts, name).map(drop))
}

/// The parts that are brought where none is named.
fn of_every_run(parts: &Parts) -> impl Iterator<Item = &str> {
    parts.iter().filter(|(_, part)| !part.opt_in).map(|(name, _)| name.as_str())
}

/// Where fetched parts lie. Only [`ensure`] makes one, so a path from it exists.
pub(crate) struct Paths(PathBuf);

impl Paths {
    /// The folder of a part.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Makes sure that the parts are there, bringing those that are not, and says where they lie.
pub(crate) fn ensure(names: &[&str]) -> Result<Paths> {
    bring(&spec::read()?, names)
}

fn bring(parts: &Parts, names: &[&str]) -> Result<Paths> {
    let chosen = names.iter().map(|name| find(parts, name)).collect::<Result<Vec<_>>>()?;
    let home = sh::target("fetch");
    if chosen.iter().all(|(name, part)| is_whole(&home.join(name), part)) {
        return Ok(Paths(home));
    }
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let _lock = lock(&home)?;
    make_all(&home, &chosen)?;
    Ok(Paths(home))
}

/// Makes parts, several at once: most of the time goes by in waiting for mirrors.
fn make_all(home: &Path, parts: &[(&str, &Part)]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((name, part)) = parts.get(next.fetch_add(1, Relaxed)) {
            make(home, name, part).with_context(|| format!("fetch {name}"))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut workers = workers.into_iter();
        workers.try_for_each(|worker| worker.join().expect("a fetch does not panic"))
    })
}

fn find<'a>(parts: &'a Parts, name: &str) -> Result<(&'a str, &'a Part)> {
    let Some((name, part)) = parts.get_key_value(name) else {
        let known: Vec<&str> = parts.keys().map(String::as_str).collect();
        bail!("there is no part `{name}` to fetch; there are {}", known.join(", "));
    };
    Ok((name, part))
}

/// One fetch at a time: two of them would bring the same part twice.
fn lock(home: &Path) -> Result<File> {
    let path = home.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("fetch: waiting for another fetch to end"),
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock target/fetch"),
    }
    file.lock().context("cannot lock target/fetch")?;
    Ok(file)
}

/// Brings one part unless it is there already.
fn make(home: &Path, name: &str, part: &Part) -> Result<()> {
    let place = home.join(name);
    if is_whole(&place, part) {
        return Ok(());
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        bail!("the pinned builds are for x86_64 Linux only");
    }
    eprintln!("fetch: {name}: {}", part.purpose);
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(home)?;
    let folder = work.path().join("part");
    unpack(work.path(), &folder, part)?;
    fs::write(folder.join(STAMP), part.stamp())?;
    replace(&folder, &place, &work.path().join("old"))
}

fn unpack(work: &Path, folder: &Path, part: &Part) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (link, points_to) in &part.links {
        let link = folder.join(link);
        let beside = link.parent().unwrap_or(folder);
        // A link to nothing would be replaced by a folder.
        fs::create_dir_all(beside.join(points_to))?;
        std::os::unix::fs::symlink(points_to, &link)?;
    }
    wheel::unpack(&part.wheels, work, folder)?;
    for group in &part.debian {
        debian::unpack(group, work, folder)?;
    }
    for archive in &part.archives {
        unpack_within(folder, archive)?;
    }
    for file in &part.executables {
        fs::set_permissions(folder.join(file), fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {file} executable"))?;
    }
    match part.gives.iter().find(|file| !folder.join(file).exists()) {
        Some(file) => bail!("it should have given {file}, but did not"),
        None => Ok(()),
    }
}

/// By Python's own modules: pip brought it, so they are there.
fn unpack_within(folder: &Path, archive: &str) -> Result<()> {
    let module = if archive.ends_with(".zip") { "zipfile" } else { "tarfile" };
    let mut unpack = sh::command("python3");
    unpack.args(["-m", module, "-e"]).arg(folder.join(archive)).arg(folder);
    sh::read(&mut unpack).map(drop).with_context(|| format!("cannot unpack {archive}"))
}

/// Puts the finished folder in its place; a part of another version leaves with the temporary
/// folder that holds `old`.
fn replace(folder: &Path, place: &Path, old: &Path) -> Result<()> {
    match fs::rename(place, old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    fs::rename(folder, place).with_context(|| format!("cannot make {}", place.display()))
}

fn is_whole(place: &Path, part: &Part) -> bool {
    fs::read_to_string(place.join(STAMP)).is_ok_and(|stamp| stamp == part.stamp())
}

/// Refuses a file that is not one of the pinned ones.
fn check_digest(file: &Path, what: &str, pinned: &[String]) -> Result<()> {
    let digest = digest(file)?;
    if !pinned.contains(&digest) {
        bail!("{what}: the checksum is {digest}, which is none of those in fetch.toml; not used");
    }
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let what = || format!("cannot read {}", file.display());
    let (mut from, mut digest) = (File::open(file).with_context(what)?, Sha256::new());
    let mut bytes = vec![0; 1 << 20];
    loop {
        match from.read(&mut bytes).with_context(what)? {
            0 => return Ok(spec::hex(&digest.finalize())),
            count => digest.update(&bytes[..count]),
        }
    }
}

/// How many parts are made at once.
const AT_ONCE: usize = 4;

/// Holds the digest of what a finished part was made from.
const STAMP: &str = ".fetched";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_another_checksum_is_refused_with_both_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "what came").unwrap();
        let error = check_digest(&file, "part 1.0", &["00".repeat(32)]).unwrap_err().to_string();
        assert!(error.contains("part 1.0") && error.contains("fetch.toml"), "{error}");
        check_digest(&file, "part 1.0", &[digest(&file).unwrap()]).unwrap();
    }

    #[test]
    fn a_finished_part_takes_the_place_of_an_older_one_at_once() {
        let home = tempfile::tempdir().unwrap();
        let [fresh, place, old] = ["fresh", "place", "old"].map(|name| home.path().join(name));
        for (folder, text) in [(&place, "1"), (&fresh, "2")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(STAMP), text).unwrap();
        }
        replace(&fresh, &place, &old).unwrap();
        assert_eq!(fs::read_to_string(place.join(STAMP)).unwrap(), "2");
    }

    #[test]
    fn a_large_part_is_brought_only_where_it_is_named() {
        let parts = spec::read().unwrap();
        assert!(
            parts.contains_key("pytorch") && of_every_run(&parts).all(|name| name != "pytorch")
        );
    }

    #[test]
    fn a_part_that_does_not_exist_is_refused_with_those_that_do() {
        let error = ensure(&["nosuch"]).err().unwrap().to_string();
        assert!(error.contains("`nosuch`") && error.contains("cuda-headers"), "{error}");
    }
}
