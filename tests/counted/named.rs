//! Code that is charged when something of it is first asked for by its name, in each way to ask; and
//! contexts that another interface has its part in.

use crate::container::{CONTEXT, Outcome};
use crate::stage::{all_of, half, run_in, used};

/// What loads code, what asks for something of it, and what unloads it.
const ASKS: [(&str, &str, &str); 10] = [
    ("module", "cuModuleGetFunction", "cuModuleUnload"),
    ("module", "cuModuleGetGlobal", "cuModuleUnload"),
    ("module", "cuModuleGetGlobal_v2", "cuModuleUnload"),
    ("module", "cuFuncLoad", "cuModuleUnload"),
    ("library", "cuLibraryGetModule", "cuLibraryUnload"),
    ("library", "cuLibraryGetKernel", "cuLibraryUnload"),
    ("library", "cuLibraryEnumerateKernels", "cuLibraryUnload"),
    ("library", "cuLibraryGetGlobal", "cuLibraryUnload"),
    ("library", "cuLibraryGetManaged", "cuLibraryUnload"),
    ("library", "cuLibraryGetUnifiedFunction", "cuLibraryUnload"),
];

/// What a client does where code is loaded when it is asked for, and what it uses beside its context.
fn lazily(words: &str) -> (Vec<f64>, Outcome) {
    let outcome = run_in(&half().env("CUDA_MODULE_LOADING", "LAZY"), words);
    let number = |text: &str| text.parse::<f64>().expect("a number") - CONTEXT.0 as f64;
    let used = all_of(&outcome, "used").into_iter().map(number).collect();
    (used, outcome)
}

#[test]
fn code_is_charged_once_when_something_of_it_is_asked_for_by_name() {
    for (load, ask, unload) in ASKS {
        let words = format!(
            "{load}=0,8 used of-{ask}=1,0 used living of-{ask}=2,0 used of-{unload}=3,0 used living"
        );
        let (used, outcome) = lazily(&words);
        assert_eq!(used, [0.0, 8.0, 8.0, 0.0], "{ask}");
        assert_eq!(all_of(&outcome, "living"), ["8", "0"], "{outcome:?}");
    }
}

#[test]
fn what_code_does_not_have_is_not_charged() {
    for (load, ask, _) in ASKS {
        // Of a handle that names no code.
        let (used, _) = lazily(&format!("{load}=0,8 of-{ask}=1,5 used"));
        assert_eq!(used, [0.0], "{ask}");
    }
}

#[test]
fn a_context_beside_vdpau_is_charged_as_any_other() {
    for name in ["cuVDPAUCtxCreate", "cuVDPAUCtxCreate_v2"] {
        assert_eq!(
            used(&format!("{name}=0 used context-end=0 current used")),
            [255.0, 0.0],
            "{name}"
        );
    }
}
