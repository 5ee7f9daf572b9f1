//! `kubelet.sock`: takes registrations.

use std::sync::Arc;

use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::registration_server::Registration;
use kubelet::deviceplugin::{Empty, RegisterRequest};
use tonic::{Request, Response, Status};

use crate::manager::Manager;

pub(crate) struct Registrar(pub(crate) Arc<Manager>);

#[tonic::async_trait]
impl Registration for Registrar {
    /// Dials back and asks for the options before it answers; the list is asked for afterwards.
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        let request = request.into_inner();
        self.check(&request)?;
        let socket = self.0.folder.join(&request.endpoint);
        let channel = kubelet::sockets::dial(&socket)
            .await
            .map_err(|error| Status::unknown(format!("failed to dial device plugin: {error}")))?;
        let mut client =
            DevicePluginClient::new(channel).max_decoding_message_size(4 * 1024 * 1024);
        let options = client.get_device_plugin_options(Empty {}).await?.into_inner();
        let endpoint = self.0.connect(&request.resource_name, client, options);
        let manager = self.0.clone();
        tokio::spawn(async move { manager.follow(request.resource_name, endpoint).await });
        Ok(Response::new(Empty {}))
    }
}

impl Registrar {
    fn check(&self, request: &RegisterRequest) -> Result<(), Status> {
        if self.0.traps.refuses_registrations() {
            return Err(Status::unavailable("the device manager is not ready"));
        }
        if request.version != kubelet::DEVICE_PLUGIN_VERSION {
            return Err(Status::unimplemented(format!(
                "requested API version {:?} is not supported by kubelet",
                request.version
            )));
        }
        let extended = request.resource_name.split_once('/').is_some_and(|(domain, name)| {
            !domain.is_empty() && !name.is_empty() && !domain.ends_with("kubernetes.io")
        });
        if extended {
            Ok(())
        } else {
            let name = &request.resource_name;
            Err(Status::invalid_argument(format!("{name} is not an extended resource")))
        }
    }
}
