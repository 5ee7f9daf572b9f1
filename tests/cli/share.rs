//! `aliquot run` and `aliquot status`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{World, aliquot, built, cudart, run, stderr, stdout};

/// What nvidia-smi prints of the GPU that the command was given.
fn smi(world: &World, how: &[&str]) -> String {
    let path = world.path();
    let share = ["run", "--driver-root", &path, "--fraction", "0.5", "--gpu", "1"];
    let output = run(&[&share[..], how, &["--", "nvidia-smi"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn real_nvidia_smi_shows_half_a_v100_in_a_namespace_and_by_preload() {
    let world = World::new("v100-32gb:2");
    for how in [&[][..], &["--preload"]] {
        let output = smi(&world, how);
        assert!(output.contains("/ 16255MiB"), "{how:?}:\n{output}");
    }
}

#[test]
fn a_drivers_container_brings_its_driver_and_not_its_libc() {
    let world = World::new("v100-32gb:2");
    let libraries = std::path::Path::new(&world.path()).join("usr/lib/x86_64-linux-gnu");
    for name in ["libc.so.6", "libm.so.6"] {
        std::fs::write(libraries.join(name), "of another distribution").unwrap();
    }
    for how in [&[][..], &["--preload"]] {
        let output = smi(&world, how);
        assert!(output.contains("/ 16255MiB"), "{how:?}:\n{output}");
    }
}

#[test]
fn the_drivers_libraries_are_found_where_its_root_has_them() {
    let world = World::new("v100-32gb:2");
    let root = std::path::PathBuf::from(world.path());
    for (from, to) in [("usr/lib/x86_64-linux-gnu", "lib64"), ("usr/bin", "bin")] {
        std::fs::rename(root.join(from), root.join(to)).unwrap();
    }
    let output = smi(&world, &[]);
    assert!(output.contains("/ 16255MiB"), "{output}");
}

#[test]
fn the_images_nvidia_smi_is_the_drivers_own_with_the_drivers_own_library() {
    let world = World::new("v100-32gb:2");
    let smi = |root: &str| {
        let mut smi = std::process::Command::new(built("aliquot-smi"));
        smi.args(["--query-gpu=memory.total", "--format=csv,noheader"]);
        smi.env("ALIQUOT_DRIVER_ROOT", root).output().unwrap()
    };
    let output = smi(&world.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "32768 MiB\n32768 MiB\n");
    let output = smi("/nowhere");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("aliquot: no NVIDIA driver under /nowhere"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_program_on_cudart_gets_its_share_and_not_a_granule_more() {
    let (client, cudart) = (built("gpu-client"), cudart());
    let client = [client.to_str().unwrap(), "--cudart", cudart.to_str().unwrap(), "--json"];
    for how in [&[][..], &["--preload"]] {
        let share = ["run", "--sim", "t4", "--fraction", "0.25"];
        let steps = ["mem", "fill=2M", "free", "alloc=64M"];
        let output = run(&[&share[..], how, &["--"], &client, &steps].concat());
        let lines: Vec<serde_json::Value> =
            stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [mem, fill, _, again] = &lines[..] else { panic!("{}", stderr(&output)) };
        let free = mem["free_bytes"].as_u64().unwrap();
        let filled = fill["allocated_bytes"].as_u64().unwrap();
        assert!(filled <= free && free - filled < 2 << 20, "{how:?}: {filled} of {free}");
        assert_eq!((&fill["error"], &again["error"]), (&2.into(), &0.into()));
    }
}

#[test]
fn the_commands_exit_status_becomes_ours() {
    for (script, status) in [("exit 7", 7), ("true", 0), ("kill -9 $$", 137)] {
        let output = run(&["run", "--sim", "t4", "--fraction", "0.5", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(status), "{script}: {}", stderr(&output));
    }
}

#[test]
fn status_shows_a_share_while_its_command_lives_and_a_kill_gives_it_back() {
    let world = World::new("v100-32gb:1");
    let path = world.path();
    let client = built("gpu-client");
    let mut command = aliquot(&["run", "--driver-root", &path, "--fraction", "0.5", "--"]);
    command.arg(client).args(["--json", "alloc=1G", "hold"]);
    let mut share = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(share.stdout.take().unwrap()).lines();
    while !lines.next().expect("the client holds").unwrap().contains("hold") {}

    let shown = status(&path);
    assert!(shown.contains("50%") && shown.contains("/ 16255MiB"), "{shown}");
    assert!(shown.contains("1332MiB"), "a context of 308 MiB and a GiB: {shown}");

    share.kill().unwrap();
    share.wait().unwrap();
    assert!(!status(&path).contains("16255MiB"));
    // The command itself is an orphan that still waits for its stdin, which closes now.
    drop(share.stdin.take());
}

fn status(root: &str) -> String {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    let output =
        run(&["status", "--driver-root", root, "--state-dir", folder, "--pages-dir", folder]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_share_that_is_only_observed_refuses_nothing_and_says_what_it_would_have_refused() {
    let world = World::new("v100-32gb:1");
    let path = world.path();
    let share = ["run", "--driver-root", &path, "--fraction", "0.5", "--observe", "--"];
    let mut command = aliquot(&share);
    command.arg(built("gpu-client")).args(["--json", "alloc=15G", "alloc=2G", "mem", "hold"]);
    let mut share = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(share.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .take_while(|line: &serde_json::Value| line["step"] != "hold")
        .collect();
    let [first, second, mem] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&first["error"], &second["error"]), (&0.into(), &0.into()), "{said:?}");
    assert_eq!(mem["free_bytes"], 0, "{mem}");
    assert_eq!(mem["total_bytes"], 16255_u64 << 20, "{mem}");
    let shown = status(&path);
    assert!(shown.contains("requests for memory let pass that do not fit: 1"), "{shown}");
    assert!(!shown.contains("refused"), "{shown}");
    drop(share.stdin.take());
    assert!(share.wait().unwrap().success());
}

#[test]
fn a_signal_goes_on_to_the_command() {
    let script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command =
        aliquot(&["run", "--sim", "t4", "--fraction", "0.5", "--", "sh", "-c", script]);
    let mut share = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(share.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // SAFETY: kill takes no pointers; the pid is our own child's, not yet waited for.
    unsafe { libc::kill(share.id() as i32, libc::SIGTERM) };
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), share.wait().unwrap().code()), ("got it\n", Some(5)));
}

#[test]
fn two_shares_of_60_do_not_fit_on_one_gpu() {
    let world = World::new("v100-32gb:1");
    let path = world.path();
    let share = ["run", "--driver-root", &path, "--fraction", "0.6", "--"];
    let mut first = aliquot(&[&share[..], &["cat"]].concat());
    let mut first = first.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    first.stdin.as_mut().unwrap().write_all(b"x\n").unwrap();
    let mut echo = [0; 2];
    first.stdout.as_mut().unwrap().read_exact(&mut echo).unwrap();
    let second = run(&[&share[..], &["true"]].concat());
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("40%"), "{}", stderr(&second));
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    let end = Instant::now() + Duration::from_secs(10);
    while !run(&[&share[..], &["true"]].concat()).status.success() {
        assert!(Instant::now() < end, "the first share has not come back");
    }
}
