//! Which pods live of those that the kubelet has stored and does not list a device of: its checkpoint names pods
//! that are gone until it is written again, and of a pod whose init container alone has devices podresources
//! tell no more than the name. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::allotment::{Held, Life, Listed};
use crate::api::{Pods, pod_of};

/// Looks in a row at a pod that had processes and has none, until it has ended: its sandbox can be made again.
const GONE: u32 = 3;

/// How long a pod may be without any process before its first: its volumes, its network, a node that has just
/// booted. Nothing of it runs meanwhile.
const START: Duration = Duration::from_secs(600);

/// Who tells of pods.
pub(crate) struct Signs<'a> {
    /// The kubelet's list.
    pub(crate) held: &'a [Held],
    /// What that can be taken for.
    pub(crate) listed: Listed,
    /// The API server's pods of this node; none where it is not there.
    pub(crate) pods: &'a Pods,
    /// The uids in whose cgroups processes are; none where other pods' are not shown.
    pub(crate) living: &'a BTreeSet<String>,
}

/// What was seen of pods at earlier looks, by uid.
#[derive(Debug, Default)]
pub(crate) struct Lives(BTreeMap<String, Trace>);

#[derive(Debug)]
struct Trace {
    since: Instant,
    /// It had processes.
    has_lived: bool,
    /// The API server knew it.
    was_known: bool,
    /// Looks since it had any process.
    missed: u32,
    life: Life,
}

impl Lives {
    /// Forgets all pods but these.
    pub(crate) fn retain(&mut self, uids: &BTreeSet<String>) {
        self.0.retain(|uid, _| uids.contains(uid));
    }

    /// Whether a pod has been found to be gone.
    pub(crate) fn is_gone(&self, uid: &str) -> bool {
        self.0.get(uid).is_some_and(|trace| trace.life == Life::Gone)
    }

    /// Whether the kubelet's file is to be had anew for this pod, of which nobody can tell: after four looks, and
    /// after twice as many each time.
    pub(crate) fn wants_news(&self, uid: &str) -> bool {
        let is_due = |trace: &Trace| trace.missed >= 4 && trace.missed.is_power_of_two();
        self.0.get(uid).is_some_and(|trace| trace.life == Life::Unknown && is_due(trace))
    }

    /// Looks at a pod.
    pub(crate) fn look(&mut self, uid: &str, signs: &Signs<'_>, now: Instant) -> Life {
        let trace = self.0.entry(uid.to_owned()).or_insert_with(|| Trace::new(now));
        trace.life = trace.look(uid, signs, now);
        trace.life
    }
}

impl Trace {
    const fn new(since: Instant) -> Self {
        let (has_lived, was_known, missed, life) = (false, false, 0, Life::Unknown);
        Self { since, has_lived, was_known, missed, life }
    }

    fn look(&mut self, uid: &str, signs: &Signs<'_>, now: Instant) -> Life {
        let known = pod_of(signs.pods, uid);
        self.was_known |= known.is_some();
        if signs.living.contains(uid) {
            (self.has_lived, self.missed) = (true, 0);
            return Life::Runs;
        }
        if signs.listed == Listed::InPart {
            return Life::Unknown;
        }
        self.missed = self.missed.saturating_add(1);
        let is_shown = !signs.living.is_empty();
        let is_listed = known.is_some_and(|pod| {
            let its =
                |held: &Held| held.holder.namespace == pod.namespace && held.holder.pod == pod.name;
            signs.held.iter().any(its)
        });
        match (known.is_some(), is_shown) {
            (true, _) if !is_listed => Life::Gone,
            // Kubelets before 1.34 list pods that have ended.
            (true, true) if !self.may_start(now) => Life::Gone,
            (true, _) => Life::Lives,
            (false, true) => Life::Gone,
            (false, false) if self.was_known => Life::Gone,
            (false, false) => Life::Unknown,
        }
    }

    fn may_start(&self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.since);
        if self.has_lived { self.missed < GONE } else { waited < START }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::Holder;
    use serde_json::json;

    fn held(pod: &str) -> Held {
        let container = Some("main".into());
        let holder = Holder { namespace: "default".into(), pod: pod.into(), container };
        Held { holder, ..Held::default() }
    }

    fn pods(uids: &[&str]) -> Pods {
        let meta = |uid: &&str| {
            let meta = json!({ "uid": uid, "name": format!("pod-{uid}"), "namespace": "default" });
            (uid.to_string(), serde_json::from_value(meta).unwrap())
        };
        uids.iter().map(meta).collect()
    }

    /// Looks at pod `u`, of which these pods are listed, known and shown.
    fn look(
        lives: &mut Lives,
        (listed, known, shown): (&[&str], &[&str], &[&str]),
        now: Instant,
    ) -> Life {
        let held: Vec<_> = listed.iter().map(|name| held(name)).collect();
        let living = shown.iter().map(ToString::to_string).collect();
        let pods = pods(known);
        let signs = Signs { held: &held, listed: Listed::Whole, pods: &pods, living: &living };
        lives.look("u", &signs, now)
    }

    #[test]
    fn a_pod_is_gone_when_those_who_can_see_it_do_not() {
        let (all, none): (&[&str], &[&str]) = (&["u", "x"], &[]);
        let (listed, others): (&[&str], &[&str]) = (&["pod-u"], &["x"]);
        for (signs, life) in [
            ((none, none, all), Life::Runs),
            ((listed, all, none), Life::Lives),
            ((listed, all, others), Life::Lives),
            ((others, all, others), Life::Gone),
            ((others, all, none), Life::Gone),
            ((listed, others, others), Life::Gone),
            ((listed, none, others), Life::Gone),
            ((listed, others, none), Life::Unknown),
            ((listed, none, none), Life::Unknown),
        ] {
            assert_eq!(look(&mut Lives::default(), signs, Instant::now()), life, "{signs:?}");
        }
    }

    #[test]
    fn a_list_of_some_pods_says_nothing_of_one_without_a_process() {
        let (living, pods) = (["x".to_owned()].into(), Pods::new());
        let signs = Signs { held: &[], listed: Listed::InPart, pods: &pods, living: &living };
        assert_eq!(Lives::default().look("u", &signs, Instant::now()), Life::Unknown);
    }

    #[test]
    fn a_pod_that_has_ended_and_is_listed_still_is_gone_after_some_looks() {
        let (mut lives, now) = (Lives::default(), Instant::now());
        let ended: (&[&str], &[&str], &[&str]) = (&["pod-u"], &["u"], &["x"]);
        assert_eq!(look(&mut lives, (ended.0, ended.1, &["u", "x"]), now), Life::Runs);
        let looks: Vec<_> = (0..3).map(|_| look(&mut lives, ended, now)).collect();
        assert_eq!(looks, [Life::Lives, Life::Lives, Life::Gone]);
        // One that has not begun has longer.
        let mut lives = Lives::default();
        assert!((0..9).all(|_| look(&mut lives, ended, now) == Life::Lives));
        assert_eq!(look(&mut lives, ended, now + START), Life::Gone);
        assert!(lives.is_gone("u"));
    }

    #[test]
    fn news_of_a_pod_of_which_nobody_can_tell_are_asked_for_ever_less() {
        let (mut lives, now) = (Lives::default(), Instant::now());
        let mut asks = |signs| {
            look(&mut lives, signs, now);
            lives.wants_news("u")
        };
        let asked: Vec<_> = (1..20).filter(|_| asks((&["pod-u"], &[], &[]))).collect();
        assert_eq!(asked, [4, 8, 16]);
        assert!((0..20).all(|_| !asks((&["pod-u"], &[], &["u"]))));
    }

    #[test]
    fn what_the_api_server_knew_and_knows_no_more_is_gone_where_no_process_is_shown() {
        let (mut lives, now) = (Lives::default(), Instant::now());
        assert_eq!(look(&mut lives, (&["pod-u"], &["u"], &[]), now), Life::Lives);
        assert_eq!(look(&mut lives, (&["pod-u"], &[], &[]), now), Life::Gone);
    }
}
