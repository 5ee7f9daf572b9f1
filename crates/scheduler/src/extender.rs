//! What kube-scheduler is told: the cluster behind one lock, and what a binding takes. No HTTP.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::Domain;
use kube_api::{ApiError, Body, Client, Method};
use serde_json::{Value, json};
use share::Policy;
use tokio::sync::watch;
use tracing::warn;

use crate::answer::{self, filter, preempt, prioritize};
use crate::ask::Ask;
use crate::cluster::{Cluster, Moment};
use crate::wire::{Args, Binding, Bound, Filtered, PreemptArgs, Preempted, Priority};

/// A scheduler that asked nothing for so long may have had another leader beside it.
const SILENT: Duration = Duration::from_secs(5);
/// What was bound later than this ago may not be among the pods that the API server lists.
const SETTLES: Duration = Duration::from_secs(10);
/// Pods that were asked about and not yet bound are remembered, at most so many.
const ASKED: usize = 10_000;

/// The extender.
pub struct Extender {
    client: Client,
    domain: String,
    start: Instant,
    cluster: Mutex<Cluster>,
    asked: Mutex<HashMap<String, (Ask, Policy)>>,
    /// When the last question came, and whether all nodes were listed once.
    last: Mutex<Option<Instant>>,
    listed: watch::Sender<bool>,
}

/// Why kube-scheduler gets no answer. It tries again, or goes on without us, as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// What agents publish was not read yet.
    #[error("the GPUs of the nodes were not listed yet")]
    NotListed,
    /// Which pods were bound beside us is not known.
    #[error("cannot list the pods that were bound last: {0}")]
    NotRecalled(ApiError),
}

impl Extender {
    /// An extender that knows nothing yet. The domain is one: [`crate::options`] saw to it.
    #[must_use]
    pub fn new(client: Client, domain: String) -> Self {
        Self {
            client,
            domain,
            start: Instant::now(),
            cluster: Mutex::default(),
            asked: Mutex::default(),
            last: Mutex::default(),
            listed: watch::Sender::new(false),
        }
    }

    /// Which of the nodes can take the pod.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn filter(&self, args: Args) -> Result<Filtered, NoAnswer> {
        self.is_ready().await?;
        let domain = self.domain();
        let uid = args.pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if let Ok(ask) = Ask::read(&args.pod, domain) {
            self.remember(uid, ask, answer::policy(&args.pod, domain));
        }
        Ok(filter(args, &self.cluster(), domain))
    }

    /// How well each of the nodes suits.
    #[must_use]
    pub fn prioritize(&self, args: &Args) -> Vec<Priority> {
        prioritize(args, &self.cluster(), self.domain())
    }

    /// On which nodes eviction helps.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn preempt(&self, args: PreemptArgs) -> Result<Preempted, NoAnswer> {
        self.is_ready().await?;
        Ok(preempt(args, &self.cluster(), self.domain()))
    }

    /// Takes the room and binds the pod; gives it back where the API server does not bind.
    pub async fn bind(&self, binding: Binding) -> Bound {
        match self.try_bind(&binding).await {
            Ok(()) => Bound::default(),
            Err(error) => Bound { error },
        }
    }

    async fn try_bind(&self, binding: &Binding) -> Result<(), String> {
        let (ask, policy) = self.asked(binding).await?;
        let (node, pod) = (&binding.node, &binding.pod_uid);
        self.cluster()
            .bind(node, pod, &ask, policy, self.now())
            .map_err(|refused| format!("{node}: {refused}"))?;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/binding",
            binding.pod_namespace, binding.pod_name
        );
        let body = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": binding.pod_name, "namespace": binding.pod_namespace, "uid": pod },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let bound = self.client.call(Method::POST, &path, Body::Json(&body)).await;
        bound.map(drop).map_err(|error| {
            self.cluster().forget(node, pod);
            format!("{node}: {error}")
        })
    }

    /// What the pod of a binding asks for: from its filter, or, where another leader asked that, from the
    /// API server.
    async fn asked(&self, binding: &Binding) -> Result<(Ask, Policy), String> {
        if let Some(known) = lock(&self.asked).remove(&binding.pod_uid) {
            return Ok(known);
        }
        let path =
            format!("/api/v1/namespaces/{}/pods/{}", binding.pod_namespace, binding.pod_name);
        let pod = self.client.call(Method::GET, &path, Body::None).await;
        let pod = pod.map_err(|error| format!("{path}: {error}"))?;
        let ask = Ask::read(&pod, self.domain()).map_err(|error| error.to_string())?;
        Ok((ask, answer::policy(&pod, self.domain())))
    }

    fn remember(&self, uid: String, ask: Ask, policy: Policy) {
        let mut asked = lock(&self.asked);
        if asked.len() >= ASKED {
            // Its binding asks the API server instead.
            asked.clear();
        }
        asked.insert(uid, (ask, policy));
    }

    /// Waits for nothing: says whether all is known that an answer rests on.
    async fn is_ready(&self) -> Result<(), NoAnswer> {
        if !*self.listed.borrow() {
            return Err(NoAnswer::NotListed);
        }
        let is_silent = lock(&self.last).is_none_or(|last| last.elapsed() > SILENT);
        if is_silent {
            self.recall().await.map_err(NoAnswer::NotRecalled)?;
        }
        *lock(&self.last) = Some(Instant::now());
        Ok(())
    }

    /// Compares what was bound with the pods that are bound and wait for their kubelet.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn recall(&self) -> Result<(), ApiError> {
        let before = self.now().saturating_sub(SETTLES);
        let mut waiting = HashMap::new();
        let mut next = String::new();
        loop {
            let path = format!(
                "/api/v1/pods?fieldSelector=spec.nodeName%21%3D,status.phase%3DPending&limit=500&continue={next}"
            );
            let page = self.client.call(Method::GET, &path, Body::None).await?;
            let pods = page["items"].as_array().into_iter().flatten();
            waiting.extend(pods.filter_map(|pod| self.waiting(pod)));
            match page["metadata"]["continue"].as_str() {
                Some(more) if !more.is_empty() => next = more.to_owned(),
                _ => break,
            }
        }
        self.cluster().recall(waiting, before, self.now());
        Ok(())
    }

    fn waiting(&self, pod: &Value) -> Option<(String, (String, Ask))> {
        let ask = Ask::read(pod, self.domain()).ok().filter(|ask| !ask.is_empty())?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some((text(&pod["metadata"]["uid"])?, (text(&pod["spec"]["nodeName"])?, ask)))
    }

    /// All nodes were listed.
    pub(crate) fn listed(&self) {
        self.listed.send_replace(true);
    }

    /// Whether all nodes were listed once.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        *self.listed.borrow()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The domain of the resources.
    pub(crate) fn domain(&self) -> Domain<'_> {
        Domain::parse(&self.domain).unwrap_or_else(|error| {
            warn!(domain = self.domain, %error, "the default domain serves");
            Domain::default()
        })
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        lock(&self.cluster)
    }

    pub(crate) fn now(&self) -> Moment {
        self.start.elapsed()
    }
}

/// A holder that panicked left no half-made state: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
