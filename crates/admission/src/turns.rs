//! How many questions are read at a time. Whoever reaches the port may send, and what is sent lies in memory until it is
//! answered: the webhook that runs out of it refuses every pod with a GPU. So few large questions are read at a time,
//! ordinary ones have places of their own, and none may take long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The largest question: as much as API servers take of a client. Objects that ask for GPUs have some KiB. As JSON it can be
/// 70 times as large in memory as in bytes (small maps): eight of these at once, beside 100 ordinary ones, were 240 MB.
pub(crate) const LARGEST_BYTES: usize = 3 << 20;
/// What most questions fit into by far.
const ORDINARY_BYTES: usize = 128 << 10;
/// Of this size at a time: 8 MiB, and some times that while they are understood.
const ORDINARY: usize = 64;
/// Larger ones at a time.
const LARGE: usize = 1;
/// How long a question may wait for its turn, and how long it may take then. The API server waits 10 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// The places.
#[derive(Debug)]
pub(crate) struct Turns {
    ordinary: Semaphore,
    large: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { ordinary: Semaphore::new(ORDINARY), large: Semaphore::new(LARGE) }
    }
}

/// Answers a question when it is its turn.
pub(crate) async fn in_turn(
    State(turns): State<Arc<Turns>>,
    question: Request,
    next: Next,
) -> Response {
    let places = turns.places(question.headers());
    let Ok(Ok(_turn)) = timeout(PATIENCE, places.acquire()).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many questions at once").into_response();
    };
    let answer = timeout(PATIENCE, next.run(question)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

impl Turns {
    /// A body of which no length is told may be as large as any.
    fn places(&self, headers: &HeaderMap) -> &Semaphore {
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        if length.unwrap_or(LARGEST_BYTES) <= ORDINARY_BYTES { &self.ordinary } else { &self.large }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_may_be_large_takes_no_place_of_an_ordinary_question() {
        let turns = Turns::default();
        let places = |length: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(length));
            }
            turns.places(&headers).available_permits()
        };
        let table = [(Some("0"), ORDINARY), (Some("131072"), ORDINARY), (Some("131073"), LARGE)];
        for (length, expected) in table.into_iter().chain([(Some("x"), LARGE), (None, LARGE)]) {
            assert_eq!(places(length), expected, "{length:?}");
        }
    }
}
