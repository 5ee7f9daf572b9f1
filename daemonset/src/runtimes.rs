//! Runtimes in which no share can be held: a kernel of their own stands between the container and the
//! node, so that memory, locks and futexes of the allotment's pages are not shared with it, and gVisor
//! runs no createContainer hook. Only the API server tells which runtime a pod is for.
//!
//! A start does not wait for ever: one that goes on unjudged is counted, and whoever is asked goes on asking.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::AllotmentId;
use tokio::sync::{mpsc, oneshot};

use crate::allotment::{Holder, Record};
use crate::config::Glob;

/// How long a start waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait: more than a node has containers.
const WAITING: usize = 1024;

/// Which runtime is this pod for?
#[derive(Debug)]
pub struct Question {
    /// The pod.
    pub holder: Holder,
    /// Takes the handler; `None` for the node's usual runtime. Nobody takes it once the start went on.
    pub answer: oneshot::Sender<Option<String>>,
}

/// Whether a share can be held in the runtime that its pod is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It can, or there is no API server to ask.
    Fine,
    /// Not in that of this handler.
    Refused(String),
    /// Nobody said in time.
    Unknown,
}

/// Where to ask, once there is an API server.
#[derive(Debug, Default)]
pub struct Runtimes {
    questions: Mutex<Option<mpsc::Sender<Question>>>,
    unknown: AtomicU64,
    /// Shares that started while nobody knew whose they are.
    nameless: Mutex<BTreeSet<AllotmentId>>,
}

impl Runtimes {
    /// From now on there is somebody to ask.
    pub fn ask_here(&self) -> mpsc::Receiver<Question> {
        let (sender, questions) = mpsc::channel(WAITING);
        *self.questions.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        questions
    }

    /// Asks for the pod's runtime, and judges it by the handlers that are `refused`.
    pub async fn judge(&self, holder: &Holder, refused: &[Glob]) -> Verdict {
        let Some(sender) = self.asked().filter(|_| !refused.is_empty()) else {
            return Verdict::Fine;
        };
        let (answer, told) = oneshot::channel();
        let question = Question { holder: holder.clone(), answer };
        let is_asked = sender.try_send(question).is_ok();
        let told = tokio::time::timeout(PATIENCE, told);
        match if is_asked { told.await.ok().and_then(Result::ok) } else { None } {
            Some(Some(handler)) if is_refused(&handler, refused) => Verdict::Refused(handler),
            Some(_) => Verdict::Fine,
            None => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
                Verdict::Unknown
            }
        }
    }

    /// A share starts while nobody knows whose it is: it is judged when that is known.
    pub fn start_nameless(&self, id: AllotmentId, refused: &[Glob]) {
        if self.asked().is_some() && !refused.is_empty() {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            self.nameless().insert(id);
        }
    }

    /// Asks for those that started so and have a name by now; whoever is asked tells of one that should not have.
    /// `records` are all that there are.
    pub fn ask_late(&self, records: impl FnOnce() -> Vec<Record>) {
        let mut nameless = self.nameless();
        let Some(sender) = self.asked().filter(|_| !nameless.is_empty()) else { return };
        let records = records();
        nameless.retain(|id| {
            let record = records.iter().find(|record| record.id == *id);
            let Some(record) = record else { return false };
            let Some(holder) = record.holder.clone() else { return true };
            // Nobody waits for the answer.
            sender.try_send(Question { holder, answer: oneshot::channel().0 }).is_err()
        });
    }

    fn asked(&self) -> Option<mpsc::Sender<Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn nameless(&self) -> MutexGuard<'_, BTreeSet<AllotmentId>> {
        self.nameless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many starts went on although nobody had said in time.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

/// Whether one of `refused` names this handler.
#[must_use]
pub fn is_refused(handler: &str, refused: &[Glob]) -> bool {
    refused.iter().any(|glob| glob.matches(handler))
}
