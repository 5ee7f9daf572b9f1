//! One resource's device plugin: the kubelet's words, handed to the [`Node`].

use std::sync::Arc;

use kubelet::deviceplugin::device_plugin_server::DevicePlugin;
use kubelet::deviceplugin::{
    AllocateRequest, AllocateResponse, ContainerPreferredAllocationRequest,
    ContainerPreferredAllocationResponse, Device, DevicePluginOptions, Empty,
    PreStartContainerRequest, PreStartContainerResponse, PreferredAllocationRequest,
    PreferredAllocationResponse,
};
use kubelet::{ListStream, Session};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::node::{Denial, Node};

/// What is served on one socket.
pub struct Plugin {
    /// Who decides.
    pub node: Arc<Node>,
    /// The resource's name, without the domain.
    pub resource: String,
    /// The resource's devices.
    pub lists: watch::Receiver<Vec<Device>>,
    /// The life of this socket.
    pub session: Session,
}

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream = ListStream;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(DevicePluginOptions {
            pre_start_required: true,
            get_preferred_allocation_available: true,
        }))
    }

    async fn list_and_watch(&self, _: Request<Empty>) -> Result<Response<ListStream>, Status> {
        Ok(Response::new(self.session.stream(self.lists.clone())))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        let requests = &request.get_ref().container_requests;
        let container_responses = requests.iter().map(|request| self.prefer(request)).collect();
        Ok(Response::new(PreferredAllocationResponse { container_responses }))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let requests = &request.get_ref().container_requests;
        for request in requests {
            self.node.cleared(&request.device_ids).await;
        }
        let answers =
            requests.iter().map(|request| self.node.allocate(&self.resource, &request.device_ids));
        let answers = answers.collect::<Result<_, _>>();
        // For which pod the kubelet asks it does not say.
        let container_responses = answers.map_err(|why| {
            warn!(resource = self.resource, %why, "refused");
            status(why)
        })?;
        Ok(Response::new(AllocateResponse { container_responses }))
    }

    async fn pre_start_container(
        &self,
        request: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        self.node.prestart(&request.get_ref().device_ids).await.map_err(status)?;
        Ok(Response::new(PreStartContainerResponse {}))
    }
}

impl Plugin {
    fn prefer(
        &self,
        request: &ContainerPreferredAllocationRequest,
    ) -> ContainerPreferredAllocationResponse {
        let size = usize::try_from(request.allocation_size).unwrap_or_default();
        let (available, must) = (&request.available_device_ids, &request.must_include_device_ids);
        ContainerPreferredAllocationResponse { device_ids: self.node.prefer(available, must, size) }
    }
}

fn status(denial: Denial) -> Status {
    match denial {
        Denial::Refused(refusal) => Status::invalid_argument(refusal.to_string()),
        failed @ (Denial::Failed(_) | Denial::Unspecified(_)) => {
            Status::internal(failed.to_string())
        }
    }
}
