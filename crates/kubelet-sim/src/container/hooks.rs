//! createContainer hooks: the machine's programs, run in the container's mounts with its root as the
//! working folder, before the root is changed and before it turns read-only.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::cdi::Hook;
use super::oci;
use super::plan::Plan;

/// Runs them one after the other; one that fails ends the start, in runc's words.
pub(super) fn run(plan: &Plan, root: &Path) -> Result<()> {
    let bundle = &plan.scratch;
    let name = root.strip_prefix(bundle).unwrap_or(root);
    let config = oci::config(plan, &name.display().to_string());
    fs::write(bundle.join("config.json"), config.to_string())?;
    let state = oci::state(bundle).to_string();
    for (number, hook) in plan.hooks.iter().enumerate() {
        let output = call(hook, root, &state)
            .with_context(|| format!("error running hook #{number}: {}", hook.path.display()))?;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!(
                "error running hook #{number}: error running hook: {}, stdout: {}, stderr: {}",
                output.status,
                text(&output.stdout),
                text(&output.stderr)
            );
        }
    }
    Ok(())
}

fn call(hook: &Hook, root: &Path, state: &str) -> Result<std::process::Output> {
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    command.env_clear().envs(hook.env.iter().filter_map(|pair| pair.split_once('=')));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.current_dir(root).spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // One that does not read is judged by how it ends.
    let _ = stdin.write_all(state.as_bytes());
    drop(stdin);
    Ok(child.wait_with_output()?)
}
