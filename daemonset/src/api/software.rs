//! What the API server says of the node's kubelet and runtime: whether they have CDI.

use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, Body, Client, varied};
use serde_json::Value;
use tokio::time::sleep;
use tracing::warn;

use crate::injection::Software;
use crate::node::Node;

/// How often it is asked for until it is told.
const SOON: Duration = Duration::from_secs(2);
/// How often afterwards, more or less: both can be upgraded under the agent, and all agents of a cluster ask.
const LATER: Duration = Duration::from_secs(300);

/// Keeps what the node knows of its software fresh, for ever.
pub(super) async fn keep_known(client: &Client, name: &str, node: &Node) {
    let mut told = false;
    loop {
        match ask(client, name).await {
            Ok(found) => {
                let known = node.software();
                known.send_if_modified(|known| std::mem::replace(known, found.clone()) != found);
                told = false;
            }
            Err(error) if !told => {
                warn!(%error, "not known whether the node's runtime has CDI, trying again");
                told = true;
            }
            Err(_) => {}
        }
        let known = node.software().borrow().is_some();
        sleep(if known { varied(LATER) } else { SOON }).await;
    }
}

async fn ask(client: &Client, name: &str) -> Result<Option<Software>, ApiError> {
    // Of the server's memory: its store is not to be read for what hardly ever changes.
    let path = format!("/api/v1/nodes/{name}?resourceVersion=0");
    Ok(of(&client.call(Method::GET, &path, Body::None).await?))
}

fn of(node: &Value) -> Option<Software> {
    let info = &node["status"]["nodeInfo"];
    let word = |key: &str| Some(info[key].as_str()?.to_owned());
    Some(Software { kubelet: word("kubeletVersion")?, runtime: word("containerRuntimeVersion")? })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::Uri;
    use axum::routing::get;

    use super::*;
    use crate::api::served::client;
    use serde_json::json;

    #[tokio::test]
    async fn the_servers_memory_is_asked_and_not_its_store() {
        let answer = async |asked: Uri| {
            let info = json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "a://1"});
            let is_of_memory = asked.query() == Some("resourceVersion=0");
            let node = if is_of_memory { json!({"status": {"nodeInfo": info}}) } else { json!({}) };
            node.to_string()
        };
        let app = Router::new().route("/api/v1/nodes/{name}", get(answer));
        let (client, _account) = client(app).await;
        assert!(ask(&client, "n").await.unwrap().is_some());
    }

    #[test]
    fn both_words_are_needed() {
        let node = |info: Value| json!({"status": {"nodeInfo": info}});
        let both =
            json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "cri-o://1.36.0"});
        assert!(of(&node(both)).unwrap().has_cdi());
        assert_eq!(of(&node(json!({"kubeletVersion": "v1.36.2"}))), None);
        assert_eq!(of(&json!({})), None);
    }
}
