//! The drivers that a world can play, and how its libraries become those of one: what only later drivers
//! export is taken out of the files' tables of names.

use object::{Object, ObjectSection, ObjectSymbol};

/// A driver's version and the newest CUDA version it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Driver {
    /// What people call it.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its CUDA version, as `cuDriverGetVersion` says it.
    pub cuda: i32,
}

/// Drivers by branch, each in one of its versions; `newest` is what the headers here describe, and `future`
/// has versions of functions that nothing here was written for.
pub const DRIVERS: [Driver; 11] = [
    Driver { name: "470", version: "470.256.02", cuda: 11040 },
    Driver { name: "510", version: "510.108.03", cuda: 11060 },
    Driver { name: "515", version: "515.105.01", cuda: 11070 },
    Driver { name: "525", version: "525.147.05", cuda: 12000 },
    Driver { name: "535", version: "535.261.03", cuda: 12020 },
    Driver { name: "550", version: "550.163.01", cuda: 12040 },
    Driver { name: "570", version: "570.172.08", cuda: 12080 },
    Driver { name: "580", version: "580.95.05", cuda: 13000 },
    Driver { name: "590", version: "590.44.01", cuda: 13010 },
    Driver { name: "newest", version: "615.20.01", cuda: 13050 },
    Driver { name: "future", version: "700.10.01", cuda: FUTURE },
];

/// The CUDA version of drivers that know functions which no header declares.
pub(crate) const FUTURE: i32 = 14000;

/// Functions that only such a driver has.
const OF_THE_FUTURE: [&str; 3] = ["cuMemAlloc_v3", "cuMemCreate_v2", "nvmlDeviceGetMemoryInfo_v3"];

impl Driver {
    /// The driver of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        DRIVERS.into_iter().find(|driver| driver.name == name)
    }
}

/// The library as one of a driver of this CUDA version: a name that came later is found by nobody.
///
/// # Errors
/// Why the file cannot be understood.
pub(super) fn made_for(cuda: i32, library: &[u8]) -> Result<Vec<u8>, String> {
    let mut made = library.to_vec();
    let file = object::File::parse(library).map_err(|error| error.to_string())?;
    let table = file.section_by_name(".dynsym").and_then(|section| section.file_range());
    let (start, _) = table.ok_or("it has no table of dynamic symbols")?;
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_definition) {
        if symbol.name().is_ok_and(|name| is_later(name, cuda)) {
            // Section and value of an entry, at bytes 6 and 8 of 24: undefined, and nowhere.
            let entry = start as usize + symbol.index().0 * 24;
            made.get_mut(entry + 6..entry + 16).ok_or("it is cut short")?.fill(0);
        }
    }
    Ok(made)
}

fn is_later(name: &str, cuda: i32) -> bool {
    let since = match OF_THE_FUTURE.contains(&name) {
        true => FUTURE as u32,
        false => nvidia_sys::since(name),
    };
    i64::from(since) > i64::from(cuda)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_in_order_and_known_by_name() {
        assert!(DRIVERS.is_sorted_by_key(|driver| driver.cuda));
        assert_eq!(Driver::named("470").map(|driver| driver.cuda), Some(11040));
        assert_eq!(Driver::named("471"), None);
    }

    #[test]
    fn a_name_is_there_from_its_own_version_on() {
        assert!(is_later("cuGetProcAddress_v2", 11080) && !is_later("cuGetProcAddress_v2", 12000));
        assert!(is_later("cuMemAlloc_v3", 13050) && !is_later("cuMemAlloc_v3", FUTURE));
        assert!(!is_later("main", 11040));
    }
}
