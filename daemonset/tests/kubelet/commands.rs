//! `aliquot-node check-config` as people and pipelines run it: a process with an exit code.

use std::fs;
use std::process::Command;

/// What it answers about a file: its exit code, and what it says on stdout and stderr.
fn check(text: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aliquot-node"));
    let output = command.arg("check-config").arg(&file).args(flags).output().unwrap();
    let said = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(&*file.to_string_lossy(), "config.yaml")
    };
    (output.status.code(), said(&output.stdout), said(&output.stderr))
}

#[test]
fn a_wrong_file_is_refused_with_the_line_of_each_mistake() {
    let text =
        "defaultMode: shared\nplacment: pack\ngpus:\n- {mode: whole}\n- {index: 1, mode: hole}\n";
    let (code, shown, said) = check(text, &[]);
    assert_eq!((code, &*shown), (Some(1), ""), "{said}");
    let lines: Vec<_> = said.lines().collect();
    let begins = [
        "config.yaml:2: there is no key `placment` here: did you mean `placement`?",
        "config.yaml:4: this pin names no GPU",
        "config.yaml:5: `hole` is not possible here",
        "aliquot-node: config.yaml is not taken: 3 mistakes",
    ];
    assert_eq!(lines.len(), begins.len(), "{said}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{said}");
}

#[test]
fn a_right_file_is_shown_as_it_comes_to_on_a_node() {
    let text = "defaultMode: shared\nnodes:\n- {names: [a], set: {defaultMode: whole}}\n\
                - {labels: {kind: b}, set: {pools: {p: {}}}}\n";
    for (flags, shows) in [
        (&[][..], "defaultMode: shared"),
        (&["--node-name", "a"], "defaultMode: whole"),
        (&["--node-label", "kind=b"], "pools:\n  p:"),
    ] {
        let (code, shown, said) = check(text, flags);
        assert!(code == Some(0) && said.is_empty() && shown.contains(shows), "{shown}{said}");
    }
}

#[test]
fn a_file_that_is_wrong_on_one_node_only_is_refused_there() {
    let text = "pools: {a: {}}\nnodes:\n- {names: [n], set: {gpus: [{index: 0, pool: a}]}}\n\
                - {labels: {kind: b}, set: {pools: {b: {}}}}\n";
    for (flags, code, part) in [
        (&["--node-name", "n"][..], 0, ""),
        (&["--node-label", "kind=b"], 0, ""),
        (&["--node-name", "n", "--node-label", "kind=b"], 1, "`a`"),
        (&["--node-label", "kind"], 1, "write labels as KEY=VALUE"),
    ] {
        let (ended, _, said) = check(text, flags);
        assert!(ended == Some(code) && said.contains(part), "{flags:?}: {ended:?} {said}");
    }
}
