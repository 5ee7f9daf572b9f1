//! What cannot work ends with one clear line and a status that is not zero.

use std::fs;
use std::process::Command;

use crate::harness::{Node, wait_until};

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
    let (there, away) = (node.at("driver"), node.at("away"));
    fs::rename(&there, &away).unwrap();
    let mut command = node.agent_command();
    command.arg("--wait-for-driver");
    node.spawn(command);
    wait_until("it says why it is not ready", || {
        let (status, why) = node.ask("/readyz");
        status.contains("503") && why.contains("no NVIDIA driver under")
    });
    assert!(node.ask("/healthz").0.contains("200"), "it lives");
    fs::rename(&away, &there).unwrap();
    node.expect_registered();
    wait_until("it is ready", || node.ask("/readyz").0.contains("200"));
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
