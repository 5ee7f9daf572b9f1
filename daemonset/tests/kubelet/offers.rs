//! What is offered follows the configuration, what is held, and what people order.

use aliquot_node::inventory::Slice;
use contract::{DeviceUuid, UuidKind};
use kubelet_sim::{ContainerSpec, PodSpec, Refused};

use crate::harness::{Node, PERCENT, WHOLE, poll};

fn uuid(n: u8) -> String {
    DeviceUuid::gpu([n; 16]).to_string()
}

#[test]
fn an_auto_gpu_becomes_what_is_taken_first_and_free_again_afterwards() {
    let node = Node::configured(2, "defaultMode: auto");
    node.expect(WHOLE, 2);
    node.expect(PERCENT, 200);
    let whole = node.sim.admit(PodSpec::single("a", WHOLE, 1, &[])).unwrap();
    node.expect(PERCENT, 100);
    let part = node.sim.admit(PodSpec::single("b", PERCENT, 30, &[])).unwrap();
    node.expect(WHOLE, 1);
    assert_eq!((node.sim.capacity(WHOLE), node.sim.capacity(PERCENT)), (2, 200));
    node.settle(2);
    drop(whole);
    node.expect(PERCENT, 200);
    drop(part);
    node.expect(WHOLE, 2);
}

#[test]
fn pods_of_unlike_kinds_that_come_at_once_get_gpus_of_their_own() {
    for [(first, some), (second, others)] in
        [[(PERCENT, 30), (WHOLE, 1)], [(WHOLE, 1), (PERCENT, 30)]]
    {
        let node = Node::configured(2, "defaultMode: auto");
        node.expect(WHOLE, 2);
        node.expect(PERCENT, 200);
        // The kubelet has not heard yet that the first binds its GPU when the second is admitted.
        let one = node.sim.admit(PodSpec::single("a", first, some, &[]));
        let other = node.sim.admit(PodSpec::single("b", second, others, &[]));
        let (one, other) = (one.unwrap().devices("main"), other.unwrap().devices("main"));
        let gpus = [&one, &other].map(|ids| usize::from(!ids[0].starts_with(&uuid(0))));
        assert_eq!(gpus, [0, 1], "{one:?} and {other:?}");
    }
}

#[test]
fn a_file_that_changes_gives_gpus_to_pools_and_a_bad_one_changes_nothing() {
    let mut node = Node::configured(2, "defaultMode: whole");
    node.expect(WHOLE, 2);
    node.configure("defaultMode: hole");
    node.configure("defaultMode: whole\npools: {training: {mode: shared}}\ngpus:\n- {index: 1, pool: training}\n");
    node.expect("example.com/gpu-training-percent", 100);
    node.expect(WHOLE, 1);
    node.configure("defaultMode: whole");
    node.expect(WHOLE, 2);
    node.expect("example.com/gpu-training-percent", 0);
}

#[test]
fn a_mode_that_changes_under_a_pod_waits_for_it_and_never_gives_the_gpu_twice() {
    let mut node = Node::configured(1, "defaultMode: shared");
    node.expect(PERCENT, 100);
    let pod = node.sim.admit(PodSpec::single("a", PERCENT, 30, &[])).unwrap();
    node.settle(1);
    node.configure("defaultMode: whole");
    // What is held stays listed; nothing else is given out, as either.
    node.expect(PERCENT, 30);
    node.expect(WHOLE, 0);
    drop(pod);
    node.expect(WHOLE, 1);
    node.expect(PERCENT, 0);
}

#[test]
fn a_pool_that_changes_under_a_pod_waits_for_it_and_never_gives_the_gpu_twice() {
    for (mode, before, after, held, all) in [
        ("shared", PERCENT, "example.com/gpu-a-percent", 60, 100),
        ("whole", WHOLE, "example.com/gpu-a", 1, 1),
    ] {
        let mut node = Node::configured(2, &format!("defaultMode: {mode}"));
        node.expect(before, 2 * all);
        let pod = node.sim.admit(PodSpec::single("a", before, held, &[])).unwrap();
        node.settle(1);
        let [id, ..] = &pod.devices("main")[..] else { panic!("it was given nothing") };
        let gpu = u8::from(!id.starts_with(&uuid(0)));
        let pin = format!("gpus: [{{index: {gpu}, pool: a}}]");
        node.configure(&format!("defaultMode: {mode}\npools: {{a: {{mode: {mode}}}}}\n{pin}\n"));
        // What is held stays where it was given; the rest has moved, and nobody new may have it.
        let capacity = |resource| node.sim.capacity(resource);
        node.expect(before, all + held);
        assert!(poll(|| capacity(after) == all - held), "{} of {after}", capacity(after));
        node.expect(after, 0);
        assert!(node.sim.admit(PodSpec::single("b", after, 1, &[])).is_err());
        assert_eq!(node.sim.lost(), [""; 0]);
        drop(pod);
        node.expect(after, all);
        node.expect(before, all);
    }
}

#[test]
fn what_is_made_again_without_its_record_is_given_to_nobody_by_the_name_of_another_pool() {
    let mut node = Node::configured(1, "defaultMode: shared");
    node.expect(PERCENT, 100);
    let pod = node.sim.admit(PodSpec::single("a", PERCENT, 60, &[])).unwrap();
    node.settle(1);
    node.stop_agent();
    node.lose_records();
    node.configure(
        "defaultMode: shared\npools: {a: {mode: shared}}\ngpus: [{index: 0, pool: a}]\n",
    );
    node.sim.forget_most();
    node.start_agent();
    node.settle(1);
    node.expect(PERCENT, 60);
    node.expect("example.com/gpu-a-percent", 0);
    assert_eq!(node.sim.most_allocatable("example.com/gpu-a-percent"), 0, "for a moment it was");
    drop(pod);
    node.expect("example.com/gpu-a-percent", 100);
}

#[test]
fn a_share_lies_on_the_numa_node_that_its_container_is_aligned_to_or_is_refused() {
    let mut node = Node::without_agent(2, |_| {});
    node.configure("defaultMode: shared");
    for n in 0..2 {
        node.play(n, |card| card.facts.as_mut().unwrap().numa = Some(n as u32));
    }
    node.start_agent();
    node.expect(PERCENT, 200);
    let admit = |node: &Node, name: &str, count: usize, numa: i64| {
        let mut spec = PodSpec::single(name, PERCENT, count, &[]);
        spec.containers[0].numa = Some(numa);
        node.sim.admit(spec)
    };
    let lies_on = |pod: &kubelet_sim::Pod, n: u8| {
        let on = uuid(n);
        pod.devices("main").iter().all(|id| id.starts_with(&on))
    };
    let pods = [(30, 1), (20, 0), (31, 1)].map(|(count, numa)| {
        let pod = admit(&node, &format!("{numa}-{count}"), count, numa).unwrap();
        assert!(lies_on(&pod, numa as u8), "{:?}", pod.devices("main"));
        pod
    });
    // Where the node has too little the kubelet takes all of that and the rest elsewhere, and asks nobody.
    let Err(Refused::UnexpectedAdmissionError(why)) = admit(&node, "b", 50, 1) else {
        panic!("it is on two GPUs")
    };
    assert!(why.contains("the kubelet chose 50 percent from several although"), "{why}");
    // Lists and checkpoint name the devices by their nodes.
    node.settle(3);
    node.stop_agent();
    node.lose_records();
    node.start_agent();
    node.settle(3);
    drop(pods);
    node.settle(0);
}

#[test]
fn a_slice_stays_under_the_name_that_it_was_given_under_when_the_strategy_changes() {
    let mut node = Node::configured(1, "mig: {strategy: single}");
    let slices = vec![slice(1, "1g.10gb"), slice(2, "1g.10gb")];
    node.play(0, |card| card.facts.as_mut().unwrap().slices = Some(slices));
    node.expect(WHOLE, 2);
    let pod = node.sim.admit(PodSpec::single("a", WHOLE, 1, &[])).unwrap();
    node.settle(1);
    node.configure("mig: {strategy: mixed}");
    node.expect("example.com/mig-1g.10gb", 1);
    node.expect(WHOLE, 1);
    assert_eq!(node.sim.lost(), [""; 0]);
    drop(pod);
    node.expect("example.com/mig-1g.10gb", 2);
    node.expect(WHOLE, 0);
}

#[test]
fn a_domain_that_changes_under_a_pod_waits_for_it_and_never_gives_the_gpu_twice() {
    const OTHER: &str = "other.example.com/gpu-percent";
    let mut node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    let pod = node.sim.admit(PodSpec::single("a", PERCENT, 60, &[])).unwrap();
    node.settle(1);
    node.stop_agent();
    node.configure("domain: other.example.com");
    node.start_agent();
    // What the pod holds is in no list of the new name, and the rest of its GPU is for nobody new.
    assert!(poll(|| node.sim.capacity(OTHER) == 140), "{} of it", node.sim.capacity(OTHER));
    node.expect(OTHER, 100);
    drop(pod);
    node.expect(OTHER, 200);
}

#[test]
fn a_cordoned_gpu_gives_nothing_new_and_what_runs_on_it_stays() {
    let node = Node::configured(2, "defaultMode: shared");
    node.expect(PERCENT, 200);
    let _pod = node.sim.admit(PodSpec::single("a", PERCENT, 30, &[])).unwrap();
    node.settle(1);
    node.order(|orders| orders.cordons.extend([(uuid(0), "fan".to_owned())]));
    node.expect(PERCENT, 130);
    let Err(Refused::Insufficient { free, .. }) =
        node.sim.admit(PodSpec::single("b", PERCENT, 101, &[]))
    else {
        panic!("a cordoned GPU was given")
    };
    assert_eq!(free, 100);
    node.order(|orders| orders.cordons.clear());
    node.expect(PERCENT, 200);
}

#[test]
fn whole_gpus_and_percents_in_one_pod_are_refused_before_it_starts() {
    let node = Node::new(2, |_| {});
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
    let container = |name: &str, resource: &str, count| ContainerSpec {
        name: name.into(),
        resources: [(resource.to_owned(), count)].into(),
        ..Default::default()
    };
    let containers = vec![container("main", WHOLE, 1), container("side", PERCENT, 20)];
    let spec = PodSpec {
        name: "a".into(),
        namespace: "default".into(),
        init_containers: vec![],
        containers,
    };
    let mut pod = node.sim.admit(spec).unwrap();
    let why = pod.start().unwrap_err().to_string();
    assert!(why.contains("cannot be given to one pod"), "{why}");
}

fn slice(n: u8, profile: &str) -> Slice {
    Slice {
        uuid: DeviceUuid { kind: UuidKind::Mig, bytes: [n; 16] },
        profile: profile.into(),
        gpu_instance: n.into(),
        compute_instance: 0,
        memory_mib: 9856,
    }
}

#[test]
fn slices_come_and_go_with_the_geometry_beside_gpus_without_mig() {
    let node = Node::configured(2, "defaultMode: shared");
    node.expect(PERCENT, 200);
    let divide = |slices: Option<Vec<Slice>>| {
        node.play(0, |card| card.facts.as_mut().unwrap().slices = slices);
    };
    divide(Some(vec![slice(1, "1g.10gb"), slice(2, "1g.10gb"), slice(3, "1g.10gb+me")]));
    node.expect("example.com/mig-1g.10gb", 2);
    node.expect("example.com/mig-1g.10gb.me", 1);
    node.expect(PERCENT, 100);
    let pod = node.sim.admit(PodSpec::single("a", "example.com/mig-1g.10gb.me", 1, &[])).unwrap();
    assert_eq!(pod.devices("main"), [slice(3, "").uuid.to_string()]);
    node.settle(1);
    divide(Some(vec![slice(4, "2g.20gb")]));
    let listed = || node.sim.capacity("example.com/mig-2g.20gb");
    assert!(poll(|| listed() == 1), "{}", listed());
    // By its device nodes its holder may have what was made in its place.
    node.expect("example.com/mig-2g.20gb", 0);
    assert!(node.sim.admit(PodSpec::single("b", "example.com/mig-2g.20gb", 1, &[])).is_err());
    node.expect("example.com/mig-1g.10gb.me", 0);
    assert_eq!(node.sim.capacity("example.com/mig-1g.10gb.me"), 1, "a held slice vanished");
    // Its holder has the whole card in place of its slice, should it still have the device node.
    divide(None);
    assert!(poll(|| listed() == 0), "{}", listed());
    // Each resource has a list of its own.
    assert!(poll(|| node.sim.capacity(PERCENT) == 200), "{}", node.sim.capacity(PERCENT));
    node.expect(PERCENT, 100);
    divide(Some(vec![slice(4, "2g.20gb")]));
    drop(pod);
    node.expect("example.com/mig-2g.20gb", 1);
}

#[test]
fn with_honest_advertising_a_node_never_offers_more_than_one_gpu_has_left() {
    let node = Node::configured(2, "honestAdvertising: true");
    node.expect(PERCENT, 100);
    let _a = node.sim.admit(PodSpec::single("a", PERCENT, 70, &[])).unwrap();
    // 70 are held and the other GPU has 100 left.
    node.expect(PERCENT, 170);
    let _b = node.sim.admit(PodSpec::single("b", PERCENT, 70, &[])).unwrap();
    node.expect(PERCENT, 170);
    let Err(Refused::Insufficient { free, .. }) =
        node.sim.admit(PodSpec::single("c", PERCENT, 60, &[]))
    else {
        panic!("30 + 30 looked like 60")
    };
    assert_eq!(free, 30);
}
