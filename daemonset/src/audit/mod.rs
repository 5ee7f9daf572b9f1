//! The audit: every second the driver's processes, by cgroup and mount to allotments.
//!
//! Interposition binds honest programs; this is for the others and for every way in which a preload
//! can fail to load. It only reads, and writes nothing but what the driver knows of a share's
//! processes into that share's limits page. It believes the driver and the kernel; of a ledger it
//! believes which locks are held.

mod auditor;
mod cards;
pub mod cgroup;
mod finding;
mod judge;
pub mod lister;
mod measure;
pub mod mounts;
pub mod openers;
pub mod process;
mod tracker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::DeviceUuid;
use kube_api::varied;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

pub use auditor::Audited;
pub use finding::{Culprit, Finding, Kind};
pub use judge::{Behind, Measured};
pub use tracker::News;

use crate::allotment::Holder;
use crate::aside::aside;
use crate::health::is_of_a_fault;
use crate::inventory::Gpu;
use crate::mps;
use crate::node::Node;
use auditor::{Auditor, Known};
use cards::Cards;
use lister::Lister;

/// Between two looks, in the mean. Each time is drawn: in the pages of a share its container sees that there was one, and
/// could keep off the next.
const PERIOD: Duration = Duration::from_secs(1);

/// What the audit needs.
pub struct Audit {
    /// The GPUs and allotments.
    pub node: Arc<Node>,
    /// Who knows the processes on them.
    pub lister: Arc<dyn Lister>,
    /// Where the machine's procfs is.
    pub proc: PathBuf,
    /// What is known after each look.
    pub audited: watch::Sender<Arc<Audited>>,
    /// Who is told of findings; one that is slow misses some.
    pub news: mpsc::Sender<News>,
}

/// Looks about every second until `stop` is true.
pub async fn keep_auditing(audit: Audit, mut stop: watch::Receiver<bool>) {
    let mut cards = Cards::new(audit.lister.clone());
    let mut auditor = Auditor::new(audit.node.layout().clone(), &audit.proc);
    let mut told = Told::default();
    // Not at once: a finding takes several looks, and the agent has to register first.
    let mut next = Instant::now() + varied(PERIOD);
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        next = Instant::now() + varied(PERIOD);
        let (audited, news);
        (auditor, (audited, news)) = look(&audit, &mut cards, auditor).await;
        told.tell(&audited);
        for one in news {
            log(&one);
            // What is lost here is still in the log and in the metrics.
            let _ = audit.news.try_send(one);
        }
        audit.audited.send_replace(Arc::new(audited));
    }
}

/// One look. Files are read and the driver is asked on threads that may take their time; what panics there
/// ends the agent, which has to start again: an audit that is over would look like one that finds nothing.
async fn look(
    audit: &Audit,
    cards: &mut Cards,
    mut auditor: Auditor,
) -> (Auditor, (Audited, Vec<News>)) {
    let inventory = audit.node.watch().borrow().clone();
    let prepared = aside(move || {
        auditor.prepare();
        auditor
    });
    let mut auditor = prepared.await;
    let gpus = || inventory.gpus().iter();
    let mut looks = cards.look(gpus().filter(|gpu| answers(gpu)).map(|gpu| gpu.uuid)).await;
    // Nobody is cleared because nobody could look.
    let silent = gpus().filter(|gpu| !answers(gpu));
    looks.extend(silent.map(|gpu| (gpu.uuid, Err(gpu.sick.clone().unwrap_or_default()))));
    let (records, pods) = (audit.node.records(), audit.node.pods().borrow().clone());
    let (node, daemons) = (audit.node.clone(), audit.node.daemons().borrow().clone());
    aside(move || {
        let daemons =
            if daemons.is_empty() { BTreeSet::new() } else { mps::pids(&daemons, &node.tenants()) };
        let known = Known { records, pods, inventory, daemons };
        let outcome = auditor.look(looks, known);
        (auditor, outcome)
    })
    .await
}

/// Whether the driver is asked for a GPU's processes. With a fault it may answer still; one that does not answer
/// is left alone, as is a driver that is let go of.
fn answers(gpu: &Gpu) -> bool {
    gpu.sick.as_deref().is_none_or(is_of_a_fault)
}

fn log(news: &News) {
    let (News::Found(finding) | News::Over(finding)) = news;
    let [namespace, pod, container] = Holder::words(finding.culprit.holder.as_ref());
    let (gpu, kind) = (finding.gpu, finding.kind.label());
    match news {
        News::Found(_) => warn!(namespace, pod, container, %gpu, kind, "audit: {finding}"),
        News::Over(_) => info!(namespace, pod, container, %gpu, kind, "audit: over: {finding}"),
    }
}

/// What was said about the audit itself, so that it is said once.
#[derive(Default)]
struct Told {
    silent: BTreeMap<DeviceUuid, String>,
    hidden: u32,
}

/// Looks in a row with processes that procfs does not show, until it is said: each can have been the
/// last moment of one.
const HIDDEN: u32 = 5;

impl Told {
    fn tell(&mut self, audited: &Audited) {
        for (gpu, why) in &audited.silent {
            if self.silent.get(gpu) != Some(why) {
                warn!(%gpu, why, "its processes are not audited");
            }
        }
        self.silent.clone_from(&audited.silent);
        self.hidden = if audited.hidden == 0 { 0 } else { self.hidden.saturating_add(1) };
        if self.hidden == HIDDEN {
            warn!(
                processes = audited.hidden,
                "the driver lists processes that /proc does not show: the agent's pod needs hostPID"
            );
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::lister::Listing;
    use super::*;
    use crate::node::tests::Bare;

    /// The longest between two looks: what [`varied`] makes of their period at most.
    pub(super) const LONGEST: Duration = Duration::from_millis(1250);

    /// A folder of pages at which an auditor panics.
    pub(super) const FATAL: &str = "fatal";

    struct Nobody;

    impl Lister for Nobody {
        fn open(&self) -> Result<Box<dyn Listing>, String> {
            Err("there is no driver".into())
        }
    }

    /// An audit of this node, and what it knows.
    fn audit(bare: &Bare) -> (Audit, watch::Receiver<Arc<Audited>>) {
        let (audited, known) = watch::channel(Arc::default());
        let (node, lister) = (bare.node.clone(), Arc::new(Nobody));
        let news = mpsc::channel(1).0;
        (Audit { node, lister, proc: "/proc".into(), audited, news }, known)
    }

    #[test]
    fn when_it_looks_next_cannot_be_read_off_its_last_looks() {
        let pauses: BTreeSet<_> = (0..20).map(|_| varied(PERIOD)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST), "{pauses:?}");
    }

    #[tokio::test]
    async fn an_audit_that_panics_is_seen_to_have_failed_and_one_without_a_driver_goes_on() {
        let (_stop, stopped) = watch::channel(false);
        let bare = Bare::new();
        let (well, mut known) = audit(&bare);
        let goes_on = tokio::spawn(keep_auditing(well, stopped.clone()));
        for _ in 0..2 {
            known.changed().await.unwrap();
        }
        assert_eq!(known.borrow().silent.len(), 1);
        assert!(!goes_on.is_finished());
        let fatal = Bare::with_pages(FATAL);
        let failed = tokio::spawn(keep_auditing(audit(&fatal).0, stopped)).await;
        assert!(failed.is_err_and(|error| error.is_panic()), "nobody hears that nobody audits");
    }
}
