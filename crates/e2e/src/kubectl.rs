//! The real kubectl, as a user has it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What it says where the API server has no processor for ten seconds, and so has not been asked anything.
const LATE: &str = "TLS handshake timeout";
/// How often it is asked again then.
const AGAIN: u32 = 3;

/// kubectl, with the rights of the cluster's administrator.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// The kubectl of `programs`; what it remembers lies in `cache`.
    #[must_use]
    pub fn new(programs: &Path, kubeconfig: &Path, cache: &Path) -> Self {
        let program = programs.join("kubectl");
        Self { program, kubeconfig: kubeconfig.to_owned(), cache: cache.to_owned() }
    }

    /// What it writes on stdout.
    ///
    /// # Errors
    /// What it says on stderr where it ends otherwise than well.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        self.with(words, "")
    }

    /// The same, with `input` on stdin.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn with(&self, words: &[&str], input: &str) -> Result<String> {
        let mut again = 0..AGAIN;
        loop {
            match self.once(words, input) {
                Err(error) if again.next().is_some() && error.to_string().contains(LATE) => {}
                ended => return ended,
            }
        }
    }

    fn once(&self, words: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no stdin")?;
        stdin.write_all(input.as_bytes()).context("kubectl reads nothing")?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            // A command that is run in a pod says what it has to say on either.
            let both = [said(&output.stdout), said(&output.stderr)].concat();
            bail!("kubectl {}: {}", words.join(" "), both.trim());
        }
        Ok(said(&output.stdout))
    }
}
