//! What the kubelet has stored for containers that it does not list, read where nobody waits for it.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Node;
use super::lives::{Lives, Signs};
use crate::allotment::{self, Held, Holder, Kept, Life, Listed, Record};
use crate::api::{Pods, pod_of};
use crate::aside::aside;
use crate::audit::process::pods_that_live;
use crate::checkpoint::{self, Stored};

/// How long a start waits for the API server to name a pod, where that tells of pods at all.
const NAMED: Duration = Duration::from_secs(1);

impl Node {
    /// What is stored for containers that are not in the list `held`, unless their pods are gone; `None` where the
    /// kubelet's checkpoint cannot be read.
    pub(super) async fn kept(&self, held: &[Held], listed: Listed) -> Option<Vec<Kept>> {
        let stored = self.stored().await?;
        // The kubelet forgets all that a pod had at once: of one with something in its list all holds.
        let listed_pods: BTreeSet<_> =
            stored.iter().filter(|it| is_listed(it, held)).map(|it| it.pod_uid.clone()).collect();
        let of_others = || stored.iter().filter(|it| !listed_pods.contains(&it.pod_uid));
        let others: BTreeSet<_> = of_others().map(|it| it.pod_uid.clone()).collect();
        self.lives().retain(&others);
        // What a pod had that is gone stands there for long, and is not asked about again.
        let is_open = |it: &&Stored| {
            !self.lives().is_gone(&it.pod_uid) || self.book().record(&it.devices).is_some()
        };
        let open: BTreeSet<_> = of_others().filter(is_open).map(|it| it.pod_uid.clone()).collect();
        let living = match open.is_empty() {
            true => BTreeSet::new(),
            false => {
                let proc = self.identity.proc.clone();
                aside(move || pods_that_live(&proc)).await
            }
        };
        let (pods, now) = (self.pods.borrow().clone(), Instant::now());
        let signs = Signs { held, listed, pods: &pods, living: &living };
        let mut lives = self.lives();
        let found: Vec<_> =
            open.into_iter().map(|uid| (lives.look(&uid, &signs, now), uid)).collect();
        if listed == Listed::Whole && found.iter().any(|(_, uid)| lives.wants_news(uid)) {
            // For a list it writes down what it knows, and what is gone it has forgotten with the last question.
            self.again.send_replace(());
        }
        drop(lives);
        let life = |uid: &String| {
            let found = found.iter().find(|(_, of)| of == uid).map(|(life, _)| *life);
            if listed_pods.contains(uid) { Life::Lives } else { found.unwrap_or(Life::Gone) }
        };
        let kept = stored.iter().filter(|it| !is_listed(it, held)).filter_map(|it| {
            let life = life(&it.pod_uid);
            let holder = holder(it, &stored, held, &pods);
            (life != Life::Gone).then(|| Kept {
                holder,
                pod_uid: it.pod_uid.clone(),
                resource: it.resource.clone(),
                devices: it.devices.clone(),
                life,
            })
        });
        Some(kept.collect())
    }

    /// What is stored for the pod of an init container that is about to start and is not in the list `held`;
    /// nothing where a container of the list has the devices of `record`.
    pub(super) async fn unlisted(&self, record: &Record, held: &[Held]) -> Vec<Held> {
        if allotment::holder_of(record, held).is_some() {
            return Vec::new();
        }
        // The kubelet has written it down before it starts anything of the pod.
        let stored = self.stored().await.unwrap_or_default();
        let Some(own) = stored.iter().find(|it| it.devices.iter().eq(&record.devices)) else {
            return Vec::new();
        };
        let pods = self.pods_with(&own.pod_uid).await;
        let its = stored.iter().filter(|it| it.pod_uid == own.pod_uid && !is_listed(it, held));
        let listed = its.filter_map(|it| {
            let holder = holder(it, &stored, held, &pods)?;
            let (resource, devices) = (Some(it.resource.clone()), it.devices.clone());
            Some(Held { holder, resource, devices })
        });
        listed.collect()
    }

    /// The pods that the API server tells of, with this one if it comes soon.
    async fn pods_with(&self, uid: &str) -> Arc<Pods> {
        let mut pods = self.pods.subscribe();
        // Where there is no API server nothing comes.
        let is_told = !pods.borrow().is_empty();
        if is_told {
            let come = pods.wait_for(|pods| pod_of(pods, uid).is_some());
            let _ = tokio::time::timeout(NAMED, come).await;
        }
        self.pods.borrow().clone()
    }

    async fn stored(&self) -> Option<Vec<Stored>> {
        let domain = self.identity.domain.clone();
        self.checkpoint.read(move |path| checkpoint::stored(path, &domain)).await
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_listed(stored: &Stored, held: &[Held]) -> bool {
    let is_it = |held: &Held| {
        let is_named = held.holder.container.as_ref() == Some(&stored.container);
        is_named && held.devices == stored.devices
    };
    held.iter().any(is_it)
}

/// Whose it is: by the API server, or by a container of the same pod that the kubelet lists.
fn holder(one: &Stored, all: &[Stored], held: &[Held], pods: &Pods) -> Option<Holder> {
    let container = Some(one.container.clone());
    if let Some(pod) = pod_of(pods, &one.pod_uid) {
        let (namespace, pod) = (pod.namespace.clone(), pod.name.clone());
        return Some(Holder { namespace, pod, container });
    }
    let siblings = || all.iter().filter(|it| it.pod_uid == one.pod_uid);
    let is_siblings = |held: &&Held| siblings().any(|it| is_listed(it, std::slice::from_ref(held)));
    let sibling = held.iter().find(is_siblings)?;
    Some(Holder { container, ..sibling.holder.clone() })
}
