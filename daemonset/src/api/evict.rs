//! Evicts pods that the audit finds, where the administrator wants that. By the Eviction API, so that
//! disruption budgets are kept: what they refuse is asked again as long as the finding stands.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{MIRROR_OF, Pods, events::About, events::Event, pod_of};
use crate::audit::{Finding, Kind};
use crate::config::{Audit, Eviction};
use kube_api::{ApiError, Body, Client};

/// Until a refused eviction is asked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// What is said of one that no API server can evict.
const STATIC: &str = "a static pod, which ends when its manifest is taken from its node";

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
            // Its kubelet would make the mirror anew, and not stop the pod.
            let is_static =
                pods.get(&uid).is_some_and(|pod| pod.annotations.contains_key(MIRROR_OF));
            let (next, told) = match is_static {
                true => (None, STATIC.into()),
                false => outcome(evict(client, &uid, &namespace, &name).await),
            };
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

/// The uid, namespace and name of the pod that does it, if the API server knows it. By its uid alone: its successor of
/// the same name has done nothing.
pub(super) fn pod(finding: &Finding, pods: &Pods) -> Option<(String, String, String)> {
    let uid = finding.culprit.place.pod.as_ref().or(finding.pod_uid.as_ref())?;
    let pod = pod_of(pods, uid)?;
    Some((pod.uid.clone(), pod.namespace.clone(), pod.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::Holder;
    use crate::audit::Culprit;
    use crate::inventory::tests::uuid;

    fn finding(pod_uid: Option<&str>) -> Finding {
        let holder = Holder { namespace: "team".into(), pod: "web-0".into(), container: None };
        Finding {
            kind: Kind::Above,
            gpu: uuid(0),
            culprit: Culprit { holder: Some(holder), ..Culprit::default() },
            processes: Vec::new(),
            bytes: 0,
            limit: None,
            why: String::new(),
            pod_uid: pod_uid.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn a_static_pod_is_told_of_once_and_its_mirror_is_left_alone() {
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("ca.crt"), "").unwrap();
        let client = Client::new("http://127.0.0.1:9", account.path(), "test").unwrap();
        let meta = json!({ "uid": "mirror", "name": "web-0", "namespace": "team",
                           "annotations": { MIRROR_OF: "static" } });
        let pods = Pods::from([("mirror".to_owned(), serde_json::from_value(meta).unwrap())]);
        let policy = Audit { above_share: Eviction::Evict, ..Audit::default() };
        let mut evictor = Evictor::default();
        let findings = [finding(Some("static"))];
        let told = evictor.look(&client, &findings, &policy, &pods).await;
        assert!(told.len() == 1 && told[0].message.starts_with(STATIC), "{}", told[0].message);
        assert_eq!(evictor.look(&client, &findings, &policy, &pods).await.len(), 0);
    }

    #[test]
    fn a_pods_successor_of_the_same_name_is_not_taken_for_it() {
        let meta = json!({ "uid": "new", "name": "web-0", "namespace": "team" });
        let pods = Pods::from([("new".to_owned(), serde_json::from_value(meta).unwrap())]);
        for (pod_uid, known) in [(Some("old"), false), (None, false), (Some("new"), true)] {
            assert_eq!(pod(&finding(pod_uid), &pods).is_some(), known, "{pod_uid:?}");
        }
    }
}
