//! Registers a device plugin and tells when the registration no longer holds.
//!
//! The kubelet's traps that shape this: it dials back inside Register, so the server runs first; it
//! deletes every socket when it starts and tells nobody; the end of an old ListAndWatch stream can
//! disconnect a newer registration, so each has a socket of its own and the old server is gone
//! before the next one registers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::Server;

use crate::deviceplugin::RegisterRequest;
use crate::deviceplugin::device_plugin_server::{DevicePlugin, DevicePluginServer};
use crate::deviceplugin::registration_client::RegistrationClient;
use crate::folder::{FolderWatch, SocketIdentity};
use crate::session::{Session, StreamState};
use crate::sockets::DialError;
use crate::{DEVICE_PLUGIN_VERSION, KUBELET_SOCKET, sockets};

/// How long the kubelet may take to answer Register: it dials back for up to 10 s inside.
const REGISTER_DEADLINE: Duration = Duration::from_secs(15);
/// How long after Register the kubelet may take to ask for the list, which it does within milliseconds: one that never
/// does is registered with anew within 5 s.
const STREAM_DEADLINE: Duration = Duration::from_secs(4);
/// How long a server may take to let its connections go.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// What is offered to the kubelet, and where.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The folder of the kubelet's socket and of ours.
    pub folder: PathBuf,
    /// The resource's full name, such as `example.com/gpu-percent`.
    pub resource: String,
    /// What our sockets' names begin with. The rest is unique per registration.
    pub socket_prefix: String,
}

/// Why a registration did not come about.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The plugin's own socket could not be made.
    #[error("cannot listen on {path}: {error}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What bind(2) said.
        error: io::Error,
    },
    /// There is no kubelet.
    #[error("no kubelet: {path} does not exist")]
    NoKubelet {
        /// The kubelet's socket.
        path: PathBuf,
    },
    /// No kubelet listens.
    #[error("no kubelet: {0}")]
    Dial(#[from] DialError),
    /// The kubelet refused.
    #[error("the kubelet refused {resource}: {}", status.message())]
    Refused {
        /// What was offered.
        resource: String,
        /// The kubelet's answer.
        status: Box<tonic::Status>,
    },
    /// The kubelet did not answer Register.
    #[error("the kubelet did not answer the registration of {resource} in time")]
    Silent {
        /// What was offered.
        resource: String,
    },
}

/// Why a registration no longer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The kubelet's socket was made again: it restarted and knows nobody.
    KubeletRestarted,
    /// Our own socket is gone.
    SocketRemoved,
    /// The kubelet's ListAndWatch stream ended.
    StreamDropped,
    /// The kubelet took the registration and never asked for the list.
    NeverListened,
}

impl Offer {
    /// Resolves when the kubelet's socket was made or removed since this was called, or after half a second
    /// at the latest: time for another try. To be called before a try, so that nothing is missed meanwhile.
    pub fn change(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut watch = FolderWatch::new(&self.folder, &[KUBELET_SOCKET]);
        async move { watch.changed().await }
    }

    /// Serves what `build` makes on a new socket, then registers it.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is left behind then.
    pub async fn register<S: DevicePlugin>(
        &self,
        build: impl FnOnce(Session) -> S,
    ) -> Result<Registered, RegisterError> {
        let path = self.folder.join(KUBELET_SOCKET);
        let identity = SocketIdentity::of(&path);
        // Without a kubelet nothing is made that the next try would only remove.
        let identity = identity.ok_or_else(|| RegisterError::NoKubelet { path: path.clone() })?;
        let registered = self.serve(build, (path, identity))?;
        match self.call_register(&registered).await {
            Ok(()) => Ok(registered),
            Err(error) => {
                registered.close().await;
                Err(error)
            }
        }
    }

    fn serve<S: DevicePlugin>(
        &self,
        build: impl FnOnce(Session) -> S,
        kubelet: (PathBuf, SocketIdentity),
    ) -> Result<Registered, RegisterError> {
        let name = self.unique_name();
        let watch = FolderWatch::new(&self.folder, &[KUBELET_SOCKET, &name]);
        let socket = self.folder.join(name);
        let incoming = sockets::bind(&socket)
            .map_err(|error| RegisterError::Bind { path: socket.clone(), error })?;
        let session = Session::new();
        let service = DevicePluginServer::new(build(session.clone()));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, session.ended());
        let server = tokio::spawn(async move {
            // The listener's errors end the server; the lost stream is what is then acted upon.
            let _ = serving.await;
        });
        Ok(Registered { session, server, socket, kubelet, watch })
    }

    fn unique_name(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}{:x}.sock", self.socket_prefix, since.as_nanos())
    }

    async fn call_register(&self, registered: &Registered) -> Result<(), RegisterError> {
        let (path, _) = &registered.kubelet;
        let channel = sockets::dial(path).await?;
        let request = RegisterRequest {
            version: DEVICE_PLUGIN_VERSION.into(),
            endpoint: file_name(&registered.socket),
            resource_name: self.resource.clone(),
            options: None,
        };
        let mut client = RegistrationClient::new(channel);
        let resource = self.resource.clone();
        match tokio::time::timeout(REGISTER_DEADLINE, client.register(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(RegisterError::Refused { resource, status: Box::new(status) }),
            Err(_) => Err(RegisterError::Silent { resource }),
        }
    }
}

/// A registration that the kubelet took. Close it before the next one.
pub struct Registered {
    session: Session,
    server: JoinHandle<()>,
    socket: PathBuf,
    kubelet: (PathBuf, SocketIdentity),
    watch: FolderWatch,
}

impl Registered {
    /// Our socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Resolves when the registration no longer holds.
    pub async fn ended(&mut self) -> Ending {
        let mut streams = self.session.streams();
        let registered = Instant::now();
        loop {
            if let Some(ending) = self.look(registered.elapsed()) {
                return ending;
            }
            tokio::select! {
                () = self.watch.changed() => {}
                _ = streams.wait_for(|state| *state == StreamState::Ended) => {}
            }
        }
    }

    fn look(&self, age: Duration) -> Option<Ending> {
        let (kubelet, identity) = &self.kubelet;
        let now = SocketIdentity::of(kubelet);
        if now.is_some_and(|now| now != *identity) {
            return Some(Ending::KubeletRestarted);
        }
        if !self.socket.exists() {
            return Some(Ending::SocketRemoved);
        }
        match *self.session.streams().borrow() {
            StreamState::Ended => Some(Ending::StreamDropped),
            StreamState::Awaited if age > STREAM_DEADLINE => Some(Ending::NeverListened),
            StreamState::Awaited | StreamState::Open(_) => None,
        }
    }

    /// Ends the streams and the server and removes the socket. After two seconds the server is
    /// cut off.
    pub async fn close(mut self) {
        self.session.end();
        if tokio::time::timeout(CLOSE_DEADLINE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        // Gone already where the kubelet has removed it.
        let _ = fs::remove_file(&self.socket);
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ListStream;
    use crate::deviceplugin::registration_server::{Registration, RegistrationServer};
    use crate::deviceplugin::{
        AllocateRequest, AllocateResponse, DevicePluginOptions, Empty, PreStartContainerRequest,
        PreStartContainerResponse, PreferredAllocationRequest, PreferredAllocationResponse,
    };
    use tonic::{Request, Response, Status};

    /// A kubelet that takes every registration and asks for nothing.
    struct Deaf;

    #[tonic::async_trait]
    impl Registration for Deaf {
        async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
            Ok(Response::new(Empty {}))
        }
    }

    /// A plugin that nobody asks.
    struct Unasked;

    #[tonic::async_trait]
    impl DevicePlugin for Unasked {
        type ListAndWatchStream = ListStream;

        async fn get_device_plugin_options(
            &self,
            _: Request<Empty>,
        ) -> Result<Response<DevicePluginOptions>, Status> {
            unreachable!()
        }

        async fn list_and_watch(&self, _: Request<Empty>) -> Result<Response<ListStream>, Status> {
            unreachable!()
        }

        async fn get_preferred_allocation(
            &self,
            _: Request<PreferredAllocationRequest>,
        ) -> Result<Response<PreferredAllocationResponse>, Status> {
            unreachable!()
        }

        async fn allocate(
            &self,
            _: Request<AllocateRequest>,
        ) -> Result<Response<AllocateResponse>, Status> {
            unreachable!()
        }

        async fn pre_start_container(
            &self,
            _: Request<PreStartContainerRequest>,
        ) -> Result<Response<PreStartContainerResponse>, Status> {
            unreachable!()
        }
    }

    #[tokio::test]
    async fn a_kubelet_that_never_asks_for_the_list_is_given_its_time_and_then_taken_to_be_deaf() {
        let folder = tempfile::tempdir().unwrap();
        let kubelet = sockets::bind(&folder.path().join(KUBELET_SOCKET)).unwrap();
        let serving = Server::builder().add_service(RegistrationServer::new(Deaf));
        tokio::spawn(serving.serve_with_incoming(kubelet));
        let (resource, socket_prefix) = ("example.com/gpu".to_owned(), "test-".to_owned());
        let offer = Offer { folder: folder.path().to_owned(), resource, socket_prefix };
        let mut registered = offer.register(|_| Unasked).await.unwrap();
        // From here on the clock moves where nothing else is to be done.
        tokio::time::pause();
        let begun = Instant::now();
        assert_eq!(registered.ended().await, Ending::NeverListened);
        let waited = begun.elapsed();
        assert!(waited >= STREAM_DEADLINE && waited < 2 * STREAM_DEADLINE, "{waited:?}");
        registered.close().await;
    }
}
