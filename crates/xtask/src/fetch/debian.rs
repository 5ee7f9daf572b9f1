//! Packages of the machine's own Debian mirror, through apt with lists and sources of our own:
//! downloaded, checked and unpacked, never installed. The machine's apt state is only read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::check_digest;
use super::spec::{Archive, Group, Package};
use crate::sh;

/// Brings a group of packages and unpacks them into `folder`; `work` is for what is left over.
pub(super) fn unpack(group: &Group, work: &Path, folder: &Path) -> Result<()> {
    let apt = Apt::new(group, work)?;
    apt.call("update", &[]).with_context(|| {
        format!("cannot read Debian's lists of {} (this needs the network, once)", group.suite)
    })?;
    // All in one call, because apt reads its lists anew for each; what this does not bring is asked for
    // by itself, and says then what is wrong.
    let all: Vec<String> = group.packages.iter().map(|package| package.wanted(true)).collect();
    let _ = apt.call("download", &all);
    for package in &group.packages {
        let file = match apt.download(package, true) {
            Ok(file) => {
                check_digest(&file, &package.what(), std::slice::from_ref(&package.sha256))?;
                file
            }
            // A mirror keeps only the newest of a suite; a security fix must not stop every build.
            Err(gone) => {
                let file = apt.download(package, false).map_err(|_| gone)?;
                eprintln!(
                    "fetch: the mirror no longer has {}: taking {}, for which the archive's \
                     signature vouches; pin it in fetch.toml",
                    package.what(),
                    file.file_name().unwrap_or_default().display()
                );
                file
            }
        };
        extract(&file, &package.only, folder)
            .with_context(|| format!("cannot unpack {}", package.what()))?;
    }
    Ok(())
}

impl Package {
    fn what(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The pinned version as apt takes it, or whichever the suite has.
    fn wanted(&self, is_pinned: bool) -> String {
        let Self { name, arch, version, .. } = self;
        if is_pinned { format!("{name}:{arch}={version}") } else { format!("{name}:{arch}") }
    }

    /// Whether this is the name of the package's file: the same name for another processor is not.
    fn is_in(&self, file: &str) -> bool {
        let arch = format!("_{}.deb", self.arch);
        file.starts_with(&format!("{}_", self.name))
            && (file.ends_with(&arch) || file.ends_with("_all.deb"))
    }
}

/// An apt that knows one mirror and keeps everything in a folder of ours.
struct Apt {
    home: PathBuf,
    arches: Vec<String>,
}

impl Apt {
    fn new(group: &Group, work: &Path) -> Result<Self> {
        let home = work.join(format!("apt-{}", group.suite));
        for folder in ["lists/partial", "cache/archives/partial", "files"] {
            fs::create_dir_all(home.join(folder))?;
        }
        let mut arches: Vec<String> = group.packages.iter().map(|p| p.arch.clone()).collect();
        arches.sort();
        arches.dedup();
        let source = format!(
            "deb [arch={} signed-by={KEYRING}] {} {} {}\n",
            arches.join(","),
            mirror(group.archive)?,
            group.suite,
            group.components.join(" "),
        );
        fs::write(home.join("sources.list"), source)?;
        Ok(Self { home, arches })
    }

    /// Downloads the pinned version, or whichever the suite has, unless it has come already. apt checks
    /// it against the lists that Debian signed.
    fn download(&self, package: &Package, is_pinned: bool) -> Result<PathBuf> {
        if let Some(file) = self.file(package)? {
            return Ok(file);
        }
        self.call("download", &[package.wanted(is_pinned)])
            .with_context(|| format!("cannot download {}", package.what()))?;
        self.file(package)?.context("apt downloaded nothing")
    }

    fn file(&self, package: &Package) -> Result<Option<PathBuf>> {
        let files = fs::read_dir(self.home.join("files"))?.collect::<Result<Vec<_>, _>>()?;
        let file = files.iter().find(|file| package.is_in(&file.file_name().to_string_lossy()));
        Ok(file.map(|file| file.path()))
    }

    fn call(&self, verb: &str, args: &[String]) -> Result<()> {
        let output = self.command(verb).args(args).output().context("cannot start apt-get")?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = stderr.lines().find(|line| line.starts_with("E:"));
            bail!("{}", said.unwrap_or("apt-get failed and did not say why"));
        }
        Ok(())
    }

    fn command(&self, verb: &str) -> Command {
        let home = self.home.display();
        let mut command = Command::new("apt-get");
        command.current_dir(self.home.join("files")).arg("-q");
        for option in [
            format!("Dir::Etc::SourceList={home}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State={home}"),
            format!("Dir::State::Lists={home}/lists"),
            // The machine's installed packages must have no say in what is chosen.
            "Dir::State::Status=/dev/null".to_owned(),
            format!("Dir::Cache={home}/cache"),
            "APT::Sandbox::User=root".to_owned(),
            // Lists of a suite that moves expire where a mirror stands still. They are Debian's all the
            // same, and a package is held to its checksum.
            "Acquire::Check-Valid-Until=false".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        for arch in &self.arches {
            command.arg("-o").arg(format!("APT::Architectures::={arch}"));
        }
        command.arg(verb);
        command
    }
}

/// The mirror that this machine uses for an archive.
fn mirror(archive: Archive) -> Result<String> {
    let suffix = match archive {
        Archive::Debian => "/debian",
        Archive::Security => "/debian-security",
    };
    let list = sh::read(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let known = list.lines().map(|uri| uri.trim_end_matches('/'));
    let found = known.into_iter().find(|uri| uri.ends_with(suffix));
    let Some(uri) = found else {
        bail!("apt's sources on this machine name no mirror that ends in {suffix}; add one");
    };
    Ok(uri.to_owned())
}

/// Unpacks a package through links that the part made (`lib` into `usr/lib`), which dpkg -x would
/// replace by folders.
fn extract(package: &Path, only: &[String], folder: &Path) -> Result<()> {
    let archive = package.with_extension("tar");
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--fsys-tarfile").arg(package).stdout(Stdio::from(File::create(&archive)?));
    if !dpkg.status().context("cannot start dpkg-deb")?.success() {
        bail!("dpkg-deb cannot read {}", package.display());
    }
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--keep-directory-symlink", "--no-same-owner"]);
    sh::read(tar.arg("--file").arg(&archive).arg("--directory").arg(folder).args(only))?;
    fs::remove_file(archive)?;
    Ok(())
}

/// Debian's own keys: a mirror is trusted for nothing.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
