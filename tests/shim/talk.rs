//! A client that a test talks with while it runs.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use crate::container::Container;

/// A client in a container. At each `wait` it goes on when it is told to; it is killed with this.
pub(crate) struct Talk {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    /// Starts the program with these words.
    pub(crate) fn with(container: &Container, program: &Path, words: &str) -> Self {
        let mut command = container.command(program, words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        Self { child, lines }
    }

    /// Reads on to its next line that begins so, and gives the rest.
    #[track_caller]
    pub(crate) fn says(&mut self, word: &str) -> String {
        let mut said = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
            said.push(line);
        }
        panic!("the client ended before {word}: {said:?}")
    }

    /// Tells it to go on.
    pub(crate) fn goes_on(&mut self) {
        self.child.stdin.as_mut().expect("it is a pipe").write_all(b"\n").expect("it reads");
    }

    /// It comes to its end as a program should.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        self.says("end");
        assert!(self.child.wait().expect("it is our child").success());
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
