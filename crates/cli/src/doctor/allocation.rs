//! An allocation by the agent's own socket, as the kubelet would ask for it, without one being made: the
//! agent says what its answer would be, and what the answer names is looked for on the node.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aliquot_node::registrar::SOCKET_PREFIX;
use contract::DRY_RUN;
use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, Device, Empty, PreferredAllocationRequest,
};
use kubelet::{HEALTHY, sockets};
use tokio::time::timeout;
use tonic::transport::Channel;

use super::Finding;
use super::scene::Scene;

const ABOUT: &str = "allocation";
/// How long the agent may take for everything.
const PATIENCE: Duration = Duration::from_secs(5);
const LOG: &str = "look at the agent's log: kubectl -n aliquot-system logs ds/aliquot-agent";

/// What a container would get.
pub(super) struct Answer(ContainerAllocateResponse);

impl Answer {
    /// The CDI names that the runtime would have to know.
    pub(super) fn cdi_names(&self) -> Vec<String> {
        self.0.cdi_devices.iter().map(|device| device.name.clone()).collect()
    }

    /// Files of the node that the answer names and that are not there. An allotment's own pages are
    /// made with the allotment.
    fn missing(&self, pages: &Path) -> Vec<String> {
        let mounts = self.0.mounts.iter().map(|mount| mount.host_path.as_str());
        let devices = self.0.devices.iter().map(|device| device.host_path.as_str());
        let made_later =
            |path: &&str| pages.as_os_str().is_empty() || !Path::new(path).starts_with(pages);
        let all = mounts.chain(devices).filter(made_later);
        all.filter(|path| !Path::new(path).exists()).map(str::to_owned).collect()
    }
}

/// Asks every socket of ours, until one has a share to give.
pub(super) async fn look(scene: &Scene<'_>) -> (Finding, Option<Answer>) {
    let folder = &scene.args.kubelet_dir;
    if !folder.exists() {
        return (Finding::skipped(ABOUT, "no kubelet"), None);
    }
    let sockets = our_sockets(folder);
    if sockets.is_empty() {
        let seen = format!("no socket {SOCKET_PREFIX}* in {}", folder.display());
        let todo = format!("no agent runs on this node, or it has no GPU to offer: {LOG}");
        return (Finding::bad(ABOUT, seen, todo), None);
    }
    let mut last = Finding::skipped(ABOUT, "no share is free at this moment");
    for socket in &sockets {
        match timeout(PATIENCE, ask(socket)).await {
            Err(_) => last = bad(socket, &format!("no answer in {PATIENCE:?}")),
            Ok(Err(why)) => last = bad(socket, &why),
            Ok(Ok(None)) => {}
            Ok(Ok(Some((id, answer)))) => return (judge(&id, &answer), Some(answer)),
        }
    }
    (last, None)
}

fn bad(socket: &Path, why: &str) -> Finding {
    let todo = format!("a socket that refuses was left by an agent that is gone; {LOG}");
    Finding::bad(ABOUT, format!("{}: {why}", socket.display()), todo)
}

/// Shares first: they are what an agent is for.
fn our_sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(SOCKET_PREFIX)).collect();
    names.sort_by_key(|name| (!name.contains("percent"), name.clone()));
    names.iter().map(|name| folder.join(name)).collect()
}

/// The list's first share, what the agent prefers of the list, and what it would answer for that.
async fn ask(socket: &Path) -> Result<Option<(String, Answer)>, String> {
    let text = |status: tonic::Status| status.message().to_owned();
    let channel = sockets::dial(socket).await.map_err(|error| error.to_string())?;
    let mut plugin = DevicePluginClient::new(channel);
    let free = free(&mut plugin).await.map_err(text)?;
    if free.is_empty() {
        return Ok(None);
    }
    let id = preferred(&mut plugin, &free).await.map_err(text)?.unwrap_or_else(|| free[0].clone());
    let devices_ids = vec![DRY_RUN.to_owned(), id.clone()];
    let container = ContainerAllocateRequest { device_ids: devices_ids };
    let request = AllocateRequest { container_requests: vec![container] };
    let answer = plugin.allocate(request).await.map_err(text)?.into_inner();
    let answer = answer.container_responses.into_iter().next().ok_or("an empty answer")?;
    Ok(Some((id, Answer(answer))))
}

async fn free(plugin: &mut DevicePluginClient<Channel>) -> Result<Vec<String>, tonic::Status> {
    let mut lists = plugin.list_and_watch(Empty {}).await?.into_inner();
    let list = lists.message().await?.map(|list| list.devices).unwrap_or_default();
    let is_free = |device: &Device| device.health == HEALTHY;
    Ok(list.into_iter().filter(is_free).map(|device| device.id).collect())
}

async fn preferred(
    plugin: &mut DevicePluginClient<Channel>,
    free: &[String],
) -> Result<Option<String>, tonic::Status> {
    let container = ContainerPreferredAllocationRequest {
        available_device_ids: free.to_vec(),
        must_include_device_ids: Vec::new(),
        allocation_size: 1,
    };
    let request = PreferredAllocationRequest { container_requests: vec![container] };
    let answer = plugin.get_preferred_allocation(request).await?.into_inner();
    let first = answer.container_responses.into_iter().next();
    Ok(first.and_then(|container| container.device_ids.into_iter().next()))
}

fn judge(id: &str, answer: &Answer) -> Finding {
    let pages = answer
        .0
        .mounts
        .iter()
        .find(|mount| mount.container_path.starts_with(contract::paths::CONTAINER_ALLOTMENTS));
    let pages = pages.map(|mount| PathBuf::from(&mount.host_path)).unwrap_or_default();
    let missing = answer.missing(&pages);
    if !missing.is_empty() {
        let todo = "a container would not start: restart the agent, which installs its files again; a file \
                    of the driver comes back with the driver";
        return Finding::bad(ABOUT, format!("for {id} there is no {}", missing.join(", ")), todo);
    }
    let names = answer.cdi_names();
    let by = match names.is_empty() {
        true => "mounts".to_owned(),
        false => format!("CDI ({})", names.join(", ")),
    };
    Finding::good(ABOUT, format!("{id} would come by {by}"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use kubelet::deviceplugin::Mount;

    #[test]
    fn what_an_answer_names_is_looked_for_and_pages_are_made_later() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("shim.so");
        fs::write(&there, "").unwrap();
        let mount = |host: &Path, container: &str| Mount {
            host_path: host.display().to_string(),
            container_path: container.into(),
            read_only: true,
        };
        let pages = folder.path().join("pages/7");
        let mut mounts = vec![
            mount(&pages, "/run/aliquot/7"),
            mount(&pages.join("ledger"), "/run/aliquot/7/ledger"),
            mount(&there, "/opt/aliquot/libaliquot.so"),
        ];
        let of = |mounts: &[Mount]| {
            judge(
                "x",
                &Answer(ContainerAllocateResponse {
                    mounts: mounts.to_vec(),
                    ..Default::default()
                }),
            )
        };
        assert_eq!(of(&mounts).state, State::Good);
        mounts.push(mount(Path::new("/no/libcuda.so.1"), "/usr/lib/libcuda.so.1"));
        let finding = of(&mounts);
        assert_eq!(
            (finding.state, finding.seen.as_str()),
            (State::Bad, "for x there is no /no/libcuda.so.1")
        );
    }
}
