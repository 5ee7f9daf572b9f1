//! How much of questions is in memory at a time. Whoever reaches the port may send, and what is sent lies in memory until
//! it is answered: the webhook that runs out of it refuses every pod with a GPU. So the bytes of questions that are still
//! coming are counted, and where there is no room who began first goes for who says more: an API server says all at
//! once, and who is slow keeps nobody from being answered. What is large is understood one at a time.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// The largest question: as much as API servers take of a client. Objects that ask for GPUs have some KiB. As JSON it can be
/// 70 times as large in memory as in bytes (small maps): eight of these at once, beside 100 ordinary ones, were 240 MB.
pub(crate) const LARGEST_BYTES: usize = 3 << 20;
/// What most questions fit into by far.
const ORDINARY_BYTES: usize = 128 << 10;
/// Of all questions that are not answered yet.
const ROOM_BYTES: usize = 8 << 20;
/// Larger ones that are understood at a time; of others as many as the server has threads.
const LARGE: usize = 1;
/// How long a question may take to be said, and how long it may wait for its turn then: the API server waits 5 s, as the
/// chart has it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is here of questions, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns {
    coming: Coming,
    large: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { coming: Coming::new(ROOM_BYTES), large: Semaphore::new(LARGE) }
    }
}

/// Answers a question once it was said and it is its turn.
pub(crate) async fn in_turn(
    State(turns): State<Arc<Turns>>,
    question: Request,
    next: Next,
) -> Response {
    let (parts, body) = question.into_parts();
    let said = timeout(PATIENCE, turns.coming.whole(body)).await;
    let (text, mut place) = match said.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT)) {
        Ok(said) => said,
        Err(status) => return status.into_response(),
    };
    let turn = async {
        let is_large = text.len() > ORDINARY_BYTES;
        if is_large { turns.large.acquire().await.ok().map(Some) } else { Some(None) }
    };
    let turn = tokio::select! {
        biased;
        turn = timeout(PATIENCE, turn) => turn.ok().flatten(),
        () = place.lost() => None,
    };
    let Some(_turn) = turn else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many questions at once").into_response();
    };
    next.run(Request::from_parts(parts, Body::from(text))).await
}

/// The questions of which something is here, in the order in which they began.
#[derive(Debug)]
struct Coming {
    room: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    begun: u64,
    questions: BTreeMap<u64, Begun>,
}

/// Who waits for its other end is told when this is dropped.
#[derive(Debug)]
struct Begun {
    bytes: usize,
    _lost: oneshot::Sender<()>,
}

/// The place of one question, until it is dropped or another's.
struct Place<'a> {
    coming: &'a Coming,
    number: u64,
    lost: oneshot::Receiver<()>,
}

impl Coming {
    fn new(room: usize) -> Self {
        Self { room, held: Mutex::default() }
    }

    /// All that a question says.
    async fn whole(&self, mut body: Body) -> Result<(Bytes, Place<'_>), StatusCode> {
        let mut text = Vec::new();
        let mut place = self.begin();
        loop {
            let more = tokio::select! {
                biased;
                more = next(&mut body) => more,
                () = place.lost() => return Err(StatusCode::SERVICE_UNAVAILABLE),
            };
            let Some(more) = more else { return Ok((text.into(), place)) };
            let more = more.map_err(|_| StatusCode::BAD_REQUEST)?;
            if text.len() + more.len() > LARGEST_BYTES {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            if !place.grow(more.len()) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            text.extend_from_slice(&more);
        }
    }

    fn begin(&self) -> Place<'_> {
        let (sender, lost) = oneshot::channel();
        let mut held = self.held();
        held.begun += 1;
        let number = held.begun;
        held.questions.insert(number, Begun { bytes: 0, _lost: sender });
        Place { coming: self, number, lost }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes next; of trailers nothing.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

impl Held {
    fn end(&mut self, number: u64) {
        if let Some(begun) = self.questions.remove(&number) {
            self.bytes -= begun.bytes;
        }
    }
}

impl Place<'_> {
    /// Resolves when the place is another's.
    async fn lost(&mut self) {
        let _ = (&mut self.lost).await;
    }

    /// Takes room for some bytes more, of those who began first where there is no other. Whose place is another's gets none.
    fn grow(&mut self, bytes: usize) -> bool {
        let mut held = self.coming.held();
        let Some(mine) = held.questions.get_mut(&self.number) else { return false };
        mine.bytes += bytes;
        held.bytes += bytes;
        while held.bytes > self.coming.room {
            let others = held.questions.iter().filter(|(number, _)| **number != self.number);
            let Some(first) = others.map(|(number, _)| *number).next() else { break };
            held.end(first);
        }
        true
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.coming.held().end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError::Closed;

    use super::*;

    #[test]
    fn who_began_first_goes_where_there_is_no_room() {
        let coming = Coming::new(10);
        let mut places = [coming.begin(), coming.begin(), coming.begin()];
        let is_lost = |place: &mut Place<'_>| place.lost.try_recv() == Err(Closed);
        let grown = [(1, 5), (0, 5), (2, 3)].map(|(at, bytes)| places[at].grow(bytes));
        assert_eq!(grown, [true; 3]);
        assert_eq!(places.each_mut().map(is_lost), [true, false, false]);
        assert!(!places[0].grow(100));
        assert_eq!(coming.held().bytes, 8, "who was cut off holds nothing");
        assert!(places[1].grow(4));
        assert_eq!(places.each_mut().map(is_lost), [true, false, true], "not for itself");
        drop(places);
        let held = coming.held();
        assert_eq!((held.bytes, held.questions.len()), (0, 0));
    }
}
