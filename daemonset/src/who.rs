//! Which node it is. Its labels choose what holds of the configuration, and are told of by the API server
//! some time after the agent has begun, or never: so what was told last is kept.

use tokio::sync::watch;
use tracing::warn;

use crate::aside::aside;
use crate::config::Who;
use crate::durable;
use crate::layout::Layout;

/// The node that the flags name, with the labels that it had when they were last told of. What the flags
/// say of a label wins.
#[must_use]
pub(crate) fn known(flags: Who, layout: &Layout) -> Who {
    let text = std::fs::read(layout.who()).unwrap_or_default();
    let kept: Who = serde_json::from_slice(&text).unwrap_or_default();
    let is_this_node = !flags.name.is_empty() && kept.name == flags.name;
    let mut labels = if is_this_node { kept.labels } else { Default::default() };
    labels.extend(flags.labels);
    Who { labels, ..flags }
}

/// Keeps what is told of the node for agents that start later, until `stop` is true.
pub(crate) async fn keep_known(
    mut who: watch::Receiver<Who>,
    layout: Layout,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            changed = who.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let text = serde_json::to_vec_pretty(&*who.borrow_and_update());
        let text = text.expect("a name and labels are plain data");
        let path = layout.who();
        if let Err(error) = aside(move || durable::write(&path, &text)).await {
            warn!(%error, "the node's labels are not known when the agent starts again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn who(name: &str, labels: &[(&str, &str)]) -> Who {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Who { name: name.into(), labels: labels.collect() }
    }

    #[test]
    fn labels_are_those_of_the_node_of_that_name_and_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), Path::new("/"));
        assert_eq!(known(who("a", &[]), &layout), who("a", &[]));
        let kept = who("a", &[("zone", "b"), ("kind", "big")]);
        std::fs::write(layout.who(), serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(known(who("a", &[]), &layout), kept);
        let told = known(who("a", &[("zone", "c")]), &layout);
        assert_eq!(told, who("a", &[("zone", "c"), ("kind", "big")]));
        for other in ["b", ""] {
            assert_eq!(known(who(other, &[]), &layout), who(other, &[]));
        }
    }
}
