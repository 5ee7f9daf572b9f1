//! Compares the allotments with what the kubelet lists.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Instant;

use contract::{AllotmentId, DeviceId, Domain};

use super::{Denial, Node};
use crate::allotment::{Held, Listed, Look, is_forgotten};
use crate::audit::process::pods_that_live;
use crate::checkpoint;
use crate::decide;

impl Node {
    /// Compares the allotments with what the kubelet lists: ends those that have ended, names the others, and
    /// makes those again that a container holds and of which nothing is written down.
    ///
    /// # Errors
    /// Why nothing, or not all, was done.
    pub async fn reconcile(&self) -> anyhow::Result<()> {
        let asked = Instant::now();
        let held = self.identity.list_once().await?;
        let listed = self.judge(&held);
        let again = self.make_again(&held, asked);
        let replaced = self.replaced(&held);
        let look = Look { held: &held, listed, asked, replaced };
        let done = self.book().reconcile(&look);
        let learned = self.learn_pods();
        self.held.send_replace(());
        if let Ok(domain) = Domain::parse(&self.identity.domain) {
            // Namespaces that are observed are so without an API server too.
            let _ = self.refine_all(domain);
        }
        Ok(again.and(done.map_err(Denial::from)).and(learned)?)
    }

    fn judge(&self, held: &[Held]) -> Listed {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at after the answer: a kubelet that came since is younger than it seems, and never older.
        lists.judge(self.identity.life(), held)
    }

    /// Without it a GPU in use would be offered as free, and its processes would be nobody's.
    fn make_again(&self, held: &[Held], asked: Instant) -> Result<(), Denial> {
        let unknown = self.book().unknown(held, asked);
        unknown.iter().map(|devices| self.readmit(devices)).fold(Ok(()), Result::and)
    }

    fn readmit(&self, devices: &BTreeSet<DeviceId>) -> Result<(), Denial> {
        let inventory = self.inventory().uncordoned();
        let grant = decide::grant(devices, &inventory, &Default::default())?;
        Ok(self.ruled_book().readmit(devices, &grant, self.shim_for(&grant))?)
    }

    /// Allotments whose pod is gone while the kubelet lists another of its name that holds nothing: the API
    /// server knows that other one, or no process of the machine is in the first one's cgroup.
    fn replaced(&self, held: &[Held]) -> BTreeSet<AllotmentId> {
        let mut forgotten = self.records();
        forgotten.retain(|record| record.pod_uid.is_some() && is_forgotten(record, held));
        if forgotten.is_empty() {
            return BTreeSet::new();
        }
        let (pods, living) = (self.pods.borrow(), pods_that_live(&self.identity.proc));
        let is_gone = |uid: &str, namespace: &str, name: &str| {
            let has_heir = pods.values().any(|it| it.namespace == namespace && it.name == name);
            !pods.contains_key(uid) && has_heir || !living.is_empty() && !living.contains(uid)
        };
        let gone = forgotten.into_iter().filter(|record| {
            let (uid, holder) = (record.pod_uid.as_deref(), record.holder.as_ref());
            uid.zip(holder).is_some_and(|(uid, it)| is_gone(uid, &it.namespace, &it.pod))
        });
        gone.map(|record| record.id).collect()
    }

    /// Which pods hold what, as the kubelet has written it down.
    fn learn_pods(&self) -> Result<(), Denial> {
        if !self.book().wants_pods() {
            return Ok(());
        }
        // A file that cannot be read is told of by those who need it.
        let Ok(entries) = checkpoint::read(&self.identity.checkpoint) else { return Ok(()) };
        let pod_of = |device: DeviceId| {
            let id = device.to_string();
            let its = entries.iter().find(|entry| entry.ids().any(|known| known == id));
            its.map(|entry| entry.pod.clone()).filter(|pod| !pod.is_empty())
        };
        Ok(self.book().learn_pods(pod_of)?)
    }
}
