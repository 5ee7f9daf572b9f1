//! The kubelet's podresources: who holds what.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubelet::podresources::pod_resources_lister_server::PodResourcesLister;
use kubelet::podresources::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ClaimResource, ContainerDevices,
    ContainerResources, DynamicResource, GetPodResourcesRequest, GetPodResourcesResponse,
    ListPodResourcesRequest, ListPodResourcesResponse, NumaNode, PodResources, TopologyInfo,
};
use tonic::{Request, Response, Status};

use crate::manager::{ActivePod, Books, Manager};

pub(crate) struct Lister(pub(crate) Arc<Manager>);

#[tonic::async_trait]
impl PodResourcesLister for Lister {
    async fn list(
        &self,
        _: Request<ListPodResourcesRequest>,
    ) -> Result<Response<ListPodResourcesResponse>, Status> {
        let mut books = self.0.books();
        books.listings += 1;
        books.update_allocated();
        let pods = self.0.listed(&books).map(|pod| resources(&books, pod));
        let pod_resources = pods.chain(claimer(&books.claims)).collect();
        self.0.traps.count_list();
        Ok(Response::new(ListPodResourcesResponse { pod_resources }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<AllocatableResourcesRequest>,
    ) -> Result<Response<AllocatableResourcesResponse>, Status> {
        let books = self.0.books();
        let devices = books.devices.resources.iter().map(|(name, resource)| ContainerDevices {
            resource_name: name.clone(),
            device_ids: resource.healthy.iter().cloned().collect(),
            topology: None,
        });
        Ok(Response::new(AllocatableResourcesResponse {
            devices: devices.collect(),
            ..Default::default()
        }))
    }

    async fn get(
        &self,
        request: Request<GetPodResourcesRequest>,
    ) -> Result<Response<GetPodResourcesResponse>, Status> {
        let GetPodResourcesRequest { pod_name, pod_namespace } = request.into_inner();
        let books = self.0.books();
        let pod =
            self.0.listed(&books).find(|p| p.name == pod_name && p.namespace == pod_namespace);
        let missing = || Status::not_found(format!("pod {pod_namespace}/{pod_name} not found"));
        let pod_resources = Some(resources(&books, pod.ok_or_else(missing)?));
        Ok(Response::new(GetPodResourcesResponse { pod_resources }))
    }
}

fn resources(books: &Books, pod: &ActivePod) -> PodResources {
    let containers = pod.containers.iter().map(|container| ContainerResources {
        name: container.clone(),
        devices: devices(books, pod, container),
        ..Default::default()
    });
    PodResources {
        name: pod.name.clone(),
        namespace: pod.namespace.clone(),
        containers: containers.collect(),
    }
}

/// The pod that holds what is held by DRA.
fn claimer(claims: &[(String, String)]) -> Option<PodResources> {
    let of = |(driver, device): &(String, String)| DynamicResource {
        claim_name: device.clone(),
        claim_namespace: "default".into(),
        claim_resources: vec![ClaimResource {
            driver_name: driver.clone(),
            device_name: device.clone(),
            ..Default::default()
        }],
    };
    let container = || ContainerResources {
        name: "main".into(),
        dynamic_resources: claims.iter().map(of).collect(),
        ..Default::default()
    };
    (!claims.is_empty()).then(|| PodResources {
        name: "claimer".into(),
        namespace: "default".into(),
        containers: vec![container()],
    })
}

fn devices(books: &Books, pod: &ActivePod, container: &str) -> Vec<ContainerDevices> {
    let mut by_resource = BTreeMap::<&str, Vec<String>>::new();
    for holding in books.devices.of_container(&pod.uid, container) {
        by_resource.entry(&holding.resource).or_default().extend(holding.ids.iter().cloned());
    }
    by_resource.into_iter().flat_map(|(name, ids)| of_resource(books, name, ids)).collect()
}

/// The devices of one resource: a piece for each NUMA node, and one for those without.
fn of_resource(books: &Books, resource: &str, ids: Vec<String>) -> Vec<ContainerDevices> {
    let mut by_node = BTreeMap::<Option<i64>, Vec<String>>::new();
    for id in ids {
        by_node.entry(books.devices.node_of(resource, &id)).or_default().push(id);
    }
    let piece = |(node, device_ids): (Option<i64>, Vec<String>)| ContainerDevices {
        resource_name: resource.to_owned(),
        device_ids,
        topology: node.map(|id| TopologyInfo { nodes: vec![NumaNode { id }] }),
    };
    by_node.into_iter().map(piece).collect()
}
