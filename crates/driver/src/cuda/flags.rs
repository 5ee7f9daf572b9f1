//! Words of host memory that all GPUs see, and the kernels that set them and wait for them: with these,
//! kernels of several GPUs meet as those of collective libraries do.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Driver, Kernel, Module, Stream};
use crate::error::Result;
use crate::library::call;

/// Portable, and mapped for devices.
const EVERYWHERE: u32 = 1 | 2;

/// Kernels that set a word and that run until one is set, as PTX text for compute capability 5.0 and
/// later. A simulated driver knows them by their names.
const PTX: &str = "
.version 6.0
.target sm_50
.address_size 64

.visible .entry set_flag_us_5(.param .u64 word)
{
    .reg .u64 %address;
    ld.param.u64 %address, [word];
    membar.sys;
    st.volatile.global.u32 [%address], 1;
    ret;
}

.visible .entry spin_until_set(.param .u64 word)
{
    .reg .u64 %address;
    .reg .u32 %value;
    .reg .pred %unset;
    ld.param.u64 %address, [word];
again:
    ld.volatile.global.u32 %value, [%address];
    setp.eq.u32 %unset, %value, 0;
    @%unset bra again;
    ret;
}
";

/// So many words, all 0 at first. Their memory is the driver's until the process ends.
#[derive(Clone, Copy)]
pub struct Flags {
    words: &'static [AtomicU32],
}

/// The kernels, in the context in which they were loaded.
pub struct Meeting<'d> {
    module: Module<'d>,
}

impl Driver {
    /// Host memory for flags, for all contexts of the process.
    ///
    /// # Errors
    /// The driver's code.
    pub fn flags(&self, count: usize) -> Result<Flags> {
        let (table, mut address) = (&self.table, std::ptr::null_mut());
        let bytes = count * size_of::<AtomicU32>();
        call!(table.cuMemHostAlloc(&mut address, bytes, EVERYWHERE))?;
        // SAFETY: the driver gave so many bytes, aligned to a page, and nobody gives them back. Other
        // processors write whole words of them, as atomics may be written at any time.
        let words = unsafe { std::slice::from_raw_parts(address.cast::<AtomicU32>(), count) };
        words.iter().for_each(|word| word.store(0, Ordering::Release));
        Ok(Flags { words })
    }

    /// Loads the kernels into the current context.
    ///
    /// # Errors
    /// The driver's code.
    pub fn meeting(&self) -> Result<Meeting<'_>> {
        Ok(Meeting { module: self.module(PTX)? })
    }
}

impl Flags {
    /// Takes a flag back, to be set again. Flags are used in turn, as a ring.
    pub fn clear(&self, number: usize) {
        self.words[number % self.words.len()].store(0, Ordering::Release);
    }

    /// Sets all, so that nobody waits for who cannot set them any more.
    pub fn set_all(&self) {
        self.words.iter().for_each(|word| word.store(1, Ordering::Release));
    }

    /// The word's address, which with unified addressing is the same for every GPU.
    fn address(&self, number: usize) -> u64 {
        std::ptr::from_ref(&self.words[number % self.words.len()]).expose_provenance() as u64
    }
}

impl Meeting<'_> {
    /// Sets one flag, and holds the stream up until another is set.
    ///
    /// # Errors
    /// The driver's code.
    pub fn meet(
        &self,
        stream: &Stream<'_>,
        own: (Flags, usize),
        other: (Flags, usize),
    ) -> Result<()> {
        let kernel = |name: &str| -> Result<Kernel<'_>> { self.module.kernel(name) };
        kernel("set_flag_us_5")?.launch_with(stream, 1, own.0.address(own.1))?;
        kernel("spin_until_set")?.launch_with(stream, 1, other.0.address(other.1))
    }
}
