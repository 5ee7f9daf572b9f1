//! Beginning, end, and the names of errors.

use std::ffi::{c_char, c_uint};

use nvidia_sys::nvml::{fns, nvmlReturn_t};

use crate::export::nvml;
use crate::handle::{initialise, shut_down};

nvml! {
    fn nvmlInit() {
        initialise()
    }

    fn nvmlInit_v2() {
        initialise()
    }

    fn nvmlInitWithFlags(_flags: c_uint) {
        initialise()
    }

    fn nvmlShutdown() {
        shut_down()
    }
}

const _: fns::nvmlErrorString = nvmlErrorString;

#[unsafe(no_mangle)]
extern "C-unwind" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
    let known = MESSAGES.iter().find(|(code, _)| *code == result.0);
    known.map_or(c"Unknown Error", |(_, message)| message).as_ptr()
}

/// Short names of NVML's codes.
const MESSAGES: [(u32, &std::ffi::CStr); 31] = [
    (0, c"Success"),
    (1, c"Uninitialized"),
    (2, c"Invalid Argument"),
    (3, c"Not Supported"),
    (4, c"Insufficient Permissions"),
    (5, c"Already Initialized"),
    (6, c"Not Found"),
    (7, c"Insufficient Size"),
    (8, c"Insufficient External Power"),
    (9, c"Driver Not Loaded"),
    (10, c"Timeout"),
    (11, c"Interrupt Request Issue"),
    (12, c"NVML Shared Library Not Found"),
    (13, c"Function Not Found"),
    (14, c"Corrupted infoROM"),
    (15, c"GPU is lost"),
    (16, c"GPU requires restart"),
    (17, c"The operating system has blocked the request."),
    (18, c"RM has detected an NVML/RM version mismatch."),
    (19, c"In use by another client"),
    (20, c"Insufficient Memory"),
    (21, c"No data"),
    (22, c"Operation not supported with vGPU and ECC"),
    (23, c"Insufficient Resources"),
    (24, c"Frequency not supported"),
    (25, c"Argument Version Mismatch"),
    (26, c"Deprecated"),
    (27, c"Not ready"),
    (28, c"GPU Not Found"),
    (29, c"Invalid state"),
    (30, c"Reset type not supported"),
];
