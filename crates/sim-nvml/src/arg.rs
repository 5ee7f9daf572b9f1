//! What callers pass, made safe to use once, where it is passed: [`crate::export::nvml`] admits every
//! argument of an exported function, whose contract it is that pointers are null or good.

use std::ffi::{CStr, c_char};

use nvidia_sys::nvml::*;

use crate::answer::{Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT};

/// An argument as it comes over the C boundary.
pub(crate) trait Arg {
    /// What the function's body gets.
    type Admitted;

    /// # Safety
    /// A pointer must be null, or good for as many values as the function's contract says, while the
    /// function runs.
    unsafe fn admit(self) -> Self::Admitted;
}

/// Where the caller wants a value, and perhaps left one.
pub(crate) struct Out<T>(*mut T);

/// Where the caller left a value.
pub(crate) struct In<T>(*const T);

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Arg for *mut T {
    type Admitted = Out<T>;

    unsafe fn admit(self) -> Out<T> {
        Out(self)
    }
}

impl<T> Arg for *const T {
    type Admitted = In<T>;

    unsafe fn admit(self) -> In<T> {
        In(self)
    }
}

macro_rules! plain {
    ($($ty:ty),* $(,)?) => {$(
        impl Arg for $ty {
            type Admitted = Self;

            unsafe fn admit(self) -> Self {
                self
            }
        }
    )*};
}

plain!(
    i32,
    u32,
    u64,
    nvmlClockId_t,
    nvmlClockType_t,
    nvmlEccCounterType_t,
    nvmlGpuP2PCapsIndex_t,
    nvmlGpuTopologyLevel_t,
    nvmlInforomObject_t,
    nvmlMemoryErrorType_t,
    nvmlMemoryLocation_t,
    nvmlNvLinkCapability_t,
    nvmlPageRetirementCause_t,
    nvmlPcieUtilCounter_t,
    nvmlPerfPolicyType_t,
    nvmlRestrictedAPI_t,
    nvmlReturn_t,
    nvmlSamplingType_t,
    nvmlTemperatureSensors_t,
    nvmlTemperatureThresholds_t,
);

impl<T> Out<T> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The pointer itself, never followed.
    pub(crate) fn address(self) -> usize {
        self.0.addr()
    }

    /// The same place for a value of another type, as the value there says.
    pub(crate) fn cast<U>(self) -> Out<U> {
        Out(self.0.cast())
    }

    pub(crate) fn raw(self) -> *mut T {
        self.0
    }
}

impl<T: Copy> Out<T> {
    /// Writes `value`; a null pointer is the caller's mistake.
    pub(crate) fn set(self, value: T) -> Answer {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, so good for a value by `admit`'s contract.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// What the caller left.
    pub(crate) fn get(self) -> Answer<T> {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, so it holds a value by `admit`'s contract.
        Ok(unsafe { self.0.read_unaligned() })
    }

    /// Writes `value` at place `index`, which the caller said it has room for.
    pub(crate) fn set_at(self, index: usize, value: T) -> Answer {
        Out(self.0.wrapping_add(index)).set(value)
    }

    /// What the caller left at place `index`, which it said it filled.
    pub(crate) fn get_at(self, index: usize) -> Answer<T> {
        Out(self.0.wrapping_add(index)).get()
    }

    /// Writes a list into an array of `count` places, NVML's way: the count needed always comes back,
    /// and too small an array gets nothing.
    pub(crate) fn fill(self, count: Out<u32>, values: &[T]) -> Answer {
        let room = count.get()? as usize;
        count.set(values.len() as u32)?;
        if values.len() > room {
            return Err(INSUFFICIENT_SIZE);
        }
        values.iter().enumerate().try_for_each(|(i, value)| self.set_at(i, *value))
    }
}

impl<T: Copy> In<T> {
    /// What the caller left.
    pub(crate) fn get(&self) -> Answer<T> {
        Out(self.0.cast_mut()).get()
    }
}

impl Out<c_char> {
    /// Writes `text` into `length` bytes, its end included.
    pub(crate) fn set_text(self, length: u32, text: &str) -> Answer {
        if text.len() >= length as usize {
            return Err(if self.is_null() { INVALID_ARGUMENT } else { INSUFFICIENT_SIZE });
        }
        let bytes = text.bytes().chain([0]);
        bytes.enumerate().try_for_each(|(i, byte)| self.set_at(i, byte as c_char))
    }
}

impl In<c_char> {
    /// The caller's text.
    pub(crate) fn text(&self) -> Answer<&str> {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, so a string that ends, by `admit`'s contract.
        unsafe { CStr::from_ptr(self.0) }.to_str().map_err(|_| INVALID_ARGUMENT)
    }
}

/// `text` in an array of bytes, cut where it does not fit, with an end.
pub(crate) fn text_array<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let places = array.iter_mut().take(N.saturating_sub(1));
    places.zip(text.bytes()).for_each(|(place, byte)| *place = byte as c_char);
    array
}
