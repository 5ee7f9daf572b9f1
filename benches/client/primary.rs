//! One more reference to the primary context, which lives already, and its release.

use std::ptr::null_mut;

use anyhow::Result;
use nvidia_sys::cuda::CUresult;

use crate::cuda::{Cuda, find};
use crate::setting::{Figure, Setting, hold};

/// Retaining and releasing, while the context owns so many allocations of so many bytes.
pub(crate) fn measure(setting: &Setting<'_>, cuda: &Cuda, bytes: usize) -> Result<Figure> {
    let retain = find!(cuda.handle, cuDevicePrimaryCtxRetain);
    let release = find!(cuda.handle, cuDevicePrimaryCtxRelease_v2);
    setting.pair(|part| {
        cuda.enter();
        hold(part.live, || cuda.take(bytes));
        let take = move || {
            let mut context = null_mut();
            // SAFETY: a place for one handle.
            assert_eq!(unsafe { retain(&mut context, 0) }, CUresult::CUDA_SUCCESS);
            context.addr() as u64
        };
        let give = move |_| {
            // SAFETY: retained just now, and once before.
            assert_eq!(unsafe { release(0) }, CUresult::CUDA_SUCCESS);
        };
        (take, give)
    })
}
