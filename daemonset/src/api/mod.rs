//! The API server, where there is one: events, the pods' annotations, the node's labels, evictions.
//! The agent serves its node without it.

mod events;
mod evict;
mod labels;
mod own_node;
mod pools;
mod publish;
mod refine;
mod runtimes;
mod software;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::Domain;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::interval;
use tracing::{info, warn};

pub use kube_api::{ApiFlags, Meta};
pub use pools::{PoolState, PoolStates};
pub use refine::Refinement;

use crate::audit::lister::Lister;
use crate::audit::{Audited, News};
use crate::config::Config;
use crate::inventory::Inventory;
use crate::mps::Daemons;
use crate::node::Node;
use events::{About, Event, Recorder};
use evict::Evictor;
use kube_api::{Change, Client, follow};

/// The pods of the node, by uid, as far as the API server has told.
pub type Pods = BTreeMap<String, Meta>;

/// The node's labels.
type NodeLabels = BTreeMap<String, String>;

/// How often what is not told is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Events that may wait to be sent.
const WAITING: usize = 256;

/// All that is done by way of the API server.
pub(crate) struct Api {
    pub(crate) client: Client,
    /// The node's name.
    pub(crate) name: String,
    pub(crate) node: Arc<Node>,
    pub(crate) config: channel::Receiver<Arc<Config>>,
    pub(crate) audited: channel::Receiver<Arc<Audited>>,
    pub(crate) news: mpsc::Receiver<News>,
    pub(crate) lister: Arc<dyn Lister>,
    /// Between two comparisons of pools.
    pub(crate) compare_every: Duration,
    /// The namespace in which the node's free GPUs are published.
    pub(crate) publish_in: Option<String>,
}

impl Api {
    /// Does it until `stop` is true.
    pub(crate) async fn keep(self, mut stop: channel::Receiver<bool>) {
        let Self { client, name, node, config, audited, news, lister, compare_every, publish_in } =
            self;
        let (events, waiting) = mpsc::channel(WAITING);
        let (labels, has) = channel::channel(None);
        let compared = has.clone();
        let publish = async |namespace: Option<&str>| {
            if let Some(namespace) = namespace {
                publish::keep_published(&client, (namespace, &name), &node, &config).await;
            }
        };
        info!(node = name, "speaking with the API server");
        let all = async {
            tokio::join!(
                keep_pods(&client, &name, &node, &config),
                keep_sending(&client, &name, waiting),
                keep_refining(&node, &config, &events),
                keep_telling(&node, news, &events),
                keep_evicting(&client, &node, &config, audited, &events),
                own_node::keep_watching_node(&client, &name, &node, labels),
                own_node::keep_labelled(&client, &name, &node, &config, (has, lister)),
                own_node::keep_comparing(&client, &name, &node, &config, (compared, compare_every)),
                own_node::remove_taints(&client, &name, &node, &config),
                publish(publish_in.as_deref()),
                software::keep_known(&client, &name, &node),
                runtimes::keep_answering(&client, node.runtimes().ask_here()),
            )
        };
        tokio::select! {
            _ = all => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Follows the pods of this node. Of their annotations ours are kept.
async fn keep_pods(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
) {
    let lean = |pod: Meta| {
        let ours = format!("{}/", config.borrow().domain.as_str());
        let mut pod = pod;
        pod.annotations.retain(|name, _| name.starts_with(&ours));
        pod.labels = BTreeMap::new();
        (pod.uid.clone(), pod)
    };
    let told = |change: Change| {
        node.pods().send_modify(|pods| {
            let pods = Arc::make_mut(pods);
            match change {
                Change::All(all) => *pods = all.into_iter().map(lean).collect(),
                Change::Put(pod) => pods.extend([lean(*pod)]),
                Change::Gone(pod) => drop(pods.remove(&pod.uid)),
            }
        });
    };
    follow(client, "/api/v1/pods", &format!("spec.nodeName%3D{name}"), told).await;
}

async fn keep_sending(client: &Client, name: &str, mut waiting: mpsc::Receiver<Event>) {
    let mut recorder = Recorder::new(client, name);
    while let Some(event) = waiting.recv().await {
        recorder.record(event).await;
    }
}

/// Applies annotations whenever pods or allotments change.
async fn keep_refining(
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    events: &mpsc::Sender<Event>,
) {
    let (mut pods, mut ticks) = (node.pods().subscribe(), interval(LOOK));
    loop {
        tokio::select! {
            _ = pods.changed() => {}
            _ = ticks.tick() => {}
        }
        let domain = config.borrow().domain.clone();
        let Ok(domain) = Domain::parse(domain.as_str()) else { continue };
        // One event for all of a pod: another of the same reason would be left out as the same.
        let mut of_pods = BTreeMap::<String, (Meta, Vec<String>)>::new();
        for (pod, message) in node.refine_all(domain) {
            let (_, all) = of_pods.entry(pod.uid.clone()).or_insert((pod, Vec::new()));
            all.push(message);
        }
        for (pod, messages) in of_pods.into_values() {
            let message = messages.join("; ");
            let about = About::Pod(pod.namespace, pod.name, Some(pod.uid));
            let event = Event { about, warning: true, reason: "GPUAnnotationRefused", message };
            let _ = events.try_send(event);
        }
    }
}

/// Tells of findings and of the health of GPUs.
async fn keep_telling(node: &Node, mut news: mpsc::Receiver<News>, events: &mpsc::Sender<Event>) {
    let mut inventory = node.watch();
    let mut known = inventory.borrow_and_update().clone();
    let mut daemons = node.daemons();
    // Also what was found before anybody listened.
    daemons.mark_changed();
    let mut lived = Arc::new(Daemons::default());
    loop {
        let told = tokio::select! {
            Ok(()) = daemons.changed() => {
                let live = daemons.borrow_and_update().clone();
                let told = of_daemons(&lived, &live);
                lived = live;
                told
            }
            Some(one) = news.recv() => of_news(one, &node.pods().borrow()).into_iter().collect(),
            Ok(()) = inventory.changed() => {
                let now = inventory.borrow_and_update().clone();
                let told = of_health(&known, &now);
                known = now;
                told
            }
            else => return,
        };
        for event in told {
            let _ = events.try_send(event);
        }
    }
}

/// On the pod that does it, where one is known; on the node otherwise.
fn of_news(news: News, pods: &Pods) -> Option<Event> {
    let News::Found(finding) = news else { return None };
    let about = match evict::pod(&finding, pods) {
        Some((uid, namespace, name)) => About::Pod(namespace, name, Some(uid)),
        None => match &finding.culprit.holder {
            Some(holder) => About::Pod(holder.namespace.clone(), holder.pod.clone(), None),
            None => About::Node,
        },
    };
    let (reason, message) = (finding.kind.reason(), finding.to_string());
    Some(Event { about, warning: true, reason, message })
}

fn of_health(before: &Inventory, after: &Inventory) -> Vec<Event> {
    let mut events = Vec::new();
    for gpu in after.gpus() {
        let was = before.get(gpu.uuid).map(|gpu| gpu.sick.as_ref());
        let (reason, message) = match (&gpu.sick, was) {
            (Some(why), Some(None)) => {
                ("GPUUnhealthy", format!("nothing of {} is allocatable: {why}", gpu.uuid))
            }
            (None, Some(Some(_))) => ("GPUHealthy", format!("{} is well again", gpu.uuid)),
            _ => continue,
        };
        let warning = gpu.sick.is_some();
        events.push(Event { about: About::Node, warning, reason, message });
    }
    events
}

/// That a daemon is not there is said when it is first looked for as well; that one is, when it has come.
fn of_daemons(before: &Daemons, after: &Daemons) -> Vec<Event> {
    let changed = |wanted: bool| {
        let is_news = move |(pipes, lives): &(&PathBuf, &bool)| {
            **lives == wanted && wanted == (before.get(*pipes) == Some(&false))
        };
        let pipes: Vec<_> =
            after.iter().filter(is_news).map(|(pipes, _)| pipes.display().to_string()).collect();
        (!pipes.is_empty()).then(|| pipes.join(", "))
    };
    let lives = changed(true).map(|pipes| {
        let message = format!("the MPS daemon behind {pipes} holds its clients to their shares");
        Event { about: About::Node, warning: false, reason: "MPSDaemonLives", message }
    });
    let gone = changed(false).map(|pipes| {
        let message = format!(
            "no MPS daemon lives behind {pipes}: the arbiter holds the shares. Start \
             nvidia-cuda-mps-control -d there, or name its folder in mpsPipeDirectory"
        );
        Event { about: About::Node, warning: true, reason: "MPSDaemonGone", message }
    });
    lives.into_iter().chain(gone).collect()
}

async fn keep_evicting(
    client: &Client,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    audited: channel::Receiver<Arc<Audited>>,
    events: &mpsc::Sender<Event>,
) {
    let (mut evictor, mut ticks) = (Evictor::default(), interval(LOOK));
    loop {
        ticks.tick().await;
        let (policy, pods) = (config.borrow().audit.clone(), node.pods().borrow().clone());
        let findings = audited.borrow().findings.clone();
        for event in evictor.look(client, &findings, &policy, &pods).await {
            let _ = events.try_send(event);
        }
    }
}

/// The API server, where the flags or the pod's environment name one.
///
/// # Errors
/// A service account that cannot be read.
pub(crate) fn client(flags: &ApiFlags, name: &str) -> Result<Option<Client>> {
    let Some(base) = flags.base() else { return Ok(None) };
    if name.is_empty() {
        warn!("the API server is left alone: nobody says which node this is (--node-name)");
        return Ok(None);
    }
    Client::new(&base, &flags.kube_account, "aliquot-node").map(Some)
}
