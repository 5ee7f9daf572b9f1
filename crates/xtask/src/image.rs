//! `cargo xtask image`: the root of the container image, as `daemonset/Dockerfile` copies it onto a base that
//! has glibc and nothing else. With `--check` its programs are judged and run on such a base, and chart and
//! Dockerfile are held to what lies in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::dist::{self, Arch};
use crate::{fetch, gates, sbom, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For which processor
    #[arg(long, default_value = "x86_64")]
    arch: Arch,
    /// Where the root is made [default: target/image/ARCH]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Judge and run what lies in it; as root, because programs are run in a root of their own
    #[arg(long)]
    check: bool,
}

/// What lies in the image: where, and the built file.
const FILES: [(&str, &str); 7] = [
    ("usr/bin/aliquot", "aliquot"),
    // A file of its own and no link: NVIDIA's runtime mounts the real one here, and would mount it on what a link
    // leads to.
    ("usr/bin/nvidia-smi", "aliquot-smi"),
    ("usr/bin/aliquot-node", "aliquot-node"),
    ("usr/bin/aliquot-admission", "aliquot-admission"),
    ("usr/bin/aliquot-scheduler", "aliquot-scheduler"),
    ("opt/aliquot/aliquot-hook", "aliquot-hook"),
    ("opt/aliquot/libaliquot.so", "libaliquot.so"),
];
/// What the programs are made of.
const SBOM: &str = "usr/share/doc/aliquot/aliquot.cdx.json";

/// Makes the root, and checks it where that is wanted.
pub(crate) fn run(args: Args) -> Result<()> {
    let root = assemble(args.arch, args.into)?;
    println!("{}", root.display());
    if args.check { judge(args.arch, &root) } else { Ok(()) }
}

/// The step of `cargo xtask test`.
pub(crate) fn check() -> Result<()> {
    run(Args { arch: Arch::X86_64, into: None, check: true })
}

fn assemble(arch: Arch, into: Option<PathBuf>) -> Result<PathBuf> {
    let built = dist::for_image(arch)?;
    let root = into.unwrap_or_else(|| sh::target("image").join(arch.name()));
    for (to, from) in FILES {
        let to = root.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(built.join(from), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    fs::create_dir_all(root.join(SBOM).parent().context("a file has a folder")?)?;
    fs::write(root.join(SBOM), sbom::text()?)?;
    Ok(root)
}

fn judge(arch: Arch, root: &Path) -> Result<()> {
    held_to_the_chart(root)?;
    held_to_the_dockerfile(root)?;
    let base = base(arch, root)?;
    for (path, _) in FILES.iter().filter(|(path, _)| !path.ends_with(".so")) {
        let path = Path::new("/").join(path);
        gates::check_program(&root.join(path.strip_prefix("/")?), arch == Arch::Aarch64)?;
        starts(base.path(), &path)?;
    }
    finds_its_shim(base.path())?;
    println!("image: {} files for {} run on glibc alone", FILES.len(), arch.name());
    Ok(())
}

/// `aliquot run` finds the shim where the image has it: what it misses there is a driver.
fn finds_its_shim(base: &Path) -> Result<()> {
    let said = inside(base, &["/usr/bin/aliquot", "run", "--fraction", "0.5", "--", "true"])?;
    ensure!(said.contains("no NVIDIA driver under /"), "aliquot run says {said:?} in the image");
    Ok(())
}

/// Every file of the image that the chart names is in it.
fn held_to_the_chart(root: &Path) -> Result<()> {
    let manifests = sh::root().join("daemonset/manifests");
    let mut named = 0;
    for entry in fs::read_dir(&manifests)? {
        let text = fs::read_to_string(entry?.path())?;
        for word in text.split(|c: char| c.is_whitespace() || "[]{},\"'".contains(c)) {
            let is_ours = word.starts_with("/usr/bin/aliquot") || word.starts_with("/opt/aliquot/");
            if is_ours {
                ensure!(root.join(&word[1..]).exists(), "the chart names {word}, not in the image");
                named += 1;
            }
        }
    }
    ensure!(named > 0, "the chart names no program: was the way of naming them changed?");
    Ok(())
}

/// The Dockerfile makes this very root, copies it and nothing else, and starts a program of it as nobody.
fn held_to_the_dockerfile(root: &Path) -> Result<()> {
    let text = fs::read_to_string(sh::root().join("daemonset/Dockerfile"))?;
    let lines = text.replace("\\\n", " ");
    let of = |word: &str| -> Vec<String> {
        let lines = lines.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|rest| rest.trim().to_owned()).collect()
    };
    ensure!(of("COPY ") == [". .", "--from=build /out/ /"], "COPY: {:?}", of("COPY "));
    let makes =
        of("RUN ").iter().any(|run| run.contains("cargo xtask image --arch \"$arch\" --into /out"));
    ensure!(makes, "no RUN of the Dockerfile makes the root by `cargo xtask image`");
    let rust = format!(" rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    let builds = of("FROM ").iter().any(|from| format!(" {from}").contains(&rust));
    ensure!(builds, "no stage is FROM Cargo.toml's rust-version,{rust}");
    let user = of("USER ").pop().unwrap_or_default();
    ensure!(!user.is_empty() && !user.starts_with('0') && user != "root", "USER {user:?}");
    let entry = of("ENTRYPOINT ").pop().unwrap_or_default();
    let entry: Vec<String> = serde_json::from_str(&entry).context("ENTRYPOINT")?;
    let program = entry.first().context("an empty ENTRYPOINT")?;
    ensure!(
        root.join(program.trim_start_matches('/')).exists(),
        "ENTRYPOINT {program} is not there"
    );
    Ok(())
}

/// The image's files on a base with the libraries that distroless has, and, for another processor, with
/// what runs its programs here.
fn base(arch: Arch, image: &Path) -> Result<tempfile::TempDir> {
    let (part, loader, folder) = match arch {
        Arch::X86_64 => ("debian-12", "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu"),
        Arch::Aarch64 => ("debian-12-arm64", "lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu"),
    };
    let from = fetch::ensure(&[part])?.part(part);
    let base = tempfile::tempdir()?;
    let copy = |from: &Path, to: &Path| -> Result<()> {
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    };
    copy(&from.join(loader), &base.path().join(loader))?;
    for name in
        ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1"]
    {
        copy(&from.join(folder).join(name), &base.path().join(folder).join(name))?;
    }
    for (path, _) in FILES {
        copy(&image.join(path), &base.path().join(path))?;
    }
    fs::create_dir(base.path().join("proc"))?;
    if arch == Arch::Aarch64 {
        let qemu = fetch::ensure(&["qemu"])?.part("qemu").join("usr/bin/qemu-aarch64-static");
        copy(&qemu, &base.path().join(QEMU))?;
    }
    Ok(base)
}

/// Where what runs programs of another processor lies in the base.
const QEMU: &str = "qemu";

/// A program says its version, the hook that no runtime has told it anything, and nvidia-smi what it lacks.
fn starts(base: &Path, program: &Path) -> Result<()> {
    let name = program.file_name().context("a program has a name")?.to_string_lossy().into_owned();
    let path = program.to_string_lossy();
    let (said, expected) = match name.as_str() {
        "aliquot-hook" => (inside(base, &[&path])?, "aliquot: the runtime did not tell".to_owned()),
        "nvidia-smi" => (inside(base, &[&path])?, "aliquot: no NVIDIA driver under /".to_owned()),
        _ => {
            (inside(base, &[&path, "--version"])?, format!("{name} {}", env!("CARGO_PKG_VERSION")))
        }
    };
    ensure!(said.starts_with(&expected), "{path} says {said:?} in the image, not {expected:?}");
    Ok(())
}

/// Gives the root `$0` its /proc, as a runtime does, and runs the rest in it.
const IN_ROOT: &str = r#"mount --rbind /proc "$0/proc"; exec chroot "$0" "$@""#;

/// What a program says in the base as its root.
fn inside(base: &Path, words: &[&str]) -> Result<String> {
    let mut chroot = Command::new("unshare");
    chroot.args(["--mount", "sh", "-ec", IN_ROOT]).arg(base);
    chroot.stdin(Stdio::null()).env_remove("LD_PRELOAD");
    if base.join(QEMU).exists() {
        chroot.arg(Path::new("/").join(QEMU));
    }
    let output = chroot.args(words).output().context("unshare cannot be started")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.code().is_none() {
        bail!("{words:?} ended with {}: {said}", output.status);
    }
    Ok(said.trim().to_owned())
}
