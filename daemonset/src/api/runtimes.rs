//! Which runtime a pod is for: its runtime class's handler. Metadata does not tell, so it is asked for
//! when a share starts.

use axum::http::Method;
use kube_api::{ApiError, Body, Client};
use tokio::sync::mpsc;
use tracing::warn;

use crate::allotment::Holder;
use crate::runtimes::Question;

/// Answers for ever. What the server does not tell is no answer.
pub(super) async fn keep_answering(client: &Client, mut questions: mpsc::Receiver<Question>) {
    while let Some(Question { holder, answer }) = questions.recv().await {
        match handler(client, &holder).await {
            // Who asked may have stopped waiting.
            Ok(handler) => drop(answer.send(handler)),
            Err(error) => {
                let Holder { namespace, pod, .. } = &holder;
                warn!(namespace, pod, %error, "not known which runtime the pod is for");
            }
        }
    }
    // Only the end of the agent ends the questions.
    std::future::pending().await
}

/// The handler of a pod's runtime class; `None` for the node's usual runtime.
async fn handler(client: &Client, holder: &Holder) -> Result<Option<String>, ApiError> {
    let pod = format!("/api/v1/namespaces/{}/pods/{}", holder.namespace, holder.pod);
    let pod = client.call(Method::GET, &pod, Body::None).await?;
    let Some(class) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
    let path = format!("/apis/node.k8s.io/v1/runtimeclasses/{class}");
    // A class that may not be read is mostly named as its handler.
    let found = client.call(Method::GET, &path, Body::None).await.unwrap_or_default();
    Ok(Some(found["handler"].as_str().unwrap_or(class).to_owned()))
}
