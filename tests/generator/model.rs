//! What a process holds, by what the driver answered and by what drivers are known to take: nothing here
//! is asked of the shim or of the simulated card.

use std::collections::{BTreeMap, BTreeSet};

use crate::calls::{Call, THREADS};
use crate::stage::CONTEXT;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 2 * MIB;

/// A process.
#[derive(Default)]
pub(crate) struct Process {
    /// Whether its primary context lives, and the threads' own ones.
    pub(crate) primary: bool,
    own: [bool; THREADS],
    /// By thread and place.
    objects: BTreeMap<(usize, usize), Object>,
    /// The heap and the print buffer, beyond the usual, by context and which.
    buffers: BTreeMap<(Context, &'static str), u64>,
}

/// 0 is the primary one, above are the threads' own.
type Context = usize;

#[derive(Clone, Copy, Debug)]
struct Object {
    what: &'static str,
    context: Context,
    takes: Takes,
    /// A handle is held, a mapping is there.
    handle: bool,
    mapped: bool,
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
}

/// What a process holds.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) contexts: u64,
    /// Without pools.
    pub(crate) memory: u64,
    pub(crate) managed: u64,
    pub(crate) buffers: u64,
}

impl Held {
    pub(crate) fn in_all(self) -> u64 {
        self.contexts + self.memory + self.managed + self.buffers
    }
}

impl Process {
    /// One that has just begun.
    pub(crate) fn new(primary: bool) -> Self {
        Self { primary, ..Self::default() }
    }

    /// Whether anything can be asked of its driver.
    pub(crate) fn has_context(&self) -> bool {
        self.primary
    }

    pub(crate) fn held(&self) -> Held {
        let contexts = usize::from(self.primary) + self.own.iter().filter(|own| **own).count();
        let mut held = Held { contexts: contexts as u64 * CONTEXT.bytes(), ..Held::default() };
        let mut parts = BTreeSet::new();
        for object in self.objects.values() {
            match object.takes {
                Takes::Nothing => {}
                Takes::Pages(bytes) => held.memory += bytes,
                Takes::Part(page) => drop(parts.insert(page)),
                Takes::Managed(bytes) => held.managed += bytes,
            }
        }
        held.memory += parts.len() as u64 * PAGE;
        held.buffers = self.buffers.values().sum();
        held
    }

    /// What a call may take at most, before it is known where it lands.
    pub(crate) fn most(&self, call: &Call) -> u64 {
        match call.name {
            "linear" | "pitch" => taken(size(call)).max(PAGE),
            "managed" => taken(size(call)),
            "array" | "mipmap" => size(call),
            "create" => call.a,
            "async" | "lent" => call.a.next_multiple_of(32 * MIB),
            "context" => CONTEXT.bytes(),
            "heap" | "print" => call.a,
            _ => 0,
        }
    }

    /// The driver has done as asked.
    pub(crate) fn done(&mut self, call: &Call, address: u64) {
        let at = (call.thread, call.place);
        let context = if self.own[call.thread] { call.thread + 1 } else { 0 };
        match call.name {
            "give" => self.given(at),
            "map" | "unmap" => self.mapped(at, call.name == "map"),
            "context" => self.own[call.thread] = true,
            "destroy" => {
                self.own[call.thread] = false;
                self.ended(call.thread + 1);
            }
            "heap" => drop(self.buffers.insert((context, "heap"), beyond(call.a, 8 * MIB))),
            "print" => drop(self.buffers.insert((context, "print"), beyond(call.a, MIB))),
            "trim" | "retain" | "sync" => {}
            _ => self.take(call, at, context, address),
        }
    }

    /// Memory of another process was opened here.
    pub(crate) fn opened(&mut self, thread: usize, place: usize) {
        let object = Object {
            what: "import",
            context: 0,
            takes: Takes::Nothing,
            handle: true,
            mapped: false,
        };
        self.objects.insert((thread, place), object);
    }

    /// The primary context has ended, and has begun again or not.
    pub(crate) fn primary_ended(&mut self, again: bool) {
        self.primary = false;
        self.ended(0);
        self.primary = again;
    }

    fn take(&mut self, call: &Call, at: (usize, usize), context: Context, address: u64) {
        let bytes = size(call);
        let takes = match call.name {
            "linear" | "pitch" if bytes > MIB => Takes::Pages(taken(bytes)),
            "linear" | "pitch" => Takes::Part(address / PAGE),
            "array" | "mipmap" | "create" => Takes::Pages(bytes),
            "managed" => Takes::Managed(taken(bytes)),
            _ => Takes::Nothing,
        };
        let object = Object { what: call.name, context, takes, handle: true, mapped: false };
        self.objects.insert(at, object);
    }

    fn given(&mut self, at: (usize, usize)) {
        if let Some(object) = self.objects.get_mut(&at) {
            object.handle = false;
            if !object.mapped {
                self.objects.remove(&at);
            }
        }
    }

    fn mapped(&mut self, at: (usize, usize), is_mapped: bool) {
        if let Some(object) = self.objects.get_mut(&at) {
            object.mapped = is_mapped;
            if !is_mapped && !object.handle {
                self.objects.remove(&at);
            }
        }
    }

    /// A context takes with it what is its own; the last one also what pools have lent.
    fn ended(&mut self, context: Context) {
        let none_left = !self.primary && !self.own.iter().any(|own| *own);
        self.buffers.retain(|(of, _), _| *of != context);
        self.objects.retain(|_, object| match object.what {
            "async" | "lent" => !none_left,
            "create" | "pool" => true,
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
