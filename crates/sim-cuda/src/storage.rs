//! What libraries keep in a context: cudart looks up its own state there before nearly every call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::status::{Res, Status};

/// Called with context, key and value when a context ends.
pub(crate) type Destructor = unsafe extern "C" fn(usize, usize, usize);

/// Values by key.
#[derive(Default)]
pub(crate) struct Storage(Mutex<BTreeMap<usize, (usize, Option<Destructor>)>>);

impl Storage {
    /// Keeps `value` under `key`, in place of what was there.
    pub(crate) fn put(&self, key: usize, value: usize, destructor: Option<Destructor>) {
        self.values().insert(key, (value, destructor));
    }

    /// The value under `key`; an invalid handle if there is none.
    pub(crate) fn get(&self, key: usize) -> Res<usize> {
        self.values().get(&key).map(|(value, _)| *value).ok_or(Status::INVALID_HANDLE)
    }

    /// Forgets what is kept under `key`.
    pub(crate) fn delete(&self, key: usize) -> Res {
        self.values().remove(&key).map(drop).ok_or(Status::INVALID_HANDLE)
    }

    /// Forgets everything; the destructors may call back.
    pub(crate) fn clear(&self, context: usize) {
        let values = std::mem::take(&mut *self.values());
        for (key, (value, destructor)) in values {
            if let Some(destructor) = destructor {
                // SAFETY: whoever put the value gave a destructor for it, and it is called once.
                unsafe { destructor(context, key, value) };
            }
        }
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<usize, (usize, Option<Destructor>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
