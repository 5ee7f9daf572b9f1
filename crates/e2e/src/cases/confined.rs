//! A share under what the machine's security module holds a container to.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Case, PERCENT, ended, said, shown, stays};
use crate::cluster::Cluster;
use crate::machine::{self, Module};
use crate::manifests::pod;

pub(super) const CASES: &[Case] = &[
    Case { name: "a share holds under AppArmor or SELinux, where one is on", run: confined },
    Case { name: "SELinux keeps a share from another's process, where it is on", run: kept_apart },
];

fn confined(cluster: &mut Cluster) -> Result<()> {
    let script = "{ cat /proc/self/attr/current; echo; gpu-client --json mem alloc=15G alloc=2G; \
                  ls -dLZ /run/aliquot/* /run/aliquot/*/* /opt/aliquot/*.so /etc/ld.so.preload; } \
                  > /dev/termination-log 2>&1";
    let said = said(&ended(cluster, &pod("confined", PERCENT, 50, script))?, "main");
    ensure!(said.contains(&shown(50)), "not half the memory: {said}");
    ensure!(said.contains("\"error\":2"), "it got more than its share: {said}");
    let context = said.lines().next().context("nothing was said")?.trim_end_matches('\0');
    let who = match machine::module() {
        Some(Module::AppArmor) => {
            let profile = context.strip_suffix(" (enforce)");
            format!("profile=\"{}\"", profile.with_context(|| format!("it runs as {context}"))?)
        }
        Some(Module::SeLinux) => {
            ensure!(context.contains(":container_t:"), "it runs as {context}");
            is_labelled(&said)?;
            format!("scontext={context} ")
        }
        None => {
            eprintln!("     neither AppArmor nor SELinux is on here: it ran under none");
            return Ok(());
        }
    };
    let denied = denied(&who)?;
    ensure!(denied.is_empty(), "the kernel has denied:\n{}", denied.join("\n"));
    eprintln!("     it ran as {context}, and was denied nothing");
    Ok(())
}

/// Whether everything of ours that `ls` saw has the label for containers: the allotment's folder and its two
/// pages, the shim, and the list that names it.
fn is_labelled(said: &str) -> Result<()> {
    let ours = |line: &&str| line.ends_with("/ld.so.preload") || line.contains("/aliquot/");
    let lines: Vec<_> = said.lines().filter(ours).collect();
    ensure!(lines.len() == 5, "not what was asked about: {said}");
    let other = lines.iter().find(|line| !line.contains(":container_file_t:"));
    ensure!(other.is_none(), "a label that containers may not use: {}", lines.join("; "));
    Ok(())
}

/// What the kernel's log says that was denied to whom it calls `who`.
fn denied(who: &str) -> Result<Vec<String>> {
    let log = Command::new("dmesg").output().context("cannot start dmesg (of util-linux)")?;
    let log = String::from_utf8_lossy(&log.stdout);
    let lines = log.lines().filter(|line| is_denial(line) && line.contains(who));
    Ok(lines.map(str::to_owned).collect())
}

fn is_denial(line: &str) -> bool {
    line.contains("avc:  denied") || line.contains("apparmor=\"DENIED\"")
}

/// The other shares the node's processes, so that only labels are between it and the owner's root.
fn kept_apart(cluster: &mut Cluster) -> Result<()> {
    const MARK: &str = "12345678";
    if !fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|it| it.trim() == "1") {
        eprintln!("     SELinux does not enforce here: nothing was tried");
        return Ok(());
    }
    stays(cluster, &pod("owner", PERCENT, 30, &format!("exec sleep {MARK}")))?;
    let owner = process_with(MARK)?;
    let script = format!(
        "{{ cat /proc/self/attr/current; echo; ls /proc/{owner}/root/run/aliquot; }} \
         > /dev/termination-log 2>&1; test $? != 0"
    );
    let mut other = pod("other", PERCENT, 30, &script);
    other["spec"]["hostPID"] = json!(true);
    let said = said(&ended(cluster, &other)?, "main");
    ensure!(said.contains("Permission denied"), "it sees the other's root: {said}");
    let context = said.lines().next().context("nothing was said")?.trim_end_matches('\0');
    let denied = denied(&format!("scontext={context} "))?;
    ensure!(!denied.is_empty(), "something else than labels keeps {context} from it: {said}");
    Ok(())
}

/// A process that was started with this word.
fn process_with(word: &str) -> Result<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|it| it == word.as_bytes())
    };
    let pids = fs::read_dir("/proc")?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(has).with_context(|| format!("no process was started with {word}"))
}
