//! Which allotments a process has mounted, read from `/proc/<pid>/mountinfo`. Pure.
//!
//! The kubelet tells neither a container's id nor its cgroup, but every share's container was given
//! its allotment's folder: a mount whose root is that folder, on the file system of the pages, or a mount
//! of the allotment's own file system, which the agent has mounted too. A tenant can mount what it has
//! elsewhere or take it away; it cannot make its own files the root of a mount in the agent's folder, nor
//! a file system of another's number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::AllotmentId;

/// Where the allotments' pages lie, in the words of a mountinfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pages {
    /// `major:minor` of their file system.
    device: String,
    /// Their folder in it.
    root: String,
    /// Those that have a file system of their own, by its `major:minor`. Only those that are mounted now: the
    /// kernel gives the number of one that is gone to the next, whosever that is.
    apart: BTreeMap<String, AllotmentId>,
}

impl Pages {
    /// Where `folder` lies, by the agent's own mountinfo; `None` for a text that is none.
    #[must_use]
    pub fn find(own: &str, folder: &Path) -> Option<Self> {
        let folder = escaped(folder);
        let mounts = || own.lines().filter_map(fields);
        let apart = mounts().filter_map(|Mount { device, root, point, .. }| {
            let name = point.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/')?;
            Some((device.to_owned(), name.parse().ok().filter(|_| root == "/")?))
        });
        let apart = apart.collect();
        let over = mounts().filter_map(|Mount { device, root, point, .. }| {
            let rest = folder.strip_prefix(point.trim_end_matches('/'))?;
            let inside = rest.is_empty() || rest.starts_with('/');
            inside.then(|| (point.len(), device, format!("{}{rest}", root.trim_end_matches('/'))))
        });
        // The deepest; of several on one point the last covers the others.
        let (_, device, root) = over.max_by_key(|(depth, ..)| *depth)?;
        Some(Self { device: device.to_owned(), root, apart })
    }

    /// The allotments mounted by the lines of a mountinfo, of which no more is kept than what they name.
    #[must_use]
    pub fn mounted(&self, lines: impl Iterator<Item = impl AsRef<str>>) -> BTreeSet<AllotmentId> {
        let (mut on_ours, mut apart, mut ours) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        for line in lines {
            let Some(mount) = fields(line.as_ref()) else { continue };
            if mount.device == self.device {
                on_ours.extend(mount.id.parse::<u64>());
                ours.extend(self.allotment(mount.root));
            } else if let Some(id) = self.apart.get(mount.device) {
                apart.push((mount.parent.parse(), *id));
            }
        }
        // Where the agent has it: whoever sees the machine's mounts sees all of these.
        let elsewhere = |(parent, _): &(Result<u64, _>, _)| {
            !parent.as_ref().is_ok_and(|parent| on_ours.contains(parent))
        };
        ours.extend(apart.into_iter().filter(elsewhere).map(|(_, id)| id));
        ours
    }

    /// The folder `<id>`, or a file in it. The kernel marks what was deleted since.
    fn allotment(&self, root: &str) -> Option<AllotmentId> {
        let root = root.strip_suffix("//deleted").unwrap_or(root);
        let name = root.strip_prefix(&self.root)?.strip_prefix('/')?.split('/').next()?;
        // Hidden: a replaced folder, about to be deleted.
        let hidden = name.strip_prefix('.').and_then(|rest| rest.split('.').next());
        hidden.unwrap_or(name).parse().ok()
    }
}

/// What the begin of a line `36 35 98:0 /root /mount/point …` says of a mount.
struct Mount<'a> {
    id: &'a str,
    /// The mount that it is mounted on.
    parent: &'a str,
    device: &'a str,
    root: &'a str,
    point: &'a str,
}

fn fields(line: &str) -> Option<Mount<'_>> {
    let mut fields = line.split(' ');
    let mut next = || fields.next();
    Some(Mount { id: next()?, parent: next()?, device: next()?, root: next()?, point: next()? })
}

/// A path as the kernel writes it there.
pub(crate) fn escaped(path: &Path) -> String {
    let path = path.display().to_string().replace('\\', "\\134");
    path.replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "20 1 8:1 / / rw - ext4 /dev/sda1 rw
25 20 0:22 / /run rw,nosuid - tmpfs tmpfs rw
26 25 0:31 / /run/lock rw,nosuid - tmpfs tmpfs rw
30 20 8:1 /data/pods/x /pods/x rw - ext4 /dev/sda1 rw
31 20 8:2 / /with\\040space rw - ext4 /dev/sda2 rw
";

    const ID: &str = "00000000000000ab";

    fn pages(folder: &str) -> Pages {
        Pages::find(OWN, Path::new(folder)).unwrap()
    }

    fn mounted(roots: &str) -> Vec<u64> {
        let text = format!("812 790 {roots} /elsewhere ro,relatime - tmpfs tmpfs rw\n");
        pages("/run/aliquot-node").mounted(text.lines()).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn the_pages_folder_is_found_on_its_file_system() {
        let table = [
            ("/run/aliquot-node", "0:22", "/aliquot-node"),
            ("/run", "0:22", ""),
            ("/running", "8:1", "/running"),
            ("/pods/x/run", "8:1", "/data/pods/x/run"),
            ("/with space/a b", "8:2", "/a\\040b"),
        ];
        for (folder, device, root) in table {
            let apart = BTreeMap::new();
            let expected = Pages { device: device.into(), root: root.into(), apart };
            assert_eq!(pages(folder), expected, "{folder}");
        }
        assert_eq!(Pages::find("", Path::new("/run")), None);
        // A file system of the pages' own, mounted over another.
        let own = format!(
            "{OWN}40 25 0:40 / /run/aliquot-node rw - tmpfs a rw\n41 40 0:41 / /run/aliquot-node rw - tmpfs b rw\n"
        );
        let found = Pages::find(&own, Path::new("/run/aliquot-node")).unwrap();
        let apart = BTreeMap::new();
        assert_eq!(found, Pages { device: "0:41".into(), root: String::new(), apart });
    }

    #[test]
    fn a_file_system_of_its_own_names_the_allotment_on_whose_folder_the_agent_has_it() {
        let own = format!(
            "{OWN}40 25 0:40 / /run/aliquot-node rw - tmpfs a rw
41 40 0:41 / /run/aliquot-node/{ID} rw - tmpfs a rw
42 40 0:42 / /run/aliquot-node/lost+found rw - tmpfs a rw
43 25 0:43 / /run/{ID} rw - tmpfs a rw
44 25 0:44 /{ID} /run/aliquot-node/00000000000000cd rw - tmpfs a rw
"
        );
        let pages = Pages::find(&own, Path::new("/run/aliquot-node")).unwrap();
        let mounted = |root: &str| {
            let text = format!("812 790 {root} /run/aliquot/x ro,relatime - tmpfs aliquot rw\n");
            pages.mounted(text.lines()).into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        for root in ["0:41 /", "0:41 /ledger", &format!("0:40 /{ID}/ledger")] {
            assert_eq!(mounted(root), [0xab], "{root}");
        }
        for root in ["0:42 /", "0:43 /", "0:44 /", "0:45 /", "0:40 /"] {
            assert!(mounted(root).is_empty(), "{root}");
        }
        // Of the machine itself, and of a container that has the machine's folder.
        assert!(pages.mounted(own.lines()).is_empty());
        let moved = own.replace("/run/aliquot-node", "/host/pages");
        assert!(pages.mounted(moved.lines()).is_empty());
    }

    #[test]
    fn the_folder_that_is_mounted_names_the_allotment_wherever_it_is_mounted() {
        let roots = [
            format!("/aliquot-node/{ID}"),
            format!("/aliquot-node/{ID}/ledger"),
            format!("/aliquot-node/{ID}//deleted"),
            format!("/aliquot-node/.{ID}.4711//deleted"),
        ];
        for root in roots {
            assert_eq!(mounted(&format!("0:22 {root}")), [0xab], "{root}");
        }
    }

    #[test]
    fn what_a_tenant_can_mount_names_nothing() {
        let others = [
            format!("0:31 /aliquot-node/{ID}"),
            format!("0:22 /{ID}"),
            format!("0:22 /tenant/aliquot-node/{ID}"),
            format!("0:22 /aliquot-nodes/{ID}"),
            "0:22 /aliquot-node".to_owned(),
            "0:22".to_owned(),
            String::new(),
        ];
        for other in others {
            assert!(mounted(&other).is_empty(), "{other}");
        }
    }
}
