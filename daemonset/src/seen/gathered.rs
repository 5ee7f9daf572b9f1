//! What many ask for at once, gathered once for all of them. Whoever asks gets what was gathered after it asked, so
//! nothing is old; a crowd costs no more than one that asks ten times a second.

use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// From the begin of one gathering to that of the next.
const PACE: Duration = Duration::from_millis(100);

/// The last that was gathered, and when that began.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<Option<(Instant, Bytes)>>);

impl Gathered {
    /// The text that `gather` makes, or that it made for another who asked no earlier.
    pub(super) async fn text(&self, gather: impl AsyncFnOnce() -> Option<Bytes>) -> Option<Bytes> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((began, text)) = &*last {
            if *began >= asked {
                return Some(text.clone());
            }
            sleep_until(*began + PACE).await;
        }
        let began = Instant::now();
        let text = gather().await?;
        *last = Some((began, text.clone()));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::sync::{Semaphore, oneshot};
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn a_crowd_is_answered_by_one_gathering_that_began_after_it_asked() {
        let (gathered, gathers) = (Arc::new(Gathered::default()), Arc::new(AtomicU32::new(0)));
        let (begun, begins) = oneshot::channel();
        let open = Arc::new(Semaphore::new(0));
        let (its, door) = (gathered.clone(), open.clone());
        let first = tokio::spawn(async move {
            let gather = async move || {
                begun.send(()).unwrap();
                drop(door.acquire().await.unwrap());
                Some(Bytes::from_static(b"first"))
            };
            its.text(gather).await
        });
        begins.await.unwrap();
        let mut crowd = JoinSet::new();
        for _ in 0..200 {
            let (its, gathers) = (gathered.clone(), gathers.clone());
            let gather = async move || {
                gathers.fetch_add(1, Relaxed);
                Some(Bytes::from_static(b"second"))
            };
            crowd.spawn(async move { its.text(gather).await });
        }
        yield_now().await;
        open.add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), "first");
        let answers = crowd.join_all().await;
        assert!(answers.len() == 200 && answers.iter().flatten().all(|text| text == "second"));
        assert_eq!(gathers.load(Relaxed), 1);
    }
}
