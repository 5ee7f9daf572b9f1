//! NVIDIA's NCCL: two processes, each on a card of its own, that map each other's memory and reduce over it,
//! in one container with both cards and in two that have, and see, one card each. Its kernels run and do nothing: the simulated cards have no processors.

use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ledger::agent::read_ledger;
use sim_world::admin;

use crate::container::{Container, HALF, fetched};
use crate::harness::{CONTEXT, World};
use crate::python::command;

const MIB: u64 = 1 << 20;
/// How far what is charged may be from what is taken: code is charged by what its image says.
const NEAR: u64 = 4 * MIB;

/// A rank, which uses the card of this number of those that its container sees, and ends by this call.
fn rank(
    container: &Container,
    (number, card): (usize, usize),
    meeting: &Path,
    end: &str,
) -> Command {
    let library = fetched("nccl").join("nvidia/nccl/lib/libnccl.so.2");
    let words = format!("{} {number} {card} {} {end}", library.display(), meeting.display());
    let mut command = command(container, "nccl", "clients/py/nccl.py", &words);
    // Whatever networks there are: the ranks meet on this machine.
    command.env("NCCL_SOCKET_IFNAME", "lo").stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A rank that runs and has not been let go.
struct Rank(Child, BufReader<ChildStdout>);

impl Rank {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("python starts");
        let said = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self(child, said)
    }

    /// Waits until it has reduced; what it was told then that it uses, in bytes.
    fn reduced(&mut self) -> u64 {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it is text");
        let used = line.strip_prefix("reduced ").and_then(|used| used.trim_end().parse().ok());
        used.expect("a rank ended early: it says why above")
    }

    /// Lets all ranks go, which may wait for each other at their ends.
    fn end_all<const N: usize>(mut ranks: [Self; N]) {
        for rank in &mut ranks {
            drop(rank.0.stdin.take());
        }
        for mut rank in ranks {
            assert!(rank.0.wait().expect("it is our child").success(), "a rank ended badly");
        }
    }
}

/// What is charged is what the card says is taken, by somebody who has NCCL's buffers.
fn assert_counted(charged: u64, taken: u64) {
    assert!(taken > CONTEXT.bytes() + 8 * MIB, "NCCL has buffers: {taken}");
    assert!(charged.abs_diff(taken) <= NEAR, "{charged} charged, and {taken} taken");
}

fn charged(container: &Container, device: usize) -> u64 {
    let ledger = read_ledger(&container.allotment(1).join("ledger")).expect("it can be read");
    ledger.devices[device].held_in_all()
}

/// How much of each card is taken, in bytes.
fn taken(world: &World) -> Vec<u64> {
    let cards = admin::inspect(&world.root()).expect("the world answers").cards;
    cards.into_iter().map(|card| card.memory.used).collect()
}

/// Lets the process see one card alone, and have a host name of its own, as pods do: by that NCCL tells whose
/// card it may ask NVML for. In the mount namespace that it has entered, the world's nodes are the daemon's
/// socket and that card's.
fn see_one_card(command: &mut Command, world: &World, card: usize, nodes: &Path) {
    let dev = world.root().join("dev");
    std::fs::create_dir(nodes).expect("a folder can be made");
    for node in ["nvidiactl".to_owned(), format!("nvidia{card}")] {
        std::fs::hard_link(dev.join(&node), nodes.join(&node)).expect("a node can be linked");
    }
    let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("no zero");
    let (from, to, name) = (path(nodes), path(&dev), format!("rank-{card}"));
    let cover = move || {
        let none = std::ptr::null();
        // SAFETY: C strings, null, and a name with its length, in a process that has a mount namespace of its
        // own and, from here on, one of host names.
        let done = unsafe {
            libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) == 0
                && libc::unshare(libc::CLONE_NEWUTS) == 0
                && libc::sethostname(name.as_ptr().cast(), name.len()) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: three system calls, on strings made before the fork.
    unsafe { command.pre_exec(cover) };
}

#[test]
fn two_ranks_of_nccl_reduce_over_two_shares_and_pay_once_for_what_they_map_of_each_other() {
    let world = World::new();
    let container = world.empty();
    container.allot_with(1, &[(world.card(0), HALF), (world.card(1), HALF)], CONTEXT);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let meeting = folder.path().join("id");
    let mut ranks = [0, 1]
        .map(|number| Rank::start(rank(&container, (number, number), &meeting, "ncclCommDestroy")));
    ranks.iter_mut().for_each(|rank| _ = rank.reduced());
    for (device, taken) in taken(&world).into_iter().enumerate() {
        assert_counted(charged(&container, device), taken);
    }
    Rank::end_all(ranks);
    assert_eq!(container.held(), 0);
}

#[test]
fn two_ranks_of_nccl_in_containers_of_one_card_each_reduce_and_pay_for_their_own_alone() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let meeting = folder.path().join("id");
    let containers = [0, 1].map(|card| {
        let container = world.empty();
        container.allot_with(1, &[(world.card(card), HALF)], CONTEXT);
        container
    });
    let start = |number: usize| {
        // What goes over the network is never fetched by a kernel: an orderly end would wait for that.
        let mut command = rank(&containers[number], (number, 0), &meeting, "ncclCommAbort");
        see_one_card(&mut command, &world, number, &folder.path().join(format!("dev{number}")));
        Rank::start(command)
    };
    let mut ranks = [0, 1].map(start);
    let shown = ranks.each_mut().map(Rank::reduced);
    for (number, taken) in taken(&world).into_iter().enumerate() {
        let charged = charged(&containers[number], 0);
        assert_counted(charged, taken);
        assert_eq!(shown[number], charged, "rank {number} is shown what its container holds");
    }
    Rank::end_all(ranks);
    assert_eq!(containers.map(|container| container.held()), [0, 0]);
}
