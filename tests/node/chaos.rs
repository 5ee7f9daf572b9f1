//! Pods come and go while agent, kubelet and containers are killed, stopped, upgraded and rebooted at
//! random: afterwards no unit is lost, none was given twice, and every allotment is accounted for.
//!
//! A run can be repeated: `ALIQUOT_CHAOS_SEED` is what decides, and a failure names it.
//! `ALIQUOT_CHAOS_MINUTES` goes on for so long, with the seeds that follow.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aliquot_node::allotment::Holding;
use contract::{Mib, Percent};
use kubelet_sim::{ContainerSpec, Pod, PodSpec, Refused, Traps};

use crate::deeds::{Cards, Deed, Dice};
use crate::harness::{Node, PERCENT, WHOLE, part, wait_until};

/// Deeds of one storm.
const TURNS: u64 = 90;
/// What the file says at times; the last is wrong.
const FILES: [&str; 3] = ["placement: pack\n", "placement: spread\n", "placement: heap\n"];
/// What is divided of a V100.
const USABLE: Mib = Mib(32510);

#[test]
fn after_a_storm_nothing_is_lost_nothing_was_given_twice_and_everything_is_accounted_for() {
    let number = |name| std::env::var(name).ok().map(|value: String| value.parse::<u64>().unwrap());
    let seed = number("ALIQUOT_CHAOS_SEED").unwrap_or(2);
    let end =
        Instant::now() + Duration::from_secs(60 * number("ALIQUOT_CHAOS_MINUTES").unwrap_or(0));
    for seed in seed.. {
        eprintln!("ALIQUOT_CHAOS_SEED={seed}");
        Storm::new(seed).rage();
        if Instant::now() >= end {
            break;
        }
    }
}

/// How the agent is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Agent {
    Runs,
    Stopped,
    Gone,
}

struct Storm {
    seed: u64,
    dice: Dice,
    node: Node,
    agent: Agent,
    kubelet_runs: bool,
    refuses: Arc<AtomicBool>,
    pods: Vec<Pod>,
    came: u64,
    cards: Cards,
    done: Vec<Deed>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let traps = Traps { old_stream_disconnects: seed.is_multiple_of(2), ..Traps::default() };
        let refuses = traps.refuse_registrations.clone();
        let mut node = Node::with_traps("v100-32gb", traps);
        fs::write(node.at("config.yaml"), FILES[0]).unwrap();
        node.add_flag("--config", &node.at("config.yaml").display().to_string());
        node.start_agent();
        node.expect_registered();
        let cards = Cards::new(node.at("driver"));
        Self {
            seed,
            dice: Dice(seed),
            node,
            agent: Agent::Runs,
            kubelet_runs: true,
            refuses,
            pods: Vec::new(),
            came: 0,
            cards,
            done: Vec::new(),
        }
    }

    fn rage(mut self) {
        for _ in 0..TURNS {
            let deed = Deed::choose(&mut self.dice);
            self.done.push(deed);
            self.perform(deed);
            self.check_unique();
        }
        self.calm();
        self.pods.clear();
        self.node.expect_holders(&[]);
        wait_until("no pages are left", || self.node.pages().is_empty());
        self.node.expect_registered();
        let all = [(PERCENT, 100), (WHOLE, 1)].map(|(resource, count)| {
            self.node.sim.admit(PodSpec::single("all", resource, count, &[])).unwrap()
        });
        assert_eq!(all.iter().map(|pod| pod.devices("main").len()).sum::<usize>(), 101);
    }

    /// Does it; what does not go with how things are is left alone.
    fn perform(&mut self, deed: Deed) {
        match deed {
            // The kubelet waits for an answer for as long as a stopped plugin is stopped.
            Deed::PodComes | Deed::PodComesToADyingAgent | Deed::ContainerRestarts
                if self.agent == Agent::Stopped || !self.kubelet_runs => {}
            Deed::PodComes => self.pod_comes(),
            Deed::PodComesToADyingAgent => self.pod_comes_to_a_dying_agent(),
            Deed::PodGoes => drop(self.any_pod().map(|at| self.pods.swap_remove(at).remove())),
            Deed::ContainerRestarts => {
                if let Some(at) = self.any_pod() {
                    self.start(at);
                }
            }
            Deed::ContainerDies => drop(self.any_pod().map(|at| self.pods[at].kill())),
            Deed::ContainerIsStopped => {
                if let Some(at) = self.any_pod()
                    && is_up(&mut self.pods[at])
                {
                    self.pods[at].container("main").signal(libc::SIGSTOP);
                }
            }
            Deed::AgentIsKilled => self.end_agent(),
            Deed::AgentIsTerminated if self.agent == Agent::Runs => {
                let (code, log) = self.node.terminate_agent();
                // One that has only just been started has nothing to put in order yet.
                assert!(matches!(code, Some(0) | None), "{code:?} {}{log}", self.story());
                self.agent = Agent::Gone;
            }
            Deed::AgentIsStopped if self.agent == Agent::Runs => {
                self.node.signal(libc::SIGSTOP);
                self.agent = Agent::Stopped;
            }
            Deed::AgentIsTerminated | Deed::AgentIsStopped => {}
            Deed::AgentComesBack => self.agent_comes_back(),
            Deed::AgentIsUpgraded => self.upgrade(),
            Deed::KubeletEnds => self.kubelet_ends(),
            Deed::KubeletComesBack => self.kubelet_comes_back(),
            Deed::KubeletRestarts => {
                self.kubelet_ends();
                self.kubelet_comes_back();
            }
            Deed::FolderIsRemoved => self.remove_folder(),
            Deed::StreamsAreDropped => self.node.sim.drop_streams(),
            Deed::RegistrationsAreRefused => self.refuses.store(true, Ordering::Relaxed),
            Deed::NodeReboots => self.reboot(),
            Deed::CardFails => self.cards.fail(self.dice.roll(2) as u32),
            Deed::CardVanishes => self.cards.vanish(self.dice.roll(2) as u32),
            Deed::CardHangs => self.cards.hang(self.dice.roll(2) as u32),
            Deed::CardsAreBack => self.cards.restore(),
            Deed::DriverIsUpgraded => {
                self.cards.upgrade(["535", "580"][self.dice.roll(2) as usize]);
            }
            Deed::FileChanges => {
                let which = self.dice.roll(FILES.len() as u64) as usize;
                self.configure(FILES[which]);
            }
            Deed::Calm => self.calm(),
        }
    }

    fn any_pod(&mut self) -> Option<usize> {
        let count = self.pods.len() as u64;
        (count > 0).then(|| self.dice.roll(count) as usize)
    }

    fn pod_comes(&mut self) {
        self.came += 1;
        let name = format!("pod-{}", self.came);
        // After a reboot a container can come before its pages: it is up once it has them.
        let (resource, count, has) = match self.dice.roll(8) {
            0 => (WHOLE, 1, "-e /dev/nvidiactl"),
            _ => (PERCENT, 1 + self.dice.roll(60) as usize, "-s /run/aliquot/*/limits"),
        };
        let script = format!("test {has} && echo up && exec sleep 1000");
        let mut spec = PodSpec::single(&name, resource, count, &["/bin/sh", "-c", &script]);
        if self.dice.roll(4) == 0 {
            // Its devices are offered again, to the container that comes after it.
            let part = 1 + self.dice.roll(count as u64) as usize;
            let first = PodSpec::single("first", resource, part, &["/bin/true"]);
            let first = first.containers.into_iter();
            let first = first.map(|it| ContainerSpec { name: "first".into(), ..it });
            spec.init_containers.extend(first);
        }
        match self.node.sim.admit(spec) {
            Ok(mut pod) => {
                let started = pod.start();
                self.pods.push(pod);
                self.check_start(started);
            }
            Err(Refused::Insufficient { .. }) => {}
            Err(Refused::UnexpectedAdmissionError(why)) => {
                // The agent was killed and the kubelet has not noticed, or it knows of none yet.
                let gone = [
                    "Unavailable",
                    "Unknown",
                    "Cancelled",
                    "requested number of devices unavailable",
                    "unknown device plugin",
                ];
                let is_sick = self.cards.are_why(&why);
                let known = is_sick || gone.iter().any(|words| why.contains(words));
                assert!(known, "{count} of {resource}: {why}\n{}", self.story());
            }
        }
    }

    /// The agent is killed at any moment of the pod's admission.
    fn pod_comes_to_a_dying_agent(&mut self) {
        let Some(pid) = self.node.agent_pid().filter(|_| self.agent == Agent::Runs) else { return };
        let delay = Duration::from_micros(self.dice.roll(20_000));
        let killer = thread::spawn(move || {
            thread::sleep(delay);
            // SAFETY: sends a signal to a process that this test started and has not waited for.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) }
        });
        self.pod_comes();
        assert_eq!(killer.join().unwrap(), 0);
        self.end_agent();
    }

    /// The start of a container may fail while there is nobody to ask; a calm makes up for it.
    fn start(&mut self, at: usize) {
        let started = self.pods[at].start_container("main");
        self.check_start(started);
    }

    fn check_start(&self, started: Result<(), String>) {
        let Err(why) = started else { return };
        let away = ["Unavailable", "Unknown", "Cancelled"].iter().any(|word| why.contains(word));
        let is_sick = self.cards.are_why(&why);
        assert!(away || is_sick, "{why}\n{}", self.story());
    }

    fn end_agent(&mut self) {
        if self.agent != Agent::Gone {
            self.node.kill_agent();
            self.agent = Agent::Gone;
        }
    }

    fn agent_comes_back(&mut self) {
        match self.agent {
            Agent::Runs => return,
            Agent::Stopped => self.node.signal(libc::SIGCONT),
            Agent::Gone => self.node.start_agent(),
        }
        self.agent = Agent::Runs;
    }

    /// Another shim: containers that run keep theirs.
    fn upgrade(&mut self) {
        self.end_agent();
        let mut bytes =
            fs::read(part("target/dist/x86_64/libaliquot.so", "cargo xtask dist")).unwrap();
        bytes.extend(self.dice.roll(3).to_ne_bytes());
        let path = self.node.at("shim-of-another-release.so");
        fs::write(&path, bytes).unwrap();
        self.node.ship(path);
        self.agent_comes_back();
    }

    /// As the kubelet exchanges a mounted file: whole.
    fn configure(&self, text: &str) {
        let draft = self.node.at("config.draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.node.at("config.yaml")).unwrap();
    }

    fn kubelet_ends(&mut self) {
        self.node.sim.stop();
        self.kubelet_runs = false;
    }

    fn kubelet_comes_back(&mut self) {
        if !self.kubelet_runs {
            self.node.sim.resume().unwrap();
            self.kubelet_runs = true;
        }
    }

    /// As by a person who wants to be rid of a plugin; what the kubelet has stored is put back.
    fn remove_folder(&mut self) {
        self.kubelet_ends();
        let (folder, gone) = ("kubelet/device-plugins", "kubelet/gone");
        let _ = fs::remove_dir_all(self.node.at(gone));
        // Moved, because the agent may be making a socket in it at this moment.
        fs::rename(self.node.at(folder), self.node.at(gone)).unwrap();
        fs::create_dir(self.node.at(folder)).unwrap();
        let stored = "kubelet_internal_checkpoint";
        let at = |folder: &str| self.node.at(folder).join(stored);
        fs::copy(at(gone), at(folder)).unwrap();
    }

    /// Every process is gone, and so is what lies in memory; the kubelet starts before the agent.
    fn reboot(&mut self) {
        self.pods.iter_mut().for_each(Pod::kill);
        self.end_agent();
        self.kubelet_ends();
        // Not there yet where an agent was killed before it came to make it.
        let _ = fs::remove_dir_all(self.node.at("pages"));
        self.kubelet_comes_back();
        self.agent_comes_back();
    }

    /// Everything is let be: agent and kubelet come back, and all is as it has to be.
    fn calm(&mut self) {
        self.refuses.store(false, Ordering::Relaxed);
        self.configure(FILES[0]);
        self.kubelet_comes_back();
        self.agent_comes_back();
        self.cards.heal(&self.node);
        self.node.expect_registered();
        for at in 0..self.pods.len() {
            self.expect_up(at);
        }
        let expected: BTreeSet<_> = self.pods.iter().map(|pod| pod.devices("main")).collect();
        let story = self.story();
        wait_until(&format!("every pod has its allotment and no other is left\n{story}"), || {
            self.allotted() == expected && !self.node.holders().contains(&"?".to_owned())
        });
        self.check_sizes();
        wait_until(&format!("there is one socket for each resource\n{story}"), || {
            let names = self.node.names_in("kubelet/device-plugins");
            names.iter().filter(|name| name.starts_with("aliquot-")).count() == 2
        });
    }

    fn expect_up(&mut self, at: usize) {
        let story = self.story();
        let (node, pod) = (&self.node, &mut self.pods[at]);
        let what = || format!("pod {at} is up\n{story}\n{}", node.log());
        let mut last = String::new();
        wait_until(&format!("{} {last}", what()), || {
            if is_up(pod) {
                return true;
            }
            match pod.start_container("main") {
                Ok(()) => {
                    wait_until("it is up or has ended", || {
                        is_up(pod) || !pod.container("main").is_running()
                    });
                }
                Err(why) => last = why,
            }
            is_up(pod)
        });
    }

    /// The devices of each allotment, sorted as the kubelet has them.
    fn allotted(&self) -> BTreeSet<Vec<String>> {
        let devices = |allotment: aliquot_node::status::Allotment| {
            let ids: BTreeSet<_> =
                allotment.record.devices.iter().map(ToString::to_string).collect();
            ids.into_iter().collect()
        };
        self.node.allotments().into_iter().map(devices).collect()
    }

    fn check_sizes(&self) {
        for allotment in self.node.allotments() {
            let count = allotment.record.devices.len();
            if let Holding::Share { percent, memory_mib, .. } = allotment.record.holding {
                assert_eq!(usize::from(percent), count, "{}", self.story());
                let share = Percent::new(percent.into()).unwrap();
                assert_eq!(Mib(memory_mib), share.of(USABLE), "{}", self.story());
                assert_eq!(allotment.problem, None, "{}", self.story());
            }
        }
    }

    fn check_unique(&self) {
        let lost = self.node.sim.lost();
        assert!(lost.is_empty(), "{lost:?} were held when they vanished\n{}", self.story());
        let ids: Vec<_> = self.pods.iter().flat_map(|pod| pod.devices("main")).collect();
        let unique = ids.iter().collect::<BTreeSet<_>>().len();
        assert_eq!(unique, ids.len(), "given twice\n{}", self.story());
    }

    fn story(&self) -> String {
        format!("ALIQUOT_CHAOS_SEED={}: {:?}", self.seed, self.done)
    }
}

fn is_up(pod: &mut Pod) -> bool {
    pod.has_started("main")
        && pod.container("main").is_running()
        && pod.container("main").stdout().contains("up")
}
