//! Reading headers: bindgen with everything pinned (libclang, the include folders, the target), and
//! the few macros that bindgen cannot read.

use std::path::Path;

use anyhow::{Context, Result};
use bindgen::{Abi, EnumVariation, Formatter, RustTarget};
use quote::format_ident;
use syn::{Item, parse_quote};

/// What bindgen makes of one of our wrapper headers in `include/`.
pub(super) fn bind(headers: &Path, wrapper: &str) -> Result<String> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let bindings = bindgen::builder()
        .header(ours.join(wrapper).display().to_string())
        // The machine's own headers stay out: the same text on every machine.
        .clang_args(["-nostdinc", "--target=x86_64-unknown-linux-gnu"])
        .clang_arg(format!("-I{}", ours.display()))
        .clang_arg(format!("-isystem{}", headers.display()))
        .allowlist_file(format!("{}/.*", headers.display()))
        .allowlist_file(format!("{}/cudaProfiler.h", ours.display()))
        // A code that a later driver invents must survive the way through us.
        .default_enum_style(EnumVariation::NewType { is_bitfield: false, is_global: false })
        // pthread_cancel unwinds through every one of these calls.
        .override_abi(Abi::CUnwind, ".*")
        .rust_target(RustTarget::stable(85, 0).map_err(|error| anyhow::anyhow!("{error}"))?)
        .use_core()
        .ctypes_prefix("core::ffi")
        .generate_comments(false)
        .disable_header_comment()
        .derive_default(false)
        .derive_eq(false)
        .merge_extern_blocks(true)
        .formatter(Formatter::Prettyplease)
        .generate()
        .context(
            "bindgen (libclang comes by `cargo xtask fetch`, and .cargo/config.toml names it)",
        )?;
    Ok(bindings.to_string())
}

/// NVML's version words of structs, macros that use sizeof: `nvmlMemory_v2` and its like.
pub(super) fn struct_versions(nvml: &Path) -> Result<Vec<Item>> {
    let text =
        std::fs::read_to_string(nvml).with_context(|| format!("cannot read {}", nvml.display()))?;
    Ok(text.lines().filter_map(struct_version).collect())
}

/// `#define nvmlMemory_v2 NVML_STRUCT_VERSION(Memory, 2)`.
fn struct_version(line: &str) -> Option<Item> {
    let (name, value) = line.trim().strip_prefix("#define")?.trim().split_once(' ')?;
    let inner = value.trim().strip_prefix("NVML_STRUCT_VERSION(")?.split_once(')')?.0;
    let (kind, version) = inner.split_once(',')?;
    let version: u32 = version.trim().parse().ok()?;
    let (name, structure) =
        (format_ident!("{name}"), format_ident!("nvml{}_v{version}_t", kind.trim()));
    Some(parse_quote! {
        pub const #name: core::ffi::c_uint =
            size_of::<#structure>() as core::ffi::c_uint | (#version << 24);
    })
}
