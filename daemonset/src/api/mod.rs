//! The API server, where there is one: events, the pods' annotations, the node's labels, evictions.
//! The agent serves its node without it.

mod again;
mod budget;
mod counted;
mod events;
mod evict;
mod free;
mod labels;
mod own_node;
mod pools;
mod publish;
mod refine;
mod runtimes;
mod sending;
#[cfg(test)]
mod served;
mod software;
mod taints;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::Domain;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::interval;
use tracing::{info, warn};

pub(crate) use counted::EventCounts;
pub use kube_api::{ApiFlags, Meta};
pub use pools::{PoolState, PoolStates};
pub use refine::Refinement;
pub(crate) use taints::PutBack;
pub(crate) use telling::Heard;

use crate::allotment::{Holder, Record};
use crate::audit::Audited;
use crate::audit::lister::Lister;
use crate::config::Config;
use crate::node::{HandedOn, Node};
use counted::Lost;
use events::{About, Event};
use evict::Evictor;
use kube_api::{Change, Client, follow};

/// The pods of the node, by uid, as far as the API server has told.
pub type Pods = BTreeMap<String, Meta>;

/// On the pod that stands for a static one at the API server: the uid that this has at its kubelet.
const MIRROR_OF: &str = "kubernetes.io/config.mirror";

/// The pod that has a uid at its kubelet.
pub(crate) fn pod_of<'a>(pods: &'a Pods, uid: &str) -> Option<&'a Meta> {
    let stands_for = |pod: &&Meta| pod.annotations.get(MIRROR_OF).is_some_and(|of| of == uid);
    pods.get(uid).or_else(|| pods.values().find(stands_for))
}

/// The pod that holds a record, where the API server tells of it. By its name only until its uid is known: another can
/// have that.
pub(crate) fn pod_of_record<'a>(pods: &'a Pods, record: &Record) -> Option<&'a Meta> {
    if let Some(uid) = &record.pod_uid {
        return pod_of(pods, uid);
    }
    let holder = record.holder.as_ref()?;
    pods.values().find(|pod| pod.namespace == holder.namespace && pod.name == holder.pod)
}

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
    pub(crate) heard: Heard,
    pub(crate) lister: Arc<dyn Lister>,
    /// Between two comparisons of pools.
    pub(crate) compare_every: Duration,
    /// The namespace in which the node's free GPUs are published.
    pub(crate) publish_in: Option<String>,
    /// Where events are counted that are not told.
    pub(crate) counts: Arc<EventCounts>,
}

/// Where events are handed on, to be sent in their order.
#[derive(Clone)]
struct Events {
    sender: mpsc::Sender<Event>,
    counts: Arc<EventCounts>,
}

impl Events {
    /// Hands one on; who tells of something waits for no API server.
    fn tell(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.counts.lose(Lost::Crowded);
        }
    }
}

impl Api {
    /// Does it until `stop` is true.
    pub(crate) async fn keep(self, mut stop: channel::Receiver<bool>) {
        let Self {
            client,
            name,
            node,
            config,
            audited,
            heard,
            lister,
            compare_every,
            publish_in,
            counts,
        } = self;
        let client = Arc::new(client);
        let (sender, waiting) = mpsc::channel(WAITING);
        let events = Events { sender, counts: counts.clone() };
        let (labels, has) = channel::channel(None);
        let (compared, awaited) = (has.clone(), has.clone());
        let (uid, is) = channel::channel(None);
        let publish = async |namespace: Option<&str>| {
            if let Some(namespace) = namespace {
                let place = (namespace, &*name);
                publish::keep_published(&client, place, &node, &config, is.clone()).await;
            }
        };
        info!(node = name, "speaking with the API server");
        let all = async {
            tokio::join!(
                keep_pods(&client, &name, &node, &config),
                sending::keep_sending(&client, &name, waiting, LOOK, &counts),
                keep_refining(&node, &config, &events),
                telling::keep_telling(&node, &config, heard, &events),
                keep_evicting(&client, &node, &config, audited, &events),
                own_node::keep_watching_node(&client, &name, &node, (labels, uid)),
                own_node::keep_labelled(&client, &name, &node, &config, (has, lister)),
                own_node::keep_comparing(&client, &name, &node, &config, (compared, compare_every)),
                taints::keep_removed(&client, &name, &node, &config, awaited),
                publish(publish_in.as_deref()),
                software::keep_known(&client, &name, &node),
                runtimes::keep_answering(&client, &config, &events, &node),
            )
        };
        tokio::select! {
            _ = all => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Follows the pods of this node. Of their annotations ours are kept, and what a static pod is known by.
async fn keep_pods(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
) {
    let lean = |pod: Meta| {
        let ours = format!("{}/", config.borrow().domain.as_str());
        let mut pod = pod;
        pod.annotations.retain(|name, _| name.starts_with(&ours) || name == MIRROR_OF);
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

/// Applies annotations whenever pods or allotments change, and tells of pods that hold what does not go together.
async fn keep_refining(node: &Node, config: &channel::Receiver<Arc<Config>>, events: &Events) {
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
            let (reason, which) = ("GPUAnnotationRefused", String::new());
            let event = Event { about, warning: true, reason, which, message };
            events.tell(event);
        }
        for (pod, why) in node.mixed() {
            let about = About::Pod(pod.namespace, pod.name, Some(pod.uid));
            let (reason, which, message) = ("GPUPodMixed", String::new(), why.to_string());
            events.tell(Event { about, warning: true, reason, which, message });
        }
        node.take_handed_on().iter().map(handed_on).for_each(|event| events.tell(event));
    }
}

/// On the node: the pod is gone, and who has its ledger may be of none.
fn handed_on(HandedOn { id, holder, by }: &HandedOn) -> Event {
    let [namespace, pod, _] = Holder::words(holder.as_ref()).map(Option::unwrap_or_default);
    let message = format!(
        "the pod {namespace}/{pod} is gone, and the ledger of its allotment {id} is held all the same, by {by}: the \
         share is given out again"
    );
    let (about, reason, which) = (About::Node, "GPULedgerHandedOn", id.to_string());
    Event { about, warning: true, reason, which, message }
}

async fn keep_evicting(
    client: &Client,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    audited: channel::Receiver<Arc<Audited>>,
    events: &Events,
) {
    let (mut evictor, mut ticks) = (Evictor::default(), interval(LOOK));
    loop {
        ticks.tick().await;
        let (policy, pods) = (config.borrow().audit.clone(), node.pods().borrow().clone());
        let findings = audited.borrow().findings.clone();
        for event in evictor.look(client, &findings, &policy, &pods).await {
            events.tell(event);
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
