//! The program that becomes a container, in two steps: the first leaves the machine's mounts and
//! waits on the leash, the second is pid 1 of the container and turns into its command.

use std::fs;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::plan::Plan;
use super::{hooks, root};

/// What the first step says of itself on the leash: the container is created.
const CREATED: &str = "created";
/// Or it is not, and why.
pub(super) const REFUSED: &str = "refused: ";

/// The first step's argument.
pub(super) const MOUNT: &str = "container-mount";
/// The second step's.
const ENTER: &str = "container-enter";

/// The container could not be made.
const NO_CONTAINER: u8 = 125;
/// The command does not exist or cannot be run.
const NO_COMMAND: u8 = 127;

pub(super) fn main() -> Option<ExitCode> {
    let step = std::env::args().nth(1);
    let done = match step.as_deref() {
        Some(MOUNT) => hold(),
        Some(ENTER) => enter(),
        _ => return None,
    };
    Some(done.unwrap_or_else(|error| {
        eprintln!("container: {error:#}");
        ExitCode::from(NO_CONTAINER)
    }))
}

fn hold() -> Result<ExitCode> {
    let plan = read_plan()?;
    join_cgroup(&plan)?;
    // A process that has left for another pid namespace can start no thread.
    let (sender, pid) = channel();
    thread::spawn(move || pid.recv().map(follow_leash));
    let rooted = "cannot make namespaces: root is needed";
    unshare(CloneFlags::CLONE_NEWNS).context(rooted)?;
    let root = root::build(&plan)?;
    if let Err(why) = hooks::run(&plan, &root) {
        say(&format!("{REFUSED}{}", format!("{why:#}").replace('\n', " ")))?;
        return Err(why);
    }
    // Hooks come before it: the first process in it is the container's.
    unshare(CloneFlags::CLONE_NEWPID).context(rooted)?;
    let child = step_two(&plan)?;
    say(CREATED)?;
    sender.send(Pid::from_raw(child.id() as i32))?;
    wait(child)
}

/// The leash is a socket: it goes both ways.
fn say(words: &str) -> Result<()> {
    let leash = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(writeln!(UnixStream::from(leash), "{words}")?)
}

fn read_plan() -> Result<Plan> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    serde_json::from_str(&line).context("no plan on stdin")
}

fn join_cgroup(plan: &Plan) -> Result<()> {
    let Some(cgroup) = &plan.cgroup else { return Ok(()) };
    let joined = fs::create_dir_all(cgroup)
        .and_then(|()| fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string()));
    joined.with_context(|| format!("cannot use the cgroup {}", cgroup.display()))
}

/// The first process of the new pid namespace.
fn step_two(plan: &Plan) -> Result<Child> {
    let program = std::env::current_exe()?;
    let mut child = Command::new(program).arg(ENTER).stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    writeln!(stdin, "{}", serde_json::to_string(plan)?)?;
    Ok(child)
}

/// A line is a signal's number for the command; the end of the leash is the container's.
fn follow_leash(pid: Pid) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let signal = line.parse().ok().and_then(|number: i32| Signal::try_from(number).ok());
        let _ = kill(pid, signal);
    }
    let _ = kill(pid, Signal::SIGKILL);
}

fn wait(mut child: Child) -> Result<ExitCode> {
    let status: ExitStatus = child.wait()?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(code as u8))
}

fn enter() -> Result<ExitCode> {
    // Whatever ends the first step ends the container.
    set_pdeathsig(Signal::SIGKILL)?;
    let plan = read_plan()?;
    root::enter(&plan)?;
    let Some((program, arguments)) = plan.command.split_first() else { bail!("no command") };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&plan.env).stdin(Stdio::null());
    if let Some((user, group)) = plan.user {
        command.uid(user).gid(group);
    }
    let error = command.exec();
    eprintln!("container: cannot run {program}: {error}");
    Ok(ExitCode::from(NO_COMMAND))
}
