//! Memory that graphs take when they run.

use std::ptr::null_mut;

use anyhow::Result;
use nvidia_sys::cuda::CUDA_MEM_ALLOC_NODE_PARAMS;

use super::Stage;
use crate::cuda::{MIB, access, done, pool};
use crate::finding::{Findings, mib};

const ASKED: u64 = 64 * MIB;

/// A graph that takes memory and frees it, launched twice: the card keeps what it took until it is
/// trimmed.
pub(super) fn graphs(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let cuda = &stage.cuda;
    let before = cuda.used()?;
    let (mut graph, mut taken, mut freed) = (null_mut(), null_mut(), null_mut());
    done!(cuda.cuGraphCreate(&mut graph, 0))?;
    let access = access();
    // SAFETY: a C struct of numbers and pointers that may be null.
    let mut node: CUDA_MEM_ALLOC_NODE_PARAMS = unsafe { std::mem::zeroed() };
    (node.poolProps, node.bytesize) = (pool(), ASKED as usize);
    (node.accessDescs, node.accessDescCount) = (&access, 1);
    done!(cuda.cuGraphAddMemAllocNode(&mut taken, graph, std::ptr::null(), 0, &mut node))?;
    done!(cuda.cuGraphAddMemFreeNode(&mut freed, graph, &taken, 1, node.dptr))?;
    let mut run = null_mut();
    done!(cuda.cuGraphInstantiateWithFlags(&mut run, graph, 0))?;
    for _ in 0..2 {
        done!(cuda.cuGraphLaunch(run, null_mut()))?;
        cuda.wait()?;
    }
    let grown = cuda.used()?.saturating_sub(before);
    let fits = (ASKED..=2 * ASKED).contains(&grown);
    findings.note("the memory of a graph of 64 MiB is used", fits, mib(grown));
    done!(cuda.cuGraphExecDestroy(run))?;
    done!(cuda.cuGraphDestroy(graph))?;
    done!(cuda.cuDeviceGraphMemTrim(0))?;
    findings.same("a trim gives the memory of graphs back", cuda.used()?, before);
    Ok(())
}
