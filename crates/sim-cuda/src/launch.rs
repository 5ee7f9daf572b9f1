//! Kernel launches: checked as a driver would, then placed on the card for as long as the kernel's name
//! says. A launch waits only while the queue is full.

use nvidia_sys::cuda::CUlaunchConfig;
use sim_world::Engine;

use crate::arg::{In, Opaque};
use crate::front;
use crate::line::Op;
use crate::module;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

/// A grid of blocks of threads.
struct Shape {
    grid: [u32; 3],
    block: [u32; 3],
}

const LARGEST_BLOCK: [u32; 3] = [1024, 1024, 64];
const LARGEST_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];
const THREADS: u64 = 1024;

impl Shape {
    fn check(&self) -> Res {
        let within = |size: &[u32; 3], largest: [u32; 3]| {
            size.iter().zip(largest).all(|(n, most)| (1..=most).contains(n))
        };
        let threads: u64 = self.block.iter().map(|n| u64::from(*n)).product();
        match within(&self.grid, LARGEST_GRID)
            && within(&self.block, LARGEST_BLOCK)
            && threads <= THREADS
        {
            true => Ok(()),
            false => Err(Status::INVALID_VALUE),
        }
    }
}

fn launch(function: Opaque, shape: &Shape, stream: Opaque, null: Null) -> Res {
    let target = stream::target(stream, null)?;
    front::submit(target.line, work(function, shape.grid, shape.block)?)
}

/// A kernel as work for a stream.
pub(crate) fn work(function: Opaque, grid: [u32; 3], block: [u32; 3]) -> Res<Op> {
    let duration_ns = module::duration_of(function)?;
    Shape { grid, block }.check()?;
    Ok(Op::Work { engine: Engine::Compute, duration_ns, effect: None })
}

export! {
    /// Launches a kernel.
    fn cuLaunchKernel / cuLaunchKernel_ptsz(null; function: Opaque, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, _shared: u32, stream: Opaque, _parameters: Opaque, _extra: Opaque) {
        launch(function, &Shape { grid: [gx, gy, gz], block: [bx, by, bz] }, stream, null)
    }

    /// Launches a kernel whose blocks wait for each other.
    fn cuLaunchCooperativeKernel / cuLaunchCooperativeKernel_ptsz(null; function: Opaque, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, _shared: u32, stream: Opaque, _parameters: Opaque) {
        launch(function, &Shape { grid: [gx, gy, gz], block: [bx, by, bz] }, stream, null)
    }

    /// Launches a kernel with attributes, which change nothing about its cost.
    fn cuLaunchKernelEx / cuLaunchKernelEx_ptsz(null; config: In<CUlaunchConfig>, function: Opaque, _parameters: Opaque, _extra: Opaque) {
        let config = config.get()?;
        let grid = [config.gridDimX, config.gridDimY, config.gridDimZ];
        let block = [config.blockDimX, config.blockDimY, config.blockDimZ];
        launch(function, &Shape { grid, block }, config.hStream.cast(), null)
    }
}
