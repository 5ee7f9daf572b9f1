//! Sends events in the order in which things happened, and again those that the API server did not take.

use std::collections::VecDeque;
use std::time::Duration;

use kube_api::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::WAITING;
use super::counted::{EventCounts, Lost};
use super::events::{Event, Recorder, Told};

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

/// Events that the API server has yet to take, those of one thing in their order.
#[derive(Default)]
struct Queue {
    unsent: VecDeque<Unsent>,
}

impl Queue {
    fn has_of_the_same(&self, one: &Unsent) -> bool {
        self.unsent.iter().any(|before| before.is_of_the_same(one))
    }

    /// Puts one behind all others. Where no more may wait, the oldest goes for it: of the same thing, because the later
    /// one is the last word on it, else of all.
    fn put(&mut self, one: Unsent, counts: &EventCounts) {
        self.make_room(&one, counts);
        self.unsent.push_back(one);
    }

    /// Puts what was not taken behind all others but those of the same thing, which stay behind it.
    fn put_back(&mut self, late: Unsent, counts: &EventCounts) {
        self.make_room(&late, counts);
        let all = std::mem::take(&mut self.unsent).into_iter();
        let (after, before): (Vec<_>, Vec<_>) = all.partition(|one| one.is_of_the_same(&late));
        self.unsent.extend(before.into_iter().chain([late]).chain(after));
    }

    fn make_room(&mut self, one: &Unsent, counts: &EventCounts) {
        if self.unsent.len() < WAITING {
            return;
        }
        let oldest = self.unsent.iter().position(|before| before.is_of_the_same(one));
        self.unsent.remove(oldest.unwrap_or(0));
        counts.lose(Lost::Crowded);
    }
}

/// Sends events, and again those that the API server did not take, one every `look`, the next at once where it was
/// taken. What comes meanwhile of the same thing waits behind them; what is of another does not, for it may be in a
/// namespace that takes it.
pub(super) async fn keep_sending(
    client: &Client,
    name: &str,
    mut waiting: mpsc::Receiver<Event>,
    look: Duration,
    counts: &EventCounts,
) {
    let (mut recorder, mut queue) = (Recorder::new(client, name), Queue::default());
    // When the first of the queue is tried: however many others come until then.
    let mut next = Instant::now();
    loop {
        let (one, has_waited) = tokio::select! {
            biased;
            () = sleep_until(next), if !queue.unsent.is_empty() => {
                (queue.unsent.pop_front().expect("there is one: it was looked at"), true)
            }
            event = waiting.recv() => {
                let Some(event) = event else { return };
                let one = Unsent { event, since: Instant::now(), is_first: true };
                if queue.has_of_the_same(&one) {
                    queue.put(one, counts);
                    continue;
                }
                (one, false)
            }
        };
        let told = recorder.record(&one.event, one.is_first).await;
        if has_waited || queue.unsent.is_empty() {
            next = Instant::now() + if told == Told::Later { look } else { Duration::ZERO };
        }
        match told {
            Told::Later if one.since.elapsed() < STALE => {
                queue.put_back(Unsent { is_first: false, ..one }, counts);
            }
            Told::Later => counts.lose(Lost::Stale),
            Told::Lost(why) => counts.lose(why),
            Told::Taken => counts.tell(one.event.reason),
            Told::Same => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::StatusCode;
    use serde_json::Value;
    use tokio::time::sleep;

    use super::super::events::{About, OPPOSITES};
    use super::super::served::client;
    use super::*;

    fn event(reason: &'static str, which: &str) -> Event {
        let message = format!("{reason} {which}");
        Event { about: About::Node, warning: true, reason, which: which.into(), message }
    }

    /// An API server that refuses `refused` times what it is told first, and tells `told` what it took.
    async fn server(told: mpsc::Sender<String>, refused: usize) -> (Client, tempfile::TempDir) {
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
        client(Router::new().fallback(answer)).await
    }

    /// Sends `events` to a server that refuses `refused` times what it is told first; answers the messages in
    /// the order in which it took them.
    async fn taken(events: &[Event], refused: usize) -> Vec<String> {
        let (told, mut tells) = mpsc::channel(WAITING);
        let (client, _account) = server(told, refused).await;
        let (sender, waiting) = mpsc::channel(WAITING);
        for event in events {
            sender.try_send(event.clone()).unwrap();
        }
        let (mut all, counts) = (Vec::new(), EventCounts::default());
        let hear = async {
            while all.len() < events.len() {
                all.push(tells.recv().await.unwrap());
            }
            while counts.told().values().sum::<u64>() < events.len() as u64 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let sending = keep_sending(&client, "n", waiting, Duration::from_millis(10), &counts);
        tokio::select! {
            () = hear => {}
            () = sending => {}
            () = sleep(Duration::from_secs(20)) => {}
        }
        assert_eq!(counts.told().values().sum::<u64>(), events.len() as u64);
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

    #[tokio::test]
    async fn an_event_that_waits_is_tried_again_however_many_of_other_things_come() {
        let (told, mut tells) = mpsc::channel(WAITING);
        let (client, _account) = server(told, 1).await;
        let (sender, waiting) = mpsc::channel(WAITING);
        let (look, counts) = (Duration::from_millis(50), EventCounts::default());
        let come = async {
            for number in 0..200 {
                // What is of one thing again is left out as the same: it costs the burst nothing.
                let which = if number == 0 { "0" } else { "1" };
                sender.send(event("GPUUnhealthy", which)).await.unwrap();
                sleep(look / 5).await;
            }
        };
        let hear = async { while tells.recv().await.unwrap() != "GPUUnhealthy 0" {} };
        tokio::select! {
            () = keep_sending(&client, "n", waiting, look, &counts) => unreachable!(),
            () = come => panic!("it still waits"),
            () = hear => {}
        }
    }

    fn of_pod(pod: usize, reason: &'static str, message: String) -> Event {
        let about = About::Pod("team".into(), format!("pod-{pod}"), Some(pod.to_string()));
        Event { about, warning: true, reason, which: String::new(), message }
    }

    /// Whether the server is told the last of `events`, which come as fast as they can, within some time.
    async fn is_last_told(events: Vec<Event>) -> bool {
        let (told, mut tells) = mpsc::channel(2 * events.len());
        let (client, _account) = server(told, 0).await;
        let (sender, waiting) = mpsc::channel(WAITING);
        let last = events.last().unwrap().message.clone();
        let come = async {
            for event in events {
                sender.send(event).await.unwrap();
            }
            while tells.recv().await.unwrap() != last {}
        };
        let counts = EventCounts::default();
        tokio::select! {
            () = keep_sending(&client, "n", waiting, Duration::from_millis(10), &counts) => unreachable!(),
            () = come => true,
            () = sleep(Duration::from_secs(20)) => false,
        }
    }

    /// What 25 pods' annotations were refused for, each time another.
    fn noise() -> Vec<Event> {
        let one = |n: usize| of_pod(n % 25, "GPUAnnotationRefused", format!("refused {n}"));
        (0..100).map(one).collect()
    }

    #[tokio::test]
    async fn however_much_is_told_of_pods_the_nodes_own_word_is_told() {
        let mut events = noise();
        events.push(event("GPUUnhealthy", "0"));
        assert!(is_last_told(events).await);
    }

    #[tokio::test]
    async fn however_much_is_refused_to_pods_a_finding_is_told_also_on_one_of_them() {
        for found in ["GPUUseUncounted", "GPURuntimeRefused"] {
            let mut events = noise();
            events.push(of_pod(0, found, "found".into()));
            assert!(is_last_told(events).await, "{found}");
        }
    }

    #[tokio::test]
    async fn one_pod_of_which_much_is_found_does_not_silence_what_is_found_of_others() {
        let one = |n: usize| of_pod(0, "GPUUseUncounted", format!("process {n}"));
        let mut events: Vec<_> = (0..100).map(one).collect();
        events.push(of_pod(1, "GPUUseUncounted", "found".into()));
        assert!(is_last_told(events).await);
    }

    #[tokio::test]
    async fn what_the_node_says_of_itself_waits_for_room_and_is_not_left_out() {
        let one = |n: usize| event("GPUUnhealthy", &n.to_string());
        let (told, _tells) = mpsc::channel(WAITING);
        let (client, _account) = server(told, 0).await;
        let mut recorder = Recorder::new(&client, "n");
        let mut late = 0;
        for n in 0..100 {
            match recorder.record(&one(n), true).await {
                Told::Taken => {}
                Told::Later => late += 1,
                other => panic!("{n}: {other:?}"),
            }
        }
        assert!(late > 0, "a node says as much as it likes");
    }

    #[test]
    fn of_more_than_may_wait_the_oldest_of_the_same_thing_goes() {
        let (mut queue, counts) = (Queue::default(), EventCounts::default());
        let one = |reason, which: &str, number: usize| Unsent {
            event: Event { message: number.to_string(), ..event(reason, which) },
            since: Instant::now(),
            is_first: false,
        };
        queue.put(one("GPUUnhealthy", "0", 0), &counts);
        (1..WAITING).for_each(|number| queue.put(one("GPUHealthy", "1", number), &counts));
        assert_eq!(counts.lost(), [].into());
        queue.put(one("GPUHealthy", "1", WAITING), &counts);
        queue.put(one("GPUHealthy", "2", WAITING + 1), &counts);
        let number = |one: &Unsent| one.event.message.parse::<usize>().unwrap();
        let numbers: Vec<_> = queue.unsent.iter().map(number).collect();
        // The first of "1" goes for another of it, and the first of all for one of which none waits.
        assert_eq!(numbers, (2..=WAITING + 1).collect::<Vec<_>>());
        assert_eq!(counts.lost(), [("crowded", 2)].into());
    }
}
