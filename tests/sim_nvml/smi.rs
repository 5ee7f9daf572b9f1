//! What the real nvidia-smi shows.

use sim_world::admin::{self, Change};

use crate::client_handle::Client;
use crate::harness::{TestWorld, options, wait_until};

/// Runs nvidia-smi, which must succeed and keep stderr clean.
fn smi(world: &TestWorld, args: &[&str]) -> String {
    let output = world.nvidia_smi(args);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stdout}{stderr}", output.status);
    assert_eq!(stderr, "");
    stdout
}

#[test]
fn the_table_shows_driver_cards_memory_and_processes() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["context=308", "take=1024"]);
    assert_eq!([client.answer(), client.answer()], ["done", "done"]);
    let table = smi(&world, &[]);
    assert!(table.contains("Driver Version: 580.95.05    CUDA Version: 13.0"), "{table}");
    assert!(table.contains("Tesla V100-SXM2-32GB"), "{table}");
    assert!(table.contains("  1332MiB / 32768MiB |"), "{table}");
    assert!(table.contains("     0MiB / 32768MiB |"), "{table}");
    let row = table.lines().find(|line| line.contains("world-client")).expect("a process row");
    let words: Vec<_> = row.split_whitespace().collect();
    assert_eq!(words[1..6], ["0", "N/A", "N/A", &client.pid().to_string(), "C"]);
    assert_eq!(words[7], "1332MiB");
}

#[test]
fn the_memory_of_a_killed_process_is_gone_from_the_table() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["context=308"]);
    client.answer();
    assert_eq!(used(&world), "308\n0\n");
    client.kill();
    wait_until("the memory is free", || used(&world) == "0\n0\n");
    assert!(smi(&world, &[]).contains("No running processes found"));
}

#[test]
fn a_list_of_cards_names_each_with_its_uuid() {
    let world = TestWorld::new();
    let uuids: Vec<_> = world.report().cards.into_iter().map(|card| card.uuid).collect();
    let expected = format!(
        "GPU 0: Tesla V100-SXM2-32GB (UUID: {})\nGPU 1: Tesla V100-SXM2-32GB (UUID: {})\n",
        uuids[0], uuids[1]
    );
    assert_eq!(smi(&world, &["-L"]), expected);
}

#[test]
fn queries_answer_in_the_figures_of_the_profile() {
    let world = TestWorld::new();
    let query = "--query-gpu=memory.total,memory.reserved,memory.free,compute_cap,\
                 pci.bus_id,power.limit,mig.mode.current,ecc.mode.current";
    let first = smi(&world, &[query, "--format=csv,noheader", "-i", "0"]);
    assert_eq!(
        first,
        "32768 MiB, 258 MiB, 32510 MiB, 7.0, 00000000:07:00.0, 300.00 W, [N/A], Enabled\n"
    );
}

#[test]
fn the_long_report_is_complete_and_clean_for_every_kind_of_card() {
    let kinds = ["v100-32gb", "t4", "a100-40gb", "a100-80gb", "l40s", "h100-80gb", "h200"];
    let world = TestWorld::with(&kinds.map(|kind| (kind, 1)), options());
    let report = smi(&world, &["-q"]);
    assert_eq!(report.matches("Product Name").count(), kinds.len());
    assert!(report.contains("Reserved                          : 258 MiB"), "{report}");
    let memory = smi(&world, &["-q", "-d", "MEMORY"]);
    assert!(memory.contains("Total                             : 143771 MiB"), "{memory}");
    let xml = smi(&world, &["-q", "-x"]);
    assert_eq!(xml.matches("<gpu id=").count(), kinds.len());
}

#[test]
fn utilisation_follows_the_time_line() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["context=308", "run-ms=60000"]);
    client.answer();
    client.answer();
    let query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"];
    wait_until("the card is busy", || smi(&world, &query) == "100\n0\n");
}

#[test]
fn a_vanished_card_is_reported_lost_and_is_back_when_restored() {
    let world = TestWorld::new();
    admin::change(world.root(), Change::Vanish { card: 1 }).unwrap();
    let output = world.nvidia_smi(&["-L"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("GPU is lost"), "{said}");
    assert_eq!(output.status.code(), Some(15));
    admin::change(world.root(), Change::Restore { card: 1 }).unwrap();
    assert_eq!(smi(&world, &["-L"]).lines().count(), 2);
}

#[test]
fn a_world_without_its_daemon_is_a_driver_that_is_not_loaded() {
    let world = TestWorld::new();
    world.kill_daemon();
    let output = world.nvidia_smi(&[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("couldn't communicate with the NVIDIA driver"), "{said}");
    assert_eq!(output.status.code(), Some(9));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("has no daemon") && why.lines().count() == 1, "{why}");
}

#[test]
fn the_monitors_run() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["context=308"]);
    client.answer();
    let processes = smi(&world, &["pmon", "-c", "1"]);
    assert!(processes.contains(&client.pid().to_string()), "{processes}");
    let devices = smi(&world, &["dmon", "-c", "1"]);
    assert_eq!(devices.lines().filter(|line| !line.starts_with('#')).count(), 2, "{devices}");
}

#[test]
fn a_container_that_was_given_one_node_sees_that_card_alone() {
    let world = TestWorld::new();
    let container = world.root().parent().unwrap().join("container");
    let libraries = container.join("usr/lib/x86_64-linux-gnu");
    for folder in [container.join("dev"), libraries.clone()] {
        std::fs::create_dir_all(folder).unwrap();
    }
    for file in ["dev/nvidiactl", "dev/nvidia1", "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"] {
        // A link stands for the bind mount that a container runtime makes.
        std::fs::hard_link(world.root().join(file), container.join(file)).unwrap();
    }
    let mut command = std::process::Command::new(world.root().join("usr/bin/nvidia-smi"));
    let output = command.env("LD_LIBRARY_PATH", libraries).arg("-L").output().unwrap();
    let uuid = &world.report().cards[1].uuid;
    let expected = format!("GPU 0: Tesla V100-SXM2-32GB (UUID: {uuid})\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn twenty_at_once_all_see_the_same_world() {
    let world = TestWorld::new();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let run = || smi(&world, &["-L"]);
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| *run == runs[0]));
}

fn used(world: &TestWorld) -> String {
    smi(world, &["--query-gpu=memory.used", "--format=csv,noheader,nounits"])
}
