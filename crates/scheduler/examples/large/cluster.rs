//! A large cluster, nearly full.

use published::{Gpu, Holder, Mode, Node};

/// So many nodes, of 8 GPUs each.
pub(crate) const NODES: usize = 5_000;

/// What a node is called.
pub(crate) fn name(number: usize) -> String {
    format!("ip-10-{}-{}.eu-central-1.compute.internal", number / 250, number % 250)
}

/// Each GPU is held to a different part, the same every time; at another `time` to others.
pub(crate) fn node(number: usize, time: usize) -> Node {
    let taken = |gpu: usize| ((number * 31 + gpu * 17 + time * 7) % 101) as u32;
    let gpu = |index: usize| Gpu {
        uuid: format!("GPU-{number:08}-0000-0000-0000-{index:012}"),
        resource: None,
        mode: Mode::Shared,
        taken_percent: taken(index),
        is_whole: false,
        is_usable: true,
    };
    let pod = |pod: usize| Holder {
        uid: format!("{number:08}-0000-0000-0000-{pod:012}"),
        parts: vec![(pod % 8, taken(pod % 8) / 3)],
        ..Holder::default()
    };
    Node {
        gpus: (0..8).map(gpu).collect(),
        pods: (0..20).map(pod).collect(),
        least_percent: 1,
        ..Node::default()
    }
}
