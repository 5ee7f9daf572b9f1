//! What the agent sees and says: the audit, and whoever hears of it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::audit::lister::NvmlLister;
use crate::audit::{Audit, Audited, keep_auditing};
use crate::node::Node;

/// News that may wait to be told.
const NEWS: usize = 256;

/// Watches the node and tells of it until `stop` is true.
pub async fn keep_seeing(node: Arc<Node>, stop: watch::Receiver<bool>) {
    let (audited, _) = watch::channel(Arc::new(Audited::default()));
    let (news, _unheard) = mpsc::channel(NEWS);
    let lister = Arc::new(NvmlLister::new(node.nvml()));
    keep_auditing(Audit { node, lister, proc: "/proc".into(), audited, news }, stop).await;
}
