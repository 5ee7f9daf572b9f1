//! A shared object as the gates see it: plain facts, read once. Knows no law and judges nothing.

use anyhow::{Context, Result, bail};
use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile64, FileHeader, Sym, VersionTable};
use object::{Endianness, Object, ObjectSection, SymbolIndex};

use super::frames::{self, Frame};
use super::headers::Headers;

/// The processors we build for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

/// What the gates look at.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) machine: Machine,
    pub(super) file_bytes: u64,
    pub(super) soname: Option<String>,
    pub(super) needed: Vec<String>,
    pub(super) symbols: Vec<Symbol>,
    /// The loadable segments.
    pub(super) segments: Vec<Segment>,
    /// Executable bytes and their addresses.
    pub(super) code: Vec<(u64, Vec<u8>)>,
    pub(super) frames: Vec<Frame>,
    /// Dynamic tags and sections that make the loader run something.
    pub(super) runs_at_load: Vec<String>,
    pub(super) has_thread_locals: bool,
    pub(super) has_text_relocations: bool,
    /// None where the file does not say, and the loader assumes the worst.
    pub(super) stack_is_executable: Option<bool>,
    pub(super) binds_now: bool,
    pub(super) is_symbolic: bool,
    /// Our exports that dynamic relocations name.
    pub(super) own_names_by_lookup: Vec<String>,
}

/// A dynamic symbol.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) bytes: u64,
    pub(super) is_defined: bool,
    pub(super) is_function: bool,
    /// The version of the library that gives it, where it is bound to one.
    pub(super) version: Option<String>,
}

/// A loadable segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) align: u64,
    pub(super) memory_bytes: u64,
    /// What a process can touch: relro padding, which is never written, left out.
    pub(super) touched_bytes: u64,
    pub(super) writable: bool,
    pub(super) executable: bool,
}

pub(super) type File<'data> = ElfFile64<'data, Endianness>;

impl Image {
    /// Reads a 64-bit shared object of a processor we know.
    pub(super) fn read(bytes: &[u8]) -> Result<Image> {
        let file = File::parse(bytes).context("no 64-bit ELF file")?;
        let headers = Headers::of(&file)?;
        let symbols = symbols(&file)?;
        Ok(Image {
            machine: machine(&file)?,
            file_bytes: bytes.len() as u64,
            soname: headers.strings(elf::DT_SONAME)?.pop(),
            needed: headers.strings(elf::DT_NEEDED)?,
            segments: headers.segments(),
            code: code(&file)?,
            frames: frames::read(&file)?,
            runs_at_load: headers.runs_at_load(),
            has_thread_locals: headers.has_segment(elf::PT_TLS) || has_tls_symbol(&file),
            has_text_relocations: headers.has_tag(elf::DT_TEXTREL)
                || headers.has_flag(elf::DF_TEXTREL.0),
            stack_is_executable: headers.stack_is_executable(),
            binds_now: headers.has_tag(elf::DT_BIND_NOW) || headers.has_flag(elf::DF_BIND_NOW.0),
            is_symbolic: headers.has_tag(elf::DT_SYMBOLIC) || headers.has_flag(elf::DF_SYMBOLIC.0),
            own_names_by_lookup: own_names_by_lookup(&file, &symbols),
            symbols,
        })
    }

    /// What other libraries see of it.
    pub(super) fn exports(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.is_defined)
    }

    /// What it wants of other libraries.
    pub(super) fn imports(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| !symbol.is_defined)
    }

    /// Whether the address lies in executable memory.
    pub(super) fn is_code(&self, address: u64) -> bool {
        let inside = |segment: &&Segment| {
            address >= segment.address && address - segment.address < segment.memory_bytes
        };
        self.segments.iter().find(inside).is_some_and(|segment| segment.executable)
    }

    /// The export at an address, or the address itself.
    pub(super) fn name_at(&self, address: u64) -> String {
        let inside = |symbol: &&Symbol| {
            address >= symbol.address && address - symbol.address < symbol.bytes.max(1)
        };
        let found = self.exports().find(inside);
        found.map_or_else(|| format!("the function at {address:#x}"), |symbol| symbol.name.clone())
    }
}

pub(super) fn machine(file: &File<'_>) -> Result<Machine> {
    match file.elf_header().e_machine(file.endian()) {
        elf::EM_X86_64 => Ok(Machine::X86_64),
        elf::EM_AARCH64 => Ok(Machine::Aarch64),
        other => bail!("built for ELF machine {}, neither x86_64 nor aarch64", other.0),
    }
}

pub(super) fn symbols(file: &File<'_>) -> Result<Vec<Symbol>> {
    let endian = file.endian();
    let table = file.elf_dynamic_symbol_table();
    let versions = file.elf_section_table().versions(endian, file.data())?.unwrap_or_default();
    let mut symbols = vec![];
    for (index, symbol) in table.enumerate() {
        let name = text(symbol.name(endian, table.strings())?);
        if name.is_empty() || symbol.st_bind() == elf::STB_LOCAL {
            continue;
        }
        symbols.push(Symbol {
            name,
            address: symbol.st_value(endian),
            bytes: symbol.st_size(endian),
            is_defined: !symbol.is_undefined(endian),
            is_function: symbol.st_type() == elf::STT_FUNC,
            version: version(&versions, endian, index)?,
        });
    }
    Ok(symbols)
}

fn version(
    versions: &VersionTable<'_, FileHeader64<Endianness>>,
    endian: Endianness,
    index: SymbolIndex,
) -> Result<Option<String>> {
    let version = versions.version(versions.version_index(endian, index).index())?;
    Ok(version.filter(|version| version.file().is_some()).map(|version| text(version.name())))
}

fn has_tls_symbol(file: &File<'_>) -> bool {
    file.elf_dynamic_symbol_table().iter().any(|symbol| symbol.st_type() == elf::STT_TLS)
}

fn own_names_by_lookup(file: &File<'_>, symbols: &[Symbol]) -> Vec<String> {
    use object::{ObjectSymbol, ObjectSymbolTable, RelocationTarget};
    let (Some(relocations), Some(table)) =
        (file.dynamic_relocations(), file.dynamic_symbol_table())
    else {
        return vec![];
    };
    let targets = relocations.filter_map(|(_, relocation)| match relocation.target() {
        RelocationTarget::Symbol(index) => table.symbol_by_index(index).ok(),
        _ => None,
    });
    let names = targets.filter_map(|symbol| symbol.name().map(str::to_owned).ok());
    let own =
        |name: &String| symbols.iter().any(|symbol| symbol.is_defined && symbol.name == *name);
    let mut names: Vec<String> = names.filter(own).collect();
    names.sort();
    names.dedup();
    names
}

fn code(file: &File<'_>) -> Result<Vec<(u64, Vec<u8>)>> {
    use object::SectionFlags;
    let is_code = |flags| matches!(flags, SectionFlags::Elf { sh_flags, .. } if sh_flags.0 & elf::SHF_EXECINSTR.0 != 0);
    let sections = file.sections().filter(|section| is_code(section.flags()));
    sections.map(|section| Ok((section.address(), section.data()?.to_vec()))).collect()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
