//! The private tables that libcudart asks for by UUID, and nothing that is not asked for. What each slot
//! must do was observed with a working stand-in. Slots are pointer-sized; the first is the table's size
//! in bytes, but for the storage table, which has none.

use std::sync::atomic::AtomicU32;

use crate::arg::{Opaque, Out};
use crate::context;
use crate::integrity::{self, CardId, Record};
use crate::module;
use crate::process;
use crate::registry::handle_of;
use crate::rim;
use crate::status::{Res, Status};
use crate::storage::Destructor;

/// The address of the table with this UUID, whose bytes are read as a big-endian number.
pub(crate) fn address(id: [u8; 16]) -> Option<usize> {
    let known = TABLES.iter().find(|(known, _)| *known == u128::from_be_bytes(id));
    known.map(|(_, table)| table.as_ptr() as usize)
}

/// One pointer-sized word.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Word(*const ());
// SAFETY: the words are constants: sizes, and addresses of functions that any thread may call.
unsafe impl Sync for Word {}

const NONE: Word = Word(std::ptr::null());

const fn size(slots: usize) -> Word {
    Word(std::ptr::without_provenance(slots * size_of::<Word>()))
}

static TABLES: [(u128, &[Word]); 7] = [
    (0x6bd5fb6c5bf4e74a8987d93912fd9df9, &RUNTIME),
    (0xa094798c2e742e7493f20800200c0a66, &BUFFERS),
    (0x42d85a8123f6cb478298f6e78a3aecdc, &PRESENT),
    (0x21318c60971432488ca641ff7324c8f2, &PRESENT),
    (0xc693336e1121df11a8c368f355d89593, &STORAGE),
    (0x263e88607cd2614392f6bbd5006dfa7e, &UNNAMED),
    (0xd4082055bde6704b8d34ba123c66e1f2, &INTEGRITY),
];

/// cudart 11.8 loads modules by slot 6; 13.3 and later call slot 12, whatever the size says.
static RUNTIME: [Word; 13] = {
    let mut slots = [NONE; 13];
    slots[0] = size(13);
    slots[2] = Word(primary_context as *const ());
    slots[6] = Word(module_of_binary as *const ());
    slots[12] = Word(nothing as *const ());
    slots
};

static BUFFERS: [Word; 7] = {
    let mut slots = [NONE; 7];
    slots[0] = size(7);
    slots[2] = Word(large_buffer as *const ());
    slots[6] = Word(small_buffer as *const ());
    slots
};

static PRESENT: [Word; 1] = [size(1)];

static STORAGE: [Word; 3] = [
    Word(storage_put as *const ()),
    Word(storage_delete as *const ()),
    Word(storage_get as *const ()),
];

static UNNAMED: [Word; 4] =
    [size(4), NONE, Word(empty_answer as *const ()), Word(nothing as *const ())];

static INTEGRITY: [Word; 3] = [size(3), Word(integrity_check as *const ()), NONE];

/// The handle of a device's primary context, which is not retained by this.
extern "C" fn primary_context(out: Out<usize>, device: i32) -> u32 {
    rim::answer(|| out.put(handle_of(&process::device_named(device)?.primary)))
}

/// A module of what a compiler handed to the runtime: (module*, wrapper*, …).
extern "C" fn module_of_binary(out: Out<usize>, wrapper: Opaque) -> u32 {
    rim::answer(|| module::load(&out, wrapper))
}

extern "C" fn nothing() -> u32 {
    0
}

/// Words that cudart may write to.
type Buffer<const N: usize> = [AtomicU32; N];
const LARGE: usize = 1024;
const SMALL: usize = 14;

extern "C" fn large_buffer(out: Out<usize>, words: Out<usize>) {
    static BUFFER: Buffer<LARGE> = [const { AtomicU32::new(0) }; LARGE];
    out.offer(BUFFER.as_ptr() as usize);
    words.offer(LARGE);
}

extern "C" fn small_buffer(out: Out<usize>, words: Out<usize>) {
    static BUFFER: Buffer<SMALL> = [const { AtomicU32::new(0) }; SMALL];
    out.offer(BUFFER.as_ptr() as usize);
    words.offer(SMALL);
}

extern "C" fn storage_put(
    context: usize,
    key: usize,
    value: usize,
    destructor: Option<Destructor>,
) -> u32 {
    rim::answer(|| {
        context::named_or_current(context)?.storage.put(key, value, destructor);
        Ok(())
    })
}

extern "C" fn storage_delete(context: usize, key: usize) -> u32 {
    rim::answer(|| context::named_or_current(context)?.storage.delete(key))
}

extern "C" fn storage_get(out: Out<usize>, context: usize, key: usize) -> u32 {
    rim::answer(|| out.put(context::named_or_current(context)?.storage.get(key)?))
}

extern "C" fn empty_answer(_context: usize, number: Out<u32>, pointer: Out<usize>) -> u32 {
    number.offer(0);
    pointer.offer(0);
    0
}

extern "C" fn integrity_check(version: u32, unix_seconds: u64, out: Out<u64>) -> u32 {
    rim::early(|| {
        let record = Record {
            driver_version: process::cuda_version()? as u32,
            version,
            pid: std::process::id(),
            // SAFETY: pthread_self has no preconditions.
            thread: unsafe { libc::pthread_self() } as u32,
            tables: [
                RUNTIME.as_ptr() as u64,
                INTEGRITY.as_ptr() as u64,
                integrity_check as *const () as u64,
            ],
            unix_seconds,
        };
        let [low, high] = integrity::answer(record, &card_ids()?).ok_or(Status::INVALID_VALUE)?;
        out.put_at(0, low)?;
        out.put_at(1, high)
    })
}

fn card_ids() -> Res<Vec<CardId>> {
    let devices = process::driver().map(|driver| driver.devices.as_slice()).unwrap_or_default();
    Ok(devices
        .iter()
        .map(|device| {
            let (uuid, pci) = (device.card_uuid(), device.card.pci);
            CardId { uuid, pci: [pci.domain as i32, i32::from(pci.bus), i32::from(pci.device)] }
        })
        .collect())
}
