//! Whether the shim loads in images: in those that the command line names, and in the containers that hold
//! a share here and now, by their processes' roots. Nothing of an image is run or followed out of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aliquot_hook::Root;

use super::Finding;
use crate::args::DoctorArgs;

/// One finding for each image, and one for all containers.
pub(super) fn look(args: &DoctorArgs) -> Vec<Finding> {
    let mut findings: Vec<_> = args.image.iter().map(|path| image(path)).collect();
    findings.push(containers(&args.proc));
    findings
}

fn image(path: &Path) -> Finding {
    const ABOUT: &str = "image";
    match Root::open(path).and_then(|root| aliquot_hook::look(&root)) {
        Ok(()) => Finding::good(ABOUT, format!("the shim loads in {}", path.display())),
        Err(why) => Finding::bad(ABOUT, format!("{}: {why}", path.display()), "docs/injection.md"),
    }
}

fn containers(proc: &Path) -> Finding {
    const ABOUT: &str = "containers";
    let (mut told, mut trouble) = (0, Vec::new());
    for (pid, root) in roots(proc) {
        let Ok(opened) = Root::open(&root) else { continue };
        let judged = match aliquot_hook::is_told(&opened) {
            Ok(None) => continue,
            Ok(Some(true)) => aliquot_hook::look(&opened).map_err(|why| why.to_string()),
            Ok(Some(false)) => Err("its /etc/ld.so.preload does not name the shim".to_owned()),
            Err(why) => Err(why.to_string()),
        };
        match judged {
            Ok(()) => told += 1,
            Err(why) => trouble.push(format!("process {pid}: {why}")),
        }
    }
    if !trouble.is_empty() {
        let todo =
            "these hold a share and are not bound to it; the audit watches them: docs/injection.md";
        return Finding::bad(ABOUT, trouble.join("; "), todo);
    }
    match told {
        0 => Finding::skipped(
            ABOUT,
            "none with a share is seen here; --image DIR looks at an unpacked one",
        ),
        n => Finding::good(ABOUT, format!("the shim loads in all {n} that hold a share")),
    }
}

/// Every root of a process once, with one of its processes. Those that may not be looked at are left out.
fn roots(proc: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let mut seen = BTreeSet::new();
    let roots = pids.into_iter().map(|pid| (pid, proc.join(pid.to_string()).join("root")));
    roots
        .filter(|(_, root)| {
            fs::metadata(root).is_ok_and(|meta| seen.insert((meta.dev(), meta.ino())))
        })
        .collect()
}
