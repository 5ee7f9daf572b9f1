//! A share under what the machine's security module holds a container to.

use anyhow::{Context, Result, ensure};

use super::{Case, PERCENT, ended, said, shown};
use crate::cluster::Cluster;
use crate::machine::{self, Module};
use crate::manifests::pod;

pub(super) const CASES: &[Case] =
    &[Case { name: "a share holds under AppArmor or SELinux, where one is on", run: confined }];

fn confined(cluster: &mut Cluster) -> Result<()> {
    let script = "{ cat /proc/self/attr/current; echo; gpu-client --json mem alloc=15G alloc=2G; } \
                  > /dev/termination-log 2>&1; test $? = 1";
    let said = said(&ended(cluster, &pod("confined", PERCENT, 50, script))?, "main");
    ensure!(said.contains(&shown(50)), "not half the memory: {said}");
    ensure!(said.contains("\"error\":2"), "it got more than its share: {said}");
    let context = said.lines().next().context("nothing was said")?.trim_end_matches('\0');
    let mark = match machine::module() {
        Some(Module::AppArmor) => " (enforce)",
        Some(Module::SeLinux) => ":container_t:",
        None => {
            eprintln!("     neither AppArmor nor SELinux is on here: it ran under none");
            return Ok(());
        }
    };
    ensure!(context.contains(mark), "the container runs as {context}");
    eprintln!("     it ran as {context}");
    Ok(())
}
