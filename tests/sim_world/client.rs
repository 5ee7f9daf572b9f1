//! A process of a simulated world, for tests: `world-client DIR ORDER…`, where each order answers with
//! one line on stdout. Then it takes orders from stdin, a line each, and ends when stdin does.

use std::io::Write;
use std::path::Path;

use sim_world::{CopyEngine, Demand, Kind, World, now_ns};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, orders) = args.split_first().expect("world-client DIR ORDER…");
    let world = World::open(Path::new(dir)).expect("the world is there");
    let later = std::io::stdin().lines().map(|line| line.expect("stdin is text"));
    for order in orders.iter().cloned().chain(later) {
        let line = obey(&world, &order);
        println!("{line}");
        std::io::stdout().flush().expect("stdout is open");
    }
}

fn obey(world: &World, order: &str) -> String {
    let card = &world.cards()[0];
    let (verb, number) = order.split_once('=').unwrap_or((order, "0"));
    let number: u64 = number.parse().expect("a number");
    match verb {
        "context" => say(world.take(card, Kind::Context, number << 20)),
        "take" => say(world.take(card, Kind::Allocation, number << 20)),
        "give" => say(world.give(card, Kind::Allocation, number << 20)),
        "run-ms" => {
            let due_ns = number * 1_000_000;
            let since_ns = now_ns();
            let demand = Demand { level: 5, ran_ns: 0, due_ns, open: false, since_ns };
            world.ask_time(card, demand).to_string()
        }
        "storm" => loop {
            let demand =
                Demand { level: 5, ran_ns: 0, due_ns: u64::MAX >> 3, open: false, since_ns: 0 };
            let _ = world.ask_time(card, demand);
            let _ = world.copy(card, CopyEngine::In, 0, 10);
        },
        "fork" => fork(world),
        // Closes every descriptor but stdin and stdout, as daemons do.
        "close" => say(close_all()),
        other => panic!("unknown order {other}"),
    }
}

fn say<E: std::fmt::Debug>(done: Result<(), E>) -> String {
    match done {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn close_all() -> std::io::Result<()> {
    // SAFETY: only the world's descriptors are above, and nothing is asked of the world after this.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// A child that reports what its parent's connection is to it, and then stays, all descriptors open.
fn fork(world: &World) -> String {
    let mut pipe = [0; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    // SAFETY: this process has one thread; the child writes one line and sleeps.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let said = say(world.memory(&world.cards()[0]).map(drop));
        let own = say(World::open(world.root()).map(drop));
        let line = format!("{} {said} {own}", std::process::id());
        // SAFETY: writes a live buffer into the pipe made above, then waits to be killed.
        unsafe {
            libc::write(pipe[1], line.as_ptr().cast(), line.len());
            loop {
                libc::pause();
            }
        }
    }
    let mut line = [0u8; 256];
    // SAFETY: reads at most as many bytes as the buffer has.
    let length = unsafe { libc::read(pipe[0], line.as_mut_ptr().cast(), line.len()) };
    let length = usize::try_from(length).expect("the child wrote");
    String::from_utf8_lossy(&line[..length]).into_owned()
}
