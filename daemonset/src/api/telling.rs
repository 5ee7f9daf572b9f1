//! What becomes an event: findings, the health of GPUs, daemons, a configuration that is not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use contract::{AllotmentId, DeviceUuid};
use tokio::sync::{mpsc, watch};

use super::events::{About, Event};
use super::{Events, LOOK, Meta, Pods, evict, pod_of_record};
use crate::audit::News;
use crate::config::{Action, Config, Health};
use crate::decide;
use crate::health::action_of;
use crate::inventory::{Gpu, Inventory, Kind};
use crate::mps::Daemons;
use crate::node::{Gathered, Node};
use crate::nvml::Xids;

/// Where it is heard what is to be told, beside the node itself.
pub(crate) struct Heard {
    /// What the audit finds.
    pub(crate) news: mpsc::Receiver<News>,
    /// How often which card told of which XID.
    pub(crate) xids: watch::Receiver<Xids>,
    /// Why the file of the configuration does not count; `None` while it does.
    pub(crate) refused: watch::Receiver<Option<String>>,
}

/// Tells of all that for as long as the agent lives.
pub(super) async fn keep_telling(
    node: &Node,
    config: &watch::Receiver<Arc<Config>>,
    heard: Heard,
    events: &Events,
) {
    let Heard { mut news, mut xids, mut refused } = heard;
    let (mut inventory, mut daemons, mut held) =
        (node.watch(), node.daemons(), node.watch_allotted());
    // Also what was found before anybody listened.
    inventory.mark_changed();
    daemons.mark_changed();
    held.mark_changed();
    let mut held = Gathered::new(held, LOOK);
    xids.mark_changed();
    refused.mark_changed();
    let (mut known, mut lived, mut counted) = <(Arc<Inventory>, Arc<Daemons>, Xids)>::default();
    let (mut troubled, mut shut) = (Troubles::default(), Shut::default());
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
                let told = of_gpus(&known, &now);
                known = now;
                told.into_iter().chain(of_shut(&mut shut, &known, node)).collect()
            }
            Ok(()) = held.next() => {
                let now = troubles(node);
                let told = of_troubles(&troubled, &now);
                troubled = now;
                told.into_iter().chain(of_shut(&mut shut, &known, node)).collect()
            }
            Ok(()) = xids.changed() => {
                let now = xids.borrow_and_update().clone();
                let told = of_xids(&counted, &now, &config.borrow().health);
                counted = now;
                told
            }
            Ok(()) = refused.changed() => {
                let why = refused.borrow_and_update().clone();
                why.map(|why| on_node("GPUConfigRefused", true, "", why)).into_iter().collect()
            }
            else => return,
        };
        for event in told {
            events.tell(event);
        }
    }
}

fn on_node(reason: &'static str, warning: bool, which: &str, message: String) -> Event {
    Event { about: About::Node, warning, reason, which: which.to_owned(), message }
}

/// On the pod that does it, where one is known; on the node otherwise.
fn of_news(news: News, pods: &Pods) -> Option<Event> {
    let News::Found(finding) = news else { return None };
    let about = match evict::pod(&finding, pods) {
        Some((uid, namespace, name)) => About::Pod(namespace, name, Some(uid)),
        None => match &finding.culprit.holder {
            Some(holder) => {
                let (namespace, pod) = (holder.namespace.clone(), holder.pod.clone());
                // Until its uid is known the name has to do.
                let named = |it: &&Meta| it.namespace == namespace && it.name == pod;
                let by_name = || pods.values().find(named).map(|it| it.uid.clone());
                let uid = finding.pod_uid.clone().or_else(by_name);
                About::Pod(namespace, pod, uid)
            }
            None => About::Node,
        },
    };
    let (reason, which) = (finding.kind.reason(), finding.gpu.to_string());
    Some(Event { about, warning: true, reason, which, message: finding.to_string() })
}

/// A GPU's health and whether shares of it are held here, where it is not as it was; of one that was not known before, what keeps it from being used.
fn of_gpus(before: &Inventory, after: &Inventory) -> Vec<Event> {
    let of_one = |gpu: &Gpu| {
        let (name, was) = (gpu.uuid.to_string(), before.get(gpu.uuid));
        let sick = of_change(
            (was.and_then(|was| was.sick.clone()), gpu.sick.clone()),
            |why| {
                on_node(
                    "GPUUnhealthy",
                    true,
                    &name,
                    format!("nothing of {name} is allocatable: {why}"),
                )
            },
            || on_node("GPUHealthy", false, &name, format!("{name} is well again")),
        );
        let which = format!("{name}, in parts");
        let no_shares = of_change(
            (was.and_then(no_shares), no_shares(gpu)),
            |why| {
                on_node(
                    "GPUBlocked",
                    true,
                    &which,
                    format!("no share of {name} is given out: {why}"),
                )
            },
            || {
                let message = format!("the reason is gone why no share of {name} was given out");
                on_node("GPUUnblocked", false, &which, message)
            },
        );
        sick.into_iter().chain(no_shares)
    };
    let is_news = |(index, why): &(&u32, &String)| before.nameless().get(*index) != Some(*why);
    let nameless = after.nameless().iter().filter(is_news).map(|(index, why)| {
        let message = format!(
            "the card with NVML's index {index} has not answered since the node was booted: {why}"
        );
        on_node("GPUUnknown", true, &index.to_string(), message)
    });
    after.gpus().iter().flat_map(of_one).chain(nameless).collect()
}

/// Why GPUs that work are given to nobody new.
type Shut = BTreeMap<DeviceUuid, String>;

fn of_shut(known: &mut Shut, inventory: &Inventory, node: &Node) -> Vec<Event> {
    let taken = node.taken();
    let shut = |gpu: &Gpu| Some((gpu.uuid, decide::shut(gpu, &taken)?));
    let now = inventory.gpus().iter().filter_map(shut).collect();
    let before = std::mem::replace(known, now);
    of_shut_and_opened(&before, known)
}

fn of_shut_and_opened(before: &Shut, after: &Shut) -> Vec<Event> {
    let of_one = |gpu: &DeviceUuid| {
        let name = gpu.to_string();
        of_change(
            (before.get(gpu).cloned(), after.get(gpu).cloned()),
            |why| {
                on_node("GPUBlocked", true, &name, format!("{name} is given to nobody new: {why}"))
            },
            || {
                let message = format!("the reason is gone why {name} was given to nobody new");
                on_node("GPUUnblocked", false, &name, message)
            },
        )
    };
    let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter_map(of_one).collect()
}

/// Why no share of a GPU can be held that is there to be shared.
fn no_shares(gpu: &Gpu) -> Option<String> {
    gpu.no_shares.clone().filter(|_| gpu.offers(Kind::Percent))
}

/// What is told of a trouble that came, changed or went.
fn of_change(
    (was, is): (Option<String>, Option<String>),
    came: impl FnOnce(&str) -> Event,
    went: impl FnOnce() -> Event,
) -> Option<Event> {
    match is {
        Some(why) if was.as_ref() != Some(&why) => Some(came(&why)),
        None if was.is_some() => Some(went()),
        _ => None,
    }
}

/// Allotments that are not as they should be: why, and whose they are.
type Troubles = BTreeMap<AllotmentId, (String, About)>;

fn troubles(node: &Node) -> Troubles {
    let troubles = node.troubles();
    if troubles.is_empty() {
        return Troubles::new();
    }
    let (records, pods) = (node.records(), node.pods().borrow().clone());
    let about = |id| {
        let pod = records.iter().find(|record| record.id == id);
        let pod = pod.and_then(|record| pod_of_record(&pods, record)).cloned();
        pod.map_or(About::Node, |pod| About::Pod(pod.namespace, pod.name, Some(pod.uid)))
    };
    troubles.into_iter().map(|(id, why)| (id, (why, about(id)))).collect()
}

/// On the pod that holds it, where one is known. That one is gone is told too: whoever was told looks there.
fn of_troubles(before: &Troubles, after: &Troubles) -> Vec<Event> {
    let event = |reason, warning, id: &AllotmentId, about: &About, message| {
        let (about, which) = (about.clone(), id.to_string());
        Event { about, warning, reason, which, message }
    };
    let is_news = |(id, (why, _)): &(&AllotmentId, &(String, About))| {
        before.get(id).is_none_or(|(was, _)| was != why)
    };
    let came = after.iter().filter(is_news).map(|(id, (why, about))| {
        let message = format!("the allotment {id} is not as it should be: {why}");
        event("GPUAllotmentTrouble", true, id, about, message)
    });
    let went = before.iter().filter(|(id, _)| !after.contains_key(id)).map(|(id, (_, about))| {
        let message = format!("the trouble of the allotment {id} is over");
        event("GPUAllotmentMended", false, id, about, message)
    });
    came.chain(went).collect()
}

/// XIDs that ask for nothing but that a program starts again: what its pod shows is that it failed, and not
/// why. Those that take the GPU out are told of with its health.
fn of_xids(before: &Xids, after: &Xids, health: &Health) -> Vec<Event> {
    let is_news = |(of, times): &(&(String, u64), &u64)| before.get(*of) != Some(*times);
    let of_program =
        |((_, xid), _): &(&(String, u64), &u64)| action_of(*xid, health) == Action::RestartApp;
    let event = |((gpu, xid), _): (&(String, u64), &u64)| {
        let message = format!(
            "XID {xid} of {gpu}: the program that caused it has to start again; the GPU is well"
        );
        on_node("GPUApplicationFault", true, &format!("{gpu} {xid}"), message)
    };
    after.iter().filter(is_news).filter(of_program).map(event).collect()
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
        on_node("MPSDaemonLives", false, "", message)
    });
    let gone = changed(false).map(|pipes| {
        let message = format!(
            "no MPS daemon lives behind {pipes}: the arbiter holds the shares. Start \
             nvidia-cuda-mps-control -d there, or name its folder in mpsPipeDirectory"
        );
        on_node("MPSDaemonGone", true, "", message)
    });
    lives.into_iter().chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Taken;
    use crate::inventory::Foreign;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    fn told(before: &Inventory, after: &Inventory) -> Vec<(&'static str, String)> {
        let shut = |of: &Inventory| -> Shut {
            let shut = |gpu: &Gpu| Some((gpu.uuid, decide::shut(gpu, &Taken::default())?));
            of.gpus().iter().filter_map(shut).collect()
        };
        let closed = of_shut_and_opened(&shut(before), &shut(after));
        let told = of_gpus(before, after).into_iter().chain(closed);
        told.map(|event| (event.reason, event.message)).collect()
    }

    /// What was, what is, and the events that tell of it.
    type Row<'a> = (&'a Inventory, &'a Inventory, &'a [(&'a str, &'a str)]);

    #[test]
    fn each_change_of_a_gpu_is_told_once_with_its_reason_and_what_is_wrong_at_first_too() {
        let all = |second: Gpu| Inventory::new(vec![gpu(0, Mode::Shared), second]);
        let second = || gpu(1, Mode::Shared);
        let sick = |why: &str| all(Gpu { sick: Some(why.into()), ..second() });
        let shared = all(Gpu { foreign: Some(Foreign::Mps), ..second() });
        let cordoned = all(Gpu { cordon: Some("its fan".into()), ..second() });
        let no_shares = |gpu: Gpu| all(Gpu { no_shares: Some("noexec".into()), ..gpu });
        let unheld = no_shares(second());
        let (none, well) = (Inventory::default(), all(second()));
        let table: [Row; 15] = [
            (&none, &well, &[]),
            (&none, &sick("lost"), &[("GPUUnhealthy", "lost")]),
            (&well, &sick("lost"), &[("GPUUnhealthy", "lost")]),
            (&sick("lost"), &sick("lost"), &[]),
            (&sick("lost"), &sick("XID 48"), &[("GPUUnhealthy", "XID 48")]),
            (&sick("lost"), &well, &[("GPUHealthy", "well again")]),
            (&none, &cordoned, &[("GPUBlocked", "its fan")]),
            (&cordoned, &shared, &[("GPUBlocked", "MPS")]),
            (&shared, &shared, &[]),
            (&shared, &well, &[("GPUUnblocked", "is gone")]),
            (&none, &unheld, &[("GPUBlocked", "no share of")]),
            (&well, &unheld, &[("GPUBlocked", "noexec")]),
            (&unheld, &unheld, &[]),
            (&unheld, &well, &[("GPUUnblocked", "is gone")]),
            (&cordoned, &sick("lost"), &[("GPUUnhealthy", "lost"), ("GPUUnblocked", "is gone")]),
        ];
        for (before, after, expected) in table {
            let told = told(before, after);
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for ((reason, message), (wanted, part)) in told.iter().zip(expected) {
                assert_eq!(reason, wanted);
                assert!(message.contains(part), "{message}");
                assert!(message.contains(&uuid(1).to_string()), "{message}");
            }
        }
    }

    #[test]
    fn a_card_that_nobody_knows_and_that_does_not_answer_is_told_once_for_each_reason() {
        let (config, orders) = Default::default();
        let scanned = |why: &str| {
            Inventory::default().refreshed(Ok(vec![(0, Err(why.into()))]), &config, &orders)
        };
        let (none, lost) = (Inventory::default(), scanned("it is lost"));
        for (before, after, expected) in [
            (&none, &lost, 1),
            (&lost, &lost, 0),
            (&lost, &scanned("it hangs"), 1),
            (&lost, &none, 0),
        ] {
            let told = told(before, after);
            assert!(
                told.len() == expected && told.iter().all(|it| it.0 == "GPUUnknown"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_whole_gpu_may_have_clients_of_mps_and_needs_no_shim() {
        let no_shares = Some("noexec".into());
        let whole = Gpu { foreign: Some(Foreign::Mps), no_shares, ..gpu(0, Mode::Whole) };
        assert_eq!(told(&Inventory::default(), &Inventory::new(vec![whole])), []);
    }

    #[test]
    fn the_trouble_of_an_allotment_is_told_when_it_comes_changes_and_goes() {
        let pod = About::Pod("team".into(), "a".into(), Some("uid".into()));
        let troubled =
            |id, why: &str| Troubles::from([(AllotmentId(id), (why.to_owned(), pod.clone()))]);
        let table: [(Troubles, Troubles, &[&str]); 5] = [
            (Troubles::new(), troubled(1, "full"), &["GPUAllotmentTrouble"]),
            (troubled(1, "full"), troubled(1, "full"), &[]),
            (troubled(1, "full"), troubled(1, "broken"), &["GPUAllotmentTrouble"]),
            (troubled(1, "full"), Troubles::new(), &["GPUAllotmentMended"]),
            (troubled(1, "a"), troubled(2, "a"), &["GPUAllotmentTrouble", "GPUAllotmentMended"]),
        ];
        for (before, after, expected) in table {
            let told = of_troubles(&before, &after);
            assert_eq!(told.iter().map(|event| event.reason).collect::<Vec<_>>(), expected);
            assert!(told.iter().all(|event| event.about == pod));
        }
    }

    #[test]
    fn only_xids_of_programs_are_told_each_time_that_they_come() {
        let xids = |list: &[(u64, u64)]| -> Xids {
            list.iter().map(|(xid, times)| (("GPU-1".to_owned(), *xid), *times)).collect()
        };
        let count = |before: &[(u64, u64)], after: &[(u64, u64)]| {
            of_xids(&xids(before), &xids(after), &Health::default()).len()
        };
        assert_eq!(count(&[], &[(13, 1), (31, 1), (48, 1), (4711, 1)]), 2);
        assert_eq!(count(&[(13, 1), (31, 1)], &[(13, 1), (31, 2)]), 1);
        assert_eq!(count(&[(13, 1)], &[(13, 1)]), 0);
    }
}
