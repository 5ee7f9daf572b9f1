//! Other plugins that offer the same GPUs. Each would give them out without knowing of the other, so
//! nothing new is given on such a GPU until one of the two is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kubelet::podresources::AllocatableResourcesResponse;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::inventory::Inventory;
use crate::node::Node;
use crate::orders::Orders;

/// How often the kubelet is asked: the answer names every device of the node.
const PAUSE: Duration = Duration::from_secs(30);

/// The resource of another plugin by the UUID of the GPU that it offers too.
pub type Rivals = BTreeMap<String, String>;

/// The rivals in what the kubelet can give out. What is under our own domain is ours: a resource of
/// ours that is offered no more is listed for a while.
#[must_use]
pub fn rivals(list: &AllocatableResourcesResponse, domain: &str, inventory: &Inventory) -> Rivals {
    let is_ours = |name: &str| name.split_once('/').is_some_and(|(prefix, _)| prefix == domain);
    let others = list.devices.iter().filter(|devices| !is_ours(&devices.resource_name));
    let mut rivals = Rivals::new();
    for devices in others {
        for id in &devices.device_ids {
            // NVIDIA's plugin names a GPU by its UUID, and puts something behind it for each replica.
            let uuid = id.split("::").next().and_then(|id| id.parse().ok());
            if let Some(gpu) = uuid.and_then(|uuid| inventory.get(uuid)) {
                rivals.insert(gpu.uuid.to_string(), devices.resource_name.clone());
            }
        }
    }
    rivals
}

/// Looks for rivals until `stop` is true.
pub(crate) async fn keep_watched(
    node: Arc<Node>,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if let Some(found) = node.rivals().await {
            tell(&orders.borrow().rivals, &found);
            orders.send_if_modified(|orders| {
                let news = orders.rivals != found;
                if news {
                    *orders = Arc::new(Orders { rivals: found, ..(**orders).clone() });
                }
                news
            });
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn tell(before: &Rivals, after: &Rivals) {
    for (gpu, resource) in after.iter().filter(|(gpu, _)| !before.contains_key(*gpu)) {
        warn!(gpu, resource, "another plugin offers this GPU as well: remove one of the two");
    }
    for gpu in before.keys().filter(|gpu| !after.contains_key(*gpu)) {
        info!(gpu, "no other plugin offers this GPU any more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;
    use kubelet::podresources::ContainerDevices;

    #[test]
    fn a_gpu_that_another_resource_names_has_a_rival_and_one_of_our_own_names_has_none() {
        let inventory = Inventory::new((0..3).map(|n| gpu(n, Mode::Shared)).collect());
        let devices = |resource: &str, ids: Vec<String>| ContainerDevices {
            resource_name: resource.into(),
            device_ids: ids,
            topology: None,
        };
        let list = AllocatableResourcesResponse {
            devices: vec![
                devices("example.com/gpu-percent", vec![format!("{}::1", uuid(0))]),
                devices("nvidia.com/gpu", vec![format!("{}::3", uuid(1))]),
                devices("other.com/nic", vec!["eth0".into()]),
            ],
            ..Default::default()
        };
        let found = rivals(&list, "example.com", &inventory);
        assert_eq!(found, [(uuid(1).to_string(), "nvidia.com/gpu".to_owned())].into());
        let orders = Orders { rivals: found, ..Orders::default() };
        assert!(orders.cordon(uuid(1)).unwrap().contains("nvidia.com/gpu"));
        assert_eq!(orders.cordon(uuid(0)), None);
    }
}
