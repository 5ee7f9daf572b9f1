//! What cannot work ends with one clear line and a status that is not zero.

use std::fs;
use std::path::Path;
use std::process::Command;

use sim_world::admin::{self, Change};

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with("aliquot-node: ")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert_eq!(log.lines().last(), Some(lines[0]), "{log}");
    lines[0].to_owned()
}

#[test]
fn a_node_that_cannot_be_served_is_told_in_one_line() {
    let node = Node::without_agent();
    fs::write(node.at("file"), "default-mode: whole").unwrap();
    let at = |path: &str| node.at(path).display().to_string();
    let table = [
        ("--driver-root", at("empty"), "no NVIDIA driver under"),
        ("--shim", at("none.so"), "cannot read the shim"),
        ("--state-dir", at("file/state"), "cannot make the folder"),
        ("--pages-dir", at("file/pages"), "cannot make the folder"),
        ("--config", at("none.toml"), "cannot read the configuration"),
        ("--config", at("file"), "line 1"),
    ];
    for (flag, value, words) in table {
        let mut command = node.agent_command();
        // The last of two values is refused as a second one, so the first is left out.
        let line = refusal(replaced(&mut command, flag, &value));
        assert!(line.contains(words), "{flag}: {line}");
    }
}

#[test]
fn an_agent_that_is_to_wait_for_the_driver_says_so_and_registers_once_it_is_there() {
    let mut node = Node::without_agent();
    // The libraries alone: a world whose own folder is away ends.
    let (there, away) = (node.at("driver/usr"), node.at("usr"));
    fs::rename(&there, &away).unwrap();
    let mut command = node.agent_command();
    command.arg("--wait-for-driver");
    node.spawn(command);
    wait_until("it says why it is not ready", || {
        let (status, why) = node.ask("/readyz");
        status.contains("503") && why.contains("no NVIDIA driver under")
    });
    assert!(node.ask("/healthz").0.contains("200"), "it lives");
    node.signal(libc::SIGUSR1);
    let dump = || fs::read_to_string(node.at("state/dump.json")).unwrap_or_default();
    wait_until("it writes down why it waits", || dump().contains("no NVIDIA driver under"));
    fs::rename(&away, &there).unwrap();
    node.expect_registered();
    wait_until("it is ready", || node.ask("/readyz").0.contains("200"));
}

#[test]
fn an_agent_that_waits_for_the_driver_offers_what_answers_though_another_card_hangs() {
    let mut node = Node::without_agent();
    let (there, away) = (node.at("driver/usr"), node.at("usr"));
    fs::rename(&there, &away).unwrap();
    let hang = |hangs| Change::Hang { card: 0, hangs };
    admin::change(&node.at("driver"), hang(true)).unwrap();
    let mut command = node.agent_command();
    command.arg("--wait-for-driver");
    node.spawn(command);
    wait_until("it waits", || node.ask("/readyz").1.contains("no NVIDIA driver under"));
    fs::rename(&away, &there).unwrap();
    node.expect(WHOLE, 1);
    admin::change(&node.at("driver"), hang(false)).unwrap();
    node.expect_registered();
}

#[test]
fn an_agent_that_starts_without_the_driver_of_cards_that_were_there_offers_them_as_out_of_order() {
    for waits in [true, false] {
        let mut node = Node::new();
        let _pod = node.share("a", 50, "sleep 1000");
        node.expect_holders(&["default/a/main"]);
        wait_until("it is dated", || node.at("state/gpus.boot").exists());
        node.kill_agent();
        let (there, away) = (node.at("driver/usr"), node.at("usr"));
        fs::rename(&there, &away).unwrap();
        let lists = node.sim.lists(PERCENT);
        let mut command = node.agent_command();
        command.args(waits.then_some("--wait-for-driver"));
        node.spawn(command);
        wait_until("it has registered", || node.sim.lists(PERCENT) > lists);
        assert_eq!((node.sim.allocatable(PERCENT), node.sim.capacity(PERCENT)), (0, 100));
        assert_eq!((node.sim.allocatable(WHOLE), node.sim.capacity(WHOLE)), (0, 1));
        let why = ["no NVIDIA driver under"];
        wait_until("it says why", || node.metric("aliquot_gpu_sick_info", &why) == Some(1.0));
        if !waits {
            // What a runtime brings only its next container has.
            assert_eq!(node.wait_for_its_end(), Some(1));
        }
        fs::rename(&away, &there).unwrap();
        if !waits {
            node.start_agent();
        }
        node.expect_registered();
        assert_eq!(node.metric("aliquot_gpu_sick_info", &[]), None);
        node.expect_holders(&["default/a/main"]);
        assert_eq!(node.sim.lost(), [""; 0]);
    }
}

#[test]
fn an_agent_whose_container_cannot_see_the_nodes_of_a_loaded_driver_ends_for_its_next_one() {
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let mut node = Node::without_agent();
    fs::rename(node.at("driver/dev"), node.at("dev")).unwrap();
    let mut command = node.agent_command();
    command.arg("--wait-for-driver").arg("--proc").arg(node.at("proc"));
    node.spawn(command);
    wait_until("it waits for a driver that is not loaded", || {
        node.ask("/readyz").1.contains("no /dev/nvidiactl")
    });
    fs::create_dir_all(node.at("proc/driver/nvidia")).unwrap();
    fs::write(node.at("proc/driver/nvidia/version"), "NVRM version: ...").unwrap();
    assert_eq!(node.wait_for_its_end(), Some(1));
    let log = node.log();
    assert!(log.contains("this container has to start again"), "{log}");
}

#[test]
fn an_agent_that_waits_for_the_driver_ends_with_a_configuration_that_has_become_wrong() {
    let mut node = Node::without_agent();
    fs::rename(node.at("driver/usr"), node.at("usr")).unwrap();
    fs::write(node.at("config"), "defaultMode: whole\n").unwrap();
    let mut command = node.agent_command();
    command.arg("--wait-for-driver").arg("--config").arg(node.at("config"));
    node.spawn(command);
    wait_until("it waits", || node.ask("/readyz").1.contains("no NVIDIA driver under"));
    fs::write(node.at("config"), "default-mode: whole\n").unwrap();
    assert_eq!(node.wait_for_its_end(), Some(1));
    let log = node.log();
    assert!(log.contains("line 1") && !log.contains("the driver is there"), "{log}");
}

fn replaced<'a>(command: &'a mut Command, flag: &str, value: &str) -> &'a mut Command {
    let mut arguments: Vec<_> =
        command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.iter().position(|argument| argument == flag) {
        Some(at) => arguments[at + 1] = value.to_owned(),
        None => arguments.extend([flag.to_owned(), value.to_owned()]),
    }
    let program = command.get_program().to_owned();
    *command = Command::new(program);
    command.args(arguments)
}

#[test]
fn a_second_agent_on_the_same_folders_is_turned_away() {
    let node = Node::new();
    let line = refusal(&mut node.agent_command());
    assert!(line.contains("another agent runs on"), "{line}");
    node.expect_registered();
}
