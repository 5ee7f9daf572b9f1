//! Pids as a container with a pid namespace of its own knows them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use ledger::agent::{LimitsPage, Seen, read_ledger};
use sim_world::admin;

use crate::container::{Container, dist, fetched};
use crate::harness::{Holder, SMI, World};
use crate::lists::{asker, of};

/// Runs a shell in a pid namespace with a /proc of its own, where a process holds 100 MiB; lets `look`
/// see it, then runs the script. The holder's pid in there, and what the script says.
fn inside(container: &Container, script: &str, look: impl FnOnce()) -> (u32, Vec<String>) {
    let client = dist("x86_64/gpu-client");
    let script = format!(
        "mount -t proc proc /proc && mkfifo /run/in /run/out && exec 3<>/run/in && \
         {{ {} --json alloc=100M hold <&3 >/run/out & }} && exec 4</run/out && \
         read -r line <&4 && echo $! && read -r go; {script}",
        client.display()
    );
    let unshare = Path::new("/usr/bin/unshare");
    let mut command = container.command(unshare, "--pid --fork --kill-child sh -c");
    command.arg(script).env("PATH", "/usr/bin:/bin").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("unshare, of util-linux, starts");
    let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    let pid = lines.next().and_then(|line| line.parse().ok()).expect("the holder's pid");
    look();
    child.stdin.take();
    // The shell is the first process of its namespace: with it end all others.
    let said = lines.collect();
    child.wait().expect("it is our child");
    (pid, said)
}

#[test]
fn a_process_has_the_pid_and_the_name_that_its_namespace_knows() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let query = "--query-compute-apps=pid,name,used_memory --format=csv,noheader";
    let script = format!("{} {query}", fetched(SMI).display());
    let (pid, said) = inside(&mine, &script, || ());
    assert!(pid < 100, "{pid} is a pid of the machine");
    let name = dist("x86_64/gpu-client");
    assert_eq!(said, [format!("{pid}, {}, 408 MiB", name.display())]);
}

#[test]
fn how_busy_a_process_is_is_not_said_as_long_as_its_pid_on_the_machine_is_unknown() {
    let world = World::new();
    let mine = world.half();
    let (pid, said) = inside(&mine, &format!("{} 0", asker().display()), || ());
    let list = of(&said, "nvmlDeviceGetComputeRunningProcesses");
    assert!(list.starts_with(&format!("size 7/1 all 0/1 {pid}=")), "{said:?}");
    assert!(of(&said, "usage").starts_with("size 6/0 all 6/0"), "{said:?}");
}

#[test]
fn how_busy_a_process_is_is_said_once_the_agent_has_written_its_pid_on_the_machine() {
    let world = World::new();
    let mine = world.half();
    let (pid, said) = inside(&mine, &format!("{} 0", asker().display()), || {
        let ledger = read_ledger(&mine.allotment(1).join("ledger")).expect("it can be read");
        let slot = &ledger.slots[0];
        let report = admin::inspect(&world.root()).expect("the world answers");
        let host_pid = report.cards[0].processes[0].host_pid;
        let page = LimitsPage::open(&mine.allotment(1)).expect("it is good");
        page.describe_slots(&[Seen { slot, host_pid, measured: &[] }], &[]);
    });
    for name in ["usage", "infos"] {
        let expected = format!("size 7/1 all 0/1 {pid}=0 null");
        assert!(of(&said, name).starts_with(&expected), "{name}: {said:?}");
    }
}
