//! Contexts: what lives and dies with one, and which one is current on a thread. A device's primary
//! context has a handle for as long as the process lives, but is alive only while somebody retains it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sim_world::Kind;

use crate::array;
use crate::code::{Buffers, Code};
use crate::device::Device;
use crate::event::EVENTS;
use crate::external;
use crate::front;
use crate::graph_memory;
use crate::host;
use crate::ipc;
use crate::module;
use crate::pool;
use crate::process;
use crate::registry::{Registry, handle_of};
use crate::status::{Res, Status};
use crate::storage::Storage;
use crate::stream::{STREAMS, Stream};

/// All contexts that have a valid handle.
pub(crate) static CONTEXTS: Registry<Context> = Registry::new();

/// A context.
pub(crate) struct Context {
    /// The ordinal of its device.
    pub(crate) device: usize,
    /// Whether it is the device's primary one.
    pub(crate) primary: bool,
    /// A number no other context of this process has.
    pub(crate) id: u64,
    /// The flags it was made with.
    pub(crate) flags: AtomicU32,
    /// What cudart and others keep in it.
    pub(crate) storage: Storage,
    /// Limits that were set, by number.
    pub(crate) limits: Mutex<BTreeMap<u32, usize>>,
    /// The cache preference and the shared-memory bank size.
    pub(crate) config: [AtomicU32; 2],
    /// The code of its modules.
    pub(crate) code: Code,
    /// What its kernels use beyond what every context has.
    pub(crate) buffers: Buffers,
    /// How often it was attached to, beyond the first time.
    pub(crate) attached: AtomicU32,
    /// Devices to whose memory access was enabled.
    pub(crate) peers: Mutex<Vec<usize>>,
    /// Per-thread default streams, each with what is alive as long as its thread.
    pub(crate) thread_streams: Mutex<Vec<(Weak<()>, Arc<Stream>)>>,
    alive: AtomicBool,
    retained: Mutex<u32>,
}

impl Context {
    /// A context on the device `ordinal` that is not alive.
    pub(crate) fn new(ordinal: usize, primary: bool, flags: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            device: ordinal,
            primary,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            flags: AtomicU32::new(flags),
            storage: Storage::default(),
            limits: Mutex::default(),
            config: [AtomicU32::new(0), AtomicU32::new(0)],
            code: Code::default(),
            buffers: Buffers::default(),
            attached: AtomicU32::new(0),
            peers: Mutex::default(),
            thread_streams: Mutex::default(),
            alive: AtomicBool::new(false),
            retained: Mutex::new(0),
        }
    }

    /// Its device.
    pub(crate) fn device(&self) -> Res<&'static Device> {
        process::device(self.device)
    }

    /// Whether it has memory, streams and a place on the card.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// The primary context comes alive, or gets one more user.
    pub(crate) fn retain(self: &Arc<Self>) -> Res {
        let mut retained = self.retained();
        if *retained == 0 {
            self.start()?;
        }
        *retained += 1;
        Ok(())
    }

    /// The primary context loses a user; the last one ends it. What is stored in it is taken down
    /// first, without a lock: its destructors may call the driver.
    pub(crate) fn release(self: &Arc<Self>) -> Res {
        if *self.retained() == 1 {
            self.storage.clear(handle_of(self));
        }
        let mut retained = self.retained();
        *retained = retained.checked_sub(1).ok_or(Status::INVALID_CONTEXT)?;
        if *retained == 0 {
            self.end();
        }
        Ok(())
    }

    /// The primary context ends, whoever uses it.
    pub(crate) fn reset(self: &Arc<Self>) {
        self.storage.clear(handle_of(self));
        let mut retained = self.retained();
        if std::mem::take(&mut *retained) > 0 {
            self.end();
        }
    }

    /// Takes the memory of a context and opens its streams.
    pub(crate) fn start(self: &Arc<Self>) -> Res {
        let device = self.device()?;
        device.check()?;
        device.charge(Kind::Context, device.card.profile.memory.context_mib << 20)?;
        front::open_context(handle_of(self), self.device);
        self.alive.store(true, Ordering::Release);
        Ok(())
    }

    /// Kernels are about to run in it: the buffers that they may need are taken, or they cannot.
    pub(crate) fn need_buffers(&self) -> Res {
        self.buffers.need(self.device()?)
    }

    /// Takes down all that lives in it, and gives its memory back.
    pub(crate) fn end(self: &Arc<Self>) {
        let handle = handle_of(self);
        self.storage.clear(handle);
        self.alive.store(false, Ordering::Release);
        front::close_context(handle);
        STREAMS.remove_if(|stream| stream.line.context == handle);
        EVENTS.remove_if(|event| event.context == handle);
        module::unload_all(handle);
        host::free_all(handle);
        array::forget(handle);
        external::forget(handle);
        ipc::close_all(handle);
        self.forget_settings();
        if let Ok(device) = self.device() {
            device.free_all(handle);
            self.code.clear(device);
            self.buffers.clear(device);
            if !CONTEXTS.any(|other| other.device == self.device && other.is_alive()) {
                pool::device_ended(self.device);
                graph_memory::device_ended(self.device);
            }
            device.refund(Kind::Context, device.card.profile.memory.context_mib << 20);
        }
    }

    fn forget_settings(&self) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.thread_streams.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.config.iter().for_each(|c| c.store(0, Ordering::Relaxed));
    }

    fn retained(&self) -> MutexGuard<'_, u32> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    // Never dropped, because the driver is called after a thread's values are: a thread that ends with
    // contexts on its stack leaves a few bytes behind.
    static STACK: ManuallyDrop<RefCell<Vec<usize>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

fn with_stack<T>(f: impl FnOnce(&mut Vec<usize>) -> T) -> Res<T> {
    STACK
        .try_with(|stack| stack.try_borrow_mut().map(|mut stack| f(&mut stack)))
        .ok()
        .and_then(Result::ok)
        .ok_or(Status::UNKNOWN)
}

/// The handle on top of this thread's stack, valid or not; 0 if there is none.
pub(crate) fn current_handle() -> usize {
    with_stack(|stack| stack.last().copied().unwrap_or(0)).unwrap_or(0)
}

/// The context that is current on this thread, alive or not.
pub(crate) fn bound() -> Res<Arc<Context>> {
    match current_handle() {
        0 => Err(Status::INVALID_CONTEXT),
        handle => CONTEXTS.get(handle).ok_or(Status::CONTEXT_IS_DESTROYED),
    }
}

/// The living context that is current on this thread, with its card at hand.
pub(crate) fn current() -> Res<Arc<Context>> {
    let context = bound()?;
    match context.is_alive() {
        true => context.device()?.check().map(|()| context),
        false => Err(Status::CONTEXT_IS_DESTROYED),
    }
}

/// The context a caller names; null means the current one.
pub(crate) fn named_or_current(handle: usize) -> Res<Arc<Context>> {
    match handle {
        0 => bound(),
        named => CONTEXTS.get(named).ok_or(Status::INVALID_CONTEXT),
    }
}

/// Puts a context on top of this thread's stack.
pub(crate) fn push(handle: usize) -> Res {
    with_stack(|stack| stack.push(handle))
}

/// Takes the topmost context off this thread's stack.
pub(crate) fn pop() -> Res<usize> {
    with_stack(Vec::pop)?.ok_or(Status::INVALID_CONTEXT)
}

/// Replaces the topmost context; 0 takes it off.
pub(crate) fn set_current(handle: usize) -> Res {
    with_stack(|stack| {
        stack.pop();
        if handle != 0 {
            stack.push(handle);
        }
    })
}

/// Runs `f` with another context current.
pub(crate) fn with_current<T>(handle: usize, f: impl FnOnce() -> Res<T>) -> Res<T> {
    push(handle)?;
    let answer = f();
    pop()?;
    answer
}
