//! Evicts pods that the audit finds, where the administrator wants that. By the Eviction API, so that
//! disruption budgets are kept: what they refuse is asked again as long as the finding stands.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Pods, events::About, events::Event};
use crate::audit::{Finding, Kind};
use crate::config::{Audit, Eviction};
use kube_api::{ApiError, Body, Client};

/// Until a refused eviction is asked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// The pods that were to be evicted, by uid, and when to ask again.
#[derive(Default)]
pub(super) struct Evictor {
    next: BTreeMap<String, Option<Instant>>,
}

impl Evictor {
    /// Evicts whom `findings` and `policy` say. Answers what is to be told of it.
    pub(super) async fn look(
        &mut self,
        client: &Client,
        findings: &[Finding],
        policy: &Audit,
        pods: &Pods,
    ) -> Vec<Event> {
        self.next.retain(|uid, _| pods.contains_key(uid));
        let mut events = Vec::new();
        for finding in findings.iter().filter(|finding| wants(policy, finding.kind)) {
            let Some((uid, namespace, name)) = pod(finding, pods) else { continue };
            let due = self
                .next
                .get(&uid)
                .is_none_or(|next| next.is_some_and(|next| Instant::now() > next));
            if !due {
                continue;
            }
            let evicted = evict(client, &uid, &namespace, &name).await;
            let (next, told) = outcome(evicted);
            self.next.insert(uid.clone(), next);
            info!(namespace, pod = name, %finding, told, "eviction");
            let message = format!("{told}: {finding}");
            let about = About::Pod(namespace, name, Some(uid));
            let (reason, which) = ("GPUEviction", String::new());
            events.push(Event { about, warning: true, reason, which, message });
        }
        events
    }
}

/// When to ask again, and what to say.
fn outcome(evicted: Result<(), ApiError>) -> (Option<Instant>, String) {
    let later = |after: Option<Duration>| Some(Instant::now() + after.unwrap_or(AGAIN));
    match evicted {
        Ok(()) => (None, "evicted".into()),
        Err(ApiError::Refused { code: 404 | 409, .. }) => (None, "it is gone already".into()),
        Err(ApiError::Refused { code: 429, after, message }) => {
            (later(after), format!("to be evicted when its disruption budget allows ({message})"))
        }
        Err(error) => {
            warn!(%error, "an eviction failed");
            (later(None), format!("to be evicted, trying again ({error})"))
        }
    }
}

async fn evict(client: &Client, uid: &str, namespace: &str, name: &str) -> Result<(), ApiError> {
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        // Its successor of the same name has done nothing.
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    client.call(Method::POST, &path, Body::Json(&body)).await.map(drop)
}

fn wants(policy: &Audit, kind: Kind) -> bool {
    let eviction = match kind {
        Kind::Uncounted => policy.without_slot,
        Kind::NotGiven | Kind::Outlived => policy.not_given,
        Kind::Above => policy.above_share,
        // What the driver says of time is rough. A ledger that cannot be read is told of; what its
        // container takes of the GPU is uncounted.
        Kind::Outside | Kind::Untold | Kind::Unreadable => Eviction::Never,
    };
    eviction == Eviction::Evict
}

/// The pod's uid, namespace and name, if it is known and still there.
pub(super) fn pod(finding: &Finding, pods: &Pods) -> Option<(String, String, String)> {
    let its = |uid: &str| {
        let pod = pods.get(uid)?;
        Some((uid.to_owned(), pod.namespace.clone(), pod.name.clone()))
    };
    if let Some(uid) = &finding.culprit.place.pod {
        return its(uid);
    }
    let holder = finding.culprit.holder.as_ref()?;
    let same = |pod: &super::Meta| pod.namespace == holder.namespace && pod.name == holder.pod;
    pods.iter().find(|(_, pod)| same(pod)).and_then(|(uid, _)| its(uid))
}
