//! Changes that come in heaps, answered once for each.

use std::time::Duration;

use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio::time::{Instant, sleep_until};

/// Tells of changes some time after they came, with all that came meanwhile.
pub(crate) struct Gathered {
    changes: watch::Receiver<()>,
    time: Duration,
    due: Option<Instant>,
}

impl Gathered {
    /// Of `changes`, so long after the first of a heap.
    pub(crate) const fn new(changes: watch::Receiver<()>, time: Duration) -> Self {
        Self { changes, time, due: None }
    }

    /// Resolves when a heap is due. Where it is dropped before, the heap is due at the same time still: whoever always
    /// has something else to do hears of it too.
    ///
    /// # Errors
    /// Where nobody can change anything any more.
    pub(crate) async fn next(&mut self) -> Result<(), RecvError> {
        let due = match self.due {
            Some(due) => due,
            None => {
                self.changes.changed().await?;
                *self.due.insert(Instant::now() + self.time)
            }
        };
        if Instant::now() < due {
            sleep_until(due).await;
        }
        self.due = None;
        self.changes.mark_unchanged();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_came_meanwhile_is_one_heap() {
        let (sender, changes) = watch::channel(());
        let mut gathered = Gathered::new(changes, Duration::from_millis(20));
        sender.send_replace(());
        let cut = timeout(Duration::from_millis(1), gathered.next()).await;
        sender.send_replace(());
        if cut.is_err() {
            gathered.next().await.unwrap();
        }
        assert_eq!(gathered.changes.has_changed().unwrap(), cut.is_ok());
    }

    #[tokio::test]
    async fn a_heap_is_due_in_time_also_for_who_has_something_else_to_do_all_the_time() {
        let (sender, changes) = watch::channel(());
        let mut gathered = Gathered::new(changes, Duration::from_millis(50));
        sender.send_replace(());
        let mut cuts = 0;
        while timeout(Duration::from_millis(5), gathered.next()).await.is_err() {
            cuts += 1;
            assert!(cuts < 1000, "the time begins anew");
        }
    }
}
