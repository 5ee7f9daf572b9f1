//! A shared object as the gates see it: plain facts, read once. Knows no law and judges nothing.

use anyhow::{Context, Result, bail};
use object::elf::{self, FileHeader64};
use object::read::elf::{Dynamic, ElfFile64, FileHeader, ProgramHeader, Sym, VersionTable};
use object::{Endianness, Object, ObjectSection, SymbolIndex};

use super::frames::{self, Frame};

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
    pub(super) weak: bool,
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

type File<'data> = ElfFile64<'data, Endianness>;

impl Image {
    /// Reads a 64-bit shared object of a processor we know.
    pub(super) fn read(bytes: &[u8]) -> Result<Image> {
        let file = File::parse(bytes).context("no 64-bit ELF file")?;
        let dynamic: Vec<Dynamic> = file.elf_dynamic_table()?.iter().collect();
        let headers = Headers { file: &file, dynamic: &dynamic };
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

/// The headers that the loader reads.
struct Headers<'file, 'data> {
    file: &'file File<'data>,
    dynamic: &'file [Dynamic],
}

impl Headers<'_, '_> {
    fn has_tag(&self, tag: elf::DynamicTag) -> bool {
        self.dynamic.iter().any(|entry| entry.tag == tag)
    }

    fn has_flag(&self, flag: u64) -> bool {
        self.dynamic.iter().any(|entry| entry.tag == elf::DT_FLAGS && entry.val & flag != 0)
    }

    fn strings(&self, tag: elf::DynamicTag) -> Result<Vec<String>> {
        let table = self.file.elf_dynamic_table()?;
        let entries = self.dynamic.iter().filter(|entry| entry.tag == tag);
        entries.map(|entry| Ok(text(table.string(*entry)?))).collect()
    }

    fn has_segment(&self, kind: elf::ProgramType) -> bool {
        let endian = self.file.endian();
        self.file.elf_program_headers().iter().any(|header| header.p_type(endian) == kind)
    }

    fn segments(&self) -> Vec<Segment> {
        let endian = self.file.endian();
        let headers = self.file.elf_program_headers();
        let loads = headers.iter().filter(|header| header.p_type(endian) == elf::PT_LOAD);
        loads
            .map(|header| Segment {
                address: header.p_vaddr(endian),
                offset: header.p_offset(endian),
                align: header.p_align(endian),
                memory_bytes: header.p_memsz(endian),
                touched_bytes: header.p_memsz(endian) - self.padding(header.p_vaddr(endian)),
                writable: header.p_flags(endian).0 & elf::PF_W.0 != 0,
                executable: header.p_flags(endian).0 & elf::PF_X.0 != 0,
            })
            .collect()
    }

    /// How much of the segment at `address` only fills up the last page that is made read-only.
    fn padding(&self, address: u64) -> u64 {
        let endian = self.file.endian();
        let mut headers = self.file.elf_program_headers().iter();
        let same = |header: &&elf::ProgramHeader64<Endianness>| {
            header.p_type(endian) == elf::PT_GNU_RELRO && header.p_vaddr(endian) == address
        };
        headers.find(same).map_or(0, |header| header.p_memsz(endian) - header.p_filesz(endian))
    }

    fn stack_is_executable(&self) -> Option<bool> {
        let endian = self.file.endian();
        let mut headers = self.file.elf_program_headers().iter();
        let stack = headers.find(|header| header.p_type(endian) == elf::PT_GNU_STACK)?;
        Some(stack.p_flags(endian).0 & elf::PF_X.0 != 0)
    }

    fn runs_at_load(&self) -> Vec<String> {
        let tags = RUNNING_TAGS.iter().filter(|(tag, _)| self.has_tag(*tag));
        let tags = tags.map(|(_, name)| (*name).to_owned());
        let sections =
            self.file.sections().filter_map(|section| section.name().map(str::to_owned).ok());
        let sections = sections.filter(|name| RUNNING_SECTIONS.iter().any(|s| name.starts_with(s)));
        tags.chain(sections).collect()
    }
}

/// Dynamic tags that name code the loader runs.
const RUNNING_TAGS: &[(elf::DynamicTag, &str)] = &[
    (elf::DT_INIT, "DT_INIT"),
    (elf::DT_FINI, "DT_FINI"),
    (elf::DT_INIT_ARRAY, "DT_INIT_ARRAY"),
    (elf::DT_FINI_ARRAY, "DT_FINI_ARRAY"),
    (elf::DT_PREINIT_ARRAY, "DT_PREINIT_ARRAY"),
];

/// Sections whose content is run, whatever the tags say.
const RUNNING_SECTIONS: &[&str] =
    &[".init", ".fini", ".ctors", ".dtors", ".preinit_array", ".init_array", ".fini_array"];

fn machine(file: &File<'_>) -> Result<Machine> {
    match file.elf_header().e_machine(file.endian()) {
        elf::EM_X86_64 => Ok(Machine::X86_64),
        elf::EM_AARCH64 => Ok(Machine::Aarch64),
        other => bail!("built for ELF machine {}, neither x86_64 nor aarch64", other.0),
    }
}

fn symbols(file: &File<'_>) -> Result<Vec<Symbol>> {
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
            weak: symbol.st_bind() == elf::STB_WEAK,
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
