//! Allocate and GetPreferredAllocation, as the kubelet makes them at 800 IDs, and a call in which nothing is asked.
//! Of each, how long it took and for how long the thread that answers had a processor: that differs less where
//! processors are shared, and waking others is no part of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerPreferredAllocationRequest, Empty,
    PreferredAllocationRequest,
};
use tonic::Status;
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
    let mut seen = Seen::of(node)?;
    for _ in 0..CALLS {
        seen.time(client.get_device_plugin_options(Empty {})).await?;
    }
    seen.report(report, ["empty", "an empty call", "empty_busy"], NO_AIM, [f64::NAN; 2]);
    Ok(())
}

/// GetPreferredAllocation among all that is there.
pub(crate) async fn preferred(node: &Node, report: &mut Report) -> Result<()> {
    let (mut client, ids) = percents(node)?;
    let mut seen = Seen::of(node)?;
    for call in 0..CALLS {
        let request = ContainerPreferredAllocationRequest {
            available_device_ids: ids.clone(),
            must_include_device_ids: Vec::new(),
            allocation_size: 1 + (call % PARTS) as i32,
        };
        let request = PreferredAllocationRequest { container_requests: vec![request] };
        seen.time(client.get_preferred_allocation(request)).await?;
    }
    let names = ["preferred", "GetPreferredAllocation, 800 IDs", "preferred_busy"];
    seen.report(report, names, [0.3, f64::INFINITY], [1.5, f64::NAN]);
    Ok(())
}

/// Allocate, each call as soon as the one before is answered or so long after.
pub(crate) async fn allocate(
    node: &Node,
    report: &mut Report,
    names: [&'static str; 3],
    pause: Duration,
) -> Result<()> {
    let (mut client, ids) = percents(node)?;
    let mut seen = Seen::of(node)?;
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
        seen.time(client.allocate(request)).await?;
    }
    seen.report(report, names, [0.2, 0.4], [0.37, 0.72]);
    Ok(())
}

/// What calls of one kind took, in milliseconds.
struct Seen {
    took: Vec<f64>,
    busy: Vec<f64>,
    /// schedstat of the agent's first thread, which answers: nanoseconds on a processor, and more.
    thread: File,
    /// What it said last.
    had: f64,
}

impl Seen {
    fn of(node: &Node) -> Result<Self> {
        let path = node.first_thread()?.join("schedstat");
        let thread = File::open(&path);
        let thread = thread.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { took: Vec::new(), busy: Vec::new(), had: had(&thread)?, thread })
    }

    /// Makes a call, which begins as soon as it is waited for.
    async fn time<T>(&mut self, call: impl Future<Output = Result<T, Status>>) -> Result<()> {
        let begun = Instant::now();
        call.await?;
        self.took.push(begun.elapsed().as_secs_f64() * 1e3);
        // What it does when it has answered counts with the next call.
        let before = std::mem::replace(&mut self.had, had(&self.thread)?);
        self.busy.push(self.had - before);
        Ok(())
    }

    fn report(
        &self,
        report: &mut Report,
        [name, what, busy]: [&'static str; 3],
        aim: [f64; 2],
        nvidia: [f64; 2],
    ) {
        report.add(name, what, "ms", &self.took, aim, nvidia);
        report.add(
            busy,
            "  of it the thread that answers",
            "ms",
            &self.busy,
            NO_AIM,
            [f64::NAN; 2],
        );
    }
}

/// For how many milliseconds a thread has had a processor.
fn had(schedstat: &File) -> Result<f64> {
    let mut text = [0; 64];
    let length = schedstat.read_at(&mut text, 0)?;
    let first = text[..length].split(|byte| *byte == b' ').next().unwrap_or_default();
    let nanoseconds: f64 = str::from_utf8(first)?.parse().context("this is no schedstat")?;
    Ok(nanoseconds / 1e6)
}

/// Of a figure that is there to compare others with.
const NO_AIM: [f64; 2] = [f64::INFINITY; 2];

fn percents(node: &Node) -> Result<(DevicePluginClient<Channel>, Vec<String>)> {
    let percents = node.percents.as_ref().context("nothing has registered")?;
    let ids = percents.devices.iter().map(|device| device.id.clone()).collect();
    Ok((percents.client.clone(), ids))
}
