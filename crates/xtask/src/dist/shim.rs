//! libaliquot.so: one object without std, linked by zig. Cargo cannot link it, since a shared
//! library without std that unwinds wants a language item that is not stable; so cargo compiles it
//! as an rlib, and this is the rest. What is exported is what the shim's table declares, read from
//! the object itself: a hook is added in one place.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::read::archive::ArchiveFile;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, elf};

use super::build::{Artifacts, artifacts};
use super::system::{Arch, System, home};
use super::{first_use, install, linker};
use crate::{gates, sh};

/// Compiles, links, judges and installs the shim.
pub(super) fn build(system: &System, to: &Path) -> Result<()> {
    let made = compile(system)?;
    let folder = system.build_folder().join(system.arch.triple()).join("release");
    let shim = folder.join("libaliquot.rlib");
    let names = exports(&shim)?;
    let work = work_folder()?;
    let linked = work.path().join(gates::SONAME);
    link(system, &Parts { shim: &shim, made: &made, folder: &folder }, &names, &linked)?;
    unmark_symbolic(&linked)?;
    first_use::check(&linked)?;
    gates::check(&linked, &names)
        .with_context(|| format!("the shim for {} is refused", system.arch.name()))?;
    install::file(&linked, to)
}

/// A folder that goes away with the build.
fn work_folder() -> Result<tempfile::TempDir> {
    let home = home();
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(tempfile::Builder::new().prefix(".link-").tempdir_in(home)?)
}

/// A warning refuses it where no lint of this machine looks: at the code for another processor.
fn compile(system: &System) -> Result<Artifacts> {
    let mut cargo = linker::cargo(system, "build")?;
    let made = artifacts(cargo.args(["--release", "--package", "aliquot-shim"]))?;
    if system.arch != Arch::X86_64 && made.warnings > 0 {
        bail!("the shim for {} compiles with the warnings above", system.arch.name());
    }
    Ok(made)
}

/// The names that the shim gives to programs: what `hooks!` made, and the look-up itself.
fn exports(rlib: &Path) -> Result<BTreeSet<String>> {
    let bytes = fs::read(rlib).with_context(|| format!("cannot read {}", rlib.display()))?;
    let archive = ArchiveFile::parse(&*bytes).context("the shim's rlib is no archive")?;
    let mut names = BTreeSet::new();
    for member in archive.members() {
        let Ok(object) = object::File::parse(member?.data(&*bytes)?) else { continue };
        let symbols =
            object.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition());
        let texts = symbols.filter_map(|symbol| symbol.name().map(str::to_owned).ok());
        names.extend(texts.filter(|name| is_exported(name)));
    }
    if names.is_empty() {
        bail!("{} has no hook to export", rlib.display());
    }
    Ok(names)
}

fn is_exported(name: &str) -> bool {
    matches!(name, "dlsym" | "dlvsym") || name.starts_with("cu") || name.starts_with("nvml")
}

/// What is linked: the shim whole, of the crates below it what it uses.
struct Parts<'a> {
    shim: &'a Path,
    made: &'a Artifacts,
    folder: &'a Path,
}

fn link(system: &System, parts: &Parts<'_>, names: &BTreeSet<String>, to: &Path) -> Result<()> {
    let script = to.with_extension("map");
    fs::write(&script, version_script(names))?;
    let mut zig = system.zig_cc();
    zig.arg("-shared").arg("-o").arg(to);
    zig.arg("-Wl,--whole-archive").arg(parts.shim).arg("-Wl,--no-whole-archive");
    zig.args(parts.made.rlibs(parts.folder).into_iter().filter(|rlib| *rlib != parts.shim));
    zig.args(core(system)?);
    zig.args(FLAGS).arg(format!("-Wl,-soname,{}", gates::SONAME));
    let order = to.with_extension("order");
    fs::write(&order, first_use::script())?;
    for (flag, file) in [("-Wl,--version-script=", &script), ("-Wl,-T,", &order)] {
        let mut flag = OsString::from(flag);
        flag.push(file);
        zig.arg(flag);
    }
    sh::read(&mut zig).map(|_| ()).context("the shim cannot be linked")
}

/// Everything that is not in the table stays inside; local names are stripped, unwind information
/// is not. Only libc.so.6 is needed: what 2.17 keeps in its other libraries is looked up weakly.
const FLAGS: &[&str] = &[
    "-Wl,--gc-sections",
    "-Wl,--as-needed",
    "-Wl,-Bsymbolic",
    "-Wl,-z,defs",
    "-Wl,-z,now",
    "-Wl,-z,relro",
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=65536",
    "-Wl,-z,common-page-size=65536",
    "-Wl,--eh-frame-hdr",
    "-Wl,--strip-all",
];

/// -Bsymbolic has bound our calls of our own exports, and its mark has done its work: left in the
/// file it would make the loader search us first whenever we look something up for the program. (The
/// linker's -Bsymbolic-functions leaves no mark, but zig does not pass it on.)
fn unmark_symbolic(library: &Path) -> Result<()> {
    let mut bytes = fs::read(library)?;
    let file = ElfFile64::<Endianness>::parse(&*bytes)?;
    let dynamic = file.section_by_name(".dynamic").context("the shim has no .dynamic")?;
    let (start, _) = dynamic.file_range().context("the shim's .dynamic is empty")?;
    let mut tags = file.elf_dynamic_table()?.iter();
    let Some(index) = tags.position(|entry| entry.tag == elf::DT_FLAGS) else { return Ok(()) };
    // An entry is a tag and a value of eight bytes each; the mark is in the lowest.
    let flags = usize::try_from(start)? + index * 16 + 8;
    bytes[flags] &= !(elf::DF_SYMBOLIC.0 as u8);
    fs::write(library, bytes).context("cannot write the linked shim")
}

fn version_script(names: &BTreeSet<String>) -> String {
    let names: String = names.iter().map(|name| format!("    {name};\n")).collect();
    format!("{{\n  global:\n{names}  local: *;\n}};\n")
}

/// core and the compiler's helpers, and neither std nor alloc: what they would bring cannot be
/// linked by mistake.
fn core(system: &System) -> Result<Vec<PathBuf>> {
    let folder = system.core_folder()?;
    ["libcore-", "libcompiler_builtins-"].iter().map(|name| only(&folder, name)).collect()
}

fn only(folder: &Path, beginning: &str) -> Result<PathBuf> {
    let files =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = files.filter_map(|file| file.ok().map(|file| file.file_name()));
    let found = names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with(beginning) && name.ends_with(".rlib")
    });
    let name =
        found.min().with_context(|| format!("{} has no {beginning}*.rlib", folder.display()))?;
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::{is_exported, version_script};

    #[test]
    fn hooks_and_look_ups_are_exported_and_nothing_else() {
        let exported = ["cuInit", "cuMemAlloc_v2", "nvmlInit_v2", "dlsym"];
        assert!(exported.iter().all(|name| is_exported(name)));
        let kept = ["rust_eh_personality", "_ZN7aliquot4bind17h0E", "memcpy", "dlopen"];
        assert!(!kept.iter().any(|name| is_exported(name)));
    }

    #[test]
    fn the_version_script_hides_what_it_does_not_name() {
        let names = ["dlsym", "cuInit"].map(str::to_owned).into();
        let script = "{\n  global:\n    cuInit;\n    dlsym;\n  local: *;\n};\n";
        assert_eq!(version_script(&names), script);
    }
}
