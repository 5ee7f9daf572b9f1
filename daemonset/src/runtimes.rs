//! Runtimes in which no share can be held: a kernel of their own stands between the container and the
//! node, so that memory, locks and futexes of the allotment's pages are not shared with it, and gVisor
//! runs no createContainer hook. Only the API server tells which runtime a pod is for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::allotment::Holder;
use crate::config::Glob;

/// How long a start waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait.
const WAITING: usize = 64;

/// Which runtime is this pod for?
#[derive(Debug)]
pub struct Question {
    /// The pod.
    pub holder: Holder,
    /// Takes the handler; `None` for the node's usual runtime.
    pub answer: oneshot::Sender<Option<String>>,
}

/// Where to ask, once there is an API server.
#[derive(Debug, Default)]
pub struct Runtimes(Mutex<Option<mpsc::Sender<Question>>>);

impl Runtimes {
    /// From now on there is somebody to ask.
    pub fn ask_here(&self) -> mpsc::Receiver<Question> {
        let (sender, questions) = mpsc::channel(WAITING);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        questions
    }

    /// The handler of the pod's runtime, if one of `refused` matches it. Without an answer in time, or
    /// without anybody to ask, the start goes on.
    pub async fn refused(&self, holder: &Holder, refused: &[Glob]) -> Option<String> {
        let (answer, told) = oneshot::channel();
        let question = Question { holder: holder.clone(), answer };
        {
            let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sender.as_ref()?.try_send(question).ok()?;
        }
        let handler = tokio::time::timeout(PATIENCE, told).await.ok()?.ok()??;
        refused.iter().any(|glob| glob.matches(&handler)).then_some(handler)
    }
}
