//! Events on pods and on the node: what a user sees of the agent. The same event again is the old
//! one with a higher count, and there are never many at a time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::budget::{Budget, Taken};
use super::counted::Lost;
use kube_api::{ApiError, Body, Client};

/// Events that are remembered, to be counted up.
const REMEMBERED: usize = 256;
/// Between two of the same.
const AGAIN: Duration = Duration::from_secs(60);
/// The same for what is told again and again while it stands: a little less than the API server keeps events for.
const STANDS: Duration = Duration::from_secs(3000);
/// Reasons of which that is so.
const STANDING: [&str; 2] = ["GPUAnnotationRefused", "GPUPodMixed"];
/// Reasons of which each takes back what the other said.
pub(super) const OPPOSITES: [(&str, &str); 4] = [
    ("GPUUnhealthy", "GPUHealthy"),
    ("GPUBlocked", "GPUUnblocked"),
    ("GPUAllotmentTrouble", "GPUAllotmentMended"),
    ("MPSDaemonGone", "MPSDaemonLives"),
];

/// What an event is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum About {
    /// The node.
    Node,
    /// A pod: namespace, name and uid, if that is known.
    Pod(String, String, Option<String>),
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    pub(super) about: About,
    /// Whether somebody has to act.
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    /// What tells it from others with this reason about the same object, such as a GPU; empty where nothing
    /// does.
    pub(super) which: String,
    pub(super) message: String,
}

/// What makes two events one that is counted up.
pub(super) type Key = (About, &'static str, String);

struct Sent {
    name: String,
    message: String,
    count: u64,
    at: Instant,
    /// Whether its opposite was sent since.
    is_taken_back: bool,
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// The API server has it.
    Taken,
    /// It has the same already, of a moment ago.
    Same,
    /// It did not take it and may take it later.
    Later,
    /// Nobody will see it.
    Lost(Lost),
}

/// Sends events.
pub(super) struct Recorder<'a> {
    client: &'a Client,
    node: &'a str,
    sent: BTreeMap<Key, Sent>,
    budget: Budget,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(client: &'a Client, node: &'a str) -> Self {
        Self { client, node, sent: BTreeMap::new(), budget: Budget::default() }
    }

    /// Sends `event`, unless the same was just sent or there were too many. That the API server does not take it is
    /// logged the first time.
    pub(super) async fn record(&mut self, event: &Event, is_first: bool) -> Told {
        let key = (event.about.clone(), event.reason, event.which.clone());
        let again = if STANDING.contains(&event.reason) { STANDS } else { AGAIN };
        let is_same = |sent: &Sent| {
            !sent.is_taken_back && sent.at.elapsed() < again && sent.message == event.message
        };
        if self.sent.get(&key).is_some_and(is_same) {
            return Told::Same;
        }
        match self.budget.take(event, &key, Instant::now()) {
            Taken::Yes => {}
            Taken::Later => return Told::Later,
            Taken::No => {
                debug!(reason = event.reason, message = event.message, "an event is left out");
                return Told::Lost(Lost::Burst);
            }
        }
        let Err(error) = self.send(key.clone(), event).await else {
            self.take_back(event);
            return Told::Taken;
        };
        // What the server will not have, such as one in a namespace that is gone, it will not have later.
        let is_late = error.code().is_none_or(|code| code == 429 || code >= 500);
        if is_first || !is_late {
            warn!(reason = event.reason, message = event.message, %error, is_late, "an event is not sent");
        }
        if !is_late {
            return Told::Lost(Lost::Refused);
        }
        self.budget.give_back(event, &key);
        Told::Later
    }

    async fn send(&mut self, key: Key, event: &Event) -> Result<(), ApiError> {
        if let Some(sent) = self.sent.get_mut(&key) {
            let count = sent.count + 1;
            let path = format!("{}/{}", path(&event.about), sent.name);
            let body = json!({"count": count, "lastTimestamp": now(), "message": event.message});
            let patched = self.client.call(Method::PATCH, &path, Body::Merge(&body)).await;
            // The API server forgets events after an hour.
            if patched.as_ref().err().and_then(ApiError::code) != Some(404) {
                if patched.is_ok() {
                    (sent.count, sent.at, sent.is_taken_back) = (count, Instant::now(), false);
                    sent.message.clone_from(&event.message);
                }
                return patched.map(drop);
            }
        }
        let name = name(&event.about, self.node);
        let body = self.body(event, &name);
        self.client.call(Method::POST, &path(&event.about), Body::Json(&body)).await?;
        let message = event.message.clone();
        let (at, is_taken_back) = (Instant::now(), false);
        self.remember(key, Sent { name, message, count: 1, at, is_taken_back });
        Ok(())
    }

    /// Notes that what `event` is the opposite of is no longer the last word.
    fn take_back(&mut self, event: &Event) {
        let both = OPPOSITES.iter().flat_map(|&(one, other)| [(one, other), (other, one)]);
        for (_, opposite) in both.filter(|(reason, _)| *reason == event.reason) {
            let key = (event.about.clone(), opposite, event.which.clone());
            self.sent.get_mut(&key).into_iter().for_each(|sent| sent.is_taken_back = true);
        }
    }

    fn body(&self, event: &Event, name: &str) -> Value {
        let (namespace, object) = match &event.about {
            About::Node => {
                let node = json!({"kind": "Node", "apiVersion": "v1", "name": self.node, "uid": self.node});
                ("default", node)
            }
            About::Pod(namespace, pod, uid) => {
                let pod = json!({
                    "kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": pod, "uid": uid,
                });
                (namespace.as_str(), pod)
            }
        };
        let now = now();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": object,
            "reason": event.reason,
            // The API server refuses a longer one.
            "message": event.message.chars().take(1000).collect::<String>(),
            "type": if event.warning { "Warning" } else { "Normal" },
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "aliquot-node", "host": self.node},
            "reportingComponent": "aliquot-node",
            "reportingInstance": self.node,
        })
    }

    fn remember(&mut self, key: Key, sent: Sent) {
        if self.sent.len() >= REMEMBERED {
            let oldest =
                self.sent.iter().min_by_key(|(_, sent)| sent.at).map(|(key, _)| key.clone());
            oldest.map(|key| self.sent.remove(&key));
        }
        self.sent.insert(key, sent);
    }
}

fn path(about: &About) -> String {
    let namespace = match about {
        About::Node => "default",
        About::Pod(namespace, ..) => namespace,
    };
    format!("/api/v1/namespaces/{namespace}/events")
}

fn name(about: &About, node: &str) -> String {
    let object = match about {
        About::Node => node,
        About::Pod(_, pod, _) => pod,
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // 253 characters at most.
    format!("{}.{:x}", object.chars().take(230).collect::<String>(), since.as_nanos())
}

/// This moment, as the API server writes it.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    timestamp(since)
}

/// Seconds since 1970 as RFC 3339: civil days counted from March, in eras of 400 years.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_the_dates_that_they_are() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_305_600, "2026-11-22T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in table {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
