//! The kubelet's side: takes registrations as the real one does, and notes when each arrives.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::registration_server::{Registration, RegistrationServer};
use kubelet::deviceplugin::{Device, Empty, RegisterRequest};
use kubelet::podresources::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use kubelet::podresources::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, GetPodResourcesRequest,
    GetPodResourcesResponse, ListPodResourcesRequest, ListPodResourcesResponse, PodResources,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

/// A plugin that has registered.
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) resource: String,
    pub(crate) client: DevicePluginClient<Channel>,
    /// Its devices, as they were told first.
    pub(crate) devices: Vec<Device>,
}

/// A kubelet that runs. Dropping it ends it.
pub(crate) struct Kubelet {
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pods: Pods,
    tasks: Vec<JoinHandle<()>>,
}

struct Registrar {
    folder: PathBuf,
    arrivals: mpsc::Sender<Arrival>,
}

/// The pods of the node. Where there are none, what was allotted ends after a while, as it does when pods end.
type Pods = Arc<Mutex<Vec<PodResources>>>;

struct Lister(Pods);

impl Kubelet {
    /// Listens in a node's folder, in which nobody may listen.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let (plugins, resources) = (folder.join("device-plugins"), folder.join("pod-resources"));
        let (sender, arrivals) = mpsc::channel(16);
        let pods = Pods::default();
        let registrar = Registrar { folder: plugins.clone(), arrivals: sender };
        let registrar = Server::builder().add_service(RegistrationServer::new(registrar));
        let lister =
            Server::builder().add_service(PodResourcesListerServer::new(Lister(pods.clone())));
        let bind = |folder: &Path| {
            let socket = folder.join(kubelet::KUBELET_SOCKET);
            let _ = std::fs::remove_file(&socket);
            kubelet::sockets::bind(&socket).with_context(|| format!("no {}", socket.display()))
        };
        let (resources, plugins) = (bind(&resources)?, bind(&plugins)?);
        let tasks = vec![
            tokio::spawn(async move { drop(registrar.serve_with_incoming(plugins).await) }),
            tokio::spawn(async move { drop(lister.serve_with_incoming(resources).await) }),
        ];
        Ok(Self { arrivals, pods, tasks })
    }

    /// A pod is on the node from now on, with these devices.
    pub(crate) fn runs(&self, pod: PodResources) {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner).push(pod);
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[tonic::async_trait]
impl Registration for Registrar {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        let at = Instant::now();
        let RegisterRequest { endpoint, resource_name: resource, .. } = request.into_inner();
        let dial = kubelet::sockets::dial(&self.folder.join(endpoint)).await;
        let channel = dial.map_err(|error| Status::unknown(error.to_string()))?;
        let mut client = DevicePluginClient::new(channel);
        client.get_device_plugin_options(Empty {}).await?;
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let Ok(stream) = client.list_and_watch(Empty {}).await else { return };
            let mut stream = stream.into_inner();
            let Ok(Some(list)) = stream.message().await else { return };
            let devices = list.devices;
            let _ = arrivals.send(Arrival { at, resource, client, devices }).await;
            // The kubelet listens for as long as it is told something.
            while let Ok(Some(_)) = stream.message().await {}
        });
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl PodResourcesLister for Lister {
    async fn list(
        &self,
        _: Request<ListPodResourcesRequest>,
    ) -> Result<Response<ListPodResourcesResponse>, Status> {
        let pod_resources = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Response::new(ListPodResourcesResponse { pod_resources }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<AllocatableResourcesRequest>,
    ) -> Result<Response<AllocatableResourcesResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn get(
        &self,
        _: Request<GetPodResourcesRequest>,
    ) -> Result<Response<GetPodResourcesResponse>, Status> {
        Err(Status::not_found("no such pod"))
    }
}
