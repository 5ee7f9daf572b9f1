//! The container in which a compiler hands kernels to the runtime, with PTX text inside. The runtime
//! passes it on unread, the driver reads it. The layout is that of a file made by NVIDIA's fatbinary
//! 13.5; cuobjdump 13.4 reads ours.

/// A container with one PTX text for compute capability `sm` (50 is 5.0), in words so that it is
/// aligned.
pub(super) fn wrap(ptx: &str, sm: u32) -> Vec<u64> {
    let mut payload = ptx.as_bytes().to_vec();
    payload.push(0);
    payload.resize(payload.len().next_multiple_of(8), 0);
    let mut bytes = Vec::new();
    file_header(&mut bytes, ENTRY_HEADER + payload.len() as u64);
    entry_header(&mut bytes, payload.len() as u64, sm);
    bytes.extend(payload);
    bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap_or([0; 8])))
        .collect()
}

fn file_header(bytes: &mut Vec<u8>, length: u64) {
    const MAGIC: u32 = 0xBA55_ED50;
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    bytes.extend(length.to_le_bytes());
}

fn entry_header(bytes: &mut Vec<u8>, length: u64, sm: u32) {
    const PTX: u16 = 1;
    const FORMAT: u16 = 0x101;
    const PTX_MINOR_MAJOR: [u16; 2] = [0, 6];
    const IS_64_BIT_LINUX: u64 = 0x11;
    bytes.extend(PTX.to_le_bytes());
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((ENTRY_HEADER as u32).to_le_bytes());
    bytes.extend(length.to_le_bytes());
    // The compressed length: not compressed. Then where the options for ptxas are described.
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(OPTIONS.to_le_bytes());
    PTX_MINOR_MAJOR.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(sm.to_le_bytes());
    // Offset and length of the object's name: none.
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(IS_64_BIT_LINUX.to_le_bytes());
    // A word that is zero, and the length before compression.
    bytes.extend([0; 16]);
    // The options: where they begin, and their length, none.
    bytes.extend(u64::from(OPTIONS + 8).to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
}

/// The length of an entry's header, and where in it the options are described.
const ENTRY_HEADER: u64 = 80;
const OPTIONS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_in_the_headers_cover_the_whole_container() {
        let words = wrap("text", 50);
        assert_eq!(words.len() as u64 * 8, 16 + words[1]);
        assert_eq!(words[1], ENTRY_HEADER + words[3]);
    }

    #[test]
    fn the_headers_are_those_of_nvidias_own_tool() {
        let seen = [
            0x0010_0001_BA55_ED50,
            88,
            0x0000_0050_0101_0001,
            8,
            0x0000_0040_0000_0000,
            0x0000_0032_0006_0000,
            0,
            0x11,
            0,
            0,
            0x48,
            0,
        ];
        assert_eq!(wrap("text", 50)[..seen.len()], seen);
    }
}
