//! The proof by which libcudart makes sure that the driver it speaks to is the one whose properties it
//! reads: a keyed digest over the process, the tables and the cards. Arithmetic only; the record's layout,
//! the key and the fixed answers were observed against a working driver.

use hmac::{KeyInit, Mac, SimpleHmac};
use md2::Md2;

/// What the digest of a version ending in 2 is taken over, besides the cards.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// What cuDriverGetVersion answers.
    pub(crate) driver_version: u32,
    /// The version asked for: cudart's own, plus 0, 1 or 2.
    pub(crate) version: u32,
    /// The process.
    pub(crate) pid: u32,
    /// The low half of `pthread_self`.
    pub(crate) thread: u32,
    /// Addresses of the runtime's table, of the integrity table, and what its slot 1 is known by.
    pub(crate) tables: [u64; 3],
    /// The time the caller gives.
    pub(crate) unix_seconds: u64,
}

/// What of each card goes into the digest.
#[derive(Clone, Copy)]
pub(crate) struct CardId {
    /// The UUID's bytes.
    pub(crate) uuid: [u8; 16],
    /// PCI domain, bus and device.
    pub(crate) pci: [i32; 3],
}

/// The 16 bytes that prove the driver to cudart, as two words. None for a version that ends in neither
/// 0, 1 nor 2.
pub(crate) fn answer(record: Record, cards: &[CardId]) -> Option<[u64; 2]> {
    match record.version % 10 {
        0 => Some([0x3341_181C_03CB_675C, FIXED_LOW]),
        1 => Some([0x1841_181C_03CB_675C, FIXED_LOW]),
        2 => Some(digest(record, cards)),
        _ => None,
    }
}

fn digest(record: Record, cards: &[CardId]) -> [u64; 2] {
    let Ok(mut mac) = SimpleHmac::<Md2>::new_from_slice(&KEY) else {
        return [0; 2];
    };
    for word in [record.driver_version, record.version, record.pid, record.thread] {
        mac.update(&word.to_ne_bytes());
    }
    for word in [record.tables[0], record.tables[1], record.tables[2], record.unix_seconds] {
        mac.update(&word.to_ne_bytes());
    }
    for card in cards {
        mac.update(&card.uuid);
        card.pci.iter().for_each(|number| mac.update(&number.to_ne_bytes()));
    }
    halves(&mac.finalize().into_bytes())
}

fn halves(bytes: &[u8]) -> [u64; 2] {
    let word = |from: usize| {
        bytes.get(from..from + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    [word(0), word(8)]
}

const FIXED_LOW: u64 = 0x8ED3_83AA_1F4C_D1E8;
const KEY: [u8; 16] = [
    0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f,
];
