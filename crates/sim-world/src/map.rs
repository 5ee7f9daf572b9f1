//! A card's page as a file and as memory: made by the daemon, checked by whoever opens it.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::Ordering::*;

use rustix::mm::{MapFlags, ProtFlags};

use crate::page::{CardPage, MAGIC};
use crate::wire::PROTOCOL;

/// A mapped page; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct CardMap(std::ptr::NonNull<CardPage>);

// SAFETY: the page is made of atomic words alone, and the mapping lives as long as the value.
unsafe impl Send for CardMap {}
// SAFETY: as above.
unsafe impl Sync for CardMap {}

impl CardMap {
    /// Makes the page of card `card` of world `world`, replacing what was there.
    pub(crate) fn create(path: &Path, world: u64, card: u32) -> std::io::Result<Self> {
        let options = OpenOptions::new().read(true).write(true).create_new(true).to_owned();
        let file = options.open(path)?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o666))?;
        file.set_len(size_of::<CardPage>() as u64)?;
        let page = Self::map(&file)?;
        page.world.store(world, Relaxed);
        page.card.store(card, Relaxed);
        page.version.store(PROTOCOL, Relaxed);
        page.magic.store(MAGIC, Release);
        Ok(page)
    }

    /// Opens a page and checks that it is one of `world`'s.
    pub(crate) fn open(path: &Path, world: u64) -> Result<Self, String> {
        let file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|e| e.to_string())?;
        let metadata = file.metadata().map_err(|e| e.to_string())?;
        if !metadata.is_file() || metadata.len() != size_of::<CardPage>() as u64 {
            return Err("it is no simulated card of this version".to_owned());
        }
        let page = Self::map(&file).map_err(|e| e.to_string())?;
        let known = page.magic.load(Acquire) == MAGIC && page.version.load(Relaxed) == PROTOCOL;
        match known && page.world.load(Relaxed) == world {
            true => Ok(page),
            false => Err("it belongs to another world".to_owned()),
        }
    }

    fn map(file: &File) -> std::io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let length = size_of::<CardPage>();
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let address = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file, 0)?
        };
        std::ptr::NonNull::new(address.cast()).map(Self).ok_or_else(std::io::Error::last_os_error)
    }
}

impl std::ops::Deref for CardMap {
    type Target = CardPage;

    fn deref(&self) -> &CardPage {
        // SAFETY: the mapping is page-aligned, as long as a CardPage, lives until drop, and every bit
        // pattern is a valid CardPage.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for CardMap {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), size_of::<CardPage>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::now_ns;
    use crate::schedule::{CopyEngine, Engine};
    use crate::slices::{Ask, Owner};

    fn page() -> (tempfile::TempDir, CardMap) {
        let dir = tempfile::tempdir().unwrap();
        let page = CardMap::create(&dir.path().join("nvidia0"), 7, 0).unwrap();
        (dir, page)
    }

    #[test]
    fn two_processes_copies_on_one_engine_queue_in_one_line() {
        let (dir, page) = page();
        let other = CardMap::open(&dir.path().join("nvidia0"), 7).unwrap();
        let now = now_ns();
        let first = page.copy(0, 0, CopyEngine::In, now, 1_000_000_000);
        let second = other.copy(0, 1, CopyEngine::In, now, 1_000);
        assert_eq!(second.start_ns, first.end_ns);
        let copy = other.copy(0, 1, CopyEngine::Out, now, 1_000);
        assert!(copy.end_ns < first.end_ns);
        assert_eq!(page.slot_busy_ns(1, Engine::CopyIn), 1_000);
        assert_eq!(page.busy_ns(0, Engine::CopyIn), 1_000_001_000);
    }

    #[test]
    fn two_processes_kernels_take_turns_and_the_books_say_so() {
        let (dir, page) = page();
        page.slice_ns.store(1_000, Relaxed);
        let other = CardMap::open(&dir.path().join("nvidia0"), 7).unwrap();
        let since_ns = now_ns();
        let ask = |slot| Ask {
            owner: Owner { slot, level: 5 },
            ran_ns: 0,
            due_ns: 1_000_000_000,
            open: false,
            since_ns,
        };
        assert!(page.ask(0, ask(0)) && other.ask(0, ask(1)));
        let ran = || page.look(0).accounts.iter().map(|one| one.ran_ns).collect::<Vec<u64>>();
        let before = ran();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let after = ran();
        let [one, two] = [after[0] - before[0], after[1] - before[1]];
        assert!(two > 2_000_000 && one.abs_diff(two) <= 1_000, "{one} {two}");
        let two = page.slot_busy_ns(1, Engine::Compute);
        assert!(two >= after[1]);
        assert_eq!(page.take_slot_gap_ns(1), 1_000);
        page.leave(0);
        let one = page.slot_busy_ns(0, Engine::Compute);
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert_eq!(page.slot_busy_ns(0, Engine::Compute), one);
        assert!(page.slot_busy_ns(1, Engine::Compute) > two);
    }

    #[test]
    fn a_lock_left_by_a_dead_process_is_taken_over() {
        let (_dir, page) = page();
        page.lines[0][1].lock.abandon();
        page.copy(0, 0, CopyEngine::In, 0, 10);
        assert!(page.lines[0][1].lock.is_free());
    }

    #[test]
    fn the_page_of_another_world_is_refused() {
        let (dir, _page) = page();
        let error = CardMap::open(&dir.path().join("nvidia0"), 8).unwrap_err();
        assert_eq!(error, "it belongs to another world");
        std::fs::write(dir.path().join("short"), "x").unwrap();
        assert!(CardMap::open(&dir.path().join("short"), 7).is_err());
    }
}
