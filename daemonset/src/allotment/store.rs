//! Records on disk: one file each, read back whole after any crash.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use contract::AllotmentId;

use super::record::{Record, VERSION, name};
use crate::durable::{self, FileError, failed};
use crate::layout::Layout;

/// All records of a node, the longest unchanged first, and what in their folder could not be read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) records: Vec<Record>,
    pub(crate) problems: Vec<Problem>,
}

/// A file in the folder that is no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The allotment that it is named after.
    pub(crate) id: Option<AllotmentId>,
    /// Which file, and why.
    pub(crate) why: String,
}

/// Writes one record. No start waits for a disk: a record that the machine's fall took is made again from
/// its devices, and one that it brought back ends when it is compared with what the kubelet lists.
pub(crate) fn save(layout: &Layout, record: &Record) -> Result<(), FileError> {
    durable::replace(&layout.record(record.id), &text(record))
}

/// A record as it is written down.
pub(super) fn text(record: &Record) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a record is plain data")
}

/// Reads every record. A file that is none is a problem of its own and hides no other.
pub(crate) fn load(layout: &Layout) -> Result<Loaded, FileError> {
    let folder = layout.records();
    let (mut loaded, mut found) = (Loaded::default(), Vec::new());
    if !folder.exists() {
        return Ok(loaded);
    }
    for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
        let path = entry.map_err(failed("list", &folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            match read(&path) {
                Ok(record) => found.push((changed(&path), record)),
                Err(why) => {
                    let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                    let why = format!("{}: {why}", path.display());
                    loaded.problems.push(Problem { id, why });
                }
            }
        }
    }
    found.sort_by_key(|(changed, _)| *changed);
    loaded.records = found.into_iter().map(|(_, record)| record).collect();
    Ok(loaded)
}

/// Where the file system does not tell, a record counts as old.
fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn read(path: &Path) -> Result<Record, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if record.version != VERSION {
        return Err(format!("a record of version {}, not {VERSION}", record.version));
    }
    if name(&record.devices.iter().copied().collect()) != record.id {
        return Err(format!("the record names {}, which its devices are not", record.id));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::DeviceId;

    use super::*;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;

    #[test]
    fn a_file_that_is_no_record_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        fs::create_dir(layout.records()).unwrap();
        let devices = BTreeSet::from([DeviceId::Whole(uuid(1))]);
        let record = Record::new(&devices, &Grant::Whole(vec![uuid(1)]), 7);
        save(&layout, &record).unwrap();
        let at = |name: &str| layout.records().join(name);
        fs::write(at("00000000000000ff.json"), "{\"version\":").unwrap();
        let newer = serde_json::to_string(&Record { version: 2, ..record.clone() }).unwrap();
        fs::write(at("newer.json"), newer).unwrap();
        fs::write(at("half.draft"), "").unwrap();
        let loaded = load(&layout).unwrap();
        assert_eq!(loaded.records, [record]);
        let mut ids: Vec<_> = loaded.problems.iter().map(|problem| problem.id).collect();
        ids.sort();
        assert_eq!(ids, [None, Some(AllotmentId(255))], "{:?}", loaded.problems);
    }
}
