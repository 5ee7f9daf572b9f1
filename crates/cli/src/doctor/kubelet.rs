//! The kubelet's sockets, what it gives out of ours, and other plugins that offer the same GPUs.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ::kubelet::KUBELET_SOCKET;
use ::kubelet::podresources::AllocatableResourcesResponse;
use aliquot_node::identity::Identity;
use aliquot_node::inventory::{Gpu, Inventory};
use aliquot_node::registrar::SOCKET_PREFIX;
use aliquot_node::rivals;

use super::Finding;
use super::scene::Scene;

/// Looks at the sockets first: without them the rest is skipped.
pub(super) async fn look(scene: &Scene<'_>, gpus: &[Gpu]) -> Vec<Finding> {
    let folder = &scene.args.kubelet_dir;
    if !folder.exists() {
        let seen = format!("{} is not there: no node of a cluster", folder.display());
        return vec![Finding::skipped("kubelet", seen)];
    }
    let domain = scene.config.domain.as_str();
    let socket = scene.kubelet_root.join("pod-resources").join(KUBELET_SOCKET);
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<_> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let mut findings = vec![answers(&folder.join(KUBELET_SOCKET)), answers(&socket)];
    let identity = Identity::new(socket, domain.to_owned());
    match identity.allocatable().await {
        Err(error) => findings.push(Finding::skipped("offered", error.to_string())),
        Ok(list) => {
            findings.push(offered(&list, domain));
            let gpus = Inventory::new(gpus.to_vec());
            let pods = identity.pods().await.unwrap_or_default();
            let mut others = rivals::claimed(&pods, &gpus);
            others.extend(rivals::rivals(&list, domain, &gpus));
            findings.push(taken_by_others(&others));
        }
    }
    findings.push(other_sockets(&names));
    findings
}

fn answers(path: &Path) -> Finding {
    match UnixStream::connect(path) {
        Ok(_) => Finding::good("kubelet", format!("{} answers", path.display())),
        Err(error) => {
            let todo = "is the kubelet running, and are its folders those of --kubelet-dir and --kubelet-root? In a \
                        pod both have to be mounted (agent.kubeletRoot)";
            Finding::bad("kubelet", format!("{}: {error}", path.display()), todo)
        }
    }
}

/// What the kubelet can give out of ours.
fn offered(list: &AllocatableResourcesResponse, domain: &str) -> Finding {
    const ABOUT: &str = "offered";
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for devices in &list.devices {
        let is_ours = devices.resource_name.split_once('/').is_some_and(|(of, _)| of == domain);
        if is_ours {
            *counts.entry(&devices.resource_name).or_default() += devices.device_ids.len();
        }
    }
    let total: usize = counts.values().sum();
    let seen = counts.iter().map(|(name, count)| format!("{count} of {name}"));
    let seen = seen.collect::<Vec<_>>().join(", ");
    if total > 0 {
        return Finding::good(ABOUT, seen);
    }
    let seen = if seen.is_empty() { format!("nothing under {domain}/") } else { seen };
    let todo = "no agent is registered, or no GPU can be given: look at the agent's log, and whether it \
                has the same domain";
    Finding::bad(ABOUT, format!("the kubelet can give out {seen}"), todo)
}

fn taken_by_others(found: &rivals::Rivals) -> Finding {
    const ABOUT: &str = "plugins";
    if found.is_empty() {
        return Finding::good(ABOUT, "the kubelet offers no GPU of ours under another name");
    }
    let names: Vec<_> = found.iter().map(|(gpu, of)| format!("{gpu} as {of}")).collect();
    let todo = "the kubelet hands these out twice: remove the other plugin from this node (GPU Operator: \
                devicePlugin.enabled=false)";
    Finding::bad(ABOUT, names.join(", "), todo)
}

/// Sockets in the kubelet's folder that may be of somebody who offers GPUs.
fn other_sockets(sockets: &[String]) -> Finding {
    const ABOUT: &str = "plugins";
    let words = ["nvidia", "gpu", "hami", "vgpu", "mig"];
    let is_other = |name: &&String| {
        let lower = name.to_lowercase();
        !name.starts_with(SOCKET_PREFIX) && words.iter().any(|word| lower.contains(word))
    };
    let others: Vec<_> = sockets.iter().filter(is_other).map(String::as_str).collect();
    if others.is_empty() {
        return Finding::good(ABOUT, "nobody else's socket is about GPUs");
    }
    let todo =
        "two plugins hand the same GPU out twice: remove the other from this node, and its socket";
    Finding::look(ABOUT, format!("others may offer GPUs: {}", others.join(", ")), todo)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use ::kubelet::podresources::ContainerDevices;

    #[test]
    fn other_peoples_sockets_are_named_and_ours_are_not() {
        let all = ["kubelet.sock", "aliquot-gpu-1.sock", "nvidia-gpu.sock", "rdma.sock"];
        let all: Vec<_> = all.map(str::to_owned).to_vec();
        let finding = other_sockets(&all);
        assert_eq!(finding.state, State::Look);
        assert!(finding.seen.ends_with(": nvidia-gpu.sock"), "{}", finding.seen);
        assert_eq!(other_sockets(&all[..2]).state, State::Good);
    }

    #[test]
    fn what_another_domain_offers_is_not_ours() {
        let devices = ContainerDevices {
            resource_name: "a.b/gpu-percent".into(),
            device_ids: vec!["x".into(), "y".into()],
            topology: None,
        };
        let list = AllocatableResourcesResponse { devices: vec![devices], ..Default::default() };
        assert_eq!(offered(&list, "a.b").seen, "2 of a.b/gpu-percent");
        let finding = offered(&list, "example.com");
        assert_eq!(finding.state, State::Bad);
        assert!(finding.seen.contains("nothing under example.com/"), "{}", finding.seen);
    }
}
