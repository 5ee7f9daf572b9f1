//! The families of memory over drivers old and new: what is charged is the same, by whatever names and
//! versions a driver has.

use std::process::Command;

use crate::container::dist;
use crate::simulated::{beyond_first, lines_of};

/// The oldest, two between, and one whose later versions the shim does not know.
const DRIVERS: [&str; 4] = ["470", "510", "535", "future"];

/// What is done, and what is used then, in MiB beyond a context.
const FAMILIES: [(&str, &[f64]); 11] = [
    ("alloc=0,64 used free=0 used", &[64.0, 0.0]),
    ("pitch=0,64 used free=0 used", &[64.0, 0.0]),
    ("managed=0,64 used free=0 used", &[64.0, 0.0]),
    ("create=0,64 reserve=64 map=0,0,64 release=0 used unmap=0,64 used", &[64.0, 0.0]),
    ("create-shared=0,64 export=0,1 release=0 used close=1 used", &[64.0, 0.0]),
    ("cuArray3DCreate_v2=0,1024,1024 used cuArrayDestroy=0 used", &[4.0, 0.0]),
    ("cuArrayCreate=0,1024,1024 used cuArrayDestroy=0 used", &[4.0, 0.0]),
    ("lend=0,100 used give=0 default-pool=9 trim=9,0 used", &[128.0, 0.0]),
    ("pool=9,0 lend-of=0,100,9 used give=0 pool-end=9 used", &[128.0, 0.0]),
    ("limit=2,108 used limit=2,8 used", &[100.0, 0.0]),
    ("context=0 alloc=1,64 used context-end=0 current used", &[372.0, 0.0]),
];

/// A world of its own, whose driver is of this version.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn of(driver: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        aliquot(&["create", "--driver", driver, &world.root(), "v100-32gb"]);
        world
    }

    fn root(&self) -> String {
        self.folder.path().join("w").display().to_string()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        aliquot(&["remove", &self.root()]);
    }
}

fn aliquot(words: &[&str]) {
    let mut command = Command::new(dist("x86_64/aliquot"));
    let output = command.arg("sim").args(words).output().expect("aliquot starts");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_family_is_charged_alike_on_drivers_old_and_new() {
    for driver in DRIVERS {
        let world = World::of(driver);
        for (words, expected) in FAMILIES {
            let lines = lines_of(&["--driver-root", &world.root()], &format!("used {words}"));
            assert_eq!(beyond_first(&lines), expected, "driver {driver}: {words}: {lines:?}");
        }
    }
}
