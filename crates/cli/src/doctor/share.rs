//! nvidia-smi in a tenth of a GPU: the whole way of a share, without Kubernetes. It makes no context, and
//! takes nothing from an agent's allotments.

use std::process::Command;

use aliquot_node::inventory::Gpu;

use super::Finding;
use super::scene::Scene;

const ABOUT: &str = "a share";

/// Runs it on the first GPU that is well.
pub(super) fn look(scene: &Scene, gpus: &[Gpu], has_shim: bool) -> Finding {
    let Some(gpu) =
        gpus.iter().find(|gpu| gpu.sick.is_none() && gpu.foreign.is_none() && gpu.slices.is_none())
    else {
        return Finding::skipped(ABOUT, "no GPU to take it from");
    };
    if !has_shim {
        return Finding::skipped(ABOUT, "without a shim");
    }
    match smi(scene, gpu) {
        Ok(said) => judge(said, gpu.usable_mib, 10),
        Err(why) => {
            Finding::bad(ABOUT, why, "try it by hand: aliquot run --fraction 0.1 -- nvidia-smi")
        }
    }
}

fn smi(scene: &Scene, gpu: &Gpu) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut run = Command::new(this);
    run.args(["run", "--fraction", "0.1", "--gpu", &gpu.uuid.to_string(), "--driver-root"]);
    run.arg(&scene.driver_root).arg("--").arg("nvidia-smi");
    run.args(["--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id"])
        .arg(gpu.uuid.to_string());
    let output = run.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    said.parse().map_err(|_| {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        format!("nvidia-smi in a share: {} {said} {error}", output.status)
    })
}

/// What nvidia-smi says within a share of `percent`, beside what the card has.
fn judge(said_mib: u64, card_mib: u64, percent: u64) -> Finding {
    if said_mib <= card_mib * percent / 100 {
        return Finding::good(ABOUT, format!("{percent}% shows {said_mib} of {card_mib} MiB"));
    }
    let seen = format!("{percent}% shows {said_mib} of {card_mib} MiB: the shim did not load");
    Finding::bad(ABOUT, seen, "look whether /etc/ld.so.preload is read here: docs/injection.md")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_share_that_shows_the_whole_card_is_bad() {
        assert_eq!(judge(3251, 32510, 10).state, State::Good);
        assert_eq!(judge(32768, 32510, 10).state, State::Bad);
    }
}
