//! How many events are told: some at once, then one from time to time. What the node says of itself, what is found and
//! what is refused to pods have room of their own each, and of the latter two every object and reason a little of it, so
//! that neither a refusal that stands nor one tenant silences the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::events::{About, Event, Key};
use crate::audit::Kind;

/// Room for events of one sort.
#[derive(Debug)]
struct Room {
    /// How many may be told at once.
    most: u32,
    /// How long until there is room for another one.
    refill: Duration,
    left: u32,
    filled: Instant,
}

/// Of all that is of one kind.
const OF_KIND: (u32, Duration) = (20, Duration::from_secs(3));
/// Of one reason about one thing: who can make such events at will takes little of what all have.
const OF_ONE: (u32, Duration) = (5, Duration::from_secs(300));

/// What events are of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Of {
    /// The node itself. Each is told once, when it happens: it waits for room.
    Node,
    /// What pods do, or processes that are in none, and shares that run as none can be held.
    Found,
    /// What pods ask for and do not get, and what is not known of them.
    Refused,
}

/// What is told of pods for what stands in them, which whoever may write them makes at will, and of every pod that starts
/// while nobody answers what its runtime is: it may take no room from what is found, which is told once.
const REFUSALS: [&str; 3] = ["GPUAnnotationRefused", "GPUPodMixed", "GPURuntimeUnknown"];
/// What a program's own fault is told as, on the node: nobody knows whose it was.
const FAULT: &str = "GPUApplicationFault";

impl Of {
    fn event(event: &Event) -> Self {
        let is_found = |reason| reason == FAULT || Kind::ALL.iter().any(|it| it.reason() == reason);
        match event.about {
            _ if REFUSALS.contains(&event.reason) => Self::Refused,
            About::Node if !is_found(event.reason) => Self::Node,
            About::Node | About::Pod(..) => Self::Found,
        }
    }
}

/// Whether there is room for an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// There was, and it is taken.
    Yes,
    /// There will be.
    Later,
    /// There is none, and nobody waits for it.
    No,
}

/// What room there is.
#[derive(Debug, Default)]
pub(super) struct Budget {
    of_kinds: BTreeMap<Of, Room>,
    of_one: BTreeMap<Key, Room>,
}

impl Budget {
    /// Takes room for `event`, which has this key.
    pub(super) fn take(&mut self, event: &Event, key: &Key, now: Instant) -> Taken {
        let of = Of::event(event);
        self.of_one.retain(|_, room| !room.is_full(now));
        if of != Of::Node && !self.of_one(key, now).take(now) {
            return Taken::No;
        }
        if self.of_kind(of, now).take(now) {
            return Taken::Yes;
        }
        if of == Of::Node {
            return Taken::Later;
        }
        self.of_one(key, now).give_back();
        Taken::No
    }

    /// Gives back what was taken for an event that is to be sent again.
    pub(super) fn give_back(&mut self, event: &Event, key: &Key) {
        let kind = self.of_kinds.get_mut(&Of::event(event));
        kind.into_iter().chain(self.of_one.get_mut(key)).for_each(Room::give_back);
    }

    fn of_kind(&mut self, of: Of, now: Instant) -> &mut Room {
        self.of_kinds.entry(of).or_insert_with(|| Room::new(OF_KIND, now))
    }

    fn of_one(&mut self, key: &Key, now: Instant) -> &mut Room {
        self.of_one.entry(key.clone()).or_insert_with(|| Room::new(OF_ONE, now))
    }
}

impl Room {
    const fn new((most, refill): (u32, Duration), now: Instant) -> Self {
        Self { most, refill, left: most, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        while self.left < self.most && now.duration_since(self.filled) >= self.refill {
            self.left += 1;
            self.filled += self.refill;
        }
        if self.left == self.most {
            self.filled = now;
        }
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left == self.most
    }

    fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_room = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_room
    }

    fn give_back(&mut self) {
        self.left = (self.left + 1).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pod(pod: usize, reason: &'static str) -> (Event, Key) {
        let about = About::Pod("team".into(), pod.to_string(), None);
        let (which, message) = (String::new(), String::new());
        let key = (about.clone(), reason, which.clone());
        (Event { about, warning: true, reason, which, message }, key)
    }

    #[test]
    fn pods_whose_runtime_nobody_knows_take_no_room_from_what_is_found() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        for pod in 0..40 {
            let (event, key) = of_pod(pod, "GPURuntimeUnknown");
            budget.take(&event, &key, now);
        }
        let (found, key) = of_pod(40, "GPUUseUncounted");
        assert_eq!(budget.take(&found, &key, now), Taken::Yes);
    }

    #[test]
    fn there_is_room_again_after_a_while_and_what_is_full_is_forgotten() {
        let about = About::Pod("team".into(), "a".into(), None);
        let of = |which: &str| {
            let (which, message) = (which.to_owned(), String::new());
            let key = (about.clone(), "GPUPodMixed", which.clone());
            let about = about.clone();
            (Event { about, warning: true, reason: key.1, which, message }, key)
        };
        let ((event, key), (other, others)) = (of("0"), of("1"));
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        let taken = |budget: &mut Budget, now| {
            (0..20).filter(|_| budget.take(&event, &key, now) == Taken::Yes).count()
        };
        assert_eq!(taken(&mut budget, now), 5);
        now += OF_ONE.1;
        assert_eq!(taken(&mut budget, now), 1);
        now += 5 * OF_ONE.1;
        assert_eq!(budget.take(&other, &others, now), Taken::Yes);
        assert_eq!(budget.of_one.keys().collect::<Vec<_>>(), [&others]);
        budget.give_back(&other, &others);
        assert!(budget.of_one.values_mut().all(|room| room.is_full(now)));
    }
}
