//! The library as a file: what it exports and what it is called.

use std::collections::BTreeSet;
use std::fs;

use object::{Object, ObjectSymbol};

use crate::harness::options;

#[test]
fn every_name_of_the_header_is_exported_and_nothing_else() {
    let data = fs::read(options().libnvidia_ml.unwrap()).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let defined = file.dynamic_symbols().filter(ObjectSymbol::is_definition);
    let exported: BTreeSet<_> = defined.filter_map(|symbol| symbol.name().ok()).collect();
    let undocumented = [
        "nvmlGetBlacklistDeviceCount",
        "nvmlGetBlacklistDeviceInfoByIndex",
        "nvmlInternalGetExportTable",
        // Hidden from all but a world that plays a driver of the future.
        "nvmlDeviceGetMemoryInfo_v3",
    ];
    let expected: BTreeSet<_> =
        nvidia_sys::NVML_NAMES.iter().copied().chain(undocumented).collect();
    assert_eq!(exported, expected);
}
