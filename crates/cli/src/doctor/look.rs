//! The looks themselves: the driver, its GPUs, the kubelet, the runtime, the shim, and one share.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use aliquot_node::audit::lister::{Lister, NvmlLister};
use aliquot_node::driver::Driver;
use aliquot_node::inventory::Gpu;
use aliquot_node::registrar::SOCKET_PREFIX;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Finding, State, judge};
use crate::args::DoctorArgs;
use crate::machine;

/// Everything, in the order in which one rests on the other.
pub(super) fn all(args: &DoctorArgs) -> Vec<Finding> {
    let mut findings = vec![driver(&args.driver_root)];
    let gpus = match findings[0].state {
        State::Bad => Err("without a driver".to_owned()),
        _ => machine::gpus(&args.driver_root).map_err(|error| error.to_string()),
    };
    findings.push(cards(&gpus));
    findings.extend(kubelet(&args.kubelet_root));
    findings.push(runtime());
    findings.push(shim(&args.shim));
    findings.push(share(args, gpus.as_deref().unwrap_or_default(), &findings));
    findings
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
        Some(versions) => judge::driver(&versions.driver),
        None => {
            let todo = "look at `dmesg | grep NVRM`: the kernel's half may be of another version";
            Finding::bad("driver", format!("{} does not answer", driver.nvml().display()), todo)
        }
    }
}

fn cards(gpus: &Result<Vec<Gpu>, String>) -> Finding {
    let gpus = match gpus {
        Ok(gpus) => gpus,
        Err(error) => return Finding::skipped("GPUs", error),
    };
    let why = |gpu: &Gpu| gpu.sick.clone().or_else(|| gpu.foreign.clone());
    let trouble = gpus.iter().filter_map(|gpu| Some(format!("GPU {}: {}", gpu.index, why(gpu)?)));
    let trouble: Vec<_> = trouble.collect();
    if trouble.is_empty() {
        return Finding::good("GPUs", format!("{} of them answer", gpus.len()));
    }
    Finding::look("GPUs", trouble.join("; "), "docs/configuration.md says what each fault needs")
}

fn kubelet(root: &Path) -> Vec<Finding> {
    let folder = root.join("device-plugins");
    if !folder.exists() {
        let seen = format!("{} is not there: no node of a cluster", folder.display());
        return vec![Finding::skipped("kubelet", seen)];
    }
    let socket = |path: &Path| match UnixStream::connect(path) {
        Ok(_) => Finding::good("kubelet", format!("{} answers", path.display())),
        Err(error) => {
            let todo = "is the kubelet running, and is its folder the one of --kubelet-root?";
            Finding::bad("kubelet", format!("{}: {error}", path.display()), todo)
        }
    };
    let names = fs::read_dir(&folder).into_iter().flatten().flatten();
    let names: Vec<_> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    vec![
        socket(&folder.join("kubelet.sock")),
        socket(&root.join("pod-resources/kubelet.sock")),
        judge::rivals(&names, SOCKET_PREFIX),
    ]
}

fn runtime() -> Finding {
    let sockets = [
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/k3s/containerd/containerd.sock",
    ];
    match sockets.iter().find(|path| UnixStream::connect(path).is_ok()) {
        Some(path) => Finding::good("runtime", format!("{path} answers")),
        None => Finding::skipped("runtime", "no containerd and no CRI-O answers here"),
    }
}

fn shim(path: &Path) -> Finding {
    const ABOUT: &str = "shim";
    let begins = fs::read(path).map(|bytes| bytes.starts_with(b"\x7fELF"));
    match begins {
        Ok(true) => {}
        Ok(false) => {
            return Finding::bad(
                ABOUT,
                format!("{} is no library", path.display()),
                "install it again",
            );
        }
        Err(error) => {
            let todo = "name it with --shim; on a node it lies where the agent's image has it";
            return Finding::look(ABOUT, format!("{}: {error}", path.display()), todo);
        }
    }
    match statvfs(path) {
        Ok(found) if found.flags().contains(FsFlags::ST_NOEXEC) => {
            let todo = "mount that file system without noexec, or keep the shim elsewhere";
            Finding::bad(ABOUT, format!("{} lies on a noexec mount", path.display()), todo)
        }
        _ => Finding::good(ABOUT, path.display().to_string()),
    }
}

/// nvidia-smi in a tenth of a GPU: the whole way of a share, without Kubernetes.
fn share(args: &DoctorArgs, gpus: &[Gpu], before: &[Finding]) -> Finding {
    const ABOUT: &str = "a share";
    let Some(gpu) = gpus.iter().find(|gpu| gpu.sick.is_none() && gpu.slices.is_none()) else {
        return Finding::skipped(ABOUT, "no GPU to take it from");
    };
    if before.iter().any(|finding| finding.about == "shim" && finding.state != State::Good) {
        return Finding::skipped(ABOUT, "without a shim");
    }
    match smi(args, gpu) {
        Ok(said) => judge::within(said, gpu.usable_mib, 10),
        Err(why) => {
            Finding::bad(ABOUT, why, "try it by hand: aliquot run --fraction 0.1 -- nvidia-smi")
        }
    }
}

fn smi(args: &DoctorArgs, gpu: &Gpu) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut run = Command::new(this);
    run.args(["run", "--fraction", "0.1", "--gpu", &gpu.uuid.to_string(), "--driver-root"]);
    run.arg(&args.driver_root).arg("--").arg("nvidia-smi");
    run.args(["--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id"])
        .arg(gpu.uuid.to_string());
    let output = run.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    said.parse().map_err(|_| {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        format!("nvidia-smi in a share: {} {said} {error}", output.status)
    })
}
