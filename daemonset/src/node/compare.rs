//! Compares the allotments with what the kubelet lists.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use contract::{AllotmentId, DeviceId, Domain};
use tracing::warn;

use super::outlived::{HandedOn, Outlived};
use super::{Denial, Node};
use crate::allotment::{self, Held, Holder, Kept, Listed, Look, Record, is_forgotten};
use crate::api::{Pods, pod_of};
use crate::aside::aside;
use crate::audit::openers::{Opener, openers};
use crate::audit::process::pods_that_live;
use crate::checkpoint;
use crate::decide;

/// Those who have a ledger that are named: a tenant can have many.
const KEEPERS: usize = 3;

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
        let kept = self.kept(&held, listed).await;
        let all: Vec<_> = held.iter().cloned().chain(certain(kept.as_deref())).collect();
        let again = self.make_again(&all, asked).await;
        let replaced = self.replaced(&held).await;
        let outlived = BTreeSet::new();
        let look = Look { held: &held, listed, asked, replaced, outlived, kept };
        let look = Look { outlived: self.outlived(&look).await, ..look };
        let done = self.book().reconcile(&look);
        let learned = self.learn_pods().await;
        self.runtimes.ask_late(|| self.records());
        self.changed();
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

    /// The same for an agent that has told nobody yet what it offers, as far as a list that was asked for at `asked` names
    /// what is `held`: another pool may offer it by now. What the list does not name waits for the first comparison.
    ///
    /// # Errors
    /// Why not all was done.
    pub(crate) async fn take_up(&self, held: &[Held], asked: Instant) -> Result<(), Denial> {
        let again = self.make_again(held, asked).await;
        let named = self.book().give_all_as(held);
        again.and(Ok(named?))
    }

    /// Without it a GPU in use would be offered as free, and its processes would be nobody's.
    async fn make_again(&self, held: &[Held], asked: Instant) -> Result<(), Denial> {
        let unknown = self.book().unknown(held, asked);
        let mut done = Ok(());
        for devices in &unknown {
            // Somebody else may have been given them meanwhile: the next look tells.
            if self.cleared_of(devices).await {
                continue;
            }
            let again = self.readmit(devices);
            done = done
                .and(again.inspect_err(|why| self.book().cannot_hold(devices, why.to_string())));
        }
        done
    }

    fn readmit(&self, devices: &BTreeSet<DeviceId>) -> Result<(), Denial> {
        let grant = self.grant_again(devices)?;
        Ok(self.ruled_book().readmit(devices, &grant, self.shim_for(&grant))?)
    }

    /// What devices come to that the kubelet gave out earlier: that is not judged by what is cordoned since, nor by the
    /// pool that the GPU is in by now. A GPU that is in use as something else by now is not given twice.
    pub(super) fn grant_again(
        &self,
        devices: &BTreeSet<DeviceId>,
    ) -> Result<decide::Grant, decide::Refusal> {
        let taken = self.book().taken().unnamed();
        decide::grant(devices, &self.inventory().uncordoned(), &taken)
    }

    /// Allotments whose pod is gone while the kubelet lists another of its name that holds nothing: the API
    /// server knows that other one, or no process of the machine is in the first one's cgroup.
    async fn replaced(&self, held: &[Held]) -> BTreeSet<AllotmentId> {
        let mut forgotten = self.records();
        forgotten.retain(|record| record.pod_uid.is_some() && is_forgotten(record, held));
        if forgotten.is_empty() {
            return BTreeSet::new();
        }
        let proc = self.identity.proc.clone();
        let living = aside(move || pods_that_live(&proc)).await;
        let pods = self.pods.borrow();
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

    /// Allotments whose pods are in no list and have no process any more, for long.
    async fn outlived(&self, look: &Look<'_>) -> BTreeSet<AllotmentId> {
        let mut unlisted = self.records();
        unlisted.retain(|record| {
            let is_listed = allotment::holder_of(record, look.held).is_some();
            record.pod_uid.is_some() && !is_listed && !allotment::is_kept(record, look)
        });
        let ids = unlisted.iter().map(|record| record.id).collect();
        let old = {
            let mut outlived = self.known_outlived();
            outlived.look(&ids, Instant::now())
        };
        if old.is_empty() || look.listed != Listed::Whole {
            return BTreeSet::new();
        }
        let proc = self.identity.proc.clone();
        let living = aside(move || pods_that_live(&proc)).await;
        // Where no other pod's processes are shown nobody can tell.
        let is_gone = |uid: &String| !living.is_empty() && !living.contains(uid);
        unlisted.retain(|it| old.contains(&it.id) && it.pod_uid.as_ref().is_some_and(is_gone));
        for record in &unlisted {
            let is_held = allotment::living(&self.wares.layout, record.id) > 0;
            if is_held && self.known_outlived().is_news(record.id) {
                self.tell_handed_on(record).await;
            }
        }
        unlisted.into_iter().map(|record| record.id).collect()
    }

    /// Says of an allotment whose pod is gone who holds its ledger all the same.
    async fn tell_handed_on(&self, record: &Record) {
        let proc = self.identity.proc.clone();
        let ledger = self.wares.layout.pages_of(record.id).join(contract::paths::LEDGER_FILE);
        let found = aside(move || openers(&proc, &ledger)).await;
        let by = keepers(&found, &self.pods.borrow());
        let [namespace, pod, container] = Holder::words(record.holder.as_ref());
        warn!(
            namespace, pod, container, allotment = %record.id, by,
            "its pod is gone and has no process, and its ledger is held all the same"
        );
        self.known_outlived().find(HandedOn { id: record.id, holder: record.holder.clone(), by });
    }

    pub(super) fn known_outlived(&self) -> MutexGuard<'_, Outlived> {
        self.outlived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which pods hold what, as the kubelet has written it down.
    async fn learn_pods(&self) -> Result<(), Denial> {
        if !self.book().wants_pods() {
            return Ok(());
        }
        let asked = Instant::now();
        let Some(entries) = self.checkpoint.read(checkpoint::read).await else { return Ok(()) };
        let pod_of = |device: DeviceId| {
            let id = device.to_string();
            let its = entries.iter().find(|entry| entry.ids().any(|known| known == id));
            its.map(|entry| entry.pod.clone()).filter(|pod| !pod.is_empty())
        };
        Ok(self.book().learn_pods(asked, pod_of)?)
    }
}

/// Who has a ledger, in words, as far as it could be seen.
fn keepers(found: &[Opener], pods: &Pods) -> String {
    let word = |one: &Opener| match &one.pod {
        Some(uid) => pod_of(pods, uid).map_or_else(
            || format!("a pod with the uid {uid}"),
            |pod| format!("the pod {}/{}", pod.namespace, pod.name),
        ),
        None => format!("the process {}, which is of no pod", one.pid),
    };
    let all: BTreeSet<_> = found.iter().map(word).collect();
    match all.is_empty() {
        true => "whoever was given it".to_owned(),
        false => all.into_iter().take(KEEPERS).collect::<Vec<_>>().join(", "),
    }
}

/// What the kubelet would list if it listed init containers, of pods that live.
fn certain(kept: Option<&[Kept]>) -> impl Iterator<Item = Held> {
    kept.into_iter().flatten().filter(|kept| kept.lives()).map(|kept| Held {
        holder: kept.holder.clone().unwrap_or_default(),
        resource: Some(kept.resource.clone()),
        devices: kept.devices.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::inventory::tests::uuid;
    use crate::node::hung::{LONG, let_go, silent};
    use crate::node::tests::Bare;

    fn half(from: u8) -> Vec<String> {
        (from..from + 50).map(|part| format!("{}::{part}", uuid(0))).collect()
    }

    fn holder() -> Holder {
        Holder { namespace: "team".into(), pod: "a".into(), container: Some("main".into()) }
    }

    /// A node with an allotment whose pod is known, or is to be learned.
    fn node(pod_uid: Option<&str>) -> Bare {
        let bare = Bare::new();
        bare.node.allocate("gpu-percent", &half(0)).unwrap();
        let id = bare.node.records()[0].id;
        bare.node.book().hold(id, holder()).unwrap();
        bare.node.book().age(Duration::from_secs(60));
        let pod_uid = pod_uid.map(str::to_owned);
        bare.node.book().learn_pods(Instant::now(), |_| pod_uid.clone()).unwrap();
        bare
    }

    /// Whether the node allots while `work` waits for a file that does not answer.
    fn allots_beside(
        bare: Bare,
        file: PathBuf,
        work: impl AsyncFnOnce(&Node) + Send + 'static,
    ) -> bool {
        silent(&file);
        let (told, answered) = mpsc::channel();
        // A runtime that is blocked cannot say so: it has a thread of its own, and another one waits.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let allots = async {
                    tokio::task::yield_now().await;
                    bare.node.allocate("gpu-percent", &half(50)).unwrap();
                    told.send(()).unwrap();
                };
                tokio::join!(work(&bare.node), allots);
            });
        });
        let is_answered = answered.recv_timeout(LONG).is_ok();
        while !thread.is_finished() {
            let_go(&file);
            std::thread::sleep(Duration::from_millis(2));
        }
        thread.join().unwrap();
        is_answered
    }

    #[test]
    fn an_allotment_is_made_while_another_waits_for_files_to_go() {
        let bare = Bare::new();
        let remove = bare.node.book().tie_hands(LONG);
        bare.node.allocate("gpu-percent", &half(0)).unwrap();
        let over: Vec<_> = (40..60).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &over).unwrap();
        let (told, answered) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let waits = async {
                    bare.node.cleared(&half(0)).await;
                    bare.node.allocate("gpu-percent", &half(0)).unwrap();
                };
                let other = async {
                    tokio::task::yield_now().await;
                    let part = [format!("{}::99", uuid(0))];
                    bare.node.allocate("gpu-percent", &part).unwrap();
                    told.send(()).unwrap();
                };
                tokio::join!(waits, other);
            });
        });
        let is_answered = answered.recv_timeout(LONG / 2).is_ok();
        remove();
        thread.join().unwrap();
        assert!(is_answered, "Allocate waited for another's files");
    }

    #[test]
    fn an_allotment_is_made_while_the_kubelets_file_does_not_answer() {
        let bare = node(None);
        let file = bare.node.identity.checkpoint.clone();
        let learn = async |node: &Node| node.learn_pods().await.unwrap();
        assert!(allots_beside(bare, file, learn), "Allocate waited for the kubelet's checkpoint");
    }

    #[test]
    fn an_allotment_is_made_while_the_machines_processes_are_looked_for() {
        let bare = node(Some("uid"));
        let file = bare.node.identity.proc.join("self/cgroup");
        let forgotten = [Held { holder: holder(), ..Held::default() }];
        let look = async move |node: &Node| drop(node.replaced(&forgotten).await);
        assert!(allots_beside(bare, file, look), "Allocate waited for procfs");
    }

    #[tokio::test]
    async fn a_ledger_that_another_pod_was_given_keeps_no_share_of_a_pod_that_is_gone() {
        let [gone, other] = ["1", "2"].map(|digit| digit.repeat(32));
        let bare = node(Some(&gone));
        let id = bare.node.records()[0].id;
        let folder = CString::new(bare.node.layout().pages_of(id).as_os_str().as_bytes()).unwrap();
        let handed_on = ledger::Allotment::open(&folder, 1).unwrap();
        handed_on.take_slot().unwrap();
        let look = async || {
            let look = Look::whole(&[], Instant::now());
            let look = Look { outlived: bare.node.outlived(&look).await, ..look };
            bare.node.book().reconcile(&look).unwrap();
            bare.node.records().len()
        };
        let live = |uid: &str| {
            let process = bare.node.identity.proc.join("77");
            std::fs::create_dir_all(&process).unwrap();
            let cgroup = format!("0::/kubepods/pod{uid}/{}\n", "c".repeat(64));
            std::fs::write(process.join("cgroup"), cgroup).unwrap();
            // As if it had what this process has.
            std::fs::copy("/proc/self/maps", process.join("maps")).unwrap();
        };
        assert_eq!(look().await, 1, "it may be ending");
        bare.node.outlived.lock().unwrap().age(LONG * 10);
        assert_eq!(look().await, 1, "nobody can tell");
        live(&gone);
        assert_eq!(look().await, 1, "it lives");
        live(&other);
        assert!(bare.node.handed_on() == 0 && bare.node.take_handed_on().is_empty());
        assert_eq!(look().await, 0);
        let [told] = &bare.node.take_handed_on()[..] else { panic!("nothing is told") };
        assert_eq!((told.id, &told.holder), (id, &Some(holder())));
        assert_eq!(told.by, format!("a pod with the uid {other}"));
        assert!(bare.node.handed_on() == 1 && bare.node.take_handed_on().is_empty());
    }
}
