//! What the API server tells of the node and its pods, and what of it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use contract::{AllotmentId, DeviceUuid, Domain, Percent};
use tokio::sync::watch;
use tracing::warn;

use super::{Node, unix_s};
use crate::allotment::{self, Held, Record, Rules};
use crate::api::{Meta, Pods, PoolStates, Refinement, pod_of, pod_of_record};
use crate::arbiter;
use crate::decide::Refusal;
use crate::layout::Layout;
use crate::planned::planned;

impl Node {
    /// Whether an allotment goes first where somebody waits for its answers.
    #[must_use]
    pub fn class_of(&self, id: AllotmentId) -> arbiter::Class {
        let classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        classes.get(&id).copied().unwrap_or_default()
    }

    /// An allotment is of this class from now on; the arbiter hears of it.
    fn classify(&self, id: AllotmentId, class: arbiter::Class) {
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match class {
            arbiter::Class::Batch => classes.remove(&id).unwrap_or_default(),
            class => classes.insert(id, class).unwrap_or_default(),
        };
        drop(classes);
        if before != class {
            self.changed();
        }
    }

    /// The node has these labels: they choose what holds of the configuration.
    pub fn labelled(&self, labels: &BTreeMap<String, String>) {
        self.who.send_if_modified(|who| {
            let news = who.labels != *labels;
            who.labels.clone_from(labels);
            news
        });
    }

    /// What the pod's annotations ask for, where the API server has told of them by now; otherwise
    /// they are applied when it does.
    pub(super) fn refine_one(&self, record: &Record, held: &[Held]) {
        let Ok(domain) = Domain::parse(&self.identity.domain) else { return };
        let holder = allotment::holder_of(record, held);
        let record = Record { holder, ..record.clone() };
        // What does not count becomes an event at the next look.
        let _ = self.refine(&record, &self.pods.borrow(), domain);
    }

    /// Applies all pods' annotations. Answers what of them does not count, by pod.
    pub fn refine_all(&self, domain: Domain<'_>) -> Vec<(Meta, String)> {
        let pods = self.pods.borrow().clone();
        let records = self.records();
        self.forget_all_but(&records);
        records.iter().flat_map(|record| self.refine(record, &pods, domain)).collect()
    }

    /// Pods with whole GPUs and percents, and what is said of that: they started while nobody could tell whose
    /// these were.
    pub fn mixed(&self) -> Vec<(Meta, Refusal)> {
        let (records, pods) = (self.records(), self.pods.borrow().clone());
        let held: Vec<_> = records.iter().filter_map(Record::held).collect();
        let mut told = BTreeMap::new();
        for record in &records {
            let pod = record.pod_uid.as_ref().and_then(|uid| pod_of(&pods, uid));
            if let Some((pod, other)) = pod.zip(allotment::clash(record, &held)) {
                told.entry(&pod.uid).or_insert_with(|| (pod.clone(), Refusal::MixedPod(other)));
            }
        }
        told.into_values().collect()
    }

    fn refine(&self, record: &Record, pods: &Pods, domain: Domain<'_>) -> Vec<(Meta, String)> {
        let Some(holder) = &record.holder else { return Vec::new() };
        let pod = pod_of_record(pods, record);
        let parse = |pod: &Meta| Refinement::parse(&pod.annotations, domain);
        let (mut refinement, mut problems) = pod.map(parse).unwrap_or_default();
        let observed = &self.config.borrow().observe;
        refinement.observe = observed.iter().any(|glob| glob.matches(&holder.namespace));
        self.classify(record.id, refinement.class);
        // One whose annotations were taken away becomes what it was, also if no agent saw them go. Before the API server
        // has told of its pod nobody knows of any, but who is observed.
        match (refinement == Refinement::default(), pod) {
            (false, _) => {
                self.mark_refined(record, true);
                problems.extend(self.apply(record, &refinement));
            }
            (true, Some(_)) => match record.refined {
                Some(false) => {}
                Some(true) => {
                    problems.extend(self.apply(record, &refinement));
                    self.mark_refined(record, false);
                }
                None => {
                    self.undo(record, allotment::observe_no_longer);
                    self.undo(record, allotment::lower_no_longer);
                    self.mark_refined(record, false);
                }
            },
            // Who is observed may have started so, by a configuration of then: nobody wrote it down, and that of now holds.
            (true, None) if record.refined != Some(false) => {
                self.undo(record, allotment::observe_no_longer);
            }
            (true, None) => {}
        }
        problems.into_iter().filter_map(|problem| Some((pod?.clone(), problem))).collect()
    }

    /// What has ended has no class and is to be marked no more.
    fn forget_all_but(&self, records: &[Record]) {
        let known: BTreeSet<_> = records.iter().map(|record| record.id).collect();
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        classes.retain(|id, _| known.contains(id));
        drop(classes);
        let mut unmarked = self.unmarked.lock().unwrap_or_else(PoisonError::into_inner);
        unmarked.retain(|id| known.contains(id));
    }

    fn apply(&self, record: &Record, refinement: &Refinement) -> Vec<String> {
        let rules = self.book().rules(record);
        let (is_new, problems) = allotment::refine(&self.wares.layout, record, rules, refinement);
        self.applied(is_new);
        problems
    }

    fn undo(&self, record: &Record, how: fn(&Layout, &Record, Rules) -> bool) {
        let rules = self.book().rules(record);
        self.applied(how(&self.wares.layout, record, rules));
    }

    fn applied(&self, is_new: bool) {
        if is_new {
            // The arbiter looks seldom where nobody fights for a GPU.
            self.changed();
        }
    }

    fn mark_refined(&self, record: &Record, refined: bool) {
        let marked = self.book().mark_refined(record.id, refined);
        let mut unmarked = self.unmarked.lock().unwrap_or_else(PoisonError::into_inner);
        match marked {
            Ok(()) => drop(unmarked.remove(&record.id)),
            // Each look tries again.
            Err(error) if unmarked.insert(record.id) => {
                warn!(allotment = %record.id, %error, "whether it is refined is forgotten when the agent restarts");
            }
            Err(_) => {}
        }
    }

    /// Shares that the scheduler's extender has planned here and nobody has taken yet.
    #[must_use]
    pub fn planned(&self) -> Vec<(DeviceUuid, Percent)> {
        let config = self.config.borrow();
        let Ok(domain) = Domain::parse(config.domain.as_str()) else { return Vec::new() };
        planned(&self.pods.borrow(), self.book().records(), domain, unix_s())
    }

    /// The pods of the node, as the API server tells of them.
    #[must_use]
    pub fn pods(&self) -> &watch::Sender<Arc<Pods>> {
        &self.pods
    }

    /// Whether the node's pools are alike on all their nodes, as far as the API server has told.
    #[must_use]
    pub fn pools(&self) -> &watch::Sender<Arc<PoolStates>> {
        &self.pools
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::{Holder, Told};
    use crate::config::{self, Compute, ComputePolicy, Config};
    use crate::decide::Grant;
    use crate::inventory::tests::uuid;
    use crate::node::tests::Bare;
    use contract::DeviceId;
    use contract::paths::LIMITS_FILE;
    use ledger::agent::{self, DeviceSpec};
    use ledger::{AtLimit, Policy};

    #[test]
    fn a_pod_that_holds_what_does_not_go_together_is_told_of_once() {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        // A second GPU, whole, as an earlier configuration gave it.
        let (devices, whole) = ([DeviceId::Whole(uuid(7))].into(), Grant::Whole(vec![uuid(7)]));
        bare.node.book().allot(&devices, &whole, Told::default(), None).unwrap();
        let ids: Vec<_> = bare.node.records().iter().map(|record| record.id).collect();
        let mut book = bare.node.book();
        for (id, container) in ids.into_iter().zip(["load", "main"]) {
            let container = Some(container.to_owned());
            book.hold(id, Holder { namespace: "team".into(), pod: "a".into(), container }).unwrap();
        }
        book.age(std::time::Duration::from_secs(60));
        book.learn_pods(std::time::Instant::now(), |_| Some("u".into())).unwrap();
        drop(book);
        assert_eq!(bare.node.mixed().len(), 0, "the API server has not told of it");
        let meta = serde_json::json!({ "uid": "u", "name": "a", "namespace": "team" });
        let pod = ("u".to_owned(), serde_json::from_value(meta).unwrap());
        bare.node.pods().send_replace(Arc::new(Pods::from([pod])));
        let [(pod, why)] = &bare.node.mixed()[..] else { panic!("one pod") };
        assert!(pod.uid == "u" && matches!(why, Refusal::MixedPod(_)), "{why}");
    }

    #[test]
    fn a_pods_annotations_do_not_count_for_one_that_had_its_name_before() {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let [namespace, name] = ["team", "web-0"].map(str::to_owned);
        let holder = Holder { namespace, pod: name, container: Some("main".into()) };
        let annotations = serde_json::json!({ "example.com/compute-class": "latency",
                                              "example.com/gpu-memory": "much" });
        let meta = serde_json::json!({ "uid": "new", "name": "web-0", "namespace": "team",
                                       "annotations": annotations });
        let pods = Pods::from([("new".to_owned(), serde_json::from_value(meta).unwrap())]);
        let domain = Domain::parse("example.com").unwrap();
        let of = |uid: &str| Record {
            holder: Some(holder.clone()),
            pod_uid: Some(uid.to_owned()),
            ..bare.node.records()[0].clone()
        };
        assert_eq!(bare.node.refine(&of("old"), &pods, domain), []);
        assert_eq!(bare.node.class_of(of("old").id), arbiter::Class::Batch);
        assert_eq!(
            bare.node.refine(&of("new"), &pods, domain).len(),
            1,
            "an amount without a number"
        );
        assert_eq!(bare.node.class_of(of("new").id), arbiter::Class::Latency);
    }

    #[test]
    fn a_share_of_which_nobody_wrote_down_whether_it_is_refined_keeps_the_rules_that_it_started_by()
    {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        // As an agent kept it that did not write it down.
        let mut record = serde_json::to_value(&bare.node.records()[0]).unwrap();
        for word in ["refined", "rules"] {
            record.as_object_mut().unwrap().remove(word);
        }
        let mut record: Record = serde_json::from_value(record).unwrap();
        let [namespace, pod] = ["team", "trainer"].map(str::to_owned);
        record.holder =
            Some(Holder { namespace: namespace.clone(), pod: pod.clone(), container: None });
        let folder = bare.node.layout().pages_of(record.id);
        let page = || agent::read_limits(&folder.join(LIMITS_FILE)).unwrap().devices;
        let by_rules = page();
        let started =
            DeviceSpec { policy: Policy::Strict, quantum_us: 9000, ..by_rules[0].clone() };
        let less = DeviceSpec { hard: 1 << 30, weight: 10, cap: 10, ..started.clone() };
        let observed =
            DeviceSpec { policy: Policy::Observe, at_limit: AtLimit::Observe, ..started.clone() };
        let meta = serde_json::json!({ "uid": "uid", "name": pod, "namespace": namespace });
        let meta = serde_json::from_value(meta).unwrap();
        let pods = Pods::from([("uid".to_owned(), meta)]);
        let domain = Domain::parse("example.com").unwrap();
        // By a configuration of then, or by a namespace that is observed no more: that of now holds.
        let DeviceSpec { policy, at_limit, .. } = by_rules[0];
        let bound = DeviceSpec { policy, at_limit, ..started.clone() };
        for (was, becomes) in [(&started, &started), (&less, &started), (&observed, &bound)] {
            agent::update(&folder, std::slice::from_ref(was)).unwrap();
            assert_eq!(bare.node.refine(&record, &pods, domain), []);
            assert_eq!(page(), std::slice::from_ref(becomes), "{was:?}");
        }
    }

    /// A node with an allotment, as it is known, and its pod, which has this annotation.
    fn annotated(config: Config, word: &str, text: &str) -> (Bare, Record, Pods) {
        let bare = Bare::with(config);
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let [namespace, pod] = ["team", "trainer"].map(str::to_owned);
        let holder = Holder { namespace: namespace.clone(), pod: pod.clone(), container: None };
        let id = bare.node.records()[0].id;
        bare.node.book().hold(id, holder).unwrap();
        let mut meta = Meta::default();
        (meta.namespace, meta.name) = (namespace, pod);
        meta.annotations = [(format!("example.com/{word}"), text.to_owned())].into();
        let record = bare.node.records()[0].clone();
        (bare, record, Pods::from([("uid".to_owned(), meta)]))
    }

    #[test]
    fn a_share_that_is_refined_while_it_runs_keeps_the_rules_that_it_began_by() {
        let compute =
            Compute { policy: ComputePolicy::Strict, quantum_ms: 9, ..Compute::default() };
        let began = Config { compute, ..Config::default() };
        let (bare, record, pods) = annotated(began, "gpu-compute", "10");
        bare.config.send_replace(Arc::new(Config {
            at_limit: config::AtLimit::Observe,
            ..Config::default()
        }));
        // Another begins by the rules of now.
        let other: Vec<String> = (50..60).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &other).unwrap();
        let domain = Domain::parse("example.com").unwrap();
        let rules = || {
            let page = bare.node.layout().pages_of(record.id).join(LIMITS_FILE);
            let device = agent::read_limits(&page).unwrap().devices.remove(0);
            (device.policy, device.at_limit, device.quantum_us, device.weight)
        };
        for (pods, weight) in [(&pods, 10), (&Pods::from([bare_pod(&pods)]), 50)] {
            let record = bare.node.records().into_iter().find(|it| it.id == record.id).unwrap();
            assert_eq!(bare.node.refine(&record, pods, domain), []);
            assert_eq!(rules(), (Policy::Strict, AtLimit::Refuse, 9000, weight));
        }
    }

    /// The same pod without annotations.
    fn bare_pod(pods: &Pods) -> (String, Meta) {
        let (uid, mut pod) = pods.clone().pop_first().unwrap();
        pod.annotations.clear();
        (uid, pod)
    }

    #[test]
    fn what_has_ended_has_no_class_and_is_to_be_marked_no_more() {
        let (bare, record, pods) = annotated(Config::default(), "compute-class", "latency");
        bare.node.pods().send_replace(Arc::new(pods));
        let domain = Domain::parse("example.com").unwrap();
        // A disk that takes no record.
        std::fs::create_dir(bare.node.layout().record(record.id).with_extension("draft")).unwrap();
        bare.node.refine_all(domain);
        let classes = || bare.node.classes.lock().unwrap().len();
        let known = || [classes(), bare.node.unmarked.lock().unwrap().len()];
        assert_eq!(known(), [1, 1]);
        bare.node.book().withdraw(record.id);
        bare.node.refine_all(domain);
        assert_eq!(known(), [0, 0]);
    }

    #[test]
    fn the_arbiter_hears_of_other_terms_once() {
        let bare = Bare::new();
        let ids: Vec<String> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        bare.node.allocate("gpu-percent", &ids).unwrap();
        let [namespace, pod] = ["team", "trainer"].map(str::to_owned);
        let holder = Holder { namespace: namespace.clone(), pod: pod.clone(), container: None };
        let record = Record { holder: Some(holder), ..bare.node.records()[0].clone() };
        let mut meta = Meta::default();
        (meta.namespace, meta.name) = (namespace, pod);
        let domain = Domain::parse("example.com").unwrap();
        let mut hears = |policy: &str| {
            let policy = ("example.com/compute-policy".to_owned(), policy.to_owned());
            meta.annotations = [policy].into();
            let held = bare.node.watch_held();
            let pods = Pods::from([("uid".to_owned(), meta.clone())]);
            assert_eq!(bare.node.refine(&record, &pods, domain), []);
            held.has_changed().unwrap()
        };
        assert_eq!(["strict", "strict", "fair"].map(&mut hears), [true, false, true]);
    }
}
