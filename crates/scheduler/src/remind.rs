//! Makes kube-scheduler ask again about pods that were refused what there is room for by now.
//!
//! An extender is only ever asked. kube-scheduler tries its waiting pods again when something changes in the
//! cluster, such as when a pod ends, and then not for five minutes. Both hear of an end by a watch of their
//! own, and where kube-scheduler hears first, it is refused and there is nothing more to hear: the pod waits
//! beside a free GPU. So does one that waits for what only an agent can say: that a GPU is well again, or given
//! out in another mode.
//!
//! What makes kube-scheduler ask is a change of anything that it watches (pkg/scheduler/framework/types.go of
//! Kubernetes 1.36, `UnrollWildCardResource`: what a pod waits for that an extender refused). Of these a
//! CSIStorageCapacity is the one that lies in a namespace, and that nobody acts upon where its storage class
//! does not exist. The chart makes one; here its annotation is changed.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kube_api::{ApiError, Body, Method};
use serde_json::json;
use tracing::{debug, warn};

use crate::extender::Extender;

/// How often it is looked for room, and how long kube-scheduler has to ask by itself: it does where we heard
/// first.
const EVERY: Duration = Duration::from_secs(1);

/// Reminds by the object `name` of the namespace. Never ends.
pub async fn keep_reminding(extender: &Extender, namespace: &str, name: &str) {
    let mut grown = HashSet::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let is_due = !grown.is_empty() && extender.would_take(&grown);
        let before = std::mem::replace(&mut grown, extender.cluster().take_grown());
        if is_due && let Err(error) = remind(extender, namespace, name).await {
            let object = format!("csistoragecapacities/{name} of {namespace}");
            warn!(object, %error, "kube-scheduler cannot be told of room, trying again");
            grown.extend(before);
        }
    }
}

async fn remind(extender: &Extender, namespace: &str, name: &str) -> Result<(), ApiError> {
    let path =
        format!("/apis/storage.k8s.io/v1/namespaces/{namespace}/csistoragecapacities/{name}");
    let key = format!("{}/room-at-unix-ms", extender.domain().as_str());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let patch = json!({ "metadata": { "annotations": { key: now.to_string() } } });
    extender.client().call(Method::PATCH, &path, Body::Merge(&patch)).await?;
    debug!("kube-scheduler was told of room");
    extender.reminded();
    Ok(())
}
