//! The kubelet's two sockets, up or down.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use kubelet::deviceplugin::registration_server::RegistrationServer;
use kubelet::podresources::pod_resources_lister_server::PodResourcesListerServer;
use tokio::task::JoinHandle;
use tonic::transport::Server;

use crate::manager::Manager;
use crate::podresources::Lister;
use crate::registration::Registrar;

/// Servers that run.
pub(crate) struct Servers {
    tasks: [JoinHandle<Result<(), tonic::transport::Error>>; 2],
}

impl Servers {
    /// Deletes every socket in the plugins' folder, as the kubelet does when it starts, then serves.
    /// Must run inside the runtime.
    pub(crate) fn start(
        manager: &Arc<Manager>,
        plugins: &Path,
        pod_resources: &Path,
    ) -> io::Result<Self> {
        for folder in [Some(plugins), pod_resources.parent()].into_iter().flatten() {
            fs::create_dir_all(folder)?;
            delete_sockets(folder)?;
        }
        let registrar = RegistrationServer::new(Registrar(manager.clone()));
        let lister = PodResourcesListerServer::new(Lister(manager.clone()));
        let resources = kubelet::sockets::bind(pod_resources)?;
        let plugins = kubelet::sockets::bind(&plugins.join(kubelet::KUBELET_SOCKET))?;
        Ok(Self {
            tasks: [
                tokio::spawn(Server::builder().add_service(registrar).serve_with_incoming(plugins)),
                tokio::spawn(Server::builder().add_service(lister).serve_with_incoming(resources)),
            ],
        })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn delete_sockets(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_socket() => fs::remove_file(entry.path()),
            other => other.map(drop),
        };
        // Whose socket it is may have removed it in this moment.
        removed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}
