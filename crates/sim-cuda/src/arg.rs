//! What a program hands in: pointers that may be null. The C caller's promise, that a pointer which is
//! not null is good for its type, is taken on trust here and nowhere else.

use std::ffi::{CStr, c_char, c_void};

use crate::status::{Res, Status};

/// Where the caller wants an answer. Made by C callers only.
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Whether the caller wants no answer here.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Writes the answer; a null pointer is an invalid value.
    pub(crate) fn put(&self, value: T) -> Res {
        self.put_at(0, value)
    }

    /// Writes element `index` of an array that the caller says is long enough.
    pub(crate) fn put_at(&self, index: usize, value: T) -> Res {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass null or room for the answers it asks for.
        unsafe { self.0.add(index).write_unaligned(value) };
        Ok(())
    }

    /// Writes the answer where there is a pointer for it.
    pub(crate) fn offer(&self, value: T) {
        if !self.is_null() {
            let _ = self.put(value);
        }
    }
}

impl Out<c_char> {
    /// Writes `text` and its end into a buffer of `len` bytes, cut short where it does not fit.
    pub(crate) fn put_text(&self, text: &[u8], len: i32) -> Res {
        let room = usize::try_from(len).ok().and_then(|l| l.checked_sub(1));
        let fitting = &text[..text.len().min(room.ok_or(Status::INVALID_VALUE)?)];
        for (i, byte) in fitting.iter().chain(&[0]).enumerate() {
            self.put_at(i, *byte as c_char)?;
        }
        Ok(())
    }
}

/// Something the caller lets us read. Made by C callers only.
#[repr(transparent)]
pub(crate) struct In<T>(*const T);

impl<T: Copy> In<T> {
    /// What the caller lets us read by an address in something else that it handed in.
    pub(crate) fn of(address: *const T) -> Self {
        Self(address)
    }

    /// A copy of it; a null pointer is an invalid value.
    pub(crate) fn get(&self) -> Res<T> {
        self.at(0)
    }

    /// A copy of element `index` of an array that the caller says is long enough.
    pub(crate) fn at(&self, index: usize) -> Res<T> {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass null or as many values as it says.
        Ok(unsafe { self.0.add(index).read_unaligned() })
    }
}

/// Something the caller lets us read and answer in the same place. Made by C callers only.
#[repr(transparent)]
pub(crate) struct InOut<T>(Out<T>);

impl<T: Copy> InOut<T> {
    /// A copy of it; a null pointer is an invalid value.
    pub(crate) fn get(&self) -> Res<T> {
        In(self.0.0.cast_const()).get()
    }

    /// Writes the answer; a null pointer is an invalid value.
    pub(crate) fn put(&self, value: T) -> Res {
        self.0.put(value)
    }
}

/// A text the caller hands in.
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// Its bytes; a null pointer is an invalid value.
    pub(crate) fn get(&self) -> Res<&[u8]> {
        if self.0.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass null or a text that ends in a zero byte.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// As text, with bytes that are no UTF-8 replaced.
    pub(crate) fn string(&self) -> Res<String> {
        Ok(String::from_utf8_lossy(self.get()?).into_owned())
    }
}

/// An opaque handle or a pointer that is only passed on.
pub(crate) type Opaque = *mut c_void;
