//! Kernel launches: checked as a driver would, then placed on the card for as long as the kernel's name
//! says. A launch waits only while the queue is full.

use nvidia_sys::cuda::CUlaunchConfig;

use crate::arg::{In, Opaque};
use crate::front;
use crate::graph::EXECUTABLES;
use crate::kernel::Flag;
use crate::line::Op;
use crate::module;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;
use crate::word::{self, Width};

/// A grid of blocks of threads.
pub(crate) struct Shape {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
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

/// Where the address of a launch's first parameter stands: `kernelParams`, a list of pointers to values.
#[derive(Clone, Copy)]
pub(crate) struct Parameters(pub(crate) Opaque);

impl Parameters {
    /// The first parameter, which the caller says is an address.
    fn first(self) -> Res<usize> {
        let list = self.0.cast::<*const usize>();
        if list.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass as many pointers to values as the kernel has
        // parameters, and a kernel of that name has an address as its first.
        unsafe {
            let value = list.read_unaligned();
            if value.is_null() { Err(Status::INVALID_VALUE) } else { Ok(value.read_unaligned()) }
        }
    }
}

pub(crate) fn launch(
    function: Opaque,
    shape: &Shape,
    parameters: Parameters,
    stream: Opaque,
    null: Null,
) -> Res {
    let target = stream::target(stream, null)?;
    let ops = work(function, shape.grid, shape.block, parameters)?;
    target.context.need_buffers()?;
    ops.into_iter().try_for_each(|op| front::submit(target.line, op))
}

/// A kernel as work for a stream, and what it does with its flag. A graph that it launches runs behind it in
/// the same stream, as one that is launched to follow the whole launch does.
pub(crate) fn work(
    function: Opaque,
    grid: [u32; 3],
    block: [u32; 3],
    parameters: Parameters,
) -> Res<Vec<Op>> {
    let cost = module::cost_of(function)?;
    Shape { grid, block }.check()?;
    let kernel = Op::Kernel { cost, effect: None };
    match cost.flag {
        Flag::None => Ok(vec![kernel]),
        Flag::Until => Ok(vec![Op::Spin(word::is_set(parameters.first()?)?)]),
        Flag::Graph => {
            let graph = EXECUTABLES.get(parameters.first()?).ok_or(Status::INVALID_VALUE)?;
            Ok([vec![kernel], graph.card_launched()?].concat())
        }
        Flag::Set => Ok(vec![kernel, Op::Write(word::write(parameters.first()?, 1, Width::Four)?)]),
    }
}

export! {
    /// Launches a kernel.
    fn cuLaunchKernel / cuLaunchKernel_ptsz(null; function: Opaque, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, _shared: u32, stream: Opaque, parameters: Opaque, _extra: Opaque) {
        launch(function, &Shape { grid: [gx, gy, gz], block: [bx, by, bz] }, Parameters(parameters), stream, null)
    }

    /// Launches a kernel whose blocks wait for each other.
    fn cuLaunchCooperativeKernel / cuLaunchCooperativeKernel_ptsz(null; function: Opaque, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, _shared: u32, stream: Opaque, parameters: Opaque) {
        launch(function, &Shape { grid: [gx, gy, gz], block: [bx, by, bz] }, Parameters(parameters), stream, null)
    }

    /// Launches a kernel with attributes, which change nothing about its cost.
    fn cuLaunchKernelEx / cuLaunchKernelEx_ptsz(null; config: In<CUlaunchConfig>, function: Opaque, parameters: Opaque, _extra: Opaque) {
        let config = config.get()?;
        let grid = [config.gridDimX, config.gridDimY, config.gridDimZ];
        let block = [config.blockDimX, config.blockDimY, config.blockDimZ];
        launch(function, &Shape { grid, block }, Parameters(parameters), config.hStream.cast(), null)
    }
}
