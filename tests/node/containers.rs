//! What a container finds, and what the agent learns of it.

use kubelet_sim::{ContainerSpec, PodSpec};
use sim_world::admin::{self, Change};

use crate::harness::{Node, PERCENT, WHOLE, part, wait_until};

/// Says what of the agent's is in the container and what of it can be written.
const LOOK: &str = "
    cd /run/aliquot/*/ && ls
    echo x 2>/dev/null >limits || echo limits read-only
    touch new 2>/dev/null || echo folder read-only
    test -w ledger && echo ledger writable
    cat /etc/ld.so.preload
    test -x /opt/aliquot/libaliquot.so && echo shim executable
    ls /dev/nvidia*
    echo $NVIDIA_VISIBLE_DEVICES";

#[test]
fn a_share_finds_its_allotment_the_shim_and_its_own_card() {
    let node = Node::new();
    let mut pod = node.share("a", 50, LOOK);
    pod.start().unwrap();
    let exit = pod.wait();
    let gpu = pod.devices("main")[0].split("::").next().unwrap().to_owned();
    let expected = [
        "ledger",
        "limits",
        "limits read-only",
        "folder read-only",
        "ledger writable",
        "/opt/aliquot/libaliquot.so",
        "shim executable",
        "/dev/nvidia0",
        "/dev/nvidiactl",
        &gpu,
    ];
    assert_eq!(exit.stdout.lines().collect::<Vec<_>>(), expected, "{}", exit.stderr);
}

#[test]
fn any_user_can_write_its_ledger() {
    let node = Node::new();
    let mut spec =
        PodSpec::single("a", PERCENT, 50, &["/bin/sh", "-c", "test -w /run/aliquot/*/ledger"]);
    spec.containers[0].user = Some((4321, 4321));
    spec.containers[0].read_only_root = true;
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(exit.success(), "{exit:?}");
}

#[test]
fn a_whole_gpu_comes_with_the_driver_and_without_the_shim() {
    let node = Node::new();
    let script = "ls /run/aliquot/*/limits /etc/ld.so.preload; nvidia-smi -L; ls /dev/nvidia*";
    let spec = PodSpec::single("a", WHOLE, 1, &["/bin/sh", "-c", script]);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    let gpu = &pod.devices("main")[0];
    assert_eq!(exit.stderr.matches("No such file").count(), 2, "{}", exit.stderr);
    let lines: Vec<_> = exit.stdout.lines().collect();
    assert!(lines[0].contains(gpu), "{lines:?}");
    assert_eq!(lines[1..], ["/dev/nvidia1", "/dev/nvidiactl"]);
}

#[test]
fn what_cuda_opens_by_name_is_in_the_container_however_the_driver_comes() {
    for injection in ["mounts", "cdi"] {
        let mut node = Node::without_agent();
        let library = "libnvidia-ptxjitcompiler.so.1";
        let driver = node.at("driver/usr/lib/x86_64-linux-gnu");
        std::fs::write(driver.join(library), "compiler ").unwrap();
        node.add_flag("--injection", injection);
        node.start_agent();
        node.expect_registered();
        let script = format!("cat /usr/lib/x86_64-linux-gnu/{library} /usr/lib64/{library}");
        let mut pod = node.share("a", 50, &script);
        pod.start().unwrap();
        let exit = pod.wait();
        assert_eq!(exit.stdout, "compiler compiler ", "{injection}: {}", exit.stderr);
    }
}

#[test]
fn the_agent_learns_pod_and_container_before_the_first_process_runs() {
    let node = Node::new();
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    assert_eq!(node.holders(), ["default/a/main"]);
    pod.remove();
    node.expect_holders(&[]);
    wait_until("the pages are gone", || node.pages().is_empty());
}

#[test]
fn a_restarted_container_finds_fresh_pages_behind_the_stored_answer() {
    let node = Node::new();
    let script = "cd /run/aliquot/*/; head -c 8 ledger; printf scribbled >ledger; cat ledger";
    let mut pod = node.share("a", 50, script);
    let answers = pod.answers("main");
    for _ in 0..2 {
        pod.start().unwrap();
        assert_eq!(pod.wait().stdout, "ALQledgrscribbled");
        assert_eq!(pod.answers("main"), answers);
    }
    assert_eq!(node.pages().len(), 1);
}

#[test]
fn an_init_container_and_its_successor_on_the_same_devices_both_find_their_allotment() {
    let node = Node::new();
    let container = |name: &str, count: usize| ContainerSpec {
        name: name.into(),
        resources: [(PERCENT.to_owned(), count)].into(),
        command: ["/bin/sh", "-c", "test -s /run/aliquot/*/limits && sleep ${NAP:-0}"]
            .map(str::to_owned)
            .to_vec(),
        ..Default::default()
    };
    for (init, main) in [(60, 60), (60, 30), (30, 60)] {
        let mut main = container("main", main);
        main.env = [("NAP".to_owned(), "1000".to_owned())].into();
        let mut pod = node
            .sim
            .admit(PodSpec {
                name: "a".into(),
                namespace: "default".into(),
                init_containers: vec![container("init", init)],
                containers: vec![main],
            })
            .unwrap();
        pod.start().unwrap();
        assert!(pod.container("main").is_running());
        assert!(node.holders().contains(&"default/a/main".to_owned()));
        pod.remove();
        node.expect_holders(&[]);
    }
}

#[test]
fn a_sidecar_keeps_its_share_beside_the_containers_that_come_after_it() {
    let node = Node::new();
    let container = |name: &str, count: usize, script: &str| ContainerSpec {
        name: name.into(),
        resources: [(PERCENT.to_owned(), count)].into(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let stays = "test -s /run/aliquot/*/limits && exec sleep 1000";
    let sidecar = ContainerSpec { restarts: true, ..container("sidecar", 20, stays) };
    let init = |name| container(name, 30, "test -s /run/aliquot/*/limits");
    let spec = PodSpec {
        name: "a".into(),
        namespace: "default".into(),
        init_containers: vec![init("first"), sidecar, init("second")],
        containers: vec![container("main", 30, stays)],
    };
    let mut pod = node.sim.admit(spec).unwrap();
    // What an init container had comes to those after it; what a sidecar has does not.
    let [first, second, main, sidecar] =
        ["first", "second", "main", "sidecar"].map(|name| pod.devices(name));
    assert!(sidecar.iter().all(|id| first.contains(id)), "{sidecar:?} {first:?}");
    assert!(sidecar.iter().all(|id| !second.contains(id)), "{sidecar:?} {second:?}");
    assert_eq!(main, second);
    pod.start().unwrap();
    let both = ["default/a/main", "default/a/sidecar"];
    node.expect_holders(&both);
    assert_eq!(node.allotments().len(), 2);
    let answers = pod.answers("sidecar");
    for name in ["sidecar", "main", "sidecar"] {
        pod.start_container(name).unwrap();
        assert!(pod.container("sidecar").is_running() && pod.container("main").is_running());
        node.expect_holders(&both);
    }
    assert_eq!(pod.answers("sidecar"), answers);
    pod.remove();
    node.expect_holders(&[]);
    wait_until("the pages are gone", || node.pages().is_empty());
}

#[test]
fn a_card_that_falls_off_the_bus_takes_only_its_own_devices_along() {
    let node = Node::new();
    admin::change(&node.at("driver"), Change::Vanish { card: 0 }).unwrap();
    node.expect(PERCENT, 0);
    assert_eq!((node.sim.capacity(PERCENT), node.sim.allocatable(WHOLE)), (100, 1));
    admin::change(&node.at("driver"), Change::Restore { card: 0 }).unwrap();
    node.expect_registered();
}

#[test]
fn real_nvidia_smi_in_a_half_shows_half_the_memory() {
    let node = Node::new();
    let mut pod = node.share("a", 50, "nvidia-smi");
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(exit.stdout.contains("/ 16255MiB"), "{exit:?}");
}

#[test]
fn what_a_process_holds_is_in_the_status() {
    let node = Node::new();
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let script = format!("sleep 1000 | {} alloc=1G hold", client.display());
    let mut pod = node.share("a", 50, &script);
    pod.start().unwrap();
    wait_until("1 GiB is charged", || {
        let allotments = node.allotments();
        allotments[0].used_mib.is_some_and(|used| used >= 1024)
            && allotments[0].processes.len() == 1
    });
    pod.kill();
    wait_until("all is free", || node.allotments()[0].used_mib == Some(0));
}
