//! What a pointer is: the answers of cuPointerGetAttribute.

use std::ffi::c_void;

use crate::arg::{In, Opaque};
use crate::context::{self, CONTEXTS};
use crate::host::{self, Kind};
use crate::memory::device_of;
use crate::outside::{self, What};
use crate::rim::export;
use crate::status::{Res, Status};

/// Memory that the driver knows.
struct Known {
    start: usize,
    size: usize,
    context: usize,
    ordinal: i32,
    id: u64,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Device,
    Host,
    Managed,
}

fn known(address: usize) -> Option<Known> {
    if let Some(device) = device_of(address) {
        let block = device.find(address)?;
        let (start, size, context, id) = (block.start, block.size, block.owner, block.id);
        let ordinal = device.ordinal as i32;
        return Some(Known { start, size, context, ordinal, id, place: Place::Device });
    }
    let block = host::find(address)?;
    let ordinal = CONTEXTS.get(block.context).map_or(0, |context| context.device as i32);
    let place = if block.kind == Kind::Managed { Place::Managed } else { Place::Host };
    let (start, size, context, id) = (block.start, block.size, block.context, block.start as u64);
    Some(Known { start, size, context, ordinal, id, place })
}

/// A value as the attribute's own type.
enum Value {
    Word(u64),
    Number(u32),
}

/// The value of an attribute of known memory; an invalid value where it has none.
fn attribute(known: &Known, number: u32, address: usize) -> Res<Value> {
    let flag = |set: bool| Ok(Value::Number(u32::from(set)));
    match number {
        1 => Ok(Value::Word(known.context as u64)),
        2 => Ok(Value::Number(if known.place == Place::Host { 1 } else { 2 })),
        3 => Ok(Value::Word(address as u64)),
        4 if known.place == Place::Device => Err(Status::INVALID_VALUE),
        4 => Ok(Value::Word(address as u64)),
        6 => flag(false),
        7 => Ok(Value::Word(known.id)),
        8 => flag(known.place == Place::Managed),
        9 => Ok(Value::Number(known.ordinal as u32)),
        10 => flag(false),
        11 => Ok(Value::Word(known.start as u64)),
        12 => Ok(Value::Word(known.size as u64)),
        13 => flag(true),
        14 => Ok(Value::Word(0)),
        17 => Ok(Value::Word(pool_of(address))),
        15 | 21 => flag(false),
        16 => Ok(Value::Number(3)),
        18 => Ok(Value::Word(known.size as u64)),
        19 => Ok(Value::Word(known.start as u64)),
        20 => Ok(Value::Word(known.id)),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// The pool that lent memory; 0 if none did.
fn pool_of(address: usize) -> u64 {
    match outside::find(address).map(|piece| piece.what) {
        Some(What::Pool(pool)) => pool as u64,
        _ => 0,
    }
}

/// What the attribute of memory is that nobody knows: nothing, in the attribute's own size.
fn nothing(number: u32) -> Res<Value> {
    match number {
        1 | 3 | 4 | 7 | 11 | 12 | 14 | 17..=20 => Ok(Value::Word(0)),
        2 | 6 | 8 | 10 | 13 | 15 | 16 | 21 => Ok(Value::Number(0)),
        9 => Ok(Value::Number(NO_DEVICE as u32)),
        _ => Err(Status::INVALID_VALUE),
    }
}

fn write(to: *mut c_void, value: Value) -> Res {
    if to.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the interface has the caller pass room for the attribute's own type.
    unsafe {
        match value {
            Value::Word(word) => to.cast::<u64>().write_unaligned(word),
            Value::Number(number) => to.cast::<u32>().write_unaligned(number),
        }
    }
    Ok(())
}

/// CU_DEVICE_INVALID.
const NO_DEVICE: i32 = -2;

export! {
    /// One attribute of memory that the driver knows; an invalid value for any other.
    fn cuPointerGetAttribute(out: Opaque, number: u32, address: u64) {
        context::current()?;
        let known = known(address as usize).ok_or(Status::INVALID_VALUE)?;
        write(out, attribute(&known, number, address as usize)?)
    }

    /// Several attributes; of memory that the driver does not know they say so.
    fn cuPointerGetAttributes(count: u32, numbers: In<u32>, outs: In<Opaque>, address: u64) {
        context::current()?;
        let known = known(address as usize);
        for i in 0..count as usize {
            let number = numbers.at(i)?;
            let value = known.as_ref().map(|known| attribute(known, number, address as usize));
            let value = value.and_then(Result::ok).map_or_else(|| nothing(number), Ok)?;
            write(outs.at(i)?, value)?;
        }
        Ok(())
    }

    /// Only CU_POINTER_ATTRIBUTE_SYNC_MEMOPS can be set; copies here are synchronous enough already.
    fn cuPointerSetAttribute(_value: Opaque, number: u32, address: u64) {
        context::current()?;
        known(address as usize).ok_or(Status::INVALID_VALUE)?;
        if number == 6 { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }
}
