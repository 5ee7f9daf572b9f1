//! Sends events in the order in which things happened, and again those that the API server did not take.

use std::collections::VecDeque;
use std::time::Duration;

use kube_api::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::WAITING;
use super::events::{Event, Recorder};

/// How long an event is tried to be sent: later it says nothing of the moment.
const STALE: Duration = Duration::from_secs(600);

/// An event that is to be sent, since when, and whether it was tried yet.
struct Unsent {
    event: Event,
    since: Instant,
    is_first: bool,
}

impl Unsent {
    /// Whether both are of one thing, such as a GPU: then the later one is the last word on it.
    fn is_of_the_same(&self, other: &Self) -> bool {
        let of = |one: &Self| (one.event.about.clone(), one.event.which.clone());
        of(self) == of(other)
    }
}

/// Sends events, and again those that the API server did not take, one every `look`. What comes meanwhile of
/// the same thing waits behind them; what is of another does not, for it may be in a namespace that takes it.
pub(super) async fn keep_sending(
    client: &Client,
    name: &str,
    mut waiting: mpsc::Receiver<Event>,
    look: Duration,
) {
    let (mut recorder, mut unsent) = (Recorder::new(client, name), VecDeque::new());
    loop {
        let one = tokio::select! {
            event = waiting.recv() => {
                let Some(event) = event else { return };
                let one = Unsent { event, since: Instant::now(), is_first: true };
                if unsent.iter().any(|before: &Unsent| before.is_of_the_same(&one)) {
                    if unsent.len() < WAITING {
                        unsent.push_back(one);
                    }
                    continue;
                }
                one
            }
            () = sleep(look), if !unsent.is_empty() => {
                unsent.pop_front().expect("there is one: it was looked at")
            }
        };
        let is_late = recorder.record(&one.event, one.is_first).await;
        if is_late && one.since.elapsed() < STALE && unsent.len() < WAITING {
            put_back(&mut unsent, Unsent { is_first: false, ..one });
        }
    }
}

/// Puts what was not taken behind all others but those of the same thing, which stay behind it.
fn put_back(unsent: &mut VecDeque<Unsent>, late: Unsent) {
    let all = std::mem::take(unsent).into_iter();
    let (after, before): (Vec<_>, Vec<_>) = all.partition(|one| one.is_of_the_same(&late));
    unsent.extend(before.into_iter().chain([late]).chain(after));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::StatusCode;
    use serde_json::Value;
    use tokio::net::TcpListener;

    use super::super::events::{About, OPPOSITES};
    use super::*;

    fn event(reason: &'static str, which: &str) -> Event {
        let message = format!("{reason} {which}");
        Event { about: About::Node, warning: true, reason, which: which.into(), message }
    }

    /// Sends `events` to a server that refuses `refused` times what it is told first; answers the messages in
    /// the order in which it took them.
    async fn taken(events: &[Event], refused: usize) -> Vec<String> {
        let (told, mut tells) = mpsc::channel(WAITING);
        let unwilling = Arc::new(Mutex::new((None, refused)));
        let answer = async move |body: Bytes| {
            let event: Value = serde_json::from_slice(&body).unwrap();
            let message = event["message"].as_str().unwrap().to_owned();
            let (first, left) = &mut *unwilling.lock().unwrap();
            if *first.get_or_insert(message.clone()) == message && *left > 0 {
                *left -= 1;
                return (StatusCode::INTERNAL_SERVER_ERROR, "{}");
            }
            told.try_send(message).unwrap();
            (StatusCode::CREATED, "{}")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
        let account = tempfile::tempdir().unwrap();
        for file in ["ca.crt", "token"] {
            std::fs::write(account.path().join(file), "").unwrap();
        }
        let client = Client::new(&base, account.path(), "test").unwrap();
        let (sender, waiting) = mpsc::channel(WAITING);
        for event in events {
            sender.try_send(event.clone()).unwrap();
        }
        let mut all = Vec::new();
        let hear = async {
            while all.len() < events.len() {
                all.push(tells.recv().await.unwrap());
            }
        };
        let sending = keep_sending(&client, "n", waiting, Duration::from_millis(10));
        tokio::select! {
            () = hear => {}
            () = sending => {}
            () = sleep(Duration::from_secs(20)) => {}
        }
        all
    }

    #[tokio::test]
    async fn what_comes_after_an_event_that_waits_waits_too_unless_it_is_of_something_else() {
        let events =
            [event("GPUUnhealthy", "0"), event("GPUHealthy", "0"), event("GPUUnhealthy", "1")];
        for refused in [0, 1, 3] {
            let taken = taken(&events, refused).await;
            let of_one: Vec<_> = taken.iter().filter(|message| message.ends_with('0')).collect();
            assert_eq!(of_one, ["GPUUnhealthy 0", "GPUHealthy 0"], "{refused}");
            let first = if refused == 0 { "GPUUnhealthy 0" } else { "GPUUnhealthy 1" };
            assert_eq!(taken[0], first);
        }
    }

    #[tokio::test]
    async fn the_same_word_is_told_again_when_its_opposite_was_told_between() {
        for pair in OPPOSITES {
            for [one, other] in [[pair.0, pair.1], [pair.1, pair.0]] {
                let events = [event(one, "0"), event(other, "0"), event(one, "0")];
                let [one, other] = [one, other].map(|reason| format!("{reason} 0"));
                assert_eq!(taken(&events, 0).await, [one.clone(), other, one]);
            }
        }
    }
}
