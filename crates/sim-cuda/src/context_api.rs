//! The context calls: making and ending contexts, what is current, and what can be set.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::arg::{Opaque, Out};
use crate::context::{self, CONTEXTS, Context};
use crate::device::Device;
use crate::device_api;
use crate::event::EVENTS;
use crate::front;
use crate::line::Op;
use crate::process::device_named;
use crate::registry::handle_of;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream::{self, MOST_URGENT};

fn create(out: &Out<usize>, flags: u32, device: i32) -> Res {
    if out.is_null() || flags & !KNOWN_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let context = Arc::new(Context::new(device_named(device)?.ordinal, false, flags));
    context.start()?;
    let handle = CONTEXTS.insert(context);
    context::push(handle)?;
    out.put(handle)
}

/// Ends a context that cuCtxCreate made; on this thread it is not current any more.
fn destroy(handle: usize) -> Res {
    let context = CONTEXTS.get(handle).ok_or(Status::INVALID_CONTEXT)?;
    if context.primary {
        return Err(Status::INVALID_CONTEXT);
    }
    stream::wait_for_context(handle)?;
    CONTEXTS.remove(handle).ok_or(Status::INVALID_CONTEXT)?.end();
    if context::current_handle() == handle {
        context::pop()?;
    }
    Ok(())
}

fn push(handle: usize) -> Res {
    CONTEXTS.get(handle).ok_or(Status::INVALID_CONTEXT)?;
    context::push(handle)
}

fn pop(out: &Out<usize>) -> Res {
    let handle = context::pop()?;
    out.offer(handle);
    Ok(())
}

/// The value of a limit that nobody set.
fn default_limit(number: u32) -> Res<usize> {
    match number {
        0 => Ok(1024),
        1 => Ok(7 << 20),
        2 => Ok(8 << 20),
        3 => Ok(2),
        4 => Ok(2048),
        5 => Ok(64),
        6 => Ok(0),
        _ => Err(Status::UNSUPPORTED_LIMIT),
    }
}

fn configure(which: usize, value: u32) -> Res {
    if value > 3 {
        return Err(Status::INVALID_VALUE);
    }
    context::current()?.config[which].store(value, Ordering::Relaxed);
    Ok(())
}

fn configured(which: usize) -> Res<u32> {
    Ok(context::current()?.config[which].load(Ordering::Relaxed))
}

/// Threads that a card can have at a time: each has a stack.
fn resident_threads(device: &Device) -> Res<u64> {
    let each = device_api::attribute(device.ordinal as i32, 39)?;
    Ok(u64::from(device.card.profile.compute.sms) * u64::from(each.unsigned_abs()))
}

/// CU_LIMIT_STACK_SIZE, CU_LIMIT_PRINTF_FIFO_SIZE and CU_LIMIT_MALLOC_HEAP_SIZE.
const STACK: u32 = 0;
const FIFO: u32 = 1;
const HEAP: u32 = 2;

/// CU_CTX_SCHED_*, MAP_HOST, LMEM_RESIZE_TO_MAX, COREDUMP_ENABLE, USER_COREDUMP_ENABLE and SYNC_MEMOPS.
const KNOWN_FLAGS: u32 = 0xff;

export! {
    /// Makes a context and makes it current.
    fn cuCtxCreate(out: Out<usize>, flags: u32, device: i32) {
        create(&out, flags, device)
    }

    /// The same in its second version.
    fn cuCtxCreate_v2(out: Out<usize>, flags: u32, device: i32) {
        create(&out, flags, device)
    }

    /// The same for a part of the processors, which no simulated card can be divided into.
    fn cuCtxCreate_v3(out: Out<usize>, _parameters: Opaque, count: i32, flags: u32, device: i32) {
        match count {
            0 => create(&out, flags, device),
            _ => Err(Status::UNSUPPORTED_EXEC_AFFINITY),
        }
    }

    /// The same with parameters, of which none is simulated.
    fn cuCtxCreate_v4(out: Out<usize>, parameters: Opaque, flags: u32, device: i32) {
        match parameters.is_null() {
            true => create(&out, flags, device),
            false => Err(Status::UNSUPPORTED_EXEC_AFFINITY),
        }
    }

    /// Ends a context.
    fn cuCtxDestroy_v2(context: usize) {
        destroy(context)
    }

    /// The same in its first version.
    fn cuCtxDestroy(context: usize) {
        destroy(context)
    }

    /// Makes a context current and keeps what was current below it.
    fn cuCtxPushCurrent_v2(context: usize) {
        push(context)
    }

    /// The same in its first version.
    fn cuCtxPushCurrent(context: usize) {
        push(context)
    }

    /// Goes back to what was current before.
    fn cuCtxPopCurrent_v2(out: Out<usize>) {
        pop(&out)
    }

    /// The same in its first version.
    fn cuCtxPopCurrent(out: Out<usize>) {
        pop(&out)
    }

    /// Makes a context current in place of what was; null makes none current.
    fn cuCtxSetCurrent(context: usize) {
        if context != 0 {
            CONTEXTS.get(context).ok_or(Status::INVALID_CONTEXT)?;
        }
        context::set_current(context)
    }

    /// What is current; null if nothing is.
    fn cuCtxGetCurrent(out: Out<usize>) {
        out.put(context::current_handle())
    }

    /// The current context's device.
    fn cuCtxGetDevice(out: Out<i32>) {
        out.put(context::bound()?.device as i32)
    }

    /// A context's device.
    fn cuCtxGetDevice_v2(out: Out<i32>, context: usize) {
        out.put(context::named_or_current(context)?.device as i32)
    }

    /// Waits until the current context is idle.
    fn cuCtxSynchronize() {
        stream::synchronize_context(handle_of(&context::current()?))
    }

    /// Waits until a context is idle.
    fn cuCtxSynchronize_v2(context: usize) {
        let context = context::named_or_current(context)?;
        context.device()?.check()?;
        stream::synchronize_context(handle_of(&context))
    }

    /// The current context's flags.
    fn cuCtxGetFlags(out: Out<u32>) {
        out.put(context::bound()?.flags.load(Ordering::Relaxed))
    }

    /// Sets the current context's flags.
    fn cuCtxSetFlags(flags: u32) {
        if flags & !KNOWN_FLAGS != 0 {
            return Err(Status::INVALID_VALUE);
        }
        context::bound()?.flags.store(flags, Ordering::Relaxed);
        Ok(())
    }

    /// A number that no other context of this process has.
    fn cuCtxGetId(context: usize, out: Out<u64>) {
        out.put(context::named_or_current(context)?.id)
    }

    /// The version of the context calls that a context was made with.
    fn cuCtxGetApiVersion(context: usize, out: Out<u32>) {
        context::named_or_current(context)?;
        out.put(3020)
    }

    /// A limit.
    fn cuCtxGetLimit(out: Out<usize>, number: u32) {
        let default = default_limit(number)?;
        let context = context::current()?;
        let limits = context.limits.lock().unwrap_or_else(PoisonError::into_inner);
        out.put(limits.get(&number).copied().unwrap_or(default))
    }

    /// Sets a limit. Larger stacks are taken at once, a heap and what kernels print into with the first kernel:
    /// as the header says, they cannot be set behind it.
    fn cuCtxSetLimit(number: u32, value: usize) {
        let usual = default_limit(number)?;
        let context = context::current()?;
        let beyond = (value as u64).saturating_sub(usual as u64);
        let device = context.device()?;
        match number {
            STACK => {
                let bytes = beyond * resident_threads(device)?;
                context.buffers.set(device, number, bytes, true)?;
            }
            FIFO | HEAP => context.buffers.set(device, number, beyond, false)?,
            _ => {}
        }
        context.limits.lock().unwrap_or_else(PoisonError::into_inner).insert(number, value);
        Ok(())
    }

    /// The cache preference.
    fn cuCtxGetCacheConfig(out: Out<u32>) {
        out.put(configured(0)?)
    }

    /// Sets the cache preference.
    fn cuCtxSetCacheConfig(value: u32) {
        configure(0, value)
    }

    /// The width of shared-memory banks.
    fn cuCtxGetSharedMemConfig(out: Out<u32>) {
        out.put(configured(1)?.max(1))
    }

    /// Sets the width of shared-memory banks.
    fn cuCtxSetSharedMemConfig(value: u32) {
        configure(1, value)
    }

    /// The range of stream priorities.
    fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        context::current()?;
        least.offer(0);
        greatest.offer(MOST_URGENT);
        Ok(())
    }

    /// There are no persisting lines in the cache to reset.
    fn cuCtxResetPersistingL2Cache() {
        context::current().map(drop)
    }

    /// One more name for the current context.
    fn cuCtxAttach(out: Out<usize>, flags: u32) {
        let context = context::current()?;
        if out.is_null() || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        context.attached.fetch_add(1, Ordering::Relaxed);
        out.put(handle_of(&context))
    }

    /// The counterpart of cuCtxAttach, and of the making of a context.
    fn cuCtxDetach(handle: usize) {
        let context = CONTEXTS.get(handle).ok_or(Status::INVALID_CONTEXT)?;
        if context.primary || context::current_handle() != handle {
            return Err(Status::INVALID_CONTEXT);
        }
        let less = |attached: u32| attached.checked_sub(1);
        match context.attached.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) => destroy(handle),
        }
    }

    /// Makes a context for drawing, where a card can draw.
    fn cuGLCtxCreate(out: Out<usize>, flags: u32, device: i32) {
        create(&out, flags, device)
    }

    /// The same in its second version.
    fn cuGLCtxCreate_v2(out: Out<usize>, flags: u32, device: i32) {
        create(&out, flags, device)
    }

    /// Lets the current context reach the memory of a context on another device.
    fn cuCtxEnablePeerAccess(peer: usize, flags: u32) {
        let peer = CONTEXTS.get(peer).ok_or(Status::INVALID_CONTEXT)?;
        let context = context::current()?;
        if flags != 0 || peer.device == context.device {
            return Err(Status::INVALID_DEVICE);
        }
        let mut peers = context.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.contains(&peer.device) {
            return Err(Status::PEER_ACCESS_ALREADY_ENABLED);
        }
        peers.push(peer.device);
        Ok(())
    }

    /// Ends that.
    fn cuCtxDisablePeerAccess(peer: usize) {
        let peer = CONTEXTS.get(peer).ok_or(Status::INVALID_CONTEXT)?;
        let context = context::current()?;
        let mut peers = context.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = peers.iter().position(|device| *device == peer.device);
        peers.swap_remove(place.ok_or(Status::PEER_ACCESS_NOT_ENABLED)?);
        Ok(())
    }

    /// Notes the present end of all work of a context in an event.
    fn cuCtxRecordEvent(context: usize, event: Opaque) {
        let context = context::named_or_current(context)?;
        context::with_current(handle_of(&context), || {
            let target = stream::target(std::ptr::null_mut(), Null::Legacy)?;
            for mark in front::marks_of(target.line.context) {
                front::submit(target.line, Op::Wait(mark))?;
            }
            crate::event::record(event, &target)
        })
    }

    /// Holds up all later work of a context until an event's last recording has passed.
    fn cuCtxWaitEvent(context: usize, event: Opaque) {
        let context = context::named_or_current(context)?;
        let mark = EVENTS.get(event as usize).ok_or(Status::INVALID_HANDLE)?.mark();
        match mark {
            Some(mark) => front::wait_all(handle_of(&context), &mark),
            None => Ok(()),
        }
    }
}
