//! What the hook reads of the image's ELF files. The bytes are hostile: they are parsed, and nothing
//! in them is believed to be in range.

use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, elf};

/// The processor that the node and the shim are for.
#[cfg(target_arch = "x86_64")]
pub(super) const OWN: (u16, &str) = (62, "x86_64");
/// The processor that the node and the shim are for.
#[cfg(target_arch = "aarch64")]
pub(super) const OWN: (u16, &str) = (183, "aarch64");

/// The processor that a file is for, as its header numbers it, where it is a 64-bit ELF file.
pub(super) fn processor(bytes: &[u8]) -> Option<u16> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    Some(header.e_machine(header.endian().ok()?).0)
}

/// The versions of glibc's interface that a libc defines, `(2, 17)` for `GLIBC_2.17`; none where it
/// has none or is no ELF file.
pub(super) fn glibc_versions(bytes: &[u8]) -> Vec<(u32, u32)> {
    defined(bytes).unwrap_or_default()
}

fn defined(bytes: &[u8]) -> object::Result<Vec<(u32, u32)>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let Some((mut definitions, link)) = sections.gnu_verdef(endian, bytes)? else {
        return Ok(Vec::new());
    };
    let strings = sections.section(link)?;
    let strings = strings.data(endian, bytes)?;
    let mut versions = Vec::new();
    while let Some((_, mut names)) = definitions.next()? {
        let Some(name) = names.next()? else { continue };
        let at = usize::try_from(name.vda_name.get(endian)).unwrap_or(usize::MAX);
        versions.extend(strings.get(at..).and_then(version));
    }
    Ok(versions)
}

/// `GLIBC_2.17` of `GLIBC_2.17\0…`; a third number is left out, `GLIBC_PRIVATE` is none.
fn version(text: &[u8]) -> Option<(u32, u32)> {
    let text = text.split(|byte| *byte == 0).next()?;
    let numbers = std::str::from_utf8(text).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Whether this is an ELF file at all, of any size of word.
pub(super) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_version_is_two_numbers() {
        let table: [(&[u8], _); 5] = [
            (b"GLIBC_2.17\0rest", Some((2, 17))),
            (b"GLIBC_2.2.5", Some((2, 2))),
            (b"GLIBC_PRIVATE\0", None),
            (b"GCC_3.0\0", None),
            (b"", None),
        ];
        for (text, expected) in table {
            assert_eq!(version(text), expected);
        }
    }

    #[test]
    fn the_machines_own_libc_is_new_enough() {
        let own = std::fs::read("/proc/self/maps").unwrap();
        let maps = String::from_utf8_lossy(&own);
        let path = maps
            .lines()
            .find_map(|line| line.split_whitespace().last().filter(|p| p.ends_with("/libc.so.6")));
        let libc = std::fs::read(path.unwrap()).unwrap();
        assert!(glibc_versions(&libc).contains(&(2, 17)));
        assert_eq!(processor(&libc), Some(OWN.0));
        // Cut or changed anywhere, it is read or not, and no more.
        for at in (0..libc.len()).step_by(libc.len() / 64) {
            glibc_versions(&libc[..at]);
            let mut changed = libc.clone();
            changed[at] ^= 0xff;
            glibc_versions(&changed);
        }
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_elf_have_no_version(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(glibc_versions(&bytes).is_empty());
            processor(&bytes);
        }
    }
}
