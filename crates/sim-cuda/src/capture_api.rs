//! The calls on stream capture.

use crate::arg::{In, InOut, Opaque, Out};
use crate::capture::{self, GLOBAL};
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

fn begin(stream: Opaque, null: Null, mode: u32) -> Res {
    let target = stream::target(stream, null)?;
    capture::begin(&target, mode, target.is_blocking())
}

fn end(stream: Opaque, null: Null, out: &Out<usize>) -> Res {
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    let ended = capture::end(&stream::target(stream, null)?);
    out.put(ended.unwrap_or(0))?;
    ended.map(drop)
}

/// Where the answers about a capture go; those that nobody wants go nowhere.
struct Wanted {
    status: Out<u32>,
    id: Option<Out<u64>>,
    graph: Option<Out<usize>>,
    nodes: Option<(Out<usize>, Out<usize>)>,
}

fn info(stream: Opaque, null: Null, wanted: &Wanted) -> Res {
    let target = stream::target(stream, null)?;
    let Some(info) = capture::info(&target) else { return wanted.status.put(0) };
    wanted.status.put(info.status)?;
    if info.status != 1 {
        return Ok(());
    }
    if let Some(id) = &wanted.id {
        id.offer(info.id);
    }
    if let Some(graph) = &wanted.graph {
        graph.offer(info.graph);
    }
    if let Some((nodes, count)) = &wanted.nodes {
        nodes.offer(info.tails.0);
        count.offer(info.tails.1);
    }
    Ok(())
}

fn follow(stream: Opaque, null: Null, nodes: &In<usize>, count: usize, flags: u32) -> Res {
    if flags > 1 {
        return Err(Status::INVALID_VALUE);
    }
    let nodes = (0..count).map(|i| nodes.at(i)).collect::<Res<Vec<usize>>>()?;
    capture::follow(&stream::target(stream, null)?, nodes, flags == 1)
}

export! {
    /// Begins to capture a stream, and forbids all threads what could disturb that.
    fn cuStreamBeginCapture / cuStreamBeginCapture_ptsz(null; stream: Opaque) {
        begin(stream, null, GLOBAL)
    }

    /// Begins to capture a stream.
    fn cuStreamBeginCapture_v2 / cuStreamBeginCapture_v2_ptsz(null; stream: Opaque, mode: u32) {
        begin(stream, null, mode)
    }

    /// Ends a capture and answers its graph; null where it failed.
    fn cuStreamEndCapture / cuStreamEndCapture_ptsz(null; stream: Opaque, out: Out<usize>) {
        end(stream, null, &out)
    }

    /// Whether a stream is captured.
    fn cuStreamIsCapturing / cuStreamIsCapturing_ptsz(null; stream: Opaque, status: Out<u32>) {
        info(stream, null, &Wanted { status, id: None, graph: None, nodes: None })
    }

    /// Whether a stream is captured, and the capture's number.
    fn cuStreamGetCaptureInfo / cuStreamGetCaptureInfo_ptsz(null; stream: Opaque, status: Out<u32>, id: Out<u64>) {
        info(stream, null, &Wanted { status, id: Some(id), graph: None, nodes: None })
    }

    /// The same with the graph, and the nodes that the next one will follow.
    fn cuStreamGetCaptureInfo_v2 / cuStreamGetCaptureInfo_v2_ptsz(null; stream: Opaque, status: Out<u32>, id: Out<u64>, graph: Out<usize>, nodes: Out<usize>, count: Out<usize>) {
        info(stream, null, &Wanted { status, id: Some(id), graph: Some(graph), nodes: Some((nodes, count)) })
    }

    /// The same with what lies between the nodes, which is nothing special here.
    fn cuStreamGetCaptureInfo_v3 / cuStreamGetCaptureInfo_v3_ptsz(null; stream: Opaque, status: Out<u32>, id: Out<u64>, graph: Out<usize>, nodes: Out<usize>, edges: Out<usize>, count: Out<usize>) {
        edges.offer(0);
        info(stream, null, &Wanted { status, id: Some(id), graph: Some(graph), nodes: Some((nodes, count)) })
    }

    /// Adds to, or sets, the nodes that the next one will follow.
    fn cuStreamUpdateCaptureDependencies / cuStreamUpdateCaptureDependencies_ptsz(null; stream: Opaque, nodes: In<usize>, count: usize, flags: u32) {
        follow(stream, null, &nodes, count, flags)
    }

    /// The same with what lies between the nodes.
    fn cuStreamUpdateCaptureDependencies_v2 / cuStreamUpdateCaptureDependencies_v2_ptsz(null; stream: Opaque, nodes: In<usize>, _edges: Opaque, count: usize, flags: u32) {
        follow(stream, null, &nodes, count, flags)
    }

    /// Swaps this thread's mode: what captures may forbid it.
    fn cuThreadExchangeStreamCaptureMode(mode: InOut<u32>) {
        let wanted = mode.get()?;
        if wanted > 2 {
            return Err(Status::INVALID_VALUE);
        }
        mode.put(capture::exchange_mode(wanted))
    }
}
