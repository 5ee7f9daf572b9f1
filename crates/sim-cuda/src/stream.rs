//! Streams: which line a handle means on this thread, and the calls that make, ask and end streams.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError};

use nvidia_sys::cuda::CUhostFn;

use crate::arg::{Opaque, Out};
use crate::capture;
use crate::context::{self, CONTEXTS, Context};
use crate::event::{self, EVENTS};
use crate::front::{self, LineId, Order};
use crate::later;
use crate::line::Op;
use crate::mark::Mark;
use crate::pool;
use crate::registry::{Registry, handle_of};
use crate::rim::{Null, export};
use crate::status::{Res, Status};

/// All streams that programs made.
pub(crate) static STREAMS: Registry<Stream> = Registry::new();

/// A stream.
pub(crate) struct Stream {
    /// Its time line.
    pub(crate) line: LineId,
    flags: u32,
    priority: i32,
    id: u64,
}

/// Where the stream `handle` means its work to go.
#[derive(Clone)]
pub(crate) struct Target {
    /// The time line.
    pub(crate) line: LineId,
    /// Its context.
    pub(crate) context: Arc<Context>,
    flags: u32,
    priority: i32,
    id: u64,
}

impl Target {
    /// Whether it waits for the legacy stream and is waited for.
    pub(crate) fn is_blocking(&self) -> bool {
        self.flags & NON_BLOCKING == 0
    }
}

/// CU_STREAM_LEGACY and CU_STREAM_PER_THREAD, the handles that name no object.
const LEGACY: usize = 1;
const PER_THREAD: usize = 2;
/// CU_STREAM_NON_BLOCKING.
const NON_BLOCKING: u32 = 1;
/// Priorities run from here, the most urgent, to 0.
pub(crate) const MOST_URGENT: i32 = -5;

/// What `handle` means on this thread.
pub(crate) fn target(handle: Opaque, null: Null) -> Res<Target> {
    let handle = match (handle as usize, null) {
        (0, Null::Legacy) => LEGACY,
        (0, Null::PerThread) => PER_THREAD,
        (other, _) => other,
    };
    match handle {
        LEGACY => legacy(),
        PER_THREAD => {
            let context = context::current()?;
            let stream = thread_stream(&context)?;
            Ok(of_stream(&stream, context))
        }
        _ => {
            let stream = STREAMS.get(handle).ok_or(Status::INVALID_HANDLE)?;
            let context = CONTEXTS.get(stream.line.context).ok_or(Status::CONTEXT_IS_DESTROYED)?;
            context.device()?.check()?;
            Ok(of_stream(&stream, context))
        }
    }
}

/// Appends to a stream.
pub(crate) fn submit(handle: Opaque, null: Null, op: Op) -> Res {
    front::submit(target(handle, null)?.line, op)
}

/// Sleeps until all that is in a stream has ended.
pub(crate) fn synchronize(handle: Opaque, null: Null) -> Res {
    front::wait(&*front::mark(target(handle, null)?.line)?)?;
    pool::synchronised();
    Ok(())
}

/// Sleeps until all that is in a context has ended, because the program asks for it.
pub(crate) fn synchronize_context(context: usize) -> Res {
    wait_for_context(context)?;
    pool::synchronised();
    Ok(())
}

/// The same before memory of it is freed. Pools give nothing back then: the header says that they do on the
/// next call to synchronise a stream, an event or a context.
pub(crate) fn wait_for_context(context: usize) -> Res {
    capture::unsafe_call()?;
    front::marks_of(context).iter().try_for_each(|mark| front::wait(mark))
}

/// Ready, or 600.
pub(crate) fn query(mark: &Mark) -> Res {
    match front::has_passed(mark) {
        true => {
            later::sweep();
            Ok(())
        }
        false => Err(Status::NOT_READY),
    }
}

fn legacy() -> Res<Target> {
    let context = context::current()?;
    Ok(Target { line: LineId::legacy(handle_of(&context)), context, flags: 0, priority: 0, id: 1 })
}

fn of_stream(stream: &Stream, context: Arc<Context>) -> Target {
    let Stream { line, flags, priority, id } = *stream;
    Target { line, context, flags, priority, id }
}

/// This thread's own default stream in a context, made at its first use. Those of threads that have
/// ended are let go on the way.
fn thread_stream(context: &Arc<Context>) -> Res<Arc<Stream>> {
    let mut streams = context.thread_streams.lock().unwrap_or_else(PoisonError::into_inner);
    let me = thread();
    if let Some((_, stream)) = streams.iter().find(|(owner, _)| owner.as_ptr() == Arc::as_ptr(&me))
    {
        return Ok(stream.clone());
    }
    let ended = streams.extract_if(.., |(owner, _)| owner.strong_count() == 0);
    ended.for_each(|(_, stream)| front::close(stream.line));
    let stream = Arc::new(open(handle_of(context), 0, 0)?);
    streams.push((Arc::downgrade(&me), stream.clone()));
    Ok(stream)
}

/// What is this thread's alone. Threads that are past their last values share one.
fn thread() -> Arc<()> {
    static LATE: LazyLock<Arc<()>> = LazyLock::new(Arc::default);
    thread_local! {
        static ME: Arc<()> = Arc::default();
    }
    ME.try_with(Arc::clone).unwrap_or_else(|_| LATE.clone())
}

fn open(context: usize, flags: u32, priority: i32) -> Res<Stream> {
    static NEXT: AtomicU64 = AtomicU64::new(3);
    if flags & !NON_BLOCKING != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let order = if flags & NON_BLOCKING == 0 { Order::Blocking } else { Order::Free };
    let priority = priority.clamp(MOST_URGENT, 0);
    let line = front::open(context, order, priority)?;
    Ok(Stream { line, flags, priority, id: NEXT.fetch_add(1, Ordering::Relaxed) })
}

/// Makes a stream of the current context.
pub(crate) fn create(out: &Out<usize>, flags: u32, priority: i32) -> Res {
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    let context = context::current()?;
    out.put(STREAMS.insert(Arc::new(open(handle_of(&context), flags, priority)?)))
}

/// A host function with the program's word for it, on its way to the thread that runs it.
#[derive(Clone, Copy)]
struct HostCall(Opaque);
// SAFETY: the pointer is the program's, only passed back to it.
unsafe impl Send for HostCall {}
// SAFETY: as above.
unsafe impl Sync for HostCall {}

type HostFunction = unsafe extern "C" fn(Opaque);

fn host_function(stream: Opaque, null: Null, function: Option<HostFunction>, data: Opaque) -> Res {
    let function = function.ok_or(Status::INVALID_VALUE)?;
    let data = HostCall(data);
    // SAFETY: the program says that the function takes its data, and has it called once.
    submit(stream, null, Op::Call(Arc::new(move || unsafe { function({ data }.0) })))
}

/// A host function as work for a stream, called once for each time that it is put into one.
pub(crate) fn host_call(function: CUhostFn, data: Opaque) -> Res<Op> {
    let function = function.ok_or(Status::INVALID_VALUE)?;
    let data = HostCall(data);
    // SAFETY: the program says that the function takes its data.
    Ok(Op::Call(Arc::new(move || unsafe { function({ data }.0) })))
}

export! {
    /// Makes a stream.
    fn cuStreamCreate(out: Out<usize>, flags: u32) {
        create(&out, flags, 0)
    }

    /// Makes a stream with a priority, brought into range where it is out of it.
    fn cuStreamCreateWithPriority(out: Out<usize>, flags: u32, priority: i32) {
        create(&out, flags, priority)
    }

    /// Ends a stream; its work goes on.
    fn cuStreamDestroy_v2(stream: Opaque) {
        let stream = STREAMS.remove(stream as usize).ok_or(Status::INVALID_HANDLE)?;
        front::close(stream.line);
        Ok(())
    }

    /// The same in its first version.
    fn cuStreamDestroy(stream: Opaque) {
        let stream = STREAMS.remove(stream as usize).ok_or(Status::INVALID_HANDLE)?;
        front::close(stream.line);
        Ok(())
    }

    /// Whether all work has ended: 0 or 600.
    fn cuStreamQuery / cuStreamQuery_ptsz(null; stream: Opaque) {
        query(&*front::mark(target(stream, null)?.line)?)
    }

    /// Waits until all work has ended.
    fn cuStreamSynchronize / cuStreamSynchronize_ptsz(null; stream: Opaque) {
        synchronize(stream, null)
    }

    /// Holds up later work until an event's last recording has passed.
    fn cuStreamWaitEvent / cuStreamWaitEvent_ptsz(null; stream: Opaque, event: Opaque, _flags: u32) {
        let target = target(stream, null)?;
        let event = EVENTS.get(event as usize).ok_or(Status::INVALID_HANDLE)?;
        match event.mark() {
            Some(mark) => front::submit(target.line, Op::Wait(mark)),
            None => Ok(()),
        }
    }

    /// Runs a host function when all earlier work has ended.
    fn cuLaunchHostFunc / cuLaunchHostFunc_ptsz(null; stream: Opaque, function: Option<HostFunction>, data: Opaque) {
        host_function(stream, null, function, data)
    }

    /// The same with a way to wait, which changes nothing here.
    fn cuLaunchHostFunc_v2 / cuLaunchHostFunc_v2_ptsz(null; stream: Opaque, function: Option<HostFunction>, data: Opaque, _mode: u32) {
        host_function(stream, null, function, data)
    }

    /// Runs a callback, which is told the stream and success, when all earlier work has ended.
    fn cuStreamAddCallback / cuStreamAddCallback_ptsz(null; stream: Opaque, function: Option<unsafe extern "C" fn(Opaque, u32, Opaque)>, data: Opaque, _flags: u32) {
        let function = function.ok_or(Status::INVALID_VALUE)?;
        let (handle, data) = (HostCall(stream), HostCall(data));
        // SAFETY: the program says that the function takes its data, and has it called once.
        submit(stream, null, Op::Call(Arc::new(move || unsafe { function({ handle }.0, 0, { data }.0) })))
    }

    /// The priority.
    fn cuStreamGetPriority / cuStreamGetPriority_ptsz(null; stream: Opaque, out: Out<i32>) {
        out.put(target(stream, null)?.priority)
    }

    /// The flags.
    fn cuStreamGetFlags / cuStreamGetFlags_ptsz(null; stream: Opaque, out: Out<u32>) {
        out.put(target(stream, null)?.flags)
    }

    /// A number that no other stream of this process has.
    fn cuStreamGetId / cuStreamGetId_ptsz(null; stream: Opaque, out: Out<u64>) {
        out.put(target(stream, null)?.id)
    }

    /// The context.
    fn cuStreamGetCtx / cuStreamGetCtx_ptsz(null; stream: Opaque, out: Out<usize>) {
        out.put(handle_of(&target(stream, null)?.context))
    }

    /// The context, and no green context.
    fn cuStreamGetCtx_v2 / cuStreamGetCtx_v2_ptsz(null; stream: Opaque, context: Out<usize>, green: Out<usize>) {
        context.put(handle_of(&target(stream, null)?.context))?;
        green.put(0)
    }

    /// The device.
    fn cuStreamGetDevice / cuStreamGetDevice_ptsz(null; stream: Opaque, out: Out<i32>) {
        out.put(target(stream, null)?.context.device as i32)
    }

    /// Notes the present end of a stream in an event.
    fn cuEventRecord / cuEventRecord_ptsz(null; event: Opaque, stream: Opaque) {
        event::record(event, &target(stream, null)?)
    }

    /// The same with flags.
    fn cuEventRecordWithFlags / cuEventRecordWithFlags_ptsz(null; event: Opaque, stream: Opaque, flags: u32) {
        match flags {
            0 | 1 => event::record(event, &target(stream, null)?),
            _ => Err(Status::INVALID_VALUE),
        }
    }
}
