//! What the extender says, as machines read it.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_log_that_machines_read_is_one_object_a_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aliquot-scheduler"));
    // Nobody names an API server, which ends it.
    command.args(["--log", "json"]).env_remove("KUBERNETES_SERVICE_HOST");
    let ended = command.output().expect("the extender");
    let text = String::from_utf8(ended.stderr).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let [line] = &lines[..] else { panic!("{text}") };
    assert_eq!(line["level"], "ERROR");
    assert!(
        line["fields"]["message"].as_str().is_some_and(|it| it.contains("--kube-api")),
        "{text}"
    );
}
