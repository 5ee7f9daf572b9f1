//! Images that a driver loads, as far as the shim reads them: nothing in them runs.

/// Sections, each of which lies in memory: as many as a cubin of a dozen kernels has.
const SECTIONS: u16 = 40;
/// What each section holds for the device.
const SECTION_BYTES: u64 = 4 << 10;
/// Sizes that ELF sets.
const HEADER: usize = 64;
const SECTION: usize = 64;
/// The flag of a section that lies in memory.
const SHF_ALLOC: u64 = 2;

/// The header, the sections' headers and their names of a cubin: what they point at is not there.
pub(crate) fn cubin() -> Vec<u8> {
    let mut file = vec![0; HEADER + SECTION * usize::from(SECTIONS)];
    let names = file.len() as u64;
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF");
    // Where the sections' headers lie, how long each is, how many there are, and which has the names.
    put(40, &(HEADER as u64).to_le_bytes());
    put(58, &(SECTION as u16).to_le_bytes());
    put(60, &SECTIONS.to_le_bytes());
    put(62, &0_u16.to_le_bytes());
    for index in 0..usize::from(SECTIONS) {
        let at = HEADER + index * SECTION;
        // Its flags, where it lies in the file, and its size. Its name is the first of all.
        put(at + 8, &SHF_ALLOC.to_le_bytes());
        put(at + 24, &names.to_le_bytes());
        put(at + 32, &SECTION_BYTES.to_le_bytes());
    }
    file.extend_from_slice(b".text.kernel\0");
    file
}

/// A text of so many bytes and the zero that ends it.
pub(crate) fn ptx(bytes: usize) -> Vec<u8> {
    let mut text = vec![b'/'; bytes];
    text.push(0);
    text
}
