//! Paths inside a root file system that is not ours: links lead nowhere outside it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links that are followed before a path counts as a loop.
const LINKS: usize = 40;

/// Where `path`, as a process inside `root` would name it, lies on the machine. What does not exist
/// is taken as it is written.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut left: Vec<OsString> = parts(path);
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            inside.pop();
            continue;
        }
        match fs::read_link(root.join(&inside).join(&part)) {
            Err(_) => inside.push(part),
            Ok(_) if links == LINKS => return Err(io::Error::other("too many links")),
            Ok(link) => {
                links += 1;
                if link.is_absolute() {
                    inside = PathBuf::new();
                }
                left.extend(parts(&link));
            }
        }
    }
    Ok(root.join(inside))
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_within_the_root() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("run/deep")).unwrap();
        fs::create_dir(at("var")).unwrap();
        symlink("/run", at("var/run")).unwrap();
        symlink("../../../../run/deep", at("up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let table = [
            ("/var/run/x/y", "run/x/y"),
            ("/up/file", "run/deep/file"),
            ("/../../etc", "etc"),
            ("/not/there", "not/there"),
        ];
        for (path, expected) in table {
            assert_eq!(resolve(root.path(), Path::new(path)).unwrap(), at(expected), "{path}");
        }
        assert!(resolve(root.path(), Path::new("/loop/x")).is_err());
    }
}
