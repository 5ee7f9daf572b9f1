//! Zig as the linker of a cargo build: a script that speaks to zig as rustc speaks to gcc. What it
//! links needs glibc 2.17 and no libgcc_s.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::install;
use super::system::{System, home};

/// A cargo that compiles for the system and links with zig. Every build in the system's folder is one
/// of these, also where nothing is linked: cargo compiles everything anew when its linker changes.
pub(super) fn cargo(system: &System, command: &str) -> Result<Command> {
    let triple = system.arch.triple().replace('-', "_").to_uppercase();
    let mut cargo = system.cargo(command);
    cargo.env(format!("CARGO_TARGET_{triple}_LINKER"), script(system)?);
    Ok(cargo)
}

/// Writes the script unless it is there, and says where.
fn script(system: &System) -> Result<PathBuf> {
    let path = home().join(format!("zig-cc-{}", system.arch.zig()));
    let text = text(system.zig(), system.arch.zig(), &home().join("zig"));
    install::bytes(text.as_bytes(), &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))?;
    Ok(path)
}

/// libgcc_s is replaced by zig's unwinder, and rustc's hints at another linker are dropped. What
/// backtraces need is kept, but small.
fn text(zig: &Path, target: &str, cache: &Path) -> String {
    let (zig, cache) = (zig.display(), cache.display());
    format!(
        r#"#!/bin/sh
# Written by `cargo xtask dist`.
for word do
  shift
  case "$word" in
    -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
    -fuse-ld=* | -B*) ;;
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
        let words = ["-o", "a b", "-lgcc_s", "-fuse-ld=lld", "-B/x", "-lc"];
        let output = Command::new("sh").arg(&script).args(words).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "<cc><-target><x86_64-linux-gnu.2.17><-Wl,--compress-debug-sections=zlib>\
             <-o><a b><-lunwind><-lc>"
        );
    }
}
