//! The private tables that NVIDIA's runtime asks for, and whether the runtimes run.

use std::path::{Path, PathBuf};
use std::process::Command;

use driver::cuda::{Driver, SIZED, UNSIZED};
use serde_json::{Value, json};

use crate::subject::library;

pub(crate) fn ask(driver: &Driver, root: Option<&Path>, runtimes: &[PathBuf]) -> Value {
    let sized = SIZED.map(|uuid| match driver.sized_table(uuid) {
        Ok(table) => {
            let set: Vec<usize> =
                (1..).zip(&table.set).filter(|(_, set)| **set).map(|(slot, _)| slot).collect();
            json!({"uuid": hex(uuid.bytes()), "code": 0, "bytes": table.bytes, "slots_set": set})
        }
        Err(error) => json!({"uuid": hex(uuid.bytes()), "code": error.code()}),
    });
    let unsized_ones = UNSIZED.map(|uuid| {
        let code = driver.has_table(uuid).map_or_else(|error| error.code(), |()| Some(0));
        json!({"uuid": hex(uuid), "code": code})
    });
    json!({
        "with_size_word": sized,
        "without": unsized_ones,
        "runtimes": runtimes.iter().map(|path| runtime(path, root)).collect::<Vec<_>>(),
    })
}

/// A runtime's first answers, from a process of its own: it keeps state in ours otherwise.
fn runtime(path: &Path, root: Option<&Path>) -> Value {
    let client = std::env::current_exe().map(|probe| probe.with_file_name("gpu-client"));
    let output = client.and_then(|client| {
        let mut command = Command::new(client);
        // The runtime finds its driver by soname alone.
        if let Some(folder) = root.and(library(root, "libcuda.so.1").parent()) {
            command.env("LD_LIBRARY_PATH", folder);
        }
        command
            .arg("--cudart")
            .arg(path)
            .args(["--json", "info", "alloc=1M", "copy-check"])
            .output()
    });
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let steps: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            json!({"runtime": name, "steps": steps})
        }
        Err(error) => json!({"runtime": name, "error": error.to_string()}),
    }
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
