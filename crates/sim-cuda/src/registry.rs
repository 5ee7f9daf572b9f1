//! Handles. A handle is the address of the object it names, readable for as long as it is valid, and is
//! looked up before it is used: a handle that this driver did not give out is never dereferenced.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All living objects of one kind, by their handle.
pub(crate) struct Registry<T>(RwLock<BTreeMap<usize, Arc<T>>>);

impl<T> Registry<T> {
    /// A registry with nothing in it.
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    /// Makes `object` valid and answers its handle.
    pub(crate) fn insert(&self, object: Arc<T>) -> usize {
        let handle = handle_of(&object);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(handle, object);
        handle
    }

    /// The object that `handle` names, if it is valid.
    pub(crate) fn get(&self, handle: usize) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&handle).cloned()
    }

    /// Makes `handle` invalid; the object lives until its last user lets go.
    pub(crate) fn remove(&self, handle: usize) -> Option<Arc<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&handle)
    }

    /// Whether any object satisfies `is`.
    pub(crate) fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().any(|object| is(object))
    }

    /// Makes every handle invalid whose object satisfies `doomed`, and answers those objects.
    pub(crate) fn remove_if(&self, doomed: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let handles: Vec<usize> = map.iter().filter(|(_, o)| doomed(o)).map(|(h, _)| *h).collect();
        handles.iter().filter_map(|h| map.remove(h)).collect()
    }
}

/// The handle under which `object` is known.
pub(crate) fn handle_of<T>(object: &Arc<T>) -> usize {
    Arc::as_ptr(object) as usize
}
