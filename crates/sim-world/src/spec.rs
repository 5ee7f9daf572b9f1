//! What a world is made of, as `world.toml` in its folder keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::card::{CardInfo, Pci};
use crate::profile::{Profile, ProfileError};
use crate::wire::PROTOCOL;

/// The file that makes a folder a world.
const FILE: &str = "world.toml";

/// What the daemon needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The version that made it.
    pub(crate) version: u32,
    /// What UUIDs and serial numbers derive from.
    pub(crate) seed: String,
    pub(crate) driver_version: String,
    pub(crate) cuda_version: i32,
    /// Profile names, in PCI order.
    pub(crate) cards: Vec<String>,
}

/// Why a folder's `world.toml` is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("{} is not a world: {reason}", path.display())]
    NotAWorld { path: PathBuf, reason: String },
    #[error("the world in {} was made by version {theirs}, this is version {PROTOCOL}: make it anew", path.display())]
    OtherVersion { path: PathBuf, theirs: u32 },
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Spec {
    /// Where a world in `dir` keeps its spec.
    pub(crate) fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Reads the spec of the world in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, SpecError> {
        let not_a_world = |reason: String| SpecError::NotAWorld { path: dir.to_owned(), reason };
        let text =
            std::fs::read_to_string(Self::file(dir)).map_err(|e| not_a_world(e.to_string()))?;
        let spec: Self = toml::from_str(&text).map_err(|e| not_a_world(e.message().to_owned()))?;
        match spec.version {
            PROTOCOL => Ok(spec),
            theirs => Err(SpecError::OtherVersion { path: dir.to_owned(), theirs }),
        }
    }

    /// The spec as text.
    pub(crate) fn to_text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Every card described.
    pub(crate) fn describe(&self) -> Result<Vec<CardInfo>, ProfileError> {
        let cards = self.cards.iter().zip(0u32..);
        cards.map(|(name, id)| Ok(self.describe_one(id, Profile::named(name)?))).collect()
    }

    fn describe_one(&self, id: u32, profile: Profile) -> CardInfo {
        let upper = self.number(&[b"upper", &id.to_le_bytes()]);
        let lower = self.number(&[b"lower", &id.to_le_bytes()]);
        let count = self.cards.len() as u32;
        CardInfo {
            id,
            minor: id,
            uuid: uuid_v4(upper, lower),
            serial: 1_320_000_000_000 + upper % 100_000_000,
            pci: Pci { domain: 0, bus: (7 + id * 15) as u8, device: 0 },
            numa_node: u32::from(count > 1 && id >= count.div_ceil(2)),
            profile,
            slice: None,
        }
    }

    /// A number that the seed and `parts` decide, by FNV-1a and a final mix.
    pub(crate) fn number(&self, parts: &[&[u8]]) -> u64 {
        let bytes = self.seed.bytes().chain(parts.iter().flat_map(|part| part.iter().copied()));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Sixteen bytes with the marks of a random UUID.
pub(crate) fn uuid_v4(upper: u64, lower: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&upper.to_be_bytes());
    bytes[8..].copy_from_slice(&lower.to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(seed: &str) -> Spec {
        Spec {
            version: PROTOCOL,
            seed: seed.to_owned(),
            driver_version: "580.95.05".to_owned(),
            cuda_version: 13000,
            cards: vec!["t4".to_owned(); crate::MAX_CARDS],
        }
    }

    #[test]
    fn uuids_follow_from_the_seed_and_differ_by_card_and_world() {
        let uuids = |seed| -> Vec<String> {
            spec(seed).describe().unwrap().iter().map(CardInfo::uuid_text).collect()
        };
        assert_eq!(uuids("one"), uuids("one"));
        let mut all = [uuids("one"), uuids("two")].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2 * crate::MAX_CARDS);
        assert_eq!(all[0].len(), 40);
    }

    #[test]
    fn cards_are_in_pci_order() {
        let cards = spec("x").describe().unwrap();
        assert!(cards.is_sorted_by_key(|card| card.pci));
        assert_eq!(cards[0].pci.to_string(), "00000000:07:00.0");
    }

    #[test]
    fn a_spec_reads_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(Spec::file(dir.path()), spec("x").to_text()).unwrap();
        assert_eq!(Spec::read(dir.path()).unwrap(), spec("x"));
    }

    #[test]
    fn a_world_of_another_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let other = Spec { version: 99, ..spec("x") };
        std::fs::write(Spec::file(dir.path()), other.to_text()).unwrap();
        let error = Spec::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("made by version 99"), "{error}");
    }
}
