//! A scripted server: what it answers, and how often it is asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use super::*;

const LISTED: &str = r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#;
const EXPIRED: &str = r#"{"code":410,"message":"too old"}"#;
const EXPIRED_EVENT: &str =
    "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n";
const BOOKMARK: &str =
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}\n";

/// A server that lists nothing and answers each watch so; every request of it that is a list is told of.
fn server(status: &'static str, watch: String) -> (String, Receiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (lists, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (status, body) = match is_watch(&stream) {
                true => (status, &*watch),
                false => {
                    if lists.send(Instant::now()).is_err() {
                        return;
                    }
                    ("200 OK", LISTED)
                }
            };
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: ");
            let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
        }
    });
    (base, told)
}

fn is_watch(stream: &TcpStream) -> bool {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    head.first().is_some_and(|first| first.contains("watch=1"))
}

/// How long it takes until the server was asked for `count` lists.
async fn time_of_lists(base: &str, told: Receiver<Instant>, count: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    let client = Client::new(base, folder.path(), "test").unwrap();
    let lists = tokio::task::spawn_blocking(move || told.iter().take(count).collect::<Vec<_>>());
    tokio::select! {
        () = follow(&client, "/api/v1/pods", "", |_| {}) => unreachable!(),
        lists = lists => {
            let lists = lists.unwrap();
            lists[count - 1].duration_since(lists[0])
        }
    }
}

#[tokio::test]
async fn a_server_that_forgets_at_once_what_it_listed_is_not_asked_in_a_busy_loop() {
    let after_a_word = format!("{BOOKMARK}{EXPIRED_EVENT}");
    let watches = [("410 Gone", EXPIRED), ("200 OK", EXPIRED_EVENT), ("200 OK", &after_a_word)];
    for (status, watch) in watches {
        let (base, told) = server(status, watch.to_owned());
        // One at once, then after pauses of 250 and 500 ms, a quarter less at least.
        let taken = time_of_lists(&base, told, 4).await;
        assert!(taken >= Duration::from_millis(560), "{watch}: {taken:?}");
    }
}

#[test]
fn pauses_grow_to_their_longest_and_vary() {
    let mut pace = Pace::default();
    assert_eq!(pace.forgotten(), None);
    let pauses: Vec<_> = (0..20).map(|_| pace.forgotten().unwrap()).collect();
    let within = |pause: Duration, of: Duration| pause * 4 >= of * 3 && pause * 4 <= of * 5;
    assert!(within(pauses[0], PAUSES.0) && within(pauses[1], PAUSES.0 * 2), "{pauses:?}");
    assert!(pauses[10..].iter().all(|pause| within(*pause, PAUSES.1)), "{pauses:?}");
    assert!(pauses[10..].iter().any(|pause| *pause != pauses[10]), "{pauses:?}");
}
