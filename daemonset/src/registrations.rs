//! Which resources the kubelet knows of. Written by whoever registers, read by whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// One resource's registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Registration {
    /// Whether it holds.
    pub holds: bool,
    /// How often the kubelet has taken one.
    pub times: u64,
}

/// All resources', by their full names.
#[derive(Debug, Default)]
pub struct Registrations(Mutex<BTreeMap<String, Registration>>);

impl Registrations {
    /// A resource is to be registered.
    pub fn wanted(&self, resource: &str) {
        self.all().entry(resource.to_owned()).or_default();
    }

    /// A resource is offered no more.
    pub fn unwanted(&self, resource: &str) {
        self.all().remove(resource);
    }

    /// The kubelet has taken it.
    pub fn begun(&self, resource: &str) {
        let mut all = self.all();
        let registration = all.entry(resource.to_owned()).or_default();
        *registration = Registration { holds: true, times: registration.times + 1 };
    }

    /// It no longer holds.
    pub fn ended(&self, resource: &str) {
        self.all().entry(resource.to_owned()).or_default().holds = false;
    }

    /// As they are.
    #[must_use]
    pub fn now(&self) -> BTreeMap<String, Registration> {
        self.all().clone()
    }

    /// Those that do not hold; before anything is offered, that is what is missing.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let all = self.all();
        if all.is_empty() {
            return vec!["every resource".into()];
        }
        let missing = all.iter().filter(|(_, registration)| !registration.holds);
        missing.map(|(resource, _)| resource.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Registration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_registered_twice_and_dropped_once_holds() {
        let registrations = Registrations::default();
        assert_eq!(registrations.missing().len(), 1);
        registrations.wanted("a/b");
        assert_eq!(registrations.missing(), ["a/b"]);
        registrations.begun("a/b");
        registrations.ended("a/b");
        assert_eq!(registrations.missing(), ["a/b"]);
        registrations.begun("a/b");
        assert!(registrations.missing().is_empty());
        assert_eq!(registrations.now()["a/b"], Registration { holds: true, times: 2 });
        registrations.wanted("a/c");
        registrations.unwanted("a/c");
        assert!(registrations.missing().is_empty());
    }
}
