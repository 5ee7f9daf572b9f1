//! NVIDIA's nvidia-smi in all its forms: each ends as it does without the shim, and what it shows of
//! memory and processes is the share's and the container's.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::container::{Outcome, fetched};
use crate::harness::{CONTEXT, Holder, SMI, World};

/// What reads a card and shows neither memory nor processes: the same, but for figures that move.
const SAME: &[&str] = &[
    "-L",
    "-B",
    "-h",
    "--help-query-gpu",
    "--help-query-compute-apps",
    "-q -u",
    "-q -d UTILIZATION",
    "-q -d ECC",
    "-q -d TEMPERATURE",
    "-q -d POWER",
    "-q -d CLOCK",
    "-q -d COMPUTE",
    "-q -d PERFORMANCE",
    "-q -d SUPPORTED_CLOCKS",
    "-q -d PAGE_RETIREMENT",
    "-q -d ACCOUNTING",
    "-q -d ENCODER_STATS",
    "-q -d SUPPORTED_GPU_TARGET_TEMP",
    "-q -d VOLTAGE",
    "-q -d FBC_STATS",
    "-q -d ROW_REMAPPER",
    "-q -d RESET_STATUS",
    "-q -d NOTHING",
    "topo -m",
    "topo -p -i 0,1",
    "topo -p2p r",
    "topo -p2p n",
    "topo -n 2 -i 0",
    "topo -M -i 0",
    "topo",
    "topo -c 0",
    "topo -C",
    "topo -C -i 0",
    "topo -p2p w",
    "topo -p2p a",
    "topo -p2p p",
    "topo -h",
    "drain -q -p 0000:07:00.0",
    "clocks",
    "daemon -t",
    "stats",
    "nvlink -e",
    "nvlink -gt d",
    "--list-excluded-gpus",
    "--query-retired-pages=gpu_uuid,retired_pages.cause --format=csv",
    "--dtd",
    "encodersessions -l 0",
    "fbcsessions -l 0",
    "dmon -c 1",
    "dmon -c 1 -s t",
    "dmon -c 1 -s puce",
    "mig -lgi",
    "mig -lgip",
    "mig -lci",
    "mig -lcip",
    "vgpu",
    "vgpu -q",
    "nvlink -s",
    "nvlink -c",
    "nvlink -p",
    "c2c -s",
    "conf-compute -f",
    "power-hint -l",
    "boost-slider -l",
    "compute-policy -l",
    "replay",
    "--query-accounted-apps=pid,gpu_util,max_memory_usage --format=csv",
    "--query-remapped-rows=gpu_bus_id,remapped_rows.correctable --format=csv",
    "--query-supported-clocks=gr,mem --format=csv",
    "-L -i 9",
    "--no-such-option",
];

/// What shows memory: the share's size, or what its processes use.
const MEMORY: &[(&str, &str)] = &[
    ("", "408MiB / 16255MiB"),
    ("-i 0", "408MiB / 16255MiB"),
    ("-q -d MEMORY", "Total                             : 16255 MiB"),
    ("-q", "Total                             : 16255 MiB"),
    ("-a", "Used                              : 408 MiB"),
    ("-q -x", "<total>16255 MiB</total>"),
    ("-q -x -i 0", "<used>408 MiB</used>"),
    ("dmon -c 1 -s m", " 408 "),
    (
        "--query-gpu=memory.total,memory.used,memory.free --format=csv",
        "16255 MiB, 408 MiB, 15847 MiB",
    ),
];

/// What shows processes.
const PROCESSES: &[&str] = &[
    "",
    "-q",
    "-q -d PIDS",
    "-q -x",
    "pmon -c 1",
    "pmon -c 1 -s um -o DT",
    "--query-compute-apps=pid,name,used_memory,gpu_uuid --format=csv",
];

/// A container with a process, and a neighbour with another.
struct Scene {
    world: World,
    mine: crate::container::Container,
    own: Holder,
    neighbour: Holder,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let (mine, other) = (world.half(), world.half());
        let (neighbour, own) = (Holder::start(&other, 0, 512), Holder::start(&mine, 0, 100));
        Self { world, mine, own, neighbour }
    }

    fn inside(&self, words: &str) -> Outcome {
        self.mine.run(&fetched(SMI), words)
    }

    fn alone(&self) -> Command {
        let mut command = Command::new(fetched(SMI));
        command.env("LD_LIBRARY_PATH", self.world.root().join("usr/lib/x86_64-linux-gnu"));
        command
    }

    /// The same without the shim, beside the container.
    fn outside(&self, words: &str) -> Outcome {
        let mut command = self.alone();
        let output = command.args(words.split_whitespace()).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines = text(&output.stdout).lines().map(str::to_owned).collect();
        Outcome { lines, stderr: text(&output.stderr), code: output.status.code() }
    }
}

#[test]
fn what_shows_neither_memory_nor_processes_is_the_same_inside_and_outside() {
    let scene = Scene::new();
    for words in SAME {
        let (inside, outside) = (scene.inside(words), scene.outside(words));
        assert_eq!(inside.code, outside.code, "{words}: {inside:?}");
        assert_eq!(shape(&inside), shape(&outside), "{words}");
        assert_eq!(inside.stderr, outside.stderr, "{words}");
    }
}

#[test]
fn what_shows_memory_shows_the_share_and_its_use() {
    let scene = Scene::new();
    assert_eq!(CONTEXT.0, 308, "the figures of this test");
    for (words, expected) in MEMORY {
        let Outcome { lines, stderr, code } = scene.inside(words);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{words}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains(expected)), "{words}: {lines:#?}");
    }
}

#[test]
fn what_shows_processes_shows_the_containers_own_alone() {
    let scene = Scene::new();
    let (own, neighbour) = (scene.own.pid().to_string(), scene.neighbour.pid().to_string());
    for words in PROCESSES {
        let Outcome { lines, stderr, code } = scene.inside(words);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{words}: {lines:?}");
        assert!(lines.iter().any(|line| has(line, &own)), "{words}: {lines:#?}");
        assert!(!lines.iter().any(|line| has(line, &neighbour)), "{words}: {lines:#?}");
    }
}

#[test]
fn every_field_of_a_card_but_its_memory_is_the_same_inside_and_outside() {
    let scene = Scene::new();
    let help = scene.outside("--help-query-gpu").lines;
    let named = help.iter().filter_map(|line| line.strip_prefix('"')?.split_once('"'));
    let fields = named.map(|(field, _)| field);
    // The values of one field stand at the beginnings of lines, as fields do.
    let fields: Vec<_> = fields.filter(|field| !field.contains(':')).collect();
    assert!(fields.len() > 100, "{fields:?}");
    let query = format!("--query-gpu={} --format=csv,noheader -i 0", fields.join(","));
    let (inside, outside) = (scene.inside(&query), scene.outside(&query));
    assert_eq!((inside.code, outside.code), (Some(0), Some(0)), "{inside:?} {outside:?}");
    let (inside, outside) = (inside.lines.join(""), outside.lines.join(""));
    let pairs = inside.split(", ").zip(outside.split(", ")).zip(&fields);
    let differing = pairs.filter(|((inside, outside), _)| inside != outside).map(|(_, name)| *name);
    let differing: Vec<_> = differing.filter(|name| *name != "timestamp").collect();
    assert_eq!(differing, ["memory.total", "memory.reserved", "memory.used", "memory.free"]);
}

/// What goes on until it is ended, by its first lines.
#[test]
fn what_shows_sessions_for_ever_begins_the_same_inside_and_outside() {
    let scene = Scene::new();
    for words in ["encodersessions", "fbcsessions"] {
        let mut alone = scene.alone();
        let alone = begins(alone.arg(words));
        let inside = begins(&mut scene.mine.command(&fetched(SMI), words));
        assert!(alone[0].contains("Session") && alone.len() == 3, "{words}: {alone:?}");
        assert_eq!(inside, alone, "{words}");
    }
}

/// The first lines of a program, which is ended then.
fn begins(command: &mut Command) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let first = lines.take(3).map_while(Result::ok).collect();
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    first
}

/// Whether a number stands in a line by itself.
fn has(line: &str, number: &str) -> bool {
    line.split(|c: char| !c.is_ascii_digit()).any(|word| word == number)
}

/// The lines with every figure as wide as it is and worth nothing, and without the time of day.
fn shape(outcome: &Outcome) -> Vec<String> {
    let told = outcome.lines.iter().filter(|line| !line.starts_with("Timestamp"));
    let blank = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    told.map(|line| words(line).chars().map(blank).collect()).collect()
}
