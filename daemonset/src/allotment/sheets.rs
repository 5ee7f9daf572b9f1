//! Empty files that take records. To make a file costs more than all else that is done to write a record down, and most
//! where others were removed a moment ago: so it is done ahead. The file of what has ended takes no other record: who
//! reads it at that moment would find the other's words under its name. They lie in the records' own folder: a move
//! between folders waits for everybody else's on that file system.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use super::record::Record;
use super::store;
use crate::durable::{self, FileError, failed};
use crate::layout::Layout;

/// An empty file. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Sheet {
    path: PathBuf,
    file: File,
    is_used: bool,
}

impl Sheet {
    /// Makes one; `number` is its own.
    pub(super) fn make(layout: &Layout, number: u64) -> Result<Self, FileError> {
        let path = place(layout, number);
        let file = File::create(&path).map_err(failed("write", &path))?;
        Ok(Self { path, file, is_used: false })
    }

    /// Makes it a record, in place of what was written down of that allotment.
    pub(super) fn become_record(mut self, layout: &Layout, record: &Record) -> io::Result<()> {
        self.file.write_all(&store::text(record))?;
        fs::rename(&self.path, layout.record(record.id))?;
        self.is_used = true;
        Ok(())
    }

    /// Removes those of an agent that was killed.
    pub(super) fn sweep(layout: &Layout) -> Result<(), FileError> {
        let folder = layout.records();
        for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
            let path = entry.map_err(failed("list", &folder))?.path();
            if path.extension().is_some_and(|extension| extension == SHEET) {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        if !self.is_used {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn place(layout: &Layout, number: u64) -> PathBuf {
    layout.records().join(format!("{number}.{SHEET}"))
}

/// How the name of one ends; a record's ends otherwise.
const SHEET: &str = "sheet";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use contract::DeviceId;

    use super::*;
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;

    #[test]
    fn a_sheet_takes_the_place_of_a_record_and_is_none_before() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        fs::create_dir(layout.records()).unwrap();
        let devices = BTreeSet::from([DeviceId::Whole(uuid(1))]);
        let short = Record::new(&devices, &Grant::Whole(vec![uuid(1)]), 7);
        let long = Record { resource: Some("x".repeat(1000)), ..short.clone() };
        store::save(&layout, &long).unwrap();
        let sheet = Sheet::make(&layout, 1).unwrap();
        assert_eq!(store::load(&layout).unwrap().records, [long]);
        sheet.become_record(&layout, &short).unwrap();
        assert_eq!(store::load(&layout).unwrap().records, [short]);
        assert_eq!(fs::read_dir(layout.records()).unwrap().count(), 1);
    }

    #[test]
    fn a_sheet_lies_beside_the_records() {
        let layout = Layout::new(Path::new("state"), Path::new("pages"));
        assert_eq!(place(&layout, 1).parent(), Some(&*layout.records()));
    }

    #[test]
    fn sheets_that_take_no_record_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        fs::create_dir(layout.records()).unwrap();
        let count = || fs::read_dir(layout.records()).unwrap().count();
        drop(Sheet::make(&layout, 1).unwrap());
        assert_eq!(count(), 0);
        // An agent that was killed leaves one.
        fs::write(place(&layout, 2), "").unwrap();
        fs::write(layout.records().join("1.json"), "").unwrap();
        assert_eq!(count(), 2);
        Sheet::sweep(&layout).unwrap();
        assert_eq!(count(), 1);
    }
}
