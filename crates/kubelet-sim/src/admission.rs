//! Admits pods: devices for every container, by the plugin's leave.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, PreStartContainerRequest, PreferredAllocationRequest,
};
use tonic::Status;

use crate::devices::Holding;
use crate::manager::{ActivePod, Books, Endpoint, Manager};
use crate::pod::{ContainerSpec, PodSpec};

/// Why a pod does not run on this node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The scheduler would not have sent it here.
    #[error("Insufficient {resource}: {asked} asked for, {free} free")]
    Insufficient {
        /// The resource's full name.
        resource: String,
        /// What the pod asks for.
        asked: usize,
        /// What nobody holds.
        free: usize,
    },
    /// The plugin refused. The pod is Failed with this message.
    #[error("UnexpectedAdmissionError: Allocate failed due to {0}, which is unexpected")]
    UnexpectedAdmissionError(String),
}

/// Admits a pod and answers its uid.
pub(crate) async fn admit(manager: &Arc<Manager>, spec: PodSpec) -> Result<String, Refused> {
    fits(manager, &spec)?;
    let uid = manager.change(|books| {
        books.admitted += 1;
        let uid = uid(books.admitted);
        books.admitting.insert(uid.clone());
        uid
    });
    let mut reusable = BTreeSet::new();
    for init in &spec.init_containers {
        let given = allocate(manager, &uid, init, &mut reusable).await;
        let given = given.inspect_err(|_| forget(manager, &uid))?;
        // A sidecar keeps what it has.
        if !init.restarts {
            reusable.extend(given);
        }
    }
    for container in &spec.containers {
        let given = allocate(manager, &uid, container, &mut reusable).await;
        given.inspect_err(|_| forget(manager, &uid))?;
    }
    // podresources leaves out ordinary init containers.
    let containers = spec.lasting().map(|container| container.name.clone()).collect();
    let pod =
        ActivePod { uid: uid.clone(), namespace: spec.namespace, name: spec.name, containers };
    manager.change(|books| {
        books.pods.push(pod);
        books.admitting.remove(&uid);
    });
    Ok(uid)
}

/// A uid in the form of the API server's, unlike that of any other simulated kubelet's pod.
fn uid(admitted: u64) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let (high, low) = (since >> 32 & 0xffff_ffff, since & 0xffff);
    let (pid, count) = (u64::from(std::process::id()) & 0xffff, admitted & 0xfff);
    format!("{high:08x}-{low:04x}-4{count:03x}-8{:03x}-{:012x}", pid & 0xfff, since >> 16 & 0xffff)
}

/// What the scheduler does: sums over the node.
fn fits(manager: &Manager, spec: &PodSpec) -> Result<(), Refused> {
    let mut books = manager.books();
    books.update_allocated();
    let all = || spec.init_containers.iter().chain(&spec.containers);
    let names = all().flat_map(|container| container.resources.keys());
    for resource in names.collect::<BTreeSet<_>>() {
        let of = |container: &ContainerSpec| container.resources.get(resource).copied();
        let lasting = spec.lasting().filter_map(of).sum();
        // One after the other, each beside the sidecars before it.
        let beside = |(at, init): (usize, &ContainerSpec)| {
            let sidecars = spec.init_containers[..at].iter().filter(|before| before.restarts);
            of(init).map(|own| own + sidecars.filter_map(of).sum::<usize>())
        };
        let inits = spec.init_containers.iter().enumerate().filter_map(beside);
        let asked = inits.max().unwrap_or_default().max(lasting);
        let free = books.devices.available(resource).len();
        if asked > free {
            return Err(Refused::Insufficient { resource: resource.clone(), asked, free });
        }
    }
    Ok(())
}

fn forget(manager: &Manager, pod: &str) {
    manager.change(|books| books.admitting.remove(pod));
}

async fn allocate(
    manager: &Manager,
    pod: &str,
    container: &ContainerSpec,
    reusable: &mut BTreeSet<String>,
) -> Result<BTreeSet<String>, Refused> {
    let mut all = BTreeSet::new();
    manager.change(Books::update_allocated);
    for (resource, &count) in &container.resources {
        let ids = choose(manager, resource, count, (container.numa, reusable)).await?;
        let answer = ask(manager, resource, &ids).await?;
        let ids: BTreeSet<_> = ids.into_iter().collect();
        reusable.retain(|id| !ids.contains(id));
        all.extend(ids.iter().cloned());
        let (pod, container) = (pod.to_owned(), container.name.clone());
        let holding = Holding { pod, container, resource: resource.clone(), ids, answer };
        manager.change_and_store(|books| books.devices.holdings.push(holding));
    }
    Ok(all)
}

/// The devices that a container gets: a finished init container's first, then those of the NUMA node that it is aligned
/// to, then any; of each what the plugin prefers. In random order. Where a node has no more than is needed the plugin is
/// not asked.
async fn choose(
    manager: &Manager,
    resource: &str,
    count: usize,
    (numa, reusable): (Option<i64>, &BTreeSet<String>),
) -> Result<Vec<String>, Refused> {
    let (endpoint, available, aligned, reused) = {
        let books = manager.books();
        let of_resource = |id: &&String| {
            let known = books.devices.resources.get(resource);
            known.is_some_and(|resource| resource.healthy.contains(*id))
        };
        let reused: Vec<_> = reusable.iter().filter(of_resource).take(count).cloned().collect();
        let available = books.devices.available(resource);
        let of = |node| {
            let is_on = |id: &&String| books.devices.node_of(resource, id) == Some(node);
            available.iter().filter(is_on).cloned().collect::<BTreeSet<_>>()
        };
        let aligned = numa.map(of);
        (books.endpoints.get(resource).cloned(), available, aligned, reused)
    };
    let mut chosen: BTreeSet<String> = reused.into_iter().collect();
    let needs = |chosen: &BTreeSet<String>| count - chosen.len();
    let has_more = |set: &BTreeSet<String>, chosen: &_| set.len() > needs(chosen);
    for (set, is_all) in aligned.map(|set| (set, false)).into_iter().chain([(available, true)]) {
        let asks = needs(&chosen) > 0 && (is_all || has_more(&set, &chosen));
        let unasked = manager.traps.ignores_preference || !asks;
        if let (false, Some(endpoint)) = (unasked, endpoint.clone()) {
            let preferred = prefer(endpoint, &set, &chosen, count).await?;
            let sensible = preferred.into_iter().filter(|id| set.contains(id));
            chosen.extend(sensible.take(needs(&chosen)));
        }
        let rest = manager.books().dice.shuffled(set);
        for id in rest {
            if needs(&chosen) > 0 {
                chosen.insert(id);
            }
        }
    }
    if chosen.len() < count {
        return Err(Refused::UnexpectedAdmissionError(format!(
            "requested number of devices unavailable for {resource}. Requested: {count}, \
             Available: {}",
            chosen.len()
        )));
    }
    Ok(manager.books().dice.shuffled(chosen))
}

async fn prefer(
    mut endpoint: Endpoint,
    available: &BTreeSet<String>,
    must: &BTreeSet<String>,
    count: usize,
) -> Result<Vec<String>, Refused> {
    if !endpoint.options.get_preferred_allocation_available {
        return Ok(Vec::new());
    }
    let request = ContainerPreferredAllocationRequest {
        available_device_ids: available.union(must).cloned().collect(),
        must_include_device_ids: must.iter().cloned().collect(),
        allocation_size: count as i32,
    };
    let request = PreferredAllocationRequest { container_requests: vec![request] };
    let answer = endpoint.client.get_preferred_allocation(request).await.map_err(unexpected)?;
    let mut answers = answer.into_inner().container_responses.into_iter();
    Ok(answers.next().map(|answer| answer.device_ids).unwrap_or_default())
}

async fn ask(
    manager: &Manager,
    resource: &str,
    ids: &[String],
) -> Result<ContainerAllocateResponse, Refused> {
    let endpoint = manager.books().endpoints.get(resource).cloned();
    let gone = || Refused::UnexpectedAdmissionError(format!("unknown device plugin {resource}"));
    let request = ContainerAllocateRequest { device_ids: ids.to_vec() };
    let request = AllocateRequest { container_requests: vec![request] };
    let answer = endpoint.ok_or_else(gone)?.client.allocate(request).await.map_err(unexpected)?;
    let mut answers = answer.into_inner().container_responses;
    match answers.len() {
        1 => Ok(answers.remove(0)),
        0 => Err(Refused::UnexpectedAdmissionError(format!("no answer for {resource}"))),
        many => Err(Refused::UnexpectedAdmissionError(format!("{many} answers for {resource}"))),
    }
}

/// Tells every plugin that a container is about to start, and answers what they said in Allocate.
///
/// A plugin that has not registered since the kubelet started is not told: the kubelet knows no
/// options of it then.
pub(crate) async fn pre_start(
    manager: &Manager,
    pod: &str,
    container: &str,
) -> Result<Vec<ContainerAllocateResponse>, String> {
    let holdings: Vec<_> = {
        let books = manager.books();
        books.devices.of_container(pod, container).cloned().collect()
    };
    for holding in &holdings {
        let endpoint = manager.books().endpoints.get(&holding.resource).cloned();
        let Some(mut endpoint) = endpoint.filter(|it| it.options.pre_start_required) else {
            continue;
        };
        let device_ids = {
            let ids = holding.ids.iter().cloned();
            manager.books().dice.shuffled(ids)
        };
        let request = PreStartContainerRequest { device_ids };
        let answer = endpoint.client.pre_start_container(request).await;
        answer.map_err(|status| {
            format!("device plugin PreStartContainer rpc failed with err: {}", words(&status))
        })?;
    }
    Ok(holdings.into_iter().map(|holding| holding.answer).collect())
}

fn unexpected(status: Status) -> Refused {
    Refused::UnexpectedAdmissionError(words(&status))
}

/// A status as Go prints it.
fn words(status: &Status) -> String {
    format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
}
