//! A function of a driver that no header describes yet. Only the library of a world that plays such a driver
//! shows it.

use nvidia_sys::nvml::{nvmlDevice_t, nvmlMemory_v2_t, nvmlReturn_t};

use crate::memory::memory_v2;

/// A third version of the call, which takes the second's struct.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn nvmlDeviceGetMemoryInfo_v3(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    use crate::arg::Arg;
    // SAFETY: the caller passes a place for the answer, or null.
    let (device, memory) = unsafe { (device.admit(), memory.admit()) };
    crate::answer::code(memory_v2(device, memory, 3))
}
