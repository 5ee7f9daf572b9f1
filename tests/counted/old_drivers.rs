//! The families of memory over drivers old and new: what is charged is the same, by whatever names and
//! versions a driver has.

use sim_world::admin::{self, Driver, Options};

use crate::container::dist;
use crate::simulated::{beyond_first, lines_of};

/// The oldest, three between, and one whose later versions the shim does not know.
const DRIVERS: [&str; 5] = ["470", "510", "515", "535", "future"];

/// What is done, and what is used then, in MiB beyond a context.
const FAMILIES: [(&str, &[f64]); 19] = [
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
    ("cuMipmappedArrayCreate=0,1024,1024,0,1,0,2 used cuMipmappedArrayDestroy=0 used", &[6.0, 0.0]),
    ("import=0,64 used buffer-of=1,0 import-end=0 used free=1 used", &[64.0, 64.0, 0.0]),
    ("pool=9,0 set-pool=9 lend=0,40 used give=0 trim=9,0 used", &[64.0, 0.0]),
    ("graph=0,100,5 graph-make=1,0 used graph-launch=1 used free=5 used graph-trim used", GRAPH),
    ("graph=0,100,5 graph-make=1,0 graph-upload=1 used graph-trim used", &[100.0, 0.0]),
    ("graph=0,100,5 graph-make=1,0 graph-launch=1 used stop start used", &[100.0, 0.0]),
    (SPARSE, &[4.0, 0.0]),
    (TAIL, &[2.0, 2.0, 0.0]),
];

/// What a graph takes is charged from its launch until it is freed and trimmed.
const GRAPH: &[f64] = &[0.0, 100.0, 100.0, 0.0];

/// Memory mapped into a sparse array lives until its last tile is unmapped, in a tail of small levels too.
const SPARSE: &str = "cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=1,4 tile=0,1,0,0,8,8 release=1 sync used \
                      untile=0,0,0,0,8,8 sync used";
const TAIL: &str = "cuMipmappedArrayCreate=0,1024,1024,0,1,64,11 create-tiles=1,2 tile-mip=0,1,0,0,1,1 \
                    tile-mip-tail=0,1,0,65536 release=1 sync used untile-mip=0,0,0,0,8,8 sync used \
                    untile-mip-tail=0,0,0,65536 sync used";

/// What comes before, and what is above the share.
const ABOVE: [(&str, &str); 11] = [
    ("", "alloc=0,16384"),
    ("", "pitch=0,16384"),
    ("", "managed=0,16384"),
    ("", "create=0,16384"),
    ("", "create-tiles=0,16384"),
    ("", "cuArray3DCreate_v2=0,16384,16384,20"),
    ("", "lend=0,16384"),
    ("pool=9,0", "lend-of=0,16384,9"),
    ("", "import=0,16384"),
    ("graph=0,16384,5 graph-make=1,0", "graph-launch=1"),
    ("graph=0,16384,5 graph-make=1,0", "graph-upload=1"),
];

/// A world of its own, whose driver is of this version.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn of(driver: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        let driver = Driver::named(driver).expect("the driver is known");
        let options = Options {
            driver_version: Some((driver.version.to_owned(), driver.cuda)),
            ..Options::built_in(&dist("sim"))
        };
        let root = world.folder.path().join("w");
        admin::create(&root, &[("v100-32gb", 1)], &options).expect("a world can be made");
        world
    }

    fn root(&self) -> String {
        self.folder.path().join("w").display().to_string()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.folder.path().join("w"));
    }
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

#[test]
fn nothing_passes_the_share_on_drivers_old_and_new() {
    for driver in DRIVERS {
        let world = World::of(driver);
        for (before, command) in ABOVE {
            let words = format!("used {before} {command} used");
            let lines = lines_of(&["--driver-root", &world.root()], &words);
            let refused = format!("{command} 2");
            assert!(lines.contains(&refused), "driver {driver}: {words}: {lines:?}");
            assert_eq!(beyond_first(&lines), [0.0], "driver {driver}: {words}: {lines:?}");
        }
    }
}
