//! Names that nothing simulates: NOT_SUPPORTED, said once per name and process.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nvidia_sys::nvml::nvmlReturn_t;
use sim_world::WorldError;

use crate::answer::{NOT_SUPPORTED, code};
use crate::handle::world;

/// Asked by nvidia-smi 535 on its way, which takes NOT_SUPPORTED for an answer and whose output must
/// stay clean.
const ASKED_IN_PASSING: [&str; 18] = [
    "nvmlDeviceGetAccountingPids",
    "nvmlDeviceGetBoardPartNumber",
    "nvmlDeviceGetGpuFabricInfo",
    "nvmlDeviceGetGpuFabricInfoV",
    "nvmlDeviceGetGspFirmwareVersion",
    "nvmlDeviceGetHostVgpuMode",
    "nvmlDeviceGetInforomImageVersion",
    "nvmlDeviceGetInforomVersion",
    "nvmlDeviceGetLastBBXFlushTime",
    "nvmlDeviceGetNvLinkRemotePciInfo_v2",
    "nvmlDeviceGetRowRemapperHistogram",
    "nvmlDeviceGetSamples",
    "nvmlDeviceGetSramEccErrorStatus",
    "nvmlDeviceGetVgpuCapabilities",
    "nvmlDeviceGetViolationStatus",
    "nvmlGetVgpuDriverCapabilities",
    "nvmlGpmMetricsGet",
    "nvmlSystemGetConfComputeState",
];

/// Makes one exported function per name. They read none of their arguments, so any number may come.
macro_rules! stubs {
    ($count:literal; $($number:literal $name:ident)*) => {
        static SAID: [AtomicBool; $count] = [const { AtomicBool::new(false) }; $count];

        $(
            #[unsafe(no_mangle)]
            extern "C-unwind" fn $name() -> nvmlReturn_t {
                not_simulated(stringify!($name), &SAID[$number])
            }
        )*
    };
}

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));

fn not_simulated(name: &str, said: &AtomicBool) -> nvmlReturn_t {
    if let Err(error) = world() {
        return code(Err(error));
    }
    if !ASKED_IN_PASSING.contains(&name) && !said.swap(true, Relaxed) {
        say(&format!("{name} is not simulated: NOT_SUPPORTED"));
    }
    NOT_SUPPORTED
}

/// Why there is no driver, once.
pub(crate) fn say_error(error: &WorldError) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Relaxed) {
        say(&error.to_string());
    }
}

/// One line on stderr, in one piece.
fn say(line: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("simulated NVML: {line}\n").as_bytes());
}
