//! Other plugins that offer the same GPUs. Each would give them out without knowing of the other, so
//! nothing new is given on such a GPU until one of the two is gone. What a driver of DRA offers stands at the API server;
//! the kubelet tells which of it pods hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract::{DeviceId, DeviceUuid};
use kubelet::podresources::{AllocatableResourcesResponse, ListPodResourcesResponse};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::allotment::{Held, holders};
use crate::aside::aside;
use crate::durable;
use crate::identity::Identity;
use crate::inventory::{Gpu, Inventory};
use crate::layout::Layout;
use crate::node::Node;
use crate::orders::Orders;

/// How often the kubelet is asked: the answer names every device of the node.
const PAUSE: Duration = Duration::from_secs(30);

/// The longest that an agent waits for the kubelet's word before it registers.
const FIRST: Duration = Duration::from_secs(1);

/// The resource of another plugin by the UUID of the GPU that it offers too.
pub type Rivals = BTreeMap<String, String>;

/// The rivals in what the kubelet can give out. A resource of ours that is offered no more is listed for a while
/// and is no rival's.
#[must_use]
pub fn rivals(list: &AllocatableResourcesResponse, domain: &str, inventory: &Inventory) -> Rivals {
    let of = |(named, resource)| Some((find(named, inventory)?.uuid.to_string(), resource));
    claims(list, domain).filter_map(of).collect()
}

/// The rivals in what pods hold by DRA.
#[must_use]
pub fn claimed(list: &ListPodResourcesResponse, inventory: &Inventory) -> Rivals {
    let of = |(named, driver)| Some((find(named, inventory)?.uuid.to_string(), driver));
    held(list).filter_map(of).collect()
}

/// What pods hold by DRA, as far as it names a GPU or a slice, with the driver that gave it.
fn held(list: &ListPodResourcesResponse) -> impl Iterator<Item = (Named, String)> + '_ {
    let containers = list.pod_resources.iter().flat_map(|pod| &pod.containers);
    let claims = containers.flat_map(|container| &container.dynamic_resources);
    claims.flat_map(|claim| &claim.claim_resources).filter_map(|device| {
        let driver = &device.driver_name;
        Some((named_in_claim(driver, &device.device_name)?, driver.clone()))
    })
}

/// NVIDIA's driver of DRA for GPUs.
const NVIDIA: &str = "gpu.nvidia.com";

/// The GPU of a driver's device. NVIDIA's are `gpu-` and the minor number, with `-mig-` and more for a slice; another's
/// may have the UUID, in small letters as the API server wants them.
fn named_in_claim(driver: &str, device: &str) -> Option<Named> {
    let rest = device.strip_prefix("gpu-")?;
    let minor = || {
        let minor = rest.split('-').next().filter(|_| driver == NVIDIA)?;
        minor.parse().ok().map(Named::Minor)
    };
    named(&format!("GPU-{rest}")).or_else(minor)
}

/// What others offer, as far as it names a GPU or a slice, whether or not the node has one.
fn claims<'a>(
    list: &'a AllocatableResourcesResponse,
    domain: &'a str,
) -> impl Iterator<Item = (Named, String)> + 'a {
    list.devices.iter().flat_map(move |devices| {
        let name = &devices.resource_name;
        let others = devices.device_ids.iter().filter(move |id| !is_ours(name, id, domain));
        let named = others.filter_map(|id| named(id));
        named.map(|named| (named, name.clone()))
    })
}

/// Whether an agent of ours offers, or has offered, such a device under such a name. Others can have resources under
/// our domain, above all where that is `nvidia.com`: parts of GPUs are ours under names for percents, and there
/// nothing else is. A name that two plugins register is the kubelet's for one of them at a time.
fn is_ours(name: &str, id: &str, domain: &str) -> bool {
    let Some((prefix, name)) = name.split_once('/') else { return false };
    prefix == domain
        && id.parse().is_ok_and(|id: DeviceId| {
            matches!(id, DeviceId::Percent(..)) == name.ends_with("-percent")
        })
}

/// What another plugin's device says of its GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named {
    /// Its UUID, or that of a slice.
    Uuid(DeviceUuid),
    /// The number in `/dev/nvidia<minor>`.
    Minor(u32),
}

/// The GPU that another plugin's device is of, as its ID names it. NVIDIA's plugin takes the UUID, with `::` and
/// a number for each replica; HAMi's and Volcano's with `-` and a number; Google's the minor number, as
/// `nvidia0`, with `/` and a part where the GPU is divided or shared.
fn named(id: &str) -> Option<Named> {
    if let Some(minor) = id.strip_prefix("nvidia") {
        return minor.split('/').next()?.parse().ok().map(Named::Minor);
    }
    // Slices of drivers before 470 have the names of their cards: `MIG-GPU-<uuid>/1/0`.
    let id = id.strip_prefix("MIG-").filter(|rest| rest.starts_with("GPU-")).unwrap_or(id);
    let uuid = id.get(..UUID_LEN)?.parse().ok()?;
    let is_longer = id[UUID_LEN..].starts_with(|next: char| next.is_ascii_alphanumeric());
    (!is_longer).then_some(Named::Uuid(uuid))
}

/// Of `GPU-` or `MIG-` and a UUID.
const UUID_LEN: usize = 40;

fn find(named: Named, inventory: &Inventory) -> Option<&Gpu> {
    match named {
        Named::Uuid(uuid) => inventory.get(uuid),
        Named::Minor(minor) => inventory.gpus().iter().find(|gpu| gpu.minor == minor),
    }
}

/// What others offered when an agent started that did not know its cards.
#[derive(Debug)]
pub(crate) struct AtStart {
    /// What was so when the last agent looked.
    known: Rivals,
    claims: Vec<(Named, String)>,
}

/// What an agent that is about to register can know of rivals: what the kubelet says, and what was so when the
/// last agent looked; and what containers hold of ours, which comes with it. It waits for no kubelet that does not answer.
pub(crate) async fn at_start(identity: &Identity, layout: &Layout) -> (AtStart, Vec<Held>) {
    // Without a kubelet that answers there is none to register with either.
    let (offered, pods) =
        tokio::join!(timeout(FIRST, identity.allocatable()), timeout(FIRST, identity.pods()));
    let (offered, pods) = (offered.ok().and_then(Result::ok), pods.ok().and_then(Result::ok));
    let offered = offered.iter().flat_map(|list| claims(list, &identity.domain));
    let claims = offered.chain(pods.iter().flat_map(held)).collect();
    let ours = pods.map(|list| holders(&list, &identity.domain)).unwrap_or_default();
    (AtStart { known: load(&layout.rivals()), claims }, ours)
}

impl AtStart {
    /// The rivals, now that the cards are known. A UUID of none of them is kept: its card may come later.
    pub(crate) fn on(self, inventory: &Inventory, layout: &Layout) -> Rivals {
        let uuid_of = |named| match (find(named, inventory), named) {
            (Some(gpu), _) => Some(gpu.uuid),
            (None, Named::Uuid(uuid)) => Some(uuid),
            (None, Named::Minor(_)) => None,
        };
        let claims = self.claims.into_iter();
        let claimed = claims.filter_map(|(it, of)| Some((uuid_of(it)?.to_string(), of)));
        let found: Rivals = self.known.clone().into_iter().chain(claimed).collect();
        // Before anybody is told what is offered: this agent may be killed before it looks again.
        if found != self.known {
            keep(&layout.rivals(), &found);
        }
        tell(&Rivals::new(), &found);
        found
    }
}

/// Looks for rivals until `stop` is true: again and again, and as soon as there is a card that was not there.
pub(crate) async fn keep_watched(
    node: Arc<Node>,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut inventory, mut fading) = (node.watch(), Rivals::new());
    let mut is_due = true;
    loop {
        let cards = inventory.borrow_and_update().clone();
        if let Some(found) = node.rivals().await {
            let known = orders.borrow().rivals.clone();
            let found = match is_due {
                true => lasting(&known, found, &mut fading),
                // A look between takes nobody's time to come back.
                false => known.clone().into_iter().chain(found).collect(),
            };
            tell(&known, &found);
            if known != found {
                orders.send_modify(|orders| Arc::make_mut(orders).rivals.clone_from(&found));
                let path = node.layout().rivals();
                aside(move || keep(&path, &found)).await;
            }
        }
        is_due = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => true,
            Ok(_) = inventory.wait_for(|now| gains(&cards, now)) => false,
        };
    }
}

/// Whether a card is there that was not. Who names cards by numbers may have named this one long before.
fn gains(before: &Inventory, now: &Inventory) -> bool {
    let is_new = |gpu: &Gpu| before.get(gpu.uuid).is_none_or(|was| was.minor != gpu.minor);
    now.gpus().iter().any(is_new)
}

/// What was `found`, and what of those `known` is missing for the first time: a kubelet that restarts knows no
/// plugin until it registers again, and which comes first is chance.
fn lasting(known: &Rivals, found: Rivals, fading: &mut Rivals) -> Rivals {
    let missing = known.iter().filter(|(gpu, _)| !found.contains_key(*gpu));
    let first: Rivals = missing
        .filter(|(gpu, _)| !fading.contains_key(*gpu))
        .map(|(gpu, of)| (gpu.clone(), of.clone()))
        .collect();
    fading.clone_from(&first);
    found.into_iter().chain(first).collect()
}

fn load(path: &Path) -> Rivals {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn keep(path: &Path, rivals: &Rivals) {
    let text = serde_json::to_vec(rivals).expect("rivals are plain data");
    if let Err(error) = durable::write(path, &text) {
        warn!(%error, "the next agent has to ask for other plugins itself");
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
    use crate::inventory::tests::{divided, gpu, slice, uuid};
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

    #[test]
    fn another_plugin_under_our_own_domain_is_a_rival_by_what_its_devices_are() {
        let inventory =
            Inventory::new(vec![gpu(0, Mode::Shared), divided(1, vec![slice(7, "1g.10gb")])]);
        let slice = inventory.gpus()[1].slices.as_ref().unwrap()[0].uuid;
        let of = |n: u8| uuid(n).to_string();
        let table = [
            ("gpu-percent", format!("{}::99", of(0)), false),
            ("gpu-training-percent", format!("{}::0", of(0)), false),
            ("gpu", of(0), false),
            ("gpu-training", of(0), false),
            ("mig-1g.10gb", slice.to_string(), false),
            ("gpu", slice.to_string(), false),
            // NVIDIA's time-slicing, with its other name and without; HAMi's.
            ("gpu.shared", format!("{}::3", of(0)), true),
            ("gpu", format!("{}::3", of(0)), true),
            ("gpu", format!("{}-3", of(0)), true),
            ("mig-1g.10gb", format!("{slice}::1"), true),
            ("gpu-percent", of(0), true),
        ];
        for (name, id, is_rival) in table {
            let resource_name = format!("nvidia.com/{name}");
            let device =
                ContainerDevices { resource_name, device_ids: vec![id.clone()], topology: None };
            let list = AllocatableResourcesResponse { devices: vec![device], ..Default::default() };
            let found = rivals(&list, "nvidia.com", &inventory);
            assert_eq!(!found.is_empty(), is_rival, "{name} {id}: {found:?}");
        }
    }

    #[test]
    fn a_rival_is_gone_when_two_looks_in_a_row_have_not_found_it() {
        let rival = Rivals::from([("GPU-1".to_owned(), "nvidia.com/gpu".to_owned())]);
        let mut fading = Rivals::new();
        let mut known = Rivals::new();
        for (found, expected) in [(true, true), (false, true), (true, true), (false, true)] {
            let found = if found { rival.clone() } else { Rivals::new() };
            known = lasting(&known, found, &mut fading);
            assert_eq!(!known.is_empty(), expected);
        }
        assert!(lasting(&known, Rivals::new(), &mut fading).is_empty());
    }

    #[test]
    fn only_a_card_that_was_not_there_is_looked_at_before_its_time() {
        let of = |count: u8| Inventory::new((0..count).map(|n| gpu(n, Mode::Shared)).collect());
        assert!(gains(&of(0), &of(1)) && gains(&of(1), &of(2)));
        assert!(!gains(&of(2), &of(2)) && !gains(&of(2), &of(1)));
        let renumbered = Inventory::new(vec![Gpu { minor: 7, ..gpu(0, Mode::Shared) }]);
        assert!(gains(&of(1), &renumbered));
    }

    #[tokio::test]
    async fn what_the_last_agent_found_holds_where_no_kubelet_answers() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        let rivals = Rivals::from([(uuid(1).to_string(), "nvidia.com/gpu".to_owned())]);
        let nobody = Identity::new(folder.path().join("nobody.sock"), "example.com".into());
        let cards = Inventory::default();
        assert!(at_start(&nobody, &layout).await.0.on(&cards, &layout).is_empty());
        keep(&layout.rivals(), &rivals);
        assert_eq!(at_start(&nobody, &layout).await.0.on(&cards, &layout), rivals);
    }

    #[test]
    fn a_gpu_is_known_by_the_ids_that_other_plugins_give_its_devices() {
        let card = divided(2, vec![slice(7, "1g.10gb")]);
        let slice = card.slices.as_ref().unwrap()[0].uuid;
        let inventory = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Shared), card]);
        let of = |n: u8| uuid(n).to_string();
        let table = [
            (of(1), Some(1)),
            (format!("{}::3", of(1)), Some(1)),
            (format!("{}-9", of(1)), Some(1)),
            (slice.to_string(), Some(2)),
            (format!("{slice}-0"), Some(2)),
            (format!("MIG-{}/1/0", of(2)), Some(2)),
            ("nvidia1".into(), Some(1)),
            ("nvidia2/gi3".into(), Some(2)),
            ("nvidia0/vgpu5".into(), Some(0)),
            // Of none of these.
            ("nvidia3".into(), None),
            ("nvidia".into(), None),
            ("nvidiactl".into(), None),
            (of(4), None),
            (format!("{}0", of(1)), None),
            (of(1)[..39].into(), None),
            ("eth0".into(), None),
            ("GPU-ähnlich, und das auch noch lange genug".into(), None),
        ];
        for (id, index) in table {
            let found = named(&id).and_then(|named| find(named, &inventory));
            assert_eq!(found.map(|gpu| gpu.index), index, "{id}");
        }
    }

    #[test]
    fn a_gpu_is_known_by_the_names_that_drivers_of_dra_give_its_devices() {
        let inventory = Inventory::new((0..2).map(|n| gpu(n, Mode::Shared)).collect());
        let of_uuid = uuid(1).to_string().to_lowercase();
        let table = [
            (NVIDIA, "gpu-1", Some(1)),
            (NVIDIA, "gpu-1-mig-19-0-1", Some(1)),
            ("gpu.example.org", &of_uuid, Some(1)),
            // Of none of these: another's number is no minor number of NVIDIA's.
            (NVIDIA, "gpu-7", None),
            (NVIDIA, "gpu-vfio-1", None),
            ("compute-domain.nvidia.com", "channel-1", None),
            ("gpu.amd.com", "gpu-1", None),
        ];
        for (driver, device, index) in table {
            let found = named_in_claim(driver, device).and_then(|named| find(named, &inventory));
            assert_eq!(found.map(|gpu| gpu.index), index, "{driver} {device}");
        }
    }
}
