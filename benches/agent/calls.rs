//! Allocate and GetPreferredAllocation, as the kubelet makes them at 800 IDs, and a call in which nothing is asked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerPreferredAllocationRequest, Empty,
    PreferredAllocationRequest,
};
use tonic::transport::Channel;

use crate::node::Node;
use crate::report::Report;

/// Calls of each kind.
const CALLS: usize = 2000;
/// Those between which nothing is asked for a while.
const PAUSED: usize = 500;
/// Percents of one GPU.
const PARTS: usize = 100;

/// What any call costs here: gRPC, two processes and what else runs on their cores.
pub(crate) async fn empty(node: &Node, report: &mut Report) -> Result<()> {
    let (mut client, _) = percents(node)?;
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let begun = Instant::now();
        client.get_device_plugin_options(Empty {}).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    report.add("empty", "an empty call", "ms", &took, [f64::INFINITY; 2], [f64::NAN; 2]);
    Ok(())
}

/// GetPreferredAllocation among all that is there.
pub(crate) async fn preferred(node: &Node, report: &mut Report) -> Result<()> {
    let (mut client, ids) = percents(node)?;
    let mut took = Vec::new();
    for call in 0..CALLS {
        let request = ContainerPreferredAllocationRequest {
            available_device_ids: ids.clone(),
            must_include_device_ids: Vec::new(),
            allocation_size: 1 + (call % PARTS) as i32,
        };
        let request = PreferredAllocationRequest { container_requests: vec![request] };
        let begun = Instant::now();
        client.get_preferred_allocation(request).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let what = "GetPreferredAllocation, 800 IDs";
    report.add("preferred", what, "ms", &took, [0.3, f64::INFINITY], [1.5, f64::NAN]);
    Ok(())
}

/// Allocate, each call as soon as the one before is answered or so long after.
pub(crate) async fn allocate(
    node: &Node,
    report: &mut Report,
    [name, what]: [&'static str; 2],
    pause: Duration,
) -> Result<()> {
    let (mut client, ids) = percents(node)?;
    let mut took = Vec::new();
    let calls = if pause.is_zero() { CALLS } else { PAUSED };
    for call in 0..calls {
        // Other devices each time, of one GPU after the other.
        let gpu = call % (ids.len() / PARTS) * PARTS;
        let count = 1 + call % PARTS;
        let from = call * 7 % (PARTS - count + 1);
        let device_ids = ids[gpu + from..gpu + from + count].to_vec();
        let request =
            AllocateRequest { container_requests: vec![ContainerAllocateRequest { device_ids }] };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let begun = Instant::now();
        client.allocate(request).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    report.add(name, what, "ms", &took, [0.2, 0.4], [0.37, 0.72]);
    Ok(())
}

fn percents(node: &Node) -> Result<(DevicePluginClient<Channel>, Vec<String>)> {
    let percents = node.percents.as_ref().context("nothing has registered")?;
    let ids = percents.devices.iter().map(|device| device.id.clone()).collect();
    Ok((percents.client.clone(), ids))
}
