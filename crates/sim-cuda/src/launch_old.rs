//! Launches of before CUDA 4: the shape of a block is said apart, and parameters are not passed on here, so
//! that no kernel with a flag is launched so.

use crate::arg::Opaque;
use crate::launch::{self, Parameters, Shape};
use crate::module;
use crate::rim::{Null, export};
use crate::status::{Res, Status};

fn grid(function: Opaque, width: i32, height: i32, stream: Opaque) -> Res {
    let side = |said: i32| u32::try_from(said).map_err(|_| Status::INVALID_VALUE);
    let shape = Shape { grid: [side(width)?, side(height)?, 1], block: [1; 3] };
    launch::launch(function, &shape, Parameters(std::ptr::null_mut()), stream, Null::Legacy)
}

export! {
    /// Says how large a block is, which changes nothing about a kernel's cost.
    fn cuFuncSetBlockShape(function: Opaque, x: i32, y: i32, z: i32) {
        module::cost_of(function)?;
        if [x, y, z].iter().all(|side| *side > 0) { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }

    /// Launches one block.
    fn cuLaunch(function: Opaque) {
        grid(function, 1, 1, std::ptr::null_mut())
    }

    /// Launches a grid.
    fn cuLaunchGrid(function: Opaque, width: i32, height: i32) {
        grid(function, width, height, std::ptr::null_mut())
    }

    /// Launches a grid in a stream.
    fn cuLaunchGridAsync(function: Opaque, width: i32, height: i32, stream: Opaque) {
        grid(function, width, height, stream)
    }
}
