//! What the API server says of the node's kubelet and runtime: whether they have CDI.

use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, Body, Client};
use serde_json::Value;
use tokio::time::sleep;
use tracing::warn;

use crate::injection::Software;
use crate::node::Node;

/// How often it is asked for until it is told.
const SOON: Duration = Duration::from_secs(2);
/// How often afterwards: both can be upgraded under the agent.
const LATER: Duration = Duration::from_secs(60);

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
        sleep(if known { LATER } else { SOON }).await;
    }
}

async fn ask(client: &Client, name: &str) -> Result<Option<Software>, ApiError> {
    let node = client.call(Method::GET, &format!("/api/v1/nodes/{name}"), Body::None).await?;
    Ok(of(&node))
}

fn of(node: &Value) -> Option<Software> {
    let info = &node["status"]["nodeInfo"];
    let word = |key: &str| Some(info[key].as_str()?.to_owned());
    Some(Software { kubelet: word("kubeletVersion")?, runtime: word("containerRuntimeVersion")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
