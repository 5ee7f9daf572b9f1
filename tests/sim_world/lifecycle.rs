//! Worlds come and go, and say clearly why they cannot.

use std::fs;
use std::path::Path;

use sim_world::admin::{self, Change, Options};
use sim_world::{World, WorldError};

use crate::harness::{TestWorld, options, wait_until};

#[test]
fn a_deleted_world_leaves_no_daemon() {
    let world = TestWorld::new();
    let pid = world.report().daemon_pid;
    fs::remove_dir_all(world.root()).unwrap();
    wait_until("the daemon ends", || !runs(pid));
}

#[test]
fn a_stopped_world_says_how_to_start_it_and_starts_empty() {
    let world = TestWorld::new();
    let before = World::open(world.root()).unwrap();
    admin::stop(world.root()).unwrap();
    assert!(!before.is_alive());
    let error = World::open(world.root()).unwrap_err();
    assert!(matches!(error, WorldError::NotAWorld { .. }), "{error}");
    admin::stop(world.root()).unwrap();
    admin::start(world.root(), options().daemon.as_deref()).unwrap();
    assert_eq!(world.used(0), 0);
    let uuids = |world: &World| world.cards().iter().map(|c| c.uuid).collect::<Vec<_>>();
    assert_eq!(uuids(&World::open(world.root()).unwrap()), uuids(&before));
}

#[test]
fn a_killed_daemon_is_named_with_what_to_do_and_can_be_started_again() {
    let world = TestWorld::new();
    world.kill_daemon();
    let error = World::open(world.root()).unwrap_err().to_string();
    assert!(error.contains("has no daemon"), "{error}");
    assert!(error.contains("aliquot sim start"), "{error}");
    admin::start(world.root(), options().daemon.as_deref()).unwrap();
    World::open(world.root()).unwrap();
}

#[test]
fn a_second_daemon_in_one_world_is_refused() {
    let world = TestWorld::new();
    let error = admin::start(world.root(), options().daemon.as_deref()).unwrap_err().to_string();
    assert!(error.contains("runs already"), "{error}");
    World::open(world.root()).unwrap();
}

#[test]
fn one_line_says_why_a_world_cannot_be_made_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("w");
    let refused = |cards: &[(&str, u32)], options: Options| {
        let error = admin::create(&dir, cards, &options).unwrap_err().to_string();
        assert!(!dir.exists(), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert!(refused(&[("v100", 1)], options()).starts_with("unknown card \"v100\"; known are"));
    assert_eq!(refused(&[], options()), "0 cards: a world has 1 to 16");
    assert_eq!(refused(&[("t4", 17)], options()), "17 cards: a world has 1 to 16");
    let gone = Some("/no/such/file".into());
    let no_library = Options { libcuda: gone.clone(), ..options() };
    assert!(refused(&[("t4", 1)], no_library).starts_with("cannot read /no/such/file"));
    let no_daemon = Options { daemon: gone, ..options() };
    assert!(refused(&[("t4", 1)], no_daemon).contains("cannot find the daemon's program"));
    let broken_daemon = Options { daemon: Some("/bin/false".into()), ..options() };
    assert!(refused(&[("t4", 1)], broken_daemon).contains("did not start"));
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter"), "dear").unwrap();
    let error = admin::create(folder.path(), &[("t4", 1)], &options()).unwrap_err().to_string();
    assert!(error.ends_with("exists and is not an empty folder: choose another"), "{error}");
    assert_eq!(names_in(folder.path()), ["letter"]);
    let world = TestWorld::new();
    let error = admin::create(world.root(), &[("t4", 1)], &options()).unwrap_err().to_string();
    assert!(error.contains("is a world already"), "{error}");
    assert_eq!(world.report().cards.len(), 2);
}

#[test]
fn a_full_folder_is_named_and_left_as_it_was() {
    let disk = SmallDisk::new("size=64k");
    let error = admin::create(&disk.path().join("w"), &[("t4", 1)], &options()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(names_in(disk.path()), [""; 0]);
}

#[test]
fn a_read_only_folder_is_named() {
    let disk = SmallDisk::new("ro");
    let error = admin::create(&disk.path().join("w"), &[("t4", 1)], &options()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("cannot write /") && error.contains("Read-only"), "{error}");
}

#[test]
fn a_folder_that_is_no_world_is_not_inspected_changed_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter"), "dear").unwrap();
    for error in [
        admin::inspect(folder.path()).map(drop).unwrap_err(),
        admin::change(folder.path(), Change::Stop).unwrap_err(),
        admin::remove(folder.path()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("is not a world"), "{error}");
    }
    assert_eq!(names_in(folder.path()), ["letter"]);
}

#[test]
fn a_world_made_by_another_version_is_refused() {
    let world = TestWorld::new();
    let file = world.root().join("world.toml");
    let text = fs::read_to_string(&file).unwrap();
    admin::stop(world.root()).unwrap();
    fs::write(&file, text.replace("version = 3\n", "version = 7\n")).unwrap();
    let error = admin::start(world.root(), options().daemon.as_deref()).unwrap_err().to_string();
    assert!(error.contains("was made by version 7, this is version 3"), "{error}");
}

#[test]
fn a_card_whose_node_is_missing_is_not_seen() {
    let world = TestWorld::new();
    fs::rename(world.root().join("dev/nvidia0"), world.root().join("dev/hidden")).unwrap();
    let own = World::open(world.root()).unwrap();
    assert_eq!(own.cards().len(), 1);
    assert_eq!((own.cards()[0].index, own.cards()[0].minor), (0, 1));
}

#[test]
fn a_node_of_another_world_is_refused() {
    let (world, other) = (TestWorld::new(), TestWorld::new());
    let node = |world: &TestWorld| world.root().join("dev/nvidia1");
    fs::remove_file(node(&world)).unwrap();
    fs::hard_link(node(&other), node(&world)).unwrap();
    let error = World::open(world.root()).unwrap_err().to_string();
    assert!(error.contains("belongs to another world"), "{error}");
}

#[test]
fn the_driver_s_version_can_be_chosen_and_changed() {
    let chosen = Some(("535.261.03".to_owned(), 12020));
    let world = TestWorld::with(&[("t4", 1)], Options { driver_version: chosen, ..options() });
    let version = || {
        let world = World::open(world.root()).unwrap();
        (world.driver_version().to_owned(), world.cuda_version())
    };
    assert_eq!(version(), ("535.261.03".to_owned(), 12020));
    let change = Change::DriverVersion { driver: "580.95.05".to_owned(), cuda: 13000 };
    admin::change(world.root(), change).unwrap();
    assert_eq!(version(), ("580.95.05".to_owned(), 13000));
}

#[test]
fn a_world_works_at_the_end_of_a_path_longer_than_a_socket_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
    fs::create_dir_all(&deep).unwrap();
    let root = deep.join("w");
    admin::create(&root, &[("t4", 1)], &options()).unwrap();
    assert_eq!(World::open(&root).unwrap().cards().len(), 1);
    admin::remove(&root).unwrap();
    assert!(!root.exists());
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether a process runs; a zombie does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A tmpfs of its own; mounting it needs root.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "mounting a tmpfs needs root");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}
