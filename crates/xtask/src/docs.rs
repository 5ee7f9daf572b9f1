//! Every command line that the documents and the public CI show is one that its program takes: what was not
//! changed with the program fails here, by file and line.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::{dist, sh, workflows};

/// Programs of ours, as documents name them.
const PROGRAMS: [&str; 4] = ["aliquot", "aliquot-node", "aliquot-admission", "aliquot-scheduler"];

/// What stands for something that the reader has to put in.
const PLACEHOLDERS: [(&str, &str); 6] = [
    ("UUID", "GPU-6b1b4a2e-0f6c-4c5d-9a55-0123456789ab"),
    ("FILE", "file.yaml"),
    ("TEXT", "text"),
    ("POD", "pod"),
    ("DIR", "folder"),
    ("STEP…", "unit"),
];

/// A command line in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    /// File and line.
    at: String,
    words: Vec<String>,
}

/// The step of `cargo xtask test`.
pub(crate) fn check() -> Result<()> {
    let built = dist::for_image(dist::Arch::X86_64)?;
    let shown = shown()?;
    let mut wrong = Vec::new();
    for one in &shown {
        let taken = match one.words[0].as_str() {
            "cargo" => by_us(&one.words[1..]),
            program => by_a_program(Command::new(built.join(program)), &one.words[1..]),
        };
        wrong
            .extend(taken.err().map(|why| format!("{}: `{}`: {why}", one.at, one.words.join(" "))));
    }
    ensure!(wrong.is_empty(), "documents show what no program takes:\n{}", wrong.join("\n"));
    ensure!(shown.len() > 50, "only {} command lines were found", shown.len());
    let ran = workflows::check()?;
    println!("docs: {} command lines are taken by their programs", shown.len() + ran);
    Ok(())
}

/// A document may speak of a command without what it wants besides.
pub(crate) fn by_us(words: &[String]) -> Result<()> {
    match crate::Cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::MissingRequiredArgument
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand => Ok(()),
            _ => bail!("{}", error.to_string().lines().next().unwrap_or_default()),
        },
    }
}

/// With `--help` behind it a program judges the words before it, and runs nothing.
fn by_a_program(mut program: Command, words: &[String]) -> Result<()> {
    let output =
        program.args(words).arg("--help").output().context("the program does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().next().unwrap_or_default());
    Ok(())
}

fn shown() -> Result<Vec<Shown>> {
    let mut all = Vec::new();
    for path in documents()? {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix(sh::root())?.display().to_string();
        for (number, line) in text.lines().enumerate() {
            let at = format!("{name}:{}", number + 1);
            let lines = commands(line).into_iter();
            all.extend(lines.map(|words| Shown { at: at.clone(), words }));
        }
    }
    Ok(all)
}

fn documents() -> Result<Vec<PathBuf>> {
    let root = sh::root();
    let mut all = vec![root.clone(), root.join("docs"), root.join("docs/results")];
    let folders = std::mem::take(&mut all);
    for folder in folders {
        let entries = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        all.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    all.sort();
    Ok(all)
}

/// The command lines of ours in one line: between backticks, or all of an indented one.
fn commands(line: &str) -> Vec<Vec<String>> {
    let spans = line.split('`').skip(1).step_by(2);
    let block = line.strip_prefix("    ").into_iter();
    spans.chain(block).filter_map(command).collect()
}

fn command(text: &str) -> Option<Vec<String>> {
    let text = text.split(" #").next()?.split(" && ").next()?;
    // What kubectl or another program is to run.
    let text = text
        .split_once(" -- aliquot")
        .map_or(text.to_owned(), |(_, rest)| format!("aliquot{rest}"));
    let words = text.split_whitespace().take_while(|word| *word != "--" && *word != "|");
    let fill = |word: &str| {
        let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
        known.map_or(word, |(_, value)| value).to_owned()
    };
    let words: Vec<String> = words.map(fill).collect();
    let is_ours = match (words.first()?.as_str(), words.get(1).map(String::as_str)) {
        ("cargo", Some("xtask")) => true,
        (program, Some(_)) => PROGRAMS.contains(&program),
        _ => false,
    };
    is_ours.then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_found_where_documents_show_them() {
        let found = |line: &str| -> Vec<String> {
            commands(line).into_iter().map(|words| words.join(" ")).collect()
        };
        assert_eq!(found("say `aliquot why POD` or `ls`"), ["aliquot why pod"]);
        assert_eq!(found("    aliquot run --gpu 1 -- nvidia-smi   # now"), ["aliquot run --gpu 1"]);
        let exec = "    kubectl exec ds/aliquot-agent -- aliquot doctor --json";
        assert_eq!(found(exec), ["aliquot doctor --json"]);
        assert_eq!(found("`cargo xtask bench` and `cargo build`"), ["cargo xtask bench"]);
        assert_eq!(found("`aliquot` alone, `aliquot-agent` too"), [""; 0]);
    }

    #[test]
    fn what_the_project_does_not_know_is_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        by_us(&words("xtask fetch")).unwrap();
        assert!(by_us(&words("xtask frobnicate")).is_err());
        assert!(by_us(&words("xtask dist --architecture x")).is_err());
    }
}
