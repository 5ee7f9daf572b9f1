//! The worlds this process has found: one connection per world and process.
//!
//! A fork gets a registry of its own: its parent's may have been locked by another thread when it
//! forked. The parent's stays behind, unused.

use std::collections::HashMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::WorldError;
use crate::fork::ForkMark;
use crate::locate;
use crate::world::World;

static CURRENT: AtomicPtr<Registry> = AtomicPtr::new(std::ptr::null_mut());

struct Registry {
    mark: ForkMark,
    worlds: Mutex<HashMap<PathBuf, Arc<World>>>,
}

impl World {
    /// The world of the library that holds `address` (take any function of yours): found by walking up
    /// from the library's file, shared by all threads of this process, connected at the first call.
    /// A fork, and a process whose world ended, get a fresh connection by calling again.
    ///
    /// # Errors
    /// [`WorldError`], as a driver that is not loaded would answer.
    pub fn find(address: *const c_void) -> Result<Arc<Self>, WorldError> {
        let root = locate::world_above(&locate::library_at(address))?;
        current().world(&root)
    }
}

impl Registry {
    fn world(&self, root: &Path) -> Result<Arc<World>, WorldError> {
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(root).filter(|world| world.is_alive()) {
            return Ok(world.clone());
        }
        let world = Arc::new(World::open(root)?);
        worlds.insert(root.to_owned(), world.clone());
        Ok(world)
    }
}

fn current() -> &'static Registry {
    let old = CURRENT.load(Acquire);
    // SAFETY: the pointer is null or was leaked below, and is never freed.
    if let Some(registry) = unsafe { old.as_ref() }
        && registry.mark.is_ours()
    {
        return registry;
    }
    let fresh = Box::leak(Box::new(Registry { mark: ForkMark::new(), worlds: Mutex::default() }));
    match CURRENT.compare_exchange(old, fresh, AcqRel, Acquire) {
        Ok(_) => fresh,
        // SAFETY: another thread of this process was first; its registry is leaked as well.
        Err(other) => unsafe { &*other },
    }
}
