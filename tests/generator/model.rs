//! What a process holds, by what the driver answered and by what drivers are known to take: nothing here
//! is asked of the shim or of the simulated card.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::calls::{Call, DEVICES, THREADS, home};
use crate::stage::CONTEXT;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 2 * MIB;
/// What the simulated driver takes for a green context.
const GREEN: u64 = 8 * MIB;

/// A process.
#[derive(Default)]
pub(crate) struct Process {
    /// Whether its primary contexts live, and the threads' own ones.
    pub(crate) primary: [bool; DEVICES],
    own: [bool; THREADS],
    /// By thread and place.
    objects: BTreeMap<(usize, usize), Object>,
    /// The heap and the print buffer, beyond the usual, by context and which.
    buffers: BTreeMap<(Context, &'static str), u64>,
}

/// The primary ones, above are the threads' own.
type Context = usize;

fn device_of(context: Context) -> usize {
    context.checked_sub(DEVICES).map_or(context, home)
}

#[derive(Clone, Debug)]
struct Object {
    what: &'static str,
    context: Context,
    /// Where the memory lies.
    device: usize,
    takes: Takes,
    /// No other object of any process has it.
    serial: u64,
    /// A handle is held; it is mapped, or bound.
    handle: bool,
    mapped: bool,
    /// A descriptor of it, or of its addresses, is open.
    exported: bool,
    /// It was imported by that, and the handle is held.
    again: bool,
    /// The rows of an array that are mapped.
    rows: BTreeSet<u64>,
}

impl Object {
    fn new(what: &'static str, context: Context, device: usize, takes: Takes) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (serial, rows) = (NEXT.fetch_add(1, Ordering::Relaxed), BTreeSet::new());
        let (handle, mapped, exported, again) = (true, false, false, false);
        Self { what, context, device, takes, serial, handle, mapped, exported, again, rows }
    }

    /// Whether anything keeps its memory.
    fn lives(&self) -> bool {
        self.handle || self.mapped || self.exported || self.again || !self.rows.is_empty()
    }
}

/// What memory takes of a card.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    /// Nothing that is counted here.
    Nothing,
    /// Pages of its own.
    Pages(u64),
    /// A part of this page.
    Part(u64),
    /// It is on the host until it is touched, and charged in full.
    Managed(u64),
    /// What a driver takes without being asked for so much: charged once the agent has measured it.
    Unasked(u64),
    /// What another process made, by its serial, as long as that has it: so many bytes at most.
    Borrowed(u64, u64),
}

/// What a process holds.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) contexts: u64,
    /// Without pools and graphs.
    pub(crate) memory: u64,
    pub(crate) managed: u64,
    pub(crate) buffers: u64,
}

impl Held {
    pub(crate) fn in_all(self) -> u64 {
        self.contexts + self.memory + self.managed + self.buffers
    }

    /// Whether this is as much as that, of each.
    pub(crate) fn covers(self, that: Self) -> bool {
        let [contexts, memory] = [self.contexts >= that.contexts, self.memory >= that.memory];
        contexts && memory && self.managed >= that.managed && self.buffers >= that.buffers
    }
}

impl Process {
    /// One that has just begun.
    pub(crate) fn new(primary: [bool; DEVICES]) -> Self {
        Self { primary, ..Self::default() }
    }

    /// Whether a thread that has made no context can ask anything of its driver on a device.
    pub(crate) fn has_context(&self, device: usize) -> bool {
        self.primary[device]
    }

    /// Whether it can be asked at a rest.
    pub(crate) fn has_any_context(&self, device: usize) -> bool {
        self.contexts(device) > 0
    }

    fn contexts(&self, device: usize) -> usize {
        let own = (0..THREADS).filter(|thread| self.own[*thread] && home(*thread) == device);
        usize::from(self.primary[device]) + own.count()
    }

    /// What a device's driver has taken for it that nothing but a measurement can know.
    pub(crate) fn unasked(&self, device: usize) -> u64 {
        let on_device = self.objects.values().filter(|object| object.device == device);
        let bytes = |object: &Object| match object.takes {
            Takes::Unasked(bytes) if object.lives() => bytes,
            _ => 0,
        };
        on_device.map(bytes).sum()
    }

    pub(crate) fn held(&self, device: usize) -> Held {
        let contexts = self.contexts(device) as u64 * CONTEXT.bytes();
        let mut held = Held { contexts, ..Held::default() };
        let mut parts = BTreeSet::new();
        for object in self.objects.values().filter(|object| object.device == device) {
            match object.takes {
                _ if !object.lives() => {}
                Takes::Nothing | Takes::Unasked(_) | Takes::Borrowed(..) => {}
                Takes::Pages(bytes) => held.memory += bytes,
                Takes::Part(page) => drop(parts.insert(page)),
                Takes::Managed(bytes) => held.managed += bytes,
            }
        }
        held.memory += parts.len() as u64 * PAGE;
        let buffers = self.buffers.iter().filter(|((of, _), _)| device_of(*of) == device);
        held.buffers = buffers.map(|(_, bytes)| bytes).sum();
        held
    }

    /// The device that a call takes memory of.
    pub(crate) fn device(call: &Call) -> usize {
        match call.name {
            "create" => call.b as usize % DEVICES,
            "lent" if call.b == 1 => 1 - home(call.thread),
            _ => home(call.thread),
        }
    }

    /// What a call may take at most, before it is known where it lands. What a graph needs is drawn
    /// elsewhere: a launch may always be refused.
    pub(crate) fn most(&self, call: &Call) -> u64 {
        match call.name {
            "linear" | "pitch" => taken(size(call)).max(PAGE),
            "managed" => taken(size(call)),
            "array" | "mipmap" => size(call),
            "create" | "sparse" | "multi" | "external" => call.a,
            "launch" | "upload" | "clone" | "update" => u64::MAX / 2,
            "async" | "lent" | "lent-managed" => call.a.next_multiple_of(32 * MIB),
            "context" => CONTEXT.bytes(),
            "heap" | "print" => call.a,
            _ => 0,
        }
    }

    /// The driver has done as asked.
    pub(crate) fn done(&mut self, call: &Call, address: u64) {
        let at = (call.thread, call.place);
        let context = if self.own[call.thread] { call.thread + DEVICES } else { home(call.thread) };
        match call.name {
            "row" | "unrow" | "bind" | "unbind" | "let" | "export" | "range" | "again"
            | "forget" => {
                self.changed(at, call);
            }
            "give" => self.given(at),
            "map" | "unmap" => self.mapped(at, call.name == "map"),
            "context" => self.own[call.thread] = true,
            "destroy" => {
                self.own[call.thread] = false;
                self.ended(call.thread + DEVICES);
            }
            "heap" => drop(self.buffers.insert((context, "heap"), beyond(call.a, 8 * MIB))),
            "print" => drop(self.buffers.insert((context, "print"), beyond(call.a, MIB))),
            "trim" | "pick" | "retain" | "sync" | "launch" | "upload" | "clone" | "update"
            | "graph-trim" => {}
            _ => self.take(call, at, context, address),
        }
    }

    /// The serial of what another process opened of this one, and what it takes at most.
    pub(crate) fn lent(&self, thread: usize, place: usize) -> Option<(u64, u64)> {
        let object = self.objects.get(&(thread, place))?;
        match object.takes {
            Takes::Pages(bytes) => Some((object.serial, bytes)),
            Takes::Part(_) => Some((object.serial, PAGE)),
            _ => None,
        }
    }

    /// Memory of another process was opened here.
    pub(crate) fn opened(
        &mut self,
        what: &'static str,
        at: (usize, usize),
        device: usize,
        of: (u64, u64),
    ) {
        let object = Object::new(what, device, device, Takes::Borrowed(of.0, of.1));
        self.objects.insert(at, object);
    }

    /// Whether it still has what it lent under this serial.
    pub(crate) fn has(&self, serial: u64) -> bool {
        self.objects.values().any(|object| object.serial == serial && object.lives())
    }

    /// What it has of other processes on a device: serials and bytes.
    pub(crate) fn borrowed(&self, device: usize) -> impl Iterator<Item = (u64, u64)> {
        let here = self.objects.values().filter(move |of| of.device == device && of.lives());
        here.filter_map(|object| match object.takes {
            Takes::Borrowed(serial, bytes) => Some((serial, bytes)),
            _ => None,
        })
    }

    /// The primary context of a device has ended, and has begun again or not.
    pub(crate) fn primary_ended(&mut self, device: usize, again: bool) {
        self.primary[device] = false;
        self.ended(device);
        self.primary[device] = again;
    }

    fn take(&mut self, call: &Call, at: (usize, usize), context: Context, address: u64) {
        let bytes = size(call);
        let takes = match call.name {
            "linear" | "pitch" if bytes > MIB => Takes::Pages(taken(bytes)),
            "linear" | "pitch" => Takes::Part(address / PAGE),
            "array" | "mipmap" | "create" | "sparse" | "multi" => Takes::Pages(bytes),
            "managed" => Takes::Managed(taken(bytes)),
            "external" => Takes::Pages(bytes),
            "green" => Takes::Unasked(GREEN),
            _ => Takes::Nothing,
        };
        let object = Object::new(call.name, context, Self::device(call), takes);
        self.objects.insert(at, object);
    }

    fn given(&mut self, at: (usize, usize)) {
        if let Some(object) = self.objects.get_mut(&at) {
            // What has no handle is given back by closing its descriptor, then by the handle that it was imported by.
            let by_descriptor = !object.handle && object.exported;
            object.again &= object.handle || by_descriptor;
            object.exported &= object.handle;
            object.handle = false;
            if !object.lives() || object.what == "multi" || object.what == "sparse" {
                self.objects.remove(&at);
            }
        }
    }

    /// Memory of an array or a multicast object is mapped, unmapped, or its handle let go.
    fn changed(&mut self, at: (usize, usize), call: &Call) {
        let Some(object) = self.objects.get_mut(&at) else { return };
        let Takes::Pages(bytes) = object.takes else { return };
        let row = call.a % (bytes / PAGE);
        match call.name {
            "row" => drop(object.rows.insert(row)),
            "unrow" => drop(object.rows.remove(&row)),
            "let" => object.handle = false,
            "export" | "range" => object.exported = true,
            "again" | "forget" => object.again = call.name == "again",
            name => object.mapped = name == "bind",
        }
    }

    fn mapped(&mut self, at: (usize, usize), is_mapped: bool) {
        if let Some(object) = self.objects.get_mut(&at) {
            object.mapped = is_mapped;
            if !object.lives() {
                self.objects.remove(&at);
            }
        }
    }

    /// A context takes with it what is its own; the last one also what pools have lent.
    fn ended(&mut self, context: Context) {
        let device = device_of(context);
        let none_left = self.contexts(device) == 0;
        self.buffers.retain(|(of, _), _| *of != context);
        for object in self.objects.values_mut().filter(|of| of.context == context) {
            if object.what == "sparse" {
                // The array is gone; the memory that was mapped in it stays with its handle.
                object.what = "tiles";
                object.rows.clear();
            }
            // Only its addresses end.
            object.handle &= !(object.what == "linear" && object.exported);
        }
        self.objects.retain(|_, object| match object.what {
            "async" | "lent" | "lent-managed" => !(none_left && object.device == device),
            "create" | "pool" | "multi" | "green" | "foreign" => true,
            "tiles" => object.handle,
            "linear" if object.exported => true,
            _ => object.context != context,
        });
    }
}

/// Bytes that a call asks for.
fn size(call: &Call) -> u64 {
    match call.name {
        "pitch" => call.a.next_multiple_of(512) * call.b,
        // Floats, in rows of whole 64 bytes, by eights of rows.
        "array" => level(call.a, call.b).next_multiple_of(PAGE),
        "mipmap" => {
            let levels = (0..3).map(|at| level((call.a >> at).max(1), (call.b >> at).max(1)));
            levels.sum::<u64>().next_multiple_of(PAGE)
        }
        _ => call.a,
    }
}

fn level(width: u64, rows: u64) -> u64 {
    (width * 4).next_multiple_of(64) * rows.next_multiple_of(8)
}

/// What the driver takes for linear memory of this size, if it has pages of its own or is managed.
fn taken(bytes: u64) -> u64 {
    bytes.next_multiple_of(if bytes > MIB { PAGE } else { 512 })
}

/// Whole pages of what a buffer has beyond the usual.
fn beyond(bytes: u64, usual: u64) -> u64 {
    bytes.saturating_sub(usual).next_multiple_of(2 * MIB)
}
