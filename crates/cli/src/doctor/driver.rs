//! The driver, its GPUs, and the licences of virtual ones.

use std::path::Path;

use ::driver::nvml::{Licence, Nvml};
use aliquot_node::audit::lister::{Lister, NvmlLister};
use aliquot_node::driver::Driver;
use aliquot_node::inventory::Gpu;

use super::scene::Scene;
use super::{Finding, State};
use crate::machine;

/// The oldest branch whose functions the shim knows.
const OLDEST: u32 = 470;
/// The oldest branch that NVIDIA still maintains, and until when (its list of data-center drivers).
const MAINTAINED: (u32, &str) = (580, "August 2028");
/// The newest branch that the simulation plays.
const NEWEST: u32 = 615;

/// Looks at all three; answers the GPUs as well.
pub(super) fn look(scene: &Scene) -> (Vec<Finding>, Option<Vec<Gpu>>) {
    let root = &scene.driver_root;
    let found = driver(root);
    if found.state == State::Bad {
        let skipped = ["GPUs", "vGPU licence"].map(|about| Finding::skipped(about, "no driver"));
        return ([vec![found], skipped.to_vec()].concat(), None);
    }
    let gpus = machine::gpus(root).map_err(|error| error.to_string());
    let findings = vec![found, cards(&gpus), licences(root)];
    (findings, gpus.ok())
}

fn driver(root: &Path) -> Finding {
    let driver = match Driver::find(root) {
        Ok(driver) => driver,
        Err(error) => {
            let todo = "install NVIDIA's driver, or name its folder with --driver-root";
            return Finding::bad("driver", error.to_string(), todo);
        }
    };
    match NvmlLister::new(driver.nvml()).driver() {
        Some(versions) => judge(&versions.driver),
        None => {
            let todo = "look at `dmesg | grep NVRM`: the kernel's half may be of another version, and \
                        then the node has to be rebooted";
            Finding::bad("driver", format!("{} does not answer", driver.nvml().display()), todo)
        }
    }
}

/// A driver's version.
fn judge(version: &str) -> Finding {
    const ABOUT: &str = "driver";
    let (oldest, until) = MAINTAINED;
    let branch = version.split('.').next().and_then(|text| text.parse::<u32>().ok());
    match branch {
        None => Finding::look(
            ABOUT,
            format!("version {version:?}"),
            "no branch can be read from it: say so in an issue",
        ),
        Some(branch) if branch < OLDEST => {
            let todo = format!("install {OLDEST} or later; {oldest} is maintained until {until}");
            Finding::bad(ABOUT, format!("{version} is older than what the shim knows"), todo)
        }
        Some(branch) if branch < oldest => {
            let todo = format!("it works; NVIDIA maintains {oldest} until {until}");
            Finding::look(ABOUT, format!("{version}, of a branch that has ended"), todo)
        }
        Some(branch) if branch > NEWEST => {
            let todo = "it should work; run `cargo xtask gpu-test` on it and say what it finds";
            Finding::look(ABOUT, format!("{version}, later than every tested one"), todo)
        }
        Some(_) => Finding::good(ABOUT, version),
    }
}

fn cards(gpus: &Result<Vec<Gpu>, String>) -> Finding {
    let gpus = match gpus {
        Ok(gpus) => gpus,
        Err(error) => {
            let todo = "look at `dmesg | grep -e NVRM -e Xid`; a lost card comes back with a reset or a \
                        reboot";
            return Finding::bad("GPUs", error, todo);
        }
    };
    let why = |gpu: &Gpu| gpu.sick.clone().or_else(|| gpu.foreign.map(|by| by.to_string()));
    let trouble = gpus.iter().filter_map(|gpu| Some(format!("GPU {}: {}", gpu.index, why(gpu)?)));
    let trouble: Vec<_> = trouble.collect();
    if trouble.is_empty() {
        return Finding::good("GPUs", format!("{} of them answer", gpus.len()));
    }
    Finding::look("GPUs", trouble.join("; "), "docs/configuration.md says what each fault needs")
}

fn licences(root: &Path) -> Finding {
    const ABOUT: &str = "vGPU licence";
    let asked = || -> Result<Vec<(u32, Licence)>, String> {
        let text = |error: ::driver::Error| error.to_string();
        let found = Driver::find(root).map_err(|error| error.to_string())?;
        let nvml = Nvml::open(found.nvml()).map_err(text)?;
        let mut virtuals = Vec::new();
        for index in 0..nvml.device_count().map_err(text)? {
            // What does not answer is the finding before this one.
            let licence = nvml.device(index).and_then(|device| device.licence()).ok().flatten();
            virtuals.extend(licence.map(|licence| (index, licence)));
        }
        Ok(virtuals)
    };
    match asked() {
        Err(error) => Finding::skipped(ABOUT, error),
        Ok(virtuals) => judge_licences(&virtuals),
    }
}

fn judge_licences(virtuals: &[(u32, Licence)]) -> Finding {
    const ABOUT: &str = "vGPU licence";
    if virtuals.is_empty() {
        return Finding::good(ABOUT, "no GPU is virtual: none is needed");
    }
    let lacking: Vec<_> = virtuals.iter().filter(|(_, licence)| !licence.is_held).collect();
    let name = |(index, licence): &(u32, Licence)| format!("GPU {index} ({})", licence.product);
    if lacking.is_empty() {
        let all: Vec<_> = virtuals.iter().map(name).collect();
        return Finding::good(ABOUT, format!("held by {}", all.join(", ")));
    }
    let names: Vec<_> = lacking.into_iter().map(name).collect();
    let todo = "a virtual GPU without one is slowed down and refuses CUDA after a while: put the client's \
                token into /etc/nvidia/ClientConfigToken and restart nvidia-gridd";
    Finding::bad(ABOUT, format!("none is held by {}", names.join(", ")), todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_judged_by_its_branch() {
        let table = [
            ("460.106.00", State::Bad, "470"),
            ("535.261.03", State::Look, "580"),
            ("580.95.05", State::Good, ""),
            ("615.20.01", State::Good, ""),
            ("700.10.01", State::Look, "gpu-test"),
            ("unknown", State::Look, "issue"),
        ];
        for (version, state, todo) in table {
            let finding = judge(version);
            assert_eq!(finding.state, state, "{version}");
            assert!(finding.todo.contains(todo), "{version}: {}", finding.todo);
        }
    }

    #[test]
    fn one_gpu_without_its_licence_is_enough() {
        let licence = |is_held| Licence { product: "vCS".into(), is_held };
        assert_eq!(judge_licences(&[]).state, State::Good);
        assert_eq!(judge_licences(&[(0, licence(true))]).state, State::Good);
        let finding = judge_licences(&[(0, licence(true)), (3, licence(false))]);
        assert_eq!(
            (finding.state, finding.seen.as_str()),
            (State::Bad, "none is held by GPU 3 (vCS)")
        );
    }
}
