//! Names the shim in the container's `/etc/ld.so.preload`, before whatever stands there.
//!
//! The file is replaced and never written to: it may be a link, or have another name elsewhere in the
//! image. Only the image's own file system is touched, because a volume is somebody else's: with the
//! machine's `/etc` mounted over the container's, the machine itself would load the shim.

use std::fs::File;
use std::io::Write;

use contract::paths::{CONTAINER_ALLOTMENTS, CONTAINER_SHIM, LD_SO_PRELOAD};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fchmod, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::refusal::Refusal;
use super::root::{Root, Within, file_error};

/// The loader maps all of it in every process: more is nobody's intent.
const LIMIT: u64 = 64 << 10;

const FOLDER: &str = "/etc";
const NAME: &str = "ld.so.preload";
/// What is written before it takes the name.
const DRAFT: &str = ".ld.so.preload.aliquot";

/// The loader's list `old` with `library` before everything else; `None` where it names it already.
///
/// glibc takes blanks, tabs, line ends and colons for separators and `#` for a comment up to the end
/// of its line (elf/rtld.c).
#[must_use]
pub fn merge(old: &[u8], library: &str) -> Option<Vec<u8>> {
    if names(old).any(|name| name == library.as_bytes()) {
        return None;
    }
    Some([library.as_bytes(), b"\n", old].concat())
}

fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = list.split(|byte| *byte == b'\n');
    let spoken = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    spoken.flat_map(|line| line.split(|byte| b" \t:".contains(byte)))
}

/// Makes the list of this root name `library`.
pub(super) fn name_in(root: &Root, library: &str) -> Result<(), Refusal> {
    let folder = match root.at(FOLDER, OFlags::PATH | OFlags::DIRECTORY, Within::OwnFileSystem) {
        Err(Errno::NOENT) => make_folder(root)?,
        Err(Errno::XDEV) => return named_by_a_volume(root, library),
        found => found.map_err(|error| file_error("open", FOLDER, error))?,
    };
    let old = match root.read(LD_SO_PRELOAD, Within::OwnFileSystem, LIMIT) {
        Err(Refusal::File { error, .. })
            if error.raw_os_error() == Some(Errno::XDEV.raw_os_error()) =>
        {
            return named_by_a_volume(root, library);
        }
        read => read?.unwrap_or_default(),
    };
    let Some(list) = merge(&old, library) else { return Ok(()) };
    replace(&folder, &list).map_err(|error| file_error("write", LD_SO_PRELOAD, error))
}

/// Whether a container with an allotment has the shim in its list; `None` without an allotment.
pub(super) fn is_told(root: &Root) -> Result<Option<bool>, Refusal> {
    let folder =
        root.at(CONTAINER_ALLOTMENTS, OFlags::RDONLY | OFlags::DIRECTORY, Within::Container);
    let holds = match folder {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => false,
        found => {
            let found = found.map_err(|error| file_error("open", CONTAINER_ALLOTMENTS, error))?;
            let entries = Dir::read_from(&found).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| !entry.file_name().to_bytes().starts_with(b"."))
        }
    };
    if !holds {
        return Ok(None);
    }
    let list = root.read(LD_SO_PRELOAD, Within::Container, LIMIT)?.unwrap_or_default();
    Ok(Some(merge(&list, CONTAINER_SHIM).is_none()))
}

fn make_folder(root: &Root) -> Result<rustix::fd::OwnedFd, Refusal> {
    let failed = |error| file_error("make", FOLDER, error);
    mkdirat(root.folder(), "etc", Mode::from_raw_mode(0o755)).map_err(failed)?;
    root.at(FOLDER, OFlags::PATH | OFlags::DIRECTORY, Within::OwnFileSystem).map_err(failed)
}

/// What a volume brings counts if it names the shim; it is never changed.
fn named_by_a_volume(root: &Root, library: &str) -> Result<(), Refusal> {
    let list = root.read(LD_SO_PRELOAD, Within::Container, LIMIT)?.unwrap_or_default();
    merge(&list, library).map_or(Ok(()), |_| Err(Refusal::Covered))
}

fn replace(folder: &rustix::fd::OwnedFd, list: &[u8]) -> Result<(), Errno> {
    let create = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        openat(folder, DRAFT, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
    };
    let draft = match create() {
        // An image that was made of a container whose start was cut off here.
        Err(Errno::EXIST) => {
            unlinkat(folder, DRAFT, AtFlags::empty())?;
            create()?
        }
        made => made?,
    };
    let mut draft = File::from(draft);
    let written = draft
        .write_all(list)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        // The runtime's umask is not what the container's users need.
        .and_then(|()| fchmod(&draft, Mode::from_raw_mode(0o644)))
        .and_then(|()| renameat(folder, DRAFT, folder, NAME));
    if written.is_err() {
        let _ = unlinkat(folder, DRAFT, AtFlags::empty());
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use proptest::prelude::*;

    const SHIM: &str = "/opt/aliquot/libaliquot.so";

    #[test]
    fn a_container_with_an_allotment_is_told_of_the_shim_by_its_list_alone() {
        let folder = tempfile::tempdir().unwrap();
        let told = || is_told(&Root::open(folder.path()).unwrap()).unwrap();
        assert_eq!(told(), None);
        fs::create_dir_all(folder.path().join("run/aliquot")).unwrap();
        assert_eq!(told(), None, "an empty folder is no allotment");
        fs::create_dir(folder.path().join("run/aliquot/0123456789abcdef")).unwrap();
        assert_eq!(told(), Some(false));
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/ld.so.preload"), format!("/x.so {SHIM}\n")).unwrap();
        assert_eq!(told(), Some(true));
    }

    #[test]
    fn the_shim_comes_first_and_what_was_there_stays() {
        let table: [(&str, Option<&str>); 7] = [
            ("", Some("/opt/aliquot/libaliquot.so\n")),
            ("/lib/a.so", Some("/opt/aliquot/libaliquot.so\n/lib/a.so")),
            ("/lib/a.so /lib/b.so\n", Some("/opt/aliquot/libaliquot.so\n/lib/a.so /lib/b.so\n")),
            ("/lib/a.so:/opt/aliquot/libaliquot.so", None),
            ("\t/opt/aliquot/libaliquot.so # ours\n", None),
            (
                "# /opt/aliquot/libaliquot.so",
                Some("/opt/aliquot/libaliquot.so\n# /opt/aliquot/libaliquot.so"),
            ),
            (
                "/opt/aliquot/libaliquot.so.1",
                Some("/opt/aliquot/libaliquot.so\n/opt/aliquot/libaliquot.so.1"),
            ),
        ];
        for (old, expected) in table {
            let merged = merge(old.as_bytes(), SHIM);
            assert_eq!(merged.as_deref(), expected.map(str::as_bytes), "{old:?}");
        }
    }

    proptest! {
        #[test]
        fn a_merged_list_has_every_name_once_more_the_shim_and_is_merged(
            old in prop::collection::vec(prop::sample::select(&b"/ab#: \t\n\0\xff"[..]), 0..60),
        ) {
            let merged = merge(&old, SHIM).unwrap();
            let mut all = names(&merged).filter(|name| !name.is_empty());
            prop_assert_eq!(all.next(), Some(SHIM.as_bytes()));
            prop_assert!(all.eq(names(&old).filter(|name| !name.is_empty())));
            prop_assert_eq!(merge(&merged, SHIM), None);
        }
    }

    fn image() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    }

    fn list(image: &Path) -> String {
        fs::read_to_string(image.join("etc/ld.so.preload")).unwrap()
    }

    #[test]
    fn a_root_without_etc_gets_one_that_everybody_can_read() {
        let (image, root) = image();
        for _ in 0..2 {
            name_in(&root, SHIM).unwrap();
            assert_eq!(list(image.path()), format!("{SHIM}\n"));
        }
        let mode = fs::metadata(image.path().join("etc/ld.so.preload")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(image.path().join("etc")).unwrap().count(), 1);
    }

    #[test]
    fn links_are_followed_within_the_image_and_replaced() {
        let (image, root) = image();
        let outside = tempfile::tempdir().unwrap();
        let at = |path: &str| image.path().join(path);
        fs::create_dir_all(at("usr/etc")).unwrap();
        symlink("/usr/etc", at("etc")).unwrap();
        fs::write(at("usr/list"), "/lib/a.so").unwrap();
        fs::hard_link(at("usr/list"), at("usr/other-name")).unwrap();
        symlink("../../../../usr/list", at("usr/etc/ld.so.preload")).unwrap();
        name_in(&root, SHIM).unwrap();
        let list = fs::read_to_string(at("usr/etc/ld.so.preload")).unwrap();
        assert_eq!(list, format!("{SHIM}\n/lib/a.so"));
        assert_eq!(fs::read_to_string(at("usr/other-name")).unwrap(), "/lib/a.so");
        // A link out of the image leads to the same name within it, where nothing is.
        fs::write(outside.path().join("list"), "secret").unwrap();
        fs::remove_file(at("usr/etc/ld.so.preload")).unwrap();
        symlink(outside.path().join("list"), at("usr/etc/ld.so.preload")).unwrap();
        name_in(&root, SHIM).unwrap();
        assert_eq!(fs::read_to_string(at("usr/etc/ld.so.preload")).unwrap(), format!("{SHIM}\n"));
        assert_eq!(fs::read_to_string(outside.path().join("list")).unwrap(), "secret");
    }

    #[test]
    fn what_is_no_list_is_refused_with_what_it_is() {
        let (image, root) = image();
        let place = image.path().join("etc/ld.so.preload");
        fs::create_dir_all(&place).unwrap();
        let refusal = || name_in(&root, SHIM).unwrap_err().to_string();
        assert!(refusal().contains("a folder"), "{}", refusal());
        fs::remove_dir(&place).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &place,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        assert!(refusal().contains("a pipe"), "{}", refusal());
        fs::remove_file(&place).unwrap();
        fs::write(&place, vec![b'x'; LIMIT as usize + 1]).unwrap();
        assert!(refusal().contains("larger than 65536 bytes"), "{}", refusal());
        fs::write(&place, vec![b'x'; LIMIT as usize]).unwrap();
        name_in(&root, SHIM).unwrap();
        fs::remove_dir_all(image.path().join("etc")).unwrap();
        symlink("nowhere", image.path().join("etc")).unwrap();
        assert!(refusal().contains("cannot make /etc"), "{}", refusal());
    }

    #[test]
    fn what_a_cut_off_start_left_is_no_obstacle() {
        let (image, root) = image();
        fs::create_dir(image.path().join("etc")).unwrap();
        symlink("/etc/passwd", image.path().join("etc").join(DRAFT)).unwrap();
        name_in(&root, SHIM).unwrap();
        assert_eq!(fs::read_dir(image.path().join("etc")).unwrap().count(), 1);
    }
}
