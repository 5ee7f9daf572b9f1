//! What a container is told of the node's daemon. Pure.
//!
//! The variables are NVIDIA's (MPS documentation, "Environment Variables"). A pod can override every
//! variable, so they bind honest programs only; the memory bound is held by the shim all the same.

use std::path::Path;

use contract::Mib;
use kubelet::deviceplugin::{ContainerAllocateResponse, Mount};

use crate::allotment::{Holding, Record};

/// Where a client looks for the daemon's pipes.
const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// The most of the GPU's multiprocessors that a client's kernels fill, in percent.
const THREADS: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
/// The most device memory that a client takes: `<device>=<amount>`, devices as the client counts them.
const MEMORY: &str = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT";

/// Adds what a share under the MPS daemon with its `pipes` needs. Whole GPUs and slices stay as they are.
pub(crate) fn extend(answer: &mut ContainerAllocateResponse, record: &Record, pipes: &Path) {
    let Holding::Share { percent, memory_mib, .. } = record.holding else { return };
    let pipes = pipes.display().to_string();
    let Mib(mib) = Mib(memory_mib);
    let variables =
        [(PIPES, pipes.clone()), (THREADS, percent.to_string()), (MEMORY, format!("0={mib}M"))];
    answer.envs.extend(variables.map(|(name, value)| (name.to_owned(), value)));
    let (container_path, host_path) = (pipes.clone(), pipes);
    // Clients write into the pipes and sockets there, and make none.
    answer.mounts.push(Mount { container_path, host_path, read_only: false });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use contract::{DeviceId, Percent};

    fn extended(grant: &Grant) -> ContainerAllocateResponse {
        let record = Record::new(&[DeviceId::Percent(uuid(0), 1)].into(), grant, 0);
        let mut answer = ContainerAllocateResponse::default();
        extend(&mut answer, &record, Path::new("/run/mps"));
        answer
    }

    #[test]
    fn a_share_is_told_of_the_daemon_and_of_its_bounds() {
        let percent = Percent::new(30).unwrap();
        let grant = Grant::Share { gpu: uuid(0), percent, memory: Mib(9753), context: Mib(1) };
        let answer = extended(&grant);
        assert_eq!(answer.envs[THREADS], "30");
        assert_eq!(answer.envs[MEMORY], "0=9753M");
        assert_eq!((&*answer.envs[PIPES], &*answer.mounts[0].host_path), ("/run/mps", "/run/mps"));
    }

    #[test]
    fn a_whole_gpu_is_told_nothing() {
        let answer = extended(&Grant::Whole(vec![uuid(0)]));
        assert!(answer.envs.is_empty() && answer.mounts.is_empty());
    }
}
