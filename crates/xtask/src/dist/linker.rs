//! Zig as the linker of a cargo build: a script that speaks to zig as rustc speaks to gcc. What it
//! links needs glibc 2.17 and no libgcc_s. For another processor than this machine's it is the C compiler of what has
//! C in it, too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::install;
use super::system::{Arch, System, home};

/// A cargo that compiles for the system and links with zig. Every build in the system's folder is one
/// of these, also where nothing is linked: cargo compiles everything anew when its linker changes.
pub(super) fn cargo(system: &System, command: &str) -> Result<Command> {
    let triple = system.arch.triple().replace('-', "_");
    let mut cargo = system.cargo(command);
    let linker = script(system)?;
    // By the names that the crate `cc` asks for. The machine's own compiler knows its own processor.
    if system.arch != Arch::X86_64 {
        cargo.env(format!("CC_{triple}"), &linker).env(format!("AR_{triple}"), archiver(system)?);
    }
    cargo.env(format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase()), linker);
    Ok(cargo)
}

/// Writes the script that compiles and links, and says where.
fn script(system: &System) -> Result<PathBuf> {
    let text = text(system.zig(), system.arch.zig(), &home().join("zig"));
    written(&format!("zig-cc-{}", system.arch.zig()), &text)
}

/// Writes the script that makes archives, and says where.
fn archiver(system: &System) -> Result<PathBuf> {
    let zig = system.zig().display();
    written(
        "zig-ar",
        &format!("#!/bin/sh\n# Written by `cargo xtask dist`.\nexec '{zig}' ar \"$@\"\n"),
    )
}

/// Writes a script unless it is there.
fn written(name: &str, text: &str) -> Result<PathBuf> {
    let path = home().join(name);
    install::bytes(text.as_bytes(), &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))?;
    Ok(path)
}

/// libgcc_s is replaced by zig's unwinder, and hints at another linker or at the target, which zig names in words of
/// its own, are dropped. What backtraces need is kept, but small.
fn text(zig: &Path, target: &str, cache: &Path) -> String {
    let (zig, cache) = (zig.display(), cache.display());
    format!(
        r#"#!/bin/sh
# Written by `cargo xtask dist`.
for word do
  shift
  case "$word" in
    -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
    -fuse-ld=* | -B* | --target=*) ;;
    *) set -- "$@" "$word" ;;
  esac
done
ZIG_GLOBAL_CACHE_DIR='{cache}' exec '{zig}' cc -target {target} -Wl,--compress-debug-sections=zlib "$@"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::text;
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn the_script_speaks_to_zig_as_rustc_speaks_to_gcc() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("cc");
        // In zig's place, a program that says its arguments one by one.
        let echo = "#!/bin/sh\nprintf '<%s>' \"$@\"\n";
        let zig = folder.path().join("zig");
        std::fs::write(&zig, echo).unwrap();
        Command::new("chmod").arg("+x").arg(&zig).status().unwrap();
        std::fs::write(&script, text(&zig, "x86_64-linux-gnu.2.17", Path::new("/cache"))).unwrap();
        let words = [
            "-o",
            "a b",
            "-lgcc_s",
            "-fuse-ld=lld",
            "-B/x",
            "--target=x86_64-unknown-linux-gnu",
            "-lc",
        ];
        let output = Command::new("sh").arg(&script).args(words).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "<cc><-target><x86_64-linux-gnu.2.17><-Wl,--compress-debug-sections=zlib>\
             <-o><a b><-lunwind><-lc>"
        );
    }
}
