//! Asks the kubelet which container holds which devices.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use kubelet::podresources::pod_resources_lister_client::PodResourcesListerClient;
use kubelet::podresources::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ListPodResourcesRequest,
    ListPodResourcesResponse,
};
use tonic::Response;

use crate::allotment::{Held, holders};

/// How long one List may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long to wait before each further try: the kubelet limits the rate.
const RETRIES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

/// The kubelet's podresources.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The kubelet's socket.
    pub socket: PathBuf,
    /// The domain of our resources.
    pub domain: String,
    /// The kubelet's file of what it gave out.
    pub checkpoint: PathBuf,
    /// The machine's procfs.
    pub proc: PathBuf,
}

/// Which process of the kubelet's answers: the socket that it made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The kubelet did not say.
#[derive(Debug, thiserror::Error)]
#[error("the kubelet does not tell which pods hold what: {0}")]
pub struct Unknown(String);

impl Identity {
    /// A kubelet whose podresources answer at `socket`.
    #[must_use]
    pub fn new(socket: PathBuf, domain: String) -> Self {
        Self { socket, domain, checkpoint: PathBuf::new(), proc: "/proc".into() }
    }

    /// Which kubelet answers at this moment; `None` while there is none.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        let metadata = fs::metadata(&self.socket).ok()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Life { device: metadata.dev(), inode: metadata.ino(), changed })
    }

    /// The containers that hold devices of ours; tries again where the kubelet does not answer.
    ///
    /// # Errors
    /// [`Unknown`] after four tries.
    pub async fn list(&self) -> Result<Vec<Held>, Unknown> {
        for wait in RETRIES {
            if let Ok(held) = self.list_once().await {
                return Ok(held);
            }
            tokio::time::sleep(wait).await;
        }
        self.list_once().await
    }

    /// The same, with one try.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn list_once(&self) -> Result<Vec<Held>, Unknown> {
        Ok(holders(&self.pods().await?, &self.domain))
    }

    /// All that pods hold, of whomever.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn pods(&self) -> Result<ListPodResourcesResponse, Unknown> {
        match tokio::time::timeout(DEADLINE, self.ask()).await {
            Ok(answer) => answer.map_err(Unknown),
            Err(_) => {
                Err(Unknown(format!("no answer on {} in two seconds", self.socket.display())))
            }
        }
    }

    /// All devices that the kubelet can give out, of all plugins.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn allocatable(&self) -> Result<AllocatableResourcesResponse, Unknown> {
        let ask = async {
            let channel = kubelet::sockets::dial(&self.socket).await.map_err(|e| e.to_string())?;
            let mut client = PodResourcesListerClient::new(channel);
            let answer = client.get_allocatable_resources(AllocatableResourcesRequest {}).await;
            answer.map(Response::into_inner).map_err(|status| status.message().to_owned())
        };
        match tokio::time::timeout(DEADLINE, ask).await {
            Ok(answer) => answer.map_err(Unknown),
            Err(_) => Err(Unknown("no answer in two seconds".into())),
        }
    }

    async fn ask(&self) -> Result<ListPodResourcesResponse, String> {
        let channel = kubelet::sockets::dial(&self.socket).await.map_err(|e| e.to_string())?;
        let list = PodResourcesListerClient::new(channel).list(ListPodResourcesRequest {}).await;
        list.map(Response::into_inner).map_err(|status| status.message().to_owned())
    }
}
