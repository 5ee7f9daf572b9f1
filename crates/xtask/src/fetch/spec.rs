//! The words of fetch.toml. Pure: reads one file of the repository.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::sh;

pub(super) type Parts = BTreeMap<String, Part>;

/// One part: what it is for, what proves it whole, and what it is made of.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    #[serde(rename = "for", skip_serializing)]
    pub(super) purpose: String,
    /// Whether it is brought only where it is named.
    #[serde(rename = "opt-in", default, skip_serializing)]
    pub(super) opt_in: bool,
    pub(super) gives: Vec<String>,
    #[serde(default)]
    pub(super) links: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) wheels: Vec<Wheel>,
    /// Archives within the part, unpacked there one after the other: a wheel can carry another kind of
    /// package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) archives: Vec<String>,
    /// Files to be made executable: not every archive says that they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) executables: Vec<String>,
    #[serde(default)]
    pub(super) debian: Vec<Group>,
}

/// One package of the Python index; several builds may be pinned.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wheel {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: Vec<String>,
}

/// Debian packages of one archive and suite.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) archive: Archive,
    pub(super) suite: String,
    pub(super) components: Vec<String>,
    pub(super) packages: Vec<Package>,
}

/// Which of the machine's mirrors serves a group.
#[derive(Clone, Copy, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Archive {
    Debian,
    Security,
}

/// One Debian package.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    pub(super) name: String,
    #[serde(default = "amd64")]
    pub(super) arch: String,
    pub(super) version: String,
    pub(super) sha256: String,
    /// The files to unpack, as the package names them; all of them if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) only: Vec<String>,
}

impl Part {
    /// Changes when what the part is made of changes.
    pub(super) fn stamp(&self) -> String {
        let words = serde_json::to_vec(self).expect("a part has only strings");
        hex(&Sha256::digest(words))
    }
}

/// All parts, by name.
pub(super) fn read() -> Result<Parts> {
    let path = sh::root().join("crates/xtask/fetch.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).context("crates/xtask/fetch.toml")
}

/// Bytes as people print a checksum.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn amd64() -> String {
    "amd64".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(part: &Part) -> impl Iterator<Item = &String> {
        let packages = part.debian.iter().flat_map(|group| &group.packages);
        let wheels = part.wheels.iter().flat_map(|wheel| &wheel.sha256);
        wheels.chain(packages.map(|package| &package.sha256))
    }

    #[test]
    fn every_part_is_pinned_by_checksums_and_proven_by_a_file() {
        for (name, part) in read().unwrap() {
            assert!(digests(&part).count() > 0 && !part.gives.is_empty(), "{name}");
            for digest in digests(&part) {
                let is_hex = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(digest.len() == 64 && is_hex, "{name}: {digest}");
            }
        }
    }

    #[test]
    fn another_version_of_a_part_has_another_stamp_and_another_wording_has_not() {
        let part = |version: &str, purpose: &str| {
            let text = format!(
                "for = '{purpose}'\ngives = ['f']\n\
                 wheels = [{{ name = 'w', version = '{version}', sha256 = ['d'] }}]"
            );
            toml::from_str::<Part>(&text).unwrap().stamp()
        };
        assert_ne!(part("1", "tests"), part("2", "tests"));
        assert_eq!(part("1", "tests"), part("1", "trying"));
    }
}
