//! One kernel on several devices, whose blocks wait for each other.

use nvidia_sys::cuda::CUDA_LAUNCH_PARAMS;

use crate::arg::{In, Opaque};
use crate::front::{self, LineId};
use crate::launch::{self, Parameters};
use crate::line::Op;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

/// CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC, and _NO_POST_LAUNCH_SYNC.
const NOT_BEFORE: u32 = 1;
const NOT_AFTER: u32 = 2;
/// Handles below are of no stream that the program made, and none of those is taken here.
const FIRST_STREAM: usize = 3;

/// What one device has of the launch.
struct Part {
    device: usize,
    line: LineId,
    ops: Vec<Op>,
}

impl Part {
    fn of(said: &CUDA_LAUNCH_PARAMS) -> Res<Self> {
        if said.hStream.addr() < FIRST_STREAM {
            return Err(Status::INVALID_VALUE);
        }
        let target = stream::target(said.hStream.cast(), Null::Legacy)?;
        target.context.need_buffers()?;
        let grid = [said.gridDimX, said.gridDimY, said.gridDimZ];
        let block = [said.blockDimX, said.blockDimY, said.blockDimZ];
        let parameters = Parameters(said.kernelParams.cast());
        let ops = launch::work(
            said.function.cast::<std::ffi::c_void>() as Opaque,
            grid,
            block,
            parameters,
        )?;
        Ok(Self { device: target.context.device()?.ordinal, line: target.line, ops })
    }
}

/// No stream of the launch goes on before all have come to this point.
fn meet(parts: &[Part]) -> Res {
    let marks = parts.iter().map(|part| front::mark(part.line)).collect::<Res<Vec<_>>>()?;
    for (at, part) in parts.iter().enumerate() {
        for (other, mark) in marks.iter().enumerate() {
            if other != at {
                front::submit(part.line, Op::Wait(mark.clone()))?;
            }
        }
    }
    Ok(())
}

export! {
    /// Launches a kernel on several devices at once, one stream on each.
    fn cuLaunchCooperativeKernelMultiDevice(list: In<CUDA_LAUNCH_PARAMS>, count: u32, flags: u32) {
        if count == 0 || flags & !(NOT_BEFORE | NOT_AFTER) != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let parts =
            (0..count as usize).map(|i| Part::of(&list.at(i)?)).collect::<Res<Vec<_>>>()?;
        let is_again = |(at, part): (usize, &Part)| {
            parts[..at].iter().any(|other| other.device == part.device)
        };
        if parts.iter().enumerate().any(is_again) {
            return Err(Status::INVALID_VALUE);
        }
        if flags & NOT_BEFORE == 0 {
            meet(&parts)?;
        }
        for part in &parts {
            part.ops.iter().try_for_each(|op| front::submit(part.line, op.clone()))?;
        }
        if flags & NOT_AFTER == 0 { meet(&parts) } else { Ok(()) }
    }
}
