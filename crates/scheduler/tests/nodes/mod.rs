//! Nodes as their agents publish them.

use published::{Gpu, Holder, Mode, Node};

/// A node with GPUs of which these percents are taken, and pods by uid with the GPU and the percent of each; a share has
/// two percent at least.
pub(crate) fn node(taken: &[u32], pods: &[(&str, usize, u32)]) -> Node {
    let gpu = |(index, taken): (usize, &u32)| Gpu {
        uuid: format!("GPU-{index}"),
        resource: None,
        mode: Mode::Shared,
        taken_percent: *taken,
        is_whole: false,
        is_usable: true,
    };
    let holder = |(uid, gpu, percent): &(&str, usize, u32)| Holder {
        uid: (*uid).to_owned(),
        parts: vec![(*gpu, *percent)],
        ..Holder::default()
    };
    let (gpus, pods) =
        (taken.iter().enumerate().map(gpu).collect(), pods.iter().map(holder).collect());
    Node { gpus, pods, least_percent: 2, ..Node::default() }
}
