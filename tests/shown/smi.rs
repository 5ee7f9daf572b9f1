//! NVIDIA's nvidia-smi in a container that shares its card with another.

use contract::Mib;

use crate::harness::{CONTEXT, Holder, World, smi};

const APPS: &str = "--query-compute-apps=pid,used_memory --format=csv,noheader";

/// The rows of the table of processes: pid, type, name, memory.
fn rows(table: &str) -> Vec<[String; 4]> {
    let (_, processes) = table.split_once("Processes:").expect("a table of processes");
    let rows = processes.lines().filter(|line| line.contains("MiB"));
    let words = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
    words.map(|row| [row[4], row[5], row[6], row[7]].map(str::to_owned)).collect()
}

#[test]
fn the_table_shows_the_containers_own_process_with_its_pid_name_and_memory() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let own = Holder::start(&mine, 0, 100);
    let rows = rows(&smi(&mine, ""));
    assert_eq!(rows.len(), 1, "{rows:?}");
    let [pid, kind, name, memory] = &rows[0];
    assert_eq!([pid, kind, memory], [&own.pid().to_string(), "C", "408MiB"]);
    assert!(name.ends_with("gpu-client"), "{name}");
}

#[test]
fn a_container_without_processes_sees_none_of_its_neighbours() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let table = smi(&mine, "");
    assert!(table.contains("No running processes found"), "{table}");
    assert_eq!(smi(&mine, APPS), "");
}

#[test]
fn a_share_of_nothing_is_a_full_card_whose_processes_are_listed() {
    let world = World::new();
    let mine = world.half();
    let own = Holder::start(&mine, 0, 100);
    mine.limit(world.card(0), Mib(0));
    let memory = "--query-gpu=memory.total,memory.used,memory.free --format=csv,noheader -i 0";
    assert_eq!(smi(&mine, memory), "32768 MiB, 32768 MiB, 0 MiB");
    assert!(smi(&mine, "").contains("32768MiB / 32768MiB"));
    assert_eq!(smi(&mine, APPS), format!("{}, 408 MiB", own.pid()));
}

#[test]
fn a_query_lists_every_process_of_the_container_and_its_memory() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let neighbour = Holder::start(&other, 0, 512);
    let (first, second) = (Holder::start(&mine, 0, 100), Holder::start(&mine, 0, 200));
    let (a, b) = (100 + CONTEXT.0, 200 + CONTEXT.0);
    let expected = format!("{}, {a} MiB\n{}, {b} MiB", first.pid(), second.pid());
    assert_eq!(smi(&mine, APPS), expected);
    assert_eq!(smi(&other, APPS), format!("{}, {} MiB", neighbour.pid(), 512 + CONTEXT.0));
}

#[test]
fn the_long_report_names_the_containers_own_process_alone() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let neighbour = Holder::start(&other, 0, 512);
    let own = Holder::start(&mine, 0, 100);
    let report = smi(&mine, "-q -d PIDS");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = report.lines().map(words).collect();
    let pids: Vec<_> = lines.iter().filter(|line| line.starts_with("Process ID")).collect();
    assert_eq!(pids, [&format!("Process ID : {}", own.pid())]);
    assert!(lines.iter().any(|line| line == "Used GPU Memory : 408 MiB"), "{report}");
    let everything = smi(&mine, "-q -x");
    assert!(everything.contains(&format!("<pid>{}</pid>", own.pid())), "{everything}");
    assert!(!everything.contains(&format!("<pid>{}</pid>", neighbour.pid())), "{everything}");
}

#[test]
fn the_process_monitor_shows_the_containers_own_process_alone() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let neighbour = Holder::start(&other, 0, 512);
    let own = Holder::start(&mine, 0, 100);
    let monitor = smi(&mine, "pmon -c 1");
    let pids = monitor.lines().filter(|line| !line.starts_with('#'));
    let pids: Vec<_> = pids.filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert!(pids.contains(&own.pid().to_string().as_str()), "{monitor}");
    assert!(!pids.contains(&neighbour.pid().to_string().as_str()), "{monitor}");
    let memory = smi(&mine, "pmon -c 1 -s m");
    assert!(memory.lines().any(|line| line.contains(" 408 ")), "{memory}");
}

#[test]
fn a_process_that_was_killed_is_gone() {
    let world = World::new();
    let mine = world.half();
    let (first, second) = (Holder::start(&mine, 0, 100), Holder::start(&mine, 0, 200));
    let left = format!("{}, 508 MiB", second.pid());
    first.kill();
    assert_eq!(smi(&mine, APPS), left);
    second.kill();
    assert_eq!(smi(&mine, APPS), "");
}

#[test]
fn a_card_that_is_seen_but_not_allotted_lists_nobody() {
    let world = World::new();
    let (mine, other) = (world.half(), world.empty());
    other.allot_with(1, &[(world.card(1), crate::container::HALF)], CONTEXT);
    let _neighbour = Holder::start(&other, 1, 512);
    let own = Holder::start(&mine, 0, 100);
    assert_eq!(smi(&mine, APPS), format!("{}, 408 MiB", own.pid()));
    assert_eq!(smi(&mine, &format!("{APPS} -i 1")), "");
}

#[test]
fn a_container_without_an_allotment_is_shown_nobody() {
    let world = World::new();
    let (nothing, other) = (world.empty(), world.half());
    let neighbour = Holder::start(&other, 0, 512);
    for words in ["", APPS, "-q -d PIDS", "pmon -c 1"] {
        let outcome = nothing.run(&crate::container::fetched(crate::harness::SMI), words);
        let pid = neighbour.pid().to_string();
        assert!(!outcome.lines.iter().any(|line| line.contains(&pid)), "{words}: {outcome:?}");
        assert!(outcome.stderr.contains("no allotment lies here"), "{words}: {outcome:?}");
    }
}
