//! What kube-scheduler is told: the cluster behind one lock, and what a binding takes. No HTTP.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contract::{Annotation, Domain};
use kube_api::{ApiError, Body, Client, Method};
use published::{Plan, Planned};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::warn;

use crate::answer::{filter, prioritize};
use crate::ask::{BadAsk, Wanted};
use crate::cluster::{Cluster, Moment, Waiting};
use crate::wire::{Args, Binding, Bound, Filtered, Priority};

/// A scheduler that asked nothing for so long may have had another leader beside it.
const SILENT: Duration = Duration::from_secs(5);
/// What was bound later than this ago may not be among the pods that the API server lists.
const SETTLES: Duration = Duration::from_secs(10);
/// kube-scheduler asks about a pod that waits once in five minutes at least. Who was not asked about for longer is
/// another scheduler's by now, or no more.
const WAITS: Duration = Duration::from_secs(360);
/// Pods that were asked about and not yet bound are remembered, at most so many.
const ASKED: usize = 10_000;
/// So often a refused pod and a node are held against each other; who asks for more is told that they fit.
const COMPARED: usize = 50_000;

/// The extender.
pub struct Extender {
    client: Client,
    domain: String,
    start: Instant,
    cluster: Mutex<Cluster>,
    asked: Mutex<HashMap<String, Asked>>,
    /// When the last question came, and whether all nodes were listed once.
    last: Mutex<Option<Instant>>,
    listed: watch::Sender<bool>,
    reminders: AtomicU64,
}

/// A pod that was asked about and is not bound yet.
struct Asked {
    wanted: Wanted,
    /// When no node could take it.
    refused_at: Option<Moment>,
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
    /// The pod cannot be placed.
    #[error(transparent)]
    BadAsk(#[from] BadAsk),
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
            reminders: AtomicU64::new(0),
        }
    }

    /// Which of the nodes can take the pod.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn filter<'a>(&self, args: &'a Args<'_>) -> Result<Filtered<'a>, NoAnswer> {
        self.is_ready().await?;
        let wanted = self.wanted(&args.pod)?;
        let (filtered, now) = {
            let cluster = self.cluster();
            (filter(args, &wanted, &cluster), self.now())
        };
        let uid = args.pod["metadata"]["uid"].as_str().unwrap_or_default();
        let is_refused = filtered.node_names.is_empty() && !wanted.is_nothing();
        self.remember(uid.to_owned(), Asked { wanted, refused_at: is_refused.then_some(now) });
        Ok(filtered)
    }

    /// How well each of the nodes suits.
    #[must_use]
    pub fn prioritize<'a>(&self, args: &'a Args<'_>) -> Vec<Priority<'a>> {
        let wanted = self.wanted(&args.pod).unwrap_or_default();
        prioritize(args, &wanted, &self.cluster())
    }

    /// Takes the room and binds the pod; gives it back where the API server does not bind.
    pub async fn bind(&self, binding: Binding) -> Bound {
        match self.try_bind(&binding).await {
            Ok(()) => Bound::default(),
            Err(error) => Bound { error },
        }
    }

    async fn try_bind(&self, binding: &Binding) -> Result<(), String> {
        let wanted = self.asked(binding).await?;
        let (node, pod) = (&binding.node, &binding.pod_uid);
        let plan = self.cluster().bind(node, pod, &wanted, self.now());
        let plan = plan.map_err(|refused| format!("{node}: {refused}"))?;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/binding",
            binding.pod_namespace, binding.pod_name
        );
        // The API server gives a binding's annotations to the pod.
        let body = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": binding.pod_name, "namespace": binding.pod_namespace, "uid": pod,
                          "annotations": self.annotations(plan) },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let bound = self.client.call(Method::POST, &path, Body::Json(&body)).await;
        match bound {
            Ok(_) => self.cluster().told(node, pod, self.now()),
            // Without an answer it may be bound: the next comparison with the API server tells.
            Err(ApiError::Unreachable(_) | ApiError::Refused { code: 500.., .. }) => {}
            Err(_) => self.cluster().forget(node, pod, self.now()),
        }
        bound.map(drop).map_err(|error| format!("{node}: {error}"))
    }

    /// What tells the node's agent where the shares are meant to lie.
    fn annotations(&self, shares: Vec<Planned>) -> BTreeMap<String, String> {
        if shares.is_empty() {
            return BTreeMap::new();
        }
        let made_at_unix_s =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let plan = Plan { shares, made_at_unix_s };
        BTreeMap::from([(self.plan_name(), plan.to_string())])
    }

    fn plan_name(&self) -> String {
        self.domain().annotation(Annotation::GpuPlan).to_string()
    }

    /// What the pod of a binding wants: from its filter, or, where another leader asked that, from the
    /// API server.
    async fn asked(&self, binding: &Binding) -> Result<Wanted, String> {
        if let Some(known) = lock(&self.asked).remove(&binding.pod_uid) {
            return Ok(known.wanted);
        }
        let path =
            format!("/api/v1/namespaces/{}/pods/{}", binding.pod_namespace, binding.pod_name);
        let pod = self.client.call(Method::GET, &path, Body::None).await;
        let pod = pod.map_err(|error| format!("{path}: {error}"))?;
        self.wanted(&pod).map_err(|error| error.to_string())
    }

    pub(crate) fn wanted(&self, pod: &Value) -> Result<Wanted, BadAsk> {
        Wanted::read(pod, self.domain(), self.cluster().pools())
    }

    fn remember(&self, uid: String, pod: Asked) {
        let mut asked = lock(&self.asked);
        if asked.len() >= ASKED && !asked.contains_key(&uid) {
            // Bindings of those that fit ask the API server instead.
            asked.retain(|_, pod| pod.refused_at.is_some());
        }
        if asked.len() >= ASKED && !asked.contains_key(&uid) {
            asked.clear();
        }
        asked.insert(uid, pod);
    }

    /// A pod ended, bound or not.
    pub(crate) fn end(&self, uid: &str) {
        lock(&self.asked).remove(uid);
        self.cluster().end(uid, self.now());
    }

    /// When a pod was last asked about, if no node could take it.
    pub(crate) fn refused_at(&self, uid: &str) -> Option<Moment> {
        lock(&self.asked).get(uid)?.refused_at
    }

    /// Whether one of these nodes could take a pod now that no node could take when it was last asked about.
    pub(crate) fn would_take(&self, nodes: &HashSet<String>) -> bool {
        let now = self.now();
        let (mut asked, cluster) = (lock(&self.asked), self.cluster());
        asked.retain(|_, pod| pod.refused_at.is_none_or(|at| now < at + WAITS));
        let refused = asked.values().filter(|pod| pod.refused_at.is_some());
        let mut pairs = refused.flat_map(|pod| nodes.iter().map(move |node| (node, &pod.wanted)));
        let fit = |(node, wanted): (&String, &Wanted)| cluster.fit(node, wanted).is_ok();
        pairs.by_ref().take(COMPARED).any(fit) || pairs.next().is_some()
    }

    /// Waits for nothing: says whether all is known that an answer rests on.
    pub(crate) async fn is_ready(&self) -> Result<(), NoAnswer> {
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

    fn waiting(&self, pod: &Value) -> Option<(String, Waiting)> {
        let wanted = self.wanted(pod).ok().filter(|wanted| !wanted.ask.is_empty())?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let plan = pod["metadata"]["annotations"][self.plan_name()].as_str();
        let plan: Plan = plan.and_then(|text| text.parse().ok()).unwrap_or_default();
        let node = text(&pod["spec"]["nodeName"])?;
        Some((text(&pod["metadata"]["uid"])?, Waiting { node, wanted, plan: plan.shares }))
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

    /// kube-scheduler was made to ask again.
    pub(crate) fn reminded(&self) {
        self.reminders.fetch_add(1, Relaxed);
    }

    /// How often kube-scheduler was made to ask again.
    #[must_use]
    pub fn reminders(&self) -> u64 {
        self.reminders.load(Relaxed)
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

#[cfg(test)]
mod tests;

/// A holder that panicked left no half-made state: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
