//! Which runtime a pod is for: its runtime class's handler. Metadata does not tell, so it is asked for
//! when a share starts. Questions do not wait for each other: many shares start at once.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, Body, Client};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::events::{About, Event};
use super::{Events, LOOK};
use crate::allotment::Holder;
use crate::config::Config;
use crate::node::Node;
use crate::runtimes::{Question, is_refused};

/// Pods that are asked for at the same time, while their starts wait.
const AT_ONCE: usize = 16;
/// Of pods that have started unjudged: they keep no start waiting.
const LATE_AT_ONCE: usize = 2;
/// The pause before a pod is asked for again whose start waits.
const SOON: Duration = Duration::from_millis(200);
/// The longest pause before a pod is asked for again.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a class's handler is believed: it cannot be changed, but the class can be made again.
const BELIEVED: Duration = Duration::from_secs(60);

/// Answers for ever.
pub(super) async fn keep_answering(
    client: &Arc<Client>,
    config: &watch::Receiver<Arc<Config>>,
    events: &Events,
    node: &Arc<Node>,
) {
    let mut questions = node.runtimes().ask_here();
    let desk = Desk {
        client: client.clone(),
        config: config.clone(),
        events: events.clone(),
        node: node.clone(),
        calls: Semaphore::new(AT_ONCE),
        late_calls: Semaphore::new(LATE_AT_ONCE),
        late: Mutex::default(),
        handlers: Mutex::default(),
    };
    let desk = Arc::new(desk);
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
    node: Arc<Node>,
    calls: Semaphore,
    late_calls: Semaphore,
    /// Pods that have started unjudged and are asked for still, by namespace and name: one that crashes and starts
    /// again is one.
    late: Mutex<BTreeSet<(String, String)>>,
    /// Of classes that were asked for, and when.
    handlers: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl Desk {
    /// Answers, or says that nobody knows and goes on asking: a share that has started where none can be held
    /// is told of then.
    async fn answer(self: Arc<Self>, Question { holder, answer }: Question) {
        loop {
            match self.handler(&holder, &self.calls).await {
                Ok(handler) => {
                    // Who asked may have stopped waiting.
                    let unheard = answer.send(handler).err();
                    return self.judge_late(&holder, unheard.flatten());
                }
                // The pod is gone.
                Err(error) if error.code() == Some(404) => return,
                // One refused call is no answer while the start waits for another; a right that is not given is one.
                Err(error) if !is_final(&error) && !answer.is_closed() => sleep(SOON).await,
                Err(error) => {
                    drop(answer);
                    self.tell_unknown(&holder, &error);
                    break;
                }
            }
        }
        let pod = (holder.namespace.clone(), holder.pod.clone());
        if self.late().insert(pod.clone()) {
            self.answer_late(&holder).await;
            self.late().remove(&pod);
        }
    }

    /// Asks for as long as the pod holds anything here.
    async fn answer_late(&self, holder: &Holder) {
        let mut pause = LOOK;
        loop {
            sleep(pause).await;
            if !self.holds(holder) {
                return;
            }
            match self.handler(holder, &self.late_calls).await {
                Ok(handler) => return self.judge_late(holder, handler),
                Err(error) if error.code() == Some(404) => return,
                Err(_) => pause = (pause * 2).min(LONGEST),
            }
        }
    }

    fn holds(&self, pod: &Holder) -> bool {
        let is_its = |it: &Holder| (&it.namespace, &it.pod) == (&pod.namespace, &pod.pod);
        self.node.records().iter().any(|record| record.holder.as_ref().is_some_and(is_its))
    }

    fn judge_late(&self, holder: &Holder, handler: Option<String>) {
        let refused = self.config.borrow().refused_runtimes.clone();
        let Some(handler) = handler.filter(|handler| is_refused(handler, &refused)) else { return };
        let message = format!(
            "it has started in the runtime {handler}, in which no share of a GPU can be held, because nobody \
             said so in time: delete the pod"
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
    async fn handler(
        &self,
        holder: &Holder,
        places: &Semaphore,
    ) -> Result<Option<String>, ApiError> {
        let _place = places.acquire().await;
        let pod = format!("/api/v1/namespaces/{}/pods/{}", holder.namespace, holder.pod);
        let pod = self.client.call(Method::GET, &pod, Body::None).await?;
        let Some(class) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
        let known = self.handlers().get(class).cloned();
        if let Some((_, handler)) = known.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return Ok(Some(handler));
        }
        let path = format!("/apis/node.k8s.io/v1/runtimeclasses/{class}");
        let found = match self.client.call(Method::GET, &path, Body::None).await {
            // A class that may not be read is mostly named as its handler.
            Err(error) if matches!(error.code(), Some(403 | 404)) => {
                return Ok(Some(class.to_owned()));
            }
            found => found?,
        };
        let handler = found["handler"].as_str().unwrap_or(class).to_owned();
        self.handlers().insert(class.to_owned(), (Instant::now(), handler.clone()));
        Ok(Some(handler))
    }

    fn late(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handlers(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, String)>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same call is answered the same within a start's patience. A token that has expired is read again.
fn is_final(error: &ApiError) -> bool {
    error.code() == Some(403)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::{Router, routing::get};
    use serde_json::{Value, json};
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::api::{EventCounts, served};
    use crate::node::tests::Bare;
    use crate::runtimes::Verdict;

    /// An API server that answers so each time it is asked for a pod, by turns, and then that it is of the class sandboxed;
    /// and so when it is asked for that, and then that its handler is runsc.
    async fn api(pods: Vec<StatusCode>, classes: Vec<StatusCode>) -> (Client, tempfile::TempDir) {
        let answering = |codes: Vec<StatusCode>, then: Value| {
            let codes = Arc::new(Mutex::new(codes.into_iter()));
            get(move || async move {
                (codes.lock().unwrap().next().unwrap_or(StatusCode::OK), then.to_string())
            })
        };
        let pod = answering(pods, json!({ "spec": { "runtimeClassName": "sandboxed" } }));
        let class = answering(classes, json!({ "handler": "runsc" }));
        let app = Router::new()
            .route("/api/v1/namespaces/{ns}/pods/{name}", pod)
            .route("/apis/node.k8s.io/v1/runtimeclasses/{name}", class);
        served::client(app).await
    }

    #[tokio::test]
    async fn a_pod_that_starts_again_and_again_is_asked_for_by_one_and_only_while_it_holds_anything()
     {
        let (client, _account) = api(vec![StatusCode::FORBIDDEN; 1000], Vec::new()).await;
        let (bare, (sender, mut told)) = (Bare::new(), mpsc::channel(64));
        let desk = Arc::new(Desk {
            client: Arc::new(client),
            config: bare.config.subscribe(),
            events: Events { sender, counts: Arc::new(EventCounts::default()) },
            node: bare.node.clone(),
            calls: Semaphore::new(AT_ONCE),
            late_calls: Semaphore::new(LATE_AT_ONCE),
            late: Mutex::default(),
            handlers: Mutex::default(),
        });
        let holder = Holder { namespace: "team".into(), pod: "a".into(), container: None };
        let mut asking = JoinSet::new();
        for _ in 0..10 {
            // Each start has gone on without an answer.
            let question = Question { holder: holder.clone(), answer: oneshot::channel().0 };
            asking.spawn(desk.clone().answer(question));
        }
        for _ in 0..9 {
            asking.join_next().await.unwrap().unwrap();
        }
        assert_eq!(desk.late().len(), 1);
        assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), 10);
        // It holds nothing by now.
        asking.join_next().await.unwrap().unwrap();
        assert!(asking.is_empty() && desk.late().is_empty());
    }

    #[tokio::test]
    async fn one_refused_call_is_no_answer_while_a_start_waits_unless_it_is_for_want_of_a_right() {
        let runsc = || Verdict::Refused("runsc".into());
        let (busy, expired) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::UNAUTHORIZED);
        is_judged_behind([busy, StatusCode::OK], runsc(), 0).await;
        is_judged_behind([expired, StatusCode::OK], runsc(), 0).await;
        is_judged_behind([StatusCode::FORBIDDEN, StatusCode::OK], Verdict::Unknown, 1).await;
        is_judged_behind([StatusCode::OK, busy], runsc(), 0).await;
        is_judged_behind([StatusCode::OK, expired], runsc(), 0).await;
        // The class is taken for its handler.
        is_judged_behind([StatusCode::OK, StatusCode::FORBIDDEN], Verdict::Fine, 0).await;
    }

    /// A start is judged so where the first calls for its pod and for the pod's class are answered by these, and so many
    /// events tell of it.
    async fn is_judged_behind(first: [StatusCode; 2], expected: Verdict, events_told: usize) {
        let [pod, class] = first;
        let (client, _account) = api(vec![pod], vec![class]).await;
        let bare = Bare::new();
        let config = bare.config.subscribe();
        let (sender, mut told) = mpsc::channel(8);
        let events = Events { sender, counts: Arc::new(EventCounts::default()) };
        let (client, node) = (Arc::new(client), bare.node.clone());
        tokio::spawn(async move { keep_answering(&client, &config, &events, &node).await });
        tokio::task::yield_now().await;
        let holder = Holder { namespace: "team".into(), pod: "a".into(), container: None };
        let refused = bare.config.borrow().refused_runtimes.clone();
        let verdict = bare.node.runtimes().judge(&holder, &refused).await;
        assert_eq!(verdict, expected, "{first:?}");
        tokio::task::yield_now().await;
        let told = std::iter::from_fn(|| told.try_recv().ok());
        let of_that = told.filter(|event| event.reason == "GPURuntimeUnknown");
        assert_eq!(of_that.count(), events_told, "{first:?}");
    }
}
