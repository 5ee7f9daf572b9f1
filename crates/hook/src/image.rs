//! Whether the shim would load in an image: a loader of glibc for this processor that reads the list,
//! a glibc that is new enough, and a shim that can be mapped.

use contract::paths::{CONTAINER_SHIM, LD_SO_PRELOAD};
use rustix::fs::{StatVfsMountFlags, fstatvfs};

use super::elf::{self, OWN};
use super::refusal::Refusal;
use super::root::{Root, Within, file_error};

/// Where programs for this processor name their loader (the psABI's PT_INTERP).
#[cfg(target_arch = "x86_64")]
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
/// Where programs for this processor name their loader (the psABI's PT_INTERP).
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

/// Where distributions keep the libc of this processor.
#[cfg(target_arch = "x86_64")]
const LIBCS: [&str; 6] = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/lib/libc.so.6",
    "/usr/lib/libc.so.6",
];
/// Where distributions keep the libc of this processor.
#[cfg(target_arch = "aarch64")]
const LIBCS: [&str; 6] = [
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib/aarch64-linux-gnu/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/lib/libc.so.6",
    "/usr/lib/libc.so.6",
];

/// musl's loaders.
const MUSL: [&str; 2] = ["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"];

/// Loaders of other processors, for a reason that says more than "none".
const FOREIGN: [&str; 7] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-armhf.so.3",
    "/lib64/ld64.so.2",
    "/lib/ld64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
];

/// No loader and no libc is larger.
const LIMIT: u64 = 64 << 20;
/// The oldest glibc that the shim runs with.
const OLDEST: (u32, u32) = (2, 17);

/// Looks at loader and libc.
pub(super) fn check(root: &Root) -> Result<(), Refusal> {
    let Some(loader) = root.read(LOADER, Within::Container, LIMIT)? else {
        return Err(without_loader(root));
    };
    if elf::processor(&loader) != Some(OWN.0) {
        let found = match elf::processor(&loader) {
            Some(number) => format!("{LOADER} is for machine {number}"),
            None if elf::is_elf(&loader) => format!("{LOADER} has words of another size"),
            None => format!("{LOADER} is no ELF file"),
        };
        return Err(Refusal::Processor { found, wanted: OWN.1 });
    }
    if !contains(&loader, LD_SO_PRELOAD.as_bytes()) {
        return Err(Refusal::OtherLoader(LOADER.to_owned()));
    }
    check_libc(root)
}

fn without_loader(root: &Root) -> Refusal {
    let has = |path: &&&str| matches!(root.file(path, Within::Container), Ok(Some(_)));
    if let Some(musl) = MUSL.iter().find(has) {
        return Refusal::Musl((*musl).to_owned());
    }
    match FOREIGN.iter().find(has) {
        Some(found) => Refusal::Processor { found: (*found).to_owned(), wanted: OWN.1 },
        None => Refusal::NoLoader(LOADER),
    }
}

fn check_libc(root: &Root) -> Result<(), Refusal> {
    for path in LIBCS {
        let Some(libc) = root.read(path, Within::Container, LIMIT)? else { continue };
        // A 32-bit one lies beside it in some images.
        if elf::processor(&libc) != Some(OWN.0) {
            continue;
        }
        let versions = elf::glibc_versions(&libc);
        if versions.contains(&OLDEST) {
            return Ok(());
        }
        let newest = versions.iter().max();
        let found = newest.map_or("of no known version".into(), |(a, b)| format!("{a}.{b}"));
        return Err(Refusal::OldGlibc(found));
    }
    Err(Refusal::NoLibc(LIBCS.join(", ")))
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// Looks at the shim that was mounted.
pub(super) fn check_shim(root: &Root) -> Result<(), Refusal> {
    let shim = root.file(CONTAINER_SHIM, Within::Container)?.ok_or(Refusal::NoShim)?;
    let failed = |error| file_error("look at", CONTAINER_SHIM, error);
    if fstatvfs(&shim).map_err(failed)?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Refusal::NoExec);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn image(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    }

    /// The head of an ELF file for a processor, with words behind it.
    fn elf(machine: u16, words: &str) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[16] = 3;
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[52] = 64;
        bytes.extend(words.as_bytes());
        bytes
    }

    fn refusal(files: &[(&str, &[u8])]) -> String {
        let (_folder, root) = image(files);
        check(&root).unwrap_err().to_string()
    }

    #[test]
    fn an_image_in_which_no_shim_loads_is_refused_with_what_it_is() {
        let (own, foreign) = (elf(OWN.0, "…/etc/ld.so.preload…"), elf(8, ""));
        let nix = elf(OWN.0, "/etc/ld-nix.so.preload");
        let plain: &[u8] = b"";
        assert!(refusal(&[]).contains("no loader of glibc"));
        assert!(refusal(&[("/lib/ld-musl-x86_64.so.1", plain)]).contains("has musl"));
        let arm = refusal(&[("/lib/ld-linux-armhf.so.3", plain)]);
        assert!(arm.contains("armhf") && arm.contains(OWN.1), "{arm}");
        assert!(refusal(&[(LOADER, plain)]).contains("no ELF file"));
        assert!(refusal(&[(LOADER, &foreign)]).contains("machine 8"));
        assert!(refusal(&[(LOADER, &nix)]).contains("does not read /etc/ld.so.preload"));
        assert!(refusal(&[(LOADER, &own)]).contains("no libc.so.6"));
        let old = refusal(&[(LOADER, &own), (LIBCS[1], &own)]);
        assert!(old.contains("of no known version") && old.contains("2.17"), "{old}");
    }

    #[test]
    fn a_container_without_the_shim_is_refused() {
        let (_folder, root) = image(&[]);
        assert!(matches!(check_shim(&root), Err(Refusal::NoShim)));
        let (_folder, root) = image(&[(CONTAINER_SHIM, b"x")]);
        check_shim(&root).unwrap();
    }
}
