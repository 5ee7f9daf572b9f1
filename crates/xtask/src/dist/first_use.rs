//! Where the shim's code lies in its file: what a process runs first, together. Code that nobody has run
//! yet costs a page fault for every 64 KiB (the kernel's fault-around), and what first use runs would
//! otherwise lie in all of them, because a linker keeps the compiler's order, which is that of names.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection};

/// The section of that code.
const SECTION: &str = ".text.first";

/// What the kernel maps with one fault, if the file is in memory.
const WINDOW_BYTES: u64 = 64 << 10;

/// Modules, all that is in them, and exports: from the first look-up to the first launch. They are the
/// functions that callgrind sees in `tests/shim/first_use.c`, and their neighbours. A module that is left
/// out costs time and nothing else.
const FIRST: &[&str] = &[
    "dlsym",
    "dlvsym",
    "cuInit",
    "cuGetProcAddress",
    "cuGetProcAddress_v2",
    "cuDevicePrimaryCtxRetain",
    "cuCtxCreate_v2",
    "cuCtxCreate_v4",
    "cuDeviceTotalMem_v2",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "aliquot::allotments",
    "aliquot::charge",
    "aliquot::contexts",
    "aliquot::device",
    "aliquot::dlsym",
    "aliquot::entry",
    "aliquot::folder",
    "aliquot::held",
    "aliquot::info",
    "aliquot::libc_symbols",
    "aliquot::loaded",
    "aliquot::look_up",
    "aliquot::memory",
    "aliquot::own",
    "aliquot::region",
    "aliquot::slot",
    "aliquot::small",
    "aliquot::startup",
    "aliquot::sys",
    "aliquot::table",
    "core::ptr",
    "ledger::allotment",
    "ledger::charge",
    "ledger::head",
    "ledger::map",
    "ledger::pointers",
    "ledger::slot",
    "ledger::sys",
];

/// A linker's script that adds the section to those it makes anyway, at the beginning of a window.
pub(super) fn script() -> String {
    let patterns: String = FIRST.iter().flat_map(|name| patterns(name)).map(of_section).collect();
    format!(
        "SECTIONS {{\n  {SECTION} : ALIGN({WINDOW_BYTES}) {{\n{patterns}  }}\n}}\n\
         INSERT BEFORE .text;\n"
    )
}

/// Cold functions too: on first use they run.
fn of_section(pattern: String) -> String {
    format!("    *(.text.{pattern} .text.unlikely.{pattern})\n")
}

/// How the compiler may write the name of what lies in a module, in its older and its newer way.
fn patterns(name: &str) -> Vec<String> {
    if !name.contains("::") {
        return vec![name.to_owned()];
    }
    let path: String = name.split("::").map(|part| format!("{}{part}", part.len())).collect();
    vec![format!("_ZN{path}[0-9]*"), format!("_R*{path}[0-9]*")]
}

/// Refuses a shim whose first code is not where it should be, or is more than one window has.
pub(super) fn check(linked: &Path) -> Result<()> {
    let bytes = std::fs::read(linked)?;
    let file = object::File::parse(&*bytes)?;
    let section = file.section_by_name(SECTION);
    let section = section.with_context(|| format!("the linked shim has no {SECTION}"))?;
    let size = section.size();
    ensure!(size > 0, "{SECTION} has {size} bytes: do its names still match any code?");
    ensure!(
        size <= WINDOW_BYTES,
        "{SECTION} has {size} bytes, more than the {WINDOW_BYTES} of one window: name less"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{patterns, script};

    #[test]
    fn a_module_is_found_by_both_ways_of_writing_names() {
        let both = ["_ZN7aliquot5dlsym[0-9]*", "_R*7aliquot5dlsym[0-9]*"];
        assert_eq!(patterns("aliquot::dlsym"), both);
        assert_eq!(patterns("cuInit"), ["cuInit"]);
    }

    #[test]
    fn the_script_takes_cold_code_too() {
        assert!(script().contains("    *(.text.dlsym .text.unlikely.dlsym)\n"));
    }
}
