//! Memory that is asked for by its shape: rows at the driver's pitch, and mipmapped arrays.

use std::ptr::{null_mut, with_exposed_provenance_mut};

use anyhow::Result;
use nvidia_sys::cuda::CUresult;

use crate::cuda::{ARRAY, Cuda, find};
use crate::setting::{Figure, Setting, alike};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// Bytes of a row, and how many there are: 512 B at the usual pitch, which is how far apart the stand-in's
/// addresses are.
const WIDTH: usize = 400;
const HEIGHT: usize = 1;
/// All that an array of 128 by 128 can have.
const LEVELS: u32 = 8;

/// Taking rows and giving them back.
pub(crate) fn pitch(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let alloc = find!(cuda.handle, cuMemAllocPitch_v2);
    setting.pair(|part| {
        cuda.enter();
        let take = move || {
            let (mut address, mut pitch) = (0, 0);
            // SAFETY: places for an address and a pitch.
            let result = unsafe { alloc(&mut address, &mut pitch, WIDTH, HEIGHT, 4) };
            assert_eq!(result, SUCCESS);
            address
        };
        alike(part, (take, |address| cuda.give(address)))
    })
}

/// Taking a mipmapped array and giving it back.
pub(crate) fn mipmap(setting: &Setting<'_>, cuda: &Cuda) -> Result<Figure> {
    let create = find!(cuda.handle, cuMipmappedArrayCreate);
    let destroy = find!(cuda.handle, cuMipmappedArrayDestroy);
    setting.pair(|part| {
        cuda.enter();
        let take = move || {
            let mut array = null_mut();
            // SAFETY: a place for one handle, and the descriptor.
            assert_eq!(unsafe { create(&mut array, &ARRAY, LEVELS) }, SUCCESS);
            array.expose_provenance() as u64
        };
        let give = move |array| {
            // SAFETY: what was made just now.
            let result = unsafe { destroy(with_exposed_provenance_mut(array as usize)) };
            assert_eq!(result, SUCCESS);
        };
        alike(part, (take, give))
    })
}
