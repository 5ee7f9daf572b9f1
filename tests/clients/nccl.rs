//! NVIDIA's NCCL: two processes of a container, each on a card of its own, that map each other's memory
//! and reduce over it. Its kernels run and do nothing: the simulated cards have no processors.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use ledger::agent::read_ledger;
use sim_world::admin;

use crate::container::{Container, HALF, fetched};
use crate::harness::{CONTEXT, World};
use crate::python::command;

const MIB: u64 = 1 << 20;
/// How far what is charged may be from what is taken: code is charged by what its image says.
const NEAR: u64 = 4 * MIB;

fn rank(container: &Container, number: usize, meeting: &Path) -> (Child, BufReader<ChildStdout>) {
    let library = fetched("nccl").join("nvidia/nccl/lib/libnccl.so.2");
    let words = format!("{} {number} {}", library.display(), meeting.display());
    let mut command = command(container, "nccl", "clients/py/nccl.py", &words);
    // Whatever networks there are: the ranks meet on this machine.
    command.env("NCCL_SOCKET_IFNAME", "lo").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python starts");
    let said = BufReader::new(child.stdout.take().expect("it is a pipe"));
    (child, said)
}

#[test]
fn two_ranks_of_nccl_reduce_over_two_shares_and_pay_once_for_what_they_map_of_each_other() {
    let world = World::new();
    let container = world.empty();
    container.allot_with(1, &[(world.card(0), HALF), (world.card(1), HALF)], CONTEXT);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut ranks = [0, 1].map(|number| rank(&container, number, &folder.path().join("id")));
    for (_, said) in &mut ranks {
        let mut line = String::new();
        said.read_line(&mut line).expect("it is text");
        assert!(line.starts_with("reduced "), "a rank ended early: it says why above");
    }
    let ledger = read_ledger(&container.allotment(1).join("ledger")).expect("it can be read");
    let cards = admin::inspect(&world.root()).expect("the world answers").cards;
    for (device, card) in cards.iter().enumerate() {
        let (charged, taken) = (ledger.devices[device].held_in_all(), card.memory.used);
        assert!(taken > CONTEXT.bytes() + 8 * MIB, "NCCL has buffers: {taken}");
        assert!(charged.abs_diff(taken) <= NEAR, "device {device}: {charged}, and {taken} taken");
    }
    for (child, _) in &mut ranks {
        drop(child.stdin.take());
        assert!(child.wait().expect("it is our child").success(), "a rank ended badly");
    }
    assert_eq!(container.held(), 0);
}
