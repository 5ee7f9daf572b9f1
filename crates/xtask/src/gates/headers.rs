//! The headers of a shared object that the loader reads: segments and dynamic tags.

use anyhow::Result;
use object::elf;
use object::read::elf::{Dynamic, ProgramHeader};
use object::{Endianness, Object, ObjectSection};

use super::image::{File, Segment, text};

/// The headers that the loader reads.
pub(super) struct Headers<'file, 'data> {
    file: &'file File<'data>,
    dynamic: Vec<Dynamic>,
}

impl<'file, 'data> Headers<'file, 'data> {
    pub(super) fn of(file: &'file File<'data>) -> Result<Headers<'file, 'data>> {
        Ok(Headers { file, dynamic: file.elf_dynamic_table()?.iter().collect() })
    }

    pub(super) fn has_tag(&self, tag: elf::DynamicTag) -> bool {
        self.dynamic.iter().any(|entry| entry.tag == tag)
    }

    pub(super) fn has_flag(&self, flag: u64) -> bool {
        self.dynamic.iter().any(|entry| entry.tag == elf::DT_FLAGS && entry.val & flag != 0)
    }

    pub(super) fn strings(&self, tag: elf::DynamicTag) -> Result<Vec<String>> {
        let table = self.file.elf_dynamic_table()?;
        let entries = self.dynamic.iter().filter(|entry| entry.tag == tag);
        entries.map(|entry| Ok(text(table.string(*entry)?))).collect()
    }

    pub(super) fn has_segment(&self, kind: elf::ProgramType) -> bool {
        let endian = self.file.endian();
        self.file.elf_program_headers().iter().any(|header| header.p_type(endian) == kind)
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
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

    pub(super) fn stack_is_executable(&self) -> Option<bool> {
        let endian = self.file.endian();
        let mut headers = self.file.elf_program_headers().iter();
        let stack = headers.find(|header| header.p_type(endian) == elf::PT_GNU_STACK)?;
        Some(stack.p_flags(endian).0 & elf::PF_X.0 != 0)
    }

    pub(super) fn runs_at_load(&self) -> Vec<String> {
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
