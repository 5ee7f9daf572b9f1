//! cuGetProcAddress and the texts of errors: what a program asks before it calls anything else.

use std::ffi::{CStr, c_char};
use std::ptr::null;

use nvidia_sys::proc::{Answer, answer};

use crate::arg::{In, Opaque, Out, Text};
use crate::exports;
use crate::future;
use crate::process;
use crate::rim::export;
use crate::status::{self, Res, Status};
use crate::tables;

/// What became of a name.
enum Found {
    Address(usize),
    Unknown,
    TooOld,
}

/// CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM; 1 means the legacy stream, as 0 does.
const PER_THREAD: u64 = 2;

/// The newest ABI of `name` that both the caller and the driver know. A driver does not know the names
/// of drivers after it.
fn find(name: &str, version: i32, flags: u64) -> Res<Found> {
    if flags > PER_THREAD {
        return Err(Status::INVALID_VALUE);
    }
    let per_thread = flags == PER_THREAD;
    let driver = process::cuda_version()?;
    if let Some(address) = future::address(name, version.min(driver)) {
        return Ok(Found::Address(address));
    }
    let version = u32::try_from(version).unwrap_or(0);
    if !matches!(answer(name, driver as u32, per_thread), Answer::Symbol(_)) {
        return Ok(Found::Unknown);
    }
    Ok(match answer(name, version.min(driver as u32), per_thread) {
        Answer::Symbol(symbol) => exports::address(symbol).map_or(Found::Unknown, Found::Address),
        Answer::VersionTooOld => Found::TooOld,
        Answer::Unknown => Found::Unknown,
    })
}

fn text(out: &Out<*const c_char>, text: Option<&'static CStr>) -> Res {
    out.put(text.map_or(null(), CStr::as_ptr))?;
    text.map(drop).ok_or(Status::INVALID_VALUE)
}

export! {
    /// An address by base name; 500 and nothing written where there is none.
    early fn cuGetProcAddress(name: Text, out: Out<usize>, version: i32, flags: u64) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        match find(&name.string()?, version, flags)? {
            Found::Address(address) => out.put(address),
            Found::Unknown | Found::TooOld => Err(Status::NOT_FOUND),
        }
    }

    /// An address by base name; success, null and a reason where there is none.
    early fn cuGetProcAddress_v2(name: Text, out: Out<usize>, version: i32, flags: u64, reason: Out<u32>) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let (address, why) = match find(&name.string()?, version, flags)? {
            Found::Address(address) => (address, 0),
            Found::Unknown => (0, 1),
            Found::TooOld => (0, 2),
        };
        reason.offer(why);
        out.put(address)
    }

    /// The name of an error.
    early fn cuGetErrorName(code: u32, out: Out<*const c_char>) {
        text(&out, status::name_of(code))
    }

    /// A sentence for an error.
    early fn cuGetErrorString(code: u32, out: Out<*const c_char>) {
        text(&out, status::sentence_of(code))
    }

    /// Profiling is over before it begins.
    fn cuProfilerStart() {
        Ok(())
    }

    /// Profiling is over before it begins.
    fn cuProfilerStop() {
        Ok(())
    }

    /// Takes a function to call with what the driver logs, which is nothing.
    fn cuLogsRegisterCallback(function: Opaque, _data: Opaque, out: Out<usize>) {
        if function.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.offer(function as usize);
        Ok(())
    }

    /// Forgets a function that would have been called.
    fn cuLogsUnregisterCallback(_callback: usize) {
        Ok(())
    }

    /// A private table, by UUID; one that the driver does not have is an invalid value.
    early fn cuGetExportTable(out: Out<usize>, id: In<[u8; 16]>) {
        let table = tables::address(id.get()?).ok_or(Status::INVALID_VALUE)?;
        out.put(table)
    }
}
