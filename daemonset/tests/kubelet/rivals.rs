//! Another plugin on the same node that offers the same GPUs.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use contract::DeviceUuid;
use kubelet::deviceplugin::device_plugin_server::DevicePlugin;
use kubelet::deviceplugin::{
    AllocateRequest, AllocateResponse, Device, DevicePluginOptions, Empty,
    PreStartContainerRequest, PreStartContainerResponse, PreferredAllocationRequest,
    PreferredAllocationResponse,
};
use kubelet::{ListStream, Offer, Session};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::harness::{Node, PERCENT};

const RIVAL: &str = "nvidia.com/gpu";

/// It only lists.
struct Plugin(Session, watch::Receiver<Vec<Device>>);

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream = ListStream;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(DevicePluginOptions::default()))
    }

    async fn list_and_watch(&self, _: Request<Empty>) -> Result<Response<ListStream>, Status> {
        Ok(Response::new(self.0.stream(self.1.clone())))
    }

    async fn get_preferred_allocation(
        &self,
        _: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        Err(Status::unimplemented("it only lists"))
    }

    async fn allocate(
        &self,
        _: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        Err(Status::unimplemented("it only lists"))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Err(Status::unimplemented("it only lists"))
    }
}

/// Offers the GPU with this UUID until the sender is dropped.
fn start(folder: PathBuf, uuid: DeviceUuid) -> (watch::Sender<()>, JoinHandle<()>) {
    let (going, mut gone) = watch::channel(());
    let serve = async move {
        let id = format!("{uuid}::0");
        let device = Device { id, health: kubelet::HEALTHY.into(), topology: None };
        let (_lists, list) = watch::channel(vec![device]);
        let (resource, socket_prefix) = (RIVAL.to_owned(), "rival-".to_owned());
        let offer = Offer { folder, resource, socket_prefix };
        let registered = offer.register(|session| Plugin(session, list)).await.unwrap();
        let _ = gone.changed().await;
        registered.close().await;
    };
    let thread = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(serve);
    });
    (going, thread)
}

#[test]
fn a_gpu_that_another_plugin_offers_is_given_to_nobody_and_the_reason_is_told() {
    let mut node = Node::without_agent(2, |_| {});
    node.configure("");
    let (going, thread) = start(node.plugins(), DeviceUuid::gpu([0; 16]));
    assert!(node.sim.wait_allocatable(RIVAL, 1, crate::harness::PATIENCE));
    node.start_agent();
    node.expect(PERCENT, 100);
    assert_eq!(node.sim.capacity(PERCENT), 200);
    let told = crate::harness::poll(|| node.cordon(0).is_some_and(|why| why.contains(RIVAL)));
    assert!(told, "{:?}", node.cordon(0));
    drop(going);
    thread.join().unwrap();
}

#[test]
fn a_gpu_that_another_plugin_names_by_its_minor_number_is_not_offered_beside_it_for_a_moment() {
    let mut node = Node::without_agent(2, |_| {});
    node.configure("");
    node.sim.offer(RIVAL, &["nvidia0".into()]);
    node.sim.forget_most();
    node.start_agent();
    node.expect(PERCENT, 100);
    assert_eq!(node.sim.most_allocatable(PERCENT), 100);
}

#[test]
fn a_gpu_that_a_driver_of_dra_has_given_to_a_pod_is_given_to_nobody_else() {
    let mut node = Node::without_agent(2, |_| {});
    node.configure("");
    node.sim.claim("gpu.nvidia.com", "gpu-0");
    node.sim.forget_most();
    node.start_agent();
    node.expect(PERCENT, 100);
    assert_eq!(node.sim.most_allocatable(PERCENT), 100);
    // It is written down a moment after it is offered.
    let is_told = || node.cordon(0).is_some_and(|why| why.contains("gpu.nvidia.com"));
    assert!(crate::harness::poll(is_told), "{:?}", node.cordon(0));
}
