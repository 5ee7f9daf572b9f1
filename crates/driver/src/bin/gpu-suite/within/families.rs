//! Every family of memory: charged when it is taken, at no less than was asked, and given back.

use std::ptr::null_mut;

use anyhow::{Result, ensure};
use nvidia_sys::cuda::{CUDA_ARRAY3D_DESCRIPTOR, CUarray_format};

use super::Stage;
use crate::cuda::{Cuda, MIB, access, done, memory, pool};
use crate::finding::{Findings, mib};

/// What most ask for, in bytes.
const ASKED: u64 = 64 * MIB;
/// By how much more the driver may take.
const SLACK: u64 = 4 * MIB;

/// Takes with `take`, gives back with `give`, and notes what became used.
fn family<T>(
    cuda: &Cuda,
    findings: &mut Findings,
    what: &str,
    asked: u64,
    take: impl FnOnce() -> Result<T>,
    give: impl FnOnce(T) -> Result<()>,
) -> Result<()> {
    let before = cuda.used()?;
    let taken = take()?;
    let grown = cuda.used()?.saturating_sub(before);
    let fits = (asked..=asked + SLACK + asked / 2).contains(&grown);
    findings.note(&format!("{what} of {} is used", mib(asked)), fits, mib(grown));
    give(taken)?;
    findings.same(&format!("{what} is given back"), cuda.used()?, before);
    Ok(())
}

pub(super) fn linear(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let cuda = &stage.cuda;
    let free = |address| cuda.free(address);
    let mut at = 0;
    let alloc = || cuda.alloc(ASKED).map_err(|code| anyhow::anyhow!("cuMemAlloc answered {code}"));
    family(cuda, findings, "linear memory", ASKED, alloc, free)?;
    let managed = || done!(cuda.cuMemAllocManaged(&mut at, ASKED as usize, 1)).map(|()| at);
    family(cuda, findings, "managed memory", ASKED, managed, free)?;
    let (mut at, mut pitch) = (0, 0);
    let pitched = || {
        done!(cuda.cuMemAllocPitch_v2(&mut at, &mut pitch, 1000, 65_536, 4))?;
        ensure!(pitch >= 1000, "a pitch of {pitch} for rows of 1,000 bytes");
        Ok(at)
    };
    family(cuda, findings, "pitched memory", 1000 * 65_536, pitched, free)
}

pub(super) fn mapped(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let (cuda, bytes) = (&stage.cuda, ASKED as usize);
    let take = || {
        let (mut handle, mut at) = (0, 0);
        done!(cuda.cuMemCreate(&mut handle, bytes, &memory(), 0))?;
        done!(cuda.cuMemAddressReserve(&mut at, bytes, 0, 0, 0))?;
        done!(cuda.cuMemMap(at, bytes, 0, handle, 0))?;
        done!(cuda.cuMemSetAccess(at, bytes, &access(), 1))?;
        // The mapping keeps the memory.
        done!(cuda.cuMemRelease(handle))?;
        done!(cuda.cuMemsetD8_v2(at, 0x5a, bytes))?;
        let mut byte = 0_u8;
        done!(cuda.cuMemcpyDtoH_v2((&raw mut byte).cast(), at + ASKED - 1, 1))?;
        ensure!(byte == 0x5a, "mapped memory holds {byte:#x}");
        Ok(at)
    };
    let give = |at| {
        done!(cuda.cuMemUnmap(at, bytes))?;
        done!(cuda.cuMemAddressFree(at, bytes))
    };
    family(cuda, findings, "mapped memory", ASKED, take, give)
}

pub(super) fn pools(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let cuda = &stage.cuda;
    let mut usual = null_mut();
    done!(cuda.cuDeviceGetDefaultMemPool(&mut usual, 0))?;
    let take = || {
        let mut at = 0;
        done!(cuda.cuMemAllocAsync(&mut at, ASKED as usize, null_mut()))?;
        cuda.wait().map(|()| at)
    };
    let give = |at| {
        done!(cuda.cuMemFreeAsync(at, null_mut()))?;
        cuda.wait()?;
        done!(cuda.cuMemPoolTrimTo(usual, 0))
    };
    family(cuda, findings, "memory of the default pool", ASKED, take, give)?;
    let take = || {
        let (mut own, mut at) = (null_mut(), 0);
        done!(cuda.cuMemPoolCreate(&mut own, &pool()))?;
        done!(cuda.cuMemAllocFromPoolAsync(&mut at, ASKED as usize, own, null_mut()))?;
        cuda.wait().map(|()| (own, at))
    };
    let give = |(own, at)| {
        done!(cuda.cuMemFreeAsync(at, null_mut()))?;
        cuda.wait()?;
        done!(cuda.cuMemPoolDestroy(own))
    };
    family(cuda, findings, "memory of a pool of one's own", ASKED, take, give)
}

pub(super) fn arrays(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let cuda = &stage.cuda;
    // 2,048 times 2,048 elements of 16 bytes.
    let array = CUDA_ARRAY3D_DESCRIPTOR {
        Width: 2048,
        Height: 2048,
        Depth: 0,
        Format: CUarray_format::CU_AD_FORMAT_FLOAT,
        NumChannels: 4,
        Flags: 0,
    };
    let take = || {
        let mut place = null_mut();
        done!(cuda.cuArray3DCreate_v2(&mut place, &array)).map(|()| place)
    };
    family(cuda, findings, "an array", ASKED, take, |place| done!(cuda.cuArrayDestroy(place)))?;
    let take = || {
        let mut place = null_mut();
        done!(cuda.cuMipmappedArrayCreate(&mut place, &array, 2)).map(|()| place)
    };
    let give = |place| done!(cuda.cuMipmappedArrayDestroy(place));
    family(cuda, findings, "a mipmapped array", ASKED + ASKED / 4, take, give)
}
