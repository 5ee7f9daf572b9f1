//! Which runtime a pod is for: its runtime class's handler. Metadata does not tell, so it is asked for
//! when a share starts. Questions do not wait for each other: many shares start at once.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, Body, Client};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::events::{About, Event};
use super::{Events, LOOK};
use crate::allotment::Holder;
use crate::config::Config;
use crate::runtimes::{Question, is_refused};

/// Pods that are asked for at the same time.
const AT_ONCE: usize = 16;
/// The longest pause before a pod is asked for again.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a class's handler is believed: it cannot be changed, but the class can be made again.
const BELIEVED: Duration = Duration::from_secs(60);

/// Answers for ever.
pub(super) async fn keep_answering(
    client: &Arc<Client>,
    config: &watch::Receiver<Arc<Config>>,
    events: &Events,
    mut questions: mpsc::Receiver<Question>,
) {
    let (calls, handlers) = (Semaphore::new(AT_ONCE), Mutex::default());
    let (client, config, events) = (client.clone(), config.clone(), events.clone());
    let desk = Arc::new(Desk { client, config, events, calls, handlers });
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            Some(question) = questions.recv() => drop(answering.spawn(desk.clone().answer(question))),
            Some(answered) = answering.join_next() => {
                if let Err(Ok(panic)) = answered.map_err(tokio::task::JoinError::try_into_panic) {
                    resume_unwind(panic);
                }
            }
            // Only the end of the agent ends the questions.
            else => std::future::pending().await,
        }
    }
}

struct Desk {
    client: Arc<Client>,
    config: watch::Receiver<Arc<Config>>,
    events: Events,
    calls: Semaphore,
    /// Of classes that were asked for, and when.
    handlers: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl Desk {
    /// Answers, or says that nobody knows and goes on asking: a share that has started where none can be held
    /// is told of then.
    async fn answer(self: Arc<Self>, Question { holder, answer }: Question) {
        let (mut asker, mut pause) = (Some(answer), LOOK);
        loop {
            match self.handler(&holder).await {
                Ok(handler) => {
                    // Who asked may have stopped waiting.
                    let unheard = match asker.take() {
                        Some(asker) => asker.send(handler).err(),
                        None => Some(handler),
                    };
                    return self.judge_late(&holder, unheard.flatten());
                }
                // The pod is gone.
                Err(error) if error.code() == Some(404) => return,
                Err(error) => {
                    if asker.take().is_some() {
                        self.tell_unknown(&holder, &error);
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn judge_late(&self, holder: &Holder, handler: Option<String>) {
        let refused = self.config.borrow().refused_runtimes.clone();
        let Some(handler) = handler.filter(|handler| is_refused(handler, &refused)) else { return };
        let message = format!(
            "it has started in the runtime {handler}, in which no share of a GPU can be held, because the API \
             server did not say so in time: delete the pod"
        );
        self.tell(holder, "GPURuntimeRefused", message);
    }

    fn tell_unknown(&self, holder: &Holder, error: &ApiError) {
        let Holder { namespace, pod, .. } = holder;
        warn!(namespace, pod, %error, "not known which runtime the pod is for");
        let message = format!(
            "it is not known whether a share of a GPU can be held in the pod's runtime, and its start goes on: {error}"
        );
        self.tell(holder, "GPURuntimeUnknown", message);
    }

    fn tell(&self, holder: &Holder, reason: &'static str, message: String) {
        let about = About::Pod(holder.namespace.clone(), holder.pod.clone(), None);
        let event = Event { about, warning: true, reason, which: String::new(), message };
        self.events.tell(event);
    }

    /// The handler of a pod's runtime class; `None` for the node's usual runtime.
    async fn handler(&self, holder: &Holder) -> Result<Option<String>, ApiError> {
        let _place = self.calls.acquire().await;
        let pod = format!("/api/v1/namespaces/{}/pods/{}", holder.namespace, holder.pod);
        let pod = self.client.call(Method::GET, &pod, Body::None).await?;
        let Some(class) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
        let known = self.handlers().get(class).cloned();
        if let Some((_, handler)) = known.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return Ok(Some(handler));
        }
        let path = format!("/apis/node.k8s.io/v1/runtimeclasses/{class}");
        // A class that may not be read is mostly named as its handler.
        let found = self.client.call(Method::GET, &path, Body::None).await.unwrap_or_default();
        let handler = found["handler"].as_str().unwrap_or(class).to_owned();
        self.handlers().insert(class.to_owned(), (Instant::now(), handler.clone()));
        Ok(Some(handler))
    }

    fn handlers(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, String)>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
