//! Publishes what is free of each GPU for the scheduler's extender: one annotation of a Lease, written
//! when something changed. Without it the node serves all the same; nothing is read back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use contract::Domain;
use kube_api::{ApiError, Body, Client};
use published::{LEASE_PREFIX, annotation};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::again::Again;
use super::free::published;
use crate::config::Config;
use crate::node::Node;

/// Changes that come together are written together.
const GATHER: Duration = Duration::from_millis(200);
/// A Lease that somebody removed is back after so long. Where nothing changed the API server writes
/// nothing.
const AGAIN: Duration = Duration::from_secs(300);
/// The longest between two tries: the scheduler goes by what was published before.
const SELDOM: Duration = Duration::from_secs(10);

/// Publishes for as long as the agent lives; `is` says the uid of the node's object, once that is known. The Lease goes
/// with that, and so with one that was deleted and made again.
pub(super) async fn keep_published(
    client: &Client,
    (namespace, name): (&str, &str),
    node: &Node,
    config: &watch::Receiver<Arc<Config>>,
    mut is: watch::Receiver<Option<String>>,
) {
    let (mut inventory, mut held, mut pods) =
        (node.watch(), node.watch_allotted(), node.pods().subscribe());
    let (mut config, mut told, mut again) = (config.clone(), String::new(), Again::new(SELDOM));
    let mut owner = None;
    loop {
        let settings = config.borrow_and_update().clone();
        let (gpus, known) =
            (inventory.borrow_and_update().clone(), pods.borrow_and_update().clone());
        held.mark_unchanged();
        let all = [node.records(), node.idle()].concat();
        let text = published(&gpus, &all, &node.taken(), &known, settings.mig.strategy).text();
        let Ok(domain) = Domain::parse(settings.domain.as_str()) else { return };
        let uid = is.borrow_and_update().clone().or_else(|| owner.clone());
        if text != told || uid != owner {
            told.clear();
            let lease = Lease { namespace, name, annotation: annotation(domain), text, uid };
            match lease.write(client).await {
                Ok(()) => {
                    (told, owner) = (lease.text, lease.uid);
                    again.done();
                }
                Err(error) => {
                    let (is_news, pause) = again.failed(&error);
                    if is_news {
                        warn!(%error, "what is free of the GPUs is not published, trying again");
                    }
                    sleep(pause).await;
                    continue;
                }
            }
        }
        let changed = async {
            tokio::select! {
                changed = inventory.changed() => changed.is_ok(),
                changed = held.changed() => changed.is_ok(),
                changed = pods.changed() => changed.is_ok(),
                changed = config.changed() => changed.is_ok(),
                changed = is.changed() => changed.is_ok(),
            }
        };
        match timeout(AGAIN, changed).await {
            Ok(false) => return,
            Ok(true) => sleep(GATHER).await,
            Err(_) => told.clear(),
        }
    }
}

struct Lease<'a> {
    namespace: &'a str,
    name: &'a str,
    annotation: String,
    text: String,
    /// The uid of the node's object, where that is known.
    uid: Option<String>,
}

impl Lease<'_> {
    async fn write(&self, client: &Client) -> Result<(), ApiError> {
        let all = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace);
        let lease = format!("{LEASE_PREFIX}{}", self.name);
        let annotations = json!({ &*self.annotation: self.text });
        let said = json!({ "metadata": { "annotations": annotations } });
        let mut patch = said.clone();
        if let Some(uid) = &self.uid {
            patch["metadata"]["ownerReferences"] = json!([self.owner(uid)]);
        }
        let path = format!("{all}/{lease}");
        let patched = client.call(Method::PATCH, &path, Body::Merge(&patch)).await;
        match patched {
            // Some clusters let nobody exchange an owner who may not delete: it is made anew once it is collected.
            Err(error) if error.code() == Some(403) && patch != said => {
                client.call(Method::PATCH, &path, Body::Merge(&said)).await.map(drop)
            }
            Err(error) if error.code() == Some(404) => {
                let body = self.body(client, &lease, annotations).await?;
                client.call(Method::POST, &all, Body::Json(&body)).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    fn owner(&self, uid: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "Node", "name": self.name, "uid": uid })
    }

    /// It goes with its node.
    async fn body(
        &self,
        client: &Client,
        lease: &str,
        annotations: Value,
    ) -> Result<Value, ApiError> {
        let path = format!("/api/v1/nodes/{}", self.name);
        let uid = match &self.uid {
            Some(uid) => uid.clone(),
            None => {
                let node = client.call(Method::GET, &path, Body::None).await?;
                node["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
            }
        };
        Ok(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": lease, "namespace": self.namespace, "annotations": annotations,
                          "ownerReferences": [self.owner(&uid)] },
            "spec": { "holderIdentity": self.name },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Answers of a scripted API server to what was asked of it, each with its status.
    async fn peer(answers: [(u16, &'static str); 4]) -> (Client, Arc<Mutex<Vec<(String, Value)>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let answer = async move |request: axum::extract::Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let line = format!("{} {}", parts.method, parts.uri.path());
            let mut noted = noted.lock().unwrap();
            let (status, said) = answers[noted.len()];
            noted.push((line, serde_json::from_slice(&body).unwrap_or_default()));
            (axum::http::StatusCode::from_u16(status).unwrap(), said)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("ca.crt"), "").unwrap();
        (Client::new(&base, account.path(), "test").unwrap(), asked)
    }

    #[tokio::test]
    async fn a_lease_is_made_where_there_is_none_and_goes_with_its_node() {
        let node = r#"{ "metadata": { "uid": "node-uid" } }"#;
        let (client, asked) = peer([(404, "{}"), (200, node), (201, "{}"), (200, "{}")]).await;
        let annotation = "example.com/gpus".to_owned();
        let text = "what".to_owned();
        let lease = Lease { namespace: "system", name: "n1", annotation, text, uid: None };
        lease.write(&client).await.unwrap();
        lease.write(&client).await.unwrap();
        let asked = asked.lock().unwrap();
        let leases = "/apis/coordination.k8s.io/v1/namespaces/system/leases";
        let lines: Vec<_> = asked.iter().map(|(line, _)| line.as_str()).collect();
        let patch = format!("PATCH {leases}/gpus-n1");
        assert_eq!(lines, [&*patch, "GET /api/v1/nodes/n1", &*format!("POST {leases}"), &*patch]);
        let made = &asked[2].1["metadata"];
        assert_eq!(made["ownerReferences"][0]["uid"], "node-uid");
        assert_eq!(made["annotations"]["example.com/gpus"], "what");
        let said = json!({ "metadata": { "annotations": { "example.com/gpus": "what" } } });
        assert_eq!(asked[3].1, said);
    }

    #[tokio::test]
    async fn the_lease_of_a_node_that_was_made_again_goes_with_that() {
        let (client, asked) = peer([(200, "{}"), (200, "{}"), (403, "{}"), (200, "{}")]).await;
        let bare = crate::node::tests::Bare::new();
        let (config, (is, uid)) = (bare.config.subscribe(), watch::channel(None));
        let publishing = keep_published(&client, ("system", "n1"), &bare.node, &config, uid);
        let scripted = async {
            for (count, next) in [(1, Some("first")), (2, None), (2, Some("second")), (4, None)] {
                while asked.lock().unwrap().len() < count {
                    sleep(Duration::from_millis(2)).await;
                }
                is.send_replace(next.map(str::to_owned));
            }
        };
        tokio::select! {
            () = publishing => panic!("it ends"),
            () = scripted => {}
        }
        let asked = asked.lock().unwrap();
        let owners =
            asked.iter().map(|(_, body)| body["metadata"]["ownerReferences"][0]["uid"].clone());
        let expected = [Value::Null, "first".into(), "second".into(), Value::Null];
        assert_eq!(owners.collect::<Vec<_>>(), expected);
    }
}
